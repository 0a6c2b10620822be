"""Sentences about the choices of an import."""

from collections.abc import Mapping, Sequence
from typing import assert_never

from core.data.importing.encodings import encoding_words
from core.data.importing.masks import CompanionKind, CompanionRule
from core.data.importing.rules import CombinedLabels, DecimalMark, TableKind, TableRules
from core.data.importing.tables.table import Table
from core.domain.datasets import Skipped
from core.domain.splits import Subset
from core.words import count, joined, listed

NUMBER_LABELS = "The labels in the table are numbers. They become class names unless you name them."


def hidden_files(number: int) -> str:
    """Files that are hidden or belong to the operating system."""
    return f"{count(number, 'hidden or system file')} ignored."


def left_out(files: Sequence[Skipped]) -> str:
    """Links that are not followed, and what cannot be read."""
    example = files[0]
    number = count(len(files), "link, folder or special file")
    if len(files) > 1:
        number = f"{len(files):,} links, folders or special files"
    return f"{number} left out, for example {example.path}: {example.reason}"


def zip_names(encoding: str, *, guessed: bool) -> str:
    """In which encoding the names in a ZIP file were read."""
    check = " Other encodings are nearly as likely, so check the names." if guessed else ""
    return f"The file names in the ZIP file are read as {encoding_words(encoding)}.{check}"


def renamed_in_zip(number: int) -> str:
    """Files of a ZIP file with the name of another."""
    return (
        f"{count(number, 'file')} in the ZIP file with the name of another file: kept under a name "
        "with a number, such as 'x (2).png'."
    )


def several_pages(names: Sequence[str]) -> str:
    """Files of which only the first page or frame is an image of the dataset."""
    files, first = ("files have", "first of each") if len(names) > 1 else ("file has", "first")
    return (
        f"{len(names):,} {files} several pages; only the {first} is used: {listed(names, 5)}. "
        "Save the others as files of their own if they are needed."
    )


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


def table_read(table: Table, rules: TableRules) -> str:
    """How a label table was read."""
    roles, titles = table.roles, table.columns
    parts = [
        *_file_form(table, rules),
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


def _file_form(table: Table, rules: TableRules) -> list[str]:
    match rules.kind:
        case TableKind.TEXT:
            encoding = [f"encoding: {encoding_words(rules.encoding)}"] if rules.encoding else []
            return [*encoding, f"separated by {table.delimiter.value}"]
        case TableKind.EXCEL:
            return [f"Excel sheet: {rules.sheet}"]
        case TableKind.JSON:
            return ["labels from a JSON file"]
        case _:
            assert_never(rules.kind)


def encoding_guessed(encoding: str) -> str:
    """The encoding of the table is not certain."""
    return (
        f"The table was read as {encoding_words(encoding)}, but other encodings are nearly as "
        "likely. Check that the class names are right."
    )


def decimal_mark(mark: DecimalMark, *, guessed: bool) -> str:
    """How the numbers of the label column were read."""
    match mark:
        case DecimalMark.POINT:
            example = "with a decimal point: 1,234.5 is 1234.5"
        case DecimalMark.COMMA:
            example = "with a decimal comma: 1.234,5 is 1234.5"
        case _:
            assert_never(mark)
    check = " The column does not prove it, so check it." if guessed else ""
    return f"The labels are numbers {example}.{check}"


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


def matched_by_ending(number: int) -> str:
    """Lines that match a file only by the end of its path."""
    return (
        f"{count(number, 'line')} of the table with other folders: matched by the longest common "
        "ending of the path, which only one file has."
    )


def unclear_lines(number: int) -> str:
    """Lines that could mean several files, or a file where the table does not say."""
    return (
        f"{count(number, 'line')} of the table could mean several files, or a file in another "
        "folder: left out and listed below."
    )


def conflicts(number: int) -> str:
    """Images of which the table says two things."""
    noun = "image has" if number == 1 else "images have"
    return (
        f"{number:,} {noun} two labels, parts or subsets in the table: left out and listed below."
    )


def missing_files(number: int) -> str:
    """Paths without a file."""
    return f"{count(number, 'path')} of the table without a file: listed below."


def merged_spellings(merged: Mapping[str, str]) -> str:
    """Labels of the table that differ only in case."""
    other, used = next(iter(merged.items()))
    return (
        f"Labels of the table that differ only in upper and lower case are one class, for example "
        f"'{other}' and '{used}': '{used}'."
    )


def alike_classes(names: Sequence[str]) -> str:
    """Classes that are probably one."""
    quoted = joined([f"'{name}'" for name in names])
    return (
        f"The classes {quoted} differ only in upper and lower case. If they are one class, merge "
        "them on the Images page after the import."
    )


def combined_labels(names: Sequence[str], number: int, chosen: CombinedLabels | None) -> str:
    """Class names that look like several labels, and what becomes of them."""
    examples = listed([f"'{name}'" for name in names], 3)
    match chosen:
        case None:
            result = "Choose what they are."
        case CombinedLabels.KEEP:
            result = "They are classes of their own."
        case CombinedLabels.FIRST:
            result = "Only the first label counts."
        case CombinedLabels.LEAVE_OUT:
            result = "These images are left out."
        case _:
            assert_never(chosen)
    images = count(number, "image")
    return f"Class names that look like several labels ({images}): {examples}. {result}"


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
    advice = "Make your own split on the Split page, or add images."
    if subsets == [Subset.VALIDATION]:
        advice = "“Make validation images” on the Split page takes them from its training images."
    return f"The delivered split has no {names} images, but training needs some. {advice}"


def untrained_classes(names: Sequence[str]) -> str:
    """Classes that a split tests but does not train."""
    quoted = listed([f"'{name}'" for name in names], 6)
    if len(names) == 1:
        start = f"The class {quoted} has no training images in the delivered split"
    else:
        start = f"The classes {quoted} have no training images in the delivered split"
    return (
        f"{start}, so a model cannot learn {'it' if len(names) == 1 else 'them'}. Make your own "
        "split on the Split page."
    )


def single_class_subset(subset: Subset, name: str) -> str:
    """A subset with one class only."""
    words = {
        Subset.TRAIN: ("training", "A classifier needs at least two classes to learn from."),
        Subset.VALIDATION: ("validation", "They cannot show how well classes are told apart."),
        Subset.TEST: ("test", "They cannot show how well classes are told apart."),
    }
    noun, result = words[subset]
    return f"All {noun} images of the delivered split have the class '{name}'. {result}"


def ok_class(name: str) -> str:
    """The verdicts that follow from the class names."""
    return f"The class '{name}' counts as OK because of its name; all others count as NOK."


def one_class(name: str, *, is_meant: bool) -> str:
    """What a dataset of one class is good for, and what it may be by mistake."""
    advice = "" if is_meant else " For a classifier, choose the folder above the class folders."
    return (
        f"All images have the class '{name}', which counts as OK: they train a model that finds "
        f"images unlike them.{advice}"
    )


def class_level(folders: Sequence[str], level: int) -> str:
    """The class is the same for all images, but folders of another level look like classes."""
    place = f"on level {level}" if level > 0 else f"{count(-level - 1, 'level')} above the images"
    names = [f"'{name}'" for name in folders]
    quoted = joined(names) if len(names) < 5 else listed(names, 4)
    return (
        f"The folders {quoted} {place} look like classes. Choose “folder further up” as the source "
        f"of the classes, and this level (on the command line: --level {level})."
    )


def _split_source(folders: Sequence[str] | None) -> str:
    if folders is None:
        return "The table states the subset of each image."
    return f"The folders {joined(folders)} contain a split."
