"""Every error a person can meet.

TouchstoneError
├── WorkspaceError            the workspace cannot be used (newer, locked, no space)
├── ExposedError              the app would be open to everybody in the network
├── NotAllowedError           the role of this person has no right for it
│   └── NotSignedInError      nobody is signed in, or the session is over
├── NotFoundError             no dataset, split, run or model of this name
├── NameTakenError            a second thing would get the same name
├── ImportSourceError         folder, archive or table that cannot be imported
│   ├── PathNotAllowedError   outside the folders this app may read
│   └── ArchiveError          a ZIP that is broken, hostile or too large
├── UnreadableImageError      one image that cannot be decoded
├── FilesChangedError         files that are no longer as they were imported
├── SplitError                a split that is impossible or missing
├── ConfigError               a setting out of its range
├── NetworkUnavailableError   pretrained weights that are not on this machine
├── OvertakenError            another threshold was saved meanwhile
├── SealedError               a test set that has not been opened yet
├── TrainingError             a training that cannot start or go on
├── QueueFullError            more jobs than may wait
└── ModelFileError            a file that is not a usable model

Each one carries `message` (what happened and where) and `hint` (what to do next). They are shown
in exactly three places: the app's frame, the command line's top, the worker's top.
"""


class TouchstoneError(Exception):
    """Base of all errors that are meant to be read by a user."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> "tuple[type[TouchstoneError], tuple[object, ...]]":
        # Why: errors cross process borders (inference process, decoding pool) unharmed.
        return type(self), (self.message, self.hint)


class WorkspaceError(TouchstoneError):
    """The workspace cannot be used."""


class ExposedError(TouchstoneError):
    """The app would be open to everybody in the network."""


class NotAllowedError(TouchstoneError):
    """The role of this person has no right for it."""


class NotSignedInError(NotAllowedError):
    """Nobody is signed in, or the session is over."""


class NotFoundError(TouchstoneError):
    """Nothing stored under this name or id."""


class NameTakenError(TouchstoneError):
    """The name is in use already."""


class ImportSourceError(TouchstoneError):
    """A source of images that cannot be imported."""


class PathNotAllowedError(ImportSourceError):
    """A path outside the folders this app may read."""


class ArchiveError(ImportSourceError):
    """An archive that is broken, hostile or too large."""


class UnreadableImageError(TouchstoneError):
    """One image that cannot be decoded."""


class FilesChangedError(TouchstoneError):
    """Files of a dataset that are no longer as imported; `changed` and `missing` name images."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        changed: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
        dataset_id: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.changed = changed
        self.missing = missing
        self.dataset_id = dataset_id

    def __reduce__(self) -> "tuple[type[FilesChangedError], tuple[object, ...]]":
        return type(self), (
            self.message,
            self.hint,
            self.changed,
            self.missing,
            self.dataset_id,
        )


class SplitError(TouchstoneError):
    """A split that is impossible or missing."""


class ConfigError(TouchstoneError):
    """A setting out of its range."""


class NetworkUnavailableError(TouchstoneError):
    """Pretrained weights that are not on this machine."""


class OvertakenError(TouchstoneError):
    """Another threshold was saved meanwhile, which the person who saves has not seen."""


class SealedError(TouchstoneError):
    """A test set that has not been opened yet."""


class TrainingError(TouchstoneError):
    """A training that cannot start or go on."""


class QueueFullError(TouchstoneError):
    """More jobs than may wait for their turn."""


class ModelFileError(TouchstoneError):
    """A file that is not a usable model."""
