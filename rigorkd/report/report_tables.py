"""Tables about cells on the page that is sent: T × alpha, the choice of one, costs, teachers, every seed."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from typing import TypeVar

from rigorkd_analysis.metric_names import label
from rigorkd_analysis.results import Analysis, LeaveOneSeedOut, Optimism, Pick
from rigorkd_analysis.stats.anova import whose
from rigorkd_analysis.wording import number_text

from rigorkd.metrics import NAMES, Metric, shown
from rigorkd.report.conditions import seconds_note
from rigorkd.report.evidence import CellFacts, Evidence, grids
from rigorkd.report.numbers import MetricNumbers, Numbers, count
from rigorkd.report.page import MISSING, Cell, Column, Entry, Table, Value, first_of
from rigorkd.report.sentences import who

_Chosen = Pick | LeaveOneSeedOut | Optimism
_Found = TypeVar("_Found", Pick, LeaveOneSeedOut, Optimism)

MAX_CELLS = 300
_MAX_SEEDS = 20


def grid_tables(evidence: Evidence) -> tuple[Table, ...]:
    """T down, alpha across: mean and gain of every cell of a grid that has both axes."""
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    out: list[Table] = []
    for title, cells in grids(evidence):
        temperatures = sorted({cell.T for cell in cells if cell.T is not None})
        alphas = sorted({cell.alpha for cell in cells if cell.alpha is not None})
        if len(temperatures) < 2 or len(alphas) < 2:
            continue
        by = {(cell.T, cell.alpha): cell for cell in cells}
        rows = tuple(
            (
                Cell((f"T = {temperature:g}",), sort=temperature),
                *(_grid_cell(evidence, by.get((temperature, alpha)), say) for alpha in alphas),
            )
            for temperature in temperatures
        )
        note = f"Mean {label(analysis.metric)} over seeds."
        note += f" In brackets the gain over {evidence.the_baseline}." if evidence.gains() else ""
        if len(by) < len(temperatures) * len(alphas):
            note += " An empty place is no cell of the study."
        columns = (Column("T"), *(Column(f"α = {alpha:g}", True) for alpha in alphas))
        out.append(Table(f"T × α: {title}", columns, rows, note, id=f"grid-{len(out)}"))
    return tuple(out)


def _grid_cell(evidence: Evidence, cell: CellFacts | None, say: MetricNumbers) -> Entry:
    if cell is None:
        return ""
    at = evidence.index[cell.cell]
    mean = say.value(evidence.analysis.cells[at].mean, f"cells/{at}/mean")
    for c, path in evidence.gain_paths():
        if c.a == cell.cell and c.mean_diff is not None:
            return Cell((mean, " (", say.value(c.mean_diff, f"{path}/mean_diff", signed=True), ")"))
    return mean


def _factors(analysis: Analysis) -> list[str]:
    tests = (test for item in analysis.factorial for test in item.tests)
    return [*dict.fromkeys(test.effect.partition(" at ")[0] for test in tests if "×" not in test.effect)]


def settings_title(analysis: Analysis) -> str:
    """What the section on settings is called: by the factors that are tested, where these are known."""
    factors = _factors(analysis) or ["T", "α"]
    if not {*factors} <= {"T", "α"}:
        return "Settings"
    return " and ".join("Temperature" if one == "T" else one for one in factors)


def factorial_table(analysis: Analysis) -> Table | None:
    """The same as numbers."""
    say = Numbers(analysis)
    rows: list[tuple[Entry, ...]] = []
    shown = 0
    for at, item in enumerate(analysis.factorial):
        of_two = {test.effect for test in item.tests if test.df_effect == 1}
        for kind, tests in (("tests", item.tests), ("contrasts", item.contrasts)):
            for position, test in enumerate(tests):
                if kind == "contrasts":
                    if test.effect.partition(":")[0] in of_two:
                        continue  # the test of its factor once more, whose corrected p is in the row of that
                    shown += 1
                path = f"factorial/{at}/{kind}/{position}"
                effect, error = (say.field(test, name, path) for name in ("df_effect", "df_error"))
                rows.append(
                    (
                        *(whose(item, analysis.factorial) or "all", test.effect, say.field(test, "F", path)),
                        Cell((effect, ", ", error)),
                        *(say.field(test, name, path) for name in ("epsilon", "p", "p_together")),
                    )
                )
    if not rows:
        return None
    columns = (
        *(Column("cells"), Column("effect"), Column("F", True), Column("df", True)),
        *(Column("ε", True, "Greenhouse and Geisser's; 1 for a single contrast"), Column("p", True)),
        Column("p adjusted", True),
    )
    note = "Repeated-measures F tests over seeds with Greenhouse–Geisser correction, "
    factors, single = (
        sum(len(getattr(item, kind)) for item in analysis.factorial) for kind in ("tests", "contrasts")
    )
    note += f"adjusted by Holm over {factors} test{'s' * (factors > 1)} of factors and interactions"
    note += " of these sets of cells" * (len(analysis.factorial) > 1)
    if shown:
        note += f", and apart from these over {single} single contrast{'s' * (single > 1)} (“linear”)"
    several = (test.epsilon for item in analysis.factorial for test in item.tests)
    if any(epsilon is not None and epsilon < 1 for epsilon in several):
        note += (
            "; of three levels or more conservative at few seeds: at n = 5 equal settings are found to "
            "differ in .03 of studies where they are three, in .002 where they are twelve: “not shown” says "
            "little"
        )
    note += ". Of two levels the test is the paired t test."
    note += "".join(f" {item.beside}" for item in analysis.factorial if item.beside)
    title = f"Does {' or '.join(_factors(analysis))} matter at all?"
    return Table(title, columns, tuple(rows), note, id="factorial")


def choice_table(analysis: Analysis) -> Table | None:
    """What choosing one cell costs: validation's pick, leave-one-seed-out selection, expected optimism."""
    best, say = analysis.best, Numbers(analysis)
    if best is None:
        return None
    chosen: tuple[_Chosen, ...] = (*best.validation_pick, *best.leave_one_seed_out, *best.optimism)
    rows: list[tuple[Entry, ...]] = []
    for student, group in dict.fromkeys((item.student, item.group) for item in chosen):
        row: list[Entry] = [who(student, group) or "all cells"]
        pick = _find(best.validation_pick, student, group)
        row.append(MISSING if pick is None else pick[1].cell)
        for name, found, fields in (
            ("validation_pick", pick, ("test_mean",)),
            ("leave_one_seed_out", _find(best.leave_one_seed_out, student, group), ("naive_mean", "mean")),
            ("optimism", _find(best.optimism, student, group), ("expected",)),
        ):
            for field in fields:
                path = "" if found is None else f"best/{name}/{found[0]}"
                row.append(MISSING if found is None else say.field(found[1], field, path))
        rows.append(tuple(row))
    if not rows:
        return None
    columns = (
        Column("cells"),
        Column("validation picks"),
        Column("its test mean", True),
        Column("best mean on test", True, "flattered by the choice"),
        Column("leave one seed out", True, "picked on the other seeds, scored on the one left out"),
        Column("expected flattery", True, "by how much the best of so many equal cells would look too good"),
    )
    note = (
        "The best mean on test is chosen by the numbers that it reports. Picking on the other seeds and "
        "scoring on the one left out has almost no such bias."
    )
    fewer: dict[str, str] = {}
    means: tuple[Pick | LeaveOneSeedOut, ...] = (*best.validation_pick, *best.leave_one_seed_out)
    for one in means:
        if one.over:
            fewer.setdefault(who(one.student, one.group) or "all cells", one.over)
    note += "".join(f" Of {name} means are{over}." for name, over in fewer.items())
    return Table("What choosing the best costs", columns, tuple(rows), note, id="choice")


def _find(items: tuple[_Found, ...], student: str | None, group: str | None) -> tuple[int, _Found] | None:
    """The entry of one student and group, with its position."""
    for at, item in enumerate(items):
        if (item.student, item.group) == (student, group):
            return at, item
    return None


def costs_table(evidence: Evidence) -> Table | None:
    """What a cell costs and how well it follows its teacher: means over its runs."""
    costs = _measured(shown("costs"), evidence.cells)
    if not costs:
        return None
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (cell.cell, *(_mean(cell, cost, evidence.cells) for cost in costs))
        for cell in evidence.cells[:MAX_CELLS]
    )
    note = "Means over seeds; differences in cost are not tested."
    if any(cost.name == "latency_ms" for cost in costs):
        note += " Latency is the median time for one image."
    if evidence.latencies:
        note += (
            " It was measured once per architecture and device; one measured beside other work is left out."
        )
    note += seconds_note(cost.name for cost in costs)
    columns = (Column("cell"), *(Column(cost.heading, True) for cost in costs))
    cut = first_of(MAX_CELLS, len(evidence.cells), "cells")
    return Table("What a cell costs", columns, rows, note + cut, id="costs-table")


def _measured(metrics: Iterable[Metric], among: tuple[CellFacts, ...]) -> list[Metric]:
    return [metric for metric in metrics if any(cell.mean(metric.name) is not None for cell in among)]


def _mean(facts: CellFacts, metric: Metric, among: tuple[CellFacts, ...]) -> Value:
    """The mean of a metric over the runs of a cell, in decimals that suit the whole column."""
    mean = facts.mean(metric.name)
    largest = max((abs(value) for cell in among for value in cell.values(metric.name)), default=0.0)
    decimals = min(6, max(0, 3 - floor(log10(largest)))) if largest > 0 else 0
    return Value(number_text(mean, decimals), mean, f"runs|{facts.cell}|{metric.name}|mean")


def teachers_table(evidence: Evidence) -> Table | None:
    """The teachers' own results, as means over their runs."""
    teachers = evidence.teachers
    judged, listed = evidence.analysis.metric, shown("teachers")
    own = () if judged in NAMES else (Metric(judged, None, "", label(judged)),)
    measured = _measured((*own, *listed), teachers)
    if not measured:
        return None
    chained = any(teacher.teacher for teacher in teachers)
    modelled = any(teacher.student for teacher in teachers)  # a command's model has no name
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (
            *(
                teacher.cell,
                *([teacher.student] if modelled else []),
                *([teacher.teacher] if chained else []),
            ),
            count(len(teacher.seeds), f"runs|{teacher.cell}|seeds|count"),
            *(_mean(teacher, metric, teachers) for metric in measured),
        )
        for teacher in teachers
    )
    columns = (
        Column("teacher"),
        *([Column("model")] if modelled else []),
        *([Column("comes from")] if chained else []),
        Column("runs", True),
        *(Column(metric.heading, True) for metric in measured),
    )
    note = "Means over the teacher's runs."
    if any(len(teacher.seeds) == 1 for teacher in teachers):
        note = "Means over the teacher's runs; one run is one teacher for all seeds."
    note += seconds_note(metric.name for metric in measured)
    return Table("Teachers", columns, rows, note, id="teachers-table")


def seeds_table(evidence: Evidence) -> Table:
    """The metric of every run."""
    metric, say = evidence.analysis.metric, Numbers(evidence.analysis)
    seeds = evidence.cells[0].seeds if evidence.cells else ()
    rows: tuple[tuple[Entry, ...], ...] = tuple(
        (
            cell.cell,
            *(
                say.value(value, f"runs|{cell.cell}|{metric}|{seed}")
                for seed, value in zip(seeds[:_MAX_SEEDS], cell.measures[metric], strict=False)
            ),
        )
        for cell in evidence.cells[:MAX_CELLS]
    )
    note = f"{label(metric)} of each run; {MISSING}: no such run, or it diverged."
    note += first_of(_MAX_SEEDS, len(seeds), "seeds")
    columns = (Column("cell"), *(Column(f"seed {seed}", True) for seed in seeds[:_MAX_SEEDS]))
    return Table("Every run", columns, rows, note, id="seeds-table")
