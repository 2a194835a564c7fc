"""The one place where torch's global random state is touched: seeded initialisation of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator inside the block and restore its state afterwards.

    Weights are initialised on the CPU, so the same seed and architecture give the same bits on any device
    and whatever was drawn before.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
