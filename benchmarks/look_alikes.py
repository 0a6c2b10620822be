"""How well look-alikes are told from different parts: pairs, groups, chains, time.

    python -m benchmarks.look_alikes [--tiles FOLDER] [--steel FOLDER] [--parts 400] [--seeds 1 2]

`tiles`: magnetic tiles (class folders, `expK_num_N.jpg`). Which images show one tile follows from
the order of recording: each of the six sessions shows the tiles of a class in the same order, so
that the sequences are aligned; that gives 240 tiles. Pairs that the truth misses are counted as
false, though some are true: tiles that were recorded twice in a session.

`steel`: hot-rolled strip; its byte-identical files are true, every other pair counts as false.

`planted`: changed copies of 40 images for each change: copies found with their original.

`rendered`: different parts of one design (`tests/rendered_parts.py`): the share of parts that is
joined with another one, and the largest group. One tenth is photographed twice.

Measured, in parentheses before pairs had to share more than their design. Tiles: 222 groups of
1,333 images (219 of 1,339), precision 92% (89%), recall 98% (99%); what is false by the order of
recording looks like one tile that was recorded twice. On a busy machine 15 s of processor time (6).
Steel: no pair besides the identical ones (3). Of 400 rendered parts, seed 1, no two are joined in
any design (solar cells 26.8%, castings 58.8%, gears 57.8%, connectors 74.5% with 243 in one group,
meshes 23.3%, boards 36.8%, caps 29.5%); with other looks and seeds at most 0.7%. Parts photographed
again with other noise and place are hardly ever found in these, before and after. Images that are
equal but for noise (`equality`) change neither tiles nor steel; of 200 castings with hardly any
noise they join 1%.
"""

import argparse
import hashlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.data.quality.similarity import connected, near_pairs, small_images
from tests.rendered_parts import Design, Look, render_parts
from tests.tile_truth import tiles_by_order

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PLANTED = 40
LOOKS = {
    "as usual": Look(),
    "hardly any noise": Look(noise=0.7),
    "no marks": Look(marks=0),
    "put down carelessly": Look(jitter=0.015, turn_deg=1.5),
}

Gray = NDArray[np.uint8]


def _jpeg_40(pixels: Gray) -> Gray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


def _exposed(factor: float) -> Callable[[Gray], Gray]:
    return lambda pixels: np.clip(pixels * factor, 0, 255).astype(np.uint8)


def _cropped(share: float) -> Callable[[Gray], Gray]:
    return lambda p: p[: round(share * len(p)), round((1 - share) * p.shape[1]) :]


CHANGES: dict[str, Callable[[Gray], Gray]] = {
    "brighter by 20%": _exposed(1.2),
    "darker by 20%": _exposed(0.8),
    "half the exposure": _exposed(0.5),
    "JPEG 40": _jpeg_40,
    "crop 5%": _cropped(0.95),
    "crop 10%": _cropped(0.9),
}


def small(pixels: Gray) -> Gray:
    """[48, 48], as the check keeps images."""
    return np.asarray(Image.fromarray(pixels).resize((48, 48), Image.Resampling.BOX))


def search(grays: Gray) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Pairs [M, 2], groups [N] and seconds of processor time."""
    started = time.process_time()
    pairs, _ = near_pairs(grays, on_progress=lambda *_: None)
    return pairs, connected(len(grays), pairs), time.process_time() - started


def files_of(folder: Path) -> tuple[list[Path], list[str], Gray]:
    """Images of class folders, their digests, and small gray versions."""
    found = sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".png"))
    paths = [p for p in found if p.suffix == ".jpg" or not p.with_suffix(".jpg").exists()]
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in paths]
    with tempfile.TemporaryDirectory() as cache:
        rows = small_images(Path(cache), paths, digests, on_progress=lambda *_: None).rows
        return paths, digests, np.array(rows)


def pairs_within(codes: NDArray[np.int64]) -> int:
    """How many pairs have the same code."""
    counts = np.unique(codes, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def against_truth(groups: NDArray[np.int64], truth: NDArray[np.int64]) -> str:
    """Precision and recall of the pairs that are in one group."""
    both = pairs_within(groups * (truth.max() + 1) + truth)
    joined, wanted = pairs_within(groups), pairs_within(truth)
    sizes = np.bincount(groups)
    return (
        f"{(sizes > 1).sum()} groups of {sizes[sizes > 1].sum()} of {len(groups)} images, "
        f"largest {sizes.max()}; pairs: precision {both / max(joined, 1):.1%}, "
        f"recall {both / max(wanted, 1):.1%}"
    )


def planted(paths: Sequence[Path], grays: Gray) -> str:
    """Copies found, for each change, each alone in the set."""
    order = np.random.default_rng(7).permutation(len(paths))[:PLANTED]
    words = []
    for name, change in CHANGES.items():
        copies = []
        for i in order:
            with Image.open(paths[i]) as image:
                copies.append(small(change(np.asarray(image.convert("L")))))
        _, groups, _ = search(np.concatenate([grays, np.stack(copies)]))
        found = int((groups[order] == groups[len(grays) :]).sum())
        words.append(f"{name} {found}/{PLANTED}")
    return ", ".join(words)


def rendered(design: Design, look: Look, parts: int, seed: int) -> str:
    """Share of different parts that are joined, and of parts photographed twice that are found."""
    made = render_parts(design, parts, seed, look=look, shot_twice=parts // 10)
    pairs, groups, seconds = search(np.stack([small(image) for image in made.images]))
    different = made.part[pairs[:, 0]] != made.part[pairs[:, 1]]
    joined = len(np.unique(made.part[pairs[different]]))
    return (
        f"joined {joined / parts:.1%}, largest group {np.bincount(groups).max()}, "
        f"again {int((~different).sum())}/{parts // 10}, {seconds:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=Path, default=DATA / "magnetic_tile")
    parser.add_argument("--steel", type=Path, default=DATA / "x_sdd")
    parser.add_argument("--parts", type=int, default=400)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    given = parser.parse_args()
    for folder in (given.tiles, given.steel):
        if not folder.is_dir():
            continue
        paths, digests, grays = files_of(folder)
        is_tiles = folder == given.tiles
        truth = (
            tiles_by_order(paths, grays) if is_tiles else np.unique(digests, return_inverse=True)[1]
        )
        _, groups, seconds = search(grays)
        print(f"{folder.name}: {against_truth(groups, truth)}; {seconds:.1f} s", flush=True)
        print(f"{folder.name}, planted: {planted(paths, grays)}", flush=True)
    for design in Design:
        for name, look in LOOKS.items():
            for seed in given.seeds:
                words = rendered(design, look, given.parts, seed)
                print(f"{design}, {name}, seed {seed}: {words}", flush=True)


if __name__ == "__main__":
    main()
