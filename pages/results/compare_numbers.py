"""The numbers of Compare: the verdict with its intervals, the rule for both, the tables."""

from typing import assert_never

import streamlit as st

from core.domain.parts import Counting
from core.evaluation.decisions.rule import DecisionRule
from core.evaluation.release.comparison import PairedTable
from core.workflows.results import comparison
from core.workflows.results.comparison import Evidence, ModelComparison, ModelSide, RuleChoice
from core.workflows.results.comparison_verdict import Answer, Question, answers, verdict_in_words
from pages.ui import counting, text, widgets
from pages.ui.components import chart
from pages.ui.figures import differences, outcome_matrices
from pages.ui.places import Place, to_verdicts
from pages.ui.tables import small_table

# The saved rules of the current and the new model; None: the predicted class decides.
OwnRules = tuple[DecisionRule | None, DecisionRule | None]


def rule_choice(own: OwnRules) -> RuleChoice:
    """By which rule both models are compared, as in the link or chosen in this session."""
    linked = st.query_params.get("rule")
    options = _options(own)
    if "compare_rule" not in st.session_state and linked in options:
        st.session_state.compare_rule = RuleChoice(linked)
    if st.session_state.get("compare_rule") not in options:  # of another pair of models
        st.session_state.compare_rule = RuleChoice.OWN
    return RuleChoice(st.session_state.compare_rule)


def _options(own: OwnRules) -> list[RuleChoice]:
    """The rules that there are: each model's own, those saved, and the predicted class."""
    saved = [
        choice
        for choice, rule in zip((RuleChoice.CURRENT, RuleChoice.NEW), own, strict=True)
        if rule is not None
    ]
    return [RuleChoice.OWN, *saved, *([RuleChoice.PREDICTED_CLASS] if saved else [])]


def _link_rule() -> None:
    choice = RuleChoice(st.session_state.compare_rule)
    if choice is RuleChoice.OWN:
        st.query_params.pop("rule", None)
    else:
        st.query_params["rule"] = choice.value


def verdict(result: ModelComparison) -> None:
    """Which model is better, and by how much: a sentence, and an interval for each question."""
    given = answers(result)
    first, second = (text.plain(side.model.name) for side in (result.first, result.second))
    st.subheader(verdict_in_words(given, first, second), anchor=False)
    left, right = st.columns([3, 2], gap="large")
    with left:
        _intervals(result, given)
    with right:
        units = text.count(result.part_count, text.noun(result.unit))
        st.markdown(f"**{units}** of the {result.subset} set of both models.")
        if result.only_first or result.only_second:
            st.caption(
                f"Left out: {text.count(result.only_first, 'image')} of the other model only, "
                f"{text.count(result.only_second, 'image')} of this one only."
            )
        _rules(result)


def _intervals(result: ModelComparison, given: tuple[Answer, ...]) -> None:
    rows = [
        (_title(item.question), item.table.difference, _proven(item.evidence))
        for item in given
        if item.evidence is not Evidence.OTHER_RULES
    ]
    names = (text.html(result.first.model.name), text.html(result.second.model.name))
    said = "; ".join(f"{_title(item.question)} {_difference(item.table)}" for item in given)
    chart(
        differences.differences(rows, names),
        "differences",
        description=f"Differences, this minus the other model: {said}.",
    )


def _proven(evidence: Evidence) -> int:
    """1 where the new model is proven better, -1 where the current one is, else 0."""
    return (evidence is Evidence.NEW_BETTER) - (evidence is Evidence.CURRENT_BETTER)


def _title(question: Question) -> str:
    match question:
        case Question.CLASS:
            return "Correct class"
        case Question.ESCAPES:
            return "Defects caught"
        case Question.FALSE_REJECTS:
            return "Good not rejected"
        case _:
            assert_never(question)


def _rules(result: ModelComparison) -> None:
    """The rule for both; where they differ, that there is no verdict on decisions, and why."""
    if result.decisions is None:
        st.info(
            "Escapes and false rejects need verdicts: set OK or NOK for every class.",
            icon=":material/rule:",
        )
        st.page_link(
            Place.DATASETS,
            label="Set the verdicts",
            icon=Place.DATASETS.icon,
            query_params=to_verdicts(result.first.judged.dataset.id, back=Place.COMPARE),
        )
        return
    own = result.own_rules
    if own[0] is None and own[1] is None:
        st.caption("Neither has a saved threshold: the predicted class decides for both.")
        return
    if not result.has_same_rule:
        st.warning(
            "**No verdict on escapes and false rejects**: the thresholds differ, so the "
            "difference may be theirs. Choose one for both.",
            icon=":material/balance:",
        )
    st.selectbox(
        "Decide both by",
        _options(own),
        key="compare_rule",
        on_change=_link_rule,
        format_func=_choice_in_words,
        help="Models can be compared only by the same decision rule. Release criteria always use "
        "each model's own threshold.",
    )
    with widgets.why("why_rules"):
        st.markdown(f"Other model: {_rule(result.first)}")
        st.markdown(f"This model: {_rule(result.second)}")
        st.markdown(
            "A stricter threshold lets fewer defects escape and rejects more good parts, whatever "
            "the model. Only with one rule for both does a difference come from the models."
        )


def _choice_in_words(choice: RuleChoice) -> str:
    match choice:
        case RuleChoice.OWN:
            return "each its own threshold"
        case RuleChoice.CURRENT:
            return "the other model's threshold"
        case RuleChoice.NEW:
            return "this model's threshold"
        case RuleChoice.PREDICTED_CLASS:
            return "the predicted class"
        case _:
            assert_never(choice)


def _rule(side: ModelSide) -> str:
    if side.rule is None:
        return "the predicted class decides."
    return text.plain(side.rule.in_words)


def details(result: ModelComparison) -> None:
    """The paired counts with McNemar's tests, and how they are counted."""
    with st.expander("Counts and tests", icon=":material/table_chart:", key="counts"):
        _counted(result)
        given = answers(result)
        for column, item in zip(st.columns(len(given), gap="large"), given, strict=True):
            with column:
                _paired(item, result)


def _counted(result: ModelComparison) -> None:
    """What is counted, with the switch and both figures where look-alikes are not confirmed."""
    st.caption(result.counted_in_words)
    if not result.has_proposals:
        return
    both = {way: comparison.counted_by(result, way) for way in (Counting.AUTO, Counting.PARTS)}
    counting.switch(result.second.judged)
    counting.answer_link(result.second.judged)
    small_table(
        {"counted": ["correct class: this − other", "McNemar's exact test"]}
        | {
            counting.column_title(way, item.unit, item.part_count): [
                _difference(item.classes.table),
                _p(item.classes.table.p_value),
            ]
            for way, item in both.items()
        },
        "both_ways",
        about="The comparison, counted both ways",
    )


def _paired(item: Answer, result: ModelComparison) -> None:
    table, title = item.table, _title(item.question)
    st.markdown(f"**{title}**")
    rows = (
        (table.both_right, table.only_second_right),
        (table.only_first_right, table.neither_right),
    )
    chart(
        outcome_matrices.paired(rows),
        f"paired_{item.question.value}",
        description=f"{title}: both models right {table.both_right}, only this one "
        f"{table.only_second_right}, only the other one {table.only_first_right}, neither "
        f"{table.neither_right}.",
    )
    is_same = item.evidence is not Evidence.OTHER_RULES
    names = ("The other model", "This model")
    says = comparison.evidence(table, result.unit, same_rule=is_same, names=names)
    if item.evidence is Evidence.NO_DATA:
        st.caption(text.plain(says))
        return
    st.markdown(f"This − other: **{_difference(table)}**")
    test = f" McNemar's exact test: {_p(table.p_value)}." if is_same else ""
    st.caption(f"{text.plain(says)}{text.plain(test)}")


def _difference(table: PairedTable) -> str:
    value, bounds = table.difference.value, table.difference.interval
    if value is None or bounds is None:
        return "no data"
    around = f"{text.points(bounds.low)} to {text.points(bounds.high)}"
    return f"{text.points(value)} points ({around})"


def _p(value: float) -> str:
    return text.p_value(value)
