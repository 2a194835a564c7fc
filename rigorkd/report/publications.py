"""Published numbers and claims, and how a study's cells are found among them: read from a mapping of YAML.

A mapping lies beside the CSVs that it is about (analysis/published). Its `tables` say of each CSV which of
our cells a row is of: `cell` is our name with {column} for that row's value, and `names` turns values, or
parts of them between slashes, into ours. `columns` gives our metric for each printed column. Its `claims`
name the comparison of ours that answers each. A publication of several studies says in `study` whose each
entry is, or of a claim in which studies it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator
from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.metric_names import is_accuracy
from rigorkd_analysis.publication import (
    Expected,
    PrintedClaim,
    PrintedRow,
    Publication,
    compare_publication,
)
from rigorkd_analysis.published.printed_rounding import half_unit
from rigorkd_analysis.published.printed_table import decimal_of
from rigorkd_analysis.runs import LARGEST
from rigorkd_analysis.studies.effects import Study

from rigorkd.errors import InputError, ProtocolError
from rigorkd.fields import Count, Frozen
from rigorkd.metrics import NAMES
from rigorkd.problems import unknown
from rigorkd.protocol.load import load_as
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records
from rigorkd.report.judging import Question, analysis_of, judging
from rigorkd.report.rows import Rows, located, read_rows
from rigorkd.report.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Text = Annotated[str, Field(min_length=1)]


class PrintedNumbers(Frozen):
    """Rows of one CSV, and whose numbers they are; with a column `seed`, those of one cell are averaged."""

    file: Text
    place: Text
    study: str | None = None
    where: dict[str, str | tuple[str, ...]] = Field(default={})
    cell: Text
    names: dict[str, str] = Field(default={})
    columns: Annotated[dict[str, str], Field(min_length=1)]
    level: Literal["cells", "gains"] = "cells"
    n: Count | None = None


class Claimed(Frozen):
    """A claim in our words; without `shown_by`, `because` says why no comparison can answer it."""

    claim: Text
    place: Text
    study: str | tuple[str, ...] | None = None
    expected: Expected = "better"
    shown_by: str | None = None
    metric: str | None = None
    because: str = ""

    @model_validator(mode="after")
    def _answered_or_not(self) -> Claimed:
        if (self.shown_by is None) == (not self.because):
            raise ValueError("give shown_by, or because with the reason why nothing can show it")
        return self


class Mapped(Frozen):
    """A mapping file."""

    publication: Text
    source: Text
    tables: tuple[PrintedNumbers, ...] = ()
    claims: tuple[Claimed, ...] = ()


def published_folder() -> Path:
    """Where the published tables are: in the installed package, or in a checkout of the project."""
    package = Path(__file__).parents[1]
    folders = (package / "published", package.parent / "analysis" / "published")
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def find_mapping(name: str) -> tuple[Mapped, Path]:
    """The mapping that is named, by its own name or by a file's, and the folder of its CSVs.

    Of a CSV it is the mapping beside it that names it, reduced to that CSV.

    Raises:
        InputError: there is none, or it is wrong; with file and line.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_as(Mapped, path), path.parent
    if path.suffix == ".csv":
        for beside in sorted(path.parent.glob("*.yaml")):
            try:
                found = load_as(Mapped, beside)
            except ProtocolError:  # a protocol, or whatever else lies there
                continue
            if tables := tuple(table for table in found.tables if table.file == path.name):
                return found.model_copy(update={"tables": tables, "claims": ()}), path.parent
        raise InputError(
            f"{path}: no mapping beside it names it",
            hint="write one (docs/comparing.md), or give the table as the second source, with --rename",
        )
    folder = published_folder()
    if (mapping := folder / f"{name}.yaml").is_file():
        return load_as(Mapped, mapping), folder
    known = [file.stem for file in sorted(folder.glob("*.yaml"))]
    message, hint = unknown("publication", name, known)
    raise InputError(message, hint=f"{hint} or a mapping file".strip())


def compare_with(
    found: Source, name: str, asked: Question, plan: Plan, metric: str | None = None
) -> Publication:
    """A study against the publication that is named.

    Args:
        asked: what to change of the study's question; the claims are answered by that analysis.
        plan: alpha and correction of the printed numbers.
        metric: hold the numbers of this metric alone.
    """
    mapped, folder = find_mapping(name)
    tables, claims = _of_this_study(mapped, found.name)
    rows = [row for table in tables for row in printed_rows_of(table, folder)]
    rows = [row for row in rows if metric in (None, row.metric)]
    found = judging(found, [claim.metric for claim in claims if claim.metric], asked)
    analysis = analysis_of(found, asked, images=False)
    with located(lambda _: "compare"):
        return compare_publication(
            {
                metric: Study(found.name, table, _told_of_looks(found, metric))
                for metric, table in runs_with_teachers(found, [row.metric for row in rows]).items()
            },
            rows,
            [PrintedClaim(**claim.model_dump(exclude={"study"})) for claim in claims],
            analysis,
            plan,
            publication=mapped.publication,
            source=mapped.source,
        )


def _told_of_looks(found: Source, metric: str) -> Plan:
    """The study's plan, told of earlier looks at a metric."""
    return replace(found.plan, looks=found.with_looks(replace(found.plan, metric=metric)).looks)


def _of_this_study(mapped: Mapped, study: str) -> tuple[tuple[PrintedNumbers, ...], tuple[Claimed, ...]]:
    """The entries of a mapping that are about this study; all of them if it has but one."""
    own = study.removesuffix(".smoke").removesuffix(".fast")
    entries: tuple[PrintedNumbers | Claimed, ...] = (*mapped.tables, *mapped.claims)
    studies = sorted({study for one in entries for study in studies_of(one)})
    if own not in studies and len(studies) < 2:
        return mapped.tables, mapped.claims
    if own not in studies:
        raise InputError(
            f"{mapped.publication} has several studies, and {own} is none of them",
            hint=f"name the study as the mapping does: {', '.join(studies)}",
        )

    def mine(one: PrintedNumbers | Claimed) -> bool:
        return one.study is None or own in studies_of(one)

    return tuple(filter(mine, mapped.tables)), tuple(filter(mine, mapped.claims))


def studies_of(one: PrintedNumbers | Claimed) -> tuple[str, ...]:
    """The studies that an entry says it is about."""
    return (one.study,) if isinstance(one.study, str) else one.study or ()


def printed_rows_of(table: PrintedNumbers, folder: Path) -> list[PrintedRow]:
    """The numbers that an entry of a mapping stands for.

    Raises:
        InputError: the CSV lacks a column, or a value is no number; with file and line.
    """
    rows = read_rows(folder / table.file)
    asked = {*table.columns, *table.where, *re.findall(r"{(\w+)}", table.cell)}
    for column in sorted(asked - set(rows.columns)):
        message, hint = unknown("column", column, rows.columns)
        raise InputError(f"{rows.file}: {message}", hint=hint)
    if twice := [column for column in sorted(asked) if rows.columns.count(column) > 1]:
        raise InputError(
            f"{rows.file}: the column {twice[0]!r} is there twice", hint="name every column once"
        )
    out = []
    for column, metric in table.columns.items():
        by_cell: dict[str, list[tuple[str, Decimal, int]]] = {}
        for position, row in enumerate(rows.mappings()):
            if _wanted(row, table.where) and row[column]:
                number = _number(rows, row, position, column, table)
                by_cell.setdefault(_cell(row, table), []).append((row.get("seed", ""), *number))
        for cell, numbers in by_cell.items():
            seeds = len({seed for seed, _, _ in numbers})
            for group in [numbers] if seeds > 1 else [[one] for one in numbers]:
                value = sum((number for _, number, _ in group), Decimal(0)) / len(group)
                k = seeds if seeds > 1 else group[0][2]
                rounding = max(float(half_unit(number)) for _, number, _ in group)
                out.append(PrintedRow(table.place, metric, table.level, cell, value, k, rounding))
    return out


def _wanted(row: Mapping[str, str], where: Mapping[str, str | tuple[str, ...]]) -> bool:
    return all(row[column] in ((one,) if isinstance(one, str) else one) for column, one in where.items())


def _cell(row: Mapping[str, str], table: PrintedNumbers) -> str:
    """The name of our cell that a row is of."""

    def ours(found: re.Match[str]) -> str:
        value = row[found[1]]
        return "/".join(table.names.get(part, part) for part in table.names.get(value, value).split("/"))

    return re.sub(r"{(\w+)}", ours, table.cell)


def _number(
    rows: Rows, row: Mapping[str, str], position: int, column: str, table: PrintedNumbers
) -> tuple[Decimal, int]:
    """A printed value and the number of seeds behind it."""
    place = f"{rows.file}:{rows.lines[position]}"
    value = decimal_of(row[column])
    if value is None or abs(value) > LARGEST:
        raise InputError(f"{place}: {row[column]!r} is not a number", hint="one printed number per row")
    metric = table.columns[column]
    if table.level == "cells" and is_accuracy(metric) and not 0 <= value <= 100:
        raise InputError(f"{place}: {row[column]!r} is not an accuracy", hint=f"it is given as {metric}")
    k = table.n
    if k is None and (text := row.get("n", "")):
        if not text.isdigit() or int(text) < 1:
            raise InputError(f"{place}: {text!r} is not a number of seeds", hint="1 or more")
        k = int(text)
    return value, k or 1


def runs_with_teachers(found: Source, metrics: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The runs that have a metric, by metric: students, and of a study its teachers and starts as well."""
    import pandas as pd

    table = found.table
    if found.folder is not None:
        others = [_row(record.fields) for record in read_records(StudyFolder(found.folder))]
        more = pd.DataFrame([row for row in others if row is not None])
        if len(more):
            table = pd.concat([table, more.reindex(columns=table.columns)], ignore_index=True)
    out = {}
    for metric in dict.fromkeys(metrics):
        if metric not in table.columns:
            continue
        there = pd.to_numeric(table[metric], errors="coerce").notna()
        if there.any():
            lost = table["status"].isin(["missing", "diverged"]) if "status" in table else ~there
            out[metric] = table[there | (lost & table["method"].ne("teacher"))].reset_index(drop=True)
    return out


def _row(fields: Mapping[str, object]) -> dict[str, object] | None:
    """The row of a teacher's or a start's record; both are called teachers, who are no one's rival."""
    if fields.get("role") == "student":
        return None
    metrics = fields.get("metrics")
    seed = fields.get("seed")
    described = {key: fields.get(key) for key in ("cell", "group", "student", "status", "mode", "smoke")}
    numbers = {name: metrics.get(name) for name in NAMES} if isinstance(metrics, Mapping) else {}
    return {**described, "seed": seed if isinstance(seed, int) else 0, "method": "teacher", **numbers}
