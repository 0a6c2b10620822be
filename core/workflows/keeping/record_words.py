"""What a row of the record says, in words. Nobody reads them back.

The row itself stays as it was written, in the CSV and with `--json`. A value of another version
that these words do not know is listed as keys and values.
"""

from typing import assert_never

from core.domain.configs.choices import Recipe
from core.domain.configs.preprocess import PreprocessConfig
from core.domain.configs.stored import config_from_json
from core.domain.findings import FindingStatus
from core.domain.keeping.people import Right
from core.domain.parts import PartAnswer
from core.domain.record import RecordedAction, RecordRow
from core.domain.settings import settings_of
from core.domain.signoff import MarkKind
from core.errors import ConfigError
from core.evaluation.decisions.outcome import OperatingPoint
from core.evaluation.decisions.rule import as_limit, rule_from_json
from core.evaluation.release.criteria import criteria_from_json
from core.evaluation.release.words import criteria_in_words
from core.models.catalog import network_title
from core.words import count
from core.workflows.keeping.record_findings import settled_in_words
from core.workflows.keeping.record_values import (
    Names,
    in_short,
    items_of,
    pairs_in_words,
    single,
    values_of,
)
from core.workflows.training.run_words import setting_in_words


def in_words(row: RecordRow, names: Names) -> str:
    """What matters of a row, on one line; empty where the action says everything.

    Args:
        row: of any version.
        names: id -> name of the things that the row mentions; an id without a name stays an id.
    """
    try:
        words = _known(RecordedAction(row.action), row, names)
    except (ValueError, RecursionError, ConfigError):  # an action or a value of another version
        words = None
    return in_short(pairs_in_words(row, names) if words is None else words)


def _known(action: RecordedAction, row: RecordRow, names: Names) -> str | None:
    """The words of an action; None: its values are not as this version writes them."""
    new = values_of(row.new)
    match action:
        case RecordedAction.DATASET_IMPORTED:
            return _joined(_images(new), f"from {new['from']}" if new.get("from") else None)
        case RecordedAction.DATASET_EDITED:
            return _joined(f"version {new['version']}" if "version" in new else None, _images(new))
        case RecordedAction.DATASET_DELETED:
            return _images(values_of(row.old))
        case (
            RecordedAction.DATASET_RENAMED
            | RecordedAction.DATASET_MOVED
            | RecordedAction.MODEL_RENAMED
        ):
            return _replaced(row)
        case RecordedAction.ROLE_SET | RecordedAction.MODEL_STAGED:
            return _replaced(row)
        case RecordedAction.USE_DESCRIBED | RecordedAction.MODEL_NOTED:
            return row.new or "text removed"
        case RecordedAction.PIXELS_SET:
            return _pixels(row)
        case RecordedAction.FINDING_SETTLED:
            return _finding(new, names)
        case RecordedAction.PARTS_ANSWERED:
            return _look_alikes(new)
        case RecordedAction.MARKED:
            return _mark(row.new)
        case RecordedAction.UNMARKED:
            return _mark(row.old)
        case RecordedAction.SPLIT_MADE:
            seed = f"seed {new['seed']}" if "seed" in new else None
            return _joined(_named("dataset", new.get("dataset"), names), seed)
        case RecordedAction.SPLIT_SEALED:
            return _digest("images and labels", row.new)
        case RecordedAction.SPLIT_DELETED:
            return _digest("images and labels", row.old)
        case RecordedAction.TRAINING_STARTED:
            return _training(new, names)
        case RecordedAction.MODEL_MADE:
            return _model(new, row.name, names)
        case RecordedAction.MODEL_DELETED:
            return _digest("sha256", values_of(row.old).get("sha256"))
        case RecordedAction.THRESHOLD_SAVED:
            return _thresholds(row)
        case RecordedAction.CRITERIA_SET:
            return _criteria(row)
        case RecordedAction.TEST_SEALED:
            return _sealed(new)
        case RecordedAction.REPORT_MADE:
            against = f"compared with {new['against']}" if new.get("against") else None
            return _joined(f"{new['form']} report" if "form" in new else None, against)
        case RecordedAction.REFUSED:
            right = Right(row.subject)
            return f"{row.new} may not {right.words}" if row.new else f"may not {right.words}"
        case (
            RecordedAction.RESULTS_VIEWED
            | RecordedAction.USER_ADDED
            | RecordedAction.RESTORED
            | RecordedAction.DELETED_FOR_GOOD
        ):
            return _text(row)
        case RecordedAction.BEGAN | RecordedAction.EXPORTED | RecordedAction.CACHE_CLEARED:
            return _text(row)
        case RecordedAction.BACKUP_BEGUN | RecordedAction.BACKED_UP | RecordedAction.BACKUP_FAILED:
            return _text(row)
        case (
            RecordedAction.RUN_DELETED
            | RecordedAction.TEST_OPENED
            | RecordedAction.TOKEN_MADE
            | RecordedAction.ENTRY_REFUSED
        ):
            return _text(row)
        case (
            RecordedAction.USER_DISABLED
            | RecordedAction.USER_ENABLED
            | RecordedAction.SIGNED_IN
            | RecordedAction.SIGNED_OUT
        ):
            return _text(row)
        case _:
            assert_never(action)


def _joined(*parts: str | None) -> str | None:
    """`a, b`, without those that are not there; None where none is."""
    return ", ".join(part for part in parts if part) or None


def _text(row: RecordRow) -> str | None:
    """The only text of a row; empty where it has none."""
    return "" if not row.old and not row.new else single(row.new or row.old)


def _replaced(row: RecordRow) -> str:
    return f"{row.old} → {row.new}" if row.old else row.new or ""


def _images(values: dict[str, object]) -> str | None:
    images = values.get("images")
    return count(images, "image") if isinstance(images, int) else None


def _named(noun: str, key: object, names: Names) -> str | None:
    return f"{noun} {names.get(str(key), key)}" if key else None


def _digest(noun: str, digest: object) -> str | None:
    return f"{noun} {digest}" if digest else None


def _pixels(row: RecordRow) -> str | None:
    """The settings that changed; of a first preprocessing, those that are not the usual ones."""
    if not row.new:
        return "as usual again" if row.old else None
    before = config_from_json(PreprocessConfig, row.old) if row.old else PreprocessConfig()
    after = config_from_json(PreprocessConfig, row.new)
    changes = []
    for item in settings_of(after):
        old, new = getattr(before, item.name), getattr(after, item.name)
        if old != new:
            arrow = f"{setting_in_words(item, old)} → " if row.old else ""
            title = item.title[:1].lower() + item.title[1:]
            changes.append(f"{title} {arrow}{setting_in_words(item, new)}")
    return ", ".join(changes) or "the usual settings"


def _finding(values: dict[str, object], names: Names) -> str | None:
    """Such as "ignored: unusual image, good/0012.png"; rows of before know a key only."""
    if "status" not in values:
        return None
    status = _status_in_words(FindingStatus(str(values["status"])))
    if not (key := values.get("finding")):
        return status
    words = settled_in_words(values) or names.get(str(key))
    return f"{status}: {words or f'a finding that is gone ({key})'}"


def _status_in_words(status: FindingStatus) -> str:
    match status:
        case FindingStatus.OPEN:
            return "open"
        case FindingStatus.IGNORED:
            return "ignored"
        case FindingStatus.FIXED:
            return "fixed"
        case _:
            assert_never(status)


def _look_alikes(values: dict[str, object]) -> str | None:
    if "answer" not in values:
        return None
    images = count(len(items_of(values.get("images"))), "image")
    answer = PartAnswer(str(values["answer"]))
    match answer:
        case PartAnswer.SAME:
            return f"{images} of the same part"
        case PartAnswer.DIFFERENT:
            return f"{images} of different parts"
        case _:
            assert_never(answer)


def _mark(text: str | None) -> str:
    mark = MarkKind(text or "")
    match mark:
        case MarkKind.WRONG_LABEL:
            return "wrong label"
        case MarkKind.LIMIT_SAMPLE:
            return "limit sample"
        case MarkKind.GOLDEN:
            return "golden sample"
        case _:
            assert_never(mark)


def _training(values: dict[str, object], names: Names) -> str | None:
    """Such as "full, EfficientNet-Lite0, 30 epochs, split 60/20/20 seed 42"."""
    train = values_of(str(values.get("train", "")))
    if "recipe" not in train:
        return None
    recipe = Recipe(str(train["recipe"]))
    epochs = train.get("epochs")
    in_epochs = recipe in (Recipe.STAGED, Recipe.FULL) and isinstance(epochs, int)
    return _joined(
        recipe.value.replace("_", " "),
        network_title(str(train["network"])) if train.get("network") else None,
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'}" if in_epochs else None,
        _named("split", values.get("split"), names),
    )


def _model(values: dict[str, object], name: str, names: Names) -> str | None:
    """The network and the digest, and the run where the model is called otherwise."""
    run = values.get("run")
    return _joined(
        network_title(str(values["network"])) if values.get("network") else None,
        _digest("sha256", values.get("sha256")),
        _named("run", run, names) if names.get(str(run)) != name else None,
    )


def _thresholds(row: RecordRow) -> str | None:
    if not row.new:
        return None
    new = _point(rule_from_json(row.new).point)
    old = _point(rule_from_json(row.old).point) if row.old else ""
    if not old:
        return new
    return f"{old} → {new}" if old != new else f"{new}, as before"


def _point(point: OperatingPoint) -> str:
    """The thresholds in a few words, such as "accept below 20%, reject from 62%"."""
    accept, reject = point.accept_below, point.reject_from
    if accept is None or reject is None:
        words = "verdict of the predicted class"
    elif accept == reject:
        words = f"reject from {as_limit(reject)}"
    else:
        rejecting = f"reject from {as_limit(reject)}" if reject <= 1 else "reject nothing"
        words = f"accept below {as_limit(accept)}, {rejecting}"
    if point.class_thresholds:
        words += ", thresholds by class"
    return f"{words}. {point.parts.in_words}" if point.parts.in_words else words


def _criteria(row: RecordRow) -> str | None:
    """What is required; where something was required before, only what changed."""
    if not row.new:
        return None
    new = _required(row.new)
    old = _required(row.old) if row.old else []
    dropped = "; ".join(line for line in old if line not in new)
    added = "; ".join(line for line in new if line not in old)
    if not old:
        return added or "nothing required"
    if dropped and added:
        return f"{dropped} → {added}"
    return f"added: {added}" if added else f"dropped: {dropped}" if dropped else "as before"


def _required(text: str) -> list[str]:
    return criteria_in_words(criteria_from_json(text).criteria)


def _sealed(values: dict[str, object]) -> str | None:
    """What was fixed: criteria, thresholds and test images."""
    criteria, rule = values.get("criteria"), values.get("threshold")
    parts = [
        *(_required(str(criteria)) if criteria else []),
        _point(rule_from_json(str(rule)).point) if rule else None,
        _digest("test images", values.get("test images")),
    ]
    return "; ".join(part for part in parts if part) or None
