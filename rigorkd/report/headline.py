"""The answer in sentences: what holds, what the correction took, what is still missing, what to do next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.families import NEAR_CHANCE, UNSEEN
from rigorkd_analysis.outliers import BLIND, COLLAPSED
from rigorkd_analysis.paper_sentences import CONVERGED
from rigorkd_analysis.results import GAINS, Analysis, Comparison, Family, Progress, Sequential
from rigorkd_analysis.stats.sample_size import MAX_SEEDS
from rigorkd_analysis.stats.sequential import (
    LOST,
    SequentialComparison,
    judged_in_sequence,
    seeds_to_decide,
)
from rigorkd_analysis.verdicts import Verdict
from rigorkd_analysis.wording import p_text

from rigorkd.launch.failures import shows_log
from rigorkd.report.numbers import MetricNumbers, Numbers
from rigorkd.report.sentences import (
    CORRECTIONS,
    NOUN,
    QUESTIONS,
    REPEATED,
    SMOKE_RUNS,
    asked_once,
    banner_of,
    is_corrected,
    is_unpaired,
    name_of,
    not_valid,
    status_of,
    test_of,
    titled_family,
)
from rigorkd.text import count, some_of

#: So many runs that fell are told one by one.
_RUNS = 3
#: So many comparisons are named where they are not all of their family.
_NAMED = 3


def headline(analysis: Analysis, say: MetricNumbers | None = None) -> tuple[str, ...]:
    """What holds, in a few plain sentences."""
    if analysis.progress is not None:
        return how_far(analysis.progress, analysis.looks)
    say = say or Numbers(analysis)
    return (*what_holds(analysis), *_power(analysis, say))


def what_holds(analysis: Analysis) -> tuple[str, ...]:
    """The answer alone, that to the question of the page first."""
    lines = [line for _, family in asked_once(analysis) for line in _what_holds(analysis, family)]
    if analysis.sequential is not None:
        status = "planned" if analysis.sequential.planned else "exploratory"
        said = (
            f"Sequential ({status}): {sequential_tally(analysis.sequential)} Only these hold if seeds were "
            "added after a look; the other verdicts need a number of seeds that was fixed before."
        )
        lines = [said, *lines] if sequential_leads(analysis) else [*lines, said]
    return tuple(lines) or ("Nothing was compared.",)


def sequential_leads(analysis: Analysis) -> bool:
    """Whether the sequential verdicts are the answer: after a look those of a fixed number say nothing."""
    return analysis.sequential is not None and any(map(after_a_look, analysis.families))


def after_a_look(family: Family) -> bool:
    """Whether some of a family are not valid since a look came before."""
    return any((c.not_valid or "").startswith(REPEATED) for c in family.comparisons)


def looked_in_brief(analysis: Analysis) -> str:
    """That verdicts of a fixed number of seeds decide nothing after a look, for a file that goes on alone."""
    return "after a look: inconclusive whatever p is" * any(map(after_a_look, analysis.families))


def waits_for_sequential(analysis: Analysis) -> bool:
    """Whether some verdicts are no more valid after a look, for which the sequential ones are the way."""
    return any(after_a_look(family) and in_sequence(analysis, family) for family in analysis.families)


def sequential_answers(analysis: Analysis) -> dict[Asking, tuple[int, SequentialComparison]]:
    """The sequential verdicts with their places, by what they judge; none where these are not the answer."""
    if analysis.sequential is None or not sequential_leads(analysis):
        return {}
    shown = {(family.name, family.planned) for _, family in asked_once(analysis)}
    return {
        (one.family, one.planned, one.name): (at, one)
        for at, one in enumerate(analysis.sequential.comparisons)
        if (one.family, one.planned) in shown
    }


def sequential_said(analysis: Analysis) -> list[SequentialComparison]:
    """The sequential verdicts that are said in words: those that are decided, then questions that are open.

    After a look they are of what is shown, and the answer; else they stand beside those of a fixed number.
    """
    if analysis.sequential is None:
        return []
    found = list(analysis.sequential.comparisons)
    if sequential_leads(analysis):
        found = [one for _, one in sequential_answers(analysis).values()]
    open_ = [one for one in found if one.decided_at is None and one.family in QUESTIONS]
    return [*(one for one in found if one.decided_at is not None), *open_]


def fixed_before(analysis: Analysis) -> str:
    """On what verdicts of a fixed number of seeds rest where sequential ones are asked for beside them."""
    beside = analysis.sequential is not None and not sequential_leads(analysis)
    return "holds if the number of seeds was fixed before" * beside


Asking = tuple[str, bool, str]
"""A comparison by its family, whether that was planned, and its name."""


def asking(family: Family, comparison: Comparison) -> Asking:
    """How the sequential verdict of a comparison is found."""
    return family.name, family.planned, comparison.name


def sequential_tally(found: Sequential) -> str:
    """How many comparisons the sequential test has decided, and how."""
    total = len(found.comparisons)
    by = Counter(c.verdict.label for c in found.comparisons if c.decided_at is not None)
    how = f" ({', '.join(f'{number} {verdict}' for verdict, number in by.items())})" if by else ""
    if by.total() == total:
        return f"{f'all {total} comparisons are' if total > 1 else 'the one comparison is'} decided{how}."
    lost = sum(LOST in c.says for c in found.comparisons)
    rest = "more seeds may decide the rest" + f", but for {lost} whose runs diverged" * bool(lost)
    if lost == total - by.total():
        rest = "the rest stays open since runs diverged, which more seeds do not change"
    return f"{by.total()} of {total} are decided{how}; {rest}."


def _power(analysis: Analysis, say: MetricNumbers) -> list[str]:
    """What these seeds can detect, and how many more would: of each family in which something is open."""
    if banner_of(analysis.warnings).startswith(SMOKE_RUNS):
        return []  # how many seeds synthetic numbers would take helps nobody
    shown = [family for _, family in asked_once(analysis)]
    found = [(family, undecided) for family in shown if (undecided := _undecided(family))]
    # what a look or a fallen run leaves open is no question of more seeds, but is open, too
    open_ = [f for f in shown if any(c.verdict is Verdict.INCONCLUSIVE for c in f.comparisons)]
    return _still_missing(
        analysis,
        [_Open.of_family(analysis, family, some, open_) for family, some in found],
        say,
        partly=sum(len(some) for _, some in found) < sum(len(family.comparisons) for family in shown),
    )


@dataclass(frozen=True)
class _Open:
    """What more seeds may decide in a family: `of` which this is, `named` where it is not all that is open
    there, and whether the sequential analysis judges it."""

    of: str
    named: str
    comparisons: Sequence[Comparison]
    in_sequence: bool

    @classmethod
    def of_family(
        cls, analysis: Analysis, family: Family, some: Sequence[Comparison], among: Sequence[Family]
    ) -> _Open:
        name = _plural(family, [one for _, one in asked_once(analysis)])
        of = named = f" for {name}" if len(among) > 1 else ""
        if len(some) < sum(c.verdict is Verdict.INCONCLUSIVE for c in family.comparisons):
            names = [name_of(family, c) for c in some]
            which = _and(names) if len(names) <= _NAMED else some_of(names, _NAMED)
            of = f" for {len(some)} of the {family.size} {name}"
            named = f" for {which} of the {family.size} {name}"
        return cls(of, named, some, in_sequence(analysis, family))


def in_sequence(analysis: Analysis, family: Family) -> bool:
    """Whether the sequential analysis is a way for a family: no anytime-valid test is without pairs."""
    planned = (one.planned for one in analysis.families)
    return judged_in_sequence(family.planned, planned) and not any(map(is_unpaired, analysis.families))


def _plural(family: Family, among: Sequence[Family]) -> str:
    """What a family's comparisons are called among those of these families."""
    if family.name == "primary":
        return "the primary gain"
    beside = family.name == "gains" and any(
        one.name == "primary" and one.planned == family.planned for one in among
    )
    twins = sum(one.name == family.name for one in among) > 1
    status = ("planned " if family.planned else "exploratory ") if twins else ""
    return f"{'other ' * beside}{status}{NOUN[family.name]}s"


def what_next(analysis: Analysis, say: MetricNumbers, folder: Path | None = None) -> list[str]:
    """What to do about what was not shown; a study of which the `folder` is known keeps logs there."""
    lines = _power(analysis, say)
    if any(_is_near_chance(c) for family in analysis.families for c in family.comparisons):
        lines.append(
            "See first why networks near chance have learnt so little: more seeds only measure their noise."
        )
    reasons = {c.not_valid or "" for family in analysis.families for c in family.comparisons}
    if ways := {in_sequence(analysis, family) for family in analysis.families if after_a_look(family)}:
        more = "train more" if analysis.of_table else "`rigorkd run` more"
        by = "--sequential does" if analysis.sequential is None else "the sequential test does"
        by += " for what was planned" if ways == {True, False} else ""
        lines.append(
            "After the first look a fixed-n test of all seeds decides nothing any more: "
            + (f"{by}, or {UNSEEN}" if True in ways else f"{UNSEEN} do")
            + f" ({more} of them, then --seeds FIRST:END)."
        )
    if any(reason.startswith(COLLAPSED) for reason in reasons):
        log = "" if folder is None else f" ({shows_log(folder)})"  # nothing keeps the logs of a table's runs
        lines.append(f"Look at the log of a run that fell far behind{log}: it may have failed, not differed.")
    if way := _without_the_fallen(analysis):
        lines.append(way)
    return lines


def _runs_that_fell(analysis: Analysis) -> dict[str, list[str]]:
    """The runs on which comparisons rest that decide nothing for it, each with the names of these."""
    found: dict[str, dict[str, None]] = {}  # a gain that is a contrast too is named once
    for _, family in asked_once(analysis):
        for c in family.comparisons:
            kind, _, runs = (c.not_valid or "").partition(": ")
            for run in runs.split("; ") if kind in (COLLAPSED, BLIND) else ():
                found.setdefault(run, {})[name_of(family, c)] = None
    return {run: [*names] for run, names in found.items()}


def what_fell(analysis: Analysis) -> list[str]:
    """Which run keeps which comparisons from a verdict, and how what is left can be judged."""
    found = _runs_that_fell(analysis)
    lines = [
        f"{run}: while that run counts, nothing is decided about {some_of(names, 3)}."
        for run, names in list(found.items())[:_RUNS]
    ]
    if len(found) > _RUNS:
        lines.append(f"{count(len(found) - _RUNS, 'more run')} fell so; the warnings name all.")
    way = _without_the_fallen(analysis)
    return [*lines, way] if way else lines


def _without_the_fallen(analysis: Analysis) -> str:
    """How averages are judged without the cells of which runs fell; "" where that would leave none."""
    baselines = {c.b for family in analysis.families for c in family.comparisons if c.b is not None}
    cells = dict.fromkeys(run.rpartition(" has ")[0] for run in _runs_that_fell(analysis))
    cells = dict.fromkeys(cell for cell in cells if cell not in baselines)
    if not cells:
        return ""
    options = " ".join(f"--without {shlex.quote(cell)}" for cell in list(cells)[:_RUNS])
    it = "it" if len(cells) == 1 else "them"
    return f"{options} judges averages and the rest without {it}: exploratory, as results are why."


def how_far(found: Progress, looks: Sequence[int] = ()) -> tuple[str, ...]:
    """What is said of a study before its planned seeds are complete."""
    costs = "counts as a look: a later fixed-n analysis of all seeds is then not valid at alpha."
    if looks and found.done == found.total and found.seeds_complete not in looks:
        ahead = [look for look in looks if look > found.seeds_complete]
        then = f"The next one is at {count(ahead[0], 'seed')}. " if ahead else ""
        return (
            f"Between looks: {count(found.seeds_complete, 'complete seed')}, "
            f"planned looks at {', '.join(map(str, looks))}.",
            f"Nothing was judged, and this was no look. {then}--interim judges what is there, but {costs}",
        )
    return (
        f"In progress: {found.done} of {count(found.total, 'run')} are finished, "
        f"{found.seeds_complete} of {count(found.seeds, 'seed')} complete.",
        f"Nothing was judged, and this was no look. {found.seeds_complete} complete seeds are a planned "
        "look: --interim takes it, and later planned looks stay valid."
        if found.seeds_complete in looks
        else "Nothing is judged before all are, and this was no look. --interim judges what is there, but "
        f"{costs}",
    )


def _what_holds(analysis: Analysis, family: Family) -> list[str]:
    noun = NOUN[family.name]
    pairs = family.name == "all_pairs"  # no side of such a pair is the one to judge
    by: dict[str, int] = {}
    for verdict in sorted((c.verdict for c in family.comparisons), key=list(Verdict).index):
        words = "differ" if pairs and verdict.directed else str(verdict.badge)
        words += " by a negligible amount" if verdict.negligible else ""
        by[words] = by.get(words, 0) + 1
    undecided = by.pop(Verdict.INCONCLUSIVE.label, 0)
    total = count(family.size, noun)
    tested = sum(c.p is not None for c in family.comparisons)
    found = [
        f"{number} {words.replace('differ', 'differs') if pairs and number == 1 else words}"
        for words, number in by.items()
    ]
    status = status_of(analysis, family)
    if unfit := not_valid(family):
        which = f"all {total} are" if family.size > 1 else f"the one {noun} is"
        line = f"{titled_family(family)} ({status}): {which} inconclusive: {unfit}."
    elif not found and not tested:
        which = f"none of {total} can" if family.size > 1 else f"the one {noun} cannot"
        line = f"{titled_family(family)} ({status}): {which} be tested: {_why_untested(family)}."
    elif not found:
        nothing = "difference" if pairs else noun
        of = f", of {tested} tested" if family.size > 1 else ""
        if tested < family.size:
            of += f" ({family.size - tested} more cannot be: too few seeds, or no spread over them)"
        line = f"{titled_family(family)} ({status}): no {nothing} was shown{of}; "
        line += "that does not mean that there is none."
    else:
        line = f"{titled_family(family)} ({status}): of {total}, {', '.join(found)}"
        line += f"; {undecided} inconclusive{_for_collapses(family)}." if undecided else "."
    lines = [line]
    naive = [c for c in family.comparisons if c.p is not None and c.p < analysis.alpha]
    kept = [c for c in family.comparisons if _holds(analysis, c)]
    unjudged = sum(c.not_valid is not None for c in kept)
    if is_corrected(analysis, family) and len(naive) != len(kept) - unjudged:
        text = f"Unadjusted {test_of(family)}s find {len(naive)} of {tested} below {analysis.alpha:g}"
        if len(naive) <= 2:
            text += " (" + ", ".join(f"{name_of(family, c)}, {p_text(c.p)}" for c in naive) + ")"
        text += _directions(analysis, family, naive)
        if unfit:
            text += "; that decides nothing"
        else:
            by_name = "simultaneous inference" if analysis.joint else CORRECTIONS[analysis.correction]
            text += f"; {by_name} over {family.corrected_over} leaves {len(kept) or 'none'}"
            text += f", {unjudged} of which {'is' if unjudged == 1 else 'are'} not judged" * bool(unjudged)
            # verdicts count none of these: what survived is a selection
            lost = [c for c in kept if c.verdict is Verdict.INCONCLUSIVE and c.not_valid is None]
            if lost := [c for c in lost if CONVERGED in c.conditions]:
                text += f", {len(lost)} of which lost a run to divergence and "
                text += f"{'is' if len(lost) == 1 else 'are'} inconclusive"
        lines.append(text + ".")
    return lines


def _why_untested(family: Family) -> str:
    """What keeps every comparison of a family from a test; of runs that are not paired, n is of a cell."""
    seeds = {c.n for c in family.comparisons}
    if max(seeds) > 1:
        return "two seeds or more that differ are needed"
    lone = "one seed has no spread to test against"
    if 0 not in seeds:
        return lone
    if is_unpaired(family):
        none = f"some of {'their' if family.size > 1 else 'its'} cells have no run"
    elif seeds == {0}:
        none = "no seed has all " + ("the cells of any" if family.size > 1 else "its cells")
    else:
        none = f"no seed has all the cells of {sum(c.n == 0 for c in family.comparisons)} of them"
    return f"{none}, and {lone}" if 1 in seeds else none


def _for_collapses(family: Family) -> str:
    """Which run keeps some of a family from a verdict, behind the number of those that have none."""
    reasons = [c.not_valid for c in family.comparisons if c.not_valid and c.not_valid.startswith(COLLAPSED)]
    if not reasons:
        return ""
    runs = dict.fromkeys(run for reason in reasons for run in reason.partition(": ")[2].split("; "))
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    return f" ({len(reasons)} for a run that fell far behind: {next(iter(runs))}{more})"


def _directions(analysis: Analysis, family: Family, found: list[Comparison]) -> str:
    """Which way unadjusted findings point: one that is a loss must not be read as a gain."""
    if family.name == "all_pairs" or not found:
        return ""
    up = sum((c.mean_diff or 0.0) > 0 for c in found)
    if family.name in ("overall", *GAINS):
        up = up if analysis.goal == "max" else len(found) - up
        one, several = ("a gain", "a loss"), (("gain", ""), ("loss", "losses"))
    else:  # no side of a contrast is the one to favour: its sign alone is said
        one = ("a positive difference", "a negative difference")
        several = (("positive", "positive"), ("negative", "negative"))
    if len(found) == 1:
        # a pair is of two cells and its name of one that beats another; of a trend's sign the name says less
        told = found[0].stands_for if found[0].stands_for.startswith("fitted") else ""
        return f", and it is {one[0] if up else one[1]}" + (f" ({told})" if told else "")
    if up in (0, len(found)):
        return f", each {one[0] if up else one[1]}"
    return f", {count(up, *several[0])} and {count(len(found) - up, *several[1])}"


def _holds(analysis: Analysis, c: Comparison) -> bool:
    """Whether a difference is left after the correction, or beyond the simultaneous interval if joint."""
    if not analysis.joint:
        return c.p_adjusted is not None and c.p_adjusted < analysis.alpha
    if c.ci_simultaneous_low is None or c.ci_simultaneous_high is None:
        return c.verdict.directed
    return c.ci_simultaneous_low > 0 or c.ci_simultaneous_high < 0


def _undecided(family: Family) -> list[Comparison]:
    """What more seeds may decide: not where runs diverged or have learnt nothing, nor what is not valid."""
    open_ = [c for c in family.comparisons if c.verdict is Verdict.INCONCLUSIVE and not c.not_valid]
    return [c for c in open_ if CONVERGED not in c.conditions and not _is_near_chance(c)]


def _is_near_chance(c: Comparison) -> bool:
    return any(text.startswith(NEAR_CHANCE) for text in c.warnings)


def _still_missing(
    analysis: Analysis,
    found: Sequence[_Open],
    say: MetricNumbers,
    *,
    partly: bool = False,
) -> list[str]:
    """What the seeds detect and how many more it takes, of each family; all is open, or but `partly`."""
    if not found:
        return []
    lines = []
    tested = [
        replace(one, comparisons=some)
        for one in found
        if (some := [c for c in one.comparisons if c.mde is not None])
    ]
    if tested:
        every = [c for one in tested for c in one.comparisons]
        spreads = "intervals of all spreads" if len(every) > 1 else "interval of the spread"
        lows = [c.mde_low for c in every if c.mde_low is not None]
        highs = [c.mde_high for c in every if c.mde_high is not None]
        detected = [
            _range(*(say(end(c.mde or 0.0 for c in one.comparisons)) for end in (min, max)))
            + f"{say.unit}{one.named}"
            for one in tested
        ]
        lines.append(
            f"{'Where it is inconclusive, these' if partly else 'These'} seeds detect, with 80 % power, "
            f"differences of about {_and(detected)}"
            + (f" ({say(min(lows))} to {say(max(highs))}, over the {spreads})." if lows else ".")
        )
    if analysis.sesoi is None:
        lines.append(
            "Name a smallest effect of interest (--sesoi) to learn what is equivalent and which n it takes."
        )
        return lines
    if tested:
        needed = [
            _range(*(_seeds(end(_or_most(c.seeds_needed) for c in one.comparisons)) for end in (min, max)))
            + f" seeds{one.of}"
            for one in tested
        ]
        there = " there" * partly
        text = f"A difference of {say(analysis.sesoi)}{say.unit} would take {_and(needed)}{there}"
        if max(_or_most(c.seeds_needed) for c in every) <= MAX_SEEDS:
            most = max(_or_most(c.seeds_needed_high) for c in every)
            text += f" (up to {_seeds(most)} if the spread is as large as these seeds allow)"
        judged = [c for one in tested if one.in_sequence for c in one.comparisons]
        by = "under `analyze --sequential`" if judged else ""
        if judged and analysis.sequential is not None:
            by = "one by one under the sequential verdicts"
        by += " for what was planned" if 0 < len(judged) < len(every) else ""
        by += _in_all(analysis, judged)
        above = ", numbered above these," * (analysis.of_table and bool(judged))  # they count in that order
        lines.append(
            f"{text}; seeds{above} are added {ways_to_add(analysis, by, 'fresh ones alone (--seeds)')}."
        )
    return lines


def _in_all(analysis: Analysis, undecided: Sequence[Comparison]) -> str:
    """How many seeds the sequential test takes for a difference of the SESOI, where it is one of pairs."""
    if analysis.sesoi is None:
        return ""
    c2 = Plan.c2 if analysis.sequential is None else analysis.sequential.c2
    open_ = {id(c) for c in undecided}
    found = []
    for family in analysis.families:
        level = analysis.alpha / (family.corrected_over if is_corrected(analysis, family) else 1)
        spreads = [c.sd_diff for c in family.comparisons if id(c) in open_ and c.sd_diff]
        for sd in {min(spreads), max(spreads)} if spreads else ():  # more spread takes more seeds
            found.append(_or_most(seeds_to_decide(analysis.sesoi / sd, level, c2)))
    there = max((c.n for c in undecided), default=0)
    if max(found, default=0) <= there:  # what these seeds had the power for is not open for want of seeds
        return ""
    return f" (then {_range(_seeds(max(min(found), there + 1)), _seeds(max(found)))} in all)"


def ways_to_add(analysis: Analysis, sequential: str, fresh: str) -> str:
    """How seeds may be added now: this was a look, so one more is a way only where it was planned.

    Without pairing there is no anytime-valid test either, and of some families none that judges them: "".
    """
    judged = max((c.n for family in analysis.families for c in family.comparisons), default=0)
    ahead = [look for look in analysis.looks if look > judged]
    ways = [f"up to the next planned look, at {count(ahead[0], 'seed')}"] if ahead else []
    ways += [sequential] if sequential and not any(map(is_unpaired, analysis.families)) else []
    return f"{', '.join(ways)}, or {fresh}" if ways else f"as {fresh}"


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _or_most(seeds: int | None) -> int:
    """None stands for more seeds than anybody will train."""
    return MAX_SEEDS + 1 if seeds is None else seeds


def _seeds(n: int) -> str:
    return f"{n:,}" if n <= MAX_SEEDS else f"more than {MAX_SEEDS:,}"


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
