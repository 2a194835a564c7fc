"""What tests of several packages do alike."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
PRODUCT = ("history.csv", "predictions.npz", "model.safetensors")
"""The files of a record whose bytes must not depend on how the study was run."""


def product_bytes(study: Path) -> dict[str, bytes]:
    """These files of every record by their paths."""
    return {
        str(path.relative_to(study)): path.read_bytes()
        for name in PRODUCT
        for path in sorted(study.rglob(name))
        if not any(part.startswith(".") for part in path.relative_to(study).parts)
    }


def wait_for(condition: Callable[[], bool], seconds: float = 200) -> None:
    """Poll until the condition holds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "waited in vain"
        time.sleep(0.02)


class Touches:
    """Unpickled without care, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def script(name: str) -> ModuleType:
    """A file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
