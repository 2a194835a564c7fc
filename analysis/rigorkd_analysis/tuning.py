"""Unequal tuning: several settings of a method beside one of their baseline, and what may be claimed then."""

from __future__ import annotations

from collections.abc import Sequence

from rigorkd_analysis.baseline_matching import Matcher
from rigorkd_analysis.likeness import on_what, place
from rigorkd_analysis.questions import Question
from rigorkd_analysis.results import GAINS, Family
from rigorkd_analysis.runs import Runs

UNEQUAL = "tuning was unequal"
"""How the warning begins."""


def unequal_tuning(question: Question, matcher: Matcher, found: Sequence[Family]) -> list[str]:
    """Distilled cells were tried at several settings of one method, their baseline at one.

    Not where a primary cell among them was named before the results: then no setting is chosen by them. Nor
    where the baseline is a setting of the method itself, T = 1 beside T = 4: the settings are the question.
    """
    runs, plan = question.runs, question.plan
    if not matcher.any() or "method" not in runs.attributes:
        return []
    parts = on_what(runs)
    # against each baseline: every data set has its own
    tried: dict[tuple[tuple[str, str, str, str], int], list[int]] = {}
    for cell in matcher.targets():
        baseline = matcher.of(cell)
        if runs.text("method", cell) != runs.text("method", baseline):
            tried.setdefault((_tuned(runs, cell, parts), baseline), []).append(cell)
    primary = runs.index.get(plan.primary or "") if plan.planned else None
    chosen = None if primary is None else _tuned(runs, primary, parts)
    unequal = {own: cells for own, cells in tried.items() if len(cells) > 1 and own[0] != chosen}
    flagged = sorted({(g, s, m, len(cells)) for ((g, s, m, _), _), cells in unequal.items()})
    beside = {baseline for _, baseline in unequal}
    shown = [
        f"{m} of {'/'.join(filter(None, (g, s))) or 'this table'} at {k} settings" for g, s, m, k in flagged
    ]
    if not shown:
        return []
    more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
    base = "its baseline at one" if len(shown) == 1 else "their baseline at one"
    base = base if len(beside) == 1 else "baselines at one"
    claim = _to_claim(question, found, list(unequal.values()))
    return [f"{UNEQUAL}: {'; '.join(shown[:4])}{more}, {base}; {claim}"]


def _to_claim(question: Question, found: Sequence[Family], tuned: Sequence[list[int]]) -> str:
    """What may be claimed of settings of which more were tried than of their baselines, `tuned` together.

    The average gain, if the answer shows one: to lose at more settings flatters nobody.
    """
    plan, names = question.plan, question.runs.cells
    gains, averages = {}, list[tuple[set[str], float, bool]]()
    for family in found:
        for c in family.comparisons:
            if c.mean_diff is None:
                continue
            if family.name in GAINS and c.a is not None:
                gains[c.a] = question.sign * c.mean_diff
            elif family.name == "overall":
                over = {cell for cell, weight in c.weights.items() if weight > 0}
                averages.append((over, question.sign * c.mean_diff, c.verdict.badge == "better"))
    sets = [{names[cell] for cell in cells} for cells in tuned]
    if all(gains.get(cell, 1.0) <= 0 for cells in sets for cell in cells):
        return "as none of these settings gained here, although more were tried, there is no gain to claim"
    if not any(family.name == "overall" for family in found):
        return "the gain of the best of them would be flattered"
    # not a primary gain either: named now, it would be chosen by the results
    best = ", not that of the best setting" if not plan.planned else ""
    # planned settings and those of later are averaged apart
    of_each = [[(mean, shown) for over, mean, shown in averages if over & cells] for cells in sets]
    if all(means and max(mean for mean, _ in means) <= 0 for means in of_each):
        return f"the average gain is not above 0 here, so there is none to claim{best.replace('not', 'nor')}"
    shown = [shown for means in of_each for _, shown in means]
    # after a look the sequential verdicts may show one
    if shown and not any(shown) and not (question.repeated_look or question.no_planned_look):
        return f"no average gain is shown to claim{best.replace('not', 'nor')}"
    return f"claim the average gain{' where it is shown' * (not all(shown))}{best}"


def _tuned(runs: Runs, cell: int, parts: Sequence[str]) -> tuple[str, str, str, str]:
    """Whose settings a distilled cell is one of: group and data, student, method and teacher."""
    text = runs.text
    return place(runs, cell, parts), text("student", cell), text("method", cell), text("teacher", cell)
