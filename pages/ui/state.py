"""Where the app's state lives: the workspace on disk, what is open and half-filled in the URL."""

import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from urllib.parse import quote, unquote

import streamlit as st

from core.domain.settings import Value
from core.workspace import Workspace, open_workspace

_OWNER = "of"  # in a draft, the name of what it belongs to
_MOST_CHARACTERS = 4000  # of a draft in the link; nginx takes 8,000 for all of an address


@st.cache_resource
def workspace() -> Workspace:
    """The workspace of this server."""
    return open_workspace()


def choose(
    noun: str, options: Mapping[str, str], *, label: str, help: str, required: bool = True
) -> str | None:
    """A select box whose choice is in the URL and follows the user from page to page.

    Args:
        noun: name of the URL parameter, for example `dataset`.
        options: id -> name.
        label: of the box.
        help: its tooltip.
        required: False starts with nothing chosen.
    """
    options = _told_apart(options)
    # Why the names in the key: after a rename the box would go on showing the old one.
    key = f"choose_{noun}_{zlib.crc32(repr(options).encode())}"
    seen = f"chosen_{noun}"
    wanted = st.query_params.get(noun)
    if wanted in options and wanted != st.session_state.get(seen):
        st.session_state[key] = wanted
    elif st.session_state.get(key) not in options:
        remembered = st.session_state.get(seen)
        first = next(iter(options), None) if required else None
        st.session_state[key] = remembered if remembered in options else first
    if wanted is not None and wanted not in options:
        st.warning(f"The {noun} in this link no longer exists. Another one is shown.")
    chosen = st.selectbox(
        label, list(options), format_func=lambda key: options.get(key, key), key=key, help=help
    )
    remember(noun, chosen)
    # Why not the first one: every change of the link costs one press of the Back button.
    if chosen is not None and (wanted or chosen != next(iter(options))) and wanted != chosen:
        st.query_params[noun] = chosen
    return chosen


def chosen(noun: str, options: Sequence[str]) -> str | None:
    """What `choose` is about to give, for what is drawn before it; None without options."""
    known = (st.query_params.get(noun), st.session_state.get(f"chosen_{noun}"), *options)
    return next((one for one in known if one in options), None)


def _told_apart(options: Mapping[str, str]) -> dict[str, str]:
    """The same, equal names numbered. Why: a browser answers with the name of what was chosen."""
    seen: Counter[str] = Counter()
    numbered = {}
    for key, name in options.items():
        seen[name] += 1
        numbered[key] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return numbered


def remember(noun: str, chosen: str | None) -> None:
    """Keep a choice for the other pages of this session."""
    st.session_state[f"chosen_{noun}"] = chosen


def put(**values: str | None) -> None:
    """Set parameters of the link, or remove those that are None: one step for the Back button."""
    now = st.query_params.to_dict()
    wanted = {name: value for name, value in now.items() if name not in values}
    wanted |= {name: value for name, value in values.items() if value is not None}
    if wanted != now:
        st.query_params.from_dict(wanted)


def linked(name: str, options: Sequence[str], usual: str) -> str:
    """What the link says of a choice; the usual one where it says nothing that there is."""
    value = st.query_params.get(name, usual)
    return value if value in options else usual


def follow(key: str, options: Sequence[str], usual: str) -> Callable[[], None]:
    """Let the widget of a key show what the link says of it; gives its `on_change`.

    Why not bound to the link: `put`, which others on its page call, refuses bound parameters.
    """
    st.session_state[key] = linked(key, options, usual)

    def note() -> None:
        chosen = st.session_state[key]
        put_words(key, "" if chosen == usual else chosen)

    return note


def put_words(name: str, words: str) -> None:
    """Set one parameter of the link, or remove it if there are no words; others stay untouched.

    Why not `put`: the link may also hold what belongs to widgets, which nobody else may set.
    """
    if words and st.query_params.get(name) != words:
        st.query_params[name] = words
    elif not words and name in st.query_params:
        del st.query_params[name]


def draft(name: str, owner: str) -> dict[str, str]:
    """Field -> text of what was typed and not saved before a reload; empty if there is none.

    Args:
        name: of the parameter of the link.
        owner: what it must belong to: a draft of another dataset or version is passed over.
    """
    values = read_values(st.query_params.get(name, ""))
    return values if values.pop(_OWNER, None) == owner else {}


def keep_draft(name: str, owner: str, changed: Mapping[str, Value | None]) -> None:
    """Put what is typed and not saved into the link; without changes there is no draft.

    One that is too long for an address is left out: a proxy would refuse the page at a reload.
    """
    words = written_values({_OWNER: owner, **changed}) if changed else ""
    put_words(name, words if len(quote(words)) <= _MOST_CHARACTERS else "")


def read_values(link: str) -> dict[str, str]:
    """Name -> text, of a parameter whose texts have their commas written as `%2C`.

    In links of earlier versions they were not: what has no name goes on with the text before.
    """
    values: dict[str, str] = {}
    name = ""
    for part in link.split(","):
        if "=" in part:
            name, _, written = part.partition("=")
            values[name] = unquote(written)
        elif name:
            values[name] += f",{unquote(part)}"
    return values


def written_values(values: Mapping[str, Value | None]) -> str:
    """The parameter that `read_values` reads; nothing is written as an empty text."""
    return ",".join(f"{name}={_plain(value)}" for name, value in values.items())


def _plain(value: Value | None) -> str:
    if value is None:
        return ""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value.replace("%", "%25").replace(",", "%2C")
    return repr(value) if isinstance(value, float) else str(value)
