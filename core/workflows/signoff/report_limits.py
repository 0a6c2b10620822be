"""What a test does not show, said in its report."""

from core.domain.findings import FindingKind
from core.reporting.text import count
from core.store import quality
from core.store.database import connect
from core.workflows.signoff.report_material import ReportMaterial
from core.workflows.signoff.report_verdict import other_models
from core.workspace import Workspace

_FEW = 30  # parts below which the rate of one class is uncertain


def limits(workspace: Workspace, material: ReportMaterial) -> tuple[str, ...]:
    """What the test does not show, the most important first."""
    ok_nok = material.results.report.ok_nok
    both = ok_nok.outcome.both_in_words if ok_nok else None
    says = (
        both,
        _few_images(material),
        _no_images(material),
        _unknown_parts(material),
        _leaks(material),
        _others(material),
        _wrong_labels(workspace, material),
        "The labels are assumed to be correct, and future images to come from the same product, "
        "camera and lighting as the test images. No test can show this; monitor the images in "
        "use.",
    )
    return tuple(sentence for sentence in says if sentence)


def _few_images(material: ReportMaterial) -> str | None:
    report = material.results.report
    few = sum(0 < b.recall.n < _FEW for b in report.bounds)
    if not few:
        return None
    have = "has" if few == 1 else "have"
    return (
        f"{few} of {count(len(report.bounds), 'class')} {have} fewer than {_FEW} test "
        f"{report.unit.word}, so {'its own rates are' if few == 1 else 'their own rates are'} "
        "uncertain."
    )


def _no_images(material: ReportMaterial) -> str | None:
    absent = sum(not b.recall.n for b in material.results.report.bounds)
    if not absent:
        return None
    if absent == 1:
        return "1 class has no test image: nothing is known about it."
    return f"{absent} classes have no test image: nothing is known about them."


def _unknown_parts(material: ReportMaterial) -> str | None:
    if material.judged.parts is not None:
        return None
    return (
        "It is not known which images show the same part. Every image counts as a part of its own, "
        "so the bounds are too narrow where a part was photographed several times."
    )


def _leaks(material: ReportMaterial) -> str | None:
    certificate = material.sign_off.split.certificate
    if certificate is not None and certificate.is_clean:
        return None
    return (
        "The split is not proven free of leaks (see the leak certificate): the results may be too "
        "good."
    )


def _others(material: ReportMaterial) -> str | None:
    others = other_models(material)
    if not others:
        return None
    return (
        f"Results on these test images were also viewed for {count(others, 'other model')}. Each "
        "view that leads to a choice makes the result slightly too good."
    )


def _wrong_labels(workspace: Workspace, material: ReportMaterial) -> str | None:
    with connect(workspace) as db:
        findings = quality.count_findings(db, material.judged.dataset.id)
    open_ = sum(findings.get(k, 0) for k in (FindingKind.LABEL_CONFLICT, FindingKind.SUSPECT_LABEL))
    if not open_:
        return None
    return (
        f"The dataset has {count(open_, 'open finding')} on labels. Where a label is wrong, these "
        "figures are wrong, too."
    )
