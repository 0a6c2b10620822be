"""Handing a model over to other programs, checked against the original before it is delivered."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from core.domain.datasets import SampleStatus
from core.domain.models import Model, ModelFormat
from core.domain.record import RecordedAction
from core.domain.splits import Subset
from core.errors import ConfigError
from core.evaluation.decisions.part_decisions import part_results
from core.evaluation.decisions.rule import DecisionRule, rule_to_json
from core.files import atomic_folder
from core.inference import service
from core.inference.exporting import largest_difference, run_example
from core.store import datasets, splits, versions
from core.store.database import connect
from core.words import count
from core.workflows.keeping import record
from core.workflows.results.thresholds import saved_rule
from core.workflows.use.models import exported_bundle, model_file, upload_model
from core.workflows.use.prediction import Call, call_directly, predict
from core.workspace import Workspace

CHECKED_IMAGES, CALIBRATION_IMAGES = 200, 300


@dataclass(frozen=True)
class ExportCheck:
    """How an exported model compares with the original on real images.

    `largest_difference` is that of any confidence, in [0, 1]. `changed` are the images whose class
    or decision is another one, `changed_parts` the parts whose decision is; `unreadable` counts the
    images that only one of both could read, or none.
    """

    images: int
    largest_difference: float
    changed: tuple[str, ...]
    unreadable: int = 0
    changed_parts: tuple[str, ...] = ()


def export_model(
    workspace: Workspace,
    model: Model,
    target: Path,
    model_format: ModelFormat,
    images: Sequence[Path] = (),
    *,
    call: Call = call_directly,
) -> ExportCheck | None:
    """Write a model into a new folder, and check what is in it in a process without Touchstone.

    The record says who took it.

    Args:
        workspace: where it lives.
        model: to hand over.
        target: a folder that does not exist yet.
        model_format: for which program.
        images: to check with; none: some of its dataset.
        call: runs what needs the network.

    Returns:
        What the check found, which is in the folder too; None for a model file, a plain copy.

    Raises:
        ConfigError: if the folder exists or cannot be written, or there are no images to check
            with.
        ModelFileError: if the exported model does not run.
    """
    if target.exists():
        raise ConfigError(f"{target} exists already.", "Choose a folder that does not exist yet.")
    check = _written(workspace, model, target, model_format, images, call)
    record.note(workspace, RecordedAction.EXPORTED, model.id, model.name, new=model_format.value)
    return check


def _written(
    workspace: Workspace,
    model: Model,
    target: Path,
    model_format: ModelFormat,
    images: Sequence[Path],
    call: Call,
) -> ExportCheck | None:
    is_copy = model_format is ModelFormat.BUNDLE
    checked = _to_check(workspace, model, images) if not is_copy else []
    try:
        with atomic_folder(target) as partial:
            if is_copy:
                shutil.copyfile(model_file(workspace, model), partial / "model.safetensors")
                return None
            rule = saved_rule(workspace, model.id)
            bundle = exported_bundle(workspace, model)
            text = rule_to_json(rule) if rule else ""
            calibration = []
            if model_format is ModelFormat.INT8:
                calibration = calibration_images(workspace, model)
            call(
                service.export_network,
                bundle,
                partial,
                model_format,
                model.sha256,
                text,
                calibration,
            )
            check = _checked(workspace, model, partial, checked, call)
            report = json.dumps(asdict(check), ensure_ascii=False, indent=2)
            (partial / "check.json").write_text(report, encoding="utf-8", errors="backslashreplace")
    except OSError as err:
        raise ConfigError(
            f"{target} cannot be written: {err.strerror or err}.",
            "Choose a place for a new folder that exists and can be written.",
        ) from err
    return check


def add_model(workspace: Workspace, file: Path) -> tuple[Model, DecisionRule | None]:
    """Take a model file from elsewhere into the workspace; gives its decision rule too.

    Raises:
        ModelFileError: if it is not a model file, or cannot be used.
    """
    model = upload_model(workspace, file, check=service.check_bundle)
    return model, saved_rule(workspace, model.id)


def export_archive(
    workspace: Workspace, model: Model, model_format: ModelFormat, *, call: Call = call_directly
) -> tuple[bytes, ExportCheck | None]:
    """The folder of `export_model` as a ZIP file, and what its check found.

    Raises:
        TouchstoneError: as `export_model`.
    """
    with tempfile.TemporaryDirectory(dir=workspace.cache) as place:
        folder = Path(place) / model_format.value
        check = export_model(workspace, model, folder, model_format, call=call)
        archive = shutil.make_archive(str(Path(place) / "export"), "zip", folder)
        return Path(archive).read_bytes(), check


def check_in_words(check: ExportCheck | None) -> str:
    """What the check of an export found, in a sentence."""
    if check is None:
        return "a copy of the model with its threshold."
    difference = f"confidences differ by at most {check.largest_difference:.1e}"
    changed = count(len(check.changed), "image") if check.changed else "no image"
    if check.changed_parts:
        changed += f" and {count(len(check.changed_parts), 'part')}"
    words = (
        f"checked on {count(check.images, 'image')}: {difference}, {changed} decided differently."
    )
    return (
        f"{words} {count(check.unreadable, 'file')} could not be read."
        if check.unreadable
        else words
    )


@dataclass(frozen=True)
class _CheckedImage:
    """An image to check with, and the part that it shows, if known."""

    path: Path
    part: str | None = None


def _to_check(workspace: Workspace, model: Model, images: Sequence[Path]) -> list[_CheckedImage]:
    """The images that were given, else some of the dataset of a model, evenly from all of it.

    Raises:
        ConfigError: if there are none.
    """
    chosen = [_CheckedImage(path) for path in images]
    if not chosen and model.dataset_id is not None:
        with connect(workspace) as db:
            samples = datasets.samples_of(db, model.dataset_id)
        used = [s for s in samples if s.status is SampleStatus.USED]
        every = max(1, len(used) // CHECKED_IMAGES)
        chosen = [
            _CheckedImage(workspace.resolve(s.path), s.group or None)
            for s in used[::every][:CHECKED_IMAGES]
        ]
        chosen = [image for image in chosen if image.path.is_file()]
    if not chosen:
        raise ConfigError(
            f"There are no images to check the export of '{model.name}' with.",
            "Give a folder of images (--images).",
        )
    return chosen


def calibration_images(workspace: Workspace, model: Model) -> list[Path]:
    """Some of the images that a model was trained on, evenly from all of them; of no test set."""
    if model.dataset_id is None or model.split_id is None:
        return []
    with connect(workspace) as db:
        members = splits.split_members(db, model.split_id, fold=model.fold)
        samples = versions.samples_at(db, model.dataset_id, model.version)
    trained = [s for s in samples if members.get(s.id) is Subset.TRAIN]
    every = max(1, len(trained) // CALIBRATION_IMAGES)
    paths = [workspace.resolve(s.path) for s in trained[::every][:CALIBRATION_IMAGES]]
    return [path for path in paths if path.is_file()]


def _checked(
    workspace: Workspace, model: Model, folder: Path, images: Sequence[_CheckedImage], call: Call
) -> ExportCheck:
    paths = [image.path for image in images]
    names = [str(path.absolute()) for path in paths]
    ours = predict(workspace, model, paths, names, call=call)
    theirs = list(run_example(folder, paths))
    changed = [
        name
        for name, one, other in zip(names, ours, theirs, strict=True)
        if (one.class_name, one.decision) != (other.class_name, other.decision)
    ]
    unreadable = sum(
        o.error is not None or t.error is not None for o, t in zip(ours, theirs, strict=True)
    )
    rule = saved_rule(workspace, model.id)
    before, after = (
        part_results(
            (replace(item, part=image.part) for item, image in zip(items, images, strict=True)),
            rule,
        )
        for items in (ours, theirs)
    )
    parts = [b.part for b, a in zip(before, after, strict=True) if b.decision is not a.decision]
    return ExportCheck(
        len(names),
        largest_difference(ours, theirs),
        tuple(changed),
        unreadable,
        tuple(parts),
    )
