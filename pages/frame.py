"""The frame around every page: menu, context bar, and the one place where errors are shown."""

from pathlib import Path

import streamlit as st

from core.domain.keeping.people import usually
from core.workflows.inventory import inventory
from core.workflows.reading import opened_once
from pages.ui import components, context, errors, state
from pages.ui.people import session
from pages.ui.places import MENU, Place, door_of
from pages.ui.shell import ahead, bar, deleted, doors, importing, missing, problems, signed_in
from pages.ui.viewer import dialog

ASSETS = Path(__file__).parent / "ui" / "assets"

usually(session.actor)  # the store asks it: what may be written, and who stands in the record
st.set_page_config(
    page_title="Touchstone",
    page_icon=str(ASSETS / "icon.svg"),
    layout="wide",
    initial_sidebar_state=200,
)
st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")

pages = {
    place: st.Page(
        place,
        title=place.label,
        icon=place.icon,
        url_path=place.url_path,
        default=place is Place.HOME,
    )
    for places in MENU.values()
    for place in places
}
page = st.navigation(list(pages.values()), position="hidden")
place = next(place for place in pages if pages[place] is page)
asked = missing.asked_for(place)
st.set_page_config(page_title=f"{page.title if asked is None else 'Page not found'} · Touchstone")

with errors.shown(), opened_once():
    known = inventory(state.workspace())
    subject = importing.subject(state.workspace(), known, place)
    choice = context.read(known, place, subject)
    bar.follow_pick(choice, place)
    doors.show(choice, place)
    signed_in.show(state.workspace())
    bar.show(state.workspace(), choice, place)
    address = missing.kept(choice.link, asked) if choice.problem is None else None
    door = list(MENU).index(door_of(place)) if asked is None else None
    with st.container(key="frame_parts"):
        components.frame(address, bar.tips(choice), door=door)
        dialog.mount()
        ahead.show()
    if place is not Place.HEALTH:  # which says it by itself
        problems.say_exposed()
    problems.say_settings(state.workspace())
    problems.say_second_app(state.workspace())
    deleted.show(state.workspace(), place)
    if asked is not None:
        missing.show(asked, choice)
    elif choice.problem is None or not problems.stops(choice.problem, place):
        page.run()
