"""Which cell is the baseline of which.

A distilled cell is judged against the cell whose method is `baseline` and that agrees with it in group,
student, start, epochs, training and views, as far as the table has such columns. Never matched: the teacher
and the method's own parameters, since a baseline has neither.
"""

from __future__ import annotations

from rigorkd_analysis.errors import TableError
from rigorkd_analysis.table import Runs

MATCHED = ("group", "student", "start", "epochs", "training", "views")
_NOT_DISTILLED = ("baseline", "teacher", "")


def distilled(runs: Runs) -> list[int]:
    """Positions of the cells that have a distillation method."""
    if "method" not in runs.attributes:
        return []
    return [cell for cell in range(len(runs.cells)) if runs.text("method", cell) not in _NOT_DISTILLED]


def baselines(runs: Runs) -> list[int]:
    """Positions of the cells whose method is `baseline`."""
    if "method" not in runs.attributes:
        return []
    return [cell for cell in range(len(runs.cells)) if runs.text("method", cell) == "baseline"]


class Matcher:
    """Finds the baseline of a cell by the rule above, or among the cells that were named."""

    def __init__(self, runs: Runs, named: tuple[str, ...] = ()) -> None:
        self._runs = runs
        self._columns = [column for column in MATCHED if column in runs.attributes]
        self._named: dict[str, int] = {}
        for name in named:
            position = runs.position(name)
            student = runs.text("student", position)
            if student in self._named:
                of = f" of {student}" if student else ""
                raise TableError(
                    f"two baselines{of}: {runs.cells[self._named[student]]} and {name}",
                    hint="name one baseline per student",
                )
            self._named[student] = position
        self._by_key: dict[tuple[str, ...], list[int]] = {}
        for position in baselines(runs):
            self._by_key.setdefault(self._key(position), []).append(position)

    def _key(self, cell: int) -> tuple[str, ...]:
        return tuple(_normal(self._runs.text(column, cell)) for column in self._columns)

    def any(self) -> bool:
        """Whether there is any baseline at all."""
        return bool(self._named or self._by_key)

    def targets(self) -> list[int]:
        """The cells that have a gain: the distilled ones, or all others if only named baselines tell."""
        if "method" in self._runs.attributes:
            cells = distilled(self._runs)
        else:
            cells = list(range(len(self._runs.cells)))
            cells = [cell for cell in cells if self._runs.text("student", cell) in self._named]
        return [cell for cell in cells if cell not in self._named.values()]

    def of(self, cell: int) -> int:
        """The baseline of a cell.

        Raises:
            TableError: none or several; the candidates are named.
        """
        student = self._runs.text("student", cell)
        if student in self._named:
            return self._named[student]
        found = self._by_key.get(self._key(cell), [])
        if len(found) == 1:
            return found[0]
        name = self._runs.cells[cell]
        if found:
            listed = ", ".join(self._runs.cells[position] for position in found)
            raise TableError(
                f"{name} has several baselines: {listed}",
                hint="choose one with --baseline CELL",
                column="method",
            )
        matching = ", ".join(self._columns) or "no column"
        raise TableError(
            f"{name} has no baseline (a cell of method 'baseline' with the same {matching})",
            hint=self._nearest(cell),
            column="method",
        )

    def _nearest(self, cell: int) -> str:
        runs = self._runs
        lines = []
        same_student = [b for b in baselines(runs) if runs.text("student", b) == runs.text("student", cell)]
        for position in (same_student or baselines(runs))[:6]:
            differs = [
                f"{column} {runs.text(column, position) or '–'} instead of {runs.text(column, cell) or '–'}"
                for column in self._columns
                if _normal(runs.text(column, position)) != _normal(runs.text(column, cell))
            ]
            lines.append(f"{runs.cells[position]} has {', '.join(differs)}")
        if not lines:
            others = [name for position, name in enumerate(runs.cells) if position != cell]
            return f"name one with --baseline CELL, among: {', '.join(others[:12])}"
        return "candidates: " + "; ".join(lines) + ". Name one with --baseline CELL, or correct the table"


def _normal(text: str) -> str:
    """Numbers written differently are equal: 30 and 30.0."""
    try:
        return f"{float(text):g}"
    except ValueError:
        return text
