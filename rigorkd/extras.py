"""The extras of the installation, and the message of a command that cannot go without one.

`pip install rigorkd` reads, judges and shows; what trains comes with `rigorkd[train]`, and so on. A package
is looked for without being imported, so asking costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from rigorkd.errors import InputError

EXTRAS: Mapping[str, Mapping[str, str]] = {
    "train": {
        "torch": "torch",
        "torchvision": "torchvision",
        "timm": "timm",
        "accelerate": "accelerate",
        "pillow": "PIL",
        "psutil": "psutil",
        "safetensors": "safetensors",
    },
    "hf": {"transformers": "transformers"},
    "datasets": {"datasets": "datasets"},
    "slurm": {"submitit": "submitit"},
    "wandb-report": {"wandb-workspaces": "wandb_workspaces"},
    "excel": {"openpyxl": "openpyxl"},
    "parquet": {"pyarrow": "pyarrow"},
    "inspect": {"zstandard": "zstandard"},
    "tensorboard": {"tensorboard": "tensorboard"},
}
"""Each extra's packages, as pip names them, and the module by which each is imported."""


def is_installed(module: str) -> bool:
    """Whether a module can be imported. A folder of this name in the way does not count."""
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):  # ValueError: somebody has put a placeholder among the modules
        return False
    return spec is not None and spec.origin is not None


def require(extra: str, what: str) -> None:
    """InputError, naming what to install, if `what` (a command, say) needs an extra that is not there."""
    missing = [package for package, module in EXTRAS[extra].items() if not is_installed(module)]
    if missing:
        several = len(missing) > 1
        named = ", ".join(missing[:-1]) + " and " * several + missing[-1]
        raise InputError(
            f"{what} needs the package{'s' * several} {named}",
            hint=f"install {'them' if several else 'it'}: pip install 'rigorkd[{extra}]'",
        )
