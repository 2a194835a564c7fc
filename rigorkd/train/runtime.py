"""The process that trains: device, determinism, one Accelerator per student."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from rigorkd.errors import InputError


@dataclass(frozen=True)
class Runtime:
    """Where and how this process computes. `device` is torch's name: `cpu`, `cuda:0`."""

    device: torch.device
    mode: str
    threads: int

    def accelerator(self, precision: str) -> Accelerator:
        """A new Accelerator with its own gradient scaler, so that one student's overflow is its own.

        Everything is passed explicitly: a user's own accelerate configuration must not change results.
        """
        return Accelerator(
            device_placement=False,
            mixed_precision={"fp32": "no"}.get(precision, precision),
            cpu=self.device.type == "cpu",
            gradient_accumulation_steps=1,
            step_scheduler_with_optimizer=False,
        )

    def hardware(self) -> str:
        """The name of the device, for the record: `CPU, 1 thread (model name)` or the GPU's name."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"CPU, {self.threads} thread{'s' * (self.threads > 1)} ({_processor()})"

    def memory_bytes(self) -> int:
        """Memory that is free on the device now."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0]
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")

    def synchronize(self) -> None:
        """Wait for the device (nothing to wait for on a CPU)."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def start_runtime(device: str, mode: str) -> Runtime:
    """Set this process up for `reference` mode: eager, deterministic algorithms, one thread on a CPU.

    The thread count changes the order of sums and so the bits; hence one thread, and more workers instead.
    """
    # cuBLAS reads this when it is first used; without it, deterministic algorithms raise on CUDA.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    where = torch.device(device)
    if where.type == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device can be used here", hint="use --device cpu")
    torch.use_deterministic_algorithms(True)
    # Deterministic algorithms would also fill every new tensor, to expose reads of memory never written; that
    # is a debugging aid, and costs a pass over memory for each activation.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if where.type == "cpu":
        torch.set_num_threads(1)
    else:
        torch.cuda.set_device(where)
    return Runtime(where, mode, torch.get_num_threads())


def generator_of(device: torch.device) -> torch.Generator:
    """The default generator that dropout on this device draws from."""
    if device.type == "cuda":
        index = device.index if device.index is not None else torch.cuda.current_device()
        return torch.cuda.default_generators[index]
    return torch.default_generator


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
