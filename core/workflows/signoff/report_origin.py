"""Where a model comes from: data, split, training and software."""

import importlib.metadata
import platform
from dataclasses import fields
from typing import assert_never

from core.domain.configs import Recipe
from core.domain.findings import FindingKind
from core.domain.splits import GroupKind, LeakCertificate, Split, Subset
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
from core.store import jobs, quality, runs
from core.store.database import connect
from core.workflows.data.split_words import strategy_in_words
from core.workflows.data.splits import subset_counts
from core.workflows.signoff.report_material import ReportMaterial, training_run
from core.workflows.signoff.report_results import verdict_word
from core.workspace import Workspace

_SKIPPED_SHOWN = 50
_PACKAGES = ("torch", "torchvision", "timm", "openvino", "numpy", "scipy", "pillow")


def data_section(workspace: Workspace, material: ReportMaterial) -> DataSection:
    """The dataset with its classes and open findings."""
    dataset, split = material.judged.dataset, material.sign_off.split
    counts = subset_counts(workspace, dataset, split.id)
    with connect(workspace) as db:
        findings = quality.count_findings(db, dataset.id)
        check = quality.load_check(db, dataset.id)
    return DataSection(
        name=dataset.name,
        facts=tuple(_data_facts(material)),
        short_facts=tuple(_short_facts(material, sum(counts[Subset.TEST].values()))),
        classes=tuple(
            ClassCounts(
                name,
                verdict_word(verdict),
                counts[Subset.TRAIN][name],
                counts[Subset.VALIDATION][name],
                counts[Subset.TEST][name],
            )
            for name, verdict in zip(dataset.class_names, dataset.verdicts, strict=True)
        ),
        findings=tuple(FindingCount(_finding_title(kind), n) for kind, n in findings.items()),
        no_findings="The quality check has no open findings."
        if check
        else "No quality check was run on this dataset.",
        skipped_count=len(dataset.skipped),
        skipped=tuple(SkippedFile(s.path, s.reason) for s in dataset.skipped[:_SKIPPED_SHOWN]),
    )


def _data_facts(material: ReportMaterial) -> list[Fact]:
    dataset = material.judged.dataset
    facts = [
        Fact("Dataset", dataset.name),
        Fact("Images today", f"{dataset.sample_count:,}"),
        Fact("Version", _version_words(dataset.version)),
        Fact("Digest (images and labels)", dataset.digest),
        Fact("Test digest", material.sign_off.digest),
        Fact("Imported", f"{when(dataset.created_at)} from {dataset.source}"),
        Fact("Not imported", count(len(dataset.skipped), "file")),
    ]
    return [*facts, Fact("Note", dataset.note)] if dataset.note else facts


def _short_facts(material: ReportMaterial, test_images: int) -> list[Fact]:
    dataset, split = material.judged.dataset, material.sign_off.split
    version = _version_words(dataset.version)
    return [
        Fact("Dataset", f"{dataset.name}, version {version}, digest {dataset.digest[:16]}…"),
        Fact(
            "Test images",
            f"{test_images:,} of {dataset.sample_count:,}, never used in training; digest "
            f"{material.sign_off.digest[:16]}…",
        ),
        Fact("Split", f"{split.name} ({_how(split)}, seed {split.seed})"),
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
        ("parts", certificate.groups_across),
        ("identical files", certificate.exact_across),
        ("look-alikes", certificate.near_across),
    )
    return ", ".join(
        f"{what}: {'not checked' if n is None else f'{n:,} in more than one subset'}"
        for what, n in counts
    )


def _how(split: Split) -> str:
    grouping = split.strategy.grouping
    if grouping is not None and grouping.kind is GroupKind.LOOK_ALIKES:
        return f"{strategy_in_words(split)}: they are taken to show the same part"
    return strategy_in_words(split)


def split_section(material: ReportMaterial) -> SplitSection:
    """The split and its leak certificate."""
    split = material.sign_off.split
    fractions = " / ".join(f"{100 * f:g}%" for f in split.fractions)
    return SplitSection(
        facts=(
            Fact("Split", split.name),
            Fact("Method", f"{_how(split)}; seed {split.seed}"),
            Fact("Train / validation / test", fractions),
            Fact("Made", f"{when(split.created_at)}, of version {split.version} of the dataset"),
            Fact("Digest", split.digest),
        ),
        leaks=_leak_rows(split.certificate),
    )


def _leak_rows(certificate: LeakCertificate | None) -> tuple[LeakRow, ...]:
    if certificate is None:
        return (LeakRow("Leaks", "not checked", LeakTone.WARN),)
    return (
        _leak_row("Parts", certificate.groups_across),
        _leak_row("Identical files", certificate.exact_across),
        _leak_row("Pairs of look-alikes", certificate.near_across),
    )


def _leak_row(question: str, n: int | None) -> LeakRow:
    if n is None:
        return LeakRow(question, "not checked", LeakTone.WARN)
    if n == 0:
        return LeakRow(question, "none", LeakTone.GOOD)
    return LeakRow(question, f"{n:,}", LeakTone.BAD)


def training_section(workspace: Workspace, material: ReportMaterial) -> TrainingSection:
    """The run that made the model, with all its settings."""
    run = training_run(workspace, material)
    if run is None:
        return TrainingSection((Fact("Training record", "The run was deleted."),))
    with connect(workspace) as db:
        job = jobs.latest_job(db, run.id)
        curve = runs.epochs_of(db, run.id)
    duration = sum(item.duration_s for item in curve)
    if job and job.started_at and job.finished_at:
        duration = job.finished_at - job.started_at
    best = max((item for item in curve if item.is_best), key=lambda e: e.epoch, default=None)
    recipe = run.train.recipe
    seeds = f"{run.train.seed} (training), {material.sign_off.split.seed} (split)"
    return TrainingSection(
        facts=(
            Fact("Run", f"{run.name}, {when(run.created_at)}"),
            Fact("Network", f"{run.train.network}, pretrained"),
            Fact("Recipe", f"{recipe.value}: {_recipe_in_words(recipe)}"),
            Fact("Epochs", f"{len(curve):,}" + (f", best {best.epoch}" if best else "")),
            Fact("Duration", f"{duration:,.0f} s"),
            Fact("Device", (job.device if job else None) or "not recorded"),
            Fact("Seed", seeds),
            Fact("Attempts", f"{job.attempt if job else 1}"),
            Fact("Dataset version", f"{run.version}"),
        ),
        settings=tuple(
            Fact(str(item.metadata["title"]), setting_in_words(getattr(config, item.name)))
            for config in (run.train, run.preprocess, run.augment)
            for item in fields(config)
        ),
    )


def _recipe_in_words(recipe: Recipe) -> str:
    match recipe:
        case Recipe.QUICK:
            return "the pretrained network is kept, only its last layer is trained"
        case Recipe.FULL:
            return "all layers are trained"
        case _:
            assert_never(recipe)


def software_section(material: ReportMaterial) -> SoftwareSection:
    """The program and its libraries, and what identifies model and data."""
    version = _version("touchstone-vision")
    model, dataset, state = material.model, material.judged.dataset, material.sign_off
    machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    software = Fact("Software", f"Touchstone {version}, {machine}")
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
            Fact("Libraries", ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)),
        ),
        short_facts=(Fact("Model", f"sha256 {model.sha256}"), software),
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
