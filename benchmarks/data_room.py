"""How fast is the data room?

    python benchmarks/data_room.py scale [--images 100000]
    python benchmarks/data_room.py quality SOURCE [--images 10000]
    python benchmarks/data_room.py import [--images 10000] [--side 300] [--rounds 3]
    python benchmarks/data_room.py record [--images 10000] [--side 300] [--rounds 3]

`scale`: a dataset of so many rows (few files) in a temporary workspace: filters, sorted pages,
edits and reruns of the data pages, slowest of three, and the memory of the process that ran them.

`quality`: the quality check of so many files, made of the images of SOURCE (class folders) by
turning, mirroring and shifting, in a worker of its own: seconds per phase, peak memory of the
worker (Linux only), findings. On two cores 10,000 images of 128 px took 112 s: 34 s to find
look-alikes, 66 s for pixels and features, 6 s for the map; 2.8 GB, mapped files included.

`record`: what record, rights and checks of files cost an import (`record_cost.py`).

`import`: made JPEG files are imported, against two processes that merely decode them; the share by
the clock is true on a quiet machine only, the one by processor time also on a busy one.
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

from benchmarks import import_rate, record_cost
from core.domain.datasets import Dataset, Sample, SampleFilter, SampleOrder, content_digest
from core.domain.findings import FeatureInsight, Finding, FindingKind, QualityCheck, Severity
from core.domain.jobs import Job
from core.domain.splits import Split, Subset
from core.store import datasets as dataset_rows
from core.store import quality as quality_rows
from core.store import splits as split_rows
from core.store.database import connect, transaction
from core.workflows.data import datasets, edits, versions
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
            0,
            f"/pictures/{n % 20:02d}/part_{n:06d}.png",
            f"{n:064x}",
            n % 20,
            chance.randint(64, 640),
            chance.randint(64, 640),
            "L",
            chance.randint(10**4, 10**6),
            group=f"part {n // 5}",
            name=f"{CLASSES[n % 20]}/part_{n:06d}.png",
            format="PNG",
            modified_at=1.6e9 + chance.random() * 1e8,
            brightness=chance.random(),
            sharpness=chance.expovariate(0.01),
        )
        for n in range(count)
    ]
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
            db,
            (
                FeatureInsight(i, chance.random(), None, chance.random(), chance.random())
                for i in ids
            ),
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
            label=3,
            split_id=split.id,
            subset=Subset.TRAIN,
            text="part_0",
            finding=FindingKind.NEAR_DUPLICATE,
        ),
    }
    times = {
        f"filter: {name}": slowest(
            lambda chosen=chosen: datasets.find_images(workspace, dataset.id, chosen, limit=48)
        )
        for name, chosen in filters.items()
    }
    for order in SampleOrder:
        for where, offset in (("first page", 0), ("last page", deep)):
            times[f"sort by {order}, {where}"] = slowest(
                lambda order=order, offset=offset: datasets.find_images(
                    workspace,
                    dataset.id,
                    SampleFilter(),
                    order=order,
                    descending=True,
                    limit=48,
                    offset=offset,
                )
            )
    return times


def edit_times(workspace: Workspace, dataset: Dataset) -> dict[str, float]:
    """Seconds of edits, of one image and of a class, and of looking at versions."""
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
    for file in ("data/datasets.py", "data/versions.py", "data/quality.py", "data/split.py"):
        if not (root / "pages" / file).exists():
            continue
        app = AppTest.from_file(str(root / "pages" / "frame.py"), default_timeout=120)
        app.run()
        app.switch_page(file)
        app.run()
        assert not app.exception, app.exception
        times[f"rerun of {file.removesuffix('.py')}"] = slowest(app.run)
        for tab in ("Map", "Statistics", "Classes") if file == "data/datasets.py" else ():
            app.session_state["tab"] = tab
            app.run()
            times[f"rerun of datasets, {tab}"] = slowest(app.run)
    return times


def scale(images: int) -> dict[str, object]:
    """Times and memory at `pictures` rows."""
    root = Path(tempfile.mkdtemp(prefix="touchstone-scale-"))
    try:
        workspace = Workspace(root / "workspace").create()
        started = time.perf_counter()
        dataset, split = store_many(workspace, images)
        times = {"store": time.perf_counter() - started}
        times |= filter_times(workspace, dataset, split)
        times |= page_times(workspace)
        times |= edit_times(workspace, dataset)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"pictures": images, "seconds": times, "peak_memory_mb": round(peak)}


def write_many(source: Path, target: Path, count: int) -> None:
    """So many images in class folders: the originals, then parts of them that differ; seeded."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(7)
    originals = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    for number in range(count):
        path = originals[number % len(originals)]
        folder = target / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        if number < len(originals):
            shutil.copy(path, folder / f"{number:06d}{path.suffix}")
            continue
        with Image.open(path) as image:
            pixels = np.rot90(np.asarray(image.convert("L")), int(random.integers(4)))
        height, width = pixels.shape
        top, left = (int(random.integers(side // 3 + 1)) for side in (height, width))
        part = pixels[top : top + 2 * height // 3, left : left + 2 * width // 3]
        Image.fromarray(np.ascontiguousarray(part[:, :: 1 - 2 * int(random.integers(2))])).save(
            folder / f"{number:06d}.jpg", quality=92
        )


def memory_of_children_mb() -> int:
    """Peak memory of the largest process that this one has started and that still runs."""
    import os

    found = [0]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if facts["PPid"].strip() == str(os.getpid()) and "VmHWM" in facts:
            found.append(int(facts["VmHWM"].split()[0]) // 1024)
    return max(found)


def quality_check(source: Path, images: int) -> dict[str, object]:
    """Time and memory of one check; nothing else should run on the machine."""
    from core.domain.datasets import LabelSource
    from core.workflows import jobs
    from core.workflows.data import quality

    root = Path(tempfile.mkdtemp(prefix="touchstone-quality-"))
    try:
        workspace = Workspace(root / "workspace").create()
        write_many(source, root / "pictures", images)
        job = datasets.start_import(
            workspace, root / "pictures", "Many", LabelSource.LAST_FOLDER, consume=False
        )
        jobs.wait(workspace, job.id, on_change=lambda _: None)
        dataset = datasets.find_dataset(workspace, "Many")
        phases: dict[str, float] = {}
        peak = 0
        started = last = time.perf_counter()
        name = "Starting"

        def note(current: Job) -> None:
            nonlocal last, name, peak
            now = time.perf_counter()
            phases[name] = phases.get(name, 0) + now - last
            last, name = now, current.phase or name
            peak = max(peak, memory_of_children_mb())

        job = quality.start_check(workspace, dataset.id)
        ended = jobs.wait(workspace, job.id, on_change=note)
        seconds = time.perf_counter() - started
        found = quality.finding_counts(workspace, dataset.id)
        return {
            "pictures": dataset.sample_count,
            "status": ended.status.value,
            "seconds": seconds,
            "phases": phases,
            "findings": {kind.value: count for kind, count in found.items()},
            "worker_peak_memory_mb": peak,
        }
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sections = parser.add_subparsers(dest="section", required=True)
    at_scale = sections.add_parser("scale", help="100,000 images as rows")
    at_scale.add_argument("--images", "--pictures", type=int, default=100_000)
    check = sections.add_parser("quality", help="the quality check of 10,000 files")
    check.add_argument("source", type=Path)
    check.add_argument("--images", "--pictures", type=int, default=10_000)
    for section, words in (
        ("import", "against merely decoding"),
        ("record", "what record, rights and checks of files cost an import"),
    ):
        importing = sections.add_parser(section, help=words)
        importing.add_argument("--images", "--pictures", type=int, default=10_000)
        importing.add_argument("--side", type=int, default=300)
        importing.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.section == "import":
        result = import_rate.measure(arguments.images, arguments.side, arguments.rounds)
    elif arguments.section == "record":
        result = record_cost.measure(arguments.images, arguments.side, arguments.rounds)
    elif arguments.section == "quality":
        result = quality_check(arguments.source, arguments.images)
    else:
        result = scale(arguments.images)
    print(json.dumps(result, indent=1, default=lambda value: round(value, 3)))


if __name__ == "__main__":
    main()
