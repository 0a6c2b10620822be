"""The batch prediction job: a whole folder through a model, into one table.

Results go to the database as they come, so that a batch that was stopped or killed goes on with the
images that are left; the table is written from there at the end. Neither grows the memory.
"""

import io
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data.importing.walk import FolderImages, images_in, source_roots
from core.data.part_ids import part_ids, part_source
from core.data.pixels.images import MAX_FILE_BYTES
from core.data.pixels.isolated_pool import run_isolated
from core.data.pixels.preprocess import load_pixels
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.jobs import JobStatus, Phase
from core.domain.models import Prediction
from core.errors import UnreadableImageError
from core.evaluation.decisions.part_decisions import PartTally
from core.evaluation.decisions.rule import rule_from_json
from core.files import CsvDelimiter, read_user_file, write_csv
from core.inference.prediction_table import prediction_rows
from core.inference.predictor import Predictor, ranked
from core.store import batches
from core.store.batches import BatchImage, FileState
from core.store.database import connect, transaction
from core.worker.progress import Work
from core.worker.session import JobSession

_MAX_SKIPPED = 1000
_STORED_TOGETHER = 256
_STORE_EVERY_S = 1.0  # what is lost by a kill at most


def run(session: JobSession) -> None:
    """Predict every image below the job's folder; unreadable ones get a row with the reason."""
    payload = session.job.payload
    session.report(Phase.LOADING_MODEL, 0, 0)
    found = images_in(Path(payload["folder"]))
    batch = _Batch(session, found)  # its parts are told before anything heavy is loaded
    predictor = Predictor.open(Path(payload["bundle"]), runtimes=session.workspace.runtimes)
    batch.classify(predictor)
    counts = batch.write_table(
        predictor.card.class_names, tells_unfamiliar=predictor.tells_unfamiliar
    )
    with connect(session.workspace) as db, transaction(db):
        batches.delete_images(db, session.job.subject_id)
        session.finish(
            db,
            JobStatus.COMPLETED,
            result={
                "table": session.workspace.batch_table(session.job.subject_id).name,
                "n": len(found.paths),
                **counts,
                "hidden": found.hidden,
                "skipped": [[item.path, item.reason] for item in found.skipped[:_MAX_SKIPPED]],
                "skipped_count": len(found.skipped),
            },
        )


class _Batch:
    """The images of a folder: what is classified of them, and the table of it."""

    def __init__(self, session: JobSession, found: FolderImages) -> None:
        self._session = session
        payload = session.job.payload
        self._folder = Path(payload["folder"])
        self._shown = Path(payload.get("shown", payload["folder"]))
        self._rule = rule_from_json(payload["rule"]) if payload.get("rule") else None
        self._paths = found.paths
        below = [path.relative_to(self._folder) for path in self._paths]
        self._names = [_text(self._shown / path) for path in below]
        self._parts: list[str | None] = [None] * len(below)
        self._has_parts = bool(payload.get("part_by"))
        if self._has_parts:
            table = Path(payload["part_table"]) if payload.get("part_table") else None
            source = part_source(payload["part_by"], table)
            self._parts = part_ids(source, [path.as_posix() for path in below])

    def classify(self, predictor: Predictor) -> None:
        """Classify what is not classified yet, or has changed since; store it as it comes."""
        session = self._session
        with connect(session.workspace) as db:
            known = batches.states_of(db, session.job.subject_id)
        states = [_state(path) for path in self._paths]
        left = [at for at, name in enumerate(self._names) if known.get(name) != states[at]]
        total, done = len(self._paths), len(self._paths) - len(left)
        session.expect(Work(images=len(left)))
        session.report(Phase.CLASSIFYING, done, total)
        # Why in other processes: one image that crashes its reader must not end the batch.
        load = partial(_pixels, config=predictor.card.preprocess, roots=source_roots(self._folder))
        decoded = run_isolated(load, [self._paths[at] for at in left])
        inputs = ((self._names[left[position]], pixels) for position, pixels in decoded)
        kept = _Kept(session, predictor.card.class_names)
        try:
            for number, item in enumerate(predictor.judge(inputs)):
                kept.add(item, states[left[number]])
                session.report(Phase.CLASSIFYING, done + number + 1, total)
        finally:
            kept.store()

    def write_table(
        self, class_names: Sequence[str], *, tells_unfamiliar: bool
    ) -> dict[str, object]:
        """Write the table; gives the numbers of unreadable and unfamiliar images and decisions."""
        tally = PartTally(self._rule)
        if self._has_parts:
            for item in self._predictions(class_names):
                tally.add(item)
        images: Counter[str] = Counter()

        def counted() -> Iterator[Prediction]:
            for item in self._predictions(class_names):
                images["failed"] += item.error is not None
                images["unfamiliar"] += item.is_unfamiliar
                if item.decision is not None:
                    images[item.decision.value] += 1
                yield item

        rows = prediction_rows(
            counted(),
            class_names,
            with_decision=self._rule is not None,
            with_unfamiliar=tells_unfamiliar,
            part_decision=tally.decision_of if self._has_parts else None,
        )
        payload = self._session.job.payload
        delimiter = CsvDelimiter(payload.get("delimiter", CsvDelimiter.COMMA))
        target = self._session.workspace.batch_table(self._session.job.subject_id)
        write_csv(target, rows, delimiter=delimiter)
        failed, unfamiliar = images.pop("failed", 0), images.pop("unfamiliar", 0)
        parts = Counter(r.decision.value for r in tally.results() if r.decision is not None)
        return {
            "failed": failed,
            **({"unfamiliar": unfamiliar} if tells_unfamiliar else {}),
            "decisions": dict(images),
            "parts": dict(parts),
        }

    def _predictions(self, class_names: Sequence[str]) -> Iterator[Prediction]:
        """What is stored, in the order of the files; read in portions."""
        rest = iter(zip(self._names, self._parts, strict=True))
        while portion := list(islice(rest, _STORED_TOGETHER)):
            with connect(self._session.workspace) as db:
                stored = batches.images_of(
                    db, self._session.job.subject_id, [name for name, _ in portion]
                )
            parts = dict(portion)
            for image in stored:
                item = Prediction(
                    image.path,
                    () if image.error is not None else ranked(class_names, image.confidences),
                    error=image.error,
                    part=parts[image.path],
                    unfamiliar=image.unfamiliar,
                )
                yield self._rule.decided(item) if self._rule else replace(item, decision=None)


class _Kept:
    """Results on their way into the database, some at a time."""

    def __init__(self, session: JobSession, class_names: Sequence[str]) -> None:
        self._session, self._class_names = session, class_names
        self._waiting: list[BatchImage] = []
        self._stored_at = time.monotonic()

    def add(self, item: Prediction, state: FileState) -> None:
        confidences = dict(item.confidences)
        values = [confidences[name] for name in self._class_names] if confidences else []
        row = np.array(values, np.float32)
        self._waiting.append(BatchImage(item.path, state, row, item.error, item.unfamiliar))
        is_due = time.monotonic() - self._stored_at > _STORE_EVERY_S
        if is_due or len(self._waiting) >= _STORED_TOGETHER:
            self.store()

    def store(self) -> None:
        job = self._session.job
        if self._waiting:
            with connect(self._session.workspace) as db:
                batches.save_images(
                    db, job.subject_id, self._waiting, job_id=job.id, owner=self._session.owner
                )
        self._waiting = []
        self._stored_at = time.monotonic()


def _state(path: Path) -> FileState:
    """Size and time of a file; what cannot be read any more says so when it is opened."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _text(path: Path) -> str:
    """A path as text; a file name may hold bytes that are none."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _pixels(path: Path, config: PreprocessConfig, roots: Sequence[Path]) -> NDArray[np.uint8]:
    """An image below the folder; a link that was put there since does not lead outside."""
    try:
        content = io.BytesIO(read_user_file(path, most_bytes=MAX_FILE_BYTES, roots=roots))
    except OSError as err:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {err.strerror}.", "Check that it is an image file."
        ) from err
    return load_pixels(content, config, name=path.name)
