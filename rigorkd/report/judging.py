"""What is asked of a source, and the one way from both to an analysis, which `analyze` prints and `report`
and `figures` show; that it was seen is noted in the study.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rigorkd_analysis.analysis_plan import Contrast, Correction, Pair, Plan, named_by
from rigorkd_analysis.likeness import says_on_what
from rigorkd_analysis.metric_names import goal_of, is_peak
from rigorkd_analysis.outliers import fell_unjudged
from rigorkd_analysis.paper_sentences import with_cautions
from rigorkd_analysis.results import Analysis, Best, Family, Pick, Secondary
from rigorkd_analysis.runs import best_of_epochs, chosen_on_test, read_runs, seed_of
from rigorkd_analysis.sanity import AT_CHANCE, UNTRAINED
from rigorkd_analysis.stats.selection import among
from rigorkd_analysis.table_error import TableError

from rigorkd.launch.failures import shows_log
from rigorkd.metrics import BY_NAME
from rigorkd.readers.known_names import NAMED, PARAMETERS
from rigorkd.records.interim import note_shown
from rigorkd.report.chosen_seeds import ChosenSeeds
from rigorkd.report.headline import fixed_before
from rigorkd.report.rows import located
from rigorkd.report.sentences import (
    INTERIM,
    REPEATED,
    banner_of,
    cells_are_left,
    chosen_of,
    mean_of,
    of_no_new_data,
    told_of_each,
)
from rigorkd.report.sources import Source
from rigorkd.text import count, is_float, some_of

if TYPE_CHECKING:
    from rigorkd_analysis.stats.anova import Consistency
    from rigorkd_analysis.stats.new_images import Predictions

    from rigorkd.records.command_notes import Doubt
    from rigorkd.records.judged_elsewhere import Elsewhere


@dataclass(frozen=True)
class Question:
    """What the command line asks beyond, or instead of, the plan of a study. None and () change nothing.

    `seeds` are judged alone, and not the cells that it is asked `without`; `interim` judges a study of which
    planned runs are still missing.
    """

    metric: str | None = None
    goal: Any = None
    sesoi: float | None = None
    alpha: float | None = None
    correction: Correction | None = None
    baselines: tuple[str, ...] = ()
    compare: tuple[tuple[str, str], ...] = ()
    all_pairs: bool = False
    sequential: bool = False
    seeds: tuple[int, ...] | None = None
    without: tuple[str, ...] = ()
    interim: bool = False
    unpaired: bool = False

    def judged(self, found: Source) -> Source:
        """The runs of a source that are judged, with the methods that a baseline names."""
        found, _ = with_method(found.only(self.seeds), self.spelt(found))
        return found.leaving_out(self.without)

    def of(self, found: Source) -> Question:
        """The question with the names that cells have now which readers made averages of."""
        now = {} if found.tidy is None else found.tidy.renamed
        return replace(
            self,
            baselines=tuple(now.get(name, name) for name in self.baselines),
            compare=tuple((now.get(a, a), now.get(b, b)) for a, b in self.compare),
        )

    def spelt(self, found: Source) -> Question:
        """The question with columns by their known names, where it has them as their file does."""
        came = {} if found.tidy is None else found.tidy.came
        known = {where: column for column, where in came.items() if column in found.table}

        def told(name: str) -> str:
            if not isinstance(name, str):
                return name  # no name at all, which the plan refuses
            column, sign, value = name.partition("=")
            there = not sign or column in found.table or name in set(found.table["cell"])
            return name if there else f"{known.get(f'column {column!r}', column)}={value}"

        return replace(
            self,
            baselines=tuple(map(told, self.baselines)),
            compare=tuple((told(a), told(b)) for a, b in self.compare),
        )

    def onto(self, plan: Plan) -> Plan:
        """The plan with these changes; a change of the question makes all of it exploratory."""
        changes: dict[str, Any] = {}
        for name in ("metric", "goal", "sesoi", "alpha", "correction"):
            value = getattr(self, name)
            if value is not None and value != getattr(plan, name):
                changes[name] = value
        if "metric" in changes and "sesoi" not in changes:
            changes["sesoi"] = None  # it was in the units of another metric
        if "metric" in changes:
            changes["secondary"] = ()
        if "metric" in changes and "goal" not in changes:
            changes["goal"] = None
        if self.unpaired and plan.test != "unpaired":
            changes |= {"test": "unpaired", "inference": "seeds", "interim": ()}
        if self.baselines:
            changes["baselines"] = self.baselines
        contrasts = plan.contrasts
        if self.without:
            contrasts = tuple(one for one in contrasts if named_by(one).isdisjoint(self.without))
            changes["primary"] = None if plan.primary in self.without else plan.primary
        if changes:
            why = "cells are left out here" if set(changes) == {"primary"} else "it is asked otherwise here"
            if plan.planned or plan.demoted:
                changes["demoted"] = " and ".join(filter(None, (plan.demoted, why)))
            changes["planned"] = False
            contrasts = tuple(_put_otherwise(contrast, why) for contrast in contrasts)
        contrasts += tuple(Pair(a, b) for a, b in self.compare)
        return replace(
            plan, contrasts=contrasts, all_pairs=self.all_pairs, sequential=self.sequential, **changes
        )


def _put_otherwise(contrast: Contrast, why: str) -> Contrast:
    """A contrast of a question that is not the planned one any more."""
    if not contrast.planned and not contrast.demoted:
        return contrast
    return replace(contrast, planned=False, demoted=" and ".join(filter(None, (contrast.demoted, why))))


def _as_shown(plan: Plan, before: Sequence[Elsewhere]) -> Plan:
    """The plan of runs that other studies had shown: where differences were, nothing was planned before."""
    if not (seen := [one.study for one in before if one.shows_differences]):
        return plan
    why = f"its runs had been shown before, in {some_of(seen, 2)}"
    demoted = " and ".join(filter(None, (plan.demoted, why))) if plan.planned or plan.demoted else ""
    contrasts = tuple(_put_otherwise(contrast, why) for contrast in plan.contrasts)
    return replace(plan, planned=False, demoted=demoted, contrasts=contrasts)


def analysis_of(found: Source, asked: Question, images: bool | None = None, *, up_to: int = 200) -> Analysis:
    """Analyse a source.

    Args:
        asked: what to change of the source's plan.
        images: whether intervals over new test images are computed; None computes them for at most `up_to`
            runs, since the predictions of each are a file.

    Raises:
        InputError: the table or the question is unusable, with file and line.
    """
    from rigorkd_analysis import analyze, progress

    there, found = found, found.only(asked.seeds)
    whole, asked = with_method(found, replace(asked.spelt(found), without=found.meant(asked.without)))
    found = whole.leaving_out(asked.without)
    with located(found.where):
        plan = asked.of(found).onto(found.plan)
        by_looks = found.folder is not None and bool(plan.interim) and not plan.sequential
        if (found.missing or by_looks) and not asked.interim:
            shown = progress(found.table, plan, study=found.name)
            complete = shown.progress.seeds_complete if shown.progress else 0
            if found.missing or plan.between_looks(complete):  # a look there would spoil the planned ones
                doubted = (one.says for one in found.doubted)
                return replace(shown, warnings=(*shown.warnings, *found.warnings, *doubted))
        before = found.shown_before()
        plan = found.with_looks(_as_shown(plan, before))
        peak = _read_from_a_peak(found, plan.metric)
        found = replace(found, warnings=(*_before_the_end(found), *peak, *found.warnings))
        known = BY_NAME.get(plan.metric or "")
        declared = dict(found.metrics).get(plan.metric or "")
        plan = replace(plan, goal=plan.goal or declared or (known.goal if known else None))
        fell = _fell_away(whole, found, asked, plan)
        plan = _told_of_fallen(there, found, asked, plan)
        wanted = images if images is not None else len(found.table) <= up_to
        wanted = wanted or plan.inference == "seeds_and_images"
        top1 = plan.metric in (None, "test_top1") or found.is_share_right(plan.metric)
        if found.tidy is not None:
            top1 = plan.metric == found.tidy.metric
        read = found.predictions() if wanted and top1 else None
        plan, tested = found.on_its_images(plan)
        plan = replace(plan, classes=plan.classes or found.classes(tested))
        lost: list[str] = []

        def predictions(cell: str, seed: int) -> Predictions | None:
            one = read(cell, seed) if read is not None else None
            lost.extend([f"{cell}/seed-{seed}"] * (one is None))
            return one

        result = analyze(found.table, plan, study=found.name, predictions=predictions if read else None)
    notes = (*_other_metrics(found, result.metric), *_lost(lost))
    notes += _out_of_order(found) if plan.sequential else ()
    notes += found.other_items
    told = _with_cautions(result, found)
    said = {text for family in told.families for c in family.comparisons for text in c.warnings}
    notes += tuple(one.says for one in found.doubted if one.says not in said)
    once = (one.says for one in before)
    own = (_with_the_log(text, found) for text in result.warnings)
    return replace(told, warnings=(*found.warnings, *once, *fell, *own, *notes))


def _told_of_fallen(there: Source, found: Source, asked: Question, plan: Plan) -> Plan:
    """The plan, told of the runs that fell far behind and are not judged, of cells that are.

    As for those that diverged: what a run came to is nothing to leave it out by. Seeds that came after all
    others were chosen by nothing of the kind.
    """
    if not asked.seeds and not asked.without:
        return plan
    kept = found.table
    judged = set(zip(kept["cell"].map(str), kept["seed"].map(seed_of), strict=True))
    if asked.seeds:
        fresh = ChosenSeeds.of(there.table, kept, plan.selection_seeds, there.looks, there.folder is not None)
        if fresh.fresh:
            return plan
    try:
        runs = read_runs(there.table, plan.metric).without(plan.selection_seeds)
    except TableError:  # of what is left out alone
        return plan
    return replace(plan, fell_unjudged=fell_unjudged(runs, goal_of(runs.metric, plan.goal), judged))


def _with_the_log(warning: str, found: Source) -> str:
    """A warning of runs that learnt nothing with what shows their logs: tables have none.

    By the study's name, as a document has the same bytes wherever it is made.
    """
    if found.folder is None or not warning.startswith(UNTRAINED):
        return warning
    return f"{warning} ({shows_log(found.folder.name)})"


def with_method(found: Source, asked: Question) -> tuple[Source, Question]:
    """A table without methods, in which a baseline is one word of a column of any name: that is the method.

    Averages are then of each method, and a teacher among its words is none of them. A column such as `subset`
    says, by its name, on what a result was measured, and no baseline is on other data: it is taken where
    COLUMN=VALUE names it.
    """
    for name in asked.baselines if found.folder is None else ():
        table = found.table
        if "method" in table and table["method"].nunique() > 1:
            break
        column = _holding_methods(found, str(name))
        if column is None:
            continue
        value = str(name).partition("=")[2] or str(name)
        table = table.drop(columns="method", errors="ignore").rename(columns={column: "method"})
        not_data = ", and not for data" * says_on_what(column)
        said = f"{column} is taken as the method, as --baseline {name} asks{not_data}"
        others = tuple(f"method={value}" if one == name else one for one in asked.baselines)
        found = replace(found, table=table, warnings=(*found.warnings, said))
        asked = replace(asked, baselines=others)
    return found, asked


def _holding_methods(found: Source, baseline: str) -> str | None:
    """The column of words, of no other meaning, in which alone a named baseline is one."""
    table = found.table
    column, sign, value = baseline.partition("=")
    known = {"cell", "seed", *NAMED, *PARAMETERS, *dict(found.metrics)}

    def holds(name: str, word: str) -> bool:
        words = set(table[name].dropna().map(str)) - {""} if name not in known else set()
        return word in words and len(words) > 1 and not any(map(is_float, words))

    if sign:
        return column if column in table and holds(column, value) else None
    if baseline in set(table["cell"]):
        return None
    there = [name for name in map(str, table) if not says_on_what(name) and holds(name, baseline)]
    return there[0] if len(there) == 1 else None


_Runs = Mapping[str, Mapping[int, str]]
"""The runs that verdicts use, of each cell by their seeds."""


def _fell_away(whole: Source, left: Source, asked: Question, plan: Plan) -> tuple[str, ...]:
    """Which questions the cells that are left out took with them; none where these cannot be judged."""
    from rigorkd_analysis.whole_analysis import asked_of_cells

    if not asked.without:
        return ()
    everything = replace(asked, without=())
    try:
        planned = asked_of_cells(whole.table, replace(everything.of(whole).onto(whole.plan), goal=plan.goal))
    except TableError:  # the cells may be left out for that very reason
        return ()
    there = asked_of_cells(left.table, plan)
    named: dict[str, list[str]] = {}
    for (family, name), (words, cells) in planned.items():
        if there.get((family, name), ("", None))[1] != cells:
            named.setdefault(family, []).append(name.partition(" vs ")[0] if family == "primary" else words)
    what = {"primary": "primary gain", "contrasts": "contrast", "overall": "average gain"}
    told = [
        f"the {words}{'s' * (len(named[family]) > 1)} {', '.join(named[family])}"
        for family, words in what.items()
        if family in named
    ]
    text = "without these cells some questions fall away, or are of fewer cells: "
    return (text + "; ".join(told),) if told else ()


def _with_cautions(result: Analysis, found: Source) -> Analysis:
    """The analysis whose every sentence says what is doubted of its runs, and what was chosen by hand.

    So it does what each result is a mean over, what every claim of the study is of, and that the metric,
    or its epoch, was chosen on test data.
    """
    doubts, runs = found.doubted, found.judged_runs
    over = "; ".join(filter(None, (mean_of(found.warnings), told_of_each(result))))
    fixed = tuple(filter(None, [fixed_before(result)]))
    chosen = (*chosen_of(found.warnings), *found.cautions, *fixed)

    def of_metric(warnings: Iterable[str]) -> tuple[str, ...]:
        told = of_no_new_data((*found.warnings, *warnings))
        return (*chosen, *(text.partition(": ")[0] for text in told))

    def secondary(item: Secondary) -> Secondary:
        of_all = of_metric(chosen_on_test(found.table, item.metric))
        return replace(item, family=_doubted(item.family, doubts, runs, of_all, over))

    of_all = of_metric(result.warnings)
    # comparisons have their own, of their own cells
    at_chance = banner_of(result.warnings).partition(" (")[0] * (AT_CHANCE in banner_of(result.warnings))
    of_networks = (*of_all, *([at_chance] if at_chance else ()))

    def said(says: str, cells: Iterable[str]) -> str:
        return with_cautions(says, (*_doubts_of(cells, doubts, runs), *of_networks), over)

    result = replace(
        result,
        families=tuple(_doubted(family, doubts, runs, of_all, over) for family in result.families),
        secondary=tuple(map(secondary, result.secondary)),
        images=tuple(replace(one, says=said(one.says, (one.a, one.b))) for one in result.images),
        factorial=tuple(
            replace(one, says=said(one.says, (cell for test in one.tests for cell in test.cells)))
            for one in result.factorial
        ),
        best=None if result.best is None else _of_the_best(result.best, chosen, of_networks),
    )
    if (sequential := result.sequential) is None:
        return result
    # a look that was repeated, or may be, is what the sequential verdicts are for
    of_verdicts = tuple(text for text in of_all if text not in fixed)
    warned: dict[tuple[str, bool, str], list[str]] = {
        (family.name, family.planned, c.name): [w for w in c.warnings if not w.startswith(REPEATED)]
        for family in result.families
        for c in family.comparisons
    }
    comparisons = (
        replace(
            one,
            says=with_cautions(
                one.says, (*warned.get((one.family, one.planned, one.name), ()), *of_verdicts), over
            ),
        )
        for one in sequential.comparisons
    )
    return replace(result, sequential=replace(sequential, comparisons=tuple(comparisons)))


def _of_the_best(best: Best, chosen: tuple[str, ...], of_all: tuple[str, ...]) -> Best:
    """What is said of the best cells, with what was left out: a cell that is gone may have been it.

    So it is with that their numbers were chosen on test data: validation picks none of these.
    """
    if not of_all:
        return best

    def says(pick: Pick) -> str:
        k = pick.candidates
        return with_cautions(pick.says.replace(among(k), among(k, left=cells_are_left(chosen))), of_all)

    picks = tuple(replace(pick, says=says(pick)) for pick in best.validation_pick)
    return replace(best, validation_pick=picks, left_out=of_all)


def _doubted(
    family: Family, doubts: Sequence[Doubt], runs: _Runs, chosen: tuple[str, ...], over: str
) -> Family:
    """The family with doubts of its numbers beside each verdict that uses them, and in what is said of each.

    So are in what is said, which is pasted without the captions, what was `chosen` and what each result is a
    mean `over`.
    """
    if not (doubts or chosen or over):
        return family
    of_each = [
        _doubts_of(one.weights, doubts, runs, paired=one.test != "unpaired") for one in family.comparisons
    ]
    of_all = tuple(dict.fromkeys(text for told in of_each for text in told))

    def said(one: Consistency) -> Consistency:
        return replace(one, says=with_cautions(one.says, (*of_all, *chosen), over))

    comparisons = (
        replace(one, says=with_cautions(one.says, (*told, *chosen), over), warnings=(*one.warnings, *told))
        for one, told in zip(family.comparisons, of_each, strict=True)
    )
    return replace(
        family,
        comparisons=tuple(comparisons),
        consistency=None if family.consistency is None else said(family.consistency),
        by_method=tuple(map(said, family.by_method)),
    )


def _doubts_of(
    cells: Iterable[str], doubts: Sequence[Doubt], runs: _Runs, *, paired: bool = True
) -> tuple[str, ...]:
    """What is doubted of the runs that a result of cells uses; of paired ones at the seeds that all have."""
    of = [runs.get(cell, {}) for cell in cells]
    seeds = set[int]().union(*of)
    if paired:
        seeds = seeds.intersection(*of)
    used = {run for cell in of for seed, run in cell.items() if seed in seeds}
    return tuple(
        doubt.says for doubt in doubts if doubt.runs is None or not used or not doubt.runs.isdisjoint(used)
    )


def judging(found: Source, metrics: Sequence[str], asked: Question) -> Source:
    """The source with these secondary metrics, where it has them and the question keeps its metric."""
    if asked.metric not in (None, found.plan.metric):
        return found
    own = found.plan.metric or "test_top1"
    there = found.table.columns[found.table.notna().any()]  # a record of a command has the engine's empty
    more = (name for name in metrics if name in there and name != own)
    secondary = tuple(dict.fromkeys((*found.plan.secondary, *more)))
    return replace(found, plan=replace(found.plan, secondary=secondary))


def _lost(runs: list[str]) -> tuple[str, ...]:
    """That intervals over new test images rest on fewer seeds than the rest."""
    if not runs:
        return ()
    named = ", ".join(runs[:3]) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")
    return (
        f"the predictions of {count(len(runs), 'run')} ({named}) are gone or not those that were written, so"
        " new test images are judged without their seeds; `rigorkd verify` says more",
    )


def _before_the_end(found: Source) -> tuple[str, ...]:
    """That an analysis was asked for before the planned runs were all there."""
    if not found.missing:
        return ()
    missing = f"{found.missing} of {len(found.table)} runs are not there yet"
    if found.complete_seeds in found.plan.interim:
        return (f"{missing}: a look before the end, as planned",)
    complete = f"{found.complete_seeds} of {count(len(found.judged_seeds), 'seed')}"
    return (
        f"{INTERIM}{complete} {'is' if found.complete_seeds == 1 else 'are'} complete, as --interim asks; "
        f"{missing}, so that no fixed-n verdict of all of them will be valid",
    )


def _read_from_a_peak(found: Source, metric: str | None) -> tuple[str, ...]:
    """That the judged metric is the best of many epochs by the name it is read by, which its own hides."""
    key = dict(found.peaks).get(metric or "", metric)
    if key is None or key == metric or is_peak(str(metric)):  # its own name says so
        return ()
    return (best_of_epochs(str(metric), f"{key}, which it is read as"),)


def _out_of_order(found: Source) -> tuple[str, ...]:
    """That the seeds of a table, which knows of no looks, stand there in another order than they count."""
    there = [seed for seed in dict.fromkeys(map(seed_of, found.table["seed"])) if seed is not None]
    behind = [f"{later} stands behind {before}" for before, later in pairwise(there) if later < before]
    if found.folder is not None or not behind:
        return ()
    return (
        f"seeds count in the order of their numbers, not in that of the file, where {behind[0]}: those that "
        "were run later need higher numbers, or a sequential verdict of before may be undone",
    )


def _other_metrics(found: Source, metric: str) -> tuple[str, ...]:
    """That a metric is not the one that the protocol named first."""
    primary = found.plan.metric
    if found.folder is None or primary is None or metric == primary:
        return ()
    role = "no metric of the protocol"
    if metric in found.plan.secondary:
        role = "a secondary metric"
    elif metric in dict(found.metrics):
        role = "a metric of the protocol, not its first"
    return (f"{metric} is {role}; {primary} is the primary one, and its verdicts are those of the study",)


def note(found: Source, result: Analysis, asked: Question | None = None) -> str:
    """Note in the study that its verdicts were seen; what to tell the user if that was impossible.

    Progress is no look; that its means were seen is noted for whoever gives seeds up after it.
    """
    if result.progress is not None:
        seeds, n = found.judged_seeds, result.progress.seeds_complete
        if found.folder is not None and n:
            note_shown(found.folder, seeds, result.metric, n)
        return ""
    return note_look(found.only(None if asked is None else asked.seeds), result.metric)


def note_look(found: Source, metric: str) -> str:
    """Note in a study that its runs were judged; what to tell the user if that was impossible."""
    from rigorkd.records.interim import note_interim_analysis
    from rigorkd.records.study import looks_since
    from rigorkd.records.untrusted import is_own

    if found.folder is None or not found.judged_seeds:
        return ""
    seeds, since = found.judged_seeds, looks_since(found.folder)
    if note_interim_analysis(found.folder, seeds, metric, found.complete_seeds, since=since):
        return ""
    if not is_own(found.folder):
        return f"note: {found.folder} belongs to another user, so this look is not noted there"
    return f"note: {found.folder} cannot be written, so this look is not noted there"
