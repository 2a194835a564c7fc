"""Which looks were planned: those of the protocol that stood when the seeds were first looked at.

A look at the full level and a stricter one after it reject more true nulls than the stricter two together:
looks that are added once results were seen buy nothing, and looks that are dropped still have to be paid for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rigorkd_analysis.analysis_plan import Correction, Inference, Test, unusable

from rigorkd.files import SECOND

if TYPE_CHECKING:
    from rigorkd.records.interim import InterimAnalysis

OTHER_LOOKS = "looks: "
"""How the warning begins that says that the looks of the protocol are not those that were planned."""


class HasTest(Protocol):
    """An analysis section, or a plan: how comparisons are tested."""

    @property
    def test(self) -> Test: ...
    @property
    def inference(self) -> Inference: ...
    @property
    def correction(self) -> Correction: ...


@dataclass(frozen=True)
class PlannedLooks:
    """Looks in force for some seeds; `says` why these are not the ones that the newest protocol asks for."""

    looks: tuple[int, ...]
    says: str = ""


@dataclass(frozen=True)
class LooksAsked:
    """The looks of every protocol that was run into a study, with when it was, the newest last.

    Where nobody noted when, the time is "": it may have been after any look, but for the first one.
    """

    history: tuple[tuple[str, tuple[int, ...]], ...]

    def planned(
        self, looks: Iterable[InterimAnalysis], seeds: Collection[int], analysis: HasTest
    ) -> PlannedLooks:
        """Those in force for these seeds, which the `looks` so far may have met, under this analysis.

        Looks that were dropped for a test that has none are not in force: it meets seeds that were seen.
        """
        asked = self.history[-1][1]
        met = [look for look in looks if not set(seeds).isdisjoint(look.seeds)]
        if not met:
            return PlannedLooks(asked)
        first = min(met, key=lambda look: look.time)
        stood = self.history[0][1]
        for time, then in self.history[1:]:
            if time and time[:SECOND] < first.time[:SECOND]:
                stood = then
        has_none = any(unusable(analysis.test, analysis.inference, stood, analysis.correction))
        if stood and has_none:
            return PlannedLooks((), _says(stood, asked, first.n, has_none=True))
        return PlannedLooks(stood, _says(stood, asked, first.n))


def _says(stood: tuple[int, ...], asked: tuple[int, ...], n: int, *, has_none: bool = False) -> str:
    if stood == asked:
        return ""
    after, then, now = f"after a look at n = {n}", _listed(stood), _listed(asked)
    unplanned = "what was looked at before counts as a look that was not planned"
    if has_none:
        said = f"those at {then} seeds were dropped {after}, for a test that has none: {unplanned}"
    elif not stood:
        said = f"those at {now} seeds were added {after}, so they are not used: {unplanned}"
    elif not asked:
        said = f"those at {then} seeds were dropped {after}, so they still hold, each at its planned level"
    else:
        said = f"changed to {now} seeds {after}, so those at {then} seeds, planned before it, still hold"
    return OTHER_LOOKS + said


def _listed(looks: tuple[int, ...]) -> str:
    return ", ".join(map(str, looks))
