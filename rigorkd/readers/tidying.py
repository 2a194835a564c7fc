"""The tidy table: one row per run, from raw tables of any shape, with an account of what was understood.

Nothing is guessed silently: what a name says is taken and said, what is ambiguous is asked for by the option
that decides it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rigorkd_analysis.metric_names import goal_of
from rigorkd_analysis.runs import seed_of
from rigorkd_analysis.table_error import TableError

from rigorkd.errors import InputError
from rigorkd.readers.averaging import average
from rigorkd.readers.draft import Draft, rename, summary_rows
from rigorkd.readers.headed_together import taken_apart
from rigorkd.readers.known_names import canonical
from rigorkd.readers.leaving_out import Leaving
from rigorkd.readers.metric_choice import choose_metric
from rigorkd.readers.raw import RawTable, Reading, joined
from rigorkd.readers.row_cells import find_cells, names_alike, without_seed
from rigorkd.readers.row_seeds import find_seeds
from rigorkd.readers.run_rows import are_logged, duplicates, epochs, left_out_settings, statuses
from rigorkd.readers.shapes import unfold
from rigorkd.readers.written_numbers import looks_numeric
from rigorkd.text import count, some_of


@dataclass(frozen=True)
class Tidy:
    """The table that the analysis judges, and what was understood.

    Attributes:
        table: one row per run, with the columns cell, seed, metrics, and what else is known of the runs.
        metric: the column to judge, None to leave it to the analysis.
        understood: three lines: what was read, what a cell and a seed are, what the metric is.
        dropped: each thing that was left out.
        warnings: what a reader of the verdicts must know as well.
        came: where the columns came from that were not there by their names.
        name: what to call the table.
        renamed: what cells are called now that say what they are averages of, by the names that they had.
    """

    table: RawTable
    metric: str | None
    understood: tuple[str, str, str]
    dropped: tuple[str, ...]
    warnings: tuple[str, ...]
    came: Mapping[str, str]
    name: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)


def tidy(
    tables: Sequence[RawTable],
    asked: Reading,
    metric: str | None = None,
    name: str = "",
    sources: Sequence[str] = (),
) -> Tidy:
    """The tidy table of one source or several; `sources` are these as they were given, for what to type next.

    Raises:
        InputError: something is ambiguous or impossible; says where, and which option helps.
    """
    tables = [taken_apart(one, asked) for one in tables]
    table = joined([unfold(one, asked, metric) for one in tables])
    if table.settings:
        return _written_by_us(table, asked, metric, name)
    try:
        return _understood(table, asked, metric, name)
    except InputError as error:
        raise _all_at_once(error, tables, table, asked, metric, sources) from None


def _understood(table: RawTable, asked: Reading, metric: str | None, name: str) -> Tidy:
    draft = Draft(table, asked, False, dict(table.came), list(table.dropped))
    rename(draft)
    summary_rows(draft)
    if draft.frame.empty:
        raise table.error("the table has no rows", "one row per run: cell, seed and a metric")
    leaving = Leaving(draft)
    leaving.now()
    find_seeds(draft)
    find_cells(draft)
    names_alike(draft)
    without_seed(draft)
    leaving.now()
    chosen = choose_metric(draft, metric)
    leaving.done(chosen)
    statuses(draft)
    if are_logged(draft):
        epochs(draft, chosen, each=True)
        average(draft, chosen)
    else:
        average(draft, chosen)
        epochs(draft, chosen)
    duplicates(draft, chosen)
    left_out_settings(draft)
    return _finished(draft, chosen, name)


_OPEN = {
    "seed": "which column holds the seed",
    "cell": "which columns define a configuration",
    "metric": "which column is judged",
    "average": "what is averaged within a seed",
    "select": "which epoch of a run counts",
    "goal": "whether more of it is better",
}
"""What each option decides."""


def _all_at_once(
    error: InputError,
    tables: Sequence[RawTable],
    table: RawTable,
    asked: Reading,
    metric: str | None,
    sources: Sequence[str],
) -> InputError:
    """The error, or one for all choices that are open beside its own, with a command that makes them."""
    offers: dict[str, str] = {}
    among = ""
    found: InputError | None = error
    while found is not None and found.offers.items() - offers.items():
        if found.offers.keys() & offers.keys() - {"cell"}:  # a cell may need more columns than it seemed
            break
        if "metric" in found.offers and "one of: " in found.hint:
            among = f" ({found.hint.partition('one of: ')[2]})"
        offers |= found.offers
        reading = replace(
            asked,
            seed=offers.get("seed", asked.seed),
            cell=offers.get("cell", asked.cell),
            select=offers.get("select", asked.select),
            average=offers.get("average", asked.average),
        )
        found = None
        try:
            unfolded = joined([unfold(one, reading, offers.get("metric", metric)) for one in tables])
            judged = _understood(unfolded, reading, offers.get("metric", metric), "").metric
        except InputError as further:
            found = further
    if found is None and judged is not None:
        try:
            goal_of(judged)
        except TableError:
            offers["goal"] = "max"
    if len(offers) < 2:
        return error
    lower = "; --goal min if less is better" if "goal" in offers else ""
    if offers.keys() <= {"cell", "goal"} and "is there" in error.message:  # rows that no cell tells apart
        if "goal" not in offers:
            return error
        return InputError(error.message, hint=f"{error.hint} --goal max{lower.replace('; --goal', ', or')}")
    columns = [str(column) for column in table.frame.columns if not str(column).startswith("_")]
    opened = {**_OPEN, "metric": _OPEN["metric"] + among}
    *most, last = (opened[option] for option in offers)
    options = " ".join(f"--{option} {shlex.quote(value)}" for option, value in offers.items())
    given = given_by(asked, metric, offers)
    given_as = sources or table.files  # files that were found in a folder are told from it, and told short
    files = " ".join(map(shlex.quote, given_as[:9])) + " …" * (len(given_as) > 9)
    return InputError(
        f"{table.files[0]}: nothing says {', '.join(most)} and {last}; columns: {some_of(columns)}",
        hint=f"say it by options, perhaps: rigorkd analyze {files} {given}{options}"
        f" (judge each guess{lower}); --dry-run shows what is then understood",
    )


def given_by(asked: Reading, metric: str | None, without: Container[str] = ()) -> str:
    """The options that were given, as they stand on a command line, each with a blank behind it."""
    said = {
        "metric": metric,
        **{"from" if name == "kind" else name: value for name, value in vars(asked).items()},
    }
    return "".join(
        f"--{option} " if one is True else f"--{option} {shlex.quote(one)} "
        for option, value in said.items()
        for one in (value if isinstance(value, tuple) else (value,))
        if one and option not in without
    )


def _unused(draft: Draft, metric: str | None) -> None:
    """Numbers beside a column per seed, as `Gap Recovery` of each method, that were not used are said."""
    if "headings" not in draft.came.get("seed", ""):
        return
    own = draft.came.get("cell", "").removeprefix("columns ").split(", ")
    names = [
        draft.spelt(name)
        for name in map(str, draft.frame.columns)
        if name not in (*own, metric, "cell", "seed") and canonical(name) is None and not name.startswith("_")
        if looks_numeric(draft.frame[name])
    ]
    if names:
        draft.dropped.append(f"columns {some_of(names, 5)}: numbers that are no runs, and were not used")


def _finished(draft: Draft, metric: str | None, name: str) -> Tidy:
    _unused(draft, metric)
    frame = draft.frame
    empty = [column for column in frame.columns if column in ("_stem", "_word", "_named")]
    empty += [
        str(column)
        for column in frame.columns
        if column not in ("cell", "seed", metric) and not (frame[column] != "").any()
    ]
    table = replace(draft.table, frame=frame.drop(columns=list(dict.fromkeys(empty))))
    frame = table.frame
    seeds = sorted({number for word in frame["seed"].unique() if (number := seed_of(word)) is not None})
    shown = (
        f"{seeds[0]} to {seeds[-1]}"
        if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1
        else ", ".join(map(str, seeds[:8])) + (", …" if len(seeds) > 8 else "")
    )
    files = table.files[0] if len(table.files) == 1 else count(len(table.files), "file")
    read = (
        f"read: {count(len(frame), 'run')}, {count(frame['cell'].nunique(), 'cell')}, "
        f"{count(len(seeds), 'seed')} ({shown}) from {files} ({table.kind})"
    )
    how = "; ".join(part for part in (draft.cells, draft.seeds, draft.epochs) if part)
    notation = draft.came.get(metric or "", "").partition("; ")[2]
    said = draft.metric or "metric: left to the analysis"
    return Tidy(
        table,
        metric,
        (read, how, said + (f"; {notation}" if notation else "")),
        tuple(dict.fromkeys(draft.dropped)),
        tuple(draft.warnings),
        draft.came,
        name,
        draft.renamed,
    )


def _written_by_us(table: RawTable, asked: Reading, metric: str | None, name: str) -> Tidy:
    """A table that `rigorkd import` wrote: what its header says holds."""
    settings = table.settings
    for option in ("cell", "seed", "select", "average", "wide"):
        if given := getattr(asked, option):
            word = "" if given is True else f" {shlex.quote(str(given))}"
            raise table.error(
                f"--{option}{word} has no effect here: `rigorkd import` wrote this table",
                f"give --{option} to `rigorkd import` of what it read, or name that here",
            )
    chosen = metric or next(iter(settings.get("metric", ())), None)
    frame = table.frame
    text = {
        column: frame[column].map(lambda word: word[1:] if re.match(r"'[=+@-]", word) else word)
        for column in frame.columns
    }
    draft = Draft(replace(table, frame=frame.assign(**text)), asked, True, {}, [])
    leaving = Leaving(draft)
    leaving.now()
    leaving.done(chosen)
    frame = draft.frame
    seeds = frame["seed"].nunique() if "seed" in frame else 0
    cells = frame["cell"].nunique() if "cell" in frame else 0
    said = settings.get("understood", ())
    read = f"read: {count(len(frame), 'run')}, {count(cells, 'cell')}, {count(seeds, 'seed')}"
    return Tidy(
        draft.table,
        chosen,
        (
            f"{read} from {table.files[0]} (imported by rigorkd)",
            said[1] if len(said) > 1 else "",
            f"metric: {chosen}",
        ),
        (*settings.get("left out", ()), *draft.dropped),
        (*settings.get("warning", ()), *draft.warnings),
        {},
        next(iter(settings.get("study", (name,))), name),
    )
