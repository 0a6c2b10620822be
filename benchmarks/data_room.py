"""How fast is the data room?

    python benchmarks/data_room.py scale [--pictures 100000]

`scale`: a dataset of so many rows (few files) in a temporary workspace: filters, sorted pages,
edits and reruns of the data pages, slowest of three, and the memory of the process that ran them.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.domain import (
    Dataset,
    Finding,
    FindingKind,
    Insight,
    QualityCheck,
    Sample,
    SampleFilter,
    SampleOrder,
    Severity,
    Split,
    Subset,
    content_digest,
)
from core.store import datasets as dataset_rows
from core.store import quality as quality_rows
from core.store import splits as split_rows
from core.store.database import connect, transaction
from core.workflows import datasets, edits, versions
from core.workspace import ROOT_VARIABLE, Workspace

CLASSES = tuple(f"class {number:02d}" for number in range(20))
ROUNDS = 3


def slowest(work: Callable[[], object]) -> float:
    """Seconds of the slowest of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return max(times)


def store_many(workspace: Workspace, count: int) -> tuple[Dataset, Split]:
    """A dataset of `count` rows with findings, a map and a split; seeded."""
    chance = random.Random(7)
    samples = [
        Sample(
            0, f"/pictures/{n % 20:02d}/part_{n:06d}.png", f"{n:064x}", n % 20,
            chance.randint(64, 640), chance.randint(64, 640), "L", chance.randint(10**4, 10**6),
            group=f"part {n // 5}", name=f"{CLASSES[n % 20]}/part_{n:06d}.png", format="PNG",
            modified_at=1.6e9 + chance.random() * 1e8, brightness=chance.random(),
            sharpness=chance.expovariate(0.01),
        )
        for n in range(count)
    ]  # fmt: skip
    digest = content_digest((s.sha256, CLASSES[s.label or 0]) for s in samples)
    dataset = Dataset("ds-many", "Many", CLASSES, "rows", digest, count, 1.0)
    split = Split("split-many", dataset.id, "many", "stratified", 7, (0.6, 0.2, 0.2), "-", 2.0)
    with connect(workspace) as db, transaction(db):
        dataset_rows.insert_dataset(db, dataset, samples)
        ids = dataset_rows.sample_ids(db, dataset.id)
        subsets = (Subset.TRAIN,) * 3 + (Subset.VALIDATION, Subset.TEST)
        split_rows.insert_split(db, split, {i: subsets[i % 5] for i in ids})
        pairs = [
            Finding(FindingKind.NEAR_DUPLICATE, Severity.WARNING, "alike", (ids[n], ids[n + 1]))
            for n in range(0, count // 10, 2)
        ]
        quality_rows.save_check(db, QualityCheck(dataset.id, 2.0, (), 0, 0), pairs)
        quality_rows.save_insights(
            db, (Insight(i, chance.random(), None, chance.random(), chance.random()) for i in ids)
        )
    return dataset, split


def filter_times(workspace: Workspace, dataset: Dataset, split: Split) -> dict[str, float]:
    """Seconds of a page of each filter and order, the count included."""
    deep = max(0, dataset.sample_count - 100)
    filters = {
        "all": SampleFilter(),
        "class": SampleFilter(label=3),
        "subset": SampleFilter(split_id=split.id, subset=Subset.TEST),
        "finding": SampleFilter(finding=FindingKind.NEAR_DUPLICATE),
        "text": SampleFilter(text="PART_0777"),
        "all at once": SampleFilter(
            label=3, split_id=split.id, subset=Subset.TRAIN, text="part_0",
            finding=FindingKind.NEAR_DUPLICATE,
        ),
    }  # fmt: skip
    times = {
        f"filter: {name}": slowest(
            lambda chosen=chosen: datasets.find_pictures(workspace, dataset.id, chosen, limit=48)
        )
        for name, chosen in filters.items()
    }
    for order in SampleOrder:
        for where, offset in (("first page", 0), ("last page", deep)):
            times[f"sort by {order}, {where}"] = slowest(
                lambda order=order, offset=offset: datasets.find_pictures(
                    workspace, dataset.id, SampleFilter(), order=order, descending=True,
                    limit=48, offset=offset,
                )
            )  # fmt: skip
    return times


def edit_times(workspace: Workspace, dataset: Dataset) -> dict[str, float]:
    """Seconds of edits, of one picture and of a class, and of looking at versions."""
    label = iter(range(1, ROUNDS + 1))
    return {
        "relabel one": slowest(lambda: edits.relabel(workspace, dataset.id, {1: next(label)})),
        "undo": slowest(lambda: edits.undo(workspace, dataset.id)),
        "merge two classes": slowest(
            lambda: edits.merge_classes(
                workspace, dataset.id, *_two(datasets.find_dataset(workspace, dataset.id))
            )
        ),
        "compare with the first version": slowest(
            lambda: versions.compare(workspace, dataset.id, 1, 9)
        ),
    }


def _two(dataset: Dataset) -> tuple[list[str], str]:
    return [dataset.class_names[0]], dataset.class_names[1]


def page_times(workspace: Workspace) -> dict[str, float]:
    """Seconds of a rerun of each data page, as its script runs on the server."""
    import os

    from streamlit.testing.v1 import AppTest

    os.environ[ROOT_VARIABLE] = str(workspace.root)
    root = Path(__file__).resolve().parent.parent
    times = {}
    for file in ("datasets.py", "versions.py", "quality.py", "split.py"):
        if not (root / "pages" / file).exists():
            continue
        app = AppTest.from_file(str(root / "pages" / "frame.py"), default_timeout=120)
        app.run()
        app.switch_page(file)
        app.run()
        assert not app.exception, app.exception
        times[f"rerun of {file.removesuffix('.py')}"] = slowest(app.run)
    return times


def scale(pictures: int) -> dict[str, object]:
    """Times and memory at `pictures` rows."""
    root = Path(tempfile.mkdtemp(prefix="touchstone-scale-"))
    try:
        workspace = Workspace(root / "workspace").create()
        started = time.perf_counter()
        dataset, split = store_many(workspace, pictures)
        times = {"store": time.perf_counter() - started}
        times |= filter_times(workspace, dataset, split)
        times |= page_times(workspace)
        times |= edit_times(workspace, dataset)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"pictures": pictures, "seconds": times, "peak_memory_mb": round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sections = parser.add_subparsers(dest="section", required=True)
    at_scale = sections.add_parser("scale", help="100,000 pictures as rows")
    at_scale.add_argument("--pictures", type=int, default=100_000)
    arguments = parser.parse_args()
    result = scale(arguments.pictures)
    print(json.dumps(result, indent=1, default=lambda value: round(value, 3)))


if __name__ == "__main__":
    main()
