"""Functions that misbehave; in a module of their own, so that other processes can import them."""

import os
import time

from core.errors import UnreadableImageError


def misbehave(item: str) -> str:
    if item == "crash":
        os._exit(11)
    if item == "hang":
        time.sleep(60)
    if item == "refuse":
        raise UnreadableImageError("Refused.", "Hint.")
    if item == "odd error":
        raise LookupError("nobody expected this")
    return item.upper()
