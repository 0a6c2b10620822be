"""How well a model that only knows good images tells defects, beside simple references.

    python benchmarks/good_only.py FOLDER --good MT_Free [--tiles] [--divisions 5]

FOLDER has a folder of images per class. In each random division the model learns from seven tenths
of the good images, and is judged on the others and on all defects, as after a training with the
recipe good_only and the default network. Prints the area under the ROC curve with its bounds, the
false alarms at the limit with the bound that the model tells, and the share of defects that is
flagged; then the areas of two references on the features of the whole image: the distance to the
mean of good images in standard deviations, and the local outlier factor of scikit-learn. With
--tiles the images of one magnetic tile stay together; equal files always do.
"""

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from sklearn.neighbors import LocalOutlierFactor  # noqa: E402

from core.data.importing.walk import images_in  # noqa: E402
from core.data.pixels.preprocess import load_pixels  # noqa: E402
from core.domain.configs.choices import UNFAMILIAR_RATE, Detail  # noqa: E402
from core.domain.configs.preprocess import PreprocessConfig  # noqa: E402
from core.evaluation.measures.auc import areas  # noqa: E402
from core.evaluation.measures.intervals import rate_of, upper_bounds  # noqa: E402
from core.inference.detector import fit_detector  # noqa: E402
from core.models.backbone import load_backbone  # noqa: E402
from core.models.catalog import find_network  # noqa: E402
from core.training.linear_head import one_thread  # noqa: E402
from core.worker.features import FeatureSource  # noqa: E402
from tests.tile_truth import tiles_by_order  # noqa: E402

_AT_ONCE = 64


def groups_of(paths: list[Path], *, tiles: bool) -> np.ndarray:
    """A number [N] for each part: the magnetic tile, else the content of the file."""
    if tiles:
        small = [Image.open(path).convert("L").resize((48, 48)) for path in paths]
        return tiles_by_order(paths, np.stack([np.asarray(image) for image in small]))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return np.unique(digests, return_inverse=True)[1]


def computed(source: FeatureSource, paths: list[Path], config: PreprocessConfig) -> np.ndarray:
    """Features of the images in half precision."""
    parts = []
    for start in range(0, len(paths), _AT_ONCE):
        pixels = [load_pixels(path, config) for path in paths[start : start + _AT_ONCE]]
        parts.append(source.features(np.stack(pixels)).astype(np.float16))
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--good", required=True, help="name of the folder of good images")
    parser.add_argument("--tiles", action="store_true", help="FOLDER is magnetic_tile")
    parser.add_argument("--divisions", type=int, default=5)
    arguments = parser.parse_args()
    paths = list(images_in(arguments.folder).paths)
    good = np.array([path.parent.name == arguments.good for path in paths])
    groups = groups_of(paths, tiles=arguments.tiles)
    config = PreprocessConfig()
    with tempfile.TemporaryDirectory() as scratch:
        backbone = load_backbone(find_network("tf_efficientnet_lite0"), Path(scratch))
        places, whole = (
            computed(FeatureSource(backbone, config, detail, "cpu", Path(scratch)), paths, config)
            for detail in (Detail.PLACES, Detail.WHOLE)
        )
    whole = whole.astype(np.float32)
    print(
        f"{good.sum()} good images of {len(np.unique(groups[good]))} parts, {(~good).sum()} others"
    )
    for number in range(arguments.divisions):
        every = np.random.default_rng(number).permutation(np.unique(groups[good]))
        learned = good & np.isin(groups, every[: len(every) * 7 // 10])
        rest, is_defect = ~learned, ~good[~learned]
        with one_thread():
            detector, _ = fit_detector(
                places[learned], groups[learned], UNFAMILIAR_RATE, parts=groups[learned]
            )
            scores = np.concatenate([detector.scores(row[None]) for row in places[rest]])
        area = areas(scores, is_defect, groups[rest]).roc
        mean, deviation = whole[learned].mean(0), whole[learned].std(0) + 1e-3
        by_mean = np.linalg.norm((whole[rest] - mean) / deviation, axis=1)
        factor = LocalOutlierFactor(novelty=True).fit(whole[learned])
        bound = float(upper_bounds(*detector.false_alarms))
        alarms = rate_of(scores[~is_defect] > 1, groups[rest][~is_defect])
        print(
            f"{number}: {learned.sum()} learned",
            f"area {area.value:.3f} ({area.interval.low:.3f} to {area.interval.high:.3f})",
            f"false alarms {(scores[~is_defect] > 1).mean():.1%} of images, {alarms.value:.1%} of "
            f"{alarms.n} parts, bound of parts {bound:.1%}",
            f"defects flagged {(scores[is_defect] > 1).mean():.0%}",
            f"by the mean {roc_auc_score(is_defect, by_mean):.3f}",
            f"by local outliers {roc_auc_score(is_defect, -factor.score_samples(whole[rest])):.3f}",
            sep="; ",
            flush=True,
        )


if __name__ == "__main__":
    main()
