"""Health: whether this server is well, what takes its disk, and its backups."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import streamlit as st

from core.domain.ids import utc_now
from core.domain.jobs import JobStatus
from core.domain.keeping.people import Right
from core.domain.record import Alteration
from core.errors import TouchstoneError
from core.words import duration, listed, size, whole_percent
from core.workflows.job_words import kind_in_words
from core.workflows.keeping import health, health_words, record, schedule, space
from core.workflows.keeping.health import Health, HealthFinding, Lane, Trouble
from core.workflows.keeping.space import CacheKind, Disk, SpaceKind
from core.workspace import Workspace
from pages.ui import errors, state, text, widgets
from pages.ui.people import rights
from pages.ui.places import Place
from pages.use import health_bin, health_people

KEPT_S = 20  # so long the sizes of files are shown again; 100,000 take a second

# What is set in a file of the server, for everybody else: no file, no command.
_PLAIN = {
    Trouble.NO_BACKUP: "**This workspace was never backed up.** Your administrator sets the folder "
    "for daily backups.",
    Trouble.SETTING: "**A setting of this server does not hold.** Your administrator corrects it.",
}
_SET_BACKUPS = "On the server: the folder stands in touchstone.toml, as `backup.folder`."


@st.cache_data(ttl=KEPT_S, max_entries=2, show_spinner="Looking …")
def disk_use(_workspace: Workspace, root: str) -> Disk:
    del root  # what the answer is kept under
    return space.disk_use(_workspace)


def findings(found: Sequence[HealthFinding]) -> None:
    """What is wrong and what to do; or that nothing is."""
    if not found:
        st.success("Everything is well.", icon=":material/check_circle:")
    for item in found:
        line = _PLAIN.get(item.trouble) or _in_words(item)
        if item.trouble.is_serious:
            st.error(line, icon=":material/error:")
        else:
            st.warning(line, icon=":material/info:")
    on_server = [item for item in found if item.trouble in _PLAIN]
    if on_server:
        with st.expander("For the administrator", icon=":material/terminal:", key="on_server"):
            for item in on_server:
                st.markdown(_in_words(item))


def _in_words(item: HealthFinding) -> str:
    return f"**{text.plain(health_words.what(item))}** {health_words.advice(item)}"


def at_a_glance(workspace: Workspace, seen: Health) -> None:
    """Disk, backup, jobs and device in one row."""
    made = seen.backup.made
    at_work = sum(lane.running is not None for lane in seen.lanes)
    waiting = sum(lane.waiting for lane in seen.lanes)
    ago = f"{duration(max(0.0, utc_now() - made.at))} ago" if made else "never"
    plan = "daily" if schedule.plan_of(workspace).folder else "not daily"
    with st.container(horizontal=True, key="glance"):
        _fact("Free disk", size(seen.disk.free_bytes), f"of {size(seen.disk.total_bytes)}")
        _fact("Last backup", ago, plan)
        _fact("Jobs at work", f"{at_work:,}", f"{waiting:,} waiting")
        _fact("Device", seen.devices[0].title, text.count(seen.cores, "CPU core"))


def _fact(name: str, value: str, more: str) -> None:
    st.metric(name, value, more, delta_color="off", delta_arrow="off")


def disk(workspace: Workspace, seen: Disk) -> None:
    """What takes the disk, and caches to clear."""
    st.subheader("Disk", anchor=False)
    own = [use for use in seen.uses if use.kind is not SpaceKind.CACHE]
    largest = max((use.size_bytes + use.cached_bytes for use in own), default=1)
    with st.container(horizontal=True, vertical_alignment="top", key="disk"):
        st.dataframe(
            {
                "what": [health_words.use_in_words(use) for use in own],
                "files": [size(use.size_bytes) for use in own],
                "caches": [size(use.cached_bytes) if use.cached_bytes else "" for use in own],
                "share": [(use.size_bytes + use.cached_bytes) / largest for use in own],
            },
            hide_index=True,
            key="disk_uses",
            width="stretch",
            column_config={
                "files": st.column_config.TextColumn(width=90, alignment="right"),
                "caches": st.column_config.TextColumn(width=90, alignment="right"),
                "share": st.column_config.ProgressColumn("", format=" ", width=120),
            },
        )
        caches(workspace, {u.name: u.size_bytes for u in seen.uses if u.kind is SpaceKind.CACHE})


def caches(workspace: Workspace, sizes: Mapping[str, int]) -> None:
    """Checkboxes of caches with their sizes, and one button."""
    with st.container(border=True, width=300, key="caches"):
        st.markdown("**Caches**", help="Made again when they are needed; nothing is lost.")
        chosen = [
            kind
            for kind in CacheKind
            if st.checkbox(
                f"{kind.value.capitalize()} · {size(sizes.get(kind.value, 0))}",
                key=f"cache_{kind.value}",
                help=health_words.cache_in_words(kind),
                disabled=kind.value not in sizes,
            )
        ]
        st.button(
            "Clear",
            icon=":material/mop:",
            key="clear_caches",
            on_click=_clear,
            args=(workspace, chosen),
            **rights.only(
                Right.ADMINISTER,
                help="Refused while a job is at work or waits, since it may need them.",
                disabled=not chosen,
            ),
        )
        if st.session_state.get("clear_error"):
            errors.show(st.session_state.pop("clear_error"))


def _clear(workspace: Workspace, chosen: Sequence[CacheKind]) -> None:
    try:
        freed = space.clear(workspace, chosen)
    except TouchstoneError as err:
        st.session_state.clear_error = err
        return
    disk_use.clear()
    for kind in chosen:
        st.session_state[f"cache_{kind.value}"] = False
    st.toast(f"{size(freed)} freed.", icon=":material/mop:")


def backups(workspace: Workspace, seen: Health) -> None:
    """When backups are made, and one now."""
    st.subheader("Backups", anchor=False)
    plan, made = schedule.plan_of(workspace), seen.backup.made
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Back up now",
            icon=":material/backup:",
            key="back_up",
            **rights.only(
                Right.ADMINISTER,
                help="Into the folder that is set for backups; the app and its jobs go on.",
                disabled=not plan.folder,
            ),
        ):
            schedule.start_backup(workspace)
        if plan.folder:
            keeps = f"the newest {plan.keep:,} are kept" if plan.keep else "all are kept"
            words = f"Every day from {plan.hour:02d}:00 on the server's clock; {keeps}."
        else:
            words = "Daily backups are off. Your administrator sets this."
        last = f" Last: {_local(made.at)}, {text.plain(made.new or '')}." if made else ""
        st.caption(f"{words}{last}", width="stretch", help=None if plan.folder else _SET_BACKUPS)
    job = schedule.latest(workspace)
    if job is not None and (job.status.is_active or job.status is JobStatus.FAILED):
        widgets.follow(workspace, schedule.SUBJECT, widgets.job_progress)


def _local(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M")


def programs(seen: Health) -> None:
    """Versions, devices, weights and workers: what a report of a fault should name."""
    with st.expander("Programs, devices and workers"):
        st.caption(
            f"Touchstone {seen.program or '(run from a folder)'}. "
            f"Devices: {listed([text.plain(device.title) for device in seen.devices])}. "
            f"Networks with weights on this machine: {listed(seen.weights) or 'none'}."
        )
        with st.container(horizontal=True):
            st.dataframe(
                {
                    "program": [item.name for item in seen.components],
                    "installed": [item.installed or "–" for item in seen.components],
                    "at least": [item.lowest for item in seen.components],
                    "": ["" if item.is_new_enough else "too old" for item in seen.components],
                },
                hide_index=True,
                key="programs",
            )
            st.dataframe(
                {
                    "lane": [lane.name for lane in seen.lanes],
                    "at work": [_at_work(lane) for lane in seen.lanes],
                    "waiting": [lane.waiting for lane in seen.lanes],
                },
                hide_index=True,
                key="lanes",
            )


def _at_work(lane: Lane) -> str:
    if lane.running is None:
        return "a worker is ending" if lane.has_worker else "–"
    return f"{kind_in_words(lane.running.kind)}, {whole_percent(lane.running.share)}"


def integrity(workspace: Workspace, checked: Sequence[Alteration] | None) -> None:
    """One button that verifies database, record and models."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(
            "Check integrity",
            icon=":material/verified_user:",
            key="check_integrity",
            help="Checks the database, the chain of the record, the models and the values in "
            "force. Image files: `touchstone verify --files`.",
        ):
            with st.spinner("Checking …"):
                st.session_state.health_checked = tuple(record.verify(workspace))
            st.rerun()
        if checked is not None and not checked:
            st.caption(":material/verified: Database, record and models are as recorded.")


def page(workspace: Workspace) -> None:
    checked: tuple[Alteration, ...] | None = st.session_state.get("health_checked")
    seen = health.examine(workspace, disk_use(workspace, str(workspace.root)), checked)
    findings(seen.findings)
    at_a_glance(workspace, seen)
    integrity(workspace, checked)
    health_people.show(workspace)
    health_bin.show(workspace)
    disk(workspace, seen.disk)
    backups(workspace, seen)
    programs(seen)


widgets.page_heading(Place.HEALTH, "See whether this server is well, and what to do if not.")
page(state.workspace())
