"""Where a record comes from: versions, hardware, git. No user names, no paths, no addresses."""

from __future__ import annotations

import functools
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from rigorkd import __version__

PACKAGES = ("torch", "torchvision", "timm", "accelerate", "numpy")


@dataclass(frozen=True)
class GitState:
    """The commit of the folder that a study was started in, and whether it had uncommitted changes."""

    commit: str | None
    dirty: bool | None


@functools.cache
def versions() -> dict[str, str]:
    """Versions of what shapes a run's bits."""
    found = {"rigorkd": __version__, "python": platform.python_version()}
    found.update({package: metadata.version(package) for package in PACKAGES})
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    cudnn = torch.backends.cudnn.version()
    if cudnn is not None:
        found["cudnn"] = str(cudnn)
    return found


@functools.cache
def git_state(folder: Path) -> GitState:
    """The state of the git checkout around `folder`; nothing if there is none."""

    def git(*arguments: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()

    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no") if commit else None
    return GitState(commit, None if changes is None else bool(changes))
