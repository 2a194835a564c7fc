"""What --seeds leaves out of the seeds with results: whether results could choose it, and what diverged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from rigorkd_analysis.runs import seed_of
from rigorkd_analysis.wording import seeds_listed

from rigorkd.records.interim import listed_seeds
from rigorkd.report.sentences import CHOSEN
from rigorkd.text import some_of

if TYPE_CHECKING:
    import pandas as pd

    from rigorkd.records.interim import InterimAnalysis


FEWEST_JUDGED = 3
"""Of fewer seeds than these nobody has had an analysis: who leaves them out has no others before."""
DIVERGED_AT_OTHERS = ", and at others runs diverged: "
"""What the warning of chosen seeds says before it names cells that diverged where they are not judged."""


def diverged_at_others(warnings: Iterable[str]) -> str:
    """Which cells diverged at finished seeds that `--seeds` leaves out, "" where none did."""
    told = next((text for text in warnings if text.startswith(CHOSEN)), "").partition(", as --seeds")[0]
    return re.split(r", (?:a further test|as before)", told.partition(DIVERGED_AT_OTHERS)[2])[0]


@dataclass(frozen=True)
class ChosenSeeds:
    """The seeds with results, those of them that are judged, and which cells diverged at the others.

    `looks` are those at a study in the order of their times; a table has none that are known.
    """

    there: frozenset[int]
    judged: frozenset[int]
    diverged: tuple[tuple[str, tuple[int, ...]], ...]
    looks: tuple[InterimAnalysis, ...]
    of_study: bool

    @classmethod
    def of(
        cls,
        table: pd.DataFrame,
        kept: pd.DataFrame,
        for_choosing: Sequence[int],
        looks: Sequence[InterimAnalysis],
        of_study: bool,
    ) -> ChosenSeeds:
        """Of all runs and those that are kept; seeds that a protocol kept for choosing are not of either."""

        def finished(table: pd.DataFrame) -> frozenset[int]:
            done = table[table["status"] != "missing"] if "status" in table else table
            seeds = {seed for seed in map(seed_of, done["seed"]) if seed is not None}
            return frozenset(seeds - set(for_choosing))

        there, judged = finished(table), finished(kept)
        fell: dict[str, list[int]] = {}
        if "status" in table:
            rows = table[table["status"] == "diverged"]
            for cell, seed in zip(rows["cell"], map(seed_of, rows["seed"]), strict=True):
                if seed in there - judged:
                    fell.setdefault(str(cell), []).append(seed)
        diverged = tuple((cell, tuple(sorted(seeds))) for cell, seeds in fell.items())
        return cls(there, judged, diverged, tuple(looks), of_study)

    @property
    def left(self) -> list[int]:
        return sorted(self.there - self.judged)

    @property
    def fresh(self) -> bool:
        """Whether the judged seeds are those that came after all others: how these ended chose none of them.

        A study knows it by its looks; of a table only the order of seeds can tell, where there are as many
        before them as somebody may have judged.
        """
        if not self.left or not self.judged:
            return False
        if self.of_study:
            met, _ = self._looked_at()
            return met == self.left and not self._before() & self.judged
        return len(self.left) >= FEWEST_JUDGED and min(self.judged) > self.left[-1]

    @property
    def binding(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The cells, with the seeds, that count as having lost runs although these seeds are not judged."""
        return () if self.fresh else self.diverged

    @property
    def told(self) -> tuple[str, ...]:
        """That finished seeds were left out, and whether they had been looked at: else one could choose."""
        left, judged = self.left, self.judged
        if not left or not judged:
            return ()
        met, since = self._looked_at()
        too = self._seen_of_judged(also=bool(met))
        more = ", a further test after that of others, each at its own alpha" * bool(met and not too)
        more += ", as before others were looked at" * bool(since and not met)
        text = f"{CHOSEN}{len(judged)} of {len(self.there)} finished ones are judged ({listed_seeds(judged)})"
        if self.diverged:
            fell = [f"{cell} ({seeds_listed(seeds)})" for cell, seeds in self.diverged]
            text += f"{DIVERGED_AT_OTHERS}{some_of(tuple(fell), 6)}"
        text += f"{more}, as --seeds asks; the others ({listed_seeds(left)}) "
        if met == left:
            return (text + f"had been looked at before{too}",)
        if since == left:
            return (text + f"have been looked at since{too}",)
        if met or since:
            told = f"{listed_seeds(met)} of them had been looked at before" if met else ""
            then = f"{listed_seeds(since)} of them have been looked at since" if since else ""
            return (text + "are left out, and " + ", ".join(filter(None, (told, then))) + too,)
        none = "are left out; no look had met them" if self.of_study else "are left out"
        return (text + none + too,)

    def _before(self) -> set[int]:
        """The seeds that looks had met before that at these very seeds, which may be given again."""
        earlier = takewhile(lambda look: set(look.seeds) != self.judged, self.looks)
        return {seed for look in earlier for seed in look.seeds}

    def _looked_at(self) -> tuple[list[int], list[int]]:
        """Which of the seeds left out were looked at before those that are judged, and which only since."""
        ever, before = {seed for look in self.looks for seed in look.seeds}, self._before()
        seen = [seed for seed in self.left if seed in ever]
        return [seed for seed in seen if seed in before], [seed for seed in seen if seed not in before]

    def _seen_of_judged(self, *, also: bool) -> str:
        """Which of the seeds that are judged an earlier look had met, but for this very one given again."""
        seen = self._before() & self.judged
        if not seen:
            return ""
        which = (
            "those that are judged"
            if seen == self.judged
            else f"of those that are judged, {listed_seeds(seen)}"
        )
        return f"; {which} had been looked at{', too' if also else ' before'}"
