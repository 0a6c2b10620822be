"""Feature runtimes: pixels in, features out, as fast as the machine can.

On a CPU the network runs in OpenVINO, several times faster than eager PyTorch; the converted
network is kept on disk with its digests, so the conversion (which needs torch) happens once, and
again where it was damaged. On a GPU it runs in PyTorch.
"""

import contextlib
import hashlib
import shutil
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.configs.choices import Detail
from core.files import atomic_folder
from core.models.backbone import machine_cache
from core.models.bundle import Tensors

if TYPE_CHECKING:
    import torch


# To be counted up whenever the graph of a detail level changes: names converted networks.
_GRAPH = 2
_FILES = ("network.xml", "network.bin")
_DIGESTS = "digests.txt"
_PATIENCE_S = 300.0  # for one image; a runtime that failed would be waited for without end
Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]
Maps = NDArray[np.float32]


class FeatureRuntime(Protocol):
    """Runs a network without its head."""

    def features(self, pixels: Pixels) -> Features:
        """Uint8 [N, S, S, 3] to float32 [N, D]."""
        ...

    def begin(self, pixels: Pixels) -> Future[Features]:
        """Begin an image: uint8 [S, S, 3]; the result is float32 [D]. May be called by any thread.

        Waits while as many images as the machine computes at once are under way.
        """
        ...

    def alone(self, pixels: Pixels) -> Features:
        """Uint8 [S, S, 3] to float32 [D], on all cores at once: for an image that comes alone.

        Its last digits may differ from those of `features`. May be called by any thread.
        """
        ...

    def stream(self, images: Iterable[Pixels]) -> Iterator[Features]:
        """Uint8 [S, S, 3], one at a time, to float32 [D] in their order.

        The next image is fetched while earlier ones are computed.
        """
        ...

    def maps(self, pixels: Pixels) -> Maps | None:
        """Uint8 [N, S, S, 3] to float32 [N, D, h, w], whose means are the features.

        None where the features are not the means of maps, or the runtime cannot tell.
        """
        ...

    def stage_maps(self, pixels: Pixels) -> list[Maps]:
        """Uint8 [P, P, 3] to the maps of each stage [V, D_k, h, w], in the order of the features.

        Only for details beyond the whole image; the features are their means and maxima.
        """
        ...


def backbone_digest(
    tensors: Tensors,
    head: str,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    image_size_px: int,
    detail: Detail = Detail.WHOLE,
) -> str:
    """Names a converted network: weights without the head, normalization, image size and detail."""
    digest = hashlib.sha256(f"{mean} {std} {image_size_px}".encode())
    for name in sorted(tensors):
        if not name.startswith(f"{head}."):
            digest.update(name.encode())
            digest.update(tensors[name].tobytes())
    if detail is not Detail.WHOLE:  # the others keep the names of before there were details
        digest.update(f"{detail} {_GRAPH}".encode())
    return digest.hexdigest()[:32]


def open_runtime(
    key: str,
    build: Callable[[], "torch.nn.Module"],
    cache_folder: Path,
    image_size_px: int,
    *,
    device: str = "cpu",
    share: bool = False,
) -> FeatureRuntime:
    """The fastest runtime for a device.

    Args:
        key: `backbone_digest` of the network; names its converted form in the cache.
        build: makes the torch module; called only when there is no converted form yet, or on a
            GPU.
        cache_folder: where converted networks are kept.
        image_size_px: side of the images.
        device: `cpu`, `cuda`, `cuda:1`, `mps`.
        share: keep the converted network for all workspaces of this user, not in `cache_folder`.
            What is kept there is used in any case.

    Raises:
        OSError: if the network must be converted, and there is no room for it.
    """
    if device != "cpu":
        return TorchRuntime(build(), device)
    shared = machine_cache() / "runtimes" / key
    for folder in (cache_folder / key, shared):
        ready = _opened(folder)
        if ready is not None:
            return ready
    network = _converted_network(build(), image_size_px)
    for folder in (shared, cache_folder / key) if share else (cache_folder / key,):
        # Why it may fail: a folder that is full or read-only is no reason to stop.
        with contextlib.suppress(OSError):
            shutil.rmtree(folder, ignore_errors=True)  # what is there could not be used
            _save(network, folder)
        ready = _opened(folder)  # not what was damaged and could not be removed
        if ready is not None:
            return ready
    with tempfile.TemporaryDirectory() as place:
        _save(network, Path(place, key))
        return OpenVinoRuntime(_read(Path(place, key), in_memory=True))


def _opened(folder: Path) -> "OpenVinoRuntime | None":
    """The runtime of a converted network; None if there is none, or it is damaged.

    Earlier versions kept no digests: theirs are converted again.
    """
    try:
        if (folder / _DIGESTS).read_bytes() != _digests(folder):
            return None
        return OpenVinoRuntime(_read(folder))
    except (OSError, RuntimeError):
        return None


def _digests(folder: Path) -> bytes:
    """The SHA-256 of the files of a converted network, as sha256sum writes it."""
    lines = []
    for name in _FILES:
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines).encode()


def _read(folder: Path, *, in_memory: bool = False) -> Any:
    core = openvino_module().Core()
    if in_memory:  # else its file is open as long as it is used
        core.set_property({"ENABLE_MMAP": False})
    return core.read_model(folder / "network.xml")


class OpenVinoRuntime:
    """A converted network on the CPU."""

    def __init__(self, network: Any) -> None:
        self._network = network  # an openvino.Model
        self._starting = threading.Lock()
        self._alone = threading.Lock()
        self._shape = tuple(int(side) for side in list(self._network.output(0).shape)[1:])

    @cached_property
    def _queue(self) -> Any:
        """Made when the first image is classified: a heatmap alone does without it."""
        compiled = (
            openvino_module()
            .Core()
            .compile_model(
                self._network,
                "CPU",
                {
                    # Why: the plug-in may otherwise choose half precision where a CPU offers it.
                    "INFERENCE_PRECISION_HINT": "f32",
                    "PERFORMANCE_HINT": "THROUGHPUT",
                },
            )
        )
        queue = openvino_module().AsyncInferQueue(compiled)
        queue.set_callback(_keep)
        return queue

    def features(self, pixels: Pixels) -> Features:
        """Uint8 [N, S, S, 3] to float32 [N, D], or what it gives; images run side by side."""
        result = np.empty((len(pixels), *self._shape), np.float32)
        for position, row in enumerate(self.stream(pixels)):
            result[position] = row
        return result

    def begin(self, pixels: Pixels) -> Future[Features]:
        """Begin an image: uint8 [S, S, 3]; the result is float32 [D]. May be called by any thread.

        Waits while as many images as the machine computes at once are under way.
        """
        future: Future[Features] = Future()
        with self._starting:
            self._queue.start_async({0: pixels[None]}, future)
        return future

    def alone(self, pixels: Pixels) -> Features:
        """Uint8 [S, S, 3] to float32 [D], on all cores at once. May be called by any thread."""
        with self._alone:
            return np.array(self._alone_request.infer({0: pixels[None]})[0][0])

    @cached_property
    def _alone_request(self) -> Any:
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        compiled = openvino_module().Core().compile_model(self._network.clone(), "CPU", settings)
        return compiled.create_infer_request()

    def stream(self, images: Iterable[Pixels]) -> Iterator[Features]:
        """Uint8 [S, S, 3], one at a time, to float32 [D] in their order.

        The next image is fetched while earlier ones are computed.
        """
        under_way: deque[Future[Features]] = deque()
        try:
            for pixels in images:
                under_way.append(self.begin(pixels))
                while under_way and under_way[0].done():
                    yield under_way.popleft().result()
            for future in under_way:
                yield future.result(timeout=_PATIENCE_S)
        finally:
            # Why: a thread that still returns from `_keep` aborts a program that ends meanwhile.
            self._queue.wait_all()

    def maps(self, pixels: Pixels) -> Maps | None:
        """Uint8 [N, S, S, 3] to float32 [N, D, h, w]; None where features are not their means."""
        request = self._map_request
        if request is None:
            return None
        rows = [request.infer({0: pixels[i : i + 1]})[0].copy() for i in range(len(pixels))]
        return np.concatenate(rows)

    def stage_maps(self, pixels: Pixels) -> list[Maps]:
        """Uint8 [P, P, 3] to maps of each stage [V, D_k, h, w], in the order of the features."""
        result = self._stage_request.infer({0: pixels[None]})
        return [np.array(result[i]) for i in range(len(result))]

    @cached_property
    def _stage_request(self) -> Any:
        """The network with the maps of its stages as outputs, last stage first."""
        network = self._network.clone()
        node = network.outputs[0].get_node()
        while node.get_type_name() != "Concat":  # of mean, maximum, mean, maximum ...
            node = node.input_value(0).get_node()
        pooled = [value.get_node() for value in node.input_values()]
        return _single_request([peak.input_value(0) for peak in pooled[1::2]], network)

    @cached_property
    def _map_request(self) -> Any:
        """The network up to its last maps; made when the first heatmap is asked for."""
        network = self._network.clone()
        maps = _pooled_maps(network)
        return None if maps is None else _single_request([maps], network)


class TorchRuntime:
    """A network in PyTorch, for GPUs."""

    def __init__(self, module: "torch.nn.Module", device: str, batch_size: int = 64) -> None:
        self._module = module.eval().to(device)
        self._device = device
        self._batch_size = batch_size
        self._one_at_a_time = threading.Lock()

    def features(self, pixels: Pixels) -> Features:
        """Uint8 [N, S, S, 3] to float32 [N, D]."""
        import torch

        batches, cudnn = [], torch.backends.cudnn
        # Why: a GPU else rounds what convolutions take to 10 bits, unlike the CPU that predicts.
        exact = cudnn.flags(enabled=True, deterministic=cudnn.deterministic, allow_tf32=False)
        with torch.inference_mode(), exact:
            for start in range(0, len(pixels), self._batch_size):
                batch = torch.from_numpy(
                    np.ascontiguousarray(pixels[start : start + self._batch_size])
                )
                batches.append(self._module(batch.to(self._device)).float().cpu().numpy())
        return np.concatenate(batches)

    def begin(self, pixels: Pixels) -> Future[Features]:
        """An image, uint8 [S, S, 3]; the result, float32 [D], is there already."""
        future: Future[Features] = Future()
        with self._one_at_a_time:
            future.set_result(self.features(pixels[None])[0])
        return future

    def alone(self, pixels: Pixels) -> Features:
        """Uint8 [S, S, 3] to float32 [D]."""
        with self._one_at_a_time:
            (features,) = self.features(pixels[None])
        return np.asarray(features, np.float32)

    def stream(self, images: Iterable[Pixels]) -> Iterator[Features]:
        """Uint8 [S, S, 3], one at a time, to float32 [D] in their order, batch by batch."""
        rest = iter(images)
        while batch := list(islice(rest, self._batch_size)):
            yield from self.features(np.stack(batch))

    def maps(self, pixels: Pixels) -> Maps | None:
        """None: explanations are rare, and made by PyTorch's own gradients."""
        return None

    def stage_maps(self, pixels: Pixels) -> list[Maps]:
        """Uint8 [P, P, 3] to maps of each stage [V, D_k, h, w], in the order of the features."""
        import torch

        from core.models.detail import StageFeatures

        assert isinstance(self._module, StageFeatures)
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(pixels[None])).to(self._device)
            stages = self._module.stages(self._module.views(batch))
        return [maps.float().cpu().numpy() for maps in stages]


def _keep(request: Any, future: Future[Features]) -> None:
    """Hand over what a request has computed; its memory is used again by the next one."""
    future.set_result(np.array(request.get_output_tensor(0).data[0]))


def _single_request(outputs: list[Any], network: Any) -> Any:
    """A request for some outputs of a network, one image at a time."""
    ov = openvino_module()
    # Why one thread: a single image gains little from more, and trainings run beside it.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    part = ov.Model(outputs, network.get_parameters())
    return ov.Core().compile_model(part, "CPU", settings).create_infer_request()


def _pooled_maps(network: Any) -> Any:
    """The output [1, D, h, w] whose mean over h and w is the output of a network, or None."""
    node = network.outputs[0].get_node().input_value(0).get_node()
    while node.get_type_name() in ("Reshape", "Squeeze"):  # only drops the axes of length 1
        node = node.input_value(0).get_node()
    if node.get_type_name() != "ReduceMean":
        return None
    axes = node.input_value(1).get_node()
    if axes.get_type_name() != "Constant" or sorted(axes.data.ravel() % 4) != [2, 3]:
        return None
    return node.input_value(0)


def chunks(count: int, size: int = 64) -> Iterator[slice]:
    """Slices that cover `count` rows."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _converted_network(module: "torch.nn.Module", image_size_px: int) -> Any:
    """The module as an OpenVINO network."""
    import warnings

    import torch

    ov = openvino_module()
    example = torch.zeros(1, image_size_px, image_size_px, 3, dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of its own coming retirement
        network = ov.convert_model(module.eval(), example_input=example)
    network.reshape([1, image_size_px, image_size_px, 3])
    return network


def _save(network: Any, folder: Path) -> None:
    """Write a network with its digests; complete or not at all."""
    with atomic_folder(folder) as partial:
        openvino_module().save_model(network, partial / "network.xml", compress_to_fp16=False)
        (partial / _DIGESTS).write_bytes(_digests(partial))


def openvino_module() -> Any:
    """The package, without its report of use."""
    # Why: the converter reports its use to its maker unless this package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
