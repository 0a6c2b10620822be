"""How a training is computed on a machine, and what it leaves there."""

from dataclasses import dataclass

from core.domain.configs.choices import Precision
from core.domain.settings import SettingGroup, setting


@dataclass(frozen=True)
class MachineConfig:
    """Seed, device and precision of a training, and the checkpoints that it keeps."""

    seed: int = setting(
        42,
        "Seed",
        "Fixes the random choices. The same run on the same CPU gives the same model; on a GPU, "
        "repeated runs differ slightly.",
        low=0,
        high=2**31 - 1,
        group=SettingGroup.MACHINE,
    )
    precision: Precision = setting(
        Precision.AUTO,
        "Precision",
        "Auto times a few steps in half precision and in float32 where the device has both, and "
        "takes half only if it is clearly faster.",
        group=SettingGroup.MACHINE,
    )
    deterministic: bool = setting(
        False,
        "Deterministic GPU",
        "Only operations that repeat exactly: the same seed gives the same weights on a GPU too, "
        "more slowly. A CPU always repeats.",
        group=SettingGroup.MACHINE,
    )
    largest_batch: bool = setting(
        False,
        "Largest batch that fits",
        "Compute as many images at once as fit in memory, found by doubling. A step stays batch "
        "size times accumulated batches.",
        group=SettingGroup.MACHINE,
    )
    compiled: bool = setting(
        False,
        "Compile the network",
        "Takes minutes before the first step and speeds up long runs. Without a C++ compiler the "
        "run says so and goes on as it is.",
        option="compile",
        group=SettingGroup.MACHINE,
    )
    processes: int = setting(
        0,
        "Processes",
        "How many processes share each step, one per GPU. 0: all GPUs of this machine, or one "
        "process on a CPU.",
        low=0,
        high=64,
        group=SettingGroup.MACHINE,
    )
    device: str = setting(
        "auto",
        "Device",
        "Where to compute: auto (a GPU if there is one), cpu, cuda, cuda:1, mps.",
        group=SettingGroup.MACHINE,
    )
    checkpoint_ends: bool = setting(
        False,
        "Keep best and last epoch",
        "Also keep the weights of the best and of the last epoch once the run is over: two files, "
        "each as large as the model.",
        group=SettingGroup.CHECKPOINTS,
    )
    checkpoint_interval: int = setting(
        0,
        "Checkpoint interval",
        "Keep the weights after every so many epochs, to make models of them later. 0: none.",
        low=0,
        high=1000,
        group=SettingGroup.CHECKPOINTS,
    )
    checkpoint_limit: int = setting(
        5,
        "Most checkpoints",
        "How many checkpoints of the interval are kept, each as large as the model; older ones "
        "are deleted.",
        low=1,
        high=1000,
        group=SettingGroup.CHECKPOINTS,
    )
