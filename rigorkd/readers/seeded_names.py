"""Names of configurations that hold the seed of their run: `kd_T4_seed0` and `kd_T4_seed1` are one cell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rigorkd_analysis.runs import seed_of

from rigorkd.readers.known_names import LONGEST, seed_in

if TYPE_CHECKING:
    import pandas as pd

_TAIL = re.compile(
    r"(.+?)((?:[-_ ./#=:(\[]+(?:seed|run|rep|repeat|repetition|trial|try|sd|s|r)?"
    r"|(?<![a-z])(?:seed|run|trial))[-_ #=:]*)(\d{1,19})[)\]]?",
    re.IGNORECASE,
)
"""A name that ends in a number behind a sign or a repetition's word: kd_run3, kd-3, kd (2); no resnet18."""


def stems(names: pd.Series[Any], seeds: pd.Series[Any]) -> dict[str, str] | None:
    """Each name without the seed that it holds, where all of them agree; None where that is not so.

    The number need not be the seed itself (run 1 at seed 42), if each number has one seed in the whole table.
    A name that comes at several seeds holds none of them.
    """
    pairs = dict.fromkeys(zip(names, seeds, strict=True))
    at: dict[str, set[int | None]] = {}
    for name, seed in pairs:
        at.setdefault(name, set()).add(seed_of(seed))
    made: dict[str, str] = {}
    numbers: dict[int, int] = {}
    joints: set[str] = set()
    for name, own in at.items():
        (seed, *others) = own
        if others:
            made[name] = name
            continue
        found = _held(name)
        if seed is None or found is None or numbers.setdefault(found[0], seed) != seed:
            return None
        made[name] = found[1]
        joints.add(found[2])
    if len(numbers) < 2 or len(set(numbers.values())) < len(numbers) or len(joints) != 1:
        return None
    left = [made[name] for name, own in at.items() if len(own) == 1]
    same = all(number == seed for number, seed in numbers.items())
    several = sum(left.count(stem) > 1 for stem in set(left))
    return made if several > (0 if same else 1) else None


def _held(name: str) -> tuple[int, str, str] | None:
    """The number of a run that a name holds, the name without it, and what stood before the number."""
    if len(name) > LONGEST:
        return None
    if (found := seed_in(name)) is not None and found[1]:
        return (*found, "seed")
    tail = _TAIL.fullmatch(name)
    return (int(tail[3]), tail[1], tail[2].casefold()) if tail else None


def pattern_in(names: pd.Series[Any]) -> str:
    """The pattern by which names tell runs apart where no column does, `_run{}`; "" where there is none."""
    found = [_held(name) for name in names.unique()]
    held = [one for one in found if one is not None]
    joints = {joint for _, _, joint in held}
    counts = {stem: [number for number, own, _ in held if own == stem] for _, stem, _ in held}
    if len(held) < len(found) or len(joints) != 1 or not all(len(own) > 1 for own in counts.values()):
        return ""
    joint = joints.pop()
    return f"{joint}{{}}" if re.search("[a-z]", joint) and joint != "seed" else ""
