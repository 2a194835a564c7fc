"""Which column is judged, and its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from rigorkd_analysis.metric_names import is_accuracy, is_peak_of_test, is_validation, of_training, words_of

from rigorkd.readers.draft import Draft, averaged_over, original
from rigorkd.readers.known_names import is_bookkeeping, is_kind_of_seed
from rigorkd.readers.shapes import UNNAMED, affixes, is_cost, is_metric
from rigorkd.readers.written_numbers import looks_numeric, numbers_of, plain
from rigorkd.text import some_of, suggest


def choose_metric(draft: Draft, metric: str | None) -> str:
    """The column to judge, its numbers read."""
    frame = draft.frame
    if metric is not None:
        column = original(draft, metric) or (UNNAMED if UNNAMED in frame else None)
        if column is None:
            there = candidates(draft)
            raise draft.table.error(
                f"no metric {metric!r} in this table",
                suggest(metric, there, f"there are: {some_of(there)}" if there else "it has no numbers"),
            )
        if column != metric:
            draft.table = replace(draft.table, frame=frame.rename(columns={column: metric}))
            draft.came[metric] = f"column {column!r}" if column != UNNAMED else "the fields of the wide table"
        if draft.asked.cell and column in draft.came.get("cell", "").removeprefix("columns ").split(", "):
            raise draft.table.error(
                f"{metric} is the metric, and a part of the cell by --cell {draft.asked.cell}",
                "a cell is what its runs have in common: leave the metric out of --cell",
            )
        found = [metric]
    else:
        found = candidates(draft)
    _read_numbers(draft, found)
    if metric is not None:
        draft.metric = f"metric: {metric}"
        return metric
    if found == [UNNAMED]:
        return _unnamed(draft)
    if "test_top1" in found:
        draft.metric = "metric: test_top1"
        return "test_top1"
    if len(found) == 1:
        draft.metric = f"metric: {found[0]}, the only one"
        return found[0]
    tested = [name for name in found if _is_accuracy_of("test", name)]
    tested = tested or [name for name in found if _is_accuracy_of("eval", name)]
    if len(tested) == 1:
        draft.metric = f"metric: {tested[0]}, by its name (--metric changes it; also there: " + (
            f"{some_of([name for name in found if name != tested[0]], 6)})"
        )
        return tested[0]
    if not found:
        raise draft.table.error(
            f"the table has no metric column; columns: {draft.columns()}",
            _headless(draft) or "add a numeric column, such as test_top1",
        )
    columns = list(map(str, frame.columns))
    trained = of_training(found, columns)
    peaks = {name for name in found if is_peak_of_test(name, columns)}

    def last(name: str) -> tuple[bool, ...]:
        return not is_metric(name), _is_chosen(name), is_cost(name), name in trained, name in peaks

    found = sorted(found, key=last)
    alone = draft.came.get("cell", "") in _ON_DATA and not draft.asked.cell
    words = [
        name for name in map(str, frame.columns) if name not in ("dataset", "task") and draft.is_word(name)
    ]
    wide = affixes(frame) if alone and not words else {}
    if wide:
        whole, of = next(iter(wide.items()))
        raise draft.table.error(
            "which metric? There is one configuration on each data set, unless columns are some",
            f"if {some_of(list(of), 4)} are what is compared, give --metric {whole}; else give --metric, "
            f"one of: {some_of(found)}",
            metric=whole,
        )
    raise draft.table.error(
        "which metric?",
        f"give --metric, one of: {some_of(found)}",
        metric=min(found, key=lambda name: _doubt(name, name in trained, name in peaks)),
    )


def _headless(draft: Draft) -> str:
    """The option for numbers in a column without a heading."""
    names = map(str, draft.frame.columns)
    found = [name for name in names if name.startswith("column ") and looks_numeric(draft.frame[name])]
    return f"if it is {found[0]}, which has no heading, give one, or --metric '{found[0]}'" if found else ""


def candidates(draft: Draft) -> list[str]:
    """Numeric columns that hold results, by name and by what is in them."""
    names: list[str] = []
    constant: list[str] = []
    own = draft.came.get("cell", "").removeprefix("columns ").split(", ") if draft.asked.cell else []
    own += [original(draft, name) or name for name in averaged_over(draft)]
    seed = original(draft, draft.asked.seed) if draft.asked.seed else None
    for column in map(str, draft.frame.columns):
        if (
            column in ("cell", "seed", "_stem", seed, *own)
            or (is_bookkeeping(column) and not (column == "precision" and draft.is_measured(column)))
            or not column
            or is_kind_of_seed(column)
        ):
            continue
        if column.startswith("column ") or not looks_numeric(draft.frame[column]):
            continue
        values = draft.frame[column]
        cells = draft.frame["cell"].to_numpy()
        first = dict(zip(cells[::-1], values.to_numpy()[::-1], strict=True))
        varies = any(
            first[cell] != value for cell, value in zip(cells, values.to_numpy(), strict=True) if value
        )
        (names if varies else constant).append(column)
    names = [name for name in names if is_metric(name) or not draft.recurs(name)] or names
    names = [name for name in names if is_metric(name) or not is_cost(name)] or names
    names = [name for name in names if not _is_alike(draft, name)] or names
    names = [name for name in names if not _is_spread(name)] or names
    return names or [name for name in constant if is_metric(name)] or constant


def _is_alike(draft: Draft, name: str) -> bool:
    """Whether all configurations have the same value at every seed, as of a model that they share."""
    groups = [column for column in ("dataset", "task", "group", "seed") if column in draft.frame]
    values = draft.frame.groupby(groups, sort=False)[name]
    return bool((values.size() > 1).any() and (values.nunique() == 1).all())


_ON_DATA = ("columns dataset", "columns task", "columns dataset, task")
"""Where cells come from if there is one on each data set."""


def _is_spread(name: str) -> bool:
    """Whether a column says by how much the parts of one run's result differ, as `std_reward` does."""
    return not {"std", "stdev", "stderr", "sem", "sd"}.isdisjoint(words_of(name))


def _is_chosen(name: str) -> bool:
    """Whether a column says what was chosen or counted for a run rather than how good it is."""
    return not _CHOSEN.isdisjoint(words_of(name))


_CHOSEN = frozenset(
    {
        "threshold",
        "epoch",
        "epochs",
        "ran",
        "step",
        "steps",
        "start",
        "n",
        "num",
        "count",
        "size",
        "index",
        "id",
    }
)


def _doubt(name: str, trained: bool, peak: bool) -> int:
    """How unlikely it is that a column of results is the one to judge, by its name: tests come first.

    Of two that may be, not the best of many epochs on test data.
    """
    tokens = set(words_of(name))
    training = 4 * trained + 2 * is_validation(name) + 2 * peak
    return (
        32 * (not is_metric(name))
        + 16 * _is_chosen(name)
        + 8 * (not is_accuracy(name))
        + training
        + ("test" not in tokens)
    )


def _is_accuracy_of(split: str, name: str) -> bool:
    tokens = set(words_of(name))
    return (
        split in tokens
        and bool(tokens & {"acc", "acc1", "top1", "accuracy"})
        and not tokens
        & {"best", "max", "min", "peak", "top5", "acc5", "std", "sd", "stderr", "loss", "error"}
    )


def _unnamed(draft: Draft) -> str:
    """The metric of a wide table that names none: accuracy where only that is plausible, else asked for."""
    values = plain(draft.frame[UNNAMED])
    values = values[np.isfinite(values)]
    percent = values.size > 0 and bool(((values > 50) & (values <= 100)).all())
    share = values.size > 0 and bool(((values > 0.5) & (values <= 1)).all())
    if not (percent or share):
        raise draft.table.error(
            "the table does not name its metric",
            "give --metric NAME, such as test_acc or test_loss (and --goal, if the name does not say it)",
        )
    draft.table = replace(draft.table, frame=draft.frame.rename(columns={UNNAMED: "accuracy"}))
    unit = "percent" if percent else "fractions of 1"
    draft.came["accuracy"] = "the fields of the wide table, which does not name its metric"
    draft.metric = f"metric: not named; read as accuracy in {unit}, more is better (--metric NAME changes it)"
    draft.warnings.append(
        f"the table does not name its metric: it is read as accuracy in {unit}, more is better"
    )
    return "accuracy"


def _read_numbers(draft: Draft, columns: Sequence[str]) -> None:
    changed = {}
    for column in columns:
        found = numbers_of(draft.table, column, draft.asked)
        if not found.text.equals(draft.frame[column]):  # a true minus needs no word
            changed[column] = found.text
        if found.said:
            draft.dropped += [text for text in found.said if "left out" in text]
            draft.came[column] = f"{draft.came.get(column, f'column {column!r}')}; " + "; ".join(
                text for text in found.said if "left out" not in text
            )
    if changed:
        draft.put(**changed)
