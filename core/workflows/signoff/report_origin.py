"""Where a model comes from: data, split, training and software."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import numpy as np

from core.domain.configs.acting import acted_on
from core.domain.configs.choices import Detail, Recipe
from core.domain.datasets import good_classes
from core.domain.findings import FindingKind
from core.domain.parts import PartAnswer
from core.domain.splits import LeakCertificate, Split, SplitMethod, Subset
from core.domain.training import (
    DetailTrial,
    EpochMetrics,
    HeadTrial,
    PenaltyPoint,
    TrainingRun,
    chosen_detail,
    chosen_penalty,
    trained_epochs,
)
from core.errors import TouchstoneError
from core.models.catalog import network_in_words
from core.reporting.text import count, setting_in_words, when
from core.reporting.values import (
    ClassCounts,
    DataSection,
    Fact,
    FindingCount,
    LeakRow,
    LeakTone,
    SkippedFile,
    SoftwareSection,
    SplitSection,
    TrainingSection,
)
from core.store import jobs, look_alikes, quality, runs, splits, versions
from core.store.database import connect
from core.words import decimal, duration, exact, exact_percent, number, shortened_percent
from core.workflows.data.split_words import groups_in_words, strategy_in_words
from core.workflows.signoff.report_material import ReportMaterial, training_run
from core.workflows.signoff.report_results import verdict_word
from core.workflows.training import last_layers, record
from core.workflows.use import alike
from core.workspace import Workspace

_SKIPPED_SHOWN = 50
_TOLD = ("penalty", "refit", "detail", "head")  # among the facts, with what came of them
_PACKAGES = ("torch", "torchvision", "timm", "openvino", "numpy", "scipy", "pillow")


def data_section(workspace: Workspace, material: ReportMaterial) -> DataSection:
    """The dataset with its classes and open findings."""
    dataset = material.judged.dataset
    with connect(workspace) as db:
        findings = quality.count_findings(db, dataset.id)
        check = quality.load_check(db, dataset.id)
    return DataSection(
        name=dataset.name,
        facts=(*_data_facts(material), _parts_fact(workspace, material)),
        short_facts=tuple(_short_facts(material)),
        classes=_class_counts(workspace, material),
        classes_note=_classes_note(material),
        findings=tuple(FindingCount(_finding_title(kind), n) for kind, n in findings.items()),
        no_findings="The quality check has no open findings."
        if check
        else "No quality check was run on this dataset.",
        skipped_count=len(dataset.skipped),
        skipped=tuple(SkippedFile(s.path, s.reason) for s in dataset.skipped[:_SKIPPED_SHOWN]),
    )


def _class_counts(workspace: Workspace, material: ReportMaterial) -> tuple[ClassCounts, ...]:
    """Images of every class that the model knows: those it learned from, and those tested."""
    judged, model = material.judged, material.model
    names = judged.class_names
    counts = {subset: [0] * len(names) for subset in Subset}
    counts[Subset.TEST] = np.bincount(judged.targets, minlength=len(names)).tolist()
    with connect(workspace) as db:
        members = splits.split_members(db, material.sign_off.split.id, fold=model.fold)
        learned_from = versions.samples_at(db, judged.dataset.id, model.version)
    good = good_classes(judged.dataset.verdicts) if model.is_detector else None
    for sample in learned_from:
        subset, label = members.get(sample.id, Subset.TEST), sample.label
        if good is not None and label is not None:
            label = 0 if label in good else 1
        if subset is not Subset.TEST and label is not None and label < len(names):
            counts[subset][label] += 1
    return tuple(
        ClassCounts(
            name,
            verdict_word(judged.verdicts[i]),
            counts[Subset.TRAIN][i],
            counts[Subset.VALIDATION][i],
            counts[Subset.TEST][i],
        )
        for i, name in enumerate(names)
    )


def _classes_note(material: ReportMaterial) -> str:
    """What the images of classes are counted on."""
    model, dataset = material.model, material.judged.dataset
    fold = "" if model.fold is None else f", with fold {model.fold + 1} as validation"
    if model.version is None or model.version == dataset.version:
        return f"Images that the model was trained and tested on{fold}." if fold else ""
    return (
        f"Train and validation: version {model.version} of the dataset, which the model was "
        f"trained on{fold}. Test: the images that this report counts."
    )


def _data_facts(material: ReportMaterial) -> list[Fact]:
    dataset = material.judged.dataset
    facts = [
        Fact("Dataset", dataset.name),
        Fact("Images today", number(dataset.sample_count)),
        Fact("Version", _version_words(dataset.version)),
        Fact("Digest (images and labels)", dataset.digest),
        Fact("Test digest", material.sign_off.digest),
        Fact("Imported", f"{when(dataset.created_at)} from {dataset.source}"),
        Fact("Not imported", count(len(dataset.skipped), "file")),
    ]
    return [*facts, Fact("Note", dataset.note)] if dataset.note else facts


def _parts_fact(workspace: Workspace, material: ReportMaterial) -> Fact:
    """What is known of parts, and what people answered about look-alikes."""
    judged = material.judged
    with connect(workspace) as db:
        answers = look_alikes.list_answers(db, judged.dataset.id)
        ignored = look_alikes.ignored_look_alikes(db, judged.dataset.id)
    words = [judged.counted_in_words]
    apart = [given for given in answers if given.answer is PartAnswer.DIFFERENT]
    if apart:
        images = len({i for given in apart for i in given.sample_ids})
        words.append(f"Look-alikes said to be different parts: {count(images, 'image')}.")
    if ignored:
        words.append(f"Ignored: {count(len(ignored), 'group')} of look-alikes.")
    return Fact("Parts", " ".join(words))


def _short_facts(material: ReportMaterial) -> list[Fact]:
    dataset, split = material.judged.dataset, material.sign_off.split
    version = _version_words(dataset.version)
    return [
        Fact("Dataset", f"{dataset.name}, version {version}, digest {dataset.digest[:16]}…"),
        Fact(
            "Test images",
            f"{number(len(material.judged.targets))}, none used in training; the dataset has "
            f"{number(dataset.sample_count)} images; digest {material.sign_off.digest[:16]}…",
        ),
        Fact("Split", f"{split.name} ({_how(split)})"),
        Fact("Leaks between subsets", _leaks_in_a_line(split.certificate)),
    ]


def _version_words(version: int) -> str:
    return f"{version} (as imported)" if version == 1 else f"{version}"


def _finding_title(kind: FindingKind) -> str:
    return kind.value.replace("_", " ")


def _leaks_in_a_line(certificate: LeakCertificate | None) -> str:
    if certificate is None:
        return "not checked"
    if certificate.is_clean:
        return "none: no part, no identical file and no look-alike is in more than one subset"
    counts = (
        (groups_in_words(certificate.counted), certificate.groups_across),
        ("identical files", certificate.exact_across),
        ("look-alikes", certificate.near_across),
    )
    return ", ".join(
        f"{what}: {'not checked' if n is None else f'{number(n)} in more than one subset'}"
        for what, n in counts
    )


def _how(split: Split) -> str:
    """How the split was made; its seed where chance had a part in it."""
    words = strategy_in_words(split)
    return f"{words}, seed {split.seed}" if _is_by_chance(split) else words


def _is_by_chance(split: Split) -> bool:
    strategy = split.strategy
    return strategy.method is not SplitMethod.PROVIDED and strategy.order_by is None


def split_section(material: ReportMaterial) -> SplitSection:
    """The split and its leak certificate."""
    split = material.sign_off.split
    return SplitSection(
        facts=(
            Fact("Split", split.name),
            Fact("Method", _how(split)),
            *_requested(split),
            Fact("Made", f"{when(split.created_at)}, of version {split.version} of the dataset"),
            Fact("Digest", split.digest),
        ),
        leaks=_leak_rows(split.certificate),
    )


def _requested(split: Split) -> tuple[Fact, ...]:
    """The shares that were asked for, which groups may have changed; nothing where none were."""
    match split.strategy.method:
        case SplitMethod.PROVIDED | SplitMethod.COUNTS:
            return ()  # the table of classes has the numbers
        case SplitMethod.FRACTIONS | SplitMethod.FOLDS:
            shares = " / ".join(exact_percent(round(share, 5)) for share in split.fractions)
            return (Fact("Train / validation / test, requested", shares),)
        case _:
            assert_never(split.strategy.method)


def _leak_rows(certificate: LeakCertificate | None) -> tuple[LeakRow, ...]:
    if certificate is None:
        return (LeakRow("Leaks", "not checked", LeakTone.WARN),)
    return (
        _leak_row(groups_in_words(certificate.counted).capitalize(), certificate.groups_across),
        _leak_row("Identical files", certificate.exact_across),
        _leak_row("Pairs of look-alikes", certificate.near_across),
    )


def _leak_row(question: str, n: int | None) -> LeakRow:
    if n is None:
        return LeakRow(question, "not checked", LeakTone.WARN)
    if n == 0:
        return LeakRow(question, "none", LeakTone.GOOD)
    return LeakRow(question, number(n), LeakTone.BAD)


def training_section(workspace: Workspace, material: ReportMaterial) -> TrainingSection:
    """The run that made the model, with the settings that acted on it."""
    run = training_run(workspace, material)
    if run is None:
        return TrainingSection((Fact("Training record", "The run was deleted."),))
    with connect(workspace) as db:
        job = jobs.latest_job(db, run.id)
        curve, path = runs.epochs_of(db, run.id), runs.penalty_path_of(db, run.id)
        trials, kept = runs.detail_trials_of(db, run.id), runs.record_of(db, run.id)
        heads = runs.head_trials_of(db, run.id)
    took_s = sum(item.duration_s for item in curve)
    if job and job.started_at and job.finished_at:
        took_s = max(0.0, job.finished_at - job.started_at)
    best = max((item for item in curve if item.is_best), key=lambda e: e.epoch, default=None)
    recipe, attempts = run.train.recipe, job.attempt if job else 1
    device = record.device_in_words(job.device if job else None, kept)
    of_all = f" (the last of {attempts} attempts)" if attempts > 1 else ""
    return TrainingSection(
        facts=(
            Fact("Run", f"{run.name}, {when(run.created_at)}"),
            Fact("Network", f"{network_in_words(run.train.network)}, pretrained"),
            Fact("Recipe", f"{recipe.value}: {_recipe_in_words(recipe)}"),
            *(_epochs(trained_epochs(curve), best) if curve else _solved(run, path, trials, heads)),
            *(_ending(kept) if material.model.validation_cross_validated and curve else ()),
            Fact("Duration", f"{duration(took_s)}{of_all}"),
            Fact("Device", device or "not recorded"),
            Fact("Attempts", f"{attempts}"),
            Fact("Dataset version", f"{run.version}"),
            *_unfamiliar(workspace, material),
        ),
        settings=tuple(
            Fact(setting.title, setting_in_words(value))
            for setting, value in acted_on(run, has_epochs=bool(curve))
            if setting.name not in _TOLD
        ),
    )


def _unfamiliar(workspace: Workspace, material: ReportMaterial) -> tuple[Fact, ...]:
    """How often the model flags familiar images as unlike its training images, with the bound."""
    try:
        limit = alike.unfamiliar_limit(workspace, material.model)
    except TouchstoneError:  # its file is damaged; the numbers of this report do not need it
        return ()
    if limit is None:
        return ()
    kind = "good" if material.model.is_detector else "familiar"
    words = (
        f"flagged beyond a distance that {exact_percent(limit.rate)} of {kind} images should "
        f"exceed; at most {shortened_percent(limit.bound, at_most=True)} "
        f"{'of parts have one that does' if limit.counts_parts else 'do'}, with 95% confidence, "
        f"judged on {alike.judged_in_words(limit)}"
    )
    return (Fact("Unfamiliar images", words),)


def _solved(
    run: TrainingRun,
    path: Sequence[PenaltyPoint],
    trials: Sequence[DetailTrial],
    heads: Sequence[HeadTrial],
) -> tuple[Fact, ...]:
    """How the last layer of a quick run came about, which has no epochs."""
    if run.train.recipe is not Recipe.QUICK:
        return ()
    how = "as requested"
    if run.train.penalty <= 0:
        how = (
            f"the strongest of {len(path)} within one standard error of the least "
            "cross-validated log loss"
            if path
            else "too few images to choose it by cross-validation"
        )
    refitted = "training and validation images; results on validation images are cross-validated"
    learned_from = refitted if run.refits else "training images"
    detail = chosen_detail(run.train, trials)
    last_layer = last_layers.last_layer_in_words(run.train, heads)
    told = "chosen by cross-validation" if run.train.detail.compares else "as requested"
    return (
        Fact("Detail", f"{_detail_in_words(detail)}, {told}"),
        *((Fact("Last layer", last_layer),) if last_layer else ()),
        Fact("Penalty", f"{exact(chosen_penalty(run.train, path))}: {how}"),
        Fact("Learned from", learned_from),
    )


def _detail_in_words(detail: Detail) -> str:
    match detail:
        case Detail.WHOLE:
            return "the whole image"
        case Detail.STAGES:
            return "several stages of the network"
        case Detail.MIRRORED:
            return "several stages of the network, mean of the image and its mirror image"
        case Detail.TURNED:
            return "several stages of the network, the largest of the image turned by quarter turns"
        case Detail.TILES:
            return "several stages of the network, of the image and its four quarters"
        case Detail.PLACES:
            return "two stages of the network, place by place"
        case _:
            assert_never(detail)


def _epochs(count: int, best: EpochMetrics | None) -> tuple[Fact, ...]:
    which = "the start" if best and best.epoch < 0 else f"epoch {best.epoch + 1}" if best else ""
    return (Fact("Epochs", number(count) + (f", best: {which}" if best else "")),)


def _ending(record: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What a run with epochs ended with: what quick makes, or a last layer solved anew."""
    if not record.get("start_kept"):
        return (Fact("Refitted", "last layer, on training and validation images"),)
    before, after = (decimal(record[f"{name}_log_loss"]) for name in ("start", "trained"))
    return (
        Fact(
            "Kept",
            "the model that quick makes of the same images: training further brought no gain that "
            f"the validation images prove (log loss {after}, of quick {before}). It learned from "
            "training and validation images; the latter's results are cross-validated",
        ),
    )


def _recipe_in_words(recipe: Recipe) -> str:
    match recipe:
        case Recipe.QUICK:
            return "the pretrained network is kept, only its last layer is trained"
        case Recipe.STAGED:
            return "the lower layers are kept, the upper ones are trained"
        case Recipe.FULL:
            return "all layers are trained"
        case Recipe.GOOD_ONLY:
            return "the pretrained network is kept; the model remembers places of good images"
        case _:
            assert_never(recipe)


def software_section(material: ReportMaterial) -> SoftwareSection:
    """The program and its libraries, and what identifies model and data."""
    version = _version("touchstone-vision")
    model, dataset, state = material.model, material.judged.dataset, material.sign_off
    machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    software = Fact("Made with", f"Touchstone {version}, {machine}")
    return SoftwareSection(
        version=version,
        facts=(
            Fact("Model", f"{model.name} ({model.id}), sha256 {model.sha256}"),
            Fact(
                "Dataset",
                f"{dataset.name} ({dataset.id}), version {dataset.version}, digest "
                f"{dataset.digest}",
            ),
            Fact("Test set", f"{state.split.name} ({state.split.id}), digest {state.digest}"),
            software,
            Fact(
                "Libraries of this report",
                ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
            ),
        ),
        short_facts=(Fact("Model", f"sha256 {model.sha256}"), software),
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
