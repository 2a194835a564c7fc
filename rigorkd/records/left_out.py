"""What a protocol no longer has of what its study planned, and what that means for what is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rigorkd.text import some_of

if TYPE_CHECKING:
    from rigorkd.protocol.schema import Analysis, Contrast


CELLS_GONE = "cells left out of the protocol: "
"""How sentences say which cells a protocol has no more."""


@dataclass(frozen=True)
class LeftOut:
    """Cells that a protocol has no more; `in_vain` those whose runs failed, `dropped` before any.

    `added` are those that the first protocol did not have either: they were never planned.
    """

    cells: tuple[str, ...] = ()
    in_vain: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def of_families(self) -> tuple[str, ...]:
        """Those without which a family is not the planned one: no teachers, and none that came later."""
        own = (name for name in self.cells if name.split("/")[0] != "teacher")
        return tuple(name for name in own if name not in self.added)

    @property
    def says(self) -> str:
        """Which they are, "" where there are none."""
        if not self.cells:
            return ""
        why = dict.fromkeys(self.added, " (added after the first run)")
        why |= {
            name: " (added after the first run; its runs failed)"
            if name in self.added
            else " (its runs failed)"
            for name in self.in_vain
        }
        why |= dict.fromkeys(self.dropped, " (dropped before it had a run, after other results were shown)")
        named = ", ".join(name + why.get(name, "") for name in self.cells)
        return f"left out, since the newest protocol has them no more: {named}"

    @property
    def cautions(self) -> tuple[str, ...]:
        """What every sentence of what is left says, which is pasted without the captions."""
        named = some_of(self.of_families, 3)
        return (f"{CELLS_GONE}{named}",) if named else ()


_NOT_PLANNED = " are not the family that was planned, so they are exploratory"
NOT_THE_PLANNED_GAINS = f"; the gains that are left{_NOT_PLANNED}"
NOT_THE_PLANNED_CONTRASTS = f"; those that are left{_NOT_PLANNED}"
HOW_TO_KEEP = "; to keep them planned, leave these cells in the protocol"


@dataclass(frozen=True)
class Foreseen:
    """What `analyze` will say once a protocol has been run into its study.

    `contrasts_added` are those that the first protocol did not ask, in a few words, and `contrasts_apart`
    says whether these are judged apart from planned ones, or all together.
    `apart` says whether cells that were added are judged apart from the planned gains; None where that hangs
    on what becomes of runs that were removed.
    """

    notes: tuple[str, ...] = ()
    apart: bool | None = True
    contrasts_added: tuple[str, ...] = ()
    contrasts_apart: bool = True

    def says_added(self, added: tuple[str, ...] | list[str]) -> str:
        """What it means that cells are not of the first protocol of their study, "" where there are none."""
        contrasts = ""
        if self.contrasts_added:
            contrasts = (
                f"contrasts added after the first run, so exploratory: {some_of(self.contrasts_added, 3)}"
            )
        if not added:
            return contrasts
        how = {
            True: "; judged apart from the planned gains, whose family stays as it is",
            False: "; judged with the other gains, which are exploratory, too",
            None: "",
        }
        cells = f"added after the first run, so exploratory: {some_of(added, 5)}{how[self.apart]}"
        return "; ".join(filter(None, (cells, contrasts)))


def dropped_contrasts(first: Analysis | None, stood: Analysis | None, asked: Analysis) -> list[str]:
    """The planned contrasts that were still asked when results were first shown, and are no more.

    `stood` is the analysis as it was then, None where nothing was shown.
    """
    if first is None or stood is None:
        return []
    left = [_unnamed(item) for item in asked.contrasts]
    then = [_unnamed(item) for item in stood.contrasts]
    lost = [item for item in first.contrasts if _unnamed(item) in then and _unnamed(item) not in left]
    named = {item.name for item in asked.contrasts}
    return [
        f"{item.name}, as it was ({_in_words(item)})"  # another one goes by its name, and is judged
        if item.name in named and item.name
        else item.name or _in_words(item)
        for item in lost
    ]


def says_dropped(contrasts: list[str]) -> str:
    """Which they are, "" where there are none."""
    return f"contrasts dropped after results were shown: {', '.join(contrasts)}" if contrasts else ""


def _unnamed(item: Contrast) -> Contrast:
    return item.model_copy(update={"name": None})


def _in_words(item: Contrast) -> str:
    """A contrast without a name, as its protocol has it."""
    if item.pair is not None:
        return f"{item.pair[0]} vs {item.pair[1]}"
    ((kind, said),) = _unnamed(item).model_dump(exclude_none=True).items()
    return f"{kind}: {said}"
