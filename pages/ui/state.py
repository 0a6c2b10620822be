"""Where the app's state lives: the workspace on disk, and what is open in the URL."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

import streamlit as st

from core.workspace import Workspace, open_workspace


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
