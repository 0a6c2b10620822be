"""Datasets as files for other programs: class folders, a ZIP file of them, a table."""

import hashlib
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.data.pixels.images import MAX_FILE_BYTES
from core.domain.datasets import Sample, Verdict
from core.domain.splits import Subset
from core.errors import ConfigError
from core.files import Cell, CsvDelimiter, csv_lines, open_user_file, write_csv

NO_LABEL = "no label"
MISSING_LIST = "missing files.txt"
TABLE = "labels.csv"
TITLES = ("path", "label", "group", "split", "fold", "verdict", "name", "sha256")  # of its columns
_CHUNK = 1 << 20
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_MAX_NAME = 150


@dataclass(frozen=True)
class ExportItem:
    """One image of an export: its file, and its path below the exported folder.

    `fold` counts from 0; None if the split has no folds or the image is in none. `roots` are the
    folders in which the file must lie; see `open_user_file`.
    """

    source: Path
    place: str
    class_name: str
    group: str | None
    subset: Subset | None
    name: str
    sha256: str
    fold: int | None = None
    verdict: Verdict | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[Path, ...] = ()


def safe_file_name(name: str) -> str:
    """A file or folder name that is valid on every common system, without path separators."""
    clean = _UNSAFE.sub("_", name).strip().rstrip(". ")
    if _RESERVED.fullmatch(clean) or clean.startswith("."):
        clean = f"_{clean}"
    if len(clean) > _MAX_NAME:
        suffix = PurePosixPath(clean).suffix[:12]
        clean = clean[: _MAX_NAME - len(suffix)].rstrip(". ") + suffix
    return clean or "_"


def export_items(
    samples: Sequence[Sample],
    sources: Sequence[Path],
    class_names: Sequence[str],
    places: Mapping[int, tuple[Subset, int | None]] | None = None,
    *,
    verdicts: Sequence[Verdict | None] = (),
    roots_of: Callable[[Path], tuple[Path, ...]] = lambda _: (),
) -> list[ExportItem]:
    """Paths of images: `[subset/]class/file`, all different on every file system.

    Args:
        samples: the images.
        sources: their files, in the same order.
        class_names: position = class index.
        places: sample id -> subset and fold, for folders of a split; images that are not in the
            split are left out.
        verdicts: of the classes; empty: none is known.
        roots_of: the folders in which a file must lie; see `open_user_file`.
    """
    folders = _folders([*class_names, NO_LABEL])
    taken: set[str] = set()
    items = []
    for sample, source in zip(samples, sources, strict=True):
        if places is not None and sample.id not in places:
            continue
        subset, fold = places[sample.id] if places is not None else (None, None)
        label = class_names[sample.label] if sample.label is not None else NO_LABEL
        folder = folders[-1 if sample.label is None else sample.label]
        name = sample.name or sample.path
        above = f"{subset}/{folder}" if subset else folder
        place = _free(f"{above}/{safe_file_name(name.replace(chr(92), '/').split('/')[-1])}", taken)
        verdict = verdicts[sample.label] if verdicts and sample.label is not None else None
        items.append(
            ExportItem(
                source,
                place,
                label,
                sample.group,
                subset,
                name,
                sample.sha256,
                fold,
                verdict,
                sample.attributes,
                roots_of(source),
            )
        )
    return items


def write_folder(
    items: Sequence[ExportItem], target: Path, *, delimiter: CsvDelimiter = CsvDelimiter.COMMA
) -> list[str]:
    """Copy images and their table into a folder, which must be new or empty.

    Returns:
        The names of images whose files are missing or changed.

    Raises:
        ConfigError: if the folder is not empty, or cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise ConfigError(f"The folder {target} is not empty.", "Choose a new folder.")
        missing = []
        for item in items:
            place = target.joinpath(*item.place.split("/"))
            with _imported(item) as file:
                if file is None:
                    missing.append(item.name)
                    continue
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("wb") as out:
                    shutil.copyfileobj(file, out, _CHUNK)
        write_csv(target / TABLE, table_rows(items), delimiter=delimiter)
    except OSError as err:
        raise ConfigError(
            f"{target} cannot be written: {err.strerror or err}.", "Choose another folder."
        ) from err
    return missing


def zip_blocks(
    items: Sequence[ExportItem], *, delimiter: CsvDelimiter = CsvDelimiter.COMMA
) -> Iterator[bytes]:
    """A ZIP file of images and their table, block by block; memory stays small.

    Images whose files are missing or changed are listed in a text file inside.
    """
    sink = _Sink()
    missing = []
    # Why stored: images are compressed already; compressing them again only costs time.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for item in items:
            with _imported(item) as file:
                if file is None:
                    missing.append(item.name)
                    continue
                entry = zipfile.ZipInfo(item.place, (2020, 1, 1, 0, 0, 0))
                with archive.open(entry, "w", force_zip64=True) as out:
                    while block := file.read(_CHUNK):
                        out.write(block)
                        yield from sink.take()
        table = csv_lines(table_rows(items), delimiter=delimiter)
        archive.writestr(TABLE, b"".join(table))
        if missing:
            archive.writestr(MISSING_LIST, "\n".join(missing).encode())
        yield from sink.take()
    yield from sink.take()


@contextmanager
def _imported(item: ExportItem) -> Iterator[io.BufferedReader | None]:
    """The open file of an image, whose content is the one that was imported; else None.

    Why compared here: between a check of all files and this one, it may have been replaced.
    """
    try:
        file = open_user_file(item.source, most_bytes=MAX_FILE_BYTES, roots=item.roots)
    except OSError:
        yield None
        return
    with file:
        same = hashlib.file_digest(file, "sha256").hexdigest() == item.sha256
        file.seek(0)
        yield file if same else None


def table_rows(items: Sequence[ExportItem]) -> Iterator[list[Cell]]:
    """Header and rows of a table: `TITLES`, then the columns of imported tables.

    The fold is included only if a split has folds, and counts from 1.
    """
    with_fold = any(item.fold is not None for item in items)
    titles = [title for title in TITLES if with_fold or title != "fold"]
    further = list(dict.fromkeys(key for item in items for key in item.attributes))
    yield [*titles, *_free_titles(further)]
    for item in items:
        yield _cells(item, further, with_fold=with_fold)


def _cells(item: ExportItem, further: Sequence[str], *, with_fold: bool) -> list[Cell]:
    fold = None if item.fold is None else item.fold + 1
    return [
        *(item.place, item.class_name, item.group, item.subset),
        *([fold] if with_fold else []),
        *(item.verdict, item.name, item.sha256),
        *(item.attributes.get(key) for key in further),
    ]


def _free_titles(further: Sequence[str]) -> Iterator[str]:
    """Titles of further columns, with a number if the title is taken."""
    taken = set(TITLES)
    for key in further:
        title, number = key, 2
        while title.casefold() in taken:
            title, number = f"{key} ({number})", number + 1
        taken.add(title.casefold())
        yield title


class _Sink(io.RawIOBase):
    """Passes on what the ZIP writer writes; not seekable."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: object) -> int:
        content = bytes(memoryview(block))  # type: ignore[arg-type]
        self._blocks.append(content)
        return len(content)

    def take(self) -> list[bytes]:
        blocks, self._blocks = self._blocks, []
        return blocks


def _folders(class_names: Sequence[str]) -> list[str]:
    taken = {TABLE.casefold(), MISSING_LIST.casefold()}
    return [_free(safe_file_name(name), taken) for name in class_names]


def _free(place: str, taken: set[str]) -> str:
    """`place`, or with a number if it is taken; upper and lower case are the same."""
    path = PurePosixPath(place)
    free, number = place, 2
    while free.casefold() in taken:
        free, number = str(path.with_name(f"{path.stem} ({number}){path.suffix}")), number + 1
    taken.add(free.casefold())
    return free
