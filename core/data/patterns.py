"""Regular expressions typed by users, searched in paths.

RE2 takes linear time and bounded memory for every pattern, so that a careless one cannot stop the
app. It has no look-around and no back-references.
"""

import re2

from core.errors import ConfigError

MAX_PATTERN = 300
_MEMORY_BYTES = 8 * 1024 * 1024
_ODD = ("(?=", "(?!", "(?<=", "(?<!")


class PathPattern:
    """A checked pattern with named groups."""

    def __init__(self, pattern: str, *, needs: str) -> None:
        """Read the pattern.

        Args:
            pattern: with forward slashes; searched, not matched from the start.
            needs: the named group that must be there.

        Raises:
            ConfigError: if the pattern is too long, broken, or has no such group.
        """
        hint = f"Add a named group, for example (?P<{needs}>[a-z]+)_\\d+"
        if len(pattern) > MAX_PATTERN:
            raise ConfigError(f"The pattern is longer than {MAX_PATTERN} characters.", hint)
        options = re2.Options()
        options.log_errors, options.max_mem = False, _MEMORY_BYTES
        try:
            self._compiled = re2.compile(pattern, options)
        except re2.error as err:
            raise ConfigError(
                f"The pattern cannot be read: {_reason(err)}.",
                "Look-ahead and look-behind are not supported."
                if any(odd in pattern for odd in _ODD)
                else hint,
            ) from err
        if needs not in self._compiled.groupindex:
            raise ConfigError(f"The pattern has no group named '{needs}'.", hint)

    def find(self, name: str) -> dict[str, str | None] | None:
        """The text of each named group in a path; None if the pattern is not found."""
        match = self._compiled.search(name)
        return dict(match.groupdict()) if match else None


def _reason(err: Exception) -> str:
    text = err.args[0] if err.args else "it is broken"
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
