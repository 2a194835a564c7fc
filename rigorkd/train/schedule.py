"""The learning rate of an epoch, in closed form: a function of the epoch, never of what ran before."""

from __future__ import annotations

import math

from rigorkd.protocol.schema import Training


def learning_rate(training: Training, epoch: int) -> float:
    """The learning rate during `epoch` (from 1): linear warm-up, then cosine to `min_lr`, or constant."""
    lr, schedule = training.optimizer.lr, training.schedule
    warmup = schedule.warmup_epochs
    if epoch <= warmup:
        return lr * epoch / (warmup + 1)
    if schedule.name == "constant":
        return lr
    progress = (epoch - 1 - warmup) / max(training.epochs - warmup, 1)
    return schedule.min_lr + (lr - schedule.min_lr) * (1 + math.cos(math.pi * progress)) / 2
