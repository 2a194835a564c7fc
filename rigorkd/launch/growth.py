"""Seeds that are added to a study which was analysed before: what they cost, and which ways are valid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rigorkd.protocol.schema import Analysis
from rigorkd.records.interim import listed_seeds, read_interim_analyses


@dataclass(frozen=True)
class Growth:
    """Seeds that are added to a study after it was analysed at `sizes` seeds: `fresh` ones, `total` then."""

    folder: Path
    sizes: tuple[int, ...]
    fresh: tuple[int, ...]
    total: int
    unpaired: bool

    def says(self) -> str:
        """What it costs, and which ways are valid."""
        from rigorkd_analysis.stats.sequential import error_of_looks

        error = error_of_looks((*(size for size in self.sizes if size > 1), self.total))
        sizes = ", ".join(map(str, self.sizes))
        spent = f"  {text}\n" if (text := self.spends()) else ""
        return (
            f"note: {self.folder} was analysed at n = {sizes}. Analysed again at n = {self.total}, a test at "
            f".05 rejects a true null about {error:.2f} of the time: every verdict will be inconclusive.\n"
            f"  valid: {self.ways()}; looks that are planned before the first of them\n"
            f"{spent}  (each batch of new seeds is a test of its own at .05: it or a look before it rejects "
            f"a true null in up to {1 - 0.95 ** (len(self.sizes) + 1):.3f} of studies)"
        )

    def ways(self, study: str = "") -> str:
        """The commands whose verdicts keep the error rate, of a `study` where one is named."""
        analyze = f"rigorkd analyze {study}".rstrip()
        alone = f"the new seeds alone, `{analyze} --seeds {listed_seeds(self.fresh)}`"
        if self.unpaired:
            return alone
        sequential = f"`{analyze} --sequential`, at any time"
        if len(self.fresh) < 2:
            return sequential
        first = f"{alone}, as the first look at them"
        if len(self.fresh) == 2:  # of which an interval is 13 standard errors wide to either side
            return f"{sequential}; or {first} (two seeds show little)"
        return f"{first}; or {sequential}"

    def spends(self, study: str = "") -> str:
        """What takes the way of the new seeds alone away; "" where that is none."""
        if len(self.fresh) < 2 and not self.unpaired:
            return ""
        analyze = f"rigorkd analyze {study}".rstrip()
        looks = f"a plain `{analyze}`, or any other that has the new seeds, is their first look"
        return f"{looks} and uses it up, as --sequential does"


def growth_of(
    folder: Path, seeds: Iterable[int], analysis: Analysis | None = None, planned: Sequence[int] = ()
) -> Growth | None:
    """What these seeds add to a study that was looked at; None if nothing.

    Nothing do they where a look at as many seeds was `planned`. Seeds that the protocol's `analysis` keeps
    for choosing are none to judge.
    """
    chosen_on = analysis.selection.seeds if analysis and analysis.selection else ()
    asked = set(seeds) - set(chosen_on)
    looks = [look.without(chosen_on) for look in read_interim_analyses(folder)]
    seen = {seed for look in looks for seed in look.seeds}
    fresh = asked - seen
    if not looks or not fresh or len(asked | seen) in planned:
        return None
    sizes = tuple(sorted({look.n for look in looks}))
    unpaired = analysis is not None and analysis.test == "unpaired"
    return Growth(folder, sizes, tuple(sorted(fresh)), len(asked | seen), unpaired)


def is_repeated(
    folder: Path, seeds: Iterable[int], analysis: Analysis | None = None, planned: Sequence[int] = ()
) -> bool:
    """Whether a plain analysis of these seeds repeats a look at fewer of them, which --sequential does not.

    Looks at as many seeds as were `planned` are repeated by design.
    """
    chosen_on = analysis.selection.seeds if analysis and analysis.selection else ()
    asked = set(seeds) - set(chosen_on)
    looks = [set(look.without(chosen_on).seeds) for look in read_interim_analyses(folder)]
    paired = analysis is None or analysis.test != "unpaired"
    return paired and len(asked) not in planned and any(len(look) > 1 and look < asked for look in looks)


def way_on(
    folder: Path, seeds: Iterable[int], analysis: Analysis | None, planned: Sequence[int], study: str
) -> str:
    """How a study goes on whose plain analysis would repeat a look, "" where it would not.

    A plain one judges all its seeds, whichever were asked for now; of these alone, a first look stays valid.
    """
    chosen_on = analysis.selection.seeds if analysis and analysis.selection else ()
    asked = set(seeds) - set(chosen_on)
    looks = [set(look.without(chosen_on).seeds) for look in read_interim_analyses(folder)]
    every = asked.union(*looks)
    if not is_repeated(folder, every, analysis, planned):
        return ""
    sequential = f"rigorkd analyze {study} --sequential"
    if asked == every or asked not in looks:
        return sequential
    before = set[int]().union(*looks[: looks.index(asked)])
    alone = f"rigorkd analyze {study} --seeds {listed_seeds(asked)}, as they were looked at alone"
    return sequential if before & asked else f"{alone}; or {sequential}"


def cost_of_growing(
    folder: Path, seeds: Iterable[int], analysis: Analysis | None = None, planned: Sequence[int] = ()
) -> str:
    """What it costs to add seeds to a study that was looked at, and which ways are valid; "" if nothing."""
    grown = growth_of(folder, seeds, analysis, planned)
    return "" if grown is None else grown.says()
