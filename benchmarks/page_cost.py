"""What does each page cost the server while nothing runs?

    OMP_NUM_THREADS=1 python -m benchmarks.page_cost WORKSPACE [--rounds 5]

Runs the script of every page, and of every tab of Evaluate, on a copy of the workspace, as a link
opens it. `first` is the visit after a start, which fills the caches that all people share; `again`
is the median over the rounds; the last figure is the processor time of such a run. The goal is 0.3
s. Building the tree in which Streamlit's AppTest shows the page counts too.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.store import models
from core.store.database import connect
from core.workspace import ROOT_VARIABLE, Workspace
from pages.ui import inference
from pages.ui.places import Place
from tests.frame import link_to

GOAL_S = 0.3
TABS = ("Overview", "Classes", "Errors", "Confidence", "Slices", "Measures")


@dataclass(frozen=True)
class Cost:
    """Seconds of the first visit, of those after it, and of a processor in each of these."""

    first_s: float
    again_s: float
    processor_s: float


def addresses(workspace: Workspace) -> Iterator[tuple[str, Place, Mapping[str, str]]]:
    """Every page, and the tabs of Evaluate, with the links to the newest model that was trained."""
    with connect(workspace) as db:
        model = next(m for m in models.list_models(db) if m.dataset_id and m.run_id)
    opened = {
        "dataset": model.dataset_id or "",
        "split": model.split_id or "",
        "run": model.run_id or "",
        "model": model.id,
    }
    for place in Place:
        level = place.level.value if place.level is not None else ""
        link = {level: opened[level]} if level in opened else {}
        if place is not Place.EVALUATE:
            yield place.label, place, link
            continue
        for tab in TABS:
            yield f"{place.label}: {tab}", place, {**link, "tab": tab}


def cost_of(place: Place, link: Mapping[str, str], rounds: int) -> Cost:
    """Open a page so many times, each as a new session.

    Raises:
        RuntimeError: if the page shows an error.
    """
    wall, worked = [], []
    for _ in range(rounds + 1):
        app = link_to(place.value, **link)
        started, before = time.perf_counter(), time.process_time()
        app.run()
        wall.append(time.perf_counter() - started)
        worked.append(time.process_time() - before)
        if app.exception:
            raise RuntimeError(f"{place.label}: {app.exception[0].value}")
    return Cost(wall[0], statistics.median(wall[1:]), statistics.median(worked[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    inference.warm_up = lambda *_: None  # another process, which a visit does not wait for
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        shutil.copytree(asked.workspace, root, ignore=shutil.ignore_patterns("*.lock"))
        os.environ[ROOT_VARIABLE] = str(root)
        workspace = Workspace(root).create()
        link_to(Place.HOME.value).run()  # imports
        for name, place, link in addresses(workspace):
            cost = cost_of(place, link, asked.rounds)
            mark = "" if cost.again_s < GOAL_S else "  over the goal"
            print(
                f"{name:24} first {cost.first_s:5.2f} s, again {cost.again_s:5.2f} s, "
                f"{cost.processor_s:5.2f} s of a processor{mark}",
                flush=True,
            )


if __name__ == "__main__":
    main()
