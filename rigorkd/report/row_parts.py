"""What rows of a paper's table are called: the parts of a cell's name that stand in columns of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rigorkd_analysis.columns import OWN_SETTINGS
from rigorkd_analysis.results import Comparison

from rigorkd.report.evidence import CellFacts
from rigorkd.report.page import MISSING

_NO_COLUMN = frozenset(
    {"cell", "seed", "group", "student", "method", "T", "alpha", "run", "status", OWN_SETTINGS}
)
_TAIL = " mean "
"""What stands between a cell's name and what it is averaged over."""


def columns_of(cells: Sequence[CellFacts]) -> list[str]:
    """The columns whose values are parts of these cells' names in their blocks, in their order.

    `teacher` and `dataset` of `resnet32x4/KD/cifar100`: whoever has such columns reads KD as the row's name.
    """
    parts = [_parts(cell)[0] for cell in cells]
    if not cells or any(len(own) < 2 for own in parts):
        return []
    found: list[str] = []
    for name in cells[0].settings:
        values = [cell.settings.get(name, "") for cell in cells]
        if name in _NO_COLUMN or not all(value in own for value, own in zip(values, parts, strict=True)):
            continue
        if any(value == cell.method for value, cell in zip(values, cells, strict=True)):
            continue
        rest = [[part for part in own if part != value] for value, own in zip(values, parts, strict=True)]
        if all(rest):
            found.append(name)
            parts = rest
    first = _parts(cells[0])[0]
    return sorted(found, key=lambda name: first.index(cells[0].settings[name]))


def short(cell: CellFacts, columns: Sequence[str]) -> str:
    """A cell's name in its block without the values of these columns."""
    parts, tail = _parts(cell)
    for name in columns:
        parts.remove(cell.settings[name])
    return "/".join(parts) + tail


def led_by(cells: Sequence[CellFacts]) -> list[str]:
    """The headings of what a row's name begins with: a data set is no student.

    A study's group stays with its students, as `main/plain`.
    """
    data = ["data set"] * any(cell.data for cell in cells)
    student = ["student"] * any(cell.student for cell in cells)
    group = ["group"] * (not student and any(cell.group and not cell.data for cell in cells))
    return [*data, *(student or group)]


def leads(cells: Sequence[CellFacts], headings: Sequence[str]) -> list[str]:
    """What stands under these headings for a row of these cells, `MISSING` where it is not one for all."""
    found = []
    for heading in headings:
        values = {cell.data if heading == "data set" else _undated(cell) for cell in cells}
        found.append(values.pop() if len(values) == 1 else MISSING)
    return found


def _undated(cell: CellFacts) -> str:
    return cell.student if cell.data else cell.block


def beside(name: str, told: Sequence[str]) -> str:
    """The name of an average without the parts that its row tells already: `KD: average of 3 (T)`."""
    head, sign, rest = name.partition(": ")
    parts = [part for part in head.split("/") if part not in told]
    return "/".join(parts) + sign + rest if parts else name


def shared(cells: Sequence[CellFacts], column: str) -> str:
    """The value that all of these cells have of a column, "" where they differ."""
    values = {cell.settings.get(column, "") for cell in cells}
    return values.pop() if len(values) == 1 else ""


def differing(cells: Sequence[CellFacts]) -> list[str]:
    """What is not the same in the names of these cells: `c10` and `tiny` of `r8/KD/c10` and `r8/KD/tiny`."""
    split = [_split(cell.label) for cell in cells]
    labels = [cell.label for cell in cells]
    if len({tail for _, tail in split}) > 1 or len({len(parts) for parts, _ in split}) > 1:
        return labels
    columns = list(zip(*(parts for parts, _ in split), strict=True))
    apart = ["/".join(own) for own in zip(*(one for one in columns if len(set(one)) > 1), strict=True)]
    return apart if len(set(apart)) == len(labels) else labels


def _parts(cell: CellFacts) -> tuple[list[str], str]:
    """The parts of a cell's name in its block, and what stands behind them, as `-T4` of `KD/resnet8x4-T4`."""
    parts, tail = _split(cell.label)
    words = {value for value in cell.settings.values() if value}
    if parts[-1] not in words:
        found = [word for word in words if parts[-1].startswith(f"{word}-")]
        word = max(found, key=len, default=parts[-1])
        parts, tail = [*parts[:-1], word], parts[-1].removeprefix(word) + tail
    return parts, tail


def _split(label: str) -> tuple[list[str], str]:
    head, sign, tail = label.partition(_TAIL)
    return head.split("/"), sign + tail


def fewer_seeds(rows: Iterable[tuple[CellFacts | str, CellFacts, Comparison]], metric: str) -> str:
    """That the gains of some rows, paired by seed, are over fewer seeds than a mean beside them.

    A row is a cell with its baseline, or an average gain by its name, of which the baseline's mean alone is
    shown. That of one baseline is said once, of whichever gains it stands beside.
    """
    short: dict[str, dict[str, None]] = {}
    for own, baseline, c in rows:
        for cell in (baseline,) if isinstance(own, str) else (own, baseline):
            n = len(cell.values(metric))
            if c.test != "unpaired" and c.n < n:
                of = f"the gain of {own if isinstance(own, str) else own.label}"
                told = f"{'its gain' if cell is own else of} over {c.n}"
                short.setdefault(f"of {cell.cell} over {n} seeds beside ", {})[told] = None
    if not short:
        return ""
    shown = [mean + " and ".join(gains) for mean, gains in short.items()][:3]
    shown += [f"{len(short) - 3} more"] * (len(short) > 3)
    return f" A gain is over the seeds that both have; some means are over more: {'; '.join(shown)}."
