"""Which cell a row is of, and what it is called: by its columns, its run, or the folder that it lies in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rigorkd_analysis.columns import is_bare
from rigorkd_analysis.likeness import is_training_setting

from rigorkd.readers.draft import Draft, averaged_over, names_methods, original
from rigorkd.readers.known_names import (
    ALWAYS,
    NAMED,
    PARAMETERS,
    folded,
    seed_in,
)
from rigorkd.readers.row_seeds import HOLDING_SEEDS, paths_apart
from rigorkd.readers.seeded_names import stems
from rigorkd.readers.shapes import affixes, is_metric
from rigorkd.readers.written_numbers import ABSENT, numbers_of
from rigorkd.text import count, is_float, some_of, suggest

if TYPE_CHECKING:
    import pandas as pd


def without_seed(draft: Draft) -> None:
    """Cells in which a dash stands for every seed, as of a method without chance, are left out, and said."""
    dash = draft.frame["seed"].str.casefold().isin(ABSENT - {""})
    if draft.plainly or dash.all() or not dash.any():
        return
    cells = draft.frame["cell"]
    rows = (dash & ~cells.isin(cells[~dash].unique())).to_numpy()
    if rows.any():
        names = some_of(list(dict.fromkeys(cells[rows])), 5)
        words = ", ".join(map(repr, draft.frame["seed"][rows].unique()))
        draft.dropped.append(f"{count(int(rows.sum()), 'row')} with {words} in place of a seed: {names}")
        draft.warnings.append(f"{names}: no seed, so compared with nothing")
    draft.keep(~rows)


_LONG_NAME = 40
"""Characters of a cell's name that a table shows in one line."""


def names_alike(draft: Draft) -> None:
    """Warn of cells whose names differ in case or blanks alone: probably one, written in two ways."""
    found: dict[str, list[str]] = {}
    for name in map(str, draft.frame["cell"].unique()):
        found.setdefault(re.sub(r"[\s_-]+", "-", name.casefold()), []).append(name)
    for names in found.values():
        if len(names) > 1:
            told = " and ".join(map(repr, names[:3]))
            draft.warnings.append(f"{told} are two cells by their spelling: write them alike if they are one")


def _without_group(draft: Draft) -> None:
    """A group holds methods to compare: none is one that names each of them, or that --cell leaves out.

    W&B's groups are often the runs of one configuration, `c100-kd` and `c100-baseline`.
    """
    frame = draft.frame
    if "group" not in frame or "method" not in frame:
        return
    words = frame[["group", "method"]].drop_duplicates()
    if not words["group"].is_unique or len(words) < 2:
        return
    named = [
        bool(method) and folded(method) in folded(group)
        for group, method in words.itertuples(index=False, name=None)
    ]
    if all(named) and draft.asked.cell is None:
        draft.dropped.append(f"{draft.spelt('group')}: another name of each method, so no group of them")
    elif draft.asked.cell is None or "group" in [
        original(draft, name.strip()) for name in draft.asked.cell.split(",")
    ]:
        return
    draft.table = replace(draft.table, frame=frame.drop(columns="group"))


def _without_seeds(draft: Draft) -> None:
    """Names of configurations in which each run has its seed are taken without it, and that is said."""
    asked = [original(draft, name.strip()) for name in (draft.asked.cell or "").split(",")]
    for name in dict.fromkeys((*HOLDING_SEEDS, *asked)):
        if name is None or name in ("run", "seed") or name not in draft.frame:
            continue
        there = draft.frame[draft.frame[name] != ""]
        if there.empty or (made := stems(there[name], there["seed"])) is None:
            continue
        draft.put(**{name: draft.frame[name].map(lambda word, made=made: made.get(word, word))})
        one = next(word for word, stem in made.items() if stem != word)
        draft.dropped.append(f"the seed in {draft.spelt(name)}: {one} counts as {made[one]}")


def _going_with(draft: Draft, columns: Sequence[str], parts: Sequence[str]) -> list[str]:
    """The training settings of which each data set, or pair of networks, that is averaged over has its own.

    One that is trained for 120 epochs and another for 240 are parts of one mean all the same.
    """
    found = []
    for name in columns if parts else ():
        several = draft.frame[name].nunique() > 1 and is_training_setting(name)
        if several and (draft.frame.groupby(list(parts), sort=False)[name].nunique() == 1).all():
            found.append(name)
    return found


def find_cells(draft: Draft) -> None:
    _without_seeds(draft)
    _without_group(draft)
    for name in PARAMETERS:
        if name in draft.frame and draft.frame[name].str.contains(",", regex=False).any():
            draft.put(**{name: numbers_of(draft.table, name, draft.asked).text})
    if draft.asked.cell:
        if "student" in map(str.strip, draft.asked.cell.split(",")):
            _join_students(draft)
        columns = []
        for name in filter(None, (part.strip() for part in draft.asked.cell.split(","))):
            column = original(draft, name)
            if column is None:
                raise draft.table.error(
                    f"--cell {name}: no such column",
                    suggest(name, map(str, draft.frame.columns), f"there are: {draft.columns()}"),
                )
            if column == "seed":
                raise draft.table.error(
                    f"--cell {name}: it holds the seed, and a cell is what its seeds have in common",
                    "leave it out; if it is no seed, name the seed's column by --seed COLUMN",
                )
            if column == "run":
                column = "_named" if _put_named(draft) else _no_run(draft)
            columns.append(column)
        if not columns:
            raise draft.table.error(
                f"--cell {draft.asked.cell}: names no column", f"there are: {draft.columns()}"
            )
        averaged = {original(draft, name) for name in averaged_over(draft)}
        over = [name for name in columns if name in averaged]
        over = over if len(over) < len(columns) else []  # nothing else says what a cell is
        columns = [name for name in columns if name not in over]
        _compose(draft, columns)
        without = (
            f", without {', '.join(map(draft.spelt, over))}, which --average averages over" if over else ""
        )
        draft.cells = f"cells: {', '.join(map(draft.spelt, columns))} (--cell{without})"
        return
    if "cell" in draft.frame:
        draft.cells = f"cells: {draft.came.get('cell', 'column cell')}"
        return
    _join_students(draft)
    known = [name for name in (*NAMED, *PARAMETERS) if name in draft.frame and not draft.is_measured(name)]
    known = [name for name in known if name in NAMED or not draft.is_scheduled(name)]
    averaged = {original(draft, name) for name in averaged_over(draft)}  # which tell no cells apart
    known = [name for name in known if name == "method" or name not in averaged]
    going = _going_with(draft, known, [name for name in NAMED if name in averaged])
    known = [name for name in known if name not in going]
    columns = [name for name in known if name in ALWAYS or draft.frame[name].nunique() > 1]
    columns = [name for name in columns if name in ALWAYS or not is_metric(name)]
    columns = _named_by_stem(draft, columns)
    if any((draft.frame[name] != "").any() for name in columns):
        if "student" in columns and "model" in columns:  # two words for one thing, or the student's base
            columns.remove("model") if draft.frame["model"].equals(draft.frame["student"]) else None
        _compose(draft, columns)
        where = "known names"
        if (model := draft.came.get("model", "")).endswith(_SEEDLESS):
            where += f"; model from {model}"
        short = ",".join(draft.spelt(name) for name in columns if name in NAMED)
        more = any(
            (draft.frame[name] != "").any() for name in columns if name not in NAMED
        )  # else names stay
        long = draft.frame["cell"].str.len().max() > _LONG_NAME and short and more
        if long and not draft.frame.duplicated([*(name for name in columns if name in NAMED), "seed"]).any():
            where += f"; --cell {shlex.quote(short)} tells them apart as well, by shorter names"
        if going:
            where += f"; without {', '.join(map(draft.spelt, going))}, which goes with what is averaged over"
        draft.cells = f"cells: {', '.join(columns)} ({where}; --cell COLUMNS changes it)"
        _matched(draft, columns)
        draft.warnings += [
            f"{draft.spelt(name)} is empty in rows below the first: if it was a merged cell, write it in each"
            for name in maybe_merged(draft, columns)
        ]
        return
    if "_stem" in draft.frame:
        draft.put(_stem=draft.frame["_stem"].str.replace(_DATED, "", regex=True))
        names, where = draft.frame["_stem"], draft.came["seed"]
    elif "run" in draft.frame and _put_named(draft):
        names, where = draft.frame["_named"], draft.came.get("run", "column run")
    elif "run" in draft.frame and draft.frame["run"].nunique() < len(draft.frame):
        names, where = draft.frame["run"], draft.came.get("run", "column run")
    elif "run" in draft.frame:
        rest = {name: (seed_in(name) or (0, name))[1] for name in draft.frame["run"].unique()}
        names = draft.frame["run"].map(rest)
        if names.nunique() == len(names) > draft.frame["seed"].nunique() > 1 and (cell := _settings(draft)):
            raise draft.table.error(
                f"every run has a name of its own ({names.iloc[0]}, …), which tells no configuration",
                f"give --cell COLUMNS, the columns that define one, such as --cell {shlex.quote(cell)}",
                cell=cell,
            )
        where = draft.came.get("run", "column run")
    elif len(draft.table.files) > 1:
        import pandas as pd

        stems = [(seed_in(path) or (0, path))[1] for path in paths_apart(draft.table.files)]
        names = pd.Series(np.array(stems, dtype=object)[draft.table.file_of], index=draft.frame.index)
        where = "the files' names"
    elif (only := _only_words(draft)) is not None:
        _compose(draft, [only])
        draft.cells = f"cells: {draft.spelt(only)}, the only words (--cell COLUMNS changes it)"
        return
    elif known and not columns:
        raise draft.table.error(
            f"all rows agree in {', '.join(map(draft.spelt, known))}: one configuration, "
            f"unless another column tells them apart; columns: {draft.columns()}",
            f"give --cell COLUMNS, the columns that define one{_such_as(draft)}, or name the other "
            "configurations' files too",
            cell=_settings(draft),
        )
    elif (found := affixes(draft.frame)) and not _settings(draft):
        metric, of = next(iter(found.items()))
        raise draft.table.error(
            f"no column tells which configuration a row is of; columns: {draft.columns()}",
            f"if {some_of(list(of), 4)} are what is compared, give --metric {metric}; "
            "else give --cell COLUMNS, the columns that define one; if all rows are of one, name the files "
            "of others too",
            metric=metric,
        )
    else:
        wide = "if every column is a method, give --wide --metric NAME (what they hold, such as test_acc)"
        hint = (
            f"{wide}; if all rows are of one configuration, name the files of others too; else give --cell "
            "COLUMNS, the columns that define one"
        )
        if such := _such_as(draft):
            hint = f"give --cell COLUMNS, the columns that define one{such}; {wide}"
        raise draft.table.error(
            f"no column tells which configuration a row is of; columns: {draft.columns()}",
            hint,
            cell=_settings(draft),
        )
    draft.put(cell=names)
    if (draft.frame["cell"] == "").any():
        row = int(np.flatnonzero((draft.frame["cell"] == "").to_numpy())[0])
        raise draft.table.error(
            f"nothing but a seed names this run; columns: {draft.columns()}",
            f"give --cell COLUMNS{_such_as(draft)}",
            row,
            cell=_settings(draft),
        )
    draft.came["cell"] = f"{where}, without the seed"
    draft.cells = f"cells: from {where} without the seed (--cell COLUMNS changes it)"


_SEEDLESS = ", without the seed"
_DATED = re.compile(
    r"(?:(?<=\w)[-_.]|(?<=\w)/)(1[5-9]\d{8}(\d{3})?|20\d{6}[-_T]?\d{4}(\d\d)?|20\d\d-\d\d-\d\d[-_T]\d\d-\d\d-\d\d)$"
)
"""When a run began, at the end of its name: seconds since 1970, or a date and a time."""


def _join_students(draft: Draft) -> None:
    """One column of two words for one thing: some files call the network student, the others model."""
    if not {"student", "model"} <= set(draft.frame):
        return
    student, model = draft.frame["student"], draft.frame["model"]
    if ((student == "") != (model == "")).all() and set(model[student == ""]) & set(student[student != ""]):
        draft.put(student=student.where(student != "", model))
        draft.table = replace(draft.table, frame=draft.frame.drop(columns="model"))


def _named_by_stem(draft: Draft, columns: Sequence[str]) -> list[str]:
    """The columns, with the runs' names where they say on what runs were tested and not of which model."""
    frame, known = draft.frame, [name for name in columns if (draft.frame[name] != "").any()]
    if not known or not set(known) <= {"group", "dataset", "task"} or not {"_stem", "model"} & set(frame):
        return list(columns)
    if "model" in frame or frame["_stem"].nunique() < 2 or not frame.duplicated([*known, "seed"]).any():
        return list(columns)
    draft.put(model=frame["_stem"])
    draft.came["model"] = f"{draft.came['seed']}{_SEEDLESS}"
    return [*columns, "model"]


def _only_words(draft: Draft) -> str | None:
    """The column that names the rows of a table with a column per seed, if only one holds words."""
    if "headings" not in draft.came.get("seed", ""):
        return None
    words = [name for name in map(str, draft.frame.columns) if draft.is_word(name)]
    if len(words) != 1 or words[0].startswith("column "):  # which has no heading
        return None
    return words[0] if not draft.frame.duplicated([*words, "seed"]).any() else None


def _put_named(draft: Draft) -> bool:
    """Whether the runs' names hold their seeds, which a column says too; `_named` are they without them."""
    made: dict[str, str] | None = {}
    for name, seed in draft.frame[["run", "seed"]].drop_duplicates().itertuples(index=False, name=None):
        found = seed_in(name)
        if made is None or found is None or str(found[0]) != seed or not found[1]:
            made = stems(draft.frame["run"], draft.frame["seed"])
            break
        made[name] = found[1]
    if made is None:
        return False
    draft.put(_named=draft.frame["run"].map(made))
    draft.came["_named"] = draft.came.get("run", "column 'run'")
    return True


def _no_run(draft: Draft) -> str:
    """The column of runs by the name that its file has, since whoever makes cells of it says that it is none.

    `experiment` tells configurations apart then, and sentences call it so.
    """
    name = draft.spelt("run")
    if name == "run" or name in draft.frame:
        return "run"
    draft.table = replace(draft.table, frame=draft.frame.rename(columns={"run": name}))
    del draft.came["run"]
    return name


def _such_as(draft: Draft) -> str:
    """Them, as an example."""
    names = _settings(draft)
    return f", such as --cell {shlex.quote(names)}" if names else ""


def _settings(draft: Draft) -> str:
    """The columns that look like settings, as many as leave every seed once; "" where none do."""
    names = draft.cell_of([]) or _of_methods(draft)
    clock = [name for name in ("epoch", "step") if name in draft.frame][:1]
    once = not draft.frame.duplicated([*names, "seed", *clock]).any()
    return ",".join(map(draft.spelt, names)) if once else ""


def _of_methods(draft: Draft) -> list[str]:
    """A column that is called as none of settings, as `mode`, and holds names of methods at each seed."""
    for name in map(str, draft.frame.columns):
        words = draft.frame[name].unique()
        if len(words) < 2 or name in ("seed", "cell", "run", "status") or not draft.recurs(name):
            continue
        if names_methods(words):
            return [name]
    return []


def _matched(draft: Draft, columns: Sequence[str]) -> None:
    """A baseline has the data and the model of its cells: the group and the student, if none is named."""
    setting = [name for name in ("dataset", "task") if name in columns]
    if setting and "group" not in draft.frame:
        draft.put(group=["/".join(filter(None, row)) for row in draft.frame[setting].itertuples(index=False)])
        draft.came["group"] = f"columns {', '.join(setting)}"
    if "model" in columns and "method" in columns and "student" not in draft.frame:  # else they are rivals
        called = draft.spelt("model")
        draft.put(student=draft.frame["model"].map(lambda word: _told(called, word)))
        draft.came["student"] = "column model"


def _compose(draft: Draft, columns: Sequence[str]) -> None:
    """A cell's name of its columns: `student/method-T4-a0.1`.

    A `none` that was written goes without saying beside other words; where it is all that stands there, it is
    the name of the baseline, or of its data set, too. Blanks and dashes name nothing.
    """
    unique = draft.frame[list(columns)].drop_duplicates()
    marks = _marks(unique, columns)
    made = {}
    for values in unique.itertuples(index=False, name=None):
        row = dict(zip(columns, values, strict=True))
        for name, on in marks.items():
            row[name] = draft.spelt(name) if row[name] == on else ""
        said = "none" if marks else "/".join(word for word in values if word.casefold() == "none")
        made[values] = cell_name(row, draft.spelt) or said
    keys = list(draft.frame[list(columns)].itertuples(index=False, name=None))
    names = [made[key] for key in keys]
    if "" in names:
        raise draft.table.error(
            f"nothing stands in {', '.join(columns)}",
            "name the run's configuration; of merged cells, in each row",
            names.index(""),
        )
    changes: dict[str, Any] = {"cell": names}
    if "method" in columns:  # `Baseline` is the word of the analysis, in another case
        changes["method"] = draft.frame["method"].map(
            lambda word: "baseline" if folded(word) == "baseline" else word
        )
    draft.put(**changes)
    draft.came["cell"] = f"columns {', '.join(columns)}"


_ON = frozenset("✓✔✅☑●•")
_OFF = frozenset("✗✘❌×xX○")


def _marks(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, str]:
    """The columns of marks, as of an ablation, and the mark that says yes: its column is what it stands for.

    A mark is ✓ beside nothing or ✗, x beside nothing, or any one word beside nothing in several columns.
    """
    words = {
        name: {word for word in frame[name].unique() if word.casefold() not in ABSENT}
        for name in columns
        if name not in NAMED and name not in PARAMETERS
    }
    alone = {name: next(iter(own)) for name, own in words.items() if len(own) == 1}
    found = {}
    for name, own in words.items():
        sure = {word for word in own if word.rstrip("\ufe0f") in _ON}
        if len(sure) == 1 and all(word in sure or word.rstrip("\ufe0f") in _OFF for word in own):
            found[name] = next(iter(sure))
        elif name in alone and frame[name].nunique() > 1:
            shared = sum(word == alone[name] for word in alone.values()) > 1
            if alone[name] in _OFF or (shared and not is_float(alone[name])):
                found[name] = alone[name]
    return found


_SPANNING = frozenset({"group", "dataset", "task", "model", "student"})
"""Columns whose words stand once for many rows, in a sheet; the others are empty where they do not apply."""


def maybe_merged(draft: Draft, columns: Sequence[str]) -> list[str]:
    """The columns that were perhaps of merged cells: each word stands on one line, and none below it."""
    found: list[str] = []
    if not draft.table.line.any():  # which has no lines: a tracker's runs
        return found
    for name in columns:
        if name not in _SPANNING or name not in draft.frame or not draft.frame[name].iloc[0]:
            continue
        words = draft.frame[name].to_numpy()
        filled = set(zip(words[words != ""], draft.table.line[words != ""], strict=True))
        if (words == "").any() and len(filled) == len({word for word, _ in filled}):
            found.append(name)
    return found


def _told(column: str, word: str) -> str:
    """A value as it can stand alone: `width64`, `pretrained=True`, and any other word itself."""
    return f"{column}{'' if is_float(word) else '='}{word}" if is_bare(word) else word


def set_to(cell: str, column: str, word: str, spelt: Callable[[str], str]) -> str:
    """The name of a cell that has this value as well: `r8/KD` with T = 4 is `r8/KD-T4`."""
    return f"{cell}-{cell_name({column: word}, spelt)}"


def cell_name(values: Mapping[str, str], spelt: Callable[[str], str]) -> str:
    """The values of a cell's columns, each with its column where it means nothing alone."""
    names: list[str] = []
    parameters: list[str] = []
    for column, text in values.items():
        word = _short_number(text)
        if not word or word.casefold() in ABSENT:
            continue
        is_answer = is_bare(word) and not is_float(word)
        if column in NAMED:
            is_baseline = column == "method" and folded(word) == "baseline"
            names.append("baseline" if is_baseline else _told(spelt(column), word))
        elif column in PARAMETERS and not is_answer:
            short = PARAMETERS[column] or (column if is_float(word) else "")
            parameters.append(f"{short}{word}")
        elif is_answer or word != text or is_float(word):
            parameters.append(_told(spelt(column) if is_answer else column, word))
        else:
            names.append(word)
    return "-".join(["/".join(names), *parameters]).strip("-")


def _short_number(text: str) -> str:
    try:
        return f"{float(text):g}" if float(text) == float(f"{float(text):g}") else text
    except ValueError:
        return text
