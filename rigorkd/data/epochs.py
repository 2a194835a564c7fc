"""The epoch table: the order of the images and every augmentation draw of an epoch, known in advance.

Because an epoch is a table and not a sequence of calls, a run sees the same batches alone or in a cohort,
resumed or not, and whatever the number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rigorkd.data.random import stream

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
