"""The devices of this machine, and how many workers share them."""

from __future__ import annotations

import os
import shutil
import subprocess

from rigorkd.cores import usable_cores
from rigorkd.errors import InputError
from rigorkd.extras import is_installed

Workers = list[tuple[str, ...]]
"""The devices of each worker; several where a run takes several processes."""


def device_slots(
    device: str, jobs: int | None, slots: int | None = None, *, by_command: bool = False
) -> list[str]:
    """Torch device names, one per worker. `device` is auto, cpu, cuda or cuda:<index>.

    There are `slots` workers on each GPU (default 1), or `jobs` in all. On a CPU in `reference` mode every
    worker has one thread, so there are as many workers as cores. `by_command`, GPUs are counted without
    torch.
    """
    count_gpus = listed_gpus if by_command else _gpus
    if device == "auto":
        device = "cuda" if shutil.which("nvidia-smi") and count_gpus() else "cpu"
    if device == "cpu":
        if slots is not None:
            raise InputError("--slots counts the workers of each GPU", hint="on a CPU, use --jobs")
        return ["cpu"] * (jobs or usable_cores())
    if device.startswith("cuda"):
        gpus = count_gpus()
        if not gpus:
            raise InputError(f"--device {device}: no CUDA device can be used here", hint="use --device cpu")
        index = device.removeprefix("cuda").removeprefix(":")
        if index and not (index.isdigit() and int(index) < gpus):
            raise InputError(f"--device {device}: there are {gpus} CUDA devices, counted from 0")
        names = [device] if index else [f"cuda:{gpu}" for gpu in range(gpus)]
        workers = jobs or len(names) * (slots or 1)
        return [names[worker % len(names)] for worker in range(workers)]
    raise InputError(f"--device {device}: unknown", hint="use auto, cpu, cuda or cuda:<index>")


def grouped(devices: list[str], processes: int) -> Workers:
    """The devices of each worker where a run takes `processes` of them; what is left over stays idle.

    Raises InputError if there are too few GPUs. Processes on a CPU share its cores.
    """
    if devices[0] == "cpu":
        return [("cpu",) * processes] * max(1, len(devices) // processes)
    gpus = len(set(devices))
    if gpus < processes:
        raise InputError(
            f"processes_per_run: {processes} needs {processes} GPUs, and there are {gpus} here",
            hint="run on a machine with more GPUs, or set a smaller processes_per_run in the protocol",
        )
    return [tuple(devices[at : at + processes]) for at in range(0, len(devices) - processes + 1, processes)]


def listed_gpus() -> int:
    """How many GPUs a command can be given here, by the driver's own list: nothing is imported for it."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip()])
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())


def gpu_name(index: int) -> str:
    """What CUDA_VISIBLE_DEVICES is to say for the GPU of this index, among those that are visible here."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return visible[index] if visible else str(index)


def _gpus() -> int:
    if not is_installed("torch"):  # then commands train
        return listed_gpus()
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
