"""What of a family was planned, what came later, and what was planned until the plan was changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rigorkd_analysis.baseline_matching import Matcher
from rigorkd_analysis.hypotheses import resolve
from rigorkd_analysis.named_pairs import each_pair
from rigorkd_analysis.questions import Hypothesis, Question
from rigorkd_analysis.results import Family


def by_plan(
    question: Question, members: Sequence[tuple[bool, Hypothesis]]
) -> list[tuple[bool, list[Hypothesis]]]:
    """The planned ones first, then the exploratory ones; what uses a cell added later is exploratory."""
    added = _added(question)
    kinds = [planned and not added.intersection(part.cells) for planned, part in members]
    split = [
        (kind, [part for own, (_, part) in zip(kinds, members, strict=True) if own == kind])
        for kind in (True, False)
    ]
    return [(kind, some) for kind, some in split if some]


def with_history(question: Question, matcher: Matcher, family: Family, parts: Sequence[Hypothesis]) -> Family:
    """An exploratory family of which something was planned, with why it is not, and what of it came later."""
    if family.planned or family.name == "all_pairs":
        return family
    plan, added = question.plan, _added(question)
    late = [bool(added.intersection(part.cells)) for part in parts]
    if family.name == "contrasts":
        asked = [contrast for contrast in plan.contrasts if not contrast.planned]
        whys = [contrast.demoted for contrast in asked]
        runs = question.runs
        once = {resolve(runs, matcher, one).name for one in each_pair(runs, plan.contrasts) if one.demoted}
        late = [own or part.name not in once for own, part in zip(late, parts, strict=True)]
    else:
        whys = ["" if own else plan.demoted for own in late]
    if not (why := next(filter(None, whys), "")):
        return family
    # where all came later, the title says so, and there is nothing to tell apart
    later = () if all(late) else tuple(part.name for own, part in zip(late, parts, strict=True) if own)
    return replace(family, demoted=f"planned, but {why}", later=later)


def _added(question: Question) -> set[int]:
    index = question.runs.index
    return {index[cell] for cell in question.plan.added if cell in index}
