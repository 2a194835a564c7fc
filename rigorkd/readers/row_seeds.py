"""Which seed a row is of: by a column, the name of its run, or the folder that it lies in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rigorkd_analysis.runs import seed_of

from rigorkd.readers.draft import Draft, original
from rigorkd.readers.json_lists import LISTS, MAY_BE, WRITE_THEM
from rigorkd.readers.known_names import (
    INNER,
    NAMED,
    PARAMETERS,
    canonical,
    folded,
    seed_in,
    size_in,
    without,
)
from rigorkd.readers.seed_offers import numbered, over_data_sets, refuse_kinds, refuse_words, seedlike
from rigorkd.readers.seeded_names import pattern_in
from rigorkd.readers.shapes import check_headings, pattern_of
from rigorkd.text import suggest

if TYPE_CHECKING:
    import pandas as pd

HOLDING_SEEDS = ("cell", *(name for name in NAMED if name != "dataset"))
"""Columns whose words may hold the seed of their run."""


def find_seeds(draft: Draft) -> None:
    asked = draft.asked.seed
    pattern = pattern_of(asked) if asked else None
    if asked and pattern is None:
        column = original(draft, asked)
        if column is None and "seed" in draft.came and "headings" in draft.came["seed"]:
            column = "seed"
        if column is None:
            raise draft.table.error(
                f"--seed {asked}: no such column",
                suggest(asked, map(str, draft.frame.columns), "give a column, or a pattern such as run{}"),
            )
        if folded(column) in INNER:
            raise draft.table.error(
                f"--seed {asked}: its values share training data or checkpoints, so they are no seeds",
                f"average over them: --average {asked}{_OF_ITS_OWN * (folded(column) == 'repeat')}",
            )
        if column != "seed":
            draft.put(seed=draft.frame[column])
            draft.came["seed"] = f"column {column!r}"
            if canonical(column) is None:  # under its own name it would be taken for a result
                draft.table = replace(draft.table, frame=draft.frame.drop(columns=column))
    trials = _trials(draft)
    counted = None if asked or "seed" in draft.frame else _counted_runs(draft)
    if counted is not None:
        draft.came["seed"] = draft.came.get(counted, f"column {counted!r}")
        draft.table = replace(draft.table, frame=draft.frame.rename(columns={counted: "seed"}))
        draft.put(seed=draft.frame["seed"].str.extract(_COUNTED, expand=False))
    if "seed" in draft.frame and (pattern is None or "headings" in draft.came.get("seed", "")):
        words = draft.frame["seed"].unique()
        if not draft.plainly and any(seed_of(word) is None for word in words):
            plainly = {word: _seed_word(word) for word in words}
            draft.put(seed=draft.frame["seed"].map(plainly))
            words = draft.frame["seed"].unique()
        if asked:
            refuse_words(draft, asked)
        where = draft.came.get("seed", "column seed")
        counts = " (--unpaired if it only counts runs)" if counted in trials else ""
        draft.seeds = f"seed: {where}" + (" (--seed)" if asked else counts)
        if "" in words and "run" in draft.frame and not draft.plainly:
            _fill_seeds(draft)
        return
    names, where = _named_by(draft, pattern)
    found = {name: _seed_by(name, pattern) for name in names.unique()}
    missing = [name for name, seed in found.items() if seed is None]
    if len(missing) == len(found):
        what = (
            f"--seed {asked} fits no heading and none of {where}"
            if asked
            else "no column, name or folder tells the seed"
        )
        shown = ", ".join(sorted({str(name) for name in names.iloc[:50]})[:3])
        size = next(((part, name) for name in found if not asked and (part := size_in(str(name)))), None)
        if size is not None:
            raise draft.table.error(
                f"{size[0]} in {size[1]!r} may be the seed, or the size of a network",
                f"give --seed '{re.sub(r'[0-9]+', '{}', size[0])}' if it is the seed, else --seed COLUMN",
            )
        if not asked:
            check_headings(draft.table)
            refuse_kinds(draft)
        column = seedlike(draft)
        named = (draft.frame[name] for name in ("run", *HOLDING_SEEDS) if name in draft.frame)
        counted_by = next(filter(None, map(pattern_in, named)), "")
        like = f", such as --seed {shlex.quote(column)}" if column else ""
        counts = "; --unpaired, too, if a column only counts runs, so that nothing pairs them" * bool(column)
        inner = next((str(name) for name in draft.frame.columns if folded(str(name)) in INNER), "")
        shared = f"; values of {draft.spelt(inner)} are no seeds, they share data" if inner else ""
        shared += _OF_ITS_OWN * (folded(inner) == "repeat")
        instead = (
            ""
            if asked
            else f"{shared}; `rigorkd audit` judges a table of one run each, or of means and spreads"
            f"{over_data_sets(draft)}"
        )
        lists = next((told.removeprefix(LISTS) for told in draft.dropped if told.startswith(LISTS)), "")
        if lists and not column:
            raise draft.table.error(f"{what}, and {MAY_BE}{lists}", WRITE_THEM)
        raise draft.table.error(
            f"{what}; columns: {draft.columns()}; names: {shown}",
            f"give --seed COLUMN{like}, or --seed PATTERN with {{}} where the number stands, "
            f"such as --seed '{counted_by or numbered(draft) or 'run{}'}'{counts}{instead}",
            seed="" if asked else column or counted_by or numbered(draft) or "",
        )
    if missing:
        few = sum(name in found and found[name] is not None for name in names) <= len(names) / 2
        audit = "; `rigorkd audit` judges a table of one run each" if few else ""
        row = int(np.flatnonzero((names == missing[0]).to_numpy())[0])
        raise draft.table.error(
            f"no seed in {missing[0]!r}, or several parts that may be it, though others have one",
            f"give --seed COLUMN or --seed PATTERN, or leave the row out{audit}",
            row,
        )
    told = {name: seed for name, seed in found.items() if seed is not None}
    rest = str(names.name) if names.name in HOLDING_SEEDS else "_stem"
    draft.put(
        **{
            "seed": names.map({name: str(seed) for name, (seed, _) in told.items()}),
            rest: names.map({name: stem for name, (_, stem) in told.items()}),
        }
    )
    draft.came["seed"] = where
    draft.seeds = f"seed: from {where}" + (f" by {asked!r}" if asked else " (--seed changes it)")


_OF_ITS_OWN = "; if each is a training of its own, call the column seed"

_COUNTED = re.compile(r"^(?i:run|trial|try|rep|r)?[-_ #]*([0-9]{1,9})$")
"""A run called by its number alone: 3, run3, Run #3."""


def _counted_runs(draft: Draft) -> str | None:
    """The column in which runs are called 1, 2, 3, … in each configuration."""
    frame = draft.frame
    trials = _trials(draft)
    for name in ("run", "run_id", *trials):
        if name in frame and frame[name].str.fullmatch(_COUNTED).all() and frame[name].nunique() > 1:
            known = [column for column in (*NAMED, *PARAMETERS) if column in frame]
            settings = known or [column for column in map(str, frame.columns) if draft.is_word(column)]
            if name in trials:
                settings += [column for column in map(str, frame.columns) if _tuned(column, settings)]
            runs = frame.drop_duplicates([*settings, name])
            # a search numbers its trials, too, each of settings of its own: of none are there several
            by = [[name], settings] if name in trials else [[name]]
            if settings and all((runs.groupby(one).size() > 1).all() for one in by):
                return name
    return None


def _trials(draft: Draft) -> list[str]:
    return [column for column in map(str, draft.frame.columns) if folded(column) == "trial"]


def _tuned(column: str, known: Sequence[str]) -> bool:
    """Whether a search says by a column's name that it is one of its settings: params_width, config/depth."""
    return column not in known and bool(re.match(r"(params?|config|hparams)[._/:]", column, re.IGNORECASE))


def _fill_seeds(draft: Draft) -> None:
    """A seed that a column lacks in some rows, from their run names."""
    blank = draft.frame["seed"] == ""
    found = {name: seed_in(name) for name in draft.frame.loc[blank, "run"].unique()}
    named = {  # S2 is a satellite's name, and no seed 2
        name: str(inside[0])
        for name, inside in found.items()
        if inside is not None and (inside[1] or "seed" in name.casefold())
    }
    draft.put(
        seed=draft.frame["seed"].where(~blank, draft.frame["run"].map(lambda name: named.get(name, "")))
    )


def _seed_word(word: str) -> str:
    inside = seed_in(word)
    return str(inside[0]) if inside is not None and not inside[1] else word


def _seed_by(name: str, pattern: re.Pattern[str] | None) -> tuple[int, str] | None:
    if pattern is None:
        return seed_in(name)
    found = list(pattern.finditer(name))
    if len(found) != 1:
        return None
    return int(found[0][1]), without(name, found[0].start(), found[0].end())


def _named_by(draft: Draft, pattern: re.Pattern[str] | None) -> tuple[pd.Series[Any], str]:
    """What tells the seed where no column does: the names of the runs, or else their folders or files."""
    import pandas as pd

    for column, where in (("run", "the runs' names"), ("run_id", "the runs' ids")):
        if any(_seed_by(name, pattern) is not None for name in draft.frame.get(column, ())):
            return draft.frame[column], where
    paths = paths_apart(draft.table.files)
    files = pd.Series(np.array(paths, dtype=object)[draft.table.file_of], index=draft.frame.index)
    if any(_seed_by(path, pattern) is not None for path in paths):
        return files, "the folders' and files' names"
    for column in (name for name in HOLDING_SEEDS if name in draft.frame):
        if all(_seed_by(name, pattern) is not None for name in draft.frame[column].unique()):
            return draft.frame[column], f"column {draft.spelt(column)!r}"
    if "run" in draft.frame:
        return draft.frame["run"], "the runs' names"
    return files, "the folders' and files' names"


def paths_apart(files: Sequence[str]) -> list[str]:
    """The files' paths without what all of them share: folders above, and the last part if all end in it."""
    parts = [re.split(r"[/\\]", name) for name in files]
    if len(parts) == 1:
        return [re.sub(r"\.[A-Za-z]+$", "", "/".join(parts[0][-3:]))]
    while all(len(one) > 1 for one in parts) and len({one[0] for one in parts}) == 1:
        parts = [one[1:] for one in parts]
    while all(len(one) > 1 for one in parts) and len({one[-1] for one in parts}) == 1:
        parts = [one[:-1] for one in parts]
    return [re.sub(r"\.(csv|tsv|txt|md|json|jsonl|xlsx|parquet|log)$", "", "/".join(one)) for one in parts]
