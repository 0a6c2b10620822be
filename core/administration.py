"""What an administrator has set: reads `touchstone.toml` of the workspace, and says what is wrong.

A setting that is wrong keeps its default, and all others hold: a slip in one line must neither
stop the app nor lift a limit that stands in another. A changed file holds from the next look on.
Only who may enter is never guessed: where that part is wrong, nobody may until it is right.
"""

import difflib
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from core.domain.configs.administration import (
    Administration,
    AuthMode,
    BackupPlan,
    Limits,
    SignIn,
)
from core.domain.settings import Setting, settings_of
from core.errors import ConfigError
from core.workspace import SETTINGS_FILE, default_root

FILE = SETTINGS_FILE
_MOST_BYTES = 1_000_000
_WIDTH = 96
_Stamp = tuple[int, int, int] | None
_AUTH = "auth"
Section = TypeVar("Section", Limits, BackupPlan, SignIn)


@dataclass(frozen=True)
class SettingsProblem:
    """What does not hold of the file.

    `key` is such as `limits.archive_gb`, empty where the whole file is meant; `line` counts from 1,
    0 where it is not known; `why` is the end of a sentence.
    """

    key: str
    line: int
    why: str

    @property
    def words(self) -> str:
        """Such as `touchstone.toml, line 4, limits.archive_gb: must be a number …`."""
        places = (FILE, f"line {self.line}" if self.line else "", self.key)
        return f"{', '.join(place for place in places if place)}: {self.why}"


@dataclass(frozen=True)
class AdministrationFile:
    """What holds, and what of the file does not.

    `auth_is_unclear` where it may ask people to sign in, but cannot be read.
    """

    settings: Administration = field(default_factory=Administration)
    problems: tuple[SettingsProblem, ...] = ()
    auth_is_unclear: bool = False


_switched_on: dict[Path, SignIn] = {}
_read_already: dict[Path, tuple[_Stamp, AdministrationFile]] = {}


def administration(root: Path | None = None) -> AdministrationFile:
    """What is set for a workspace; never fails.

    Args:
        root: folder of the workspace; None: that of this process. Its helper processes inherit it.
    """
    path = (root or default_root()).expanduser() / FILE
    stamp = _stamp(path)
    kept = _read_already.get(path)
    if kept is None or kept[0] != stamp:
        kept = _read_already[path] = stamp, _read(path) if stamp else AdministrationFile()
    return kept[1]


def limits_of(root: Path | None = None) -> Limits:
    """The limits in force in a workspace; None: that of this process."""
    return administration(root).settings.limits


def sign_in_of(root: Path | None = None) -> SignIn:
    """Who may enter a workspace, and how; None: that of this process.

    Once a process has seen it switched on, it stays on: an editor that empties the file for a
    moment as it saves must open nothing.
    """
    path = (root or default_root()).expanduser() / FILE
    found = administration(root)
    now = SignIn(AuthMode.CLOSED) if found.auth_is_unclear else found.settings.auth
    if now.mode is AuthMode.OFF:
        return _switched_on.get(path, now)
    _switched_on[path] = now
    return now


def how_to_change(limit: str) -> str:
    """The end of each refusal: which line of the file changes the limit of this name."""
    assert limit in Limits.__dataclass_fields__, limit
    return f"An administrator can change this: limits.{limit} in {FILE}."


def example() -> str:
    """A file with all settings as comments: what each does, its range and its default."""
    lines = [
        f"# {FILE}: put it into the folder of the workspace.",
        "# Every line is optional; remove the # before a setting to change it. Changes hold at",
        "# once, also in a running app. `touchstone limits` shows what holds and what is wrong.",
        "",
    ]
    for name, kind in _sections():
        lines += [f"[{name}]"]
        for item in settings_of(kind):
            about = (
                f"{item.help} {item.expected.capitalize()}." if item.low is not None else item.help
            )
            lines += textwrap.wrap(about, _WIDTH, initial_indent="# ", subsequent_indent="# ")
            lines += [f"# {item.name} = {_toml(item.default)}", ""]
    return "\n".join(lines)


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _sections() -> Iterator[tuple[str, type[Limits] | type[BackupPlan] | type[SignIn]]]:
    for section in fields(Administration):
        yield section.name, section.default_factory  # type: ignore[misc]


def _stamp(path: Path) -> _Stamp:
    """What changes with the file; None where there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> AdministrationFile:
    text = _AUTH  # what cannot be read may ask people to sign in
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return _unusable(0, "it is no text file", text)
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        place = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)", str(err))
        line = int(place[1] or text.count("\n") + 1) if place else 0
        why = str(err).replace(place[0] if place else "", "").strip().rstrip(".")
        return _unusable(line, why, text)
    except OSError as err:
        return _unusable(0, f"it cannot be read: {err.strerror or err}", text)
    except (ValueError, RecursionError):
        return _unusable(0, "it is no text in UTF-8", text)
    problems: list[SettingsProblem] = []
    known = dict(_sections())
    for name in values:
        if name not in known:
            why = f"there is no section or setting of this name.{_perhaps(name, known)}"
            problems.append(SettingsProblem(name, _line_of(text, "", name), why))
    settings = Administration(
        limits=_section(Limits, "limits", values, text, problems),
        backup=_section(BackupPlan, "backup", values, text, problems),
        auth=_section(SignIn, _AUTH, values, text, problems),
    )
    is_unclear = any(_is_about_auth(problem.key) for problem in problems)
    if is_unclear:
        why = "until [auth] is right, nobody may sign in."
        problems.append(SettingsProblem(_AUTH, _line_of(text, "", _AUTH), why))
    return AdministrationFile(settings, tuple(problems), is_unclear)


def _is_about_auth(key: str) -> bool:
    """Whether a part that is wrong is, or may be meant as, the one that says who may enter."""
    return bool(difflib.get_close_matches(key.partition(".")[0].lower(), [_AUTH], 1))


def _unusable(line: int, why: str, text: str) -> AdministrationFile:
    is_unclear = re.search(rf"\b{_AUTH}\b", text) is not None
    closed = " It may ask people to sign in, so nobody may enter." if is_unclear else ""
    words = f"{why}. Nothing of the file holds; all defaults do.{closed}"
    problem = SettingsProblem("", line, words)
    return AdministrationFile(problems=(problem,), auth_is_unclear=is_unclear)


def _section(
    kind: type[Section],
    name: str,
    values: Mapping[str, Any],
    text: str,
    problems: list[SettingsProblem],
) -> Section:
    given = values.get(name, {})
    if not isinstance(given, dict):
        why = f"it must be a section, a line [{name}] with settings below it."
        problems.append(SettingsProblem(name, _line_of(text, "", name), why))
        return kind()
    known = {item.name: item for item in settings_of(kind)}
    right: dict[str, Any] = {}
    for key, value in given.items():
        line = _line_of(text, name, key)
        try:
            right[key] = _value(known, key, value)
        except ConfigError as err:
            problems.append(SettingsProblem(f"{name}.{key}", line, err.message))
    try:
        return kind(**right)
    except ConfigError as err:
        problems.append(SettingsProblem(name, _line_of(text, "", name), str(err)))
        return kind()


def _value(known: Mapping[str, Setting], key: str, value: object) -> object:
    item = known.get(key)
    if item is None:
        raise ConfigError(f"there is no such setting.{_perhaps(key, known)}")
    try:
        if isinstance(value, str) is not isinstance(item.default, str):
            raise item.refusal(value)
        read = item.read(value)
        item.check(read)
    except ConfigError as err:
        held = f"Until then, the default holds: {_toml(item.default)}."
        raise ConfigError(f"it is {value!r}, but must be {item.expected}. {held}") from err
    return read


def _perhaps(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" Perhaps {near[0]} is meant." if near else f" There are: {', '.join(known)}."


def _line_of(text: str, section: str, key: str) -> int:
    """Where a key of a section, or a section, begins, from 1; 0 if it is written in another way."""
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := re.match(r"\s*\[+\s*([\w.-]+)\s*\]", line):
            current = heading[1]
            if not section and current == key:
                return number
        elif current == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return 0
