"""How well unfamiliar images are told from familiar ones, and how often familiar ones are flagged.

    python benchmarks/unfamiliar.py FOLDER --against FOLDER … [--images 20 100 0] [--most 500]

Every folder has images in any depth. In 20 random divisions the reference is fitted on some images
of the first folder (0: seven of ten), as after a quick training of whole images with the default
network. Prints the area under the ROC curve of the others against the images of each other folder,
of parts of two photographs (scikit-learn's) and of drawn noise, the share of these that is flagged,
and the false alarms among the others with the bound that the model tells: in how many divisions
they are within it, and in how many they contradict it (a true rate at the bound would give so many
in less than 5 of 100 cases).
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from scipy.ndimage import gaussian_filter  # noqa: E402
from scipy.stats import binom  # noqa: E402
from sklearn.datasets import load_sample_images  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from core.data.importing.walk import images_in  # noqa: E402
from core.data.pixels.preprocess import load_pixels  # noqa: E402
from core.domain.configs.choices import UNFAMILIAR_RATE, Detail  # noqa: E402
from core.domain.configs.preprocess import PreprocessConfig  # noqa: E402
from core.evaluation.measures.intervals import upper_bounds  # noqa: E402
from core.inference.unfamiliar import fit_unfamiliar  # noqa: E402
from core.models.backbone import load_backbone  # noqa: E402
from core.models.catalog import find_network  # noqa: E402
from core.worker.features import FeatureSource  # noqa: E402

DIVISIONS = 20


def noise(side: int, count: int, random: np.random.Generator) -> np.ndarray:
    """White noise, gray noise, clouds and plain gray in turn: uint8 [count, side, side, 3]."""
    images = []
    for number in range(count):
        gray = random.normal(128, 30, (side, side))
        kinds = (
            lambda: random.uniform(0, 255, (side, side, 3)),
            lambda gray=gray: gray[..., None].repeat(3, 2),
            lambda gray=gray: (128 + 20 * gaussian_filter(gray - 128, 6))[..., None].repeat(3, 2),
            lambda: np.full((side, side, 3), random.uniform(0, 255)),
        )
        images.append(np.clip(kinds[number % 4](), 0, 255))
    return np.array(images).astype(np.uint8)


def photographs(side: int, count: int, random: np.random.Generator) -> np.ndarray:
    """Squares of a temple and of a flower: uint8 [count, side, side, 3]."""
    parts = []
    for number in range(count):
        image = load_sample_images().images[number % 2]
        y, x = (int(random.integers(0, length - side)) for length in image.shape[:2])
        parts.append(image[y : y + side, x : x + side])
    return np.array(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--against", type=Path, nargs="+", default=[])
    parser.add_argument("--images", type=int, nargs="+", default=[20, 100, 0])
    parser.add_argument("--most", type=int, default=500, help="images of each folder")
    arguments = parser.parse_args()
    config, random = PreprocessConfig(), np.random.default_rng(0)

    def pixels(folder: Path) -> np.ndarray:
        paths = images_in(folder).paths
        chosen = random.permutation(len(paths))[: arguments.most]
        return np.stack([load_pixels(paths[i], config) for i in chosen])

    with tempfile.TemporaryDirectory() as scratch:
        backbone = load_backbone(find_network("tf_efficientnet_lite0"), Path(scratch))
        source = FeatureSource(backbone, config, Detail.WHOLE, "cpu", Path(scratch))
        own = source.features(pixels(arguments.folder))
        others = {folder.name: source.features(pixels(folder)) for folder in arguments.against}
        others["photographs"] = source.features(photographs(config.image_size_px, 80, random))
        others["noise"] = source.features(noise(config.image_size_px, 80, random))
    for count in arguments.images:
        count = count or len(own) * 7 // 10
        areas, flagged = {name: [] for name in others}, {name: [] for name in others}
        alarms, bounds, contradicted = [], [], 0
        for _ in range(DIVISIONS):
            order = random.permutation(len(own))
            every = np.arange(count)
            known = fit_unfamiliar(
                own[order[:count]], every, every * 0, every.astype(np.uint64), UNFAMILIAR_RATE
            )
            familiar = known.scores(own[order[count:]])
            alarms.append((familiar > 1).mean())
            bounds.append(float(upper_bounds(known.exceeded, known.judged)))
            flags = int((familiar > 1).sum())
            contradicted += binom.sf(flags - 1, len(familiar), bounds[-1]) < 0.05
            for name, features in others.items():
                scores = known.scores(features)
                labels = np.repeat([0, 1], [len(familiar), len(scores)])
                areas[name].append(roc_auc_score(labels, np.concatenate([familiar, scores])))
                flagged[name].append((scores > 1).mean())
        print(
            f"{count} images: false alarms {np.mean(alarms):.1%}, bound {np.mean(bounds):.1%}, "
            f"kept in {np.mean(np.array(alarms) <= bounds):.0%} of {DIVISIONS} divisions, "
            f"contradicted in {contradicted}",
            *(
                f"{name}: area {np.mean(areas[name]):.3f}, flagged {np.mean(flagged[name]):.0%}"
                for name in others
            ),
            sep="; ",
            flush=True,
        )


if __name__ == "__main__":
    main()
