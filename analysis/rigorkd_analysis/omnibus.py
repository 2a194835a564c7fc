"""What a test of several settings together says of comparisons of some of them.

“Not shown to differ” beside two of the settings that do differ reads as a contradiction, and is none: one
test asks of all settings, the other of two, and each is corrected over its own. The first one's sentence says
so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rigorkd_analysis.paper_sentences import with_cautions
from rigorkd_analysis.questions import Question, quoted
from rigorkd_analysis.results import Comparison, Factorial, Family, FTest
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.stats.anova import NOT_SHOWN, Consistency, column_of, is_judged
from rigorkd_analysis.wording import p_text

_MOST = 3
"""So many comparisons are named; how many more there are is said."""


@dataclass(frozen=True)
class _Shown:
    """A comparison that a page shows, with the family that it is corrected in."""

    family: Family
    one: Comparison

    @property
    def status(self) -> str:
        return "planned" if self.family.planned else "exploratory"

    @property
    def called(self) -> str:
        name = quoted(self.one.name, self.one.stands_for)
        name += f" ({self.one.stands_for})" if self.one.stands_for else ""
        return f"{name} ({self.status}: {self.one.verdict.badge})"


def beside_factorials(
    question: Question, sets: Sequence[Factorial], families: Sequence[Family]
) -> tuple[Factorial, ...]:
    """The F tests, each with what is decided beside it of its own cells, or planned of its two.

    So it is with the runs of theirs that fell far behind.
    """
    sets = [_with_the_fallen(question, one) for one in sets]
    if question.repeated_look or question.no_planned_look:
        return tuple(sets)
    shown = _comparisons(families)
    total = sum(len(one.tests) for one in sets)
    out = []
    for one in sets:
        told = [text for test in one.tests if (text := _of_test(question, test, shown, total))]
        beside = " ".join(told)
        out.append(replace(one, beside=beside, says=" ".join(filter(None, (one.says, beside)))))
    return tuple(out)


def _with_the_fallen(question: Question, one: Factorial) -> Factorial:
    cells = dict.fromkeys(question.runs.index[cell] for test in one.tests for cell in test.cells)
    fell = question.outlying.collapsed_in(question.runs, list(cells), equivalent=False, paired=True)
    return one if fell is None else replace(one, says=with_cautions(one.says, (fell,)))


def beside_gains(question: Question, families: Sequence[Family]) -> list[Family]:
    """The families, whose gains are summed up with what is decided of two of them."""
    shown = _comparisons(families)
    out = []
    for family in families:
        by = {c.a: c.b for c in family.comparisons if c.a is not None and c.b is not None}
        runs = question.runs

        def said(
            one: Consistency, by: Mapping[str, str] = by, runs: Runs = runs, own: Family = family
        ) -> Consistency:
            cells = {a for a in by if one.method is None or runs.text("method", runs.index[a]) == one.method}
            if same := next((other for other in shown if _is_mean_of(cells, other)), None):
                told = f"Its mean is asked by itself: {same.called}, whose verdict is the answer."
                one = replace(one, says=f"{one.says} {told}")
            if NOT_SHOWN not in one.says:
                return one
            decided = [
                other
                for other in shown
                if other.family is not own
                and other.one.verdict.directed
                and cells.issuperset(other.one.weights)
                and len({by[cell] for cell in other.one.weights}) == 1  # else it is no difference of gains
            ]
            text = _no_contradiction("the test of the settings", len(cells), decided)
            return replace(one, says=" ".join(filter(None, (one.says, text))))

        out.append(
            replace(
                family,
                consistency=None if family.consistency is None else said(family.consistency),
                by_method=tuple(map(said, family.by_method)),
            )
        )
    return out


def _is_mean_of(cells: set[str], other: _Shown) -> bool:
    """Whether a comparison is the mean of just these cells' gains."""
    shares = [weight for cell, weight in other.one.weights.items() if weight > 0 or cell in cells]
    named = {cell for cell, weight in other.one.weights.items() if weight > 0}
    return other.family.name == "overall" and named == cells and max(shares) - min(shares) < 1e-9


def _comparisons(families: Iterable[Family]) -> list[_Shown]:
    """Every comparison of cells by weights, each once: a planned one before the same asked again."""
    found: dict[frozenset[str], _Shown] = {}
    for family in sorted(families, key=lambda family: not family.planned):
        for one in family.comparisons:
            if one.weights:
                found.setdefault(_key(one), _Shown(family, one))
    return list(found.values())


def _key(one: Comparison) -> frozenset[str]:
    """What is compared, either way round."""
    sign = 1.0 if next(iter(sorted(one.weights.items())))[1] > 0 else -1.0
    return frozenset(f"{cell}={sign * weight:g}" for cell, weight in one.weights.items())


def _of_test(question: Question, test: FTest, shown: Sequence[_Shown], total: int) -> str:
    if not is_judged(test):
        return ""
    cells = set(test.cells)
    own = [other for other in shown if cells.issuperset(other.one.weights)]
    if len(cells) == 2:
        return "".join(_of_two(question, test, other, total) for other in own[:1])
    if test.p_together is not None and test.p_together < question.plan.alpha:
        return ""
    decided = [
        other
        for other in own
        if other.one.verdict.directed and _varies(question.runs, test.effect, other.one)
    ]
    return _no_contradiction(f"the F test of {test.effect}", len(cells), decided)


def _of_two(question: Question, test: FTest, other: _Shown, total: int) -> str:
    """Of two cells the F test asks what their comparison asks: which answer is the planned one."""
    rejects = test.p_together is not None and test.p_together < question.plan.alpha
    if not other.family.planned and other.one.verdict.directed == rejects:
        return ""
    p = p_text(other.one.p_adjusted, "p")
    over = (
        "alone" if other.family.corrected_over == 1 else f"over its family of {other.family.corrected_over}"
    )
    if question.plan.correction == "none":
        over = "as it is, since no correction was asked for"
    mine = "alone" if total == 1 else f"over {total} F tests"
    which = (
        "the planned comparison is the answer, and this F test is exploratory"
        if other.family.planned
        else "neither was planned"
    )
    return (
        f"{test.effect} has two settings here, which {other.called} compares, too ({p}, judged {over}; this "
        f"one is judged {mine}): {which}."
    )


def _no_contradiction(test: str, settings: int, decided: Sequence[_Shown]) -> str:
    """Why `test` may reject nothing beside what is decided, "" where nothing is."""
    if not decided:
        return ""
    names = ", ".join(other.called for other in decided[:_MOST])
    names += f" and {len(decided) - _MOST} more" if len(decided) > _MOST else ""
    planned = "planned " * all(other.family.planned for other in decided)
    are, asks = "is", f"the {planned}comparison asks of its own cells alone, corrected in its own family"
    if len(decided) > 1:
        are, asks = (
            "are",
            f"the {planned}comparisons ask of their own cells alone, corrected in their own family",
        )
    return (
        f"Beside it {names} {are} decided, and that is no contradiction: {test} asks of all {settings} "
        f"settings together; {asks}."
    )


def _varies(runs: Runs, effect: str, one: Comparison) -> bool:
    """Whether a comparison weighs the levels of an effect unequally; of an interaction, whether anything."""
    if " × " in effect:
        return all(_varies(runs, factor, one) for factor in effect.split(" × "))
    column = column_of(effect.partition(" at ")[0])
    levels: dict[float | None, float] = {}
    for cell, weight in one.weights.items():
        level = runs.number(column, runs.index[cell])
        levels[level] = levels.get(level, 0.0) + weight
    return any(abs(weight) > 1e-9 for weight in levels.values())
