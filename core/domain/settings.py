"""What a setting is: declared once beside its field, with title, help and range.

Form fields, command-line options, files of settings and lines of the report are made from it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Config = TypeVar("Config", bound=DataclassInstance)
else:
    Config = TypeVar("Config")

Value = bool | int | float | str
YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")


class SettingGroup(StrEnum):
    """Under which heading a setting is shown, in this order."""

    MODEL = "Model"
    LAST_LAYER = "Last layer"
    LENGTH = "Length"
    STEPS = "Steps and learning rate"
    LOSS = "Classes and loss"
    REGULARIZATION = "Regularization"
    EVALUATION = "Evaluation and best epoch"
    CHECKPOINTS = "Checkpoints"
    MACHINE = "Machine and seed"
    AUGMENTATION = "Augmentation"
    PIXELS = "Pixels"


def setting(
    default: Any,
    title: str,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    option: str | None = None,
    group: SettingGroup | None = None,
    reads: Callable[[str], object] | None = None,
) -> Any:
    """A dataclass field that knows its own title, help and range.

    Args:
        default: its value unless asked otherwise; its type is the setting's type.
        title: two or three words.
        help: what it does, and why one would change it.
        low: smallest value that is allowed.
        high: largest value that is allowed.
        step: of the form's slider or buttons.
        option: name of the command-line option, where the field's own name would not be clear.
        group: heading in forms and in the help; None: that of its config.
        reads: what a text must be readable by; it raises `ConfigError` where it is not.
    """
    about = {
        "title": title,
        "help": help,
        "low": low,
        "high": high,
        "step": step,
        "option": option,
        "group": group,
        "reads": reads,
    }
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class Setting:
    """What is declared about one field of a config; `low` and `high` are both set or both None.

    `step` is that of a form's slider; None: the number is typed. `group` is its heading; None:
    that of its config. `reads` accepts a text or raises; None: any text is allowed.
    """

    name: str
    default: Value
    title: str
    help: str
    low: float | None
    high: float | None
    option: str
    step: float | None = None
    group: SettingGroup | None = None
    reads: Callable[[str], object] | None = None

    @property
    def kind(self) -> type[Value]:
        """Bool, int, float, str or an enum of texts."""
        return type(self.default)

    @property
    def expected(self) -> str:
        """Which values are allowed, in words that follow "must be"."""
        if isinstance(self.default, StrEnum):
            return f"one of {', '.join(type(self.default))}"
        if isinstance(self.default, bool):
            return "yes or no"
        if self.low is None or self.high is None:
            return "text"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} between {self.low:,g} and {_plain(self.high)}"

    def read(self, value: object) -> Value:
        """The value in the setting's own type; text is read, numbers are not rounded.

        Raises:
            ConfigError: if it is of another kind.
        """
        try:
            return self._read(value)
        except (ValueError, OverflowError) as err:
            raise self.refusal(value) from err

    def check(self, value: Value | None) -> None:
        """Accept a value within the range, or a text that can be read.

        Raises:
            ConfigError: if it is outside, or cannot be read.
        """
        if self.reads is not None:
            self.reads(str(value))
        if self.low is None or self.high is None or value is None:
            return
        if not self.low <= float(value) <= self.high:
            raise self.refusal(value)

    def refusal(self, value: object) -> ConfigError:
        """Says which setting was given what, which values are allowed, and what it is for."""
        return ConfigError(f"{self.title} is {value}, but must be {self.expected}.", self.help)

    def _read(self, value: object) -> Value:
        if isinstance(self.default, StrEnum):
            return type(self.default)(str(value).strip().lower().replace("-", "_"))
        if isinstance(self.default, bool):
            return yes_or_no(value)
        if isinstance(self.default, str):
            return str(value)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        if isinstance(self.default, float):
            return float(value)
        if isinstance(value, float):
            raise ValueError
        return int(value)


def settings_of(kind: "type[DataclassInstance] | DataclassInstance") -> Iterator[Setting]:
    """The settings of a config, in the order in which they are declared."""
    for item in fields(kind):
        about = item.metadata
        default: Value = item.default  # type: ignore[assignment]
        name = about["option"] or item.name.replace("_", "-")
        yield Setting(
            item.name,
            default,
            about["title"],
            about["help"],
            about["low"],
            about["high"],
            f"--{name}",
            about["step"],
            about["group"],
            about["reads"],
        )


def check_ranges(config: "DataclassInstance") -> None:
    """Accept a config whose values are all within their ranges, and whose texts can be read.

    Raises:
        ConfigError: if one is not.
    """
    for item in settings_of(config):
        item.check(getattr(config, item.name))


def with_settings(config: Config, values: Mapping[str, object]) -> Config:
    """The config with some settings changed, given as text or as values of a file.

    Raises:
        ConfigError: if a setting does not exist, or its value is not allowed.
    """
    known = {item.name: item for item in settings_of(config)}
    for name in values:
        if name not in known:
            raise ConfigError(f"There is no setting '{name}'.", f"There are: {', '.join(known)}.")
    return replace(config, **{name: known[name].read(value) for name, value in values.items()})


def yes_or_no(value: object) -> bool:
    """A switch, also as it is written.

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in YES:
        return True
    if text in NO:
        return False
    raise ValueError


def _plain(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:g}"
