"""What the folders of a source mean: a split that comes with it, and the class folder."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.data.importing.labels import subset_of_word
from core.domain.splits import Subset

GENERIC_FOLDERS = {
    "image",
    "images",
    "img",
    "imgs",
    "picture",
    "pictures",
    "pic",
    "pics",
    "photo",
    "photos",
    "jpg",
    "jpeg",
    "png",
    "bmp",
    "jpegimages",
    "data",
    "raw",
    "original",
    "originals",
    "bild",
    "bilder",
    "rgb",
    "color",
    "gray",
}
_ENOUGH = 0.5  # of the images must lie in subset folders


@dataclass(frozen=True)
class ReadySplit:
    """The subset folders of a source, all at one depth (0: directly below the source)."""

    depth: int
    words: tuple[str, ...]

    def subset_of(self, name: str) -> Subset | None:
        """The subset of a path; None outside the subset folders."""
        folders = name.split("/")[:-1]
        return subset_of_word(folders[self.depth]) if len(folders) > self.depth else None

    def without(self, name: str) -> str:
        """The path without its subset folder; the rest contains the class."""
        parts = name.split("/")
        return "/".join(parts[: self.depth] + parts[self.depth + 1 :])


def count_folders(names: list[str]) -> Counter[str]:
    """Files per folder."""
    return Counter(name.rpartition("/")[0] for name in names)


def find_ready_split(folders: Mapping[str, int]) -> ReadySplit | None:
    """The depth at which folders are named train, val and test; None unless most images are there.

    Args:
        folders: images per folder path, see `count_folders`.
    """
    best: tuple[int, ReadySplit] | None = None
    deepest = max((path.count("/") + 1 for path in folders if path), default=0)
    for depth in range(deepest):
        words: Counter[str] = Counter()
        for path, count in folders.items():
            parts = path.split("/")
            if len(parts) > depth and subset_of_word(parts[depth]):
                words[parts[depth]] += count
        subsets = {subset_of_word(word) for word in words}
        if Subset.TRAIN in subsets and len(subsets) > 1 and (not best or words.total() > best[0]):
            best = words.total(), ReadySplit(depth, _in_order(words))
    return best[1] if best and best[0] >= _ENOUGH * sum(folders.values()) else None


def _in_order(words: Iterable[str]) -> tuple[str, ...]:
    order = list(Subset)
    return tuple(sorted(words, key=lambda w: (order.index(subset_of_word(w) or Subset.TEST), w)))


def class_level(folders: Mapping[str, int]) -> int:
    """Level of the class folder: -1 is the last folder, -2 the one above, and so on.

    Above the last one if all last folders have generic names: `crack/Imgs/1.jpg`,
    `good/images/1.jpg`.
    """
    level = -1
    while folders and all(_at(path, level).lower() in GENERIC_FOLDERS for path in folders if path):
        level -= 1
        above = {_at(path, level) for path in folders if path}
        if not above or "" in above:
            return -1
    return level


def _at(path: str, level: int) -> str:
    parts = path.split("/")
    return parts[level] if len(parts) >= -level else ""
