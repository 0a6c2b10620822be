"""Uploaded images, kept in memory for as long as the session of their owner."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from core.domain.models import Prediction
from core.errors import NotFoundError

MOST_BYTES = 400_000_000


@dataclass(eq=False)
class Upload:
    """An image that somebody dropped on the Predict page, or one of a folder that was classified.

    `content` is None once newer uploads needed its place, and for images of a folder, which `read`
    reads each time; `predictions` are by model id; `size` in pixels once it is known; `answer` is
    the class that its owner gave it, `answered_aside` that this was in the image dialog, of which
    the page does not know yet. The token is what its addresses contain: nobody can guess it.
    """

    name: str
    content: bytes | None
    token: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    predictions: dict[str, Prediction] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    answer: str | None = None
    answered_aside: bool = False
    read: Callable[[], bytes] | None = None

    @property
    def is_there(self) -> bool:
        """Whether its content can still be asked for."""
        return self.content is not None or self.read is not None

    @property
    def is_of_folder(self) -> bool:
        """Whether it was classified with its folder, and decided then."""
        return self.read is not None

    def load(self) -> bytes:
        """The content of its file.

        Raises:
            NotFoundError: if it is gone.
        """
        if self.content is not None:
            return self.content
        if self.read is None:
            raise NotFoundError("The image is no longer in memory.", "Drop it again.")
        return self.read()


# Why weak: the session holds the images, and they go with it.
_by_token: WeakValueDictionary[str, Upload] = WeakValueDictionary()


def add(name: str, content: bytes | Callable[[], bytes]) -> Upload:
    """A new upload, found by its token while somebody holds it; or a way to read its file."""
    kept = content if isinstance(content, bytes) else None
    upload = Upload(name, kept, read=None if isinstance(content, bytes) else content)
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
