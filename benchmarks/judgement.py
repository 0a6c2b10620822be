"""How long do the numbers of a report take, and single interactions of the page?

    OMP_NUM_THREADS=1 python benchmarks/judgement.py [--images 100000] [--classes 100]

Predictions are made up: 85% right, confident, as a trained model gives them. Each line is CPU
time, the best of three; the variable keeps it on one core.
"""

import argparse
import time

import numpy as np

from core.evaluation.decisions import costs, guarantee, outcome
from core.evaluation.decisions.thresholds import automatic_errors, trade_off
from core.evaluation.measures import calibration, slices
from core.evaluation.measures.classification import confusion_matrix
from core.evaluation.measures.losses import true_class_ranks
from core.evaluation.measures.ranking import roc_curve
from core.evaluation.release import comparison, report_numbers
from core.evaluation.report import evaluate


def predictions(n: int, classes: int, random: np.random.Generator):
    targets = random.integers(0, classes, n)
    said = np.where(random.random(n) < 0.85, targets, random.integers(0, classes, n))
    logits = random.normal(0, 1, (n, classes)).astype(np.float32)
    logits[np.arange(n), said] += random.gamma(9, 1, n).astype(np.float32)
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    return logits / logits.sum(axis=1, keepdims=True), targets


def best_of_three(what: str, action) -> None:
    times = []
    for _ in range(3):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    print(f"{what:55} {min(times):7.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", "--pictures", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--groups", type=int, default=30_000)
    asked = parser.parse_args()
    random = np.random.default_rng(0)
    probabilities, targets = predictions(asked.images, asked.classes, random)
    others, _ = predictions(asked.images, asked.classes, np.random.default_rng(0))
    others = np.where(random.random((len(targets), 1)) < 0.95, probabilities, others)
    names = [str(i) for i in range(asked.classes)]
    verdicts = ["OK"] * (asked.classes // 2) + ["NOK"] * (asked.classes - asked.classes // 2)
    parts = random.integers(0, asked.groups, asked.images)
    report = lambda **more: evaluate(probabilities, targets, names, verdicts=verdicts, **more)  # noqa: E731
    best_of_three("report, all numbers", report)
    best_of_three("report, all numbers, images in groups", lambda: report(parts=parts))

    nok = outcome.nok_probability(probabilities, verdicts)
    truth = outcome.truths(targets, verdicts)
    predicted, others_said = probabilities.argmax(axis=1), others.argmax(axis=1)
    scores = outcome.part_scores(nok, truth, parts)
    point = outcome.OperatingPoint(0.3, 0.7)
    scenario = costs.Scenario(0.01, 10_000, costs.Costs(200, 5, 0.5))
    thresholds = [0.9] * asked.classes
    cameras = random.integers(0, 20, asked.images).astype(str)
    best_of_three("confusion matrix", lambda: confusion_matrix(predicted, targets, asked.classes))
    best_of_three("top-K error, any K", lambda: true_class_ranks(probabilities, targets))
    best_of_three("one ROC curve", lambda: roc_curve(probabilities[:, 0], targets == 0))
    best_of_three("reliability", lambda: calibration.reliability(probabilities, targets))
    best_of_three("temperature", lambda: calibration.fit_calibration(probabilities, targets))
    best_of_three(
        "probabilities to parts, once per model",
        lambda: outcome.part_scores(outcome.nok_probability(probabilities, verdicts), truth, parts),
    )
    best_of_three("a threshold moves", lambda: scores.outcome(point))
    best_of_three(
        "thresholds per class move",
        lambda: automatic_errors(probabilities, targets, thresholds, parts),
    )
    best_of_three("escape against overkill", lambda: trade_off(scores))
    best_of_three("least cost", lambda: costs.least_cost(scores, scenario))
    best_of_three("guarantee", lambda: guarantee.guarantee(scores, max_escape=0.2))
    best_of_three(
        "two models", lambda: comparison.compare_predictions(predicted, others_said, targets, parts)
    )
    best_of_three(
        "slices by camera", lambda: slices.slice_rates(cameras, predicted != targets, parts)
    )
    best_of_three(
        "report data with calibration, PPM and classes",
        lambda: report_numbers.results(
            report_numbers.TestData(probabilities, targets, parts),
            tuple(names),
            tuple(verdicts),
            point,
            report_numbers.TestData(others[:20_000], targets[:20_000], None),
        ),
    )


if __name__ == "__main__":
    main()
