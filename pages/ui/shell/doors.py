"""The menu: seven doors as real links that keep what is open."""

import streamlit as st

from pages.ui.places import FIRST, MENU, Door, Place, door_of
from pages.ui.shell.choice import Choice

_STEPS = "door_steps"


def show(choice: Choice, place: Place) -> None:
    """Links to all doors; the one of this page leads here and is marked, others to their last step.

    Why not Streamlit's own menu: it drops the parameters of the link, and knows pages, not doors.
    """
    last: dict[Door, Place] = st.session_state.setdefault(_STEPS, {})
    if place is not Place.HEALTH:  # seldom visited, and no step of anything
        last[door_of(place)] = place
    with st.sidebar, st.container(key="doors", gap=None):
        for door in MENU:
            target = last.get(door, FIRST[door])
            if door is Door.DATA and choice.dataset is None:
                target = Place.IMPORT if place not in MENU[door] else place
            st.page_link(target, label=door.value, icon=door.icon, query_params=choice.link)
        # Why not a button of Streamlit: it would run the page; frame.js opens the list at once.
        st.html('<button type="button" class="ts-show-keys"><kbd>?</kbd> Keyboard</button>')
