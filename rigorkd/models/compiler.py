"""Keeps torch from importing its compiler only to learn which functions not to compile.

The import takes longer, and more memory, than training a small network.
"""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode


def keep_compiler_out() -> None:
    """Answer for optimisers, and for modes that look at every operation, before torch asks its compiler.

    Where torch keeps the answer is its own affair: if it moves, the compiler is imported as before.
    """
    for owner in (torch.optim.Optimizer, *TorchDispatchMode.__subclasses__()):
        for function in vars(owner).values():
            marked = getattr(function, "__wrapped__", None)
            if marked is not None and not hasattr(marked, "__dynamo_disable"):
                marked.__dynamo_disable = marked
