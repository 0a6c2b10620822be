"""Networks beyond the catalog: brought by a person, or left here by an earlier download.

Free of torch until a file is checked. What is known of a brought network lies beside its weights in
a small JSON file, since only timm can say it. Weights that somebody put into the folder by hand get
theirs once they are checked.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from core.errors import ConfigError, ModelFileError, NetworkUnavailableError, NotFoundError
from core.files import atomic_write, open_user_file, read_user_file
from core.models.catalog import NETWORKS, Network
from core.models.structure import structure_of

MAX_WEIGHTS_BYTES = 10_000_000_000
_SMALLEST_PX = 32
_MOST_TEXT = 1_000_000
_NAMES_SHOWN = 4
_ADDED = "Its weights were added to this workspace."
_NAME = re.compile(r"\w{1,60}(\.\w{1,40})?")
_IMAGENET_STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Shapes = Mapping[str, tuple[int, ...]]


def known_networks(weights_folder: Path) -> tuple[Network, ...]:
    """The catalog, then the networks that were brought, then those of earlier downloads."""
    more = (*_brought(weights_folder), *_downloaded())
    return (*NETWORKS, *{n.name: n for n in reversed(more)}.values())


def known_network(name: str, weights_folder: Path) -> Network:
    """The network of this timm name.

    Raises:
        NotFoundError: if it is neither in the catalog nor on this machine.
    """
    for network in known_networks(weights_folder):
        if network.name == name:
            return network
    raise NotFoundError(
        f"There is no network '{name}'.",
        "`touchstone networks` lists those that are known; `--add` adds one of your own.",
    )


def add_network(source: Path, name: str, weights_folder: Path, *, license: str) -> Network:
    """Check weights that a person brings, and keep them for new runs. Imports torch.

    Args:
        source: a `.safetensors` file with timm's names of weights; its last layer may have any
            number of classes, or be missing.
        name: of the network in timm.
        weights_folder: where they are kept.
        license: as the person states it.

    Raises:
        NetworkUnavailableError: if timm has no such network, it has no linear last layer, or the
            weights do not fit; the layers are named.
    """
    if any(network.name == name for network in NETWORKS):
        network = next(n for n in NETWORKS if n.name == name)
        refuse_misfit(name, shapes_of(source), source.name)
    else:
        network = _described(source, name, license)
        weights_folder.mkdir(parents=True, exist_ok=True)
        _write_description(network, weights_folder)
    target = weights_folder / f"{name}.safetensors"
    part = target.with_suffix(".part")
    with open_user_file(source, most_bytes=MAX_WEIGHTS_BYTES) as brought, part.open("wb") as copy:
        shutil.copyfileobj(brought, copy)
    part.replace(target)
    return network


def undescribed(weights_folder: Path) -> list[Path]:
    """Weights outside the catalog that lie in the folder, but were not added or checked yet."""
    known = {network.name for network in (*NETWORKS, *_brought(weights_folder))}
    return [p for p in sorted(weights_folder.glob("*.safetensors")) if p.stem not in known]


def describe(path: Path) -> None:
    """Check weights that lie in the folder, so that their network can be chosen. Imports torch.

    Args:
        path: `NAME.safetensors`, of the network of this name in timm.

    Raises:
        NetworkUnavailableError: as `add_network`; or a file that is not ours has the place of the
            description.
    """
    about = path.with_suffix(".json")
    if about.exists():
        raise NetworkUnavailableError(
            f"{about.name} beside {path.name} does not describe a network.",
            "Move it to another folder; Touchstone then checks the weights anew.",
        )
    _write_description(_described(path, path.stem, "not stated"), path.parent)


def refuse_misfit(name: str, shapes: Shapes, file: str) -> None:
    """Accept weights that fit a network, its last layer aside. Imports torch.

    Raises:
        NetworkUnavailableError: naming the layers that are missing, left over, or of another shape.
    """
    import torch

    from core.models.build import build_network, head_names

    with torch.device("meta"):
        model = build_network(name, 2)
    heads = tuple(f"{head}." for head in head_names(model))

    def inner(every: Shapes) -> Shapes:
        return {k: v for k, v in every.items() if not k.startswith(heads)}

    expected = inner({k: tuple(v.shape) for k, v in model.state_dict().items()})
    given = inner(shapes)
    both = sorted(expected.keys() & given.keys())
    wrong = [
        f"{k} is {_times(given[k])}, not {_times(expected[k])}"
        for k in both
        if given[k] != expected[k]
    ]
    parts = {
        "missing": sorted(expected.keys() - given.keys()),
        "not in the network": sorted(given.keys() - expected.keys()),
        "other shape": wrong,
    }
    words = [f"{title}: {_some(names)}" for title, names in parts.items() if names]
    if words:
        raise NetworkUnavailableError(
            f"{file} does not fit {name}. {'; '.join(words)}.",
            "It must hold the weights of timm's network of this name, under timm's names.",
        )


def shapes_of(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of each tensor of a safetensors file; the values are not read.

    Raises:
        NetworkUnavailableError: if it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        open_user_file(path, most_bytes=MAX_WEIGHTS_BYTES).close()
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError) as err:
        raise NetworkUnavailableError(
            f"{path.name} cannot be read: {err}.", "Export the weights again as safetensors."
        ) from err


def check_size(network: Network, image_size_px: int) -> None:
    """Accept an image size that a network can take.

    Raises:
        ConfigError: saying which it can.
    """
    if network.fixed_size and image_size_px != network.image_size_px:
        raise ConfigError(
            f"{network.title} takes images of exactly {network.image_size_px} px, not "
            f"{image_size_px}.",
            f"Set the image size to {network.image_size_px}, or choose a network without patches.",
        )
    if image_size_px < network.min_size_px:
        raise ConfigError(
            f"{network.title} needs images of at least {network.min_size_px} px.",
            "Choose a larger image size.",
        )


def _described(source: Path, name: str, license: str) -> Network:
    """The network of a file of weights, which were checked to fit it."""
    import timm
    import torch

    from core.models.build import build_network

    if not _NAME.fullmatch(name) or not timm.is_model(name):
        near = get_close_matches(name.partition(".")[0], timm.list_models(), n=3)
        raise NetworkUnavailableError(
            f"{source.name}: timm has no network '{name}'.",
            f"Similar: {', '.join(near)}." if near else "Give the name of the network in timm.",
        )
    try:
        with torch.device("meta"):
            model: Any = build_network(name, 2)
    except ModelFileError as err:
        raise NetworkUnavailableError(
            f"The network '{name}' has no linear last layer.", "Choose another network."
        ) from err
    shapes = shapes_of(source)
    refuse_misfit(name, shapes, source.name)
    about = model.pretrained_cfg
    size = int(about["input_size"][-1])
    fixed = bool(about.get("fixed_input_size"))
    return Network(
        name=name,
        title=name,
        when=_ADDED,
        image_size_px=size,
        min_size_px=size if fixed else _SMALLEST_PX,
        parameters_m=_millions(sum(p.numel() for p in model.parameters())),
        speed=0.0,
        mean=tuple(about["mean"]),
        std=tuple(about["std"]),
        hub_id="",
        license=license,
        fixed_size=fixed,
        has_stages=structure_of(shapes) is not None,
    )


def _write_description(network: Network, weights_folder: Path) -> None:
    about = json.dumps(asdict(network), indent=1)
    with atomic_write(weights_folder / f"{network.name}.json") as partial:
        partial.write_text(about, encoding="utf-8")


def _brought(weights_folder: Path) -> list[Network]:
    """Networks of the weights folder that were checked when they were added."""
    found = []
    known = {item.name for item in fields(Network)}
    for path in sorted(weights_folder.glob("*.json")):
        weights = path.with_suffix(".safetensors")
        if not weights.is_file():
            continue
        try:
            about = json.loads(read_user_file(path, most_bytes=_MOST_TEXT).decode())
            values: dict[str, Any] = {k: v for k, v in about.items() if k in known}
            values |= {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
            # Why not as stored: earlier versions wrote one of them, and other words.
            values |= {"when": _ADDED, "has_stages": _has_stages(weights)}
            found.append(Network(**values))
        except (ValueError, TypeError, AttributeError, OSError):
            continue  # not one of ours, or damaged
    return found


def _has_stages(weights: Path) -> bool:
    """Whether the network of a file divides into stages; not where the file cannot be read."""
    try:
        return structure_of(shapes_of(weights)) is not None
    except NetworkUnavailableError:
        return False


def _downloaded() -> list[Network]:
    """Networks of timm in the cache of the model hub that are not in the catalog."""
    from huggingface_hub.constants import HF_HUB_CACHE

    listed = {network.hub_id for network in NETWORKS}
    networks = []
    for folder in sorted(Path(HF_HUB_CACHE).glob("models--timm--*")):
        hub_id = folder.name.removeprefix("models--").replace("--", "/", 1)
        for weights in sorted(folder.glob("snapshots/*/model.safetensors")):
            if hub_id not in listed:
                listed.add(hub_id)
                networks += _of_download(hub_id, weights)
    return networks


def _of_download(hub_id: str, weights: Path) -> list[Network]:
    try:
        about = json.loads(
            read_user_file(weights.parent / "config.json", most_bytes=_MOST_TEXT).decode()
        )
        config = about["pretrained_cfg"]
        size, fixed = int(config["input_size"][-1]), bool(config.get("fixed_input_size"))
        shapes = shapes_of(weights)
        count = sum(math.prod(shape) for shape in shapes.values())
        mean, std = _IMAGENET_STATISTICS
        name = hub_id.removeprefix("timm/")
        network = Network(
            name=name,
            title=name,
            when="From an earlier download.",
            image_size_px=size,
            min_size_px=size if fixed else _SMALLEST_PX,
            parameters_m=_millions(count),
            speed=0.0,
            mean=tuple(config.get("mean") or mean),
            std=tuple(config.get("std") or std),
            hub_id=hub_id,
            license=str(config.get("license") or "see its page on the hub"),
            fixed_size=fixed,
            has_stages=structure_of(shapes) is not None,
        )
    except (OSError, ValueError, KeyError, TypeError, NetworkUnavailableError):
        return []
    return [network]


def _millions(count: int) -> float:
    return round(count / 1e6, 1)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def _some(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {more:,} more" if more > 0 else shown
