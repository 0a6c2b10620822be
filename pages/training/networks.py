"""The networks of this machine: what is here, how large and fast; bring one of your own."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.domain.keeping.people import Right
from core.errors import TouchstoneError
from core.models.catalog import (
    NETWORKS,
    Availability,
    Network,
    WeightsSource,
    weights_source,
)
from core.words import joined
from core.workflows.training import networks, runs
from core.workspace import Workspace
from pages.training.setting_fields import Asked
from pages.ui import errors, inference, text
from pages.ui.people import rights


def refused_files(workspace: Workspace) -> list[TouchstoneError]:
    """Why weights that were put into the weights folder by hand cannot be used.

    New ones are checked now, which takes some seconds; those that fit can be chosen from now on.
    """
    with st.spinner("Checking the weights folder …", show_time=True):
        try:
            return [*networks.take_found(workspace, call=inference.call)]
        except TouchstoneError as err:  # the helper process ended
            return [err]


def choose(workspace: Workspace, wanted: Asked) -> None:
    """The network to start from, among all that this version or this machine knows."""
    catalog = {network.name: (network, place) for network, place in runs.networks(workspace)}
    st.session_state.setdefault("network", wanted.network)
    # Why the chosen one: a link may ask for a network that is not here.
    chosen = st.session_state["network"]
    offered = [n for n, (_, place) in catalog.items() if place is not Availability.MISSING]
    st.selectbox(
        "Network",
        list(dict.fromkeys([*offered, *([chosen] if chosen in catalog else [])])),
        key="network",
        format_func=lambda n: _network_words(*catalog[n]),
        help=f"{_origin(workspace, catalog[wanted.network][0])} Training teaches it your classes. "
        "More: Advanced, Networks on this machine.",
    )
    if catalog[wanted.network][1] is Availability.MISSING:
        st.warning(
            "Its weights are not on this machine and cannot be downloaded. An administrator can "
            f"put `{wanted.network}.safetensors` into the weights folder of the workspace."
        )


def _origin(workspace: Workspace, network: Network) -> str:
    """What is known of the weights; of a file that somebody brought, only that."""
    if network not in NETWORKS:
        return network.when
    if weights_source(network, workspace.weights) is WeightsSource.FOLDER:
        return f"{network.when} Its weights are those of the weights folder."
    return f"{network.when} Pretrained on millions of photographs."


def _network_words(network: Network, place: Availability) -> str:
    there = "" if place is Availability.HERE else f" · {place.value}"
    return f"{network.title} · {network.parameters_m:g} M weights{there}"


def section(workspace: Workspace, refused: Sequence[TouchstoneError]) -> None:
    """A folded table; it is read while it is open. It says which files were refused, and why."""
    folded = st.expander(
        "Networks on this machine", icon=":material/hub:", key="networks", on_change="rerun"
    )
    with folded:
        if not folded.open:
            return
        offers = runs.networks(workspace)
        here = [network for network, place in offers if place is Availability.HERE]
        _table(workspace, here)
        for problem in refused:
            errors.show(problem)
        missing = [network.title for network, place in offers if place is Availability.MISSING]
        if missing:
            st.caption(f"Without weights here: {joined(missing)}. Add them to choose one.")
        left, right = st.columns(2)
        with left:
            _measure(workspace, here)
        with right, st.popover("Add a network", icon=":material/upload:", width="stretch"):
            _add(workspace)


def _table(workspace: Workspace, here: list[Network]) -> None:
    speeds = networks.speeds(workspace)
    st.dataframe(
        [
            {
                "Network": network.title,
                "Weights": f"{network.parameters_m:g} M",
                "Images": _sizes(network),
                "Time here": f"{round(speeds[network.name])} ms" if network.name in speeds else "–",
                "License": network.license,
            }
            for network in here
        ],
        hide_index=True,
        column_config={
            "Images": st.column_config.Column(help="Its own image size, and what else it takes."),
            "Time here": st.column_config.Column(
                help="Time for one image on the CPU of this machine, in plain PyTorch. Models run "
                "faster in the fast runtime."
            ),
        },
    )


def _sizes(network: Network) -> str:
    if network.fixed_size:
        return f"{network.image_size_px} px only"
    return f"{network.image_size_px} px, from {network.min_size_px}"


def _measure(workspace: Workspace, here: list[Network]) -> None:
    known = networks.speeds(workspace)
    waiting = [network for network in here if network.name not in known]
    asked = st.button(
        "Measure the speed",
        icon=":material/speed:",
        key="measure_networks",
        disabled=not waiting,
        width="stretch",
        help="Once per machine; a second or two for each network.",
    )
    if not asked:
        return
    with st.spinner("Measuring …"):
        try:
            for network in waiting:
                networks.measure(workspace, network, call=inference.call)
        except TouchstoneError as err:
            errors.show(err)
            return
    st.rerun()


def _add(workspace: Workspace) -> None:
    st.caption("Weights of a timm network as a .safetensors file, under timm's names.")
    upload = st.file_uploader("Weights", type="safetensors", key="network_file")
    usual = Path(upload.name).stem if upload else ""
    name = st.text_input(
        "Name in timm",
        value=usual,
        key=f"network_name_{usual}",
        placeholder="vit_small_patch14_dinov2",
        help="The architecture that the weights belong to, as timm calls it.",
    )
    license = st.text_input(
        "License", key="network_license", placeholder="Apache-2.0", help="Shown beside the network."
    )
    if not st.button(
        "Check and add",
        type="primary",
        **rights.only(Right.TRAIN, disabled=not (upload and name.strip())),
    ):
        return
    assert upload is not None
    with tempfile.TemporaryDirectory(dir=workspace.uploads) as folder:
        path = Path(folder) / Path(upload.name).name
        path.write_bytes(upload.getbuffer())
        try:
            added = networks.add_network(
                workspace, path, name, license=license, call=inference.call
            )
        except TouchstoneError as err:
            errors.show(err)
            return
    st.toast(f"{text.plain(added.title)} can be chosen now.", icon=":material/check:")
    st.rerun()
