"""What a test does not show, said in its report."""

from core.domain.findings import FindingKind, Severity
from core.domain.parts import Counting
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.store import quality
from core.store.database import connect
from core.words import count, number, percent_with_range, shortened_percent
from core.workflows.results.comparison import counted_by
from core.workflows.results.evaluation import both_ways, cautions
from core.workflows.signoff.release import check_release
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
        *cautions(workspace, material.judged),
        _serious_finding(workspace, material),
        _few_images(material),
        _other_verdict(workspace, material),
        _look_alikes(material),
        _unknown_parts(material),
        _leaks(material),
        _others(material),
        _wrong_labels(workspace, material),
        "The labels are assumed to be correct, and future images to come from the same product, "
        "camera and lighting as the test images. No test can show this; monitor the images in "
        "use.",
    )
    return tuple(sentence for sentence in says if sentence)


def _serious_finding(workspace: Workspace, material: ReportMaterial) -> str | None:
    with connect(workspace) as db:
        worst = quality.worst_open_finding(db, material.judged.dataset.id)
    if worst is None or worst.severity is not Severity.SERIOUS:
        return None
    return f"The quality check has an open serious finding. {worst.message}"


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


def _unknown_parts(material: ReportMaterial) -> str | None:
    if material.judged.unit is Unit.PARTS:
        return None
    return (
        "Nobody has declared or confirmed which test images show the same part. Images are "
        "counted, so the bounds are too narrow where a part was photographed several times."
    )


def _look_alikes(material: ReportMaterial) -> str | None:
    """Both figures where look-alikes that nobody has confirmed would change what is counted."""
    both = both_ways(material.judged, material.point)
    if both is None:
        return None
    counted = both[1].headline
    says = [f"{_share(counted.accuracy)} of {number(counted.accuracy.n)} parts judged correctly"]
    if counted.ok_nok is not None:
        escape, overkill = counted.ok_nok.escape, counted.ok_nok.overkill
        says += [f"escapes {_proven(escape)}", f"false rejects {_proven(overkill)}"]
    return (
        "Some images look alike, and nobody has confirmed that they show one part. If each group "
        f"of them did, these results would be: {', '.join(says)}."
    )


def _share(rate: Rate) -> str:
    if rate.value is None or rate.interval is None:
        return "no data"
    return percent_with_range(rate.value, rate.interval.low, rate.interval.high)


def _proven(rate: Rate) -> str:
    bound = rate.upper()
    if bound is None:
        return "without data"
    most = shortened_percent(bound, at_most=True)
    return f"{number(rate.k)} of {number(rate.n)} (proven to be below {most})"


def _other_verdict(workspace: Workspace, material: ReportMaterial) -> str | None:
    """Whether the criteria would be met if unconfirmed look-alikes counted as parts."""
    gate, judged = material.gate, material.judged
    if gate is None or not judged.has_proposals:
        return None
    compared = material.other and counted_by(material.other, Counting.PARTS)
    other = check_release(workspace, compared, judged.counted_by(Counting.PARTS))
    if other is None or other.gate.passed is gate.gate.passed:
        return None
    would = "would be met" if other.gate.passed else "would not be met"
    return f"The verdict depends on the look-alikes: counted as parts, the criteria {would}."


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
