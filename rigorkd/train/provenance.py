"""Where a record comes from: versions, settings, git. No user names, no paths, no addresses."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rigorkd import __version__

PACKAGES = ("torch", "torchvision", "timm", "accelerate", "numpy", "pillow")
EXTRAS = ("transformers",)
"""Noted where they are installed."""


@dataclass(frozen=True)
class GitState:
    """The commit of the folder that a study was started in, and whether it had uncommitted changes."""

    commit: str | None
    dirty: bool | None


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what shapes a run's bits."""
    import torch

    found = own_versions()
    found.update({package: metadata.version(package) for package in PACKAGES})
    for package in EXTRAS:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    cudnn = torch.backends.cudnn.version()
    if cudnn is not None:
        found["cudnn"] = str(cudnn)
    return found


def own_versions() -> dict[str, str]:
    """Versions of rigorkd and of the Python that it runs under; what a command runs under is its affair."""
    return {"rigorkd": __version__, "python": platform.python_version()}


def settings() -> dict[str, str | int | bool | None]:
    """How this process computes: driver, processor features, threads and the flags that shape bits."""
    import torch

    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "driver": _driver() if torch.cuda.is_available() else None,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "tf32": torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32,
        "cublas_workspace_config": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


def _driver() -> str | None:
    """The version of the GPU's kernel driver, None where it does not say."""
    try:
        return Path("/sys/module/nvidia/version").read_text().strip()
    except OSError:
        return None


@functools.cache
def git_state(folder: Path) -> GitState:
    """The state of the git checkout around `folder`; nothing if there is none.

    Nothing is written there, and no program started that the checkout's own settings name: it may have come
    from anywhere. Where they name filters of files, whether there are changes stays unknown.
    """

    def git(*arguments: str) -> str | None:
        safe = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
        try:
            answer = subprocess.run(
                ["git", "-C", str(folder), *safe, *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()

    commit = git("rev-parse", "HEAD")
    changes = None
    if commit:
        named = git("config", "--show-scope", "--name-only", "--get-regexp", r"^filter\.") or ""
        if not any(line.startswith(("local", "worktree")) for line in named.splitlines()):
            changes = git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty")
    return GitState(commit, None if changes is None else bool(changes))
