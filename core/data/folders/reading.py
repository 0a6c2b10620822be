"""Read a folder in a thread with a deadline, since its drive may never answer."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from core.data.folders.counting import COUNT_S, FolderCounts, count_images
from core.data.folders.listing import CHECK_S, SCAN_S, FolderListing, list_folder
from core.errors import ImportSourceError

ANSWER_S = SCAN_S + CHECK_S + 1.0  # longer takes only a drive that does not answer
MOST_SILENT = 8  # threads that may wait for such drives at once

Answer = TypeVar("Answer")

_silent: list[threading.Thread] = []
_guard = threading.Lock()


class FolderReading:
    """A listing and the counts of one folder, on their way; nobody waits longer than a moment."""

    def __init__(self, path: Path, *, nearest: bool = False) -> None:
        """Start at once; see `list_folder`."""
        self.path = path
        self._nearest = nearest
        self._listing: FolderListing | None = None
        self._counts = FolderCounts()
        self._error: Exception | None = None
        self._listed = threading.Event()
        self._counted = threading.Event()
        self._stopped = False
        _refuse_more_threads()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def listing(self, *, timeout_s: float = ANSWER_S) -> FolderListing:
        """The listing, or what is known of it when the time is over.

        Raises:
            PathNotAllowedError: see `list_folder`.
            ImportSourceError: if nothing at all was answered.
        """
        if not self._listed.wait(timeout_s):
            self._note_silence()
        if self._error is not None:
            raise self._error
        if self._listing is None:
            raise _no_answer(self.path)
        return self._listing

    def counts(self, *, timeout_s: float = COUNT_S + 0.2) -> FolderCounts:
        """The counts, or what was counted when the time is over; zeros where nothing is listed."""
        if not self._counted.wait(timeout_s):
            self._note_silence()
        return self._counts

    def stop(self) -> None:
        """Give up soon."""
        self._stopped = True

    def _run(self) -> None:
        try:
            listing = list_folder(self.path, nearest=self._nearest, on_part=self._keep_listing)
            self._keep_listing(listing)
            self._listed.set()
            if listing.problem is None:
                self._keep_counts(
                    count_images(
                        listing.path,
                        on_part=self._keep_counts,
                        should_stop=lambda: self._stopped,
                    )
                )
        except Exception as err:  # handed to whoever asks for the listing
            self._error = err
        finally:
            self._listed.set()
            self._counted.set()

    def _keep_listing(self, listing: FolderListing) -> None:
        self._listing = listing

    def _keep_counts(self, counts: FolderCounts) -> None:
        self._counts = counts

    def _note_silence(self) -> None:
        with _guard:
            if self._thread.is_alive() and self._thread not in _silent:
                _silent.append(self._thread)


def refuse_silent(path: Path) -> None:
    """Refuse a path on a drive that does not answer, whether or not anything is there.

    Raises:
        ImportSourceError: if it does not, or too many threads wait for drives already.
    """
    if not answer_within(ANSWER_S, lambda: _is_answered(path), otherwise=False):
        raise _no_answer(path)


def _is_answered(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        path.stat()
    return True


def _no_answer(path: Path) -> ImportSourceError:
    return ImportSourceError(
        f"{path} does not answer.",
        "It may lie on a network drive that is not connected. Check the drive, then try again.",
    )


def answer_within(seconds: float, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
    """What a function answers in this time, else the other answer; it may go on in its thread.

    Raises:
        ImportSourceError: if too many threads wait for drives already.
    """
    answers: list[Answer] = []
    _refuse_more_threads()
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        with _guard:
            _silent.append(thread)
    return answers[0] if answers else otherwise


def _refuse_more_threads() -> None:
    """Raise where too many threads wait for drives already: each one more would wait as well."""
    with _guard:
        _silent[:] = [thread for thread in _silent if thread.is_alive()]
        if len(_silent) >= MOST_SILENT:
            raise ImportSourceError(
                "Too many folders do not answer.",
                "A network drive may not be connected. Check it, or restart the app.",
            )
