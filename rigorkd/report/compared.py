"""What is compared: several studies or tables of runs, or one and a published table, under common names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd_analysis.analysis_plan import Plan
from rigorkd_analysis.likeness import says_on_what
from rigorkd_analysis.runs import is_of_no_new_data
from rigorkd_analysis.studies.effects import Study

from rigorkd.errors import InputError
from rigorkd.readers.delimited import is_own
from rigorkd.readers.known_names import NAMED, PARAMETERS, canonical, folded
from rigorkd.readers.leaving_out import NoSuchValueError
from rigorkd.readers.raw import Reading
from rigorkd.readers.shapes import pattern_of
from rigorkd.records.study import is_study
from rigorkd.report.judging import Question, with_method
from rigorkd.report.rows import Rows, read_rows
from rigorkd.report.sentences import CHOICES, told_of_plan
from rigorkd.report.sources import Source, from_sources, from_study
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import pandas as pd

Names = tuple[tuple[str, str], ...]
"""Pairs (old, new) of names, or of parts of names between slashes."""

_NAMED = ("cell", "run", "student", "group", "method", "model", "teacher")


@dataclass(frozen=True)
class Runs:
    """A source with one row per run."""

    source: Source
    path: Path

    def study(self, name: str, renamed: Names, asked: Plan) -> Study:
        """The study as it is compared on a metric (None: its own), told of earlier looks at it.

        The baselines that are asked for are its own ones' stead, by the names that all studies have.
        """
        plan = self.source.plan
        looks = self.source.with_looks(replace(plan, metric=asked.metric or plan.metric)).looks
        table = replace(self.source, table=_renamed_table(self.source.table, renamed))
        source, question = with_method(table, Question(baselines=asked.baselines))
        return Study(name, source.table, question.onto(replace(plan, looks=looks)))


@dataclass(frozen=True)
class Printed:
    """A published table: every cell stands in it once."""

    rows: Rows

    def mappings(self, renamed: Names) -> list[Mapping[str, str]]:
        """Its rows, columns that say which cell it is by their known names, as those of runs are."""
        known = {name: canonical(name) for name in self.rows.columns}
        keys = {
            name: kind
            for name, kind in known.items()
            if kind in (*NAMED, *PARAMETERS) and kind not in known and [*known.values()].count(kind) == 1
        }
        return [
            {
                keys.get(key, key): _rename(value, renamed) if keys.get(key, key) in _NAMED else value
                for key, value in row.items()
            }
            for row in self.rows.mappings()
        ]


def open_sources(
    sources: Sequence[Path], results: Path, asked: Reading, metric: str | None = None
) -> list[Runs | Printed]:
    """Each source; what `--without` leaves out of tables need be in one of them alone.

    Raises:
        InputError: as of one source, or no source has a value that is to be left out.
    """
    found: list[Runs | Printed] = []
    lacking: dict[str, list[NoSuchValueError]] = {}
    without_seeds = [source for source in sources if _has_no_column(source, asked.seed)]
    for source in sources:
        # a published table has no seeds, and so none of the columns that say how its runs are told apart
        printed = source in without_seeds and len(without_seeds) < len(sources)
        own = replace(asked, seed=None, cell=None) if printed else asked
        while True:
            try:
                found.append(open_source(source, results, own, metric))
                break
            except NoSuchValueError as error:
                lacking.setdefault(error.word, []).append(error)
                if len(lacking[error.word]) == len(sources):
                    raise
                own = replace(own, without=tuple(word for word in own.without if word != error.word))
            except InputError:
                # how runs are told apart is asked of the first: a published table has columns of its own
                plain = replace(own, seed=None, cell=None)
                if not found or plain == own:
                    raise
                other = _or_none(source, results, plain, metric)
                if not isinstance(other, Printed):
                    raise
                found.append(other)
                break
    return found


def _or_none(source: Path, results: Path, asked: Reading, metric: str | None) -> Runs | Printed | None:
    try:
        return open_source(source, results, asked, metric)
    except InputError:
        return None


def _has_no_column(source: Path, column: str | None) -> bool:
    """Whether a CSV has no column that is asked for by its name."""
    if column is None or pattern_of(column) or source.suffix.casefold() != ".csv" or not source.is_file():
        return False
    return not is_own(source) and folded(column) not in map(folded, read_rows(source).columns)


def open_source(
    source: Path, results: Path, asked: Reading | None = None, metric: str | None = None
) -> Runs | Printed:
    """A study folder, the name of one under `results`, results of any origin, or a CSV of printed values.

    Of a study, `--without` leaves cells out, as `rigorkd analyze` does.

    A CSV is one of printed values if no cell of it has several seeds, and nothing is asked of how to read it.
    """
    for folder in (source, results / source):
        if is_study(folder):
            return Runs(_left_of(from_study(folder), asked.without if asked else ()), folder)
    asked = asked or Reading()
    is_csv = source.is_file() and source.suffix.casefold() == ".csv" and not is_own(source)
    if not asked.is_plain or source.is_dir() or (source.is_file() and not is_csv):
        return Runs(from_sources([str(source)], asked, metric), source)
    rows = read_rows(source)
    names = [row.get("cell", "") for row in rows.mappings()]
    plain = {"cell", "seed"} <= set(rows.columns)
    if plain and len(set(names)) == len(names):
        return _printed(rows, asked)
    try:
        found = from_sources([str(source)], asked, metric)
    except NoSuchValueError:
        raise
    except InputError:
        if plain:
            raise
        return _printed(rows, asked)
    several = plain or bool((found.table.groupby("cell")["seed"].nunique() > 1).any())
    return Runs(found, source) if several else _printed(rows, asked)


def _left_of(study: Source, without: tuple[str, ...]) -> Source:
    """A study without these cells, its plan without what names them."""
    if not without:
        return study
    for cell in without:
        try:
            study.leaving_out((cell,))
        except InputError as error:
            raise NoSuchValueError(error, cell) from None
    asked = Question(without=study.meant(without))
    return replace(study.leaving_out(without), plan=asked.onto(study.plan))


def _printed(rows: Rows, asked: Reading) -> Printed:
    if asked.without:
        raise InputError(
            f"{rows.file} is a published table; --without {shlex.quote(asked.without[0])} leaves out runs",
            hint="delete its rows there: the study's cells without a printed number are not held against any",
        )
    return Printed(rows)


def named(sources: Sequence[Runs], renamed: Names, asked: Plan) -> list[Study]:
    """The studies under names of their own; `renamed` is for all but the first, `asked` says by which metric
    and over which baselines they are compared."""
    paths = [one.path.absolute() for one in sources]
    for position, path in enumerate(paths):
        if path in paths[:position]:
            raise InputError(f"{sources[position].path} is given twice", hint="a study agrees with itself")
    return [
        one.study(name, renamed if position else (), asked)
        for position, (one, name) in enumerate(zip(sources, _names(sources), strict=True))
    ]


def _names(sources: Sequence[Runs]) -> list[str]:
    """What each is called: by its own name, or by its path where two have one name."""
    own = [one.source.name for one in sources]
    return own if len(set(own)) == len(own) else [str(one.path) for one in sources]


def common_plan(sources: Sequence[Runs], asked: Plan) -> tuple[Plan, list[str]]:
    """What was asked on the command line, completed from the studies where they agree; and warnings.

    Raises:
        InputError: they judge different metrics, and none was asked for.
    """
    warnings: list[str] = []
    metrics = {one.source.plan.metric for one in sources} - {None}
    if asked.metric is None and len(metrics) > 1:
        named = zip(_names(sources), sources, strict=True)
        told = ", ".join(f"{one.source.plan.metric} in {name}" for name, one in named)
        raise InputError(
            f"the studies judge different metrics: {told}",
            hint="--metric compares them by one that all of them have; else name it alike in their protocols "
            "(`metric:`), or in tables of their results",
        )
    metric = asked.metric or (metrics.pop() if len(metrics) == 1 else None)
    goals = {one.source.plan.goal for one in sources if one.source.plan.metric == metric} - {None}
    goal = asked.goal or (goals.pop() if len(goals) == 1 else None)
    sesoi = asked.sesoi
    named_by = {
        name: one.source.plan.sesoi
        for name, one in zip(_names(sources), sources, strict=True)
        if one.source.plan.sesoi is not None and one.source.plan.metric in (metric, None)
    }
    if sesoi is None:
        if len(set(named_by.values())) == 1:
            sesoi = next(iter(named_by.values()))
        elif named_by:
            told = ", ".join(f"{value:g} in {name}" for name, value in named_by.items())
            warnings.append(f"the smallest effect of interest differs ({told}); name one with --sesoi")
    # beside a printed table nothing is called equivalent
    elif len(sources) > 1 and set(named_by.values()) != {sesoi}:
        warnings.append("the smallest effect of interest was given on the command line: exploratory")
    if asked.baselines:
        warnings.append(f"gains are over {' and '.join(asked.baselines)}, as --baseline asks")
    warnings += _other_data(sources)
    warnings += _other_dispatch(sources)
    warnings += _other_training(sources)
    warnings += _other_definitions(sources)
    return replace(asked, metric=metric, goal=goal, sesoi=sesoi), warnings


def told_by(studies: Sequence[Runs], *, alone: bool = False) -> list[str]:
    """What the studies warn of, and what is doubted of their numbers, each under its study's name.

    `alone` is what a table has to say of it that goes on without its page: the doubts, what became of the
    plans, what was chosen, and that something was chosen on test data.
    """
    told = []
    for name, one in zip(_names(studies), studies, strict=True):
        own: Iterable[str] = (*one.source.warnings, *(before.says for before in one.source.shown_before()))
        if alone:
            chosen = (text for text in own if text.startswith(CHOICES) or is_of_no_new_data(text))
            own = (*told_of_plan(own), *chosen)
        # its own analyses say these beside each verdict: they are of each of its numbers
        doubts = (doubt.says for doubt in one.source.doubted)
        told += [f"{name}: {text}" for text in (*own, *doubts)]
    return told


def _other_data(sources: Sequence[Runs]) -> list[str]:
    """That all of one table was measured on other data than all of another, whose cells have equal names."""
    found: dict[str, dict[str, str]] = {}
    for name, one in zip(_names(sources), sources, strict=True):
        for column in one.source.table:
            values = {str(value) for value in one.source.table[column].dropna()}
            if says_on_what(str(column)) and len(values) == 1:
                found.setdefault(str(column), {})[name] = values.pop()
    told = [
        f"{column}: {', '.join(f'{value} in {study}' for study, value in by.items())}"
        for column, by in found.items()
        if len(set(by.values())) > 1
    ]
    if not told:
        return []
    return [f"they were not measured on the same ({'; '.join(told)}): a difference may be that of the data"]


def _other_dispatch(sources: Sequence[Runs]) -> list[str]:
    """That studies were computed with different instructions; a CSV without the column does not tell."""
    tables = {name: one.source.table for name, one in zip(_names(sources), sources, strict=True)}
    found = {
        name: sorted({value for value in table["dispatch"] if isinstance(value, str) and value})
        for name, table in tables.items()
        if "dispatch" in table
    }
    if len({value for values in found.values() for value in values}) < 2:
        return []
    told = "; ".join(f"{name}: {' and '.join(values)}" for name, values in found.items() if values)
    return [f"their processors were not held to the same instructions ({told}): equal runs differ in bits"]


def _other_training(sources: Sequence[Runs]) -> list[str]:
    """That commands, their code or what they read differ between studies, as far as the records tell."""
    records = {
        name: [record for record in one.source.of_runs.records if record.is_by_command]
        for name, one in zip(_names(sources), sources, strict=True)
        if one.source.of_runs is not None
    }
    records = {name: found for name, found in records.items() if found}
    commands: dict[str, dict[str, str]] = {}  # of each cell, by study
    for name, found in records.items():
        for record in found:
            told = str(record.fields.get("command"))
            commands.setdefault(str(record.fields["cell"]), {})[name] = told
    differing = {cell: by for cell, by in commands.items() if len(set(by.values())) > 1}
    files: dict[str, dict[str, set[str]]] = {}  # of each file what it was, by study
    for name, found in records.items():
        for record in found:
            for kind in ("code", "inputs", "uncovered_files"):
                for file, content in (record.fields.get(kind) or {}).items():
                    files.setdefault(str(file), {}).setdefault(name, set()).add(str(content))
    parts = []
    if differing:
        cell, by = min(differing.items())
        some = "; ".join(f"{name}: {command}" for name, command in by.items())
        parts.append(f"the commands differ for {count(len(differing), 'cell')}, such as {cell} ({some})")
    whole = {file: by for file, by in files.items() if len(by) == len(records)}
    if other := sorted(file for file, by in whole.items() if len(set(map(frozenset, by.values()))) > 1):
        parts.append(f"other content: {some_of(other, 6)}")
    if lone := sorted(f"{file} ({', '.join(by)})" for file, by in files.items() if file not in whole):
        parts.append(f"not in each: {some_of(lone, 6)}")
    return [f"their runs were not trained alike: {'; '.join(parts)}"] if parts else []


def _other_definitions(sources: Sequence[Runs]) -> list[str]:
    """In which settings cells of one name, teachers too, differ between studies that rigorkd trained."""
    from rigorkd.protocol.hashes import resolved
    from rigorkd.records.read import read_protocol

    defined: dict[str, dict[str, Mapping[str, object]]] = {}
    for study, one in zip(_names(sources), sources, strict=True):
        if one.source.folder is not None:
            for cell in read_protocol(one.source.folder).cells:
                if cell.trainer is None:  # of commands their own comparison tells
                    defined.setdefault(cell.name, {})[study] = resolved(cell)
    differing: dict[str, list[str]] = {}
    for name, by in defined.items():
        columns = dict.fromkeys(column for own in by.values() for column in own)
        other = [one for one in columns if len({str(own.get(one)) for own in by.values()}) > 1]
        if other:
            differing.setdefault(", ".join(other), []).append(name)
    if not differing:
        return []
    told = "; ".join(f"{settings} of {some_of(cells, 3)}" for settings, cells in differing.items())
    return [f"cells of one name were not defined alike ({told}): a difference may be that of these settings"]


def _renamed_table(table: pd.DataFrame, renamed: Names) -> pd.DataFrame:
    if not renamed:
        return table
    table = table.copy()
    for column in set(_NAMED) & set(table.columns):
        table[column] = [
            _rename(value, renamed) if isinstance(value, str) else value for value in table[column]
        ]
    return table


def _rename(text: str, renamed: Names) -> str:
    for old, new in renamed:
        text = re.sub(rf"(^|/){re.escape(old)}(?=/|$)", rf"\g<1>{_literal(new)}", text)
    return text


def _literal(text: str) -> str:
    """The text as it stands in a replacement of `re.sub`."""
    return text.replace("\\", r"\\")
