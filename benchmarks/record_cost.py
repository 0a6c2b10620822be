"""What do the record, the rights and the checks of files cost an import?

The section `record` of `data_room.py`. Makes so many JPEG files, reads them as an import does, and
stores them in new workspaces in turn: as it is, with the triggers of the record taken out, and as a
person whose rights are asked at each statement. Then each file is opened as files of people are,
against a plain read, by two processes as an import does it. Medians over the rounds; the goal is 5%
of the import.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.import_rate import write_images
from core.administration import FILE
from core.data.importing.listing import plan_import, read_images
from core.data.importing.rules import ImportRules
from core.data.pixels.images import MAX_FILE_BYTES
from core.domain.datasets import Dataset, Sample
from core.domain.keeping.people import Actor, Role, Standing, acting_as
from core.files import read_user_file
from core.store import datasets
from core.store.database import connect, transaction
from core.store.keeping import record
from core.workflows.keeping import people
from core.workspace import Workspace

PROCESSES = 2
_PERSON = Actor("Kim", Standing.ACCOUNT, 1e12)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _store(workspace: Workspace, samples: Sequence[Sample]) -> None:
    names = ("class 0", "class 1")
    dataset = Dataset("ds-1", "made", names, "/p", "digest", len(samples), 1.0)
    with connect(workspace) as db, transaction(db):
        datasets.insert_dataset(db, dataset, samples)


def _without_record(workspace: Workspace) -> None:
    with connect(workspace) as db:
        for name in record.trigger_names():
            db.conn.execute(f"DROP TRIGGER {name}")


def _with_rights(workspace: Workspace) -> None:
    people.add_user(workspace, _PERSON.name, Role.ENGINEER)
    (workspace.root / FILE).write_text('[auth]\nmode = "proxy"\n')


def _read_plainly(paths: Sequence[Path]) -> None:
    for path in paths:
        path.read_bytes()


def _read_checked(paths: Sequence[Path]) -> None:
    for path in paths:
        read_user_file(path, most_bytes=MAX_FILE_BYTES)


def measure(images: int, side: int, rounds: int) -> dict[str, object]:
    """Seconds of each part, and their shares of the import."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "images").mkdir()
        paths = write_images(root / "images", images, side)
        started = time.perf_counter()
        found = read_images(root / "images", plan_import(root / "images", ImportRules()))
        reading_s = time.perf_counter() - started
        times: dict[str, list[float]] = {"as_it_is": [], "no_record": [], "rights": []}
        for number in range(rounds):
            for name, own in times.items():
                workspace = Workspace(root / f"{name} {number}").create()
                with connect(workspace):  # the schema
                    pass
                if name == "no_record":
                    _without_record(workspace)
                if name == "rights":
                    _with_rights(workspace)
                with acting_as(_PERSON):
                    own.append(_seconds(lambda at=workspace: _store(at, found.samples)))  # type: ignore[misc]
        checked, plain = [], []
        with ProcessPoolExecutor(PROCESSES) as pool:
            parts = [paths[start::PROCESSES] for start in range(PROCESSES)]
            list(pool.map(_read_plainly, parts))  # starts the processes and fills the cache
            for _ in range(rounds):
                plain.append(_seconds(lambda: list(pool.map(_read_plainly, parts))))
                checked.append(_seconds(lambda: list(pool.map(_read_checked, parts))))
    stored = {name: statistics.median(own) for name, own in times.items()}
    checks_s = statistics.median(checked) - statistics.median(plain)
    import_s = reading_s + stored["as_it_is"]
    shares = {
        "record_share": (stored["as_it_is"] - stored["no_record"]) / import_s,
        "rights_share": (stored["rights"] - stored["as_it_is"]) / import_s,
        "file_checks_share": checks_s / import_s,
    }
    return {
        "images": images,
        "import_s": import_s,
        **{f"store_{name}_s": seconds for name, seconds in stored.items()},
        "file_checks_s": checks_s,
        **shares,
        "all_share": sum(shares.values()),
    }
