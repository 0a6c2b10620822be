"""One bar over all phases of a job, and when it may end."""

from dataclasses import replace

import pytest

from core.domain.configs.choices import Recipe
from core.domain.jobs import Job, JobKind, JobStatus, Phase
from core.worker.progress import ProgressMeter, Work, plan_of
from core.workflows.job_words import about, progress_in_words


def _played(meter, reports):
    """The progress after each report (phase, done, total, now)."""
    return [meter.at(*report) for report in reports]


def test_a_bar_never_goes_back_and_only_the_end_of_the_job_fills_it():
    # Each phase filled the bar from 0 to 100%, and a total that grew moved it back.
    meter = ProgressMeter(plan_of(JobKind.QUALITY, Work(1000)), began=0.0)
    reports = [
        (Phase.READING, 500, 1000, 2.0),
        (Phase.READING, 500, 2000, 3.0),
        (Phase.LOOK_ALIKES, 1, 1, 4.0),
        (Phase.LOOK_ALIKES, 1, 4, 4.5),
        (Phase.READING, 1, 2, 5.0),
        ("a phase that nobody declared", 1, 2, 6.0),
        (Phase.FINDINGS, 1, 1, 7.0),
    ]
    shares = [p.share for p in _played(meter, reports)]
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert 0.9 < shares[-1] < 1


def test_a_job_that_stops_says_no_time_left():
    # "Stopping … 28% · about 4 min left": the rest is not done any more.
    running = Job(
        "job-1", JobKind.TRAIN, "run-1", JobStatus.RUNNING, 1, {}, 0.0, share=0.28, ends_at=240.0
    )
    assert progress_in_words(running, now=0.0) == f"Starting · 28% · {about(240)} left"
    stopping = replace(running, stop_requested=True)
    assert progress_in_words(stopping, now=0.0) == "Stopping … Starting · 28%"


def test_a_resumed_job_divides_the_rest_of_its_bar():
    plan = plan_of(JobKind.TRAIN, Work(200, 10, Recipe.FULL))
    meter = ProgressMeter(plan, began=0.0, floor=0.6)
    start, middle, end = _played(
        meter,
        [
            (Phase.TRAINING, 601, 1000, 5.0),
            (Phase.TRAINING, 800, 1000, 30.0),
            (Phase.TRAINING, 1000, 1000, 60.0),
        ],
    )
    assert 0.6 < start.share < 0.63
    assert 0.7 < middle.share < 0.85
    assert 0.9 < end.share < 1


def test_the_time_left_is_told_late_calm_and_from_what_was_measured():
    # A machine half as fast as declared: every phase takes twice its weight.
    plan = plan_of(JobKind.TRAIN, Work(2000, recipe=Recipe.QUICK))
    meter, now, ends = ProgressMeter(plan, began=0.0), 0.0, []
    for phase, weight in plan.items():
        for step in range(10):
            now += weight / 5
            progress = meter.at(phase, step + 1, 10, now)
            ends.append((progress.share, now, progress.ends_at))
    assert all(at is None for share, then, at in ends if share < 0.1 or then < 5)
    told = [(then, at) for _, then, at in ends if at is not None]
    assert len(told) > 0.6 * len(ends)
    errors = [abs(at - now) / now for _, at in told]
    assert max(errors) < 0.1
    assert meter.times[Phase.FEATURES].units == 9  # the first report does not tell when it began


def test_what_a_probe_measured_is_told_before_the_first_step():
    plan = plan_of(JobKind.TRAIN, Work(200, 10, Recipe.FULL))
    meter = ProgressMeter(plan, began=0.0)
    meter.at(Phase.FITTING, 1, 1, 1.0)
    meter.probe(Phase.TRAINING, 600.0)
    begun = meter.at(Phase.TRAINING, 0, 100, 2.0)
    assert 602 < begun.ends_at < 630  # with what comes after it
    halfway = meter.at(Phase.TRAINING, 50, 100, 202.0)  # and the steps themselves know better
    assert 402 < halfway.ends_at < 430


def test_what_lay_in_a_cache_is_no_speed():
    # With cached pixels, the estimate took the machine for a hundred times faster.
    plan = plan_of(JobKind.TRAIN, Work(2000, recipe=Recipe.QUICK))
    meter = ProgressMeter(plan, began=0.0)
    meter.at(Phase.CHECKING_FILES, 2000, 2000, 3.5)
    meter.at(Phase.PREPARING, 2000, 2000, 3.6)
    meter.at(Phase.LOADING_NETWORK, 0, 0, 3.7)
    assert meter.at(Phase.PREPARING_NETWORK, 0, 0, 5.1).ends_at is None  # nothing measured yet
    meter.at(Phase.FEATURES, 0, 2000, 6.0)
    progress = meter.at(Phase.FEATURES, 1000, 2000, 10.0)
    assert progress.ends_at is not None
    later = sum(list(plan.values())[list(plan).index(Phase.FEATURES) + 1 :])
    assert progress.ends_at - 10.0 == pytest.approx(4.0 + later, rel=0.3)


def test_a_slow_first_penalty_says_nothing_of_the_others():
    # After one of nine penalties in 10 s, 80 s more were announced; the others took one second.
    plan = plan_of(JobKind.TRAIN, Work(300, recipe=Recipe.QUICK))
    meter = ProgressMeter(plan, began=0.0)
    meter.at(Phase.FEATURES, 0, 300, 5.0)
    meter.at(Phase.PENALTY, 0, 9, 8.0)
    progress = meter.at(Phase.PENALTY, 1, 9, 18.0)
    assert progress.ends_at is not None
    assert progress.ends_at - 18.0 < 20


@pytest.mark.parametrize("kind", list(JobKind))
@pytest.mark.parametrize("recipe", list(Recipe))
def test_every_kind_of_job_has_phases_that_weigh_something(kind, recipe):
    plan = plan_of(kind, Work(0, recipe=recipe))
    assert next(iter(plan)) is Phase.STARTING
    assert min(plan.values()) > 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (12, "about 10 s"),
        (44, "about 45 s"),
        (55, "about 1 min"),
        (140, "about 2 min"),
        (1234, "about 20 min"),
        (3540, "about 1 h"),
        (5400, "about 1½ h"),
        (40_000, "about 11 h"),
    ],
)
def test_an_estimate_is_rounded_to_what_it_is_worth(seconds, words):
    assert about(seconds) == words
