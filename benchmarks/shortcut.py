"""Is a planted shortcut found, and are sets without one left alone?

    python benchmarks/shortcut.py [--folder magnetic_tile x_sdd] [--seed 11 12] [--most 60]
        [--detail whole stages]

Sets: pills of the demo for each seed, and folders of images by class, at most so many of a class.
Each is taken as it is, and several times with a mark at the border of all images of one class, of
another colour, size and place each time; none was used to choose the rule
(`core/inference/explaining/border.py`). A head is solved on seven tenths as the quick recipe does
it. Then the test of the border runs on at most 120 images, first those that were left out. Prints
for each set which classes are flagged, and whether the model uses the mark at all: what becomes of
images of other classes with it. At the end how many of the marks that are used were flagged, of
those that are not, and of the classes without a mark.

The rule was chosen on pills of seed 42 with a yellow tag in the upper left corner, and of seed 11.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from core.data.demo import DEMO_CLASSES, render_pill  # noqa: E402
from core.data.importing.walk import images_in  # noqa: E402
from core.data.pixels.images import read_image  # noqa: E402
from core.data.pixels.preprocess import (  # noqa: E402
    normalization_constants,
    preprocess_image,
)
from core.domain.configs.choices import Detail, Recipe  # noqa: E402
from core.domain.configs.preprocess import PreprocessConfig  # noqa: E402
from core.domain.configs.train import recipe_defaults  # noqa: E402
from core.domain.training import chosen_penalty  # noqa: E402
from core.inference.explaining.grades import Examined, heat_of_classes  # noqa: E402
from core.inference.heatmaps import Explainer  # noqa: E402
from core.inference.predictor import Predictor  # noqa: E402
from core.models.backbone import Backbone, load_backbone  # noqa: E402
from core.models.bundle import ModelCard  # noqa: E402
from core.models.catalog import DEFAULT_NETWORK, find_network  # noqa: E402
from core.training.cross_validation import judged_path  # noqa: E402
from core.training.linear_head import HeadTask, fit_head  # noqa: E402
from core.worker.features import FeatureSource  # noqa: E402

_EXAMINED = 120
_USED = 0.2  # mean rise of the confidence by a mark
Images = dict[str, list[Image.Image]]


@dataclass(frozen=True)
class Mark:
    """A rectangle of a colour; its middle, width and height in fractions of the image."""

    name: str
    colour: tuple[int, int, int]
    middle: tuple[float, float]
    size: tuple[float, float]
    jitter: float = 0.01

    def drawn_on(self, image: Image.Image, random: np.random.Generator) -> Image.Image:
        """A copy of the image with the mark, at nearly the same place each time."""
        marked = image.convert("RGB")
        x, y = np.array(self.middle) + random.normal(0, self.jitter, 2)
        half = np.array(self.size) / 2
        sides = (x - half[0], y - half[1], x + half[0], y + half[1])
        box = [s * (marked.width, marked.height)[i % 2] for i, s in enumerate(sides)]
        ImageDraw.Draw(marked).rectangle(box, fill=self.colour)
        return marked


MARKS = (
    Mark("blue sticker, lower right", (40, 70, 200), (0.90, 0.90), (0.14, 0.10)),
    Mark("red dot, upper right", (200, 40, 40), (0.92, 0.08), (0.07, 0.07)),
    Mark("gray clamp, left", (120, 120, 125), (0.04, 0.5), (0.08, 0.2)),
    Mark("white strip, bottom", (245, 245, 240), (0.5, 0.97), (0.3, 0.05)),
)


def pills(seed: int, most: int) -> Images:
    return {name: [render_pill(name, i, seed=seed) for i in range(most)] for name in DEMO_CLASSES}


def of_folder(folder: Path, most: int) -> Images:
    by_class: dict[str, list[Path]] = {}
    for path in images_in(folder).paths:
        by_class.setdefault(path.parent.name, []).append(path)
    random = np.random.default_rng(0)
    return {
        name: [read_image(paths[i]) for i in random.permutation(len(paths))[:most]]
        for name, paths in sorted(by_class.items())
    }


def trained(
    images: Images, detail: Detail, backbone: Backbone, scratch: Path
) -> tuple[Predictor, list[tuple[np.ndarray, int]]]:
    """A model of seven tenths of the images, and all of them, those left out first."""
    preprocess = PreprocessConfig().at_detail(detail)
    labels = np.repeat(np.arange(len(images)), [len(own) for own in images.values()])
    pixels = np.stack(
        [preprocess_image(image, preprocess) for own in images.values() for image in own]
    )
    order = np.random.default_rng(1).permutation(len(labels))
    learned = order[: len(order) * 7 // 10]
    features = FeatureSource(backbone, preprocess, detail, "cpu", scratch).features(pixels[learned])
    train = recipe_defaults(Recipe.QUICK, DEFAULT_NETWORK)
    task = HeadTask(
        features,
        labels[learned],
        np.arange(len(learned)),
        len(images),
        train.class_weights,
        train.label_smoothing,
        train.seed,
    )
    path = [judged.point for judged in judged_path(task, on_step=lambda: None)]
    head = fit_head(task, chosen_penalty(train, path), on_step=lambda: None)
    network = backbone.network
    mean, std = normalization_constants(preprocess, network.mean, network.std)
    name = backbone.head
    card = ModelCard(
        "shortcut", tuple(images), preprocess, network.name, name, mean, std, {}, detail
    )
    tensors = backbone.without_head() | {f"{name}.weight": head.weight, f"{name}.bias": head.bias}
    first = np.concatenate([order[len(learned) :], learned])
    return Predictor(card, tensors, runtimes=scratch), [(pixels[i], int(labels[i])) for i in first]


def rise_by(variant: "Variant", predictor: Predictor, random: np.random.Generator) -> float:
    """How much the confidence of a class rises by its mark on images of the others."""
    assert variant.mark is not None
    target, preprocess = list(variant.clean).index(variant.marked), predictor.card.preprocess
    classes = [own[:12] for label, own in variant.clean.items() if label != variant.marked]
    others = [image for own in classes for image in own]
    before, after = (
        predictor.probabilities(np.stack([preprocess_image(i, preprocess) for i in shown]))
        for shown in (others, [variant.mark.drawn_on(image, random) for image in others])
    )
    return float((after - before)[:, target].mean())


def flagged(predictor: Predictor, every: list[tuple[np.ndarray, int]]) -> dict[str, bool]:
    """Whether each class that was tested is decided at the border; printed with the numbers."""
    examined = Examined(predictor)
    for pixels, label in every[:_EXAMINED]:
        examined.take(pixels.copy(), label)
    result = {}
    for item in heat_of_classes(examined, Explainer(predictor), lambda *_: None):
        test = item.border
        result[item.class_name] = test.decides
        print(
            f"    {item.class_name}: {'FLAGGED' if test.decides else 'not flagged'}; heat "
            f"{test.heat:.0%}, {test.won} of {test.planted} become it, gain {test.gain:+.2f}, "
            f"{test.lost} of {test.covered} lost",
            flush=True,
        )
    return result


@dataclass(frozen=True)
class Variant:
    """A set with a mark on a class, and without it; no mark: as it is."""

    name: str
    images: Images
    clean: Images
    mark: Mark | None = None
    marked: str = ""


def variants(images: Images, number: int) -> Iterator[Variant]:
    """A set as it is, with a mark on a class, and with a class that a mark alone divides."""
    yield Variant("as it is", images, images)
    names, random = list(images), np.random.default_rng(number)
    one, other = (MARKS[(2 * number + at) % len(MARKS)] for at in range(2))
    name = names[number % len(names)]
    with_mark = [one.drawn_on(image, random) for image in images[name]]
    yield Variant(f"{one.name} on {name}", {**images, name: with_mark}, images, one, name)
    name = names[(number + 1) % len(names)]
    half, rest = images[name][::2], images[name][1::2]
    clean = {**images, name: half, "marked": rest}
    divided = {**clean, "marked": [other.drawn_on(image, random) for image in rest]}
    yield Variant(f"{other.name} on half of {name}", divided, clean, other, "marked")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, nargs="*", default=[])
    parser.add_argument("--seed", type=int, nargs="*", default=[13, 14])
    parser.add_argument("--most", type=int, default=60, help="images of a class")
    parser.add_argument("--detail", type=Detail, nargs="+", default=[Detail.WHOLE])
    arguments = parser.parse_args()
    sets = [(f"pills, seed {seed}", pills(seed, arguments.most)) for seed in arguments.seed]
    sets += [(folder.name, of_folder(folder, arguments.most)) for folder in arguments.folder]
    counts = {what: [0, 0] for what in ("marks that are used", "marks that are not", "no mark")}
    with tempfile.TemporaryDirectory() as scratch:
        backbone = load_backbone(find_network(DEFAULT_NETWORK), Path(scratch))
        for detail in arguments.detail:
            for number, (name, images) in enumerate(sets):
                for variant in variants(images, number):
                    print(f"{name}, {detail}: {variant.name}", flush=True)
                    predictor, every = trained(variant.images, detail, backbone, Path(scratch))
                    found = flagged(predictor, every)
                    if variant.mark is None:
                        _count(counts["no mark"], list(found.values()))
                        continue
                    rise = rise_by(variant, predictor, np.random.default_rng(7))
                    print(f"    the mark on other images: {rise:+.2f}", flush=True)
                    kind = "marks that are used" if rise >= _USED else "marks that are not"
                    _count(counts[kind], [found.get(variant.marked, False)])
    print("; ".join(f"flagged of {what}: {k} of {n}" for what, (k, n) in counts.items()))


def _count(total: list[int], flags: list[bool]) -> None:
    total[0] += sum(flags)
    total[1] += len(flags)


if __name__ == "__main__":
    main()
