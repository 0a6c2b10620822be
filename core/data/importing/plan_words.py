"""Sentences about the choices of an import."""

from collections.abc import Sequence
from typing import assert_never

from core.data.importing.masks import CompanionKind, CompanionRule
from core.data.importing.tables import Table
from core.domain.splits import Subset
from core.words import count, joined, listed

NUMBER_LABELS = "The labels in the table are numbers. They become class names unless you name them."


def hidden_files(number: int) -> str:
    """Files that are hidden or belong to the operating system."""
    return f"{count(number, 'hidden or system file')} ignored."


def companions(kind: CompanionKind, number: int, *, kept: bool) -> str:
    """Masks and annotations of one kind."""
    result = "They are imported." if kept else "They are left out."
    match kind.rule:
        case CompanionRule.ANNOTATION:
            files = f"{count(number, f'{kind.matched} file')} next to an image of the same name."
        case CompanionRule.SAME_NAME:
            files = (
                f"{count(number, f'{kind.matched} file')} next to a {kind.image_format} file of "
                "the same name, as masks are."
            )
        case CompanionRule.ENDING:
            files = f"{count(number, 'file')} with the ending '{kind.matched}' next to an image."
        case CompanionRule.MASK_FOLDER:
            files = (
                f"{count(number, 'file')} in folders named '{kind.matched}' with the name of an "
                "image elsewhere."
            )
        case _:
            assert_never(kind.rule)
    return f"{files} {result}"


def table_read(table: Table) -> str:
    """How a label table was read."""
    roles, titles = table.roles, table.columns
    parts = [
        f"separated by {table.delimiter.value}",
        "the first line is a header" if table.has_header else "there is no header",
        f"path: {titles[roles.path]}",
        f"label: {titles[roles.label]}",
    ]
    if roles.group is not None:
        parts.append(f"part: {titles[roles.group]}")
    if roles.split is not None:
        parts.append(f"split: {titles[roles.split]}")
    if table.further:
        parts.append(f"kept as attributes: {', '.join(titles[i] for i in table.further)}")
    if table.comments:
        parts.append(f"{count(table.comments, 'comment line')} above the table left out")
    if table.cut_off:
        number = count(len(table.cut_off), "line")
        parts.append(f"{number} with too few columns at the end left out")
    return f"The table has {count(len(table.rows), 'line')}; {'; '.join(parts)}."


def label_column_guessed(table: Table) -> str:
    """The label column was chosen by its position."""
    title = table.columns[table.roles.label]
    return (
        f"Several columns of the table could contain the class. The column '{title}' was chosen "
        "because it comes first. Please check this."
    )


def matched_without_extension(number: int) -> str:
    """Lines that match a file only without its extension."""
    return (
        f"{count(number, 'line')} of the table without the extension of the file, or with another "
        "one: matched by the rest of the path."
    )


def matched_by_file_name(number: int) -> str:
    """Lines that match a file only by its name."""
    return (
        f"{count(number, 'line')} of the table with another folder: matched by file names that "
        "occur only once."
    )


def subsets_taken_as_classes(folders: Sequence[str]) -> str:
    """Folders named train, val and test without class folders inside."""
    return (
        f"The folders {joined(folders)} are named like the subsets of a split, but contain no "
        "class folders, so they are taken as classes. If the class is elsewhere, choose another "
        "rule."
    )


def class_from_folder_above(folders: Sequence[str], level: int) -> str:
    """All last folders have generic names, so the class is further up."""
    above = "above" if level == -2 else "further up"
    return (
        f"The images are in folders named {listed(folders, 3)}, so the folder {above} is taken as "
        "the class."
    )


def split_kept(folders: Sequence[str] | None) -> str:
    """The split of the source is kept; `folders` None: it is in the table."""
    return f"{_split_source(folders)} It is kept as the split 'as delivered'."


def split_not_kept(folders: Sequence[str] | None) -> str:
    """The split of the source is not kept, by choice."""
    return f"{_split_source(folders)} It is not kept: all images form one set."


def split_not_added(folders: Sequence[str] | None) -> str:
    """The split of images that are added to a dataset is not kept."""
    return (
        f"{_split_source(folders)} It is not kept, because a split covers a whole dataset. Make a "
        "new split after adding the images."
    )


def outside_split(number: int) -> str:
    """Images in no subset of the split of the source."""
    verb = "belongs" if number == 1 else "belong"
    return f"{count(number, 'image')} {verb} to no subset of this split."


def split_lacks(subsets: Sequence[Subset]) -> str:
    """The split of the source cannot be trained on."""
    names = joined([subset.value for subset in subsets])
    return (
        f"The delivered split has no {names} images, but training needs some. Make your own split "
        "on the Split page, or add images."
    )


def ok_class(name: str) -> str:
    """The verdicts that follow from the class names."""
    return f"The class '{name}' counts as OK because of its name; all others count as NOK."


def _split_source(folders: Sequence[str] | None) -> str:
    if folders is None:
        return "The table states the subset of each image."
    return f"The folders {joined(folders)} contain a split."
