"""How far a job has come: one share of all its phases, never backwards, and when it may end.

Each phase weighs what it takes on an ordinary CPU, in seconds. Only their relation matters: a
machine that is twice as fast is so in all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from core.domain.configs.acting import recipe_is_trained
from core.domain.configs.choices import Detail, HeadKind, Recipe
from core.domain.configs.train import TrainConfig
from core.domain.jobs import JobKind, Phase, Progress

USUAL_IMAGES = 500  # where it is not known yet how many there are
WORTH_SHARE, WORTH_S = 0.1, 5.0  # no estimate before this share was measured, and this time
_UNFINISHED = 0.99  # nothing but its end makes a job complete
_CALM_S = 6.0  # the estimate follows what is measured in about this time, sooner near the end
_UNEVEN = (Phase.PENALTY,)  # the first penalty takes longest, the others start from it
_SLOWEST = 6.0  # against the declared weights; a pause of the machine is no speed


@dataclass(frozen=True)
class Work:
    """How much a job has to do; what is not known is as usual.

    `epochs` counts in recipes that have some, `versions` of each image in the staged one;
    `draws`: the images are drawn first, for the demo. `views` is how often the network sees an
    image, `more_views` how often again for a comparison, `views_at_end` for one with quick after
    training. `tries_hidden_layer`: a last layer with one is fitted for several penalties.
    """

    images: int = USUAL_IMAGES
    epochs: int = 12
    recipe: Recipe = Recipe.QUICK
    versions: int = 6
    draws: bool = False
    views: int = 1
    more_views: int = 0
    views_at_end: int = 0
    tries_hidden_layer: bool = False


Plan = Mapping[Phase, float]


def training_work(images: int, train: TrainConfig) -> Work:
    """What a training of so many images has to do."""
    first, *dearer = train.detail.levels
    is_trained = recipe_is_trained(train.recipe)
    at_end = [level for level in dearer if is_trained and not level.trains]
    return Work(
        images,
        train.epochs,
        train.recipe,
        train.stored_versions,
        views=first.views,
        more_views=sum(comparing_passes(level) for level in dearer if level not in at_end),
        views_at_end=sum(map(comparing_passes, at_end)),
        tries_hidden_layer=HeadKind.MLP in train.head.kinds,
    )


def comparing_passes(detail: Detail) -> int:
    """What a level costs a comparison, in passes of the network over all images."""
    # Reading larger pixels takes about as long as two passes.
    return detail.views + (2 if detail.scale > 1 else 0)


def plan_of(kind: JobKind, work: Work | None = None) -> Plan:
    """The phases of a job in their order, with the seconds that each weighs; all above 0."""
    work = work or Work()
    return {
        phase: seconds + work.images * per_image / 1000
        for phase, (seconds, per_image) in _weights(kind, work).items()
    }


def _weights(kind: JobKind, work: Work) -> dict[Phase, tuple[float, float]]:
    """Phase -> seconds in any case, and per 1,000 images."""
    match kind:
        case JobKind.IMPORT:
            return {
                Phase.STARTING: (0.5, 0),
                **({Phase.DRAWING_IMAGES: (0.1, 45.0)} if work.draws else {}),
                Phase.LISTING: (0.2, 0.1),
                Phase.UNPACKING: (0.1, 0.5),
                Phase.READING: (0.3, 2.5),
                Phase.STORING: (0.1, 0.2),
            }
        case JobKind.TRAIN:
            return {
                Phase.STARTING: (3.0, 0),
                Phase.CHECKING_FILES: (0.1, 0.1),
                Phase.PREPARING: (0.3, 1.6),
                Phase.LOADING_NETWORK: (0.6, 0),
                **_training_weights(work),
                Phase.SAVING: (0.2, 0),
            }
        case JobKind.SEARCH:
            return {Phase.STARTING: (3.0, 0), Phase.TRIALS: (60.0, 0)}
        case JobKind.RATE:
            return {
                Phase.STARTING: (3.0, 0),
                Phase.PREPARING: (0.3, 1.6),
                Phase.LOADING_NETWORK: (0.6, 0),
                Phase.RATES: (20.0, 0),
            }
        case JobKind.PREDICT:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.LOADING_MODEL: (3.0, 0),
                Phase.CLASSIFYING: (0.5, 6.0),
            }
        case JobKind.QUALITY:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.CHECKING_FILES: (0.1, 0.1),
                Phase.READING: (0.3, 2.0),
                Phase.LOOK_ALIKES: (0.2, 0.5),
                Phase.PIXELS: (0.2, 0.5),
                Phase.DETAILS: (0.2, 0.5),
                Phase.LOADING_NETWORK: (3.5, 0),
                Phase.PREPARING: (0.3, 1.6),
                Phase.PREPARING_NETWORK: (0.5, 0),
                Phase.FEATURES: (0.3, 3.5),
                Phase.LABELS: (0.3, 1.5),
                Phase.MAP: (0.3, 0.3),
                Phase.FINDINGS: (0.2, 0.3),
            }
        case JobKind.NEW_IMAGES:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.LOADING_MODEL: (1.0, 0),
                Phase.CLASSIFYING: (0.5, 6.0),
                Phase.FINDINGS: (0.1, 0.1),
            }
        case JobKind.REPORT:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.LOADING_MODEL: (3.5, 0),
                Phase.DRAWING: (3.0, 0),
                Phase.WRITING: (0.5, 0),
            }
        case JobKind.EXPLAIN:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.LOADING_MODEL: (3.5, 0),
                Phase.HEATMAPS: (0.3, 80),
            }
        case JobKind.GRADE:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.LOADING_MODEL: (1.0, 0),
                Phase.READING: (0.3, 20.0),
                Phase.HEATMAPS: (0.3, 60.0),
                Phase.PLANTING: (12.0, 0),
                Phase.GRADING: (60.0, 0),
            }
        case JobKind.ROBUSTNESS:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.LOADING_MODEL: (1.0, 0),
                Phase.CHANGING_IMAGES: (0.5, 6.0 * work.views),
            }
        case JobKind.FILES:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.CHECKING_FILES: (0.2, 1.0),
                Phase.COMPARING_FILES: (0.2, 1.0),
                Phase.READING_CHANGED: (0.2, 1.0),
            }
        case JobKind.BACKUP:
            return {
                Phase.STARTING: (0.5, 0),
                Phase.COPYING_DATABASE: (1.0, 0),
                Phase.COPYING_FILES: (1.0, 4.0),
            }
        case _:
            assert_never(kind)


def _training_weights(work: Work) -> dict[Phase, tuple[float, float]]:
    match work.recipe:
        case Recipe.QUICK:
            return {
                Phase.PREPARING_NETWORK: (0.6, 0),
                Phase.FEATURES: (0.3, 3.5 * work.views),
                Phase.PENALTY: (0.3, 2.5),
                **_comparing(work),
                Phase.FITTING: (0.1, 10.0 if work.tries_hidden_layer else 0.8),
                Phase.CROSS_VALIDATING: (0.2, 1.2),
            }
        case Recipe.STAGED:
            return {
                Phase.PREPARING_NETWORK: (0.6, 0),
                Phase.FEATURES: (0.3, 3.5),
                Phase.PENALTY: (0.3, 2.5),
                **_comparing(work),
                Phase.FITTING: (0.1, 0.8),
                Phase.ACTIVATIONS: (1.0, 4.0 * work.versions),
                Phase.EVALUATING_START: (0.1, 0.5),
                Phase.TRAINING: (0.5, 9.0 * work.epochs),
                Phase.PREPARING_MODEL: (2.0, 0),
                Phase.EVALUATING: (0.2, 4.0),
                Phase.COMPARING_QUICK: (2.0, 4.0 * work.views_at_end),
            }
        case Recipe.FULL:
            return {
                Phase.PREPARING_NETWORK: (0.6, 0),
                Phase.FEATURES: (0.3, 3.5),
                Phase.PENALTY: (0.3, 2.5),
                **_comparing(work),
                Phase.FITTING: (0.1, 0.8),
                Phase.EVALUATING_START: (0.2, 2.0),
                Phase.TRAINING: (0.5, 45.0 * work.epochs),
                Phase.PREPARING_MODEL: (2.0, 0),
                Phase.EVALUATING: (0.2, 4.0),
                Phase.COMPARING_QUICK: (2.0, 4.0 * work.views_at_end),
            }
        case Recipe.GOOD_ONLY:
            return {
                Phase.PREPARING_NETWORK: (0.6, 0),
                Phase.FEATURES: (0.3, 6.0),
                Phase.CROSS_VALIDATING: (3.0, 8.0),
                Phase.FITTING: (1.0, 0),
                Phase.EVALUATING: (0.2, 10.0),
            }
        case _:
            assert_never(work.recipe)


def _comparing(work: Work) -> dict[Phase, tuple[float, float]]:
    return {Phase.COMPARING: (1.0, 4.0 * work.more_views)} if work.more_views else {}


def share_of(plan: Plan, phase: str, within: float) -> float | None:
    """The share of a plan that is done within a phase, in [0, 1]; None for a phase it lacks."""
    if phase not in plan:
        return None
    phases: Sequence[str] = list(plan)
    before = sum(plan[Phase(p)] for p in phases[: phases.index(phase)])
    return (before + within * plan[Phase(phase)]) / sum(plan.values())


@dataclass(frozen=True)
class PhaseTime:
    """What one phase took: so many of its units, in so many seconds."""

    units: int
    seconds: float


@dataclass
class ProgressMeter:
    """Turns what a job reports into its progress.

    What a phase found done already, in a cache or a checkpoint, counts neither as work nor as
    speed. The bar of a resumed job goes on from `floor` and divides the rest.
    """

    plan: Plan
    began: float
    floor: float = 0.0
    _phase: str = Phase.STARTING
    _first: int | None = None  # `done` of the first report of this phase
    _phase_began: float = 0.0
    _done: int = 0
    _share: float = 0.0
    _measured: float = 0.0  # seconds of the phases that are over
    _weighed: float = 0.0  # and their weights
    _ends_at: float | None = None
    _last: float = 0.0
    times: dict[str, PhaseTime] = field(default_factory=dict)
    _probed: dict[str, float] = field(default_factory=dict)  # seconds of phases

    def __post_init__(self) -> None:
        self._phase_began = self._last = self.began

    def at(self, phase: str, done: int, total: int, now: float) -> Progress:
        """The progress after a report: `done` of `total`, which are 0 where nobody can say."""
        if phase != self._phase:
            self.close(now)
            self._phase, self._phase_began, self._first = phase, now, None
        self._first = done if self._first is None else min(self._first, done)
        self._done = done
        within = self._within(done, total)
        share = share_of(self.plan, phase, within)
        self._share = max(self._share, min(share or 0.0, _UNFINISHED))
        self._estimate(within, now)
        return Progress(self.floor + (1 - self.floor) * self._share, self._ends_at)

    def probe(self, phase: Phase, seconds: float) -> None:
        """How long a phase will take, by a few steps of it that were timed before it begins."""
        self._probed[phase] = seconds
        self._ends_at = None  # what was said before knew less

    def close(self, now: float) -> None:
        """End the phase of the last report."""
        seconds, units = now - self._phase_began, self._done - (self._first or 0)
        before = self.times.get(self._phase, PhaseTime(0, 0.0))
        self.times[self._phase] = PhaseTime(before.units + units, before.seconds + seconds)
        weight = self._weight
        was_there = units == 0 and self._done > 0 and seconds < weight / 5
        if not was_there:
            self._weighed += weight
            self._measured += seconds if weight else 0.0
        self._done = 0

    @property
    def _weight(self) -> float:
        """Of the present phase, as far as it tells how fast the machine is."""
        # Why not the start: loading libraries on a busy machine takes long and tells nothing.
        if self._phase == Phase.STARTING or self._phase not in self.plan:
            return 0.0
        return self.plan[Phase(self._phase)]

    def _within(self, done: int, total: int) -> float:
        if total <= 0:
            return 0.0
        first = self._first or 0
        return 1.0 if total <= first else min(1.0, max(0.0, (done - first) / (total - first)))

    def _estimate(self, within: float, now: float) -> None:
        evidence = self._weighed + within * self._weight
        is_early = evidence < WORTH_SHARE * sum(self.plan.values()) or now - self.began < WORTH_S
        if is_early and self._phase not in self._probed:
            return
        left = self._seconds_left(within, now)
        if self._ends_at is None:
            self._ends_at = now + left
        else:
            calm = min(_CALM_S, max(1.0, left / 3))
            pace = min(1.0, (now - self._last) / calm)
            self._ends_at += pace * (now + left - self._ends_at)
        self._last = now

    def _seconds_left(self, within: float, now: float) -> float:
        """The rest of this phase at its own speed, the later ones at that of all so far."""
        if self._phase not in self.plan:
            return 0.0
        own, spent = self._weight, now - self._phase_began
        weighed, measured = self._weighed + within * own, self._measured + (spent if own else 0.0)
        slowness = min(_SLOWEST, measured / weighed) if weighed > 0 else 1.0
        phases = list(self.plan)
        later = sum(self.plan[p] for p in phases[phases.index(Phase(self._phase)) + 1 :])
        is_measured = within > 0.05 and spent > 1 and self._phase not in _UNEVEN
        whole = self._probed.get(self._phase, own * slowness)
        rest = spent * (1 - within) / within if is_measured else (1 - within) * whole
        return rest + later * slowness
