"""Hyper-parameters that change over the epochs."""

from __future__ import annotations

import math

from rigorkd.protocol.methods import Ramp


def value_at(setting: float | Ramp, epoch: int, epochs: int) -> float:
    """The value of a number or ramp at `epoch` (from 1) of `epochs`.

    Linear and half-cosine ramps have their first value in epoch 1 and their second in the last epoch; a
    training of one epoch sees the first.
    """
    if not isinstance(setting, Ramp):
        return setting
    if setting.step is not None:
        return next(
            value
            for at, value in zip(reversed(setting.step.at), reversed(setting.step.values), strict=True)
            if epoch >= at
        )
    share = 0.0 if epochs == 1 else (epoch - 1) / (epochs - 1)
    if setting.cosine is not None:
        start, end = setting.cosine
        return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
    assert setting.linear is not None, "a ramp has exactly one shape"
    start, end = setting.linear
    return start + (end - start) * share
