"""How does the app answer ten people for five minutes while a training runs?

    python -m benchmarks.sessions WORKSPACE [--minutes 5] [--sessions 10] [--idle] [--seed 0]

Works on a copy of a workspace that holds a trained model (`touchstone demo`, then a training). Each
session is a live connection of its own that speaks Streamlit's protocol (`tests/sessions.py`): it
opens pages, other views of them, changes boxes, asks for pictures, follows what refreshes itself
and rests between 1 and 4 seconds, as a person who reads. A full training runs meanwhile on the
processor; `--idle` leaves it out.

Prints the median and the 95th percentile of the reactions (from the request to the last message of
the answer, as the server makes them; drawing is left out), of each page too, errors, and after each
minute the memory of the web process and of its helpers.
"""

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from core.domain.configs.choices import Recipe
from core.domain.configs.train import recipe_defaults
from core.domain.models import Model
from core.models.catalog import DEFAULT_NETWORK
from core.store import datasets, models
from core.store.database import connect
from core.workflows import jobs
from core.workflows.training import runs
from core.workspace import Workspace
from tests.browser.conftest import App, end_workers, free_port
from tests.sessions import Parameters, Reaction, Session, descendants, resident_mb

GOAL_S = 0.3
REST_S = (1.0, 4.0)
PICTURES = 12  # of a gallery, which a browser asks for
CHANGEABLE = ("evaluate", "datasets", "decide")  # the boxes of these pages store nothing
WARM_UP_MINUTES = 1  # until caches are filled; memory is compared from then on


def views_of(model: Model) -> list[tuple[str, Parameters]]:
    """Pages and views with the links that lead there."""
    dataset = {"dataset": model.dataset_id or ""}
    split = dataset | {"split": model.split_id or ""}
    one = {"model": model.id}
    tabs = ("Overview", "Classes", "Errors", "Confidence", "Slices", "Measures")
    return [
        ("", {}),
        *((page, dataset) for page in ("datasets", "quality", "versions", "preprocess", "import")),
        *((page, split) for page in ("split", "train", "search")),
        ("runs", {"run": model.run_id or ""}),
        *(("evaluate", one | {"tab": tab}) for tab in tabs),
        *((page, one) for page in ("decide", "compare", "signoff", "predict")),
        *((page, {}) for page in ("plan", "record", "models", "health")),
    ]


def person(
    session: Session,
    views: Sequence[tuple[str, Parameters]],
    ids: Sequence[int],
    until: float,
    seed: int,
) -> None:
    """Use the app until a time."""
    choose = random.Random(seed)
    session.enter()
    while time.monotonic() < until:
        page, parameters = choose.choice(views)
        session.visit(page, parameters)
        if page in ("datasets", "evaluate"):
            some = choose.sample(list(ids), min(PICTURES, len(ids)))
            session.fetch([f"/pictures/{number}/thumbnail" for number in some])
        session.look(choose.uniform(*REST_S))
        if page in CHANGEABLE and choose.random() < 0.5:
            session.change(choose)
            session.look(choose.uniform(*REST_S))
    session.leave()


def train_meanwhile(workspace: Workspace, model: Model) -> str:
    """Start a full training that lasts longer than any measurement; gives the id of its run."""
    config = replace(
        recipe_defaults(Recipe.FULL, DEFAULT_NETWORK), epochs=1000, patience=0, device="cpu"
    )
    run = runs.start_training(
        workspace, str(model.dataset_id), config, split=model.split_id, name="Meanwhile"
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        job = jobs.latest(workspace, run.run.id)
        if job is not None and job.phase == "Training":
            return run.run.id
        time.sleep(0.5)
    raise RuntimeError("the training did not begin within two minutes")


def _memory(pid: int) -> tuple[float, float]:
    """Of the web process, and of all processes that it started and that live, in MB."""
    return resident_mb(pid), sum(resident_mb(child) for child in descendants(pid))


def summary(reactions: Sequence[Reaction]) -> dict[str, float]:
    """Median, 95th percentile and largest of some reactions, in seconds."""
    seconds = sorted(reaction.seconds for reaction in reactions)
    if not seconds:
        return {"number": 0}
    return {
        "number": len(seconds),
        "median_s": round(statistics.median(seconds), 3),
        "p95_s": round(seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))], 3),
        "largest_s": round(seconds[-1], 3),
    }


def measure(app: App, sessions: int, minutes: float, seed: int) -> dict[str, object]:
    """Let people use a running app, and watch it."""
    workspace = Workspace(app.workspace)
    with connect(workspace) as db:
        model = next(m for m in models.list_models(db) if m.dataset_id and m.run_id)
        ids = [sample.id for sample in datasets.samples_of(db, str(model.dataset_id))]
    assert app.process is not None
    web = app.process.pid
    until = time.monotonic() + 60 * minutes
    people = [Session(app.url) for _ in range(sessions)]
    threads = [
        threading.Thread(target=person, args=(one, views_of(model), ids, until, seed + number))
        for number, one in enumerate(people)
    ]
    for thread in threads:
        thread.start()
        time.sleep(0.2)  # people do not come in one moment
    memory = [_memory(web)]
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(60.0, max(1.0, until - time.monotonic())))
        memory.append(_memory(web))
        print(f"memory: {memory[-1][0]:.0f} MB, helpers {memory[-1][1]:.0f} MB", file=sys.stderr)
        for thread in threads:
            thread.join(timeout=0 if time.monotonic() < until else 120)
    by_page: dict[str, list[Reaction]] = defaultdict(list)
    for one in people:
        for reaction in one.reactions:
            by_page[reaction.what.partition("?")[0] or "home"].append(reaction)
    return {
        "sessions": sessions,
        "minutes": minutes,
        "all": summary([r for one in people for r in one.reactions]),
        "refreshes": summary([r for p in people for r in p.refreshes if r.what == "refresh"]),
        "pictures": summary([r for p in people for r in p.refreshes if r.what == "picture"]),
        "pages": {page: summary(found) for page, found in sorted(by_page.items())},
        "web_process_mb": [round(own) for own, _ in memory],
        "helpers_mb": [round(helpers) for _, helpers in memory],
        "errors": [failure for one in people for failure in one.failures],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--idle", action="store_true", help="no training meanwhile")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        shutil.copytree(asked.workspace, root, ignore=shutil.ignore_patterns("*.lock"))
        workspace = Workspace(root).create()
        app = App(workspace.root, free_port())
        app.start()
        try:
            with connect(workspace) as db:
                model = next(m for m in models.list_models(db) if m.dataset_id and m.run_id)
            run = None if asked.idle else train_meanwhile(workspace, model)
            found = measure(app, asked.sessions, asked.minutes, asked.seed)
            if run is not None:
                job = jobs.latest(workspace, run)
                found["training_went_on"] = job is not None and job.status.is_active
        finally:
            app.stop()
            end_workers(workspace.root)
    for name, value in found.items():
        if isinstance(value, dict) and all(isinstance(inner, dict) for inner in value.values()):
            print(name)
            for inner_name, inner in value.items():
                print(f"  {inner_name:12} {json.dumps(inner)}")
        else:
            print(f"{name}: {json.dumps(value)}")


if __name__ == "__main__":
    main()
