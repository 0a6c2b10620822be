"""How steps are computed on this machine: decided before the first one, then kept with the run."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.domain.configs.choices import Precision
from core.errors import TrainingError
from core.training.loop.steps import autocast_type

_FEWEST = 2  # images at once; batch normalization cannot learn from one
_USABLE = 0.5  # share of the free memory that one pass may take
_BESIDE = 2.0  # what a backward pass takes, in units of what the forward pass keeps for it
_CLEARLY = 1.25  # times as fast; less is noise, and float32 is more exact
# Inputs of a whole run from which on a CPU is asked whether half precision is faster.
_WORTH_A_PROBE = 5000


@dataclass
class Setup:
    """What a run goes on with wherever it was interrupted, because it changes the last digits.

    Attributes:
        images_at_once: the most of one pass; 0: as the batch size says.
        precision: in which products are computed; auto: not decided yet.
        is_compiled: whether the network is compiled; None: not tried yet.
        processes: that share each step; 0: not decided yet.
    """

    images_at_once: int = 0
    precision: Precision = Precision.AUTO
    is_compiled: bool | None = None
    processes: int = 0

    def to_checkpoint(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"precision": self.precision.value}

    def described(self, asked: Precision, device: torch.device) -> dict[str, object]:
        """How steps are computed, by the names of a run's record."""
        chosen = self.precision if asked is Precision.AUTO else asked
        half = autocast_type(device, chosen)
        return {
            "precision": "float32" if half is None else str(half).removeprefix("torch."),
            "images_at_once": self.images_at_once or None,
            "compiled": bool(self.is_compiled),
        }

    @staticmethod
    def restored(values: dict[str, Any] | None, *, is_new: bool) -> "Setup":
        """That of a checkpoint; of an earlier version, what that version did.

        Args:
            values: as stored, or None.
            is_new: whether no step was planned, so that everything can still be decided.
        """
        if values is None:
            return Setup() if is_new else Setup(is_compiled=False, processes=1)
        return Setup(**{**values, "precision": Precision(values["precision"])})


def largest_part(attempt: Callable[[int], None], most: int) -> int:
    """The most images that one pass takes, found by doubling.

    Args:
        attempt: computes a pass of so many images; out of memory, it raises
            `torch.OutOfMemoryError`.
        most: more are never needed.

    Raises:
        TrainingError: if not even two images fit.
    """
    fitting, count = 0, min(_FEWEST, most)
    while fitting < most:
        try:
            attempt(count)
        except torch.OutOfMemoryError as err:
            if not fitting:
                raise too_little_memory() from err
            break
        fitting, count = count, min(2 * count, most)
    return fitting


def too_little_memory() -> TrainingError:
    """What a person can do where not even two images fit."""
    return TrainingError(
        "There was not enough memory for two images.",
        "Use a smaller image size or network, or choose the CPU.",
    )


def images_that_fit(bytes_per_image: float, free_bytes: int | None) -> int | None:
    """How many images a CPU may compute at once; None: nobody can say.

    Args:
        bytes_per_image: what a forward pass keeps for the backward pass.
        free_bytes: of memory, or None where the system does not tell.
    """
    if free_bytes is None or bytes_per_image <= 0:
        return None
    return max(_FEWEST, int(_USABLE * free_bytes / (_BESIDE * bytes_per_image)))


def kept_bytes(model: nn.Module, compute: Callable[[], object]) -> int:
    """Bytes that forward passes of a network keep for the backward pass, without its weights."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        compute()
    return sum(kept.values())


def free_memory_bytes() -> int | None:
    """Memory that programs can still get; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
        return int(kilobytes) * 1024
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # Windows has no such question
        return None


def half_precision(device: torch.device) -> Precision | None:
    """The half precision that a device computes in by itself; None: it has none."""
    if device.type == "cuda":
        return Precision.BFLOAT16 if torch.cuda.is_bf16_supported() else Precision.FLOAT16
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return Precision.BFLOAT16
    return None


def faster_precision(seconds: Callable[[Precision], float], half: Precision) -> Precision:
    """Half precision if a step takes clearly less time in it, else float32."""
    return half if seconds(half) * _CLEARLY < seconds(Precision.FLOAT32) else Precision.FLOAT32


def is_worth_a_probe(device: torch.device, inputs: int) -> bool:
    """Whether a run is long enough to ask which precision is faster; on a GPU that takes no time.

    Why by the inputs of a run and not by seconds: two runs of the same request decide alike.
    """
    return device.type == "cuda" or (device.type == "cpu" and inputs >= _WORTH_A_PROBE)


def compile_in_place(model: nn.Module, attempt: Callable[[], object]) -> str:
    """Compile a network and try it; gives why that failed, or nothing.

    It then stays as it was. Each shape of a batch is compiled by itself, so that a resumed run
    computes with the same programs.

    Args:
        model: its names of weights stay.
        attempt: computes something with it.
    """
    model.compile(dynamic=False)
    try:
        attempt()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as err:  # whatever compilers of torch say, or that there is none
        undo_compilation(model)
        return next(iter(str(err).strip().splitlines()), type(err).__name__)
    return ""


def undo_compilation(model: nn.Module) -> None:
    """Let a network compute as it is written."""
    model._compiled_call_impl = None
    torch.compiler.reset()


def repeat_exactly(device: torch.device, *, wanted: bool) -> None:
    """Only operations of a GPU that repeat exactly, where that was asked for; a CPU always does.

    An operation that a GPU cannot repeat ends the run with its name.
    """
    wanted = wanted and device.type == "cuda"
    if wanted:  # read when the first matrix product is computed
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(wanted)
    torch.backends.cudnn.benchmark = not wanted
