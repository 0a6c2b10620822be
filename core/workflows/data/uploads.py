"""Sources of images before they are imported: listings, uploads, label tables, and the rules."""

import contextlib
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.administration import how_to_change, limits_of
from core.data.importing.encodings import checked_encoding
from core.data.importing.listing import Listing
from core.data.importing.rules import (
    Choice,
    CombinedLabels,
    DecimalMark,
    Delimiter,
    ImportRules,
    TableRules,
    read_class_pairs,
    read_edges,
    read_names,
)
from core.data.importing.tables.files import TableFile, read_table_file
from core.domain.configs.administration import GB
from core.domain.datasets import LabelSource
from core.domain.ids import new_id
from core.domain.keeping.people import Right
from core.domain.names import known_name
from core.errors import ConfigError, ImportSourceError
from core.files import read_user_file
from core.words import size
from core.workflows.keeping import people
from core.workspace import Workspace, allowed_import_path

MAX_TABLE_BYTES = 500_000_000
_WAITING = ("zip-*", "upload-*", ".*.partial")


def start_listing(
    workspace: Workspace, source: Path, *, zip_encoding: str | None = None
) -> Listing:
    """Start to list the files of a folder or ZIP file; large trees take a while.

    Args:
        workspace: whose uploads may be read too.
        source: a folder or ZIP file.
        zip_encoding: of names in a ZIP file that are not marked as UTF-8; None: detected.

    Raises:
        NotAllowedError: if whoever acts may import nothing, to whom it would tell what is there.
        PathNotAllowedError: if the path may not be read.
    """
    people.require(workspace, Right.DATA, "import")
    path = allowed_import_path(source, uploads=workspace.uploads)
    return Listing(path, zip_encoding=zip_encoding)


def new_upload_folder(workspace: Workspace) -> Path:
    """An empty private folder for files that are uploaded in the browser.

    Raises:
        NotAllowedError: if whoever acts may only read.
    """
    people.require(workspace, Right.FEEDBACK, "upload")
    folder = workspace.uploads / new_id("upload")
    folder.mkdir()
    return folder


def refuse_readers(workspace: Workspace) -> None:
    """Raise where whoever acts may not import, before anything is received or made.

    Raises:
        NotAllowedError: if so.
    """
    people.require(workspace, Right.DATA, "upload")


def refuse_over_quota(workspace: Workspace, more: int) -> None:
    """Raise where uploads that wait to be imported would take more than they may together.

    Raises:
        ImportSourceError: with the numbers.
    """
    waiting = sum(_bytes_of(place) for kind in _WAITING for place in workspace.uploads.glob(kind))
    limit = limits_of(workspace.root).waiting_uploads_gb * GB
    if waiting + more > limit:
        raise ImportSourceError(
            f"Uploads that were not imported take {size(waiting)} on the server; together they may "
            f"take {size(limit)}.",
            "Import or discard them first; they are removed after a day. "
            f"{how_to_change('waiting_uploads_gb')}",
        )


def zip_advice() -> str:
    """What to do with a ZIP file that is too large for a browser."""
    return f"Import a folder on the server instead. {how_to_change('zip_upload_gb')}"


def refuse_zip_size(workspace: Workspace, length: int) -> None:
    """Raise where a ZIP file of so many bytes is too large to be sent by a browser.

    Raises:
        ImportSourceError: with the numbers.
    """
    limit = limits_of(workspace.root).zip_upload_gb * GB
    if length > limit:
        raise ImportSourceError(
            f"The ZIP file is larger than {size(limit)}, which is the limit for browsers.",
            zip_advice(),
        )


def refuse_many_files(workspace: Workspace, count: int) -> None:
    """Raise where a browser sends so many files at once that it takes the memory of the server.

    Raises:
        ImportSourceError: with the numbers.
    """
    limit = limits_of(workspace.root).images_per_upload
    if count > limit:
        raise ImportSourceError(
            f"{count:,} files were sent at once; the limit is {limit:,}.",
            "Send them as a ZIP file, or use a folder on the server. "
            f"{how_to_change('images_per_upload')}",
        )


def _bytes_of(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else (place,)
    total = 0
    for file in files:
        with contextlib.suppress(OSError):  # imported or discarded in between
            status = file.lstat()
            total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total


def store_upload(folder: Path, name: str, content: bytes | memoryview) -> Path:
    """Store one uploaded file below a folder; its name may contain folders, but not lead outside.

    A second file of one name does not replace the first: it becomes `x (2).png`.

    Returns:
        The path of the stored file.

    Raises:
        ConfigError: if the name leads outside the folder, or is that of a folder of another file.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts or ":" in parts[0]:
        raise ConfigError(f"The file name '{name}' cannot be used.", "Rename the file.")
    target = folder.joinpath(*parts)
    stem, suffix, number = target.stem, target.suffix, 1
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        while target.exists():
            number += 1
            target = target.with_name(f"{stem} ({number}){suffix}")
        target.write_bytes(content)
    except (FileExistsError, NotADirectoryError) as err:
        raise ConfigError(
            f"'{name}' needs a folder that has the name of another file.", "Rename one of them."
        ) from err
    return target


def import_rules(
    *,
    labels: LabelSource | None = None,
    pattern: str = "",
    level: int | None = None,
    table: Path | None = None,
    delimiter: str | None = None,
    header: bool | None = None,
    columns: Mapping[str, str | None] | None = None,
    class_map: Sequence[str] = (),
    bins: str = "",
    bin_names: str = "",
    keep_split: bool = True,
    keep_companions: bool = False,
    leave_out: Iterable[str] = (),
    ok_classes: Iterable[str] | None = None,
    combined: str | None = None,
    encoding: str | None = None,
    zip_encoding: str | None = None,
    sheet: str | None = None,
    decimal: str | None = None,
    one_class: str = "",
) -> ImportRules:
    """Rules as typed on the command line; the label source follows from the others if not given.

    Args:
        labels: where classes come from; None: follows from the other arguments.
        pattern: for `LabelSource.PATTERN`.
        level: for `LabelSource.FOLDER_LEVEL`.
        table: the file for `LabelSource.TABLE`.
        delimiter: of the table; see `Delimiter`.
        header: whether the table has one; None: detected.
        columns: name or number of its `path`, `label`, `group` and `split` columns.
        class_map: names of labels, `0=good, 1=crack`, or one pair in each of several texts.
        bins: edges of numeric labels, `0.3, 0.7`.
        bin_names: names of the bins, one more than edges.
        keep_split: whether a split that comes with the images is kept.
        keep_companions: whether masks and annotations are imported as images.
        leave_out: classes not to import.
        ok_classes: classes that count as OK; None: by their names.
        combined: what class names that look like several labels are; see `CombinedLabels`.
        encoding: of the table, or of the file names in a ZIP file if there is no table; None:
            detected.
        zip_encoding: of the file names in a ZIP file.
        sheet: name or number of the sheet, if the table is a workbook; None: the first with paths
            of images.
        decimal: decimal mark of numeric labels; see `DecimalMark`; None: decided by the column.
        one_class: the class of all images, for `LabelSource.ONE_CLASS`.

    Raises:
        ConfigError: if an argument cannot be read.
    """
    implied = (
        LabelSource.ONE_CLASS
        if one_class
        else LabelSource.TABLE
        if table
        else LabelSource.PATTERN
        if pattern
        else LabelSource.LAST_FOLDER
        if level is None
        else LabelSource.FOLDER_LEVEL
    )
    names = encoding if zip_encoding is None and table is None else zip_encoding
    read = None if table is None else read_label_table(table, encoding=encoding, sheet=sheet)
    column = columns or {}
    table_rules = (
        read
        if read is None
        else replace(
            table_rules_of(read),
            delimiter=_choice(Delimiter, delimiter, "a delimiter"),
            header=header,
            path_column=column.get("path"),
            label_column=column.get("label"),
            group_column=column.get("group"),
            split_column=column.get("split"),
            class_map=read_class_pairs(class_map) if class_map else (),
            bins=read_edges(bins),
            bin_names=read_names(bin_names),
            decimal=_choice(DecimalMark, decimal, "a decimal mark"),
        )
    )
    return ImportRules(
        labels=labels or implied,
        pattern=pattern,
        level=-1 if level is None else level,
        table=table_rules,
        keep_split=keep_split,
        keep_companions=keep_companions,
        leave_out=tuple(sorted(leave_out)),
        ok_classes=None if ok_classes is None else tuple(ok_classes),
        combined=_choice(CombinedLabels, combined, "a way to treat combined labels"),
        zip_encoding=checked_encoding(names) if names else "",
        class_name=one_class,
    )


def table_rules_of(file: TableFile) -> TableRules:
    """The rules for a label table whose columns are still to be detected."""
    return TableRules(
        file.text,
        kind=file.kind,
        encoding=file.encoding,
        encoding_guessed=file.encoding_guessed,
        sheet=file.sheet,
    )


def _choice(kind: type[Choice], typed: str | None, what: str) -> Choice | None:
    if typed is None:
        return None
    known = [item.value for item in kind]
    name = known_name(typed.replace("-", "_"), known)
    if name is None:
        raise ConfigError(f"'{typed}' is not {what}.", f"Use one of: {', '.join(sorted(known))}.")
    return kind(name)


def read_label_table(
    path: Path, *, encoding: str | None = None, sheet: str | None = None
) -> TableFile:
    """A label table on this machine.

    Raises:
        ConfigError: if the file cannot be opened, or there is no such encoding or sheet.
        ImportSourceError: if it is not a table; see `read_table_file`.
    """
    try:
        content = read_user_file(path, most_bytes=MAX_TABLE_BYTES)
    except OSError as err:
        raise ConfigError(
            f"The table {path} cannot be read: {err.strerror}.",
            "Choose a CSV, Excel (.xlsx) or JSON file.",
        ) from err
    return read_table_file(content, encoding=encoding, sheet=sheet)
