"""Tables about cells: T × alpha, the choice of one, means and costs, teachers, every seed."""

from __future__ import annotations

from math import floor, log10
from typing import TypeVar

from rigorkd_analysis.metrics import label
from rigorkd_analysis.results import Analysis, LeaveOneSeedOut, Optimism, Pick
from rigorkd_analysis.wording import percent_text

from rigorkd.metrics import shown
from rigorkd.report.evidence import CellFacts, Evidence
from rigorkd.report.figures.settings import grids
from rigorkd.report.headline import Numbers
from rigorkd.report.html.values import MISSING, count, interval, metric, name, number, p_value, plain
from rigorkd.report.html.view import Cell, DataTable, Heading, Said, Value

_Chosen = Pick | LeaveOneSeedOut | Optimism
_Found = TypeVar("_Found", Pick, LeaveOneSeedOut, Optimism)

MAX_CELLS = 300
_MAX_SEEDS = 20


def grid_tables(evidence: Evidence) -> tuple[DataTable, ...]:
    """T down, alpha across: mean and gain of every cell of a grid that has both axes."""
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    out: list[DataTable] = []
    for title, cells in grids(evidence):
        temperatures = sorted({cell.T for cell in cells if cell.T is not None})
        alphas = sorted({cell.alpha for cell in cells if cell.alpha is not None})
        if len(temperatures) < 2 or len(alphas) < 2:
            continue
        by = {(cell.T, cell.alpha): cell for cell in cells}
        rows = tuple(
            (
                Cell((f"T = {temperature:g}",), sort=temperature, heading=True),
                *(_grid_cell(evidence, by.get((temperature, alpha)), say) for alpha in alphas),
            )
            for temperature in temperatures
        )
        gains = " In brackets the gain over the baseline." if evidence.gains() else ""
        holes = (
            " An empty place is no cell of the study." if len(by) < len(temperatures) * len(alphas) else ""
        )
        out.append(
            DataTable(
                f"grid-{len(out)}",
                f"T × α: {title}",
                (Heading("T"), *(Heading(f"α = {alpha:g}", True) for alpha in alphas)),
                rows,
                f"Mean {label(analysis.metric)} over seeds.{gains}{holes}",
            )
        )
    return tuple(out)


def _grid_cell(evidence: Evidence, cell: CellFacts | None, say: Numbers) -> Cell:
    if cell is None:
        return Cell(("",), numeric=True)
    at = evidence.index[cell.cell]
    mean = evidence.analysis.cells[at].mean
    parts: list[str | Value] = [Value(say(mean), mean, f"cells/{at}/mean")]
    for comparison, path in evidence.gain_paths():
        if comparison.a == cell.cell and comparison.mean_diff is not None:
            value = Value(say(comparison.mean_diff, True), comparison.mean_diff, f"{path}/mean_diff")
            parts += [" (", value, ")"]
            break
    return Cell(tuple(parts), numeric=True, sort=mean)


def factorial_sentences(analysis: Analysis) -> tuple[Said, ...]:
    """The repeated-measures tests of T, alpha and their interaction, in words."""
    return tuple(
        Said(item.says, f"factorial/{at}/says", lead=_who(item.student, item.group))
        for at, item in enumerate(analysis.factorial)
    )


def factorial_table(analysis: Analysis) -> DataTable | None:
    """The same as numbers."""
    columns = (
        *(Heading("cells"), Heading("effect"), Heading("F", True), Heading("df", True)),
        *(Heading("ε", True, "Greenhouse and Geisser's; 1 for a single contrast"), Heading("p", True)),
        Heading("p adjusted", True),
    )
    rows = []
    for at, item in enumerate(analysis.factorial):
        for kind, tests in (("tests", item.tests), ("contrasts", item.contrasts)):
            for position, test in enumerate(tests):
                path = f"factorial/{at}/{kind}/{position}"
                effect = number(test.df_effect, f"{path}/df_effect", plain(test.df_effect))
                error = number(test.df_error, f"{path}/df_error", plain(test.df_error))
                rows.append(
                    (
                        name(_who(item.student, item.group) or "all"),
                        Cell((test.effect,), sort=test.effect),
                        number(test.F, f"{path}/F", plain(test.F)),
                        Cell((*effect.parts, ", ", *error.parts), True, test.df_effect),
                        number(test.epsilon, f"{path}/epsilon", plain(test.epsilon)),
                        p_value(test.p, f"{path}/p"),
                        p_value(test.p_adjusted, f"{path}/p_adjusted"),
                    )
                )
    if not rows:
        return None
    note = (
        "Repeated-measures F tests over seeds with Greenhouse–Geisser correction; conservative at few seeds."
    )
    return DataTable("factorial", "Does T or α matter at all?", columns, tuple(rows), note)


def choice_table(analysis: Analysis) -> DataTable | None:
    """What choosing one cell costs: validation's pick, leave-one-seed-out selection, expected optimism."""
    best, say = analysis.best, Numbers(analysis)
    if best is None or not (best.validation_pick or best.leave_one_seed_out or best.optimism):
        return None
    chosen: tuple[_Chosen, ...] = (*best.validation_pick, *best.leave_one_seed_out, *best.optimism)
    keys = list(dict.fromkeys((item.student, item.group) for item in chosen))
    rows = []
    for student, group in keys:
        row = [name(_who(student, group) or "all cells")]
        pick = _find(best.validation_pick, student, group)
        if pick is None:
            row += [Cell((MISSING,)), Cell((MISSING,), True)]
        else:
            at, found = pick
            row.append(Cell((found.cell,), sort=found.cell))
            row.append(metric(found.test_mean, f"best/validation_pick/{at}/test_mean", say))
        left = _find(best.leave_one_seed_out, student, group)
        if left is None:
            row += [Cell((MISSING,), True)] * 2
        else:
            at, out = left
            row.append(metric(out.naive_mean, f"best/leave_one_seed_out/{at}/naive_mean", say))
            row.append(metric(out.mean, f"best/leave_one_seed_out/{at}/mean", say))
        optimism = _find(best.optimism, student, group)
        row.append(
            Cell((MISSING,), True)
            if optimism is None
            else metric(optimism[1].expected, f"best/optimism/{optimism[0]}/expected", say)
        )
        rows.append(tuple(row))
    columns = (
        Heading("cells"),
        Heading("validation picks"),
        Heading("its test mean", True),
        Heading("best mean on test", True, "flattered by the choice"),
        Heading("leave one seed out", True, "picked on the other seeds, scored on the one left out"),
        Heading("expected flattery", True, "by how much the best of so many equal cells would look better"),
    )
    note = (
        "The best mean on test is chosen by the numbers that it reports. Picking on the other seeds and "
        "scoring on the one left out has almost no such bias."
    )
    return DataTable("choice", "What choosing the best costs", columns, tuple(rows), note)


def _find(items: tuple[_Found, ...], student: str | None, group: str | None) -> tuple[int, _Found] | None:
    """The entry of one student and group, with its position."""
    for at, item in enumerate(items):
        if (item.student, item.group) == (student, group):
            return at, item
    return None


def cells_table(evidence: Evidence) -> DataTable:
    """Mean and spread of every cell."""
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    share = percent_text(1 - analysis.alpha)
    diverged = any(cell.diverged for cell in analysis.cells)
    columns = [Heading("cell"), Heading("n", True)]
    columns += [Heading("diverged", True)] if diverged else []
    columns += [Heading("mean", True), Heading(f"{share} interval", True), Heading("sd", True)]
    columns += [Heading(f"{share} interval of the sd", True)]
    rows = []
    for at, cell in enumerate(analysis.cells[:MAX_CELLS]):
        path = f"cells/{at}"
        row = [name(cell.cell), count(cell.n, f"{path}/n")]
        row += [count(cell.diverged, f"{path}/diverged")] if diverged else []
        row += [
            metric(cell.mean, f"{path}/mean", say),
            interval(cell.ci_low, cell.ci_high, path, say),
            metric(cell.std, f"{path}/std", say),
            interval(cell.std_ci_low, cell.std_ci_high, path, say, stem="std_ci"),
        ]
        rows.append(tuple(row))
    note = (
        f"{label(analysis.metric).capitalize()} over seeds: t interval of the mean, χ² interval of the "
        "standard deviation. Seeds are paired, so overlapping intervals of means are no test: the verdicts "
        "are above."
    )
    return DataTable("cells-table", "Means and spreads", tuple(columns), tuple(rows), note + _cut(evidence))


def costs_table(evidence: Evidence) -> DataTable | None:
    """What a cell costs and how well it follows its teacher: means over its runs."""
    costs = [
        cost for cost in shown("costs") if any(cell.mean(cost.name) is not None for cell in evidence.cells)
    ]
    if not costs:
        return None
    rows = tuple(
        (name(cell.cell), *(_measured(cell, cost.name, evidence.cells) for cost in costs))
        for cell in evidence.cells[:MAX_CELLS]
    )
    columns = (Heading("cell"), *(Heading(cost.heading, True) for cost in costs))
    note = "Means over seeds. Latency is the median time for one image; its differences are not tested."
    if evidence.latencies:
        note += (
            " It was measured once per architecture and device; one measured beside other work is left out."
        )
    return DataTable("costs-table", "What a cell costs", columns, rows, note + _cut(evidence))


def _cut(evidence: Evidence) -> str:
    total = len(evidence.cells)
    return f" The first {MAX_CELLS} of {total:,} cells." if total > MAX_CELLS else ""


def _measured(facts: CellFacts, key: str, among: tuple[CellFacts, ...]) -> Cell:
    """The mean of a metric over the runs of a cell, in decimals that suit the whole column."""
    mean = facts.mean(key)
    largest = max((abs(value) for cell in among for value in cell.values(key)), default=0.0)
    decimals = min(6, max(0, 3 - floor(log10(largest)))) if largest > 0 else 0
    path = f"runs|{facts.cell}|{key}|mean"
    return number(mean, path, MISSING if mean is None else f"{mean:.{decimals}f}".replace("-", "−"))


def teachers_table(evidence: Evidence) -> DataTable | None:
    """The teachers' own results, as means over their runs."""
    measured = [
        metric
        for metric in shown("teachers")
        if any(teacher.mean(metric.name) is not None for teacher in evidence.teachers)
    ]
    if not measured:
        return None
    rows = tuple(
        (
            name(teacher.cell),
            Cell((teacher.student,), sort=teacher.student),
            number(len(teacher.seeds), f"runs|{teacher.cell}|seeds|count", f"{len(teacher.seeds)}"),
            *(_measured(teacher, metric.name, evidence.teachers) for metric in measured),
        )
        for teacher in evidence.teachers
    )
    columns = (Heading("teacher"), Heading("model"), Heading("runs", True))
    return DataTable(
        "teachers-table",
        "Teachers",
        (*columns, *(Heading(metric.heading, True) for metric in measured)),
        rows,
        "Means over the teacher's runs; one run is one teacher for all seeds.",
    )


def seeds_table(evidence: Evidence) -> DataTable:
    """The metric of every run."""
    analysis, say = evidence.analysis, Numbers(evidence.analysis)
    seeds = evidence.cells[0].seeds if evidence.cells else ()
    rows = tuple(
        (
            name(cell.cell),
            *(
                number(value, f"runs|{cell.cell}|{analysis.metric}|{seed}", say(value))
                for seed, value in list(zip(cell.seeds, cell.measures[analysis.metric], strict=True))[
                    :_MAX_SEEDS
                ]
            ),
        )
        for cell in evidence.cells[:MAX_CELLS]
    )
    cut = f" The first {_MAX_SEEDS} of {len(seeds)} seeds." if len(seeds) > _MAX_SEEDS else ""
    return DataTable(
        "seeds-table",
        "Every run",
        (Heading("cell"), *(Heading(f"seed {seed}", True) for seed in seeds[:_MAX_SEEDS])),
        rows,
        f"{label(analysis.metric)} of each run; {MISSING}: no such run, or it diverged.{cut}",
    )


def _who(student: str | None, group: str | None) -> str:
    return "/".join(part for part in (group, student) if part)
