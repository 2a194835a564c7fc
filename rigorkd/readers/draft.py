"""A table on its way to being tidy: what was said of it so far, and its columns by known names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rigorkd_analysis.columns import are_measured, sets_up
from rigorkd_analysis.offered_baselines import is_called_baseline
from rigorkd_analysis.published.spread_words import is_mean, meant_by, sums_up
from rigorkd_analysis.runs import seed_of
from rigorkd_analysis.wording import is_distillation

from rigorkd.readers.known_names import (
    INNER,
    MAY_BE_MEASURED,
    NAMED,
    PAIRS,
    PARAMETERS,
    canonical,
    folded,
    is_bookkeeping,
    is_kind_of_seed,
    seed_in,
    status_of,
)
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.readers.shapes import is_cost, is_metric
from rigorkd.readers.written_numbers import ABSENT, looks_numeric
from rigorkd.text import some_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


_PLACES = frozenset({"path", "file", "filename", "dir", "directory", "folder", "url", "stdout", "stderr"})
_NO_SETTING = frozenset({"cell", "seed", "run", "run_id", "time", "status", "epoch", "step"})


@dataclass
class Draft:
    """The table on its way, with what was said of it so far."""

    table: RawTable
    asked: Reading
    plainly: bool
    came: dict[str, str]
    dropped: list[str]
    warnings: list[str] = field(default_factory=list)
    cells: str = ""
    seeds: str = ""
    epochs: str = ""
    metric: str = ""
    renamed: dict[str, str] = field(default_factory=dict)

    @property
    def frame(self) -> pd.DataFrame:
        return self.table.frame

    def put(self, **columns: Any) -> None:
        # pandas warns of wide frames that are in pieces
        whole = self.frame.copy() if self.frame.shape[1] > 50 else self.frame
        self.table = replace(self.table, frame=whole.assign(**columns))

    def spelt(self, name: str) -> str:
        """A column as its file spells it, whatever it is called here."""
        where = self.came.get(name, "")
        quoted = re.fullmatch(r"column '(.*)'", where.partition("; ")[0])
        return quoted[1] if quoted else name

    def recurs(self, column: str) -> bool:
        """Whether every value of a column is there for several seeds, as a setting's and no result's."""
        own = self.frame[self.frame[column] != ""]
        return bool((own.groupby(column, sort=False)["seed"].nunique() > 1).all())

    def is_measured(self, column: str) -> bool:
        """Whether a column that may be a setting holds what runs came to: its numbers are of one run each.

        `precision` is 16 or 32 in one table and 0.93 in another; `epochs` may be where a run stopped early.
        """
        if column not in MAY_BE_MEASURED:
            return False
        values = self.frame[column][self.frame[column] != ""]
        if not looks_numeric(values):
            return False
        others = [name for name in map(str, self.frame.columns) if name != column and self.is_word(name)]
        alone = self.frame.loc[values.index, others]
        if not others or "seed" not in self.frame or alone.assign(seed=self.frame["seed"]).duplicated().any():
            return are_measured(values.factorize()[0])
        return are_measured(values.factorize()[0], alone.groupby(others).ngroup().to_numpy())

    def is_outcome(self, column: str, beside: Sequence[str] = ()) -> bool:
        """Whether numbers are what runs came to or cost, such as training hours, and no setting of theirs.

        A known setting is one unless it is measured, as `epochs` may be. Of any other column its name tells,
        or that its numbers do not come again, as those of a setting do; or, of runs that the columns `beside`
        it tell apart but for their seeds, that most differ between seeds, as hours do that are rounded.
        """
        if canonical(column) is not None or sets_up(column):
            return self.is_measured(column)
        if column in INNER or is_kind_of_seed(column) or not looks_numeric(self.frame[column]):
            return False
        if beside and not self.frame.duplicated([*beside, "seed"]).any():
            cells = self.frame.groupby(list(beside)).ngroup().to_numpy()
            if are_measured(self.frame[column].factorize()[0], cells):
                return True
        return is_cost(column) or self._kind_of_setting(column) is None

    def is_scheduled(self, column: str) -> bool:
        """Whether a column says what every run did at an epoch, as a learning rate does that decays."""
        if "epoch" not in self.frame or self.frame[column].nunique() < 2:
            return False
        return bool((self.frame.groupby("epoch", sort=False)[column].nunique() == 1).all())

    def _is_made(self, column: str) -> bool:
        """Whether a column was made here of others, and stands in no file."""
        return self.came.get(column, "").startswith(("columns ", "column model"))

    def _may_be_setting(self, column: str) -> bool:
        return not (
            {column, canonical(column)} & _NO_SETTING
            or column.startswith("_")
            or is_kind_of_seed(column)
            or self._is_made(column)
            or (canonical(column) is None and is_bookkeeping(column) and column not in MAY_BE_MEASURED)
            or not _PLACES.isdisjoint(re.split(r"[^a-z]+", column.casefold()))
        )

    def is_word(self, column: str) -> bool:
        """Whether a column holds words that come again, as a setting's do: no run's name, time or folder."""
        values = self.frame[column]
        return (
            self._may_be_setting(column)
            and 1 < values.nunique() <= len(values) / 2
            and not looks_numeric(values)
            and not self._names_seeds(values)
        )

    def _names_seeds(self, values: pd.Series[Any]) -> bool:
        """Whether values name the seed that their rows have, as `cifar_seed3` does."""
        if "seed" not in self.frame:
            return False
        named = {value: seed_in(value) for value in values.unique()}
        same = [
            found is not None and seed_of(seed) == found[0]
            for seed, found in zip(self.frame["seed"], values.map(named), strict=True)
        ]
        return 2 * sum(map(bool, same)) > len(same)

    def settings(self, first: Sequence[str] = ()) -> list[str]:
        """The columns that look like settings: `first`, then words, then known settings, then other numbers.

        A number that is a setting is there for several seeds; what was measured is not, nor is what it cost.
        """
        kinds: dict[int, list[str]] = {}
        for name in map(str, self.frame.columns):
            if (kind := self._kind_of_setting(name)) is not None:
                kinds.setdefault(kind, []).append(name)
        found = [name for kind in sorted(kinds) for name in kinds[kind]]
        return [name for name in first if name in found] + [name for name in found if name not in first]

    def _kind_of_setting(self, name: str) -> int | None:
        values = self.frame[name]
        if self.is_word(name):
            return 0
        if not self._may_be_setting(name) or is_metric(name) or self.is_measured(name):
            return None
        if self.is_scheduled(name):
            return None
        if values.nunique() < 2:
            return None
        if self.recurs(name):
            known = canonical(name) is not None
            return 1 if known else None if is_cost(name) or name.startswith("column ") else 2
        few = values.nunique() <= len(values) / 4 and values.duplicated(keep=False).mean() > 0.8
        return 3 if few and not is_cost(name) else None

    def cell_of(self, names: Sequence[str], first: Sequence[str] = (), rows: Any = None) -> list[str]:
        """These columns and the fewest settings that leave every seed once, or as many as can."""
        frame = self.frame if rows is None else self.frame[rows]
        settings = self.settings(first)

        clock = [name for name in ("epoch", "step") if name in frame][:1]

        def twice(columns: Sequence[str]) -> int:
            return int(frame.duplicated([*columns, "seed", *clock]).sum())

        run = ["run"] if "run" in frame and self.recurs("run") else []
        for name in (*run, *settings):  # one column may say all that the others do
            if twice([name]) == 0:
                return [name]
        made = [name for name in names if not self.is_measured(name)]
        left = twice(made)
        for name in settings:
            if left and name not in made and twice([*made, name]) < left:
                made.append(name)
                left = twice(made)
        for name in reversed([name for name in made if name not in names]):
            rest = [other for other in made if other != name]
            if rest and twice(rest) == left:
                made = rest
        made += self._told_beside(made, frame)
        order = [str(name) for name in frame.columns]
        return [name for name in made if name in names] + sorted(
            (name for name in made if name not in names), key=order.index
        )

    def _told_beside(self, made: Sequence[str], frame: pd.DataFrame) -> list[str]:
        """Columns of words that cells of these columns have one word of each, and that say more than they.

        In pairs of teachers and students either tells the cells apart, and a table names both. What each
        method has one word of belongs to it, and another name of a column, `CIFAR-100` of c100, says nothing.
        """
        of_methods = [name for name in frame.columns if name == "method" or names_methods(frame[name])]
        cells = frame.groupby(list(made), sort=False) if made else None
        found: list[str] = []
        for name in map(str, frame.columns):
            if cells is None or name in made or canonical(name) in PARAMETERS or not self.is_word(name):
                continue
            if (cells[name].nunique() > 1).any():
                continue
            if any((frame.groupby(one, sort=False)[name].nunique() <= 1).all() for one in of_methods):
                continue
            if not any(_is_other_name(frame, name, one) for one in (*made, *found)):
                found.append(name)
        return found

    def columns(self) -> str:
        """The table's columns for a message, as the files spell them: none that was made of others."""
        names = [
            self.spelt(str(name))
            for name in self.frame.columns
            if not (str(name).startswith("_") or self._is_made(str(name)))
        ]
        return some_of(list(dict.fromkeys(names)))

    def keep(self, rows: NDArray[np.bool_]) -> None:
        if not rows.all():
            self.table = self.table.rows(rows)


def names_methods(words: Iterable[str]) -> bool:
    """Whether a column of any name holds names of methods."""
    return any(is_called_baseline(word) or is_distillation(word) for word in dict.fromkeys(words))


def _is_other_name(frame: pd.DataFrame, column: str, other: str) -> bool:
    """Whether each word of a column is one of another's in other letters: `CIFAR-100` and c100."""
    pairs = frame[[column, other]].drop_duplicates()
    if not (pairs[column].is_unique and pairs[other].is_unique):
        return False
    return all(
        _is_within(*sorted(("".join(filter(str.isalnum, word.casefold())) for word in pair), key=len))
        for pair in pairs.itertuples(index=False, name=None)
    )


def _is_within(short: str, long: str) -> bool:
    """Whether the letters of a word stand in another in their order."""
    rest = iter(long)
    return all(letter in rest for letter in short)


def kinds_of_seeds(draft: Draft) -> list[str]:
    """The columns of seeds of several kinds, the outermost first: runs on one sample of data share it."""
    found = [name for name in map(str, draft.frame.columns) if is_kind_of_seed(name)]
    found = [name for name in found if draft.frame[name].map(seed_of).notna().all()]
    outer = {name: not _OUTER.isdisjoint(folded(name).split("_")) for name in found}
    return sorted(found, key=lambda name: (not outer[name], draft.frame[name].nunique()))


_OUTER = frozenset({"data", "dataset", "split", "outer", "sample", "fold", "partition"})


def rename(draft: Draft) -> None:
    """Known columns by the names that the analysis knows; case does not matter."""
    if {"Name", "State"} <= set(draft.frame.columns):  # W&B's table of runs: its steps are the last ones
        frame = draft.frame.drop(columns=[name for name in ("_step", "Sweep") if name in draft.frame])
        draft.table = replace(draft.table, frame=frame, kind=f"{draft.table.kind}, W&B's table of runs")
    _as_cells(draft)
    columns = [str(name) for name in draft.frame.columns]
    draft.plainly = {"cell", "seed"} <= set(columns) and draft.asked.is_plain
    taken: dict[str, list[str]] = {}
    for name in columns:
        known = canonical(name)
        if known == "status" and makes_cells(draft, name):
            continue
        if known and (not draft.plainly or folded(name) == known.casefold() or known == "status"):
            taken.setdefault(known, []).append(name)
    pairs = [name for name in columns if folded(name).replace("/", "_") in PAIRS]
    if pairs and not draft.plainly and taken.keys().isdisjoint(("student", "model")):
        taken["student"] = pairs[:1]  # its student with its teacher: what methods are compared on
    renamed: dict[str, str] = {}
    for known, names in taken.items():
        exact = [name for name in names if name == known] or [
            name for name in names if folded(name) == known.casefold()
        ]
        chosen = exact or names
        if len(chosen) > 1 and known in ("seed", "cell", "status", "method", "student", "T", "alpha"):
            if known == "seed" and draft.asked.seed in chosen:
                chosen = [str(draft.asked.seed)]
            elif known == "status" or (known == "seed" and draft.asked.seed):
                continue
            elif known == "seed":
                raise draft.table.error(
                    f"several columns may hold the seed: {', '.join(chosen)}", "give --seed COLUMN"
                )
            elif draft.asked.cell is None:
                raise draft.table.error(
                    f"several columns may be the {known}: {', '.join(chosen)}",
                    f"give --cell COLUMNS, such as --cell {chosen[0]}",
                )
            else:
                continue
        if chosen[0] != known and known not in columns:
            if known == "status" and not _is_status(draft, chosen[0]):
                continue
            renamed[chosen[0]] = known
            draft.came[known] = f"column {chosen[0]!r}"
    if renamed:
        draft.table = replace(draft.table, frame=draft.frame.rename(columns=renamed))
    doubled = draft.frame.columns[draft.frame.columns.duplicated()]
    if len(doubled):
        raise draft.table.error(f"the column {str(doubled[0])!r} is there twice", "name every column once")


_OWN_MEANING = ("status", "cell")
"""Columns that are read as what their name says wherever they stand, unless they are called otherwise."""


def _as_cells(draft: Draft) -> None:
    """A column of these names that `--cell` names is what it holds: `the status` tells configurations apart.

    A column `cell` that is all that `--cell` names is a column of cells.
    """
    asked = [part for name in (draft.asked.cell or "").split(",") if (part := name.strip())]
    for name in map(str, draft.frame.columns):
        short = folded(name)
        if short not in _OWN_MEANING or short not in map(folded, asked):
            continue
        if short == "cell" and len(asked) == 1:
            continue
        draft.table = replace(draft.table, frame=draft.frame.rename(columns={name: f"the {short}"}))
        draft.came[f"the {short}"] = f"column {name!r}"


def _is_status(draft: Draft, column: str) -> bool:
    return any(status_of(word) for word in draft.frame[column].unique())


def original(draft: Draft, name: str) -> str | None:
    """The column that somebody means by a name, in the table as it now is."""
    columns = [str(column) for column in draft.frame.columns]
    if name in columns:
        return name
    for known, where in draft.came.items():
        if where == f"column {name!r}" and known in columns:
            return known
    return next((column for column in columns if folded(column) == folded(name)), None)


def makes_cells(draft: Draft, column: str) -> bool:
    """Whether `--cell` names a column, which is then no result, as `loss` is where losses are compared."""
    return column in [original(draft, name.strip()) for name in (draft.asked.cell or "").split(",")]


def averaged_over(draft: Draft) -> list[str]:
    """The columns that `--average` names, by commas."""
    asked = draft.asked.average
    if asked is None or original(draft, asked) is not None:
        return [] if asked is None else [asked]
    return [name for part in asked.split(",") if (name := part.strip())]


def summary_rows(draft: Draft) -> None:
    """Rows amid the data that sum them up: `mean`, `0,1,2` or `0-4` where a seed or a name stands."""
    frame = draft.frame
    columns = [name for name in ("seed", "run", "cell", "method", "epoch") if name in frame]
    first = str(frame.columns[0]) if len(frame.columns) else ""
    wrong = np.zeros(len(frame), dtype=bool)
    if "seed" in frame:
        several = frame["seed"].str.fullmatch(_SEVERAL).to_numpy()
        if several.all():
            raise draft.table.error(
                f"each row is of several seeds ({frame['seed'].iloc[0]!r}): means, no runs",
                "one row per run is judged; `rigorkd audit` judges means (--seeds K says of how many)",
                0,
                "seed",
            )
        spreads = [word for word in frame["seed"].unique() if meant_by(word) is not None]
        wrong |= (_sum_up(frame["seed"]) | frame["seed"].isin(spreads)).to_numpy() | several
        blank = frame["seed"].str.casefold().isin(ABSENT).to_numpy()
        for name in dict.fromkeys((first, *columns)):
            wrong |= blank & (_sum_up(frame[name]) | frame[name].str.contains(_MEAN_OF)).to_numpy()
        for name in map(str, frame.columns):  # a mean with its spread, where runs have a number alone
            spread = frame[name].str.contains("±", regex=False).to_numpy()
            wrong |= blank & spread & (not spread[~blank & ~wrong].any())
    elif first and not draft.plainly:
        wrong |= _sum_up(frame[first]).to_numpy()
    if wrong.any() and not wrong.all():
        for row in np.flatnonzero(wrong)[:20]:
            if "seed" in frame and several[row]:
                word = frame["seed"].iloc[row]
            else:
                word = next(word for word in frame.iloc[row] if _is_sum(word) or meant_by(word))
            draft.dropped.append(f"{draft.table.place(row)}: a row that sums up ({word})")
        if "seed" in frame and (lost := _without_runs(frame, wrong)):
            draft.warnings.append(f"{some_of(lost, 5)}: means alone, no runs, so compared with nothing")
        draft.warnings += _other_means(draft, wrong)
        draft.keep(~wrong)


_SEVERAL = re.compile(
    r"[\[({]?\s*\d+\s*(?:(?:[,;+&/–-]|\.\.+|\bto\b|:|\s)\s*\d+\s*)+[\])}]?|\d+\s+(?:seeds|runs)"
    r"|(?:all|mean|avg|average)\s*(?:of|over)?\s*[(\[]?\s*\d+\s*(?:seeds|runs)?\s*[)\]]?",
    re.IGNORECASE,
)
"""What stands for several seeds: 0,1,2 or 0-4 or [0 1 2] or 5 seeds or all 6."""
_MEAN_OF = re.compile(r"[-_ (/](?:mean|avg|average|std|sd|stdev|median)\)?$", re.IGNORECASE)
"""How the name of a row ends that sums up a method: kd_mean, KD (avg)."""


def _is_sum(word: str) -> bool:
    return sums_up(word) or "±" in word or _MEAN_OF.search(word) is not None


_PRINTED = re.compile(r"\s*([+−-]?\d*\.\d+)\s*%?\s*(?:±.*)?")


def _other_means(draft: Draft, wrong: NDArray[np.bool_]) -> list[str]:
    """Means below the runs that their own runs do not have, by more than all of their rounding allows."""
    frame = draft.frame
    if "seed" not in frame:
        return []
    named = [name for name in ("cell", *NAMED) if name in frame]
    values = [name for name in map(str, frame.columns) if name not in (*named, "seed", "run")]
    there = frame[~wrong]
    told = []
    for row in np.flatnonzero(wrong)[:100]:
        mean = frame.iloc[row]
        if not any(map(is_mean, (mean["seed"], *mean[named]))):
            continue
        own = there[(there[named] == mean[named]).all(axis=1)] if named else there
        for name in values:
            found = [_PRINTED.fullmatch(str(text)) for text in (mean[name], *own[name])]
            texts = [one[1].replace("−", "-") for one in found if one is not None]
            if len(texts) < max(3, len(found)):
                continue
            slack = sum(10.0 ** -len(text.partition(".")[2]) / 2 for text in texts[:2])
            average = float(np.mean([float(text) for text in texts[1:]]))
            if abs(average - float(texts[0])) > 1.001 * slack:
                of = "/".join(filter(None, mean[named])) or name
                told.append(
                    f"{draft.table.place(int(row))}: the mean of {of} is printed as {texts[0]}, and that of "
                    f"its {len(own)} runs here is {average:.4g}: these are other runs, or one is mistyped"
                )
    return told[:5]


def _without_runs(frame: pd.DataFrame, wrong: NDArray[np.bool_]) -> list[str]:
    """The configurations of which only rows that sum up are there."""
    named = [name for name in NAMED if name in frame]
    names = ["/".join(filter(None, row)) for row in frame[named].itertuples(index=False, name=None)]
    there = {name for name, sums in zip(names, wrong, strict=True) if not sums}
    return [name for name in dict.fromkeys(names) if name not in there and name and not _is_sum(name)]


def _sum_up(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.isin([word for word in column.unique() if sums_up(word)])
