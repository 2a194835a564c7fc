"""Randomness as a function of (seed, purpose, epoch): numpy's Philox, keyed through SeedSequence.

Nothing here has a state that calls advance, so what is drawn never depends on what was drawn before. Streams
of different seeds, purposes or epochs share nothing: SeedSequence hashes all of them into the key. (Adding
the epoch to the seed, as common samplers do, gives seeds 0 and 1 almost all shuffles in common.)
"""

from __future__ import annotations

import hashlib

import numpy as np


def _sequence(seed: int, purpose: str, epoch: int) -> np.random.SeedSequence:
    digest = hashlib.sha256(purpose.encode()).digest()  # Python's own hash differs from process to process
    words = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little"))
    return np.random.SeedSequence(entropy=seed, spawn_key=(*words, epoch))


def stream(seed: int, purpose: str, epoch: int = 0) -> np.random.Generator:
    """A fresh generator for one purpose in one epoch; the same arguments give the same numbers."""
    return np.random.Generator(np.random.Philox(_sequence(seed, purpose, epoch)))


def seed_for(seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed in [0, 2⁶³) for generators that are not numpy's, such as torch's."""
    return int(_sequence(seed, purpose, epoch).generate_state(1, np.uint64)[0] >> np.uint64(1))
