"""Which device slots this machine offers: one per GPU, or one single-threaded worker per CPU core."""

from __future__ import annotations

import os
import shutil

from rigorkd.errors import InputError


def device_slots(device: str, jobs: int | None, slots: int | None = None) -> list[str]:
    """Torch device names, one per worker. `device` is auto, cpu, cuda or cuda:<index>.

    There are `slots` workers on each GPU (default 1), or `jobs` in all. On a CPU in `reference` mode every
    worker has one thread, so there are as many workers as cores.
    """
    if device == "auto":
        device = "cuda" if shutil.which("nvidia-smi") and _gpus() else "cpu"
    if device == "cpu":
        if slots is not None:
            raise InputError("--slots counts the workers of each GPU", hint="on a CPU, use --jobs")
        return ["cpu"] * (jobs or len(os.sched_getaffinity(0)))
    if device.startswith("cuda"):
        gpus = _gpus()
        if not gpus:
            raise InputError(f"--device {device}: no CUDA device can be used here", hint="use --device cpu")
        index = device.removeprefix("cuda").removeprefix(":")
        if index and not (index.isdigit() and int(index) < gpus):
            raise InputError(f"--device {device}: there are {gpus} CUDA devices, counted from 0")
        names = [device] if index else [f"cuda:{gpu}" for gpu in range(gpus)]
        workers = jobs or len(names) * (slots or 1)
        return [names[worker % len(names)] for worker in range(workers)]
    raise InputError(f"--device {device}: unknown", hint="use auto, cpu, cuda or cuda:<index>")


def grouped(devices: list[str], processes: int) -> list[tuple[str, ...]]:
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


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
