"""The first thing to read: the verdict in a sentence, its intervals drawn, and what it rests on."""

from collections.abc import Sequence

import streamlit as st

from core.domain.splits import Subset
from core.evaluation.decisions.outcome import Decision, Outcome, has_both
from core.evaluation.decisions.views import Headline
from core.evaluation.measures.class_rates import ClassRates, class_rates
from core.evaluation.measures.intervals import Rate
from core.evaluation.measures.parts import Unit
from core.words import NO_PROOF
from core.workflows.results import evaluation
from core.workflows.results.judging import JudgedSet
from core.workflows.training import record
from core.workspace import Workspace
from pages.ui import judged, text, widgets
from pages.ui.figures.theme import PALETTE, Colour

SUBSET_WORDS = {
    Subset.TEST: "Test images were never used in training: only they prove how good the model is.",
    Subset.VALIDATION: NO_PROOF,
    Subset.TRAIN: "The model was trained on these images: its results look better than they are.",
}
BOUNDS_WORDS = (
    "“At most” is one bound, exact at 95% confidence (Clopper-Pearson); “a to b” are two. More "
    "images narrow them."
)
OK_NOK_WORDS = (
    "Escape: a defective part that is accepted. False reject (overkill): a good part that is "
    "rejected."
)
NO_VERDICTS = (
    "Escapes and false rejects need OK and NOK classes: mark them on Images, Classes, or with "
    "`touchstone classes DATASET --ok NAME`."
)
_COLOURS = "".join(
    f".ts-meter[data-kind={kind}] {{ color: light-dark({light}, {dark}); }}\n"
    for kind, (light, dark) in {
        "right": PALETTE[Colour.RIGHT],
        "escapes": PALETTE[Colour.WRONG],
        "rejects": PALETTE[Colour.FALSE_REJECT],
    }.items()
)
# Why light-dark: this lies in the page, where no variable of the theme reaches it.
_CSS = (
    f"""<style>{_COLOURS}</style><style>"""
    + """
[data-testid=stLayoutWrapper]:has(> .st-key-notes:empty) { display: none; }
.ts-meters { display: grid; margin-top: 8px; gap: 10px 28px; font-size: 14px;
  grid-template-columns: repeat(auto-fit, minmax(min(210px, 100%), 1fr)); }
.ts-meter .words { display: flex; gap: 8px; align-items: baseline; justify-content: space-between;
  color: light-dark(#1b2422, #e4eae7); white-space: nowrap; }
.ts-meter .words span { color: light-dark(#55615d, #a3b0ac); }
.ts-meter .scale { position: relative; height: 14px; }
.ts-meter .scale::before { content: ''; position: absolute; inset: 6px 0 auto; height: 2px;
  background: light-dark(#d8ddda, #35423f); }
.ts-meter .reach { position: absolute; top: 4px; height: 6px; min-width: 2px; border-radius: 3px;
  background: currentColor; opacity: .45; }
.ts-meter .point { position: absolute; top: 1px; width: 4px; height: 12px; margin-left: -2px;
  border-radius: 2px; background: currentColor; }
</style>"""
)


def head(workspace: Workspace, judgement: JudgedSet) -> Headline:
    """The headline numbers of a judged set."""
    point = judged.saved_point(workspace, judgement.model) if has_both(judgement.verdicts) else None
    return evaluation.headline_of(judgement, point)


def verdicts(workspace: Workspace, judgements: Sequence[JudgedSet], subset: Subset) -> None:
    """A sentence for every model, the intervals below it, and what they rest on."""
    every = [head(workspace, item) for item in judgements]
    for item, numbers in zip(judgements, every, strict=True):
        words = sentence(numbers, subset, weakest(item), is_leaking=is_leaking(item))
        with st.container(key=f"verdict_{item.model.id}", gap="small"):
            if len(judgements) > 1:
                st.subheader(f"{text.plain(item.model.name)}: {text.plain(words)}", anchor=False)
            else:
                st.header(text.plain(words), anchor=False)
            drawn = meters(numbers, with_bounds=subset is not Subset.TRAIN)
            st.html(_CSS + "".join(drawn))
            for caution in evaluation.cautions(workspace, item):
                st.caption(f":orange[:material/report:] {text.plain(caution)}")
    _basis(workspace, judgements[0], every[0], subset)


def is_leaking(judgement: JudgedSet) -> bool:
    """Whether images of these parts were also trained on, so that nothing is proven."""
    return judgement.certificate is not None and judgement.certificate.is_leaking


def weakest(judgement: JudgedSet) -> ClassRates | None:
    """The class that is recognized worst; None where no class has a mistake, or there is one."""
    rates = class_rates(
        judgement.predicted, judgement.targets, judgement.class_names, judgement.parts
    )
    known = [item for item in rates if item.recall.value is not None]
    if len(known) < 2:
        return None
    worst = min(known, key=lambda item: (item.recall.value or 0.0, -item.recall.n))
    return worst if worst.recall.k < worst.recall.n else None


def sentence(
    numbers: Headline, subset: Subset, weak: ClassRates | None, *, is_leaking: bool = False
) -> str:
    """What these numbers say, and how much of it is proven.

    Args:
        numbers: of a judged set.
        subset: which images; only test images prove something.
        weak: the weakest class, named where there are no OK and NOK classes.
        is_leaking: images of the same parts were trained on: nothing is proven.
    """
    proves = subset is Subset.TEST and not is_leaking
    first = _right(numbers, subset, proves=proves)
    if subset is Subset.TRAIN:
        return f"{first}; it was trained on them, so this proves nothing"
    if numbers.ok_nok is not None:
        return f"{first}; {_escapes(numbers.ok_nok, proves=proves)}"
    if weak is None:
        return first
    return f"{first}; weakest class {weak.name}: {weak.recall.k:,} of {weak.recall.n:,}"


def _right(numbers: Headline, subset: Subset, *, proves: bool) -> str:
    rate = numbers.accuracy
    noun = text.noun(numbers.unit)
    noun = noun if subset is Subset.TEST else f"{subset.value} {noun}"
    if rate.n == 1:
        words = f"The only {noun} is {'right' if rate.k else 'wrong'}"
    elif rate.k == 0:
        words = f"None of {text.count(rate.n, noun)} right"
    elif rate.k == rate.n:
        words = f"All {text.count(rate.n, noun)} right"
    else:
        words = f"{rate.k:,} of {text.count(rate.n, noun)} right"
    if rate.interval is None or subset is Subset.TRAIN:
        return words
    low, high = rate.interval.low, rate.interval.high
    if not proves:
        return f"{words} ({text.interval(rate)})"
    if rate.k == 0:
        return f"{words}, at most {text.percent_bound(high, high - low, up=True)}"
    return f"{words}, at least {text.percent_bound(low, high - low, up=False)} proven"


def _escapes(outcome: Outcome, *, proves: bool) -> str:
    rate = outcome.escape
    bound = rate.upper()
    if bound is None:
        return "no defect among them, so escapes are unknown"
    at_most = f"({'at most' if proves else 'up to'} {text.percent_at_most(bound)})"
    if rate.n == 1:
        words = f"the only defect {'escapes' if rate.k else 'does not escape'}"
    elif rate.k == 0:
        words = f"none of {rate.n:,} defects escapes"
    elif rate.k == rate.n:
        return f"all {rate.n:,} defects escape"
    else:
        words = f"{rate.k:,} of {rate.n:,} defects {'escapes' if rate.k == 1 else 'escape'}"
    reviewed = outcome.nok[Decision.PERSON]
    more = f", {reviewed:,} to review" if reviewed else ""
    return f"{words} {at_most}{more}"


def meters(numbers: Headline, *, with_bounds: bool = True) -> list[str]:
    """Every rate as HTML: its words, and point and bounds on a line from 0 to 100%.

    `with_bounds`: False for images that were trained on, of which nothing is estimated.
    """
    rates = [("Right", numbers.accuracy, "right")]
    if numbers.ok_nok is not None:
        rates.append(("Escapes", numbers.ok_nok.escape, "escapes"))
        rates.append(("False rejects", numbers.ok_nok.overkill, "rejects"))
    drawn = [_meter(*rate, with_bounds=with_bounds) for rate in rates]
    return ["<div class='ts-meters'>", *drawn, "</div>"]


def _meter(label: str, rate: Rate, kind: str, *, with_bounds: bool) -> str:
    """One rate; of what is wrong only the upper bound is claimed, so only that side is drawn."""
    bounds, value = rate.interval, rate.value
    if bounds is None or value is None:
        return (
            f"<div class='ts-meter' role='img' aria-label='{label}: no data'><div class='words'>"
            f"<b>{label} –</b><span>no data</span></div><div class='scale'></div></div>"
        )
    if not with_bounds:
        low = high = value
        said = f"{rate.k:,} of {rate.n:,}"
        told = said
    elif kind == "right":
        low, high, said = bounds.low, bounds.high, text.interval(rate)
    else:
        low, high = value, max(value, rate.upper() or value)
        said = f"at most {text.percent_at_most(high)}"
    if with_bounds:
        told = f"{rate.k:,} of {rate.n:,}, {said} with 95% confidence"
    # Why all decimals of the wrong ones: a limit of the criteria is compared with them.
    shown = f"{label} {text.rate(rate) if kind == 'right' else text.percent(value)}"
    return (
        f"<div class='ts-meter' data-kind='{kind}' role='img' aria-label='{shown}: "
        f"{told}'><div class='words'><b>{shown}</b>"
        f"<span>{said}</span></div><div class='scale'><div class='reach' style='left:"
        f"{100 * low:.2f}%;width:{100 * (high - low):.2f}%'></div><div class='point' style='left:"
        f"{100 * value:.2f}%'></div></div></div>"
    )


def _basis(workspace: Workspace, judgement: JudgedSet, numbers: Headline, subset: Subset) -> None:
    """What the numbers rest on in a line, and the reasons for whoever asks."""
    has_rule = judged.saved_point(workspace, judgement.model) is not None
    is_cross = judgement.model.validation_cross_validated and subset is Subset.VALIDATION
    tokens = [
        "Cross-validated" if is_cross else "",
        f"{judgement.unit.word} counted",
        _copies_in_words(judgement),
        ("saved threshold" if has_rule else "no threshold saved")
        if has_both(judgement.verdicts)
        else "",
        _area_in_words(judgement) if judgement.model.is_detector else "",
    ]
    line = " · ".join(filter(None, tokens))
    with st.container(horizontal=True, vertical_alignment="center", key="basis", gap="small"):
        st.caption(line[:1].upper() + line[1:], width="content")
        reasons = _reasons(workspace, judgement, numbers, subset, has_rule=has_rule)
        with widgets.why("why"):
            st.markdown("\n".join(f"- {words}" for words in reasons))


def _copies_in_words(judgement: JudgedSet) -> str:
    """That equal files count once, where the matrix therefore shows more images."""
    known = judgement.known
    copies = known.images - known.different if known and judgement.unit is Unit.IMAGES else 0
    once = f"{text.count(copies, 'copy')} of a file counted once"
    return f"{once}, but each in the matrix" if copies else ""


def _area_in_words(judgement: JudgedSet) -> str:
    """How well a detector ranks defects above good images, with bounds."""
    area = evaluation.area_of(judgement)
    if area.value is None or area.interval is None:
        return "AUROC once there are defects"
    low, high = text.decimal(area.interval.low), text.decimal(area.interval.high)
    return f"AUROC {text.decimal(area.value)} ({low} to {high})"


def _reasons(
    workspace: Workspace, judgement: JudgedSet, numbers: Headline, subset: Subset, *, has_rule: bool
) -> list[str]:
    reasons = [SUBSET_WORDS[subset]]
    if subset is not Subset.TRAIN:
        reasons.append(BOUNDS_WORDS)
    if subset is Subset.VALIDATION:
        reasons.extend(record.validation_in_words(workspace, judgement.model))
    if judgement.counted_in_words:
        reasons.append(judgement.counted_in_words)
    if judgement.unit is Unit.PARTS:
        # Why: the matrix counts images, and would otherwise seem to contradict the verdict.
        reasons.append(
            "A part is right if all its images are. By image: "
            f"{text.percent(float(judgement.right.mean()))} correct; the matrix counts images."
        )
    outcome = numbers.ok_nok
    if outcome is None:
        return [*reasons, NO_VERDICTS]
    rule = (
        "They follow the saved reject threshold."
        if has_rule
        else "They are counted by predicted class: no threshold is saved."
    )
    both = outcome.both_in_words
    return [*reasons, f"{OK_NOK_WORDS} {rule}", *outcome.remarks, *([both] if both else [])]
