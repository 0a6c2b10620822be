"""Files that belong to photographs: masks and annotations, recognized by their names alone."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

_MASK_ENDING = re.compile(
    r"(?i)[ _.-]+(mask|masks|gt|groundtruth|ground_truth|label|labels|seg|segmentation|annotation|"
    r"annotations|anno|lbl)$"
)
_MASK_FOLDERS = {
    "ground_truth",
    "groundtruth",
    "gt",
    "masks",
    "annotations",
    "segmentations",
    "segmentation",
    "labels",
}
_PHOTO_FOLDERS = {"image", "images", "img", "imgs", "jpegimages", "photo", "photos", "pictures"}
_ANNOTATIONS = {".json", ".xml", ".txt", ".csv", ".yaml", ".yml", ".mat", ".npy"}
# Of two files with the same name, the photograph is the one whose format suits masks less.
_PHOTO_RANK = {
    ".jpg": 0,
    ".jpeg": 0,
    ".jpe": 0,
    ".jfif": 0,
    ".jif": 0,
    ".jfi": 0,
    ".pjpeg": 0,
    ".pjp": 0,
    ".mpo": 0,
    ".webp": 1,
    ".tif": 2,
    ".tiff": 2,
    ".btf": 2,
    ".tf8": 2,
    ".bmp": 3,
    ".dib": 3,
    ".png": 4,
    ".apng": 4,
    ".gif": 5,
}


class CompanionRule(StrEnum):
    """How a companion was recognized."""

    ANNOTATION = "annotation"
    SAME_NAME = "same_name"
    ENDING = "ending"
    MASK_FOLDER = "mask_folder"


@dataclass(frozen=True)
class CompanionKind:
    """Companions of one kind: the rule, and what it matched.

    `matched` is the file format of annotations and of masks with the name of an image, the ending
    of the name, or the name of the folder. `image_format` is that of the image with the same name.
    """

    rule: CompanionRule
    matched: str
    image_format: str = ""


@dataclass(frozen=True)
class Companions:
    """Companion -> the image that it belongs to; and the kinds with counts, most frequent first."""

    images: dict[str, str]
    kinds: tuple[tuple[CompanionKind, int], ...]


@lru_cache(maxsize=2)  # called again and again while a user tries rules on one source
def find_companions(names: tuple[str, ...]) -> Companions:
    """Masks and annotations among the files of a source.

    A companion has the name of an image in the same folder and another format (`x.png` or `x.json`
    next to `x.jpg`) or an ending (`x_mask.png` next to `x.jpg`), or is in a folder of masks and has
    the name of an image elsewhere (`ground_truth/hole/7_mask.png`, `masks/7.png` next to
    `images/7.jpg`).

    Args:
        names: paths below the source, with forward slashes; images and other files.
    """
    images: dict[str, str] = {}
    kinds: Counter[CompanionKind] = Counter()
    parts = {name: _parts(name) for name in names}
    beside = defaultdict(list)
    for name, (folder, stem, suffix) in parts.items():
        if suffix in _PHOTO_RANK:
            beside[folder, stem].append(name)
    elsewhere = _outside_mask_folders(parts)
    for name, (folder, stem, suffix) in parts.items():
        match = _companion_of(folder, stem, suffix, beside)
        if match is None and elsewhere:
            match = _in_mask_folder(folder, stem, suffix, elsewhere)
        if match is not None:
            images[name], kind = match
            kinds[kind] += 1
    return Companions(images, tuple(kinds.most_common()))


def _parts(name: str) -> tuple[str, str, str]:
    folder, _, base = name.rpartition("/")
    stem, dot, suffix = base.rpartition(".")
    return (
        (folder, stem.casefold(), f".{suffix.lower()}")
        if dot and stem
        else (folder, base.casefold(), "")
    )


def _companion_of(
    folder: str, stem: str, suffix: str, beside: Mapping[tuple[str, str], Sequence[str]]
) -> tuple[str, CompanionKind] | None:
    """The image in the same folder that a file belongs to, and how this was recognized."""
    images = beside.get((folder, stem), ())
    if suffix in _ANNOTATIONS and images:
        return images[0], CompanionKind(CompanionRule.ANNOTATION, suffix[1:].upper())
    if suffix not in _PHOTO_RANK:
        return None
    better = [name for name in images if _rank(name) < _PHOTO_RANK[suffix]]
    if better:
        photo = min(better, key=_rank)
        image_format = _format(_parts(photo)[2])
        return photo, CompanionKind(CompanionRule.SAME_NAME, _format(suffix), image_format)
    bare = _MASK_ENDING.sub("", stem)
    images = beside.get((folder, bare), ()) if bare != stem else ()
    ending = stem[len(bare) :]
    return (images[0], CompanionKind(CompanionRule.ENDING, ending)) if images else None


def _in_mask_folder(
    folder: str, stem: str, suffix: str, elsewhere: Mapping[str, set[str]]
) -> tuple[str, CompanionKind] | None:
    """As `_companion_of`, for folders of masks; strict, since a class may have such a name."""
    folders = [part.casefold() for part in folder.split("/")]
    masks = next((i for i, part in enumerate(folders) if part in _MASK_FOLDERS), None)
    if masks is None or (suffix not in _PHOTO_RANK and suffix not in _ANNOTATIONS):
        return None
    bare = _MASK_ENDING.sub("", stem)
    above = "/".join(folders[:masks])
    # Why: equal names alone prove something only next to a folder of photographs.
    places = elsewhere.get(bare, set()) if bare != stem else elsewhere.get(f"{above}|{stem}", set())
    if not places:
        return None
    return min(places), CompanionKind(CompanionRule.MASK_FOLDER, folder.split("/")[masks])


def _outside_mask_folders(parts: Mapping[str, tuple[str, str, str]]) -> dict[str, set[str]]:
    """Images by their stem, and by `folder above a photo folder|stem`; empty without masks."""
    images: dict[str, set[str]] = defaultdict(set)
    every_folder = {folder for folder, _, _ in parts.values()}
    if not any(_MASK_FOLDERS & set(folder.casefold().split("/")) for folder in every_folder):
        return images
    for name, (folder, stem, suffix) in parts.items():
        folders = [part.casefold() for part in folder.split("/")]
        if suffix not in _PHOTO_RANK or _MASK_FOLDERS & set(folders):
            continue
        images[stem].add(name)
        for position, part in enumerate(folders):
            if part in _PHOTO_FOLDERS:
                images[f"{'/'.join(folders[:position])}|{stem}"].add(name)
    return images


def _rank(name: str) -> int:
    return _PHOTO_RANK[_parts(name)[2]]


def _format(suffix: str) -> str:
    return {".jpeg": "JPG", ".jpe": "JPG", ".jfif": "JPG"}.get(suffix, suffix[1:].upper())
