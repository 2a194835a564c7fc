"""The grammar of seeds, for `seeds:` in a protocol and `--seeds` on the command line.

`5` is seeds 0 to 4, `5:10` is seeds 5 to 9, `3,7,11` is just these.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rigorkd.errors import InputError

GRAMMAR = "5 means seeds 0 to 4, 5:10 means seeds 5 to 9, 3,7,11 means these three"
MOST_SEEDS = 10_000
LARGEST_SEED = 2**31 - 1


def parse_seeds(value: object) -> tuple[int, ...]:
    """The seeds that a number, a text or a sequence of numbers means, in the order written.

    Raises `InputError`, whose hint teaches the grammar.
    """
    if isinstance(value, bool):
        raise _refused(f"seeds cannot be {str(value).lower()}")
    if isinstance(value, int):
        return _first(value)
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, Sequence):
        return _distinct([_seed(item) for item in value])
    raise _refused("seeds are a number, a range or a list of numbers")


def _from_text(text: str) -> tuple[int, ...]:
    compact = text.strip()
    if re.fullmatch(r"[+-]?\d{1,18}", compact, re.ASCII):
        return _first(int(compact))
    if bounds := re.fullmatch(r"(\d{1,18})\s*:\s*(\d{1,18})", compact, re.ASCII):
        start, stop = int(bounds[1]), int(bounds[2])
        if stop <= start:
            raise _refused(f"the range of seeds {compact!r} is empty: its end is not above its start")
        _limit(stop - start)
        return tuple(range(_seed(start), _seed(stop - 1) + 1))
    if "," in compact and re.fullmatch(r"[\d\s,]+", compact, re.ASCII):
        parts = [part.strip() for part in compact.removesuffix(",").split(",")]
        if all(re.fullmatch(r"\d{1,18}", part, re.ASCII) for part in parts):
            return _distinct([int(part) for part in parts])
    if not compact:
        raise _refused("no seeds are given")
    shown = compact if len(compact) <= 40 else compact[:37] + "..."
    raise _refused(f"{shown!r} does not say which seeds")


def _first(n: int) -> tuple[int, ...]:
    if n < 1:
        raise _refused(f"{n} seeds cannot be run: at least 1 is needed")
    _limit(n)
    return tuple(range(n))


def _distinct(seeds: list[int]) -> tuple[int, ...]:
    if not seeds:
        raise _refused("no seeds are given")
    _limit(len(seeds))
    seen: set[int] = set()
    for seed in seeds:
        if seed in seen:
            raise _refused(f"seed {seed} is given twice")
        seen.add(_seed(seed))
    return tuple(seeds)


def _seed(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused(f"a seed must be a whole number, not {value!r}")
    if not 0 <= value <= LARGEST_SEED:
        raise _refused(f"a seed must lie between 0 and {LARGEST_SEED}, not {value}")
    return value


def _limit(n: int) -> None:
    if n > MOST_SEEDS:
        raise _refused(f"{n} seeds are more than the {MOST_SEEDS:,} that one study may have")


def _refused(message: str) -> InputError:
    return InputError(message, hint=GRAMMAR)
