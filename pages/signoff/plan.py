"""Test planner: how many parts a test needs to prove a claim."""

from dataclasses import dataclass

import streamlit as st

from core.domain.models import Model
from core.domain.splits import Subset
from core.errors import TouchstoneError
from core.evaluation.decisions.outcome import single_threshold
from core.evaluation.decisions.planner import (
    PlanRow,
    parts_needed,
    plan_automatic,
    plan_test,
    proven_rate,
)
from core.evaluation.measures.parts import Unit
from core.evaluation.release.criteria import ReleaseCriteria
from core.words import NO_PROOF, exact_percent, shortened_percent
from core.workflows.results import access, evaluation, thresholds
from core.workflows.results.comparison import PREDICTED_CLASS
from core.workflows.signoff import release, sealing
from core.workspace import Workspace
from pages.ui import context, errors, judged, judged_images, state, text, threshold_form, widgets
from pages.ui.places import Place
from pages.ui.tables import small_table

EXAMPLES = (20, 50, 100, 300, 1000)
CHANCE = "chance to pass"
ALL = "all, reviews"
ERRORS, PROVEN = "errors", "proves a rate below"
DEFAULT = ReleaseCriteria(max_escape=0.01, max_overkill=0.05)
VOLUME = 1000.0


@dataclass(frozen=True)
class Claim:
    """What to prove, and what is expected; shares in [0, 1], `automatic` None: not claimed.

    `expected` is the true rate of errors as a share of the claimed limit.
    """

    escape: float
    overkill: float
    automatic: float | None
    expected: float
    confidence: float


def criteria(workspace: Workspace) -> ReleaseCriteria:
    """Those that the open model or dataset must reach; empty without."""
    model, dataset = context.model(workspace), context.dataset(workspace)
    dataset_id = model.dataset_id if model else dataset.id if dataset else None
    kept = release.criteria_of(workspace, dataset_id) if dataset_id else None
    return kept.criteria if kept else ReleaseCriteria()


def prefill(required: ReleaseCriteria) -> None:
    """Start with what the criteria ask; what a link says or somebody typed stays."""
    usual = {
        "plan_escape": _percent(required.max_escape or DEFAULT.max_escape),
        "plan_overkill": _percent(required.max_overkill or DEFAULT.max_overkill),
        "plan_automatic": _percent(required.min_automatic),
        "plan_reviews": required.max_reviews,
        "plan_volume": required.parts_per_shift or VOLUME,
    }
    is_other = st.session_state.get("plan_usual") != usual
    for key, value in usual.items():
        if is_other if key in st.session_state else key not in st.query_params:
            st.session_state[key] = value
    st.session_state.plan_usual = usual


def _percent(share: float | None) -> float | None:
    return None if share is None else round(min(99.0, max(0.001, 100 * share)), 9)


def claim(confidence: float) -> Claim:
    """What to prove: escape rate, false reject rate, automatic share, all with one confidence.

    `confidence` is the one to begin with.
    """
    fields = st.container(key="plan_claim")
    first, second, third, fourth = fields.columns([2, 2, 2, 1], vertical_alignment="bottom")
    escape = first.number_input(
        "Escape rate below, %",
        0.001,
        99.0,
        step=0.1,
        format="%.12g",
        key="plan_escape",
        bind="query-params",
        help="The claim: less than this share of the defective parts is accepted.",
    )
    overkill = second.number_input(
        "False reject rate below, %",
        0.001,
        99.0,
        step=0.1,
        format="%.12g",
        key="plan_overkill",
        bind="query-params",
        help="The claim: less than this share of the good parts is rejected (overkill).",
    )
    with third:
        expected = st.number_input(
            "Expected true rate, % of the limit",
            0,
            99,
            20,
            5,
            key="plan_expected",
            bind="query-params",
            help="The rate that you expect of the model: 20 means a fifth of the claimed limit. "
            "Used only to estimate the chance that a test passes.",
        )
    with fourth:
        confidence = threshold_form.confidence_box(usual=confidence)
    return Claim(
        round(escape / 100, 12), round(overkill / 100, 12), _automatic(), expected / 100, confidence
    )


def _automatic() -> float | None:
    """The automatic share to prove, given itself or as reviews per shift; the stricter one."""
    is_claimed = any(
        st.session_state.get(k) is not None for k in ("plan_automatic", "plan_reviews")
    )
    with st.expander("Also prove an automatic share", expanded=is_claimed, key="automatic"):
        return _automatic_inputs()


def _automatic_inputs() -> float | None:
    first, second, third = st.columns(3, vertical_alignment="bottom")
    share = first.number_input(
        "Automatic share above, %",
        0.1,
        99.999,
        None,
        1.0,
        format="%.12g",
        key="plan_automatic",
        bind="query-params",
        placeholder="not claimed",
        help="The claim: more than this share of the parts is decided without a person.",
    )
    reviews = second.number_input(
        "Reviews per shift below",
        0.001,
        1e9,
        None,
        1.0,
        format="%.12g",
        key="plan_reviews",
        bind="query-params",
        placeholder="not claimed",
        help="The claim: fewer parts than this go to inspector review in a shift. Needs the parts "
        "per shift.",
    )
    volume = third.number_input(
        "Parts per shift",
        1.0,
        1e9,
        step=100.0,
        format="%.12g",
        key="plan_volume",
        bind="query-params",
        help="Parts inspected in one shift, for the claim on reviews.",
    )
    shares = [] if share is None else [round(share / 100, 12)]
    if reviews is not None and reviews >= volume:
        st.warning("Reviews per shift must be fewer than the parts per shift.")
    elif reviews is not None:
        shares.append(1 - reviews / volume)
    return max(shares, default=None)


def needed(claimed: Claim) -> None:
    """How many parts prove the claims, and tables with errors allowed."""
    confidence = claimed.confidence
    plan = plan_test(
        claimed.escape,
        claimed.overkill,
        confidence=confidence,
        expected_escape=claimed.expected * claimed.escape,
        expected_overkill=claimed.expected * claimed.overkill,
    )
    defective, good = plan.defective[0].parts, plan.good[0].parts
    st.subheader(f"You need {defective:,} defective and {good:,} good parts", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "If there is no error. Choose the numbers before the test, then test every part.",
            width="content",
        )
        _why(claimed, defective, good)
    left, right = st.columns(2, gap="large")
    with left:
        _table("Defective parts", "escapes allowed", plan.defective)
    with right:
        _table("Good parts", "false rejects allowed", plan.good)
    if claimed.automatic is not None:
        _automatic_table(claimed, claimed.automatic)


def _why(claimed: Claim, defective: int, good: int) -> None:
    confidence = exact_percent(claimed.confidence)
    with widgets.why("why"):
        st.markdown(
            f"With {confidence} confidence, {defective:,} defective parts without an escape prove "
            f"an escape rate below {exact_percent(claimed.escape)}; {good:,} good parts without a "
            f"false reject prove a false reject rate below {exact_percent(claimed.overkill)}."
        )
        st.markdown(
            "Adding parts until the result fits proves nothing. Allowing an error needs more "
            "parts, but makes a failure by bad luck less likely."
        )
        _sizes(claimed.confidence)


def _automatic_table(claimed: Claim, share: float) -> None:
    """Parts that prove the automatic share; the last row is the test to plan for."""
    limit = 1 - share
    try:
        rows = plan_automatic(
            share,
            confidence=claimed.confidence,
            expected_share=1 - claimed.expected * limit,
        )
    except TouchstoneError as err:
        errors.show(err)
        return
    best = rows[-1]
    st.markdown(
        f"**{best.parts:,} parts with at most {text.count(best.errors, 'review')}** prove that "
        f"more than {shortened_percent(share, at_least=True)} of the parts, in this mix, are "
        "decided without a person."
    )
    _table("Parts for the automatic share", "reviews allowed", rows)


def _table(title: str, allowed: str, rows: tuple[PlanRow, ...]) -> None:
    st.markdown(f"**{title}**")
    small_table(
        {
            allowed: [f"{row.errors:,}" for row in rows],
            "parts needed": [f"{row.parts:,}" for row in rows],
        },
        f"rows_{allowed}",
        about=title,
        numbers=(allowed, "parts needed"),
        shares={CHANCE: [row.chance_to_pass or 0.0 for row in rows]},
        tips={CHANCE: "If the true rate is as expected."},
    )


@dataclass(frozen=True)
class ProvenRow:
    """What the images of one subset and kind prove; `errors` None: nobody may see them yet."""

    subset: Subset
    kind: str
    n: int
    unit: Unit
    errors: int | None
    proven: float | None


def existing(workspace: Workspace, claimed: Claim) -> None:
    """What the validation and test images of a model prove, or could prove at best."""
    st.subheader("What the existing images prove", anchor=False)
    model = context.model(workspace)
    if model is None:
        st.caption("There is no model yet.")
        return
    rows: list[ProvenRow] = []
    problems: set[str] = set()
    for subset in (Subset.VALIDATION, Subset.TEST):
        try:
            rows += _rows_of(workspace, model, subset, claimed)
        except TouchstoneError as err:
            problems.add(f"{text.plain(err.message)} {text.plain(err.hint)}")
    for problem in problems:
        st.info(problem)
    if rows:
        small_table(
            {
                "subset": [row.subset.value for row in rows],
                "kind": [row.kind for row in rows],
                "counted": [f"{row.n:,} {row.unit.word}" for row in rows],
                ERRORS: ["not viewed" if row.errors is None else f"{row.errors:,}" for row in rows],
                PROVEN: [_rate(row.proven) for row in rows],
            },
            "best_case",
            about="What the existing images prove",
            tips={PROVEN: "With the errors of this model; not viewed: at best, without any error."},
        )
        # Why the last: the test proves; validation images count only where there is no test yet.
        for row in [row for row in rows if row.kind == "defective"][-1:]:
            st.markdown(_in_words(row, claimed))
        if all(row.subset is Subset.VALIDATION for row in rows):
            st.caption(NO_PROOF)


def _rate(proven: float | None) -> str:
    return text.NOTHING if proven is None else shortened_percent(proven, at_most=True)


def _rows_of(workspace: Workspace, model: Model, subset: Subset, claimed: Claim) -> list[ProvenRow]:
    """Of test images that nobody has viewed counts only: this is no view of the results."""
    if subset not in evaluation.evaluated_subsets(workspace, model.id):
        return []
    is_test = subset is Subset.TEST
    errors: dict[str, int] = {}
    if is_test and access.is_sealed(workspace, model):
        defective, good, unit = _sealed_counts(workspace, model)
    else:
        rule = thresholds.saved_rule(workspace, model.id)
        basis = judged_images.basis(workspace, model, subset)
        is_hidden = is_test and not access.is_viewed(workspace, model)
        point = rule.point if rule else PREDICTED_CLASS
        outcome = basis.outcome(single_threshold(0.5) if is_hidden else point)
        defective, good, unit = sum(outcome.nok), sum(outcome.ok), basis.unit
        if not is_hidden:
            reviews = outcome.automatic.n - outcome.automatic.k
            kinds = ("defective", "good", ALL)
            counts = (outcome.escape.k, outcome.overkill.k, reviews)
            errors = dict(zip(kinds, counts, strict=True))
    if not defective + good:
        return []
    sizes = [("defective", defective), ("good", good)]
    if claimed.automatic is not None:
        sizes.append((ALL, defective + good))
    return [
        ProvenRow(
            subset,
            kind,
            n,
            unit,
            errors.get(kind),
            proven_rate(errors.get(kind, 0), n, confidence=claimed.confidence),
        )
        for kind, n in sizes
    ]


def _sealed_counts(workspace: Workspace, model: Model) -> tuple[int, int, Unit]:
    """Defective and good ones of a sealed test, from labels alone."""
    standing = sealing.sign_off(workspace, model.id, memory=judged.memory(workspace))
    return standing.defective or 0, standing.good or 0, standing.unit


def _in_words(row: ProvenRow, claimed: Claim) -> str:
    """What the defective ones of a subset prove, and how many would prove the claim."""
    escapes, unit, limit = row.errors or 0, row.unit.word, exact_percent(claimed.escape)
    if row.proven is None:
        return f"**{row.subset.value}**: no defective {unit}."
    found = f"with {text.count(escapes, 'escape')}" if escapes else "without an escape"
    said = (
        f"**{row.subset.value}**: {row.n:,} defective {unit} {found} {_verb(row.subset)} a rate "
        f"below {shortened_percent(row.proven, at_most=True)}."
    )
    more = parts_needed(claimed.escape, confidence=claimed.confidence, errors=escapes)
    if row.n >= more:
        return said
    if not escapes:
        return f"{said} To prove {limit}, add **{more - row.n:,} {unit}**."
    if escapes >= claimed.escape * row.n:
        return f"{said} More will hardly prove {limit}: train another model."
    return f"{said} With no further escape, **{more:,} {unit}** in total would prove {limit}."


def _verb(subset: Subset) -> str:
    return "prove" if subset is Subset.TEST else "only forecast"


def _sizes(confidence: float) -> None:
    proven = {n: proven_rate(0, n, confidence=confidence) or 1.0 for n in EXAMPLES}
    rates = [f"{shortened_percent(p, at_most=True)} with {n:,} parts" for n, p in proven.items()]
    st.caption(
        f"A test without any error proves, with {exact_percent(confidence)} confidence, a rate "
        f"below: {text.plain(' · '.join(rates))}"
    )


widgets.page_heading(Place.TEST_PLANNER, "Find out how many parts a test needs to prove a claim.")
required = criteria(state.workspace())
prefill(required)
claimed = claim(required.confidence)
needed(claimed)
existing(state.workspace(), claimed)
