"""The conditions of all numbers of an analysis, with each table and figure wherever it is taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace

from rigorkd_analysis.results import GAINS, Analysis, Comparison
from rigorkd_analysis.sanity import who_is_at_chance
from rigorkd_analysis.tuning import UNEQUAL

from rigorkd.report.evidence import Evidence
from rigorkd.report.page import STARRED, Block, Section, Table
from rigorkd.report.sentences import (
    banner_of,
    chosen_in_caption,
    of_what,
    told_of_each,
    told_of_plan,
    unlike_new_data,
    unvalidated,
)
from rigorkd.text import some_of


def conditions(analysis: Analysis) -> tuple[str, ...]:
    """What was chosen of the results, which epoch is judged, what each result is a mean over, that it was
    chosen on test data, that none was validated."""
    return tuple(filter(None, (of_what(analysis), unlike_new_data(analysis), unvalidated(analysis))))


def _said_once(analysis: Analysis) -> tuple[str, ...]:
    """What a page says among its warnings: what all its claims are of, and what became of the plan."""
    return tuple(filter(None, (told_of_each(analysis), *told_of_plan(analysis.warnings))))


def under_conditions(analysis: Analysis, blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The blocks with tables whose captions say the conditions of the analysis.

    What a page says once, among its warnings, goes with a table that leaves the page.
    """
    told, alone = conditions(analysis), _said_once(analysis)
    return tuple(_under(block, told, alone) for block in blocks)


def caption_under_conditions(analysis: Analysis, caption: str) -> str:
    """The caption of a figure, which has no page around it, with all of them."""
    of_all = (chosen_in_caption(analysis), unlike_new_data(analysis), unvalidated(analysis))
    return _said(caption, (*of_all, *_said_once(analysis)))


def tuning_in_brief(analysis: Analysis, among: Collection[str] | None = None) -> str:
    """The warning that tuning was unequal by its methods alone, those `among` some; "" where none was."""
    warning = next((text for text in analysis.warnings if text.startswith(UNEQUAL)), "")
    listed, _, claim = warning.removeprefix(f"{UNEQUAL}: ").rpartition("; ")
    methods = dict.fromkeys(re.findall(r"(?:^|; )(.+?) of .+? at \d+ settings", listed))
    named = [method for method in methods if among is None or method in among]
    if not named:
        return ""
    was = "was" if len(named) == 1 else "were"
    return f"{UNEQUAL} ({some_of(named, 4)} {was} tried at several settings, the baseline at one): {claim}"


def told_of_tuning(evidence: Evidence, shown: Iterable[Comparison]) -> str:
    """That a method of these gains was tried at more settings than its baseline, "" where none was.

    The warning names all that were, and what may be claimed; this is for captions, which show the rows.
    """

    def tuned(c: Comparison) -> tuple[str, str, str]:
        facts = evidence.facts(c.a or "")
        return facts.block, facts.method, facts.settings.get("teacher", "")

    settings = Counter(tuned(c) for c in evidence.gains() if c.a is not None)
    over = {(c.a, c.b) for c in evidence.gains()}  # a contrast of two methods asks nothing of a baseline
    gains = [c for c in shown if c.a in evidence.index and (c.a, c.b) in over]
    several = dict.fromkeys(tuned(c)[1] for c in gains if settings[tuned(c)] > 1)
    return tuning_in_brief(evidence.analysis, several)


def banner_about(analysis: Analysis, shown: Iterable[str] | None) -> str:
    """The banner of an analysis for a table or figure of these cells, None of cells that are not known.

    It has none where the baselines at chance are neither shown nor compared with what is. Where not all of
    these are named, or a name may be read as several, that is not certain, and the banner stays.
    """
    banner = banner_of(analysis.warnings)
    named = who_is_at_chance(banner).partition(" ")[2].split(", ")
    if shown is None or not {cell.cell for cell in analysis.cells}.issuperset(named):
        return banner
    families = [family for family in analysis.families if family.name in GAINS]
    families += [item.family for item in analysis.secondary]
    cells = set(shown)
    compared = [
        c.weights for family in families for c in family.comparisons if not cells.isdisjoint(c.weights)
    ]
    return "" if cells.union(*compared).isdisjoint(named) else banner


def _under(block: Block, told: tuple[str, ...], alone: tuple[str, ...]) -> Block:
    if isinstance(block, Section):
        return replace(block, blocks=tuple(_under(one, told, alone) for one in block.blocks))
    if not isinstance(block, Table):
        return block
    caption = _said(block.caption, told)
    return replace(
        block, caption=caption, alone=(*block.alone, *(one for one in alone if one not in caption))
    )


def _said(caption: str, told: Iterable[str]) -> str:
    """The caption with the conditions that it does not say itself, before it says what its stars are."""
    left = [text for text in told if text and text not in caption]
    if not left:
        return caption
    said, star = caption.removesuffix(STARRED), STARRED * caption.endswith(STARRED)
    end = "" if not said else " " if said.endswith((".", "!", "?")) else ". "
    return f"{said}{end}Note: {'; '.join(left)}.{star}"


def seconds_note(measured: Iterable[str]) -> str:
    """What is to be known of seconds of training: no record tells what else the machine did meanwhile."""
    if "train_seconds" not in measured:
        return ""
    return (
        " Seconds of training are as each run took them; how many runs were trained side by side on the "
        "machine is not known, so they are not comparable between cells."
    )
