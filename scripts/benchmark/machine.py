"""What a benchmark ran on, named in every output."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from rigorkd import __version__
from rigorkd.train.provenance import git_state
from rigorkd.train.runtime import Runtime

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Machine:
    """Hardware, code, versions, mode and date of one output."""

    hardware: str
    threads: int
    mode: str
    precision: str
    clock: str
    python: str
    torch: str
    torchvision: str
    accelerate: str
    rigorkd: str
    date: str
    cuda: str = ""
    """The CUDA that PyTorch was built with; empty on a CPU."""
    git_commit: str | None = None
    git_dirty: bool | None = None
    """Of the checkout that was measured, and whether it had uncommitted changes; None: it is none."""

    def text(self) -> str:
        """One line for people."""
        built = f" (CUDA {self.cuda})" if self.cuda else ""
        return (
            f"{self.hardware}; mode {self.mode}, {self.precision}; torch {self.torch}{built}, torchvision "
            f"{self.torchvision}, accelerate {self.accelerate}, Python {self.python}; {self.clock}; "
            f"{self.date}"
        )


def describe(runtime: Runtime, precision: str, date: str) -> Machine:
    """This machine, as the runtime has set it up, and the code that is measured."""
    git = git_state(ROOT)
    return Machine(
        hardware=runtime.hardware(),
        threads=torch.get_num_threads(),
        mode=runtime.mode,
        precision=precision,
        clock="device events" if runtime.device.type == "cuda" else "process time",
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=_version("torchvision"),
        accelerate=_version("accelerate"),
        rigorkd=__version__,
        date=date,
        cuda=(torch.version.cuda or "") if runtime.device.type == "cuda" else "",
        git_commit=git.commit,
        git_dirty=git.dirty,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
