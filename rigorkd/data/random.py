"""Randomness as a function of (seed, purpose, epoch): numpy's Philox, keyed through SeedSequence.

Nothing here has a state that calls advance, so what is drawn never depends on what was drawn before. Streams
of different seeds, purposes or epochs share nothing: SeedSequence hashes all of them into the key. (Adding
the epoch to the seed, as common samplers do, gives seeds 0 and 1 almost all shuffles in common.)

The order of the images and every augmentation draw of an epoch are a table, known in advance: so a run sees
the same batches alone or in a cohort, resumed or not, and whatever the number of workers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt


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


MIX_COLUMNS = 4
"""What `rigorkd.data.mix` takes per batch: the choice, the mixing weight, row and column of the box."""


@dataclass(frozen=True)
class EpochTable:
    """The random numbers of one seed's training on `images` images.

    `role` (student, teacher, start, …) keeps the streams of different kinds of training apart.
    """

    seed: int
    role: str
    images: int

    def order(self, epoch: int) -> npt.NDArray[np.int64]:
        """The order in which the images are shown, shape (images,)."""
        return stream(self.seed, f"{self.role}/order", epoch).permutation(self.images).astype(np.int64)

    def draws(
        self, epoch: int, columns: int, *, view: Literal["train", "strong"] = "train"
    ) -> npt.NDArray[np.float32]:
        """Uniform draws in [0, 1), shape (images, columns); a row belongs to an image, not to a position.

        Every column of either view has its own stream, so an operation appended to a view leaves the earlier
        draws alone, and a strong view leaves those of the training view alone.
        """
        table = np.empty((self.images, columns), np.float32)
        purpose = f"{self.role}/draws" if view == "train" else f"{self.role}/draws/{view}"
        for column in range(columns):
            generator = stream(self.seed, f"{purpose}/{column}", epoch)
            table[:, column] = generator.random(self.images, dtype=np.float32)
        return table

    def mix_draws(self, epoch: int, steps: int) -> npt.NDArray[np.float64]:
        """Uniform draws in [0, 1) for mixing the images of each batch, shape (steps, 4)."""
        return stream(self.seed, f"{self.role}/mix", epoch).random((steps, MIX_COLUMNS))

    def step_seeds(self, epoch: int, steps: int) -> npt.NDArray[np.int64]:
        """Seeds in [0, 2⁶³) for what is drawn inside a step (dropout), shape (steps,)."""
        return stream(self.seed, f"{self.role}/steps", epoch).integers(0, 2**63 - 1, steps, dtype=np.int64)
