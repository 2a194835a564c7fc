"""In what the cells of one average differ, and how that is said: over two words, over settings of what."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rigorkd_analysis.axis_names import AXES, DIGESTS, SAME_AXIS
from rigorkd_analysis.columns import (
    AVERAGED_OVER,
    OF_METHOD,
    OWN_SETTINGS,
    SET_TO,
    is_bare,
    number_text,
    sets_up,
    tells,
)
from rigorkd_analysis.likeness import on_what
from rigorkd_analysis.runs import Runs

SYMBOLS = {"alpha": "α", "kd_weight": "KD weight", "ce_weight": "CE weight"}
"""How columns are said, where not by their own names."""
_WHOSE = ("group", "student", "method")
_FEW = 3
"""So many words of one column are listed; more of them, and those that say nothing alone, are counted."""


def varying(runs: Runs, cells: Sequence[int]) -> tuple[str, ...]:
    """The columns in which these cells differ: on what was measured, whose they are, and axes.

    Settings by any other name where these do not tell them apart, and every column that the cells' names
    hold, unless it says what another one does: of students and teachers in pairs both are named.
    """
    known = (*on_what(runs), *_WHOSE, *AXES)
    rest = [name for name in runs.attributes if name not in known]
    named = {name for name in rest if all(_is_named(runs, name, cell) for cell in cells)}
    others = [name for name in rest if name in named or sets_up(name)]
    found: list[str] = []
    apart = 1
    for name in (*known, *others):
        follows = any(axis in found for axis in SAME_AXIS.get(name, ()))
        if name not in runs.attributes or name in found or follows:
            continue
        now = len({tuple(runs.text(column, cell) for column in (*found, name)) for cell in cells})
        differs = len({runs.text(name, cell) for cell in cells}) > 1
        # the group of a table is often its data set by another name
        again = name == "group" or (name in named and any(_says(runs, cells, name, one) for one in found))
        if now > apart or (differs and not again and (name in known or name in named)):
            found.append(name)
            apart = now
    for name in DIGESTS:  # what they stand for may be there by its name: an axis of one's own
        others = [column for column in found if column != name]
        if others and len({tuple(runs.text(one, cell) for one in others) for cell in cells}) == apart:
            found = others
    return tuple(found)


def mean_over_unknown(runs: Runs, cells: Sequence[int]) -> str:
    """That nobody knows whether a mean over these cells is one over methods; "" where that is known.

    It is where a column says their method, or where they differ in settings alone.
    """
    if len(cells) < 2 or any(runs.text("method", cell) for cell in cells):
        return ""
    columns = varying(runs, cells)
    known = (*on_what(runs), *_WHOSE, *AXES)
    unknown = [name for name in columns if name not in known and not sets_up(name)]
    unknown = [name for name in unknown if not any(is_bare(runs.text(name, cell)) for cell in cells)]
    if columns and not unknown:
        return ""
    what = f"{len(cells)} cells of which no column says what they are"
    if unknown:
        number = len({tuple(runs.text(name, cell) for name in unknown) for cell in cells})
        what = f"{number} values of {_and(unknown)}"
    return f"a mean over {what}: where these are methods, no finding about any"


def settings_of(runs: Runs, cells: Sequence[int]) -> str:
    """What these cells are settings of: ` of T and α`; "" where no column tells them apart."""
    columns = [SYMBOLS.get(column, column) for column in varying(runs, cells)]
    return f" of {_and(columns)}" if columns else ""


def averaged_over(runs: Runs, cells: Sequence[int]) -> str:
    """What an average of these cells is over: `4 settings of T and α`; few words are said themselves."""
    columns = varying(runs, cells)
    if len(columns) == 1:
        words = list(dict.fromkeys(runs.text(columns[0], cell) for cell in cells))
        if len(words) == len(cells) <= _FEW and all(words) and not any(map(is_bare, words)):
            return _and(words)
    return f"{len(cells)} settings{settings_of(runs, cells)}"


@dataclass(frozen=True)
class Kept:
    """What some of a method's cells have that its others have not, where they are not all of them.

    Attributes:
        columns: the columns in which they are kept to some values, with these: `T` and `T = 1 and 4`.
        said: the same together, `T = 1 and 4, α = 0.5`; what else tells them, where that is not all.
        name: what a name has of it: of cells that were added at T = 2 alone `T = 2`, else nothing.
    """

    columns: dict[str, str]
    said: str
    name: str


def kept_to(runs: Runs, cells: Sequence[int], among: Sequence[int]) -> Kept:
    """What these cells of a method have that others `among` them have not."""
    words: dict[str, list[str]] = {}
    columns = varying(runs, among)
    for column in columns:
        every = {runs.text(column, cell) for cell in among}
        own = list(dict.fromkeys(runs.text(column, cell).removesuffix(".0") for cell in cells))
        if len(own) < len(every) and all(own):
            words[column] = own
    told = {column: _set_to(column, own) for column, own in words.items()}
    few = {column: own for column, own in words.items() if len(own) <= _FEW}
    name = ", ".join(told[column] for column in few) if all(len(own) == 1 for own in few.values()) else ""
    like = [c for c in among if all(runs.text(k, c).removesuffix(".0") in own for k, own in words.items())]
    if set(like) <= set(cells):
        return Kept(told, ", ".join(told.values()), name)
    left = [cell for cell in among if cell not in cells]
    if len(left) <= _FEW and columns:
        each = (
            ", ".join(_set_to(k, [runs.text(k, cell).removesuffix(".0")]) for k in columns) for cell in left
        )
        return Kept({}, f"all settings but {' and '.join(each)}", name)
    return Kept({}, f"{len(cells)} of {len(among)} settings", name)


def _set_to(column: str, words: Sequence[str]) -> str:
    """`T = 1 and 4`."""
    return f"{SYMBOLS.get(column, column)} = {_and(words)}"


def own_settings(runs: Runs, cells: Iterable[int]) -> str:
    """What a method is averaged over in these cells, or set to: `averaged over T = 1 and 4`; "" if unsaid.

    Where cells differ in it, how many are of which: `4 of 6 averaged over T = 1 and 4, 2 not`.
    """
    told = Counter(runs.text(OWN_SETTINGS, cell) for cell in cells)
    known = {text: n for text, n in told.items() if text.startswith((AVERAGED_OVER, SET_TO))}
    if len(known) == len(told) == 1 or not known:
        return next(iter(known), "")
    parts = [f"{n} of {told.total()} {text}" for text, n in known.items()]
    left = told.total() - sum(known.values())
    return ", ".join((*parts, *([f"{left} not"] if left else [])))


def are_alike(runs: Runs, cells: Iterable[int]) -> bool:
    """Whether `own_settings` says one thing of all these cells, or nothing of any."""
    return len({runs.text(OWN_SETTINGS, cell) for cell in cells}) < 2


_TOLD = frozenset(("T", "a", "ce", "kd", "e", "fp", "bf", *SYMBOLS))
"""Labels of what sentences say by its column, and words that end in a number but set nothing to it."""
_LONG = {
    "bs": "batch size", "wd": "weight decay", "ls": "label smoothing", "w": "warm-up", "t2": "factor T²",
    "std": "standardized logits", "cos": "cosine weight",
}  # fmt: skip
_ON = ("std",)
"""Labels that say by themselves that something is on."""
_CHOICES = ("direction", "form", "scope", "average", "peak", "masks", "entropy_bound")
"""Settings of methods whose value is a word; one that is not the usual is in a cell's name."""
_SETTING = re.compile(r"([A-Za-z_]+?)(\d+(?:\.\d+)?)")


def said_first(runs: Runs, cell: int) -> list[str]:
    """The columns whose numbers sentences say of any cell, those that it has: the usual settings."""
    weights = ("ce_weight", "kd_weight") if runs.number("alpha", cell) is None else ("alpha",)
    return [column for column in ("T", *weights) if runs.number(column, cell) is not None]


def named_settings(runs: Runs, cell: int) -> list[str]:
    """What the name of a study's cell says that no column does: `tau = 4` of `main/tiny/dist-tau4`.

    Names of a study are made of labels and numbers; of others nobody knows what a number in them is.
    """
    parts = runs.cells[cell].split("/")
    if not {"training", "views"} <= runs.attributes.keys() or len(parts) != 3:
        return []
    method, *labels = parts[-1].split("-")
    if method != runs.text("method", cell):
        return []
    others = {word for column in ("teacher", "start") for word in runs.text(column, cell).split("/")}
    own = _of_method(runs, cell)
    if "called" in own:  # a command's method: all its keys are somebody's own
        return _arguments(runs, cell, own)
    args = own.get("args") or {}
    labels = [label for label in labels if not _is_of_argument(label, args)]
    layers = _layers(own.get("layers"))
    others.add("_".join(layers))  # as names of cells have them
    if layers:
        labels = [label for label in labels if not re.fullmatch("[0-9a-f]{6}", label)]  # many, in short
    switches = []
    while "no" in labels[:-1]:  # `no-t2` sets nothing to 2
        at = labels.index("no")
        switches.append(f"no {_LONG.get(labels[at + 1], labels[at + 1])}")
        del labels[at : at + 2]
    switches += [_LONG[label] for label in labels if label in _ON]
    chosen = {column: str(own.get(column) or "") for column in _CHOICES}
    choices = [f"{column} {word}" for column, word in chosen.items() if word and word in labels]
    found = (_SETTING.fullmatch(label) for label in labels if label not in others)
    numbers = [f"{_LONG.get(one[1], one[1])} = {one[2]}" for one in found if one and one[1] not in _TOLD]
    warm = own.get("warmup")  # the usual one is in no name, and keeps the weight low for epochs
    named = any(one.startswith("warm-up") for one in numbers)
    numbers += [f"warm-up = {warm:g}"] if warm and not named else []
    told = [f"layers {' and '.join(layers)}"] if layers else []
    return [*_arguments(runs, cell, own), *numbers, *choices, *switches, *told]


def _arguments(runs: Runs, cell: int, own: dict[str, Any]) -> list[str]:
    """What a command, or a term of one's own, is given, by the keys that its author chose: `w = 0.9`.

    A key may be called as rigorkd's short name of something else, which it is not.
    """
    told, said = said_first(runs, cell), []
    for key, value in (own.get("args") or {}).items():
        if key in told or str(value).casefold() == runs.text("method", cell).casefold():
            continue
        if isinstance(value, bool):
            said.append(key if value else f"no {key}")
        elif isinstance(value, str):
            said.append(f"{key} {value}")
        else:
            said.append(f"{SYMBOLS.get(key, key)} = {value:.12g}")
    return said


def _is_of_argument(label: str, args: dict[str, Any]) -> bool:
    """Whether a part of a name stands for an argument: `scale2`, or either of `mode-soft2`."""
    words = {part for key, value in args.items() for part in (key, *str(value).split("-"))}
    number = _SETTING.fullmatch(label)
    return label in words or (number is not None and number[1] in args)


def _of_method(runs: Runs, cell: int) -> dict[str, Any]:
    try:
        found = json.loads(runs.text(OF_METHOD, cell) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _layers(found: Any) -> list[str]:
    """The layers that a method compares: `pool1`, and `relu2.hidden` of student and teacher."""
    try:
        return [f"{one['student']}.{one['teacher']}" if isinstance(one, dict) else one for one in found or ()]
    except (KeyError, TypeError):
        return []


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _says(runs: Runs, cells: Sequence[int], column: str, other: str) -> bool:
    """Whether a column says of these cells what another one does: `width64` where that has 64."""
    pairs = [(runs.text(column, cell), runs.text(other, cell)) for cell in cells]
    return all(
        a in (b, f"{other}{b}", f"{other}={b}") or b in (f"{column}{a}", f"{column}={a}") for a, b in pairs
    )


def _is_named(runs: Runs, column: str, cell: int) -> bool:
    """Whether a cell's name holds its value in a column: `64`, or `width64` as readers of tables do."""
    name, value = runs.cells[cell], runs.text(column, cell)
    return tells(name, value) or f"{column}{number_text(value)}" in name
