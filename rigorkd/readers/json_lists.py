"""Lists of numbers beside single values in a JSON file: each method's results, or a log of one run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.readers.known_names import canonical, folded, is_bookkeeping, seed_in, unhumped
from rigorkd.readers.raw import RawTable, flat, table_of
from rigorkd.readers.shapes import NO_METHODS, UNNAMED, is_cost, is_metric
from rigorkd.text import some_of

LISTS = "lists of numbers, which are no rows: "
"""How it begins what is said of lists that were not read."""

ROWS = "lists of objects, as of epochs, beside the single values: "
"""The same of lists of objects."""

MAY_BE = "lists may be epochs or parts of a run as well as results of seeds: "
WRITE_THEM = (
    "if they are each method's results, write these lists alone, each under its method: "
    '{"kd": [91.2, 90.8, …], "scratch": [90.1, 89.9, …]}, the places being the seeds; else a row '
    "for each run: method, seed and a metric"
)

TAKEN = " (if they are epochs or parts of a run, write each run's result instead)"
"""What follows the places of lists that were taken for seeds: nothing in them tells."""

_MANY = {
    "accs": "acc", "accuracies": "accuracy", "scores": "score", "f1s": "f1", "aucs": "auc", "aurocs": "auroc",
    "losses": "loss", "errors": "error", "errs": "err", "maes": "mae", "rmses": "rmse", "results": UNNAMED,
    "values": UNNAMED, "runs": UNNAMED,
}  # fmt: skip
"""What lists of a metric's values are called, and the metric."""

_SEEDS = ("seed", "seeds", "seed_list", "random_seeds")

_OF_A_RUN = NO_METHODS | frozenset(
    {"fold", "folds", "cv", "all", "epoch", "epochs", "step", "steps", "round", "rounds", "task", "tasks",
     "class", "per", "old", "new", "diagonal", "running", "history", "x", "y", "mean", "std", "id", "ids",
     "index", "lr"}
)  # fmt: skip
"""What says of a list that it is a part of a run, or of a sum, and of no method."""

_MOST = 100
"""Seeds of one method; longer lists are epochs."""
_MOST = 500
"""Values of a list that are compared, each with each."""

_IN_ORDER = 2.2
"""So many standard deviations of Kendall's S away from no order, five places are in full order or none."""


def numbers_of(value: object) -> list[float] | None:
    """The numbers of a list that holds two or more and nothing else."""
    if not isinstance(value, list) or len(value) < 2:
        return None
    plain = all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
    return value if plain else None


def seeds_among(lists: Mapping[str, object]) -> str:
    """The list that says the seeds of the others, by its name; "" where there is none."""
    return next((key for key, own in lists.items() if folded(key) in _SEEDS and isinstance(own, list)), "")


def refuse_curves(file: str, lists: Mapping[str, Sequence[float]]) -> None:
    """Refuse to take places for seeds where values rise, or fall, with them in every list.

    Seeds come in no order: such lists are epochs, or were sorted, and then no place pairs them. Whoever
    writes the seeds beside them has said what the places are.

    Raises:
        InputError: they do, in five places or more.
    """
    if not lists or not all(_in_order(own) for own in lists.values()):
        return
    which = some_of(list(lists), 6)
    raise InputError(
        f"{file}: values rise or fall with their place in every list, as over the epochs of a run, so the "
        f"places are not taken for seeds: {which}",
        hint='if they are seeds, say which beside the lists: "seeds": [0, 1, …]; of epochs write the result '
        "of each run: a row with method, seed and a metric",
    )


def _in_order(values: Sequence[float]) -> bool:
    """Whether values go one way with their place, by Mann and Kendall's test; those of seeds seldom do."""
    values = values[:: 1 + len(values) // _MOST]  # a trend is one in some of the values, too
    n = len(values)
    s = sum(
        (later > value) - (later < value) for at, value in enumerate(values) for later in values[at + 1 :]
    )
    return n > 4 and (abs(s) - 1) / (n * (n - 1) * (2 * n + 5) / 18) ** 0.5 > _IN_ORDER


def methods_beside(file: str, value: object) -> RawTable | None:
    """The rows of lists of one length that are each a method's results, beside values of the whole file.

    `{"dataset": "actor", "kd_accs": [91.2, …], "ce_accs": [90.8, …], "config": {…}}`: the lists' places are
    the seeds, unless a list says them, and what they are called together is the metric. None where the file
    is of one run (it says its seed, method or result), or where lists may be epochs or parts of a run.
    """
    if not isinstance(value, dict) or any(seed_in(part) for part in Path(file).parts[-3:]):
        return None
    lists = {str(key): own for key, item in value.items() if (own := numbers_of(item)) is not None}
    rest = flat({key: item for key, item in value.items() if not isinstance(item, list)})
    seeds = seeds_among(lists)
    counted = lists.pop(seeds) if seeds else None
    length = len(next(iter(lists.values()), ()))
    if len(lists) < 2 or {len(own) for own in lists.values()} != {length} or length > _MOST:
        return None
    if counted is not None and (len(counted) != length or not all(isinstance(one, int) for one in counted)):
        return None
    made = _named(list(lists))
    if (
        made is None
        or (UNNAMED in made and not rest and counted is None)
        or _is_of_a_run(rest, {who for own in made.values() for who in own}, length)
    ):
        return None
    if counted is None:
        refuse_curves(file, lists)
    whole = {name: item for name, item in rest.items() if not _sums_up(name, made)}
    rows = [
        {**whole, "method": who, "seed": place if counted is None else counted[place]}
        | {metric: lists[own[who]][place] for metric, own in made.items()}
        for who in next(iter(made.values()))
        for place in range(length)
    ]
    came = {
        "method": "the names of the lists",
        "seed": f"the list {seeds}" if seeds else f"the place in each method's list{TAKEN}",
        **dict.fromkeys(made, "the numbers of the lists"),
    }
    summing = [name for name in rest if name not in whole]
    return table_of(
        rows,
        [file] * len(rows),
        "JSON, a list of results for each method" + "; other values are of the whole file" * bool(whole),
        came=came,
        dropped=[f"{some_of(summing, 6)}: they sum up"] if summing else [],
    )


def unread_lists(rows: list[Any]) -> str:
    """What to say of the lists of numbers in rows that are read by their single values; "" where none are."""
    return _said(LISTS, rows, lambda item: bool(numbers_of(item)))


def unread_rows(rows: list[Any]) -> str:
    """What to say of the lists of objects in rows, such as a history of epochs; "" where there are none."""
    return _said(ROWS, rows, _are_objects)


def _said(lead: str, rows: list[Any], is_meant: Callable[[Any], bool]) -> str:
    there = (own for row in rows if isinstance(row, Mapping) for own in flat(row).items())
    found = dict.fromkeys(name for name, item in there if is_meant(item))
    return lead + some_of(list(found), 6) if found else ""


def _are_objects(item: Any) -> bool:
    return isinstance(item, list) and len(item) > 1 and all(isinstance(one, Mapping) for one in item)


def _named(names: list[str]) -> dict[str, dict[str, str]] | None:
    """By metric, the list of each method; None unless all metrics are of the same methods, none of a run."""
    words = [[word for word in re.split(r"[_\-./ ]+", unhumped(name)) if word] for name in names]
    for ends in (True, False):
        found = _by_metric(names, words if ends else [own[::-1] for own in words])
        if found:
            made = {metric: own if ends else {"_".join(who.split("_")[::-1]): k for who, k in own.items()}
                    for metric, own in found.items()}  # fmt: skip
            return made if _are_methods(made) else None
    plain = {UNNAMED: {name: name for name in names}}
    return plain if _are_methods(plain) else None


def may_be_method(name: str) -> bool:
    """Whether a list's name has no word at its end for many values of a metric, as `test_accs` has."""
    return folded(name).split("_")[-1] not in _MANY


def _by_metric(names: list[str], words: list[list[str]]) -> dict[str, dict[str, str]]:
    """The lists by what their names end with, where all end with a metric, and what is left of each."""
    found: dict[str, dict[str, list[str]]] = {}
    for name, own in zip(names, words, strict=True):
        end = own[-1].casefold() if own else ""
        metric = _MANY.get(end, end if is_metric(end) else "")
        if not metric:
            return {}
        found.setdefault(metric, {})[name] = own[:-1]
    made: dict[str, dict[str, str]] = {}
    for metric, lists in found.items():
        left = dict(lists)
        while len(left) > 1 and all(left.values()) and len({rest[-1] for rest in left.values()}) == 1:
            last = next(iter(left.values()))[-1]  # `test` of kd_test_accs and ce_test_accs
            metric = metric if metric == UNNAMED else f"{last}_{metric}"
            left = {name: rest[:-1] for name, rest in left.items()}
        made[metric] = {"_".join(rest): name for name, rest in left.items()}
    return made


def _are_methods(made: Mapping[str, Mapping[str, str]]) -> bool:
    sets = [set(own) for own in made.values()]
    if len(sets[0]) < 2 or any(own != sets[0] for own in sets):
        return False
    return not any(
        not who
        or canonical(who)
        or is_metric(who)
        or is_bookkeeping(who)
        or is_cost(who)
        or not _OF_A_RUN.isdisjoint(folded(who).split("_"))
        or not may_be_method(who)
        for who in sets[0]
    )


def _is_of_a_run(rest: Mapping[str, object], methods: set[str], length: int) -> bool:
    """Whether single values are those of one run: its seed, its method, its result; or say so many epochs."""
    for name, item in rest.items():
        known, words = canonical(name), set(folded(name).split("_"))
        if "." not in name and known in (
            "seed",
            "method",
            "cell",
            "run",
            "run_id",
            "epoch",
            "step",
            "status",
        ):
            return True
        if known in ("epochs", "epoch", "step") and item == length:
            return True
        if name in ("acc", "accuracy", "test_acc", "test_accuracy", "test_top1", "top1", "score", "f1"):
            return True
        if (
            is_metric(name)
            and not isinstance(item, str)
            and words <= {*_OF_A_RUN, "acc", "accuracy", "loss", "f1"}
        ):
            return not words & {"mean", "std", "avg"}
    return not methods


def _sums_up(name: str, made: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a value of the whole file is the mean or the spread of one of the lists."""
    words = folded(name).split("_")
    return not {"mean", "std", "sd", "avg", "average", "median", "min", "max", "best"}.isdisjoint(
        words
    ) and any(set(folded(who).split("_")) <= set(words) for own in made.values() for who in own)
