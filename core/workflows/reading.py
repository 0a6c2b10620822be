"""How a page reads: with one connection, from its first line to its last."""

from core.store.database import opened_once as opened_once
