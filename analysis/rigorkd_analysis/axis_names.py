"""What the axes of a study are called, as its protocol is read, too: nothing is loaded for it."""

from __future__ import annotations

#: Columns that can tell the cells of one method apart.
AXES = (
    "T", "alpha", "ce_weight", "kd_weight", "beta", "gamma", "epochs", "teacher", "start", "training",
    "views", "direction", "t_squared", "lr", "weight_decay", "batch_size",
)  # fmt: skip
#: The ways to write one weight: when one of them is the axis, the others follow it.
SAME_AXIS = dict.fromkeys(("alpha", "ce_weight", "kd_weight"), ("alpha", "ce_weight", "kd_weight"))
DIGESTS = ("training", "views")
"""Columns of a study that say by a short key that cells were trained otherwise, and not in what."""


def others_of(over: str) -> tuple[str, ...]:
    """The axes in which the cells along `over` must agree.

    A digest follows an axis that only some trainer knows, which is a part of what it stands for.
    """
    same = SAME_AXIS.get(over, (over,))
    digests = () if over in ("T", *SAME_AXIS, "epochs", "teacher", "start") else DIGESTS
    return tuple(axis for axis in AXES if axis not in (*same, *digests))
