"""Files that accompany photographs: masks and annotations, known by their names alone."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
# The photograph of two files of one name is the one whose format is worse for masks.
_PHOTO_RANK = {
    ".jpg": 0,
    ".jpeg": 0,
    ".jpe": 0,
    ".jfif": 0,
    ".webp": 1,
    ".tif": 2,
    ".tiff": 2,
    ".bmp": 3,
    ".dib": 3,
    ".png": 4,
    ".gif": 5,
}


@dataclass(frozen=True)
class Companions:
    """Why each companion is one, by name; and the kinds with their counts, the largest first."""

    reasons: dict[str, str]
    kinds: tuple[tuple[str, int], ...]


@lru_cache(maxsize=2)  # asked again and again while a person tries rules on one source
def find_companions(names: tuple[str, ...]) -> Companions:
    """Masks and annotations among the files of a source.

    A companion has the name of an image in the same folder and another format (`x.png` beside
    `x.jpg`, `x.json`) or an ending (`x_mask.png` beside `x.jpg`), or lies in a folder of masks
    with the name of an image elsewhere (`ground_truth/hole/7_mask.png`, `masks/7.png` beside
    `images/7.jpg`).

    Args:
        names: paths below the source, with forward slashes; images and other files.
    """
    reasons: dict[str, str] = {}
    kinds: Counter[str] = Counter()
    parts = {name: _parts(name) for name in names}
    beside = defaultdict(list)
    for name, (folder, stem, suffix) in parts.items():
        if suffix in _PHOTO_RANK:
            beside[folder, stem].append(name)
    elsewhere = _outside_mask_folders(parts)
    for name, (folder, stem, suffix) in parts.items():
        found = _companion_of(folder, stem, suffix, beside)
        if not found and elsewhere:
            found = _in_mask_folder(folder, stem, suffix, elsewhere)
        if found:
            photo, kind = found
            reasons[name] = f"it accompanies {photo}"
            kinds[kind] += 1
    return Companions(reasons, tuple(kinds.most_common()))


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
) -> tuple[str, str] | None:
    """The image in the same folder that a file goes with, and what to call this."""
    images = beside.get((folder, stem), ())
    if suffix in _ANNOTATIONS and images:
        return images[0], f"{suffix[1:].upper()} files have the name of an image beside them"
    if suffix not in _PHOTO_RANK:
        return None
    better = [name for name in images if _rank(name) < _PHOTO_RANK[suffix]]
    if better:
        photo = min(better, key=_rank)
        return photo, (
            f"{_format(suffix)} files have the name of a {_format(_parts(photo)[2])} file beside "
            "them, as masks do"
        )
    bare = _MASK_ENDING.sub("", stem)
    images = beside.get((folder, bare), ()) if bare != stem else ()
    ending = stem[len(bare) :]
    return (images[0], f"files end in '{ending}' beside an image") if images else None


def _in_mask_folder(
    folder: str, stem: str, suffix: str, elsewhere: Mapping[str, set[str]]
) -> tuple[str, str] | None:
    """As `_companion_of`, for folders of masks; careful, since a class may have such a name."""
    folders = [part.casefold() for part in folder.split("/")]
    masks = next((i for i, part in enumerate(folders) if part in _MASK_FOLDERS), None)
    if masks is None or (suffix not in _PHOTO_RANK and suffix not in _ANNOTATIONS):
        return None
    bare = _MASK_ENDING.sub("", stem)
    above = "/".join(folders[:masks])
    # Why: plain equal names prove something only beside a folder of photographs.
    places = elsewhere.get(bare, set()) if bare != stem else elsewhere.get(f"{above}|{stem}", set())
    if not places:
        return None
    shown = folder.split("/")[masks]
    return min(places), f"files in folders named '{shown}' have the names of images elsewhere"


def _outside_mask_folders(parts: Mapping[str, tuple[str, str, str]]) -> dict[str, set[str]]:
    """Images by their stem, and by `folder above a photo folder|stem`; empty without masks."""
    found: dict[str, set[str]] = defaultdict(set)
    every_folder = {folder for folder, _, _ in parts.values()}
    if not any(_MASK_FOLDERS & set(folder.casefold().split("/")) for folder in every_folder):
        return found
    for name, (folder, stem, suffix) in parts.items():
        folders = [part.casefold() for part in folder.split("/")]
        if suffix not in _PHOTO_RANK or _MASK_FOLDERS & set(folders):
            continue
        found[stem].add(name)
        for position, part in enumerate(folders):
            if part in _PHOTO_FOLDERS:
                found[f"{'/'.join(folders[:position])}|{stem}"].add(name)
    return found


def _rank(name: str) -> int:
    return _PHOTO_RANK[_parts(name)[2]]


def _format(suffix: str) -> str:
    return {".jpeg": "JPG", ".jpe": "JPG", ".jfif": "JPG"}.get(suffix, suffix[1:].upper())
