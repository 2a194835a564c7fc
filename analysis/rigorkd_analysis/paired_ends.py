"""Ends of names by which two words, of which one has a setting alone, are compared wherever both are."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rigorkd_analysis.runs import Runs


def paired_ends(runs: Runs, a: Sequence[int], b: Sequence[int]) -> str:
    """`--compare DKD-T4 CRD` for cells such as `r20/DKD-T4` and `r20/CRD`, each way that pairs some of them.

    "" where no folders hold one of either: the ends of their names pair nothing then.
    """
    one, other = ({cell: runs.cells[cell].rpartition("/") for cell in cells} for cells in (a, b))
    found: dict[tuple[str, str], int] = {}
    for folder, _, end in one.values():
        for beside, _, its in other.values():
            if folder and folder == beside and end != its:
                found[end, its] = found.get((end, its), 0) + 1
    most = sorted(found, key=lambda ends: -found[ends])[:3]
    return " or ".join(f"--compare {shlex.quote(end)} {shlex.quote(its)}" for end, its in most)
