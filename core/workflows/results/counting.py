"""What counts as one decision: images, parts that people declared, or look-alikes as parts.

A part is what a person declared (a column, folder, pattern or attribute; the part given to an
image) or confirmed. Look-alikes of the quality check are a proposal: they count only where
somebody asks for it. Equal files are certainly the same image and always count once.
"""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from sqlite_utils import Database

from core.data.groups import group_names
from core.data.quality.similarity import Pairs, connected, links_of_codes, numbered
from core.domain.datasets import Dataset
from core.domain.findings import QualityCheck
from core.domain.parts import Counting
from core.domain.splits import GroupKind, Subset
from core.errors import SplitError
from core.evaluation.measures.parts import Unit
from core.store import datasets, quality, splits
from core.store.columns import Columns
from core.words import count
from core.workflows.data.certificates import class_folders
from core.workflows.results.memory import Memory, read_only

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Counted:
    """How images count: `parts` [N] is equal for those that count once; None: each by itself."""

    unit: Unit
    parts: Numbers | None


@dataclass(frozen=True)
class KnownParts:
    """What is known of the parts in some images; each [N], equal for images that count once.

    Attributes:
        images: how many there are.
        copies: by equal bytes; None where no two are equal.
        declared: also by parts that were declared or confirmed; None where there are none.
        proposed: also by look-alikes; None where these make no difference.
        different: how many different images there are.
        declared_count: how many decisions are left by `declared`; by `copies` without it.
        proposed_count: how many are left by `proposed`; the same without it.
    """

    images: int
    copies: Numbers | None
    declared: Numbers | None
    proposed: Numbers | None
    different: int
    declared_count: int
    proposed_count: int

    def counted(self, counting: Counting) -> Counted:
        """How the images count."""
        by_image = Counted(Unit.IMAGES, self.copies)
        declared = by_image if self.declared is None else Counted(Unit.PARTS, self.declared)
        match counting:
            case Counting.IMAGES:
                return by_image
            case Counting.AUTO:
                return declared
            case Counting.PARTS:
                return declared if self.proposed is None else Counted(Unit.PARTS, self.proposed)
            case _:
                assert_never(counting)


def counted_in_words(
    known: KnownParts | None, counting: Counting, unit: Unit, subset: Subset
) -> str:
    """What n counts, and why, in a sentence or two."""
    words = _unit_in_words(known, counting, unit, subset)
    copies = 0 if known is None else known.images - known.different
    if not copies:
        return words
    are = "is a copy of another file" if copies == 1 else "are copies of other files"
    return f"{words} {count(copies, 'image')} {are} and not counted again."


def _unit_in_words(known: KnownParts | None, counting: Counting, unit: Unit, subset: Subset) -> str:
    is_declared = known is not None and known.declared is not None
    is_open = known is not None and known.proposed is not None
    match counting:
        case Counting.PARTS if is_open:
            return "Parts are counted, with each group of look-alikes as one, which is unconfirmed."
        case Counting.IMAGES if is_declared:
            return "Images are counted, although parts are known: the bounds are too narrow."
        case Counting.AUTO | Counting.IMAGES | Counting.PARTS:
            pass
        case _:
            assert_never(counting)
    match unit:
        case Unit.PARTS:
            open_ = " Look-alikes that nobody has confirmed count separately." if is_open else ""
            return (
                "Parts are counted as declared or confirmed; any other image is a part of its "
                f"own.{open_}"
            )
        case Unit.IMAGES:
            if is_open:
                return "Images are counted: look-alikes are not confirmed as parts."
            images = "training" if subset is Subset.TRAIN else subset.value
            return f"Each image counts once: none of the {images} images is assigned to a part."
        case _:
            assert_never(unit)


def known_parts(
    db: Database,
    split_id: str | None,
    dataset: Dataset,
    sample_ids: NDArray[np.int64],
    memory: Memory,
) -> KnownParts:
    """What is known of the parts in these samples; those in use no more are parts of their own."""
    columns = memory.columns(db, dataset.id)
    used = np.flatnonzero(columns.used)
    groups = [columns.groups[used]]
    of_split = _groups_of_split(db, dataset, split_id, columns, memory)
    if of_split is not None:
        groups.append(of_split[used])
    links = [links_of_codes(columns.files[used])]
    copies = _numbered(columns, used, sample_ids, links)
    links += [links_of_codes(of_kind) for of_kind in groups]
    declared = _numbered(columns, used, sample_ids, links) if len(links) > 1 else copies
    check = quality.load_check(db, dataset.id)
    links.append(_near_links(columns.ids[used], check))
    proposed = _numbered(columns, used, sample_ids, links) if len(links[-1]) else declared
    different, by_part, by_look = (len(np.unique(of)) for of in (copies, declared, proposed))
    return KnownParts(
        images=len(sample_ids),
        copies=copies if different < len(sample_ids) else None,
        declared=declared if _has_part(columns, used, sample_ids, groups) else None,
        proposed=proposed if by_look < by_part else None,
        different=different,
        declared_count=by_part,
        proposed_count=by_look,
    )


def _numbered(
    columns: Columns, used: NDArray[np.intp], sample_ids: NDArray[np.int64], links: list[Pairs]
) -> Numbers:
    """Number [N] of what counts once, of these samples, by links between the samples in use."""
    numbers = np.full(len(columns.ids), -1, np.int64)
    numbers[used] = connected(len(used), *links)
    at = columns.places(sample_ids)
    part = np.where(at < 0, -1, numbers[at])
    alone = numbers.max(initial=-1) + 1 + np.arange(len(part))
    return read_only(np.where(part < 0, alone, part).astype(np.int64))


def _has_part(
    columns: Columns,
    used: NDArray[np.intp],
    sample_ids: NDArray[np.int64],
    groups: list[NDArray[np.int64]],
) -> bool:
    """Whether a part was declared for one of these samples."""
    named = np.logical_or.reduce([of_kind >= 0 for of_kind in groups])
    return bool(np.isin(sample_ids, columns.ids[used][named]).any())


def _near_links(known: NDArray[np.int64], check: QualityCheck | None) -> Pairs:
    """Positions [M, 2] in the ascending ids of look-alikes; those that are gone link nothing."""
    pairs = np.array(check.near_pairs if check else (), np.int64).reshape(-1, 2)
    return np.searchsorted(known, pairs[np.isin(pairs, known).all(axis=1)]).astype(np.int64)


def _groups_of_split(
    db: Database, dataset: Dataset, split_id: str | None, columns: Columns, memory: Memory
) -> NDArray[np.int64] | None:
    """Group [N] of all images, used or not, by the rule of a split; -1 for those without one.

    None where there is no rule that declares parts, or what it finds is stored elsewhere.
    """
    split = splits.split_or_none(db, split_id) if split_id else None
    grouping = split.strategy.grouping if split else None
    if grouping is None or not grouping.kind.declares_parts or grouping.kind is GroupKind.COLUMN:
        return None
    folders = class_folders(db, dataset)

    def read() -> NDArray[np.int64]:
        samples = datasets.every_sample(db, dataset.id)
        try:
            return numbered(group_names(samples, grouping, folders))
        except SplitError:  # what its rule spoke of is gone
            return np.full(len(samples), -1, np.int64)

    # Why without the version: no edit changes a name or a column of the imported table.
    key = (dataset.id, columns.ids[-1:].tobytes(), grouping, tuple(folders))
    return memory.groups(key, read)
