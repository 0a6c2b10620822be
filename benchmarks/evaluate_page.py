"""How long does the Evaluate page take to answer, with very many made-up predictions?

    OMP_NUM_THREADS=1 python benchmarks/evaluate_page.py [--images 100000] [--classes 100]

Every line is one run of the page's script, as after a click: what the server computes, without the
browser; the second figure does not count what other programs took meanwhile. The first run of each
tab fills the caches that all users share.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))
MODEL = "model-made"


def make_workspace(root: Path, images: int, classes: int) -> None:
    """A model with stored probabilities: 85% right, confident, half of the images in groups."""
    from core.domain.configs.preprocess import PreprocessConfig
    from core.domain.datasets import Dataset, Sample, Verdict
    from core.domain.models import Model
    from core.domain.splits import Split, SplitStrategy, Subset
    from core.store import datasets, models, predictions, splits
    from core.store.database import connect, transaction
    from core.workspace import Workspace

    random = np.random.default_rng(0)
    targets = random.integers(0, classes, images)
    said = np.where(random.random(images) < 0.85, targets, random.integers(0, classes, images))
    logits = random.normal(0, 1, (images, classes)).astype(np.float32)
    logits[np.arange(images), said] += random.gamma(9, 1, images).astype(np.float32)
    logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    names = tuple(f"class {i:03d}" for i in range(classes))
    verdicts = tuple(Verdict.OK if i < classes // 2 else Verdict.NOK for i in range(classes))
    samples = (
        Sample(
            0,
            f"/p/{n}.png",
            f"{n:064x}",
            int(targets[n]),
            640 + n % 3,
            480,
            "L",
            90_000 + n,
            group=f"part {n // 3}" if n % 2 else None,
            name=f"camera {n % 12}/{n}.png",
            format="PNG",
            brightness=float(n % 97) / 97,
            sharpness=float(n % 89),
            attributes={"line": f"line {n % 4}", "shift": f"shift {n % 3}"},
        )
        for n in range(images)
    )
    dataset = Dataset("ds-made", "made", names, "/p", "d", images, 1.0, class_verdicts=verdicts)
    split = Split("split-made", dataset.id, "s", SplitStrategy(), 1, (0.6, 0.2, 0.2), "d", 1.0)
    model = Model(
        MODEL,
        "made",
        None,
        dataset.id,
        "made",
        split.id,
        names,
        "n",
        PreprocessConfig(),
        1,
        "sha",
        1.0,
        version=1,
    )
    with connect(Workspace(root).create()) as db, transaction(db):
        datasets.insert_dataset(db, dataset, samples)
        ids = [row[0] for row in db.conn.execute("SELECT id FROM samples ORDER BY id")]
        splits.insert_split(db, split, dict.fromkeys(ids, Subset.TEST))
        models.insert_model(db, model, b"x")
        matrix = logits / logits.sum(axis=1, keepdims=True)
        for subset in (Subset.VALIDATION, Subset.TEST):
            predictions.insert_predictions(
                db, model.id, dataset.id, subset, np.array(ids, np.int64), matrix
            )


def timed(what: str, action: Callable[[], object]) -> None:
    started, worked = time.perf_counter(), time.process_time()
    action()
    seconds, busy = time.perf_counter() - started, time.process_time() - worked
    print(f"{what:46} {seconds:6.2f} s, {busy:6.2f} s of a processor", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", "--pictures", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rest", type=float, default=0, help="seconds of looking before a click")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TOUCHSTONE_WORKSPACE"] = folder
        make_workspace(Path(folder), asked.images, asked.classes)
        interact(asked.rest)


def interact(rest_s: float) -> None:
    from streamlit.testing.v1 import AppTest

    from core.domain.splits import Subset
    from core.workflows.data import edits
    from core.workflows.results import access, evaluation
    from core.workflows.use import models
    from core.workspace import open_workspace
    from pages.ui import inference

    inference.warm_up = lambda *_: None  # the weights are made up
    workspace = open_workspace()
    access.record_view(workspace, models.find_model(workspace, MODEL), "benchmark")
    app = AppTest.from_file(str(PROJECT / "pages" / "frame.py"), default_timeout=120)
    app.run()
    app.switch_page("results/evaluate.py")

    def run(**state: object) -> None:
        for key, value in state.items():
            app.session_state[key] = value
        app.run()
        assert not app.exception, app.exception
        assert not app.error, app.error

    def link(**parameters: str) -> None:
        for name, value in parameters.items():
            app.query_params[name] = value
        run()

    timed("first look after a start of the server", run)
    timed("the page again", run)
    time.sleep(rest_s)  # the app prepares the other tabs meanwhile
    timed("a cell of the matrix", lambda: link(cell="1-2"))
    for view in ("% of true", "% of predicted", "OK / NOK", "confused pairs", "table"):
        timed(f"matrix: {view}", lambda view=view: link(view=view))  # type: ignore[misc]
    timed("matrix: all classes in view", lambda: (link(view="counts"), run(matrix_size=100)))
    timed("a class is searched", lambda: run(class_search="class 017"))
    for tab in ("Classes", "Errors", "Confidence", "Slices", "Measures"):
        timed(f"tab {tab}, first time", lambda tab=tab: link(tab=tab))  # type: ignore[misc]
        timed(f"tab {tab}, again", run)
    link(tab="Slices")
    timed("slices by camera", lambda: run(slice_by="folder"))
    timed("slices by group of numbers", lambda: run(slice_by="sharpness"))
    timed("errors: hardest images", lambda: (link(tab="Errors"), run(errors_kind="hardest images")))
    link(tab="Overview")
    found = evaluation.judge(workspace, MODEL, Subset.TEST)
    edits.exclude(workspace, found.dataset.id, [int(found.sample_ids[0])])
    timed("an image is excluded, the counts follow", run)
    timed("the change is undone", lambda: app.button(key="undo").click().run())


if __name__ == "__main__":
    main()
