"""The material of a report as plain values in words: what `core.reporting` draws."""

import importlib.metadata
import platform
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.pixels.thumbnails import thumbnail
from core.domain.datasets import Verdict
from core.domain.ids import utc_now
from core.domain.splits import LeakCertificate, Split, Subset
from core.errors import TouchstoneError
from core.evaluation.decisions.outcome import (
    NOK,
    OK,
    Decision,
    decide,
    has_both,
    nok_probability,
    part_scores,
    trade_off,
    truths,
)
from core.evaluation.decisions.rule import DECISION_WORDS, point_in_words
from core.evaluation.measures.calibration import Reliability
from core.evaluation.release.check import Check
from core.evaluation.release.report_numbers import scenarios
from core.reporting.render import count, percent, setting_in_words, webp_uri
from core.store import jobs, quality, runs
from core.store.database import connect
from core.workflows.data.splits import subset_counts
from core.workflows.results.comparison import evidence
from core.workflows.results.judging import JudgedSet
from core.workflows.signoff import sealing
from core.workflows.signoff.report_commands import commands
from core.workflows.signoff.report_material import ReportMaterial, training_run
from core.workspace import Workspace

STRIP = 8  # images on the second page of the short form
_SKIPPED_SHOWN = 50
_CURVE_POINTS = 400
_BAND_POINTS = 200
_FEW = 30  # parts below which a rate of one class is hardly known
_PACKAGES = ("torch", "torchvision", "timm", "openvino", "numpy", "scipy", "pillow")


@dataclass(frozen=True)
class Mistake:
    """An image that was judged wrong; classes by index, `kind` 0 escape, 1 false reject, 2 other.

    `decision` is what the rule does with it, in words; empty without verdicts.
    """

    sample_id: int
    true: int
    predicted: int
    confidence: float
    kind: int
    decision: str


_KINDS = ("escape", "false reject", "")


def as_values(
    workspace: Workspace,
    material: ReportMaterial,
    form: str,
    shown: Sequence[Mistake],
    language: str,
) -> dict[str, Any]:
    """Everything that the report says, as JSON values; heatmaps are added by the worker."""
    judged, model = material.judged, material.model
    found = mistakes(material)
    imaged = found[:STRIP] if form == "short" else shown
    has_decisions = material.found.outcome is not None
    classes = _classes(material)
    return {
        "language": language,
        "form": form,
        "made_at": f"{when(utc_now())}",
        "model": {
            "name": model.name,
            "network": model.network,
            "sha256": model.sha256,
            "made_at": when(model.created_at),
        },
        "verdict": _verdict(material),
        "reasons_shown": 3 if form == "short" else 40,
        "name_length": 20 if form == "short" else 60,
        "confusions_shown": 1 if form == "short" else 2,
        "intended_use": sealing.intended_use(workspace, model.id),
        "criteria": _criteria(material),
        "criteria_set_at": when(material.gate.kept.set_at) if material.gate else None,
        "seal": {"sentence": _seal_sentence(material), "changes": material.sign_off.changes},
        "openings": [
            {"when": when(o.opened_at), "model": o.model_name, "purpose": o.purpose}
            for o in reversed(material.sign_off.accesses)
        ],
        "unit": material.found.report.unit.word,
        "notice": judged.notice,
        "has_decisions": has_decisions,
        "no_decisions": _no_decisions(material),
        "rule": _rule(material),
        "lines": _lines(material),
        "lines_assume": _lines_assume(material),
        "values": material.found.values,
        "names": list(judged.class_names),
        "classes": classes,
        "confused": [[pair.true, pair.predicted] for pair in material.found.confused],
        "data": _data(workspace, material),
        "split": _split(material),
        "training": _training(workspace, material),
        "series": _series(workspace, material),
        "errors": {
            "count": len(found),
            "sentence": _mistakes_sentence(found, len(imaged)),
            "shown": [_imaged(workspace, material, item) for item in imaged],
        },
        "against": _against(material),
        "limits_said": _limits(workspace, material),
        "software": _software(material),
        "commands": commands(workspace, material),
    }


def when(moment: float) -> str:
    """A time in a report, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def mistakes(material: ReportMaterial) -> list[Mistake]:
    """Wrongly judged images: escapes, then false rejects, then the rest; most confident first."""
    judged = material.judged
    predicted, sure = judged.probabilities.argmax(axis=1), judged.probabilities.max(axis=1)
    kinds = np.where(predicted != judged.targets, 2, -1)
    if material.found.decisions is not None:
        truth = truths(judged.targets, judged.verdicts)
        kinds[(truth == OK) & (material.found.decisions == Decision.REJECT)] = 1
        kinds[(truth == NOK) & (material.found.decisions == Decision.ACCEPT)] = 0
    wrong = np.flatnonzero(kinds >= 0)
    order = wrong[np.lexsort((-sure[wrong], kinds[wrong]))]
    words = decision_words(material, judged)
    return [
        Mistake(
            int(judged.sample_ids[i]),
            int(judged.targets[i]),
            int(predicted[i]),
            float(sure[i]),
            int(kinds[i]),
            words[i],
        )
        for i in order
    ]


def decision_words(material: ReportMaterial, judged: JudgedSet) -> list[str]:
    """What the rule does with every image, in words; empty without verdicts."""
    if not has_both(judged.verdicts):
        return [""] * len(judged.targets)
    decisions = decide(material.point, judged.probabilities, judged.verdicts)
    return [DECISION_WORDS[Decision(int(d))] for d in decisions]


def other_answers(
    material: ReportMaterial, judged: JudgedSet
) -> list[tuple[str | None, str | None]]:
    """Predicted class and decision of the compared model, None where it has none; [N]."""
    if material.other is None or judged is not material.judged:
        return [(None, None)] * len(judged.targets)
    side = material.other.first
    names = side.judged.class_names
    decisions: Sequence[Any] = [None] * len(side.predicted)
    if side.decisions is not None:
        decisions = [DECISION_WORDS[Decision(int(d))] for d in side.decisions]
    answers = {
        int(i): (names[int(p)], decision)
        for i, p, decision in zip(material.other.sample_ids, side.predicted, decisions, strict=True)
    }
    return [answers.get(int(i), (None, None)) for i in judged.sample_ids]


def _verdict(material: ReportMaterial) -> dict[str, Any]:
    state, gate = material.sign_off, material.gate
    if gate is None:
        return {
            "tone": "open",
            "title": "No release criteria were set",
            "sentence": "The figures below say what this test proves. Whether that is enough was "
            "not decided beforehand.",
            "reasons": [],
        }
    met = "met" if gate.gate.passed else "not met"
    if state.is_void:
        return {
            "tone": "void",
            "title": f"Seal void – release criteria {met}, but without proof",
            "sentence": "Something that was sealed has changed since:",
            "reasons": list(state.changes) + list(gate.gate.reasons),
        }
    if not gate.gate.passed:
        return {
            "tone": "block",
            "title": "Release criteria not met",
            "sentence": "",
            "reasons": list(gate.gate.reasons),
        }
    if not state.is_proof:
        return {
            "tone": "open",
            "title": "Release criteria met, but the test was not sealed",
            "sentence": "Criteria and thresholds were not fixed before the test set could be "
            "seen, so they could have been chosen to fit it.",
            "reasons": [],
        }
    return {
        "tone": "pass",
        "title": "Release criteria met",
        "sentence": "Criteria, thresholds and test images were sealed before the test set was "
        "opened, and have not changed since.",
        "reasons": [],
    }


def _seal_sentence(material: ReportMaterial) -> str:
    state = material.sign_off
    looks = count(len(state.accesses), "look")
    others = len({o.model_id for o in state.accesses} - {material.model.id})
    shared = f", {count(others, 'other model')} among them" if others else ""
    counted = f"This test set has had {looks}{shared}."
    if state.seal is None or state.seal.opened_at is None:
        return f"The test was not sealed: nothing was fixed before the first look. {counted}"
    said = (
        f"Sealed {when(state.seal.created_at)}, opened {when(state.seal.opened_at)}; digest of "
        f"the test images and labels {state.seal.test_digest[:16]}…"
    )
    changed = (
        "Void: it has changed since."
        if state.changes
        else (
            f"All {count(state.images, 'test image')} were read again for this report and are "
            "unchanged."
        )
    )
    return f"{said}. {changed} {counted}"


def _criteria(material: ReportMaterial) -> list[dict[str, Any]]:
    """Every criterion with what was found, failed ones first."""
    if material.gate is None:
        return []
    rows = [_check(check) for check in material.gate.gate.checks]
    kept = material.gate.kept.criteria
    if material.gate.golden:
        right = sum(material.gate.golden.values())
        total = len(material.gate.golden)
        rows.append(
            _row("every golden sample is judged right", f"{right} of {total}", right == total)
        )
    elif kept.golden_must_pass:
        rows.append(
            _row("every golden sample is judged right", "none is marked: nothing to check", None)
        )
    if kept.no_new_escapes:
        reasons = [r for r in material.gate.gate.reasons if r.startswith("New escapes")]
        rows.append(
            _row(
                "no new escape against the model so far",
                reasons[0] if reasons else "none",
                not reasons,
            )
        )
    return sorted(rows, key=lambda row: (row["passed"] is not False, row["passed"] is None))


def _row(asked: str, said: str, passed: bool | None) -> dict[str, Any]:
    return {"asked": asked, "said": said, "passed": passed}


def _check(check: Check) -> dict[str, Any]:
    criterion = check.criterion
    is_share = criterion.measure != "macro F1"
    limit = f"{100 * criterion.limit:g}%" if is_share else f"{criterion.limit:.3f}"
    proven = f", proven at {100 * criterion.confidence:g}%" if criterion.proven else ""
    asked = f"{criterion.measure} {'at most' if criterion.at_most else 'at least'} {limit}{proven}"
    said = check.reason.partition(": ")[2].partition(";")[0]
    return _row(asked, said, check.passed)


def _no_decisions(material: ReportMaterial) -> str:
    name = material.judged.dataset.name
    return (
        f"No escape or overkill can be given: in dataset “{name}” the classes are not marked OK "
        "and NOK. Say on the Datasets page which classes are good and which are defective (or: "
        f"touchstone classes {shlex.quote(name)} --ok NAME)."
    )


def _rule(material: ReportMaterial) -> dict[str, Any]:
    rule = material.rule
    if rule is None:
        why = "No thresholds were chosen."
    else:
        why = f"Chosen on validation ({rule.chosen_by}), {when(rule.saved_at)}."
    return {
        "in_words": point_in_words(material.point),
        "stated": _stated_rule(material),
        "why": why,
        "on_curve": material.point.accept_below is not None and not material.point.has_person_zone,
    }


def _stated_rule(material: ReportMaterial) -> dict[str, Any]:
    """What PPM and decisions are computed from besides the table, for whoever does it again."""
    given = material.rule.scenario if material.rule else None
    return {
        **asdict(material.point),
        "defect_rates": [line.defect_rate for line in scenarios(given)],
        "person_escape": given.person_escape if given else 0.0,
        "person_overkill": given.person_overkill if given else 0.0,
    }


def _lines(material: ReportMaterial) -> list[dict[str, str]]:
    given = material.rule.scenario if material.rule else None
    own = " (the line's own rate)" if given else ""
    return [
        {
            "key": f"{line.defect_rate:g}",
            "words": f"{100 * line.defect_rate:g}% of the parts{own}",
        }
        for line in scenarios(given)
    ]


def _lines_assume(material: ReportMaterial) -> str:
    given = material.rule.scenario if material.rule else None
    if given is None or not (given.person_escape or given.person_overkill):
        return "rightly"
    return (
        f"rightly but for {percent(given.person_escape)} of defective and "
        f"{percent(given.person_overkill)} of good parts"
    )


def _classes(material: ReportMaterial) -> list[dict[str, Any]]:
    """Classes with images, the least found first; then those without."""
    judged, report = material.judged, material.found.report
    matrix = report.confusion_matrix

    def rank(index: int) -> tuple[bool, float, int]:
        recall = report.bounds[index].recall
        return recall.value is None, recall.value or 0.0, -recall.n

    return [
        {
            "index": i,
            "name": judged.class_names[i],
            "verdict": verdict_word(judged.verdicts[i]),
            "taken_for": [
                {"index": j, "name": judged.class_names[j]} for j in _largest_errors(matrix, i)
            ],
        }
        for i in sorted(range(len(judged.class_names)), key=rank)
    ]


def _largest_errors(matrix: NDArray[np.int64], row: int, most: int = 2) -> list[int]:
    counts = matrix[row].copy()
    counts[row] = 0
    order = np.argsort(-counts, kind="stable")[:most]
    return [int(j) for j in order if counts[j]]


def verdict_word(verdict: Verdict | None) -> str | None:
    """OK, NOK, or None."""
    return verdict.value if verdict else None


def _data(workspace: Workspace, material: ReportMaterial) -> dict[str, Any]:
    dataset, split = material.judged.dataset, material.sign_off.split
    counts = subset_counts(workspace, dataset, split.id)
    with connect(workspace) as db:
        findings = quality.count_findings(db, dataset.id)
        check = quality.load_check(db, dataset.id)
    test = sum(counts[Subset.TEST].values())
    version = f"{dataset.version}" + (" (as imported)" if dataset.version == 1 else "")
    facts = [
        ["Dataset", dataset.name],
        ["Images today", f"{dataset.sample_count:,}"],
        ["Version", version],
        ["Digest (images and labels)", dataset.digest],
        ["Test digest", material.sign_off.digest],
        ["Imported", f"{when(dataset.created_at)} from {dataset.source}"],
        ["Not imported", count(len(dataset.skipped), "file")],
    ]
    if dataset.note:
        facts.append(["Note", dataset.note])
    certificate = split.certificate
    return {
        "name": dataset.name,
        "facts": facts,
        "short_facts": [
            ["Dataset", f"{dataset.name}, version {version}, digest {dataset.digest[:16]}…"],
            [
                "Test images",
                f"{test:,} of {dataset.sample_count:,}, never used in training; "
                f"digest {material.sign_off.digest[:16]}…",
            ],
            ["Split", f"{split.name} ({_strategy(split)}, seed {split.seed})"],
            ["Leaks between subsets", _leaks_in_a_line(certificate)],
        ],
        "classes": [
            {
                "name": name,
                "verdict": verdict_word(verdict),
                **{subset.value: f"{counts[subset][name]:,}" for subset in Subset},
            }
            for name, verdict in zip(dataset.class_names, dataset.verdicts, strict=True)
        ],
        "findings": [[kind.value.replace("_", " "), n] for kind, n in findings.items()],
        "no_findings": "The quality check has no open finding."
        if check
        else "Nobody has run the quality check on this dataset.",
        "skipped_count": len(dataset.skipped),
        "skipped": [[s.path, s.reason] for s in dataset.skipped[:_SKIPPED_SHOWN]],
    }


def _leaks_in_a_line(certificate: LeakCertificate | None) -> str:
    if certificate is None:
        return "nobody has looked"
    found = (
        (certificate.groups_across, "parts"),
        (certificate.exact_across, "equal files"),
        (certificate.near_across, "look-alikes"),
    )
    if certificate.is_clean:
        return "none: no part, no equal file and no look-alike stands on both sides"
    return ", ".join(
        f"{words}: {'not looked for' if number is None else f'{number:,} on both sides'}"
        for number, words in found
    )


def _strategy(split: Split) -> str:
    before, by_looks, _ = split.strategy.partition("grouped by auto")
    together = "images of one part, found by their looks, stay together"
    return f"{before}{together}" if by_looks else split.strategy


def _split(material: ReportMaterial) -> dict[str, Any]:
    split = material.sign_off.split
    fractions = " / ".join(f"{100 * f:g}%" for f in split.fractions)
    certificate = split.certificate
    rows = []
    if certificate is not None:
        questions = (
            ("Images of one part or group", certificate.groups_across),
            ("Files with equal content", certificate.exact_across),
            ("Images that look nearly the same", certificate.near_across),
        )
        rows = [
            {
                "question": question,
                "answer": "not looked for" if n is None else "none" if n == 0 else f"{n:,}",
                "tone": "warn" if n is None else "good" if n == 0 else "bad",
            }
            for question, n in questions
        ]
    else:
        rows = [{"question": "Leaks", "answer": "nobody has looked", "tone": "warn"}]
    return {
        "facts": [
            ["Split", split.name],
            ["How", f"{_strategy(split)}, seed {split.seed}"],
            ["Train / validation / test", fractions],
            ["Made", f"{when(split.created_at)}, of version {split.version} of the dataset"],
            ["Digest", split.digest],
        ],
        "certificate": rows,
    }


def _training(workspace: Workspace, material: ReportMaterial) -> dict[str, Any]:
    run = training_run(workspace, material)
    if run is None:
        return {
            "facts": [["Training record", "Not here: the run was deleted."]],
            "settings": [],
        }
    with connect(workspace) as db:
        job = jobs.latest_job(db, run.id)
        curve = runs.epochs_of(db, run.id)
    duration = sum(item.duration_s for item in curve)
    if job and job.started_at and job.finished_at:
        duration = job.finished_at - job.started_at
    best = max((item for item in curve if item.is_best), key=lambda e: e.epoch, default=None)
    facts = [
        ["Run", f"{run.name}, {when(run.created_at)}"],
        ["Network", f"{run.train.network}, pretrained"],
        ["Recipe", f"{run.train.recipe.value}: " + _RECIPES[run.train.recipe.value]],
        ["Epochs", f"{len(curve):,}" + (f", best {best.epoch}" if best else "")],
        ["Duration", f"{duration:,.0f} s"],
        ["Device", (job.device if job else None) or "not recorded"],
        ["Seed", f"{run.train.seed} (training), {material.sign_off.split.seed} (split)"],
        ["Attempts", f"{job.attempt if job else 1}"],
        ["Dataset version", f"{run.version}"],
    ]
    settings = [
        [str(item.metadata["title"]), setting_in_words(getattr(config, item.name))]
        for config in (run.train, run.preprocess, run.augment)
        for item in fields(config)
    ]
    return {"facts": facts, "settings": settings}


_RECIPES = {
    "quick": "the pretrained network is kept, its last layer is trained",
    "full": "all layers are trained",
}


def _series(workspace: Workspace, material: ReportMaterial) -> dict[str, Any]:
    run = training_run(workspace, material)
    curve: list[list[float]] = []
    if run is not None:
        with connect(workspace) as db:
            epochs = runs.epochs_of(db, run.id)
        step = 1 + len(epochs) // _CURVE_POINTS
        curve = [
            [e.epoch, e.val_macro_f1, float(e.is_best)]
            for i, e in enumerate(epochs)
            if i % step == 0 or e.is_best
        ]
    after = material.found.calibrated
    return {
        "curve": curve if len(curve) > 1 else [],
        "reliability": {
            "before": _bins(material.found.report.reliability),
            "after": _bins(after) if after else [],
        },
        "trade_off": _trade_off(material),
    }


def _bins(found: Reliability) -> list[list[float]]:
    return [
        [b.confidence, b.accuracy]
        for b in found.bins
        if b.confidence is not None and b.accuracy is not None
    ]


def _trade_off(material: ReportMaterial) -> dict[str, Any]:
    outcome = material.found.outcome
    if outcome is None or not sum(outcome.ok) or not sum(outcome.nok):
        return {}
    judged = material.judged
    nok = nok_probability(judged.probabilities, judged.verdicts)
    scores = part_scores(nok, truths(judged.targets, judged.verdicts), judged.parts)
    curve = trade_off(scores, max_points=_BAND_POINTS)
    return {
        "escape": curve.escape.tolist(),
        "escape_low": curve.escape_low.tolist(),
        "escape_high": curve.escape_high.tolist(),
        "overkill": curve.overkill.tolist(),
        "here": [outcome.overkill.value, outcome.escape.value],
    }


def _mistakes_sentence(found: Sequence[Mistake], shown: int) -> str:
    if not found:
        return "No test image was judged wrong."
    escapes, rejects = (sum(m.kind == kind for m in found) for kind in (0, 1))
    was = "was" if len(found) == 1 else "were"
    parts = [f"{count(len(found), 'test image')} {was} judged wrong"]
    if escapes or rejects:
        parts.append(f"{escapes:,} of them escapes, {rejects:,} false rejects")
    which = "all" if shown == len(found) else f"{shown:,}, the most serious" if shown else "none"
    return f"{', '.join(parts)}. Shown here: {which}."


def _imaged(workspace: Workspace, material: ReportMaterial, item: Mistake) -> dict[str, Any]:
    sample = material.samples[item.sample_id]
    names = material.judged.class_names
    try:
        path = thumbnail(workspace.resolve(sample.path), sample.sha256, workspace.thumbnails)
        image = webp_uri(path.read_bytes())
    except (TouchstoneError, OSError):
        image = None
    return {
        "name": sample.name,
        "true": names[item.true],
        "predicted": names[item.predicted],
        "confidence": percent(item.confidence),
        "mistake": _KINDS[item.kind],
        "decision": item.decision,
        "picture": image,
        "heatmap": None,
    }


def _against(material: ReportMaterial) -> dict[str, Any] | None:
    other = material.other
    if other is None:
        return None
    tables = [["compare.classes", "class"]]
    if other.decisions is not None:
        tables.append(["compare.escapes", "defective parts not accepted"])
        tables.append(["compare.false_rejects", "good parts not rejected"])
    return {
        "name": other.first.model.name,
        "sentence": evidence(other.classes.table),
        "tables": tables,
    }


def _limits(workspace: Workspace, material: ReportMaterial) -> list[str]:
    """What the test does not show, most important first."""
    state, judged, found = material.sign_off, material.judged, material.found
    certificate = state.split.certificate
    with connect(workspace) as db:
        findings = {k.value: n for k, n in quality.count_findings(db, judged.dataset.id).items()}
    few = sum(0 < b.recall.n < _FEW for b in found.report.bounds)
    absent = sum(not b.recall.n for b in found.report.bounds)
    conflicts = findings.get("label_conflict", 0) + findings.get("suspect_label", 0)
    unit = found.report.unit.word
    others = len({o.model_id for o in state.accesses} - {material.model.id})
    both = found.report.ok_nok.outcome.both_in_words if found.report.ok_nok else None
    says = [
        (both, both or ""),
        (
            few,
            f"{few} of {len(found.report.bounds)} classes have fewer than {_FEW} test {unit}: "
            "their own rates are hardly known.",
        ),
        (
            absent,
            f"{absent} {'class has' if absent == 1 else 'classes have'} no test image: "
            "nothing is known about them.",
        ),
        (
            judged.parts is None,
            "Nobody knows which images show the same part; every image "
            "counts as a part of its own, which makes the bounds too narrow "
            "where one part was photographed several times.",
        ),
        (
            certificate is None or not certificate.is_clean,
            "The split is not proven free of leaks (see the certificate): results may flatter.",
        ),
        (
            others,
            f"{count(others, 'other model')} looked at the same test set: every look that "
            "leads to a choice makes the result a little too good.",
        ),
        (
            conflicts,
            f"{count(conflicts, 'open finding')} on labels: where labels are wrong, these "
            "figures are too.",
        ),
        (
            True,
            "The labels are taken to be right, and future images to come from the same "
            "product, camera and light as the test images. No test can show that; watch the "
            "input in use.",
        ),
    ]
    return [sentence for applies, sentence in says if applies]


def _software(material: ReportMaterial) -> dict[str, Any]:
    version = _version("touchstone-vision")
    model, dataset, state = material.model, material.judged.dataset, material.sign_off
    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    identity = [
        ["Model", f"{model.name} ({model.id}), sha256 {model.sha256}"],
        [
            "Dataset",
            f"{dataset.name} ({dataset.id}), version {dataset.version}, digest {dataset.digest}",
        ],
        ["Test set", f"{state.split.name} ({state.split.id}), digest {state.digest}"],
        ["Software", f"Touchstone {version}, {machine}"],
    ]
    return {
        "version": version,
        "facts": [*identity, ["Libraries", packages]],
        "short_facts": [
            ["Model", f"sha256 {model.sha256}"],
            ["Software", f"Touchstone {version}, {machine}"],
        ],
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
