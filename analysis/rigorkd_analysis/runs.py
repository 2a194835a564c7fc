"""From a tidy pandas table, one row per run, to checked arrays: cells × seeds.

Everything that makes a table unusable is refused here, with the row and column at fault: duplicate seeds,
text or NaN in the metric, one checkpoint standing in for several seeds, mixed modes, smoke beside real. A run
that diverged (`status` says so) is no error: it is an outcome and is counted. Nor is a run that a plan
declares and that is not there yet (`status` missing): its cell then counts in the size of its family.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.columns import (
    INNER,
    is_measured,
    metric_columns,
    number_text,
    sets_up,
    tells,
    text_of,
)
from rigorkd_analysis.metric_names import (
    is_accuracy,
    is_peak_of_test,
    is_validation,
    of_training,
    on_two_scales,
)
from rigorkd_analysis.table_error import TableError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Larger values are no measurement, and their squares overflow.
LARGEST = 1e100

_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no", ""}


@dataclass(frozen=True)
class Runs:
    """A checked table.

    Attributes:
        cells: names, in order of first appearance in a table sorted by cell.
        seeds: all seeds, ascending.
        values: the metric, shape (cells, seeds); NaN where there is no finished run.
        diverged: shape (cells, seeds), True where the run diverged.
        attributes: per descriptive column, the cell's value as text ("" if missing), shape (cells,).
        diverged_unjudged: cells that diverged at seeds which were left out by what the runs came to, and at
            which; they have lost runs as those have that diverged at a judged seed.
    """

    metric: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    values: Floats
    diverged: NDArray[np.bool_]
    attributes: dict[str, tuple[str, ...]]
    validation: Floats | None = None
    epochs_run: Floats | None = None
    smoke: bool = False
    warnings: tuple[str, ...] = ()
    index: dict[str, int] = field(default_factory=dict)
    diverged_unjudged: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def lost(self, cells: Sequence[int]) -> NDArray[np.bool_]:
        """Which of these cells lost runs to divergence, shape (cells,); what is left is a selection."""
        unjudged = {cell for cell, _ in self.diverged_unjudged}
        named = np.array([self.cells[cell] in unjudged for cell in cells], dtype=bool)
        return np.asarray(self.diverged[list(cells)].any(axis=1) | named)

    def position(self, cell: str) -> int:
        """The row of a cell.

        Raises:
            TableError: there is no such cell; the nearest is offered.
        """
        if cell not in self.index:
            raise TableError(f"no cell {cell!r} in this table", hint=suggest(cell, self.cells))
        return self.index[cell]

    def text(self, column: str, cell: int) -> str:
        """A cell's value in a descriptive column, "" if there is none."""
        values = self.attributes.get(column)
        return "" if values is None else values[cell]

    def number(self, column: str, cell: int) -> float | None:
        """A cell's value in a descriptive column as a number, None if it is not one."""
        try:
            number = float(self.text(column, cell))
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def student(self, cell: int) -> str | None:
        return self.text("student", cell) or None

    def without(self, seeds: tuple[int, ...]) -> Runs:
        """The same runs with these seeds blanked out."""
        if not seeds:
            return self
        keep = ~np.isin(self.seeds, seeds)
        return replace(self, values=np.where(keep, self.values, np.nan), diverged=self.diverged & keep)


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name that a misspelt one is most like, "" if none is like it."""
    folded = {candidate.casefold(): candidate for candidate in valid}
    match = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[match[0]] if match else ""


def the_one_with(word: str, valid: Iterable[str]) -> str:
    """The only valid name with this word whole, as `resnet8x4_plain` has `plain`; "" if none or several."""
    whole = re.compile(rf"(?<![a-z0-9]){re.escape(word.casefold())}(?![a-z0-9])")
    found = [one for one in valid if word and whole.search(one.casefold())]
    return found[0] if len(found) == 1 else ""


def suggest(name: str, valid: Iterable[str]) -> str:
    """A hint for a misspelt name: the one that holds it, or the nearest valid one, else the first few."""
    names = list(valid)
    if close := the_one_with(name, names) or nearest(name, names):
        return f"did you mean {close!r}?"
    shown = ", ".join(names[:12]) + (f", … ({len(names)} in all)" if len(names) > 12 else "")
    return f"there are: {shown}" if names else "the table has none"


def suggest_of_all(name: str, valid: Iterable[str]) -> str:
    """A hint for a misspelt name that lists all valid ones, the nearest first."""
    folded = name.casefold()
    likeness = {one: difflib.SequenceMatcher(None, folded, one.casefold()).ratio() for one in valid}
    names = sorted(likeness, key=lambda one: -likeness[one])
    close = f"did you mean {found!r}? " if (found := nearest(name, names)) else ""
    return close + suggest("", names)


def choose_metric(frame: pd.DataFrame, metric: str | None) -> str:
    """The column to judge: the one asked for, else `test_top1`, else the only metric column.

    Raises:
        TableError: no such column, or several to choose from.
    """
    columns = [str(name) for name in frame.columns]
    if metric is not None:
        if metric in columns and metric not in ("cell", "seed"):
            return metric
        raise TableError(f"no metric {metric!r} in this table", hint=suggest(metric, metric_columns(frame)))
    if "test_top1" in columns:
        return "test_top1"
    candidates = metric_columns(frame)
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise TableError("the table has no metric column", hint="add a numeric column, such as test_top1")
    raise TableError("which metric?", hint=f"give --metric, one of: {', '.join(candidates)}")


def read_runs(frame: pd.DataFrame, metric: str | None = None) -> Runs:
    """Check a tidy table and turn it into arrays.

    Args:
        frame: one row per run, columns `cell`, `seed` and metrics, as numbers or as text.

    Raises:
        TableError: the table is unusable, with row and column.
    """
    for name in ("cell", "seed"):
        if name not in frame.columns:
            raise TableError(
                f"the table has no column {name!r}",
                hint=f"one row per run, with columns cell, seed and a metric; "
                f"there are: {', '.join(map(str, frame.columns)) or 'none'}",
            )
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise TableError(f"the column {doubled[0]!r} is there twice", hint="name every column once")
    if frame.empty:
        raise TableError("the table has no rows", hint="one row per run: cell, seed and a metric")
    metric = choose_metric(frame, metric)
    frame = frame.reset_index(drop=True)
    names = text_of(frame["cell"])
    _refuse(names == "", "cell", "this run has no cell name", "name the configuration it belongs to")
    seeds = _seeds(frame["seed"])
    status = text_of(frame["status"]) if "status" in frame else np.full(len(frame), "done", dtype=object)
    _refuse(
        ~np.isin(status, ["done", "diverged", "missing", ""]),
        "status",
        "this run is neither done, diverged nor missing",
        "leave out runs that did not finish, or finish them",
    )
    is_diverged, is_missing = status == "diverged", status == "missing"
    without = is_diverged | is_missing
    numbers = _numbers(frame, metric, without)
    cells, cell_of = np.unique(names, return_inverse=True)
    all_seeds, seed_of = np.unique(seeds, return_inverse=True)
    _no_duplicates(frame, names, seeds, cell_of, seed_of)
    there = frame[~is_missing]
    _no_shared_checkpoints(frame[~without], names[~without])  # all that diverged to NaN are alike
    smoke = _one_kind(there)
    _on_one_scale(metric, numbers, cells, cell_of)
    shape = (cells.size, all_seeds.size)

    def spread(column: Floats) -> Floats:
        grid = np.full(shape, np.nan)
        grid[cell_of, seed_of] = column
        return grid

    diverged = np.zeros(shape, dtype=bool)
    diverged[cell_of, seed_of] = is_diverged
    attributes = _attributes(frame, cell_of, cells, metric, is_missing)
    return Runs(
        metric=metric,
        cells=tuple(str(cell) for cell in cells),
        seeds=tuple(int(seed) for seed in all_seeds),
        values=spread(np.where(without, np.nan, numbers)),
        diverged=diverged,
        attributes=attributes,
        validation=_optional(
            frame, ("best_val_top1", "val_top1", "best_val_acc", "val_acc"), spread, without
        ),
        epochs_run=_optional(frame, ("epochs_run", "epochs"), spread, is_missing),
        smoke=smoke,
        warnings=(*_mixtures(there), *chosen_on_test(there, metric), *_fixed_teacher(there)),
        index={str(cell): position for position, cell in enumerate(cells)},
    )


def _refuse(wrong: NDArray[np.bool_], column: str, message: str, hint: str) -> None:
    if wrong.any():
        raise TableError(message, hint=hint, row=int(np.flatnonzero(wrong)[0]), column=column)


def seed_of(value: object) -> int | None:
    """The seed that a cell of a table holds, to the last digit; None if it is not an integer of 64 bits."""
    text = str(value).strip()
    if len(text) > 1_000:
        return None  # Python refuses to read so many digits
    if text.removeprefix("-").isdecimal():  # not by way of a float: 2^53 and 2^53 + 1 are two seeds
        seed = int(text)
        return seed if -(2**63) <= seed < 2**63 else None
    try:
        number = math.nan if "_" in text else float(text)  # 1_000 is Python's, no table's
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) <= 2**53 else None


def _seeds(column: pd.Series[Any]) -> NDArray[np.int64]:
    seeds = np.zeros(len(column), dtype=np.int64)
    for row, value in enumerate(column):
        seed = seed_of(value)
        if seed is None:
            raise TableError(
                f"{str(value)!r} is not a seed" if str(value).strip() else "this run has no seed",
                hint="a seed is an integer of at most 64 bits, such as 0"
                + ("" if str(value).strip() else "; leave out a run that has none"),
                row=row,
                column="seed",
            )
        seeds[row] = seed
    return seeds


def _numbers(frame: pd.DataFrame, metric: str, diverged: NDArray[np.bool_]) -> Floats:
    import pandas as pd

    column = frame[metric]
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~np.isfinite(numbers) & ~diverged
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        shown = "" if pd.isna(column.iloc[row]) else str(column.iloc[row])
        hint = "leave the run out, or set its status to diverged if training diverged"
        if shown.strip().endswith("%"):
            hint = "write 81.2, not 81.2%"
        elif shown.count(",") == 1 and shown.replace(",", "").strip("+- ").isdigit():
            hint = "use a decimal point"
        what = f"{shown!r} is not a number" if shown.strip() else "no value"
        raise TableError(f"{what} in the metric {metric!r}", hint=hint, row=row, column=metric)
    _refuse(
        (np.abs(numbers) > LARGEST) & ~diverged,
        metric,
        f"a value beyond ±{LARGEST:g} in the metric {metric!r}",
        "set the run's status to diverged if training diverged",
    )
    return np.asarray(numbers, dtype=np.float64)


def _on_one_scale(
    metric: str, numbers: Floats, cells: NDArray[np.object_], cell_of: NDArray[np.intp]
) -> None:
    """Refuse accuracies that cannot be: beyond 0 and 100, or fractions beside percentages."""
    if not is_accuracy(metric):
        return
    finite = np.isfinite(numbers)
    for wrong in np.flatnonzero(finite & ((numbers < 0) | (numbers > 100)))[:1]:
        raise TableError(
            f"{numbers[wrong]:g} is not an accuracy in {metric!r} (cell {cells[cell_of[wrong]]})",
            hint="accuracies lie between 0 and 100, or as fractions between 0 and 1: correct this value",
            row=int(wrong),
            column=metric,
        )
    middle = np.array([_median(numbers[finite & (cell_of == cell)]) for cell in range(cells.size)])
    own = middle[cell_of]
    # one value on the other scale; a network that fell to chance (1.00 %) is not near a hundredth of the rest
    stray = finite & (own > 1.5) & (numbers <= 1) & (np.abs(100 * numbers - own) <= 0.25 * own)
    stray |= finite & (own <= 1) & (numbers > 1.5) & (np.abs(numbers / 100 - own) <= 0.25 * own)
    for row in np.flatnonzero(stray)[:1]:
        raise TableError(
            f"{numbers[row]:g} stands beside {own[row]:g} in {metric!r} of {cells[cell_of[row]]}: "
            "fractions beside percentages",
            hint="write all of the column in percent, or all of it as fractions",
            row=int(row),
            column=metric,
        )
    if (mixed := on_two_scales(middle.tolist())) is not None:
        cell, percent = mixed
        raise TableError(
            f"{cells[cell]} is in fractions (median {middle[cell]:g}) and {cells[percent]} in percent "
            f"(median {middle[percent]:g}), both in {metric!r}",
            hint="write all of the column in percent, or all of it as fractions",
            row=int(np.flatnonzero(cell_of == cell)[0]),
            column=metric,
        )


def _median(values: Floats) -> float:
    return float(np.median(values)) if values.size else math.nan


def _no_duplicates(
    frame: pd.DataFrame,
    names: NDArray[np.object_],
    seeds: NDArray[np.int64],
    cell_of: NDArray[np.intp],
    seed_of: NDArray[np.intp],
) -> None:
    key = cell_of.astype(np.int64) * (int(seed_of.max()) + 1) + seed_of
    _, first = np.unique(key, return_index=True)
    again = np.setdiff1d(np.arange(len(frame)), first)
    if again.size == 0:
        return
    row = int(again.min())
    inner = next((name for name in INNER if name in frame.columns), None)
    hint = (
        f"the unit of replication is the seed: average over {inner!r} first (--average {inner}); "
        "its values are not replicates"
        if inner
        else "one row per run; images, epochs and repeated evaluations of a checkpoint are not replicates. "
        "If these rows differ in a setting, give them different cell names"
    )
    raise TableError(f"seed {seeds[row]} of {names[row]} is there twice", hint=hint, row=row, column="seed")


def _no_shared_checkpoints(frame: pd.DataFrame, names: NDArray[np.object_]) -> None:
    if "weights_sha256" not in frame.columns or _is_of_cells(frame, "weights_sha256"):
        return
    hashes = text_of(frame["weights_sha256"])
    seen: dict[tuple[object, object], int] = {}
    for row, key in enumerate(zip(names, hashes, strict=True)):
        if key[1] and seen.setdefault(key, row) != row:
            raise TableError(
                f"two runs of {names[row]} hold the same weights ({str(hashes[row])[:12]}…)",
                hint="one checkpoint cannot stand in for two seeds; train each seed, or leave one out",
                row=row,
                column="weights_sha256",
            )


def _one_kind(frame: pd.DataFrame) -> bool:
    """Refuse mixed modes and smoke beside real; whether all of it is smoke.

    Not of columns that the cells' names hold: they are what is compared, whatever else their names mean.
    """
    if "mode" in frame.columns and not _is_of_cells(frame, "mode"):
        modes = sorted({str(mode) for mode in text_of(frame["mode"])} - {""})
        if len(modes) > 1:
            raise TableError(
                f"the runs have different modes: {', '.join(modes)}",
                hint="runs of different modes are not comparable; analyse each mode by itself",
                column="mode",
            )
    if "smoke" not in frame.columns or _is_of_cells(frame, "smoke"):
        return False
    words = np.array([str(value).strip().casefold() for value in text_of(frame["smoke"])], dtype=object)
    words = np.array([word.removesuffix(".0") for word in words], dtype=object)
    _refuse(~np.isin(words, sorted(_TRUE | _FALSE)), "smoke", "smoke is true or false", "write true or false")
    smoke = np.isin(words, sorted(_TRUE))
    if smoke.any() and not smoke.all():
        raise TableError(
            "smoke runs stand beside real ones",
            hint="leave the smoke runs out; they only show that the code works",
            row=int(np.flatnonzero(smoke)[0]),
            column="smoke",
        )
    return bool(smoke.all())


def _is_of_cells(frame: pd.DataFrame, column: str) -> bool:
    """Whether each cell's name holds the value that its runs have in a column, and cells differ in it.

    A cell may have none of it, as a baseline has no mode.
    """
    pairs = {*zip(text_of(frame["cell"]), text_of(frame[column]), strict=True)}
    return len({value for _, value in pairs}) > 1 and all(
        not value or tells(cell, value) for cell, value in pairs
    )


def _attributes(
    frame: pd.DataFrame,
    cell_of: NDArray[np.intp],
    cells: NDArray[np.object_],
    metric: str,
    missing: NDArray[np.bool_],
) -> dict[str, tuple[str, ...]]:
    """Each column that is constant within every cell, as text per cell; a missing run may say nothing."""
    first = _first_of_each(cell_of, missing)
    attributes: dict[str, tuple[str, ...]] = {}
    for column in frame.columns:
        name = str(column)
        if name in ("cell", "seed", metric):
            continue
        values = text_of(frame[name])
        per_cell = values[first]
        setting = sets_up(name) and not is_measured(name, values, cell_of)
        same = _is_as(per_cell, values, cell_of, missing, numbers=setting)
        if same.all():
            attributes[name] = tuple(str(value) for value in per_cell)
        elif setting:
            row = int(np.flatnonzero(~same)[0])
            raise TableError(
                f"the runs of {cells[cell_of[row]]} differ in {name!r}: "
                f"{per_cell[cell_of[row]] or 'none'} and {values[row] or 'none'}",
                hint="a cell is one configuration; give each its own cell name, or leave the column out "
                "where it is no setting",
                row=row,
                column=name,
            )
    return attributes


def _first_of_each(cell_of: NDArray[np.intp], missing: NDArray[np.bool_]) -> NDArray[np.intp]:
    """A row of each cell, of a run that is there if one is."""
    order = np.argsort(missing, kind="stable")
    return order[np.unique(cell_of[order], return_index=True)[1]]


def _is_as(
    per_cell: NDArray[np.object_],
    values: NDArray[np.object_],
    cell_of: NDArray[np.intp],
    missing: NDArray[np.bool_],
    *,
    numbers: bool,
) -> NDArray[np.bool_]:
    """Which rows say what their cell says; with `numbers`, 4 and 4.0 are one temperature."""
    same = (values == per_cell[cell_of]) | (missing & (values == ""))
    if numbers and not same.all():
        unequal = np.flatnonzero(~same)
        same[unequal] = [number_text(values[row]) == number_text(per_cell[cell_of[row]]) for row in unequal]
    return np.asarray(same, dtype=bool)


def mixed_settings(frame: pd.DataFrame) -> list[str]:
    """The columns of settings in which runs of one cell differ, for which `read_runs` refuses a table."""
    _, cell_of = np.unique(text_of(frame["cell"]), return_inverse=True)
    missing = text_of(frame["status"]) == "missing" if "status" in frame else np.zeros(len(frame), dtype=bool)
    first, found = _first_of_each(cell_of, missing), []
    for name in map(str, frame.columns):
        values = text_of(frame[name]) if sets_up(name) else None
        if values is None or is_measured(name, values, cell_of):
            continue
        if not _is_as(values[first], values, cell_of, missing, numbers=True).all():
            found.append(name)
    return found


def _optional(
    frame: pd.DataFrame, names: tuple[str, ...], spread: Any, drop: NDArray[np.bool_]
) -> Floats | None:
    import pandas as pd

    for name in names:
        if name in frame.columns:
            numbers = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            grid: Floats = spread(np.where(drop, np.nan, numbers))
            return grid
    return None


def _mixtures(frame: pd.DataFrame) -> list[str]:
    out = []
    for name in ("hardware", "dispatch", "versions"):
        if name in frame.columns:
            kinds = sorted({str(value) for value in text_of(frame[name])} - {""})
            if len(kinds) > 1:
                more = f"; and {len(kinds) - 4} more" if len(kinds) > 4 else ""
                out.append(f"runs of different {name} are compared: {'; '.join(kinds[:4])}{more}")
    return out


def _fixed_teacher(frame: pd.DataFrame) -> list[str]:
    """Whether every distilled cell's seeds share one teacher checkpoint, where the table names it."""
    for name in ("teacher_run_hash", "teacher_sha256", "teacher_checkpoint"):
        if name in frame.columns:
            named = frame[text_of(frame[name]) != ""]
            groups = named.groupby("cell")[name]
            if len(named) and (groups.nunique() == 1).all() and (groups.size() > 1).any():
                return ["one fixed teacher for all seeds: the verdicts are about this very teacher"]
    return []


OPTIMISTIC = "the results are optimistic"
"""How a warning ends of an epoch or a checkpoint that was chosen on test data, or on what is judged."""
_OF_NO_NEW_DATA = (
    OPTIMISTIC,
    "its values are optimistic, and so may be every gain here",
    "it says nothing of new data",
)


def is_of_no_new_data(warning: str) -> bool:
    """Whether a warning says that what is judged was chosen on test data, or is of training data."""
    return warning.endswith(_OF_NO_NEW_DATA)


def best_of_epochs(metric: str, by: str = "its name") -> str:
    """The warning of a metric that is the best of many epochs on test data, and by what one knows it."""
    return f"{metric} is chosen on test data (the best of many epochs, by {by}): {_OF_NO_NEW_DATA[1]}"


def chosen_on_test(frame: pd.DataFrame, metric: str) -> list[str]:
    """That values are of the training data, or the best of many on the test images, as far as names tell."""
    training = _OF_NO_NEW_DATA[2]
    out = [f"{metric} is of training data: {training}"] * len(of_training([metric], map(str, frame)))
    # a study's table has a column of the validation data that may be empty
    told = [name for name in map(str, frame) if not is_validation(name) or text_of(frame[name]).any()]
    if is_peak_of_test(metric, told):
        out.append(best_of_epochs(metric))
    for name in ("select", "selection", "selected_on", "training"):
        if name in frame.columns and any(
            "best_test" in str(value) or str(value).strip().casefold() in ("test", "test_top1", "test_acc")
            for value in set(text_of(frame[name]))
        ):
            out.append(f"the checkpoints were selected on test data: {OPTIMISTIC}")
            break
    return out
