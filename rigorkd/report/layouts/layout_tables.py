"""From a layout to a table: its rows and columns, with our means, deviations, intervals and verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from rigorkd_analysis.axes import SYMBOLS
from rigorkd_analysis.metric_names import label
from rigorkd_analysis.results import Comparison
from rigorkd_analysis.wording import number_text, percent_text

from rigorkd.errors import InputError
from rigorkd.metrics import BY_NAME
from rigorkd.report.conditions import banner_about, caption_under_conditions, seconds_note
from rigorkd.report.evidence import CellFacts, Evidence, Images
from rigorkd.report.latencies import latency_note, latency_text
from rigorkd.report.layouts.layout_spec import Block, HeatLayout, RowsLayout, Shown, TableLayout
from rigorkd.report.layouts.wanted_cells import Wanted, called, gain_of, lacking, of_one, setting, wanted
from rigorkd.report.numbers import MetricNumbers, verdict
from rigorkd.report.page import MISSING, Cell, Column, Entry, Page, Table
from rigorkd.report.paper_tables import marked, mean_std, spread_said, verdicts_said
from rigorkd.report.paper_tests import pairing, tests_said
from rigorkd.report.sentences import seeds_of, titled
from rigorkd.report.stars import is_starred


def layout_table(evidence: Evidence, layout: TableLayout) -> Page:
    """The table of a layout, ready for Markdown or LaTeX.

    Raises:
        InputError: the study has none of its cells.
    """
    table = _rows(evidence, layout) if isinstance(layout, RowsLayout) else _heat(evidence, layout)
    return Page(blocks=(table,))


def _finished(
    evidence: Evidence, layout: TableLayout, shown: Iterable[CellFacts], parts: list[str]
) -> tuple[str, str]:
    """Title and caption of a table of the cells that are shown."""
    title = layout.title + (f" ({layout.published})" if layout.published else "")
    told = caption_under_conditions(evidence.analysis, " ".join(filter(None, parts)))
    banner = banner_about(evidence.analysis, [cell.cell for cell in shown])
    return titled(title, [banner]), " ".join(filter(None, (told, layout.note)))


# ---------------------------------------------------------------------------------------- one row per cell


@dataclass(frozen=True)
class _Row:
    cell: CellFacts
    named: dict[str, str]


def _rows(evidence: Evidence, layout: RowsLayout) -> Table:
    found = [(block, wanted_or_none(evidence, block)) for block in layout.rows]
    members = [_Row(cell, block.named) for block, some in found for cell in some.cells]
    if not members:
        wanted(evidence, [pattern for block in layout.rows for pattern in block.cells], teachers=True)
    missing = [name for _, some in found for name in some.missing]
    judged = [
        (row.cell.cell, gain)
        for row in members
        for name in layout.judged
        if (gain := gain_of(evidence, row.cell.cell, name)) is not None
    ]
    among = [gain for _, gain in judged]
    rows = tuple(
        tuple(_entry(evidence, layout, row, column, among) for column in layout.columns) for row in members
    )
    share = percent_text(1 - evidence.analysis.alpha)
    parts = [
        f"{spread_said(evidence, [one.heading for one in layout.columns], [row.cell for row in members])}."
    ]
    if layout.judged:
        over = evidence.the_baseline
        tests = tests_said(evidence, [row.cell.cell for row in members], of_all=False, named=False)
        parts.append(f"Gain: over {over}{pairing(evidence)}, with its {share} interval alone; {tests}.")
        others = [label(name) for name in layout.judged if name != evidence.analysis.metric]
        if others:
            parts.append(f"Of {' and '.join(others)} the intervals are uncorrected.")
        parts.append(verdicts_said(evidence, judged).strip())
    measured = [column.metric for column in layout.columns if column.metric]
    parts.append(latency_note(evidence, measured, [row.cell for row in members]).strip())
    parts.append(seconds_note([*measured, *(column.difference or "" for column in layout.columns)]).strip())
    if any(column.difference for column in layout.columns):
        parts.append("A difference of latencies within one architecture is noise of the measurement.")
    title, caption = _finished(evidence, layout, [row.cell for row in members], [*parts, lacking(missing)])
    columns = tuple(Column(column.heading, column.show is None) for column in layout.columns)
    return Table(title, columns, rows, caption, dense=True)


def wanted_or_none(evidence: Evidence, block: Block) -> Wanted:
    """The cells of a block of rows; a block may lack all of its own."""
    from rigorkd.report.layouts.wanted_cells import alternatives

    try:
        return wanted(evidence, block.cells, teachers=True)
    except InputError:
        return Wanted((), tuple(one for pattern in block.cells for one in alternatives(pattern)))


def _entry(
    evidence: Evidence, layout: RowsLayout, row: _Row, column: Shown, among: Sequence[Comparison]
) -> Entry:
    """What stands in a column of a row; `among` are the gains of all rows."""
    cell: CellFacts | None = row.cell
    assert cell is not None
    if column.heading in row.named:
        return row.named[column.heading]
    gain = gain_of(evidence, cell.cell, column.gain or column.verdict or evidence.analysis.metric)
    if column.of == "baseline":
        cell = None if gain is None or gain.b is None else evidence.facts(gain.b)
    if column.show is not None:
        value = "" if cell is None else setting(cell, column.show)
        return layout.words.get(column.show, {}).get(value, value)
    if column.metric is not None:
        return MISSING if cell is None else _measured(evidence, cell, column.metric)
    if column.difference is not None:
        return _difference(evidence, cell, column.difference)
    if gain is None:
        return "" if row.cell.is_baseline or row.cell.method == "teacher" else MISSING
    if column.verdict is not None:
        starred = is_starred(gain, among)
        return marked(evidence, gain, verdict(gain.verdict, gain.magnitude, starred=starred))
    say = _say(evidence, column.gain or "")
    whole = say.show(gain, "ci", signed=True)
    between = whole.parts if isinstance(whole, Cell) else (MISSING,)
    told = any(one.verdict is not None for one in layout.columns)  # the signs stand there once
    star = "*" * (is_starred(gain, among) and not told)
    entry = Cell((say.value(gain.mean_diff, signed=True), " (", *between, f"){star}"))
    return entry if told else marked(evidence, gain, entry)


def _measured(evidence: Evidence, cell: CellFacts, metric: str) -> str:
    if metric == "latency_ms" and evidence.latencies:
        return latency_text(cell, evidence)
    if metric == "params_millions":
        mean = cell.mean(metric)
        return MISSING if mean is None else f"{mean:.2f}" if mean >= 0.1 else f"{mean:.3g}"
    return mean_std(cell, metric, evidence)


def _difference(evidence: Evidence, cell: CellFacts | None, metric: str) -> str:
    """Of the means; runs that share one measurement of their architecture cannot differ in it."""
    gain = None if cell is None else gain_of(evidence, cell.cell, evidence.analysis.metric)
    if cell is None or gain is None or gain.b is None or (metric == "latency_ms" and evidence.latencies):
        return MISSING
    before, after = evidence.facts(gain.b).mean(metric), cell.mean(metric)
    decimals = BY_NAME[metric].decimals if metric in BY_NAME else 2
    return number_text(None if before is None or after is None else after - before, decimals or 2, True)


def _say(evidence: Evidence, metric: str) -> MetricNumbers:
    cells = evidence.cells
    return MetricNumbers(
        metric, [cell.mean(metric) for cell in cells], [_spread(cell, metric) for cell in cells]
    )


def _spread(cell: CellFacts, metric: str) -> float | None:
    values, mean = cell.values(metric), cell.mean(metric)
    if mean is None or len(values) < 2:
        return None
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


# ------------------------------------------------------------------------------- one metric by two settings


@dataclass(frozen=True)
class Grid:
    """Cells by what stands down and across; the entropies of a row's teacher where they are asked for, and
    in words the images that they are of."""

    down: tuple[str, ...]
    across: tuple[str, ...]
    cells: dict[tuple[str, str], CellFacts]
    entropies: dict[str, tuple[float, float | None]]
    images: str
    missing: tuple[str, ...]


def softened_images(evidence: Evidence, asked: Images) -> tuple[Images, str]:
    """The images whose softened outputs are shown, and in words; test images where no others were kept."""
    teachers = [cell.cell for cell in evidence.teachers]
    if asked == "test":
        return asked, "the test images"
    if any(evidence.softened(name, asked) for name in teachers):
        return asked, "training images as they are, not augmented"
    return "test", "the test images (these records keep nothing of training images)"


def grid_of(evidence: Evidence, layout: HeatLayout) -> Grid:
    """Rows and columns in the order in which the patterns name them."""
    found = wanted(evidence, layout.cells)
    images, told = softened_images(evidence, layout.images)
    cells: dict[tuple[str, str], CellFacts] = {}
    entropies: dict[str, tuple[float, float | None]] = {}
    by_teacher: dict[str, tuple[float, float | None] | None] = {}
    for cell in found.cells:
        down, across = (called(cell, axis, layout.words) for axis in (layout.down, layout.across))
        if (other := cells.setdefault((down, across), cell)) is not cell:
            raise InputError(
                f"{other.cell} and {cell.cell} have one place in this table: {down}, {across}",
                hint="name cells that `down` and `across` tell apart, such as those of one student",
            )
        if layout.softness is not None and down not in entropies:
            teacher = setting(cell, "teacher")
            if teacher not in by_teacher:
                by_teacher[teacher] = _entropies(evidence, teacher, layout.softness, images)
            if (known := by_teacher[teacher]) is not None:
                entropies[down] = known
    return Grid(
        tuple(dict.fromkeys(down for down, _ in cells)),
        tuple(dict.fromkeys(across for _, across in cells)),
        cells,
        entropies,
        told,
        found.missing,
    )


def _entropies(
    evidence: Evidence, teacher: str, T: float, images: Images
) -> tuple[float, float | None] | None:
    """A teacher's entropies at T, means over its runs; None where they are not known."""
    if images == "train":
        cells = [one.cell for one in evidence.teachers if one.cell.removeprefix("teacher/") == teacher]
        known = [one for cell in cells for one in evidence.softened(cell, images)]
        whole = tuple(float(value) for one in known for value in one.entropy[one.temperature == T])
        rest = tuple(float(value) for one in known for value in one.rest[one.temperature == T])
    else:
        items = [
            one for one in evidence.softness if (one.teacher.removeprefix("teacher/"), one.T) == (teacher, T)
        ]
        whole = tuple(one for item in items for one in item.entropy)
        rest = tuple(one for item in items for one in item.entropy_rest)
    rest = tuple(one for one in rest if math.isfinite(one))
    return (sum(whole) / len(whole), sum(rest) / len(rest) if rest else None) if whole else None


def _heat(evidence: Evidence, layout: HeatLayout) -> Table:
    grid = grid_of(evidence, layout)
    say = _say(evidence, layout.metric)
    columns = [Column(" / ".join(SYMBOLS.get(name, name) for name in layout.down))]
    if grid.entropies:
        columns += [Column("Ĥ(p)", True), Column("Ĥ(p̄)", True)]
    columns += [Column(name, True) for name in grid.across]
    rows = []
    for down in grid.down:
        row: list[Entry] = [down]
        if grid.entropies:
            row += [number_text(one, 3) for one in grid.entropies.get(down, (None, None))]
        for across in grid.across:
            cell = grid.cells.get((down, across))
            row.append(MISSING if cell is None else say.value(cell.mean(layout.metric)))
        rows.append(tuple(row))
    spreads = [one for cell in grid.cells.values() if (one := _spread(cell, layout.metric))]
    parts = [
        of_one(evidence, grid.cells.values(), (*layout.down, *layout.across), layout.words),
        f"{label(layout.metric)}: means over {seeds_of(cell.n for cell in evidence.analysis.cells)}"
        + (f", whose standard deviation is {say(median(spreads))} in the median." if spreads else "."),
    ]
    if grid.entropies:
        parts.append(
            f"Ĥ: entropy of the teacher's output at T = {layout.softness:g} relative to that of all classes "
            f"alike, whole and without its most probable class, on {grid.images}."
        )
    parts.append("Nothing is marked best: `rigorkd analyze` says which cells may be.")
    title, caption = _finished(evidence, layout, grid.cells.values(), [*parts, lacking(grid.missing)])
    return Table(title, tuple(columns), tuple(rows), caption, dense=True)
