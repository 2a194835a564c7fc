"""What `analyze` is given: a study folder or any CSV, as a table, a plan and a way to say "where"."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rigorkd_analysis.analysis_plan import (
    AllOf,
    Contrast,
    Correction,
    DifferenceOfGains,
    Pair,
    Plan,
    Trend,
    Weighted,
)
from rigorkd_analysis.table_error import TableError

from rigorkd.errors import InputError, StoreError

if TYPE_CHECKING:
    import pandas as pd
    from rigorkd_analysis.stats.new_images import PredictionSource

    from rigorkd.protocol import schema
    from rigorkd.records.interim import InterimAnalysis
    from rigorkd.records.read import StudyTable


@dataclass(frozen=True)
class Rows:
    """The rows of a CSV as text, and the line of the file on which each one ends."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def mappings(self) -> list[Mapping[str, str]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def frame(self) -> pd.DataFrame:
        """The table, all text: what is a number is for the analysis to check, by row."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns), dtype=object)


@dataclass(frozen=True)
class Overrides:
    """What the command line asks beyond, or instead of, the plan of a study. None and () change nothing."""

    metric: str | None = None
    goal: Any = None
    sesoi: float | None = None
    alpha: float | None = None
    correction: Correction | None = None
    baselines: tuple[str, ...] = ()
    compare: tuple[tuple[str, str], ...] = ()
    all_pairs: bool = False
    sequential: bool = False

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
        if self.baselines:
            changes["baselines"] = self.baselines
        contrasts = plan.contrasts
        if changes:
            changes["planned"] = False
            contrasts = tuple(replace(contrast, planned=False) for contrast in contrasts)
        contrasts += tuple(Pair(a, b) for a, b in self.compare)
        return replace(
            plan, contrasts=contrasts, all_pairs=self.all_pairs, sequential=self.sequential, **changes
        )


@dataclass(frozen=True)
class Source:
    """A table with its plan. `folder` is the study's, None for a CSV."""

    name: str
    table: pd.DataFrame
    plan: Plan
    where: Callable[[TableError], str]
    warnings: tuple[str, ...] = ()
    folder: Path | None = None
    looks: tuple[InterimAnalysis, ...] = ()

    def with_looks(self, plan: Plan) -> Plan:
        """The plan, told of earlier analyses of its metric on fewer seeds."""
        metric = plan.metric or "test_top1"
        seeds = len(set(self.table["seed"])) if "seed" in self.table else 0
        return replace(
            plan, looks=tuple(look.n for look in self.looks if look.metric == metric and look.n < seeds)
        )

    def predictions(self) -> PredictionSource | None:
        """A reader of per-example predictions, for a study."""
        if self.folder is None:
            return None
        folder = self.folder

        def read(cell: str, seed: int) -> Any:
            from rigorkd_analysis.stats.new_images import Predictions

            from rigorkd.records.read import read_predictions

            try:
                arrays = read_predictions(folder, cell, seed)
            except StoreError:
                return None
            return Predictions(target=arrays["target"], prediction=arrays["prediction"])

        return read


@contextmanager
def located(where: Callable[[TableError], str]) -> Iterator[None]:
    """Turn a TableError into an InputError that says in which file and line."""
    try:
        yield
    except TableError as error:
        raise InputError(f"{where(error)}: {error.message}", hint=error.hint) from None


def from_csv(path: Path) -> Source:
    """A bare CSV: everything asked of it is exploratory."""
    rows = read_rows(path)
    return Source(name=path.stem, table=rows.frame(), plan=Plan(), where=lambda error: at(rows, error))


def from_study(folder: Path) -> Source:
    """A study: what its first run fixed, and the newest protocol still says, is planned."""
    from rigorkd.records.interim import read_interim_analyses
    from rigorkd.records.read import read_study

    study = read_study(folder)
    if study.runs.empty:
        raise InputError(
            f"{folder}: no student run has finished yet", hint="`rigorkd status` shows how far it is"
        )
    plan, warnings = plan_of(study)
    warnings += study.notes
    runs = study.runs
    if len(study.missing):
        import pandas as pd

        total = len(study.runs) + len(study.missing)
        warnings += (f"{len(study.missing)} of {total} runs are not there yet: a look before the end",)
        runs = pd.concat([study.runs, study.missing.reindex(columns=study.runs.columns)], ignore_index=True)
    return Source(
        name=study.study,
        table=runs,
        plan=plan,
        where=lambda error: f"{folder}" + (f": column {error.column!r}" if error.column else ""),
        warnings=warnings,
        folder=folder,
        looks=read_interim_analyses(folder),
    )


def plan_of(study: StudyTable) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a study, and what was changed after the first run."""
    asked = study.current or study.planned
    if asked is None:
        return Plan(conditioned_on=study.conditioned_on), ()
    first = study.planned
    warnings: list[str] = []
    changed = []
    if first is not None:
        for name in ("metric", "goal", "alpha", "correction", "joint", "sesoi", "selection"):
            if getattr(first, name) != getattr(asked, name):
                changed.append(name)
    if changed:
        warnings.append(
            f"changed after the first run: {', '.join(changed)}; every verdict that uses it is exploratory"
        )
    if study.added:
        warnings.append(f"added after the first run, so exploratory: {', '.join(study.added)}")
    planned = first is not None and not changed
    whole = all(name.split("/")[0] == "teacher" for name in study.left_out)
    if study.left_out:
        text = f"left out, since the newest protocol has them no more: {', '.join(study.left_out)}"
        if planned and not whole:
            text += "; the gains that are left are not the family that was planned, so they are exploratory"
        warnings.append(text)
    kept = () if first is None else first.contrasts
    return (
        Plan(
            metric=asked.metric,
            goal=asked.goal,
            sesoi=asked.sesoi,
            alpha=asked.alpha,
            correction=asked.correction,
            joint=asked.joint,
            contrasts=tuple(_contrast(item, planned and item in kept) for item in asked.contrasts),
            planned=planned and whole,
            added=study.added,
            c2=asked.sequential.c2 if asked.sequential else 0.25,
            selection_seeds=tuple(asked.selection.seeds) if asked.selection else (),
            conditioned_on=study.conditioned_on,
            secondary=asked.secondary,
        ),
        tuple(warnings),
    )


def _contrast(item: schema.Contrast, planned: bool) -> Contrast:
    if item.pair is not None:
        return Pair(*item.pair, name=item.name, planned=planned)
    if item.difference_of_gains is not None:
        return DifferenceOfGains(*item.difference_of_gains, name=item.name, planned=planned)
    if item.all_of is not None:
        return AllOf(item.all_of, name=item.name, planned=planned)
    if item.trend is not None:
        where = tuple(item.trend.where.items())
        trend = item.trend
        return Trend(trend.over, trend.group, trend.student, where, name=item.name, planned=planned)
    return Weighted(tuple((item.weights or {}).items()), name=item.name, planned=planned)


def read_rows(path: Path) -> Rows:
    """Read a CSV as text, strictly: every row has as many fields as the header.

    Raises:
        InputError: with file and line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return _rows(path, stream)
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file or study", hint="give a CSV or a study folder"
        ) from None
    except IsADirectoryError:
        raise InputError(
            f"{path}: a folder, but no study", hint="give a study folder or a CSV file"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not text in UTF-8 ({error.reason} at byte {error.start})", hint="save it as a UTF-8 CSV"
        ) from None
    except csv.Error as error:
        raise InputError(
            f"{path}: not a CSV ({error})", hint="separate fields by commas, one row per line"
        ) from None


def _rows(path: Path, stream: Any) -> Rows:
    reader = csv.reader(stream, strict=True)
    columns: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    for fields in reader:
        row = tuple(field.strip() for field in fields)
        if not any(row):
            continue
        if not columns:
            columns = row
            if len(row) == 1 and (";" in row[0] or "\t" in row[0]):
                raise InputError(
                    f"{path}:1: the header is one field: {row[0]!r}", hint="separate fields by commas"
                )
            continue
        if len(row) != len(columns):
            raise InputError(
                f"{path}:{reader.line_num}: {len(row)} fields, but the header has {len(columns)}",
                hint="every row needs one field per column; quote fields that hold commas",
            )
        rows.append(row)
        lines.append(reader.line_num)
    if not columns:
        raise InputError(f"{path}: the file is empty", hint="a header and one row per run")
    return Rows(path, columns, tuple(rows), tuple(lines))


def at(rows: Rows, error: TableError) -> str:
    """`file:line: column 'x'`, as far as the error knows."""
    place = f"{rows.file}"
    if error.row is not None:
        place += f":{rows.lines[error.row]}"
    elif error.column:
        place += ":1"
    return place + (f": column {error.column!r}" if error.column else "")
