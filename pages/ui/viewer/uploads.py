"""Uploaded images, kept in memory for as long as the session of their owner."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from core.domain.models import Prediction

MOST_BYTES = 400_000_000


@dataclass(eq=False)
class Upload:
    """An image that somebody dropped on the Predict page.

    `content` is None once newer uploads needed its place; `predictions` are by model id; `size` in
    pixels once it is known; `answer` is the class that its owner gave it, `answered_aside` that
    this was in the image dialog, of which the page does not know yet. The token is what its
    addresses contain: nobody can guess it.
    """

    name: str
    content: bytes | None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    predictions: dict[str, Prediction] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    answer: str | None = None
    answered_aside: bool = False


# Why weak: the session holds the images, and they go with it.
_by_token: WeakValueDictionary[str, Upload] = WeakValueDictionary()


def add(name: str, content: bytes) -> Upload:
    """A new upload, found by its token while somebody holds it."""
    upload = Upload(name, content)
    _by_token[upload.token] = upload
    return upload


def find(token: str) -> Upload | None:
    """The upload with this token, or None if it is gone."""
    return _by_token.get(token)


def forget_oldest(uploads: Iterable[Upload], *, most_bytes: int = MOST_BYTES) -> None:
    """Drop the contents of the oldest uploads beyond a limit; their predictions stay.

    Args:
        uploads: of one session, oldest first.
        most_bytes: that all contents together may have.
    """
    left = most_bytes
    for upload in reversed(list(uploads)):
        left -= len(upload.content or b"")
        if left < 0:
            upload.content = None
