"""Wide tables made long: a column per seed, a column per method, pandas' pivots."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from rigorkd_analysis.columns import is_difference
from rigorkd_analysis.metric_names import goal_of
from rigorkd_analysis.offered_baselines import BASELINES
from rigorkd_analysis.published.spread_words import sums_up
from rigorkd_analysis.runs import seed_of
from rigorkd_analysis.table_error import TableError

from rigorkd.readers.grid import LEVEL, is_number
from rigorkd.readers.known_names import (
    NAMED,
    PARAMETERS,
    canonical,
    folded,
    is_bookkeeping,
    seed_in,
    unhumped,
)
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.readers.written_numbers import ABSENT, looks_numeric, stands_for_none
from rigorkd.text import count, some_of

if TYPE_CHECKING:
    import pandas as pd

UNNAMED = "value"
"""The metric of a wide table, whose name stands nowhere in it."""

_METHODS = frozenset(
    {
        "kd", "dkd", "crd", "fitnet", "fitnets", "at", "sp", "cc", "vid", "rkd", "pkt", "ab", "ft", "fsp",
        "nst", "reviewkd", "review", "srrl", "mgd", "simkd", "dist", "ctkd", "lskd", "mlkd", "rld",
        "eakd", "feature", "ofa", "okddip", "dml", "takd", "kd_logit",
    }
)  # fmt: skip


_NAMES_METHOD = re.compile(
    r"(?<![a-z])(?:baseline|vanilla|scratch|student|teacher)(?![a-z])|kd(?![a-z])|distill", re.IGNORECASE
)
"""What stands in names of methods: `ResNet-20 baseline`, `CBAM-KD`. One such name may be a setting's."""


@dataclass(frozen=True)
class _Part:
    """One column of a wide table: the values that its heading says, and the metric that it holds."""

    column: str
    says: tuple[tuple[str, str], ...]
    metric: str


def is_metric(name: str) -> bool:
    """Whether a name says whether more is better."""
    try:
        goal_of(name)
    except TableError:
        return False
    return True


def pattern_of(text: str) -> re.Pattern[str] | None:
    """The pattern that `run{}` means: the number at {} is the seed; None for a text without {}."""
    if "{}" not in text:
        return None
    before, after = text.split("{}", 1)
    return re.compile(rf"{re.escape(before)}(\d{{1,19}}){re.escape(after)}")


_PLAIN_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?(e[-+]?\d+)?", re.IGNORECASE)


def check_headings(table: RawTable) -> None:
    """Refuse a table whose headings are missing: some are numbers, as those below them are.

    Raises:
        InputError: the first line is a row.
    """
    names = [str(name) for name in table.frame.columns if not str(name).startswith("_")]
    numbers = [name for name in names if _PLAIN_NUMBER.fullmatch(name.strip())]
    if numbers and all(looks_numeric(table.frame[name]) for name in numbers):
        raise table.error(
            f"the first line seems to be a row, not the headings of the columns: {some_of(names, 8)}",
            "write a line of headings above it, such as model,seed,test_acc",
        )


_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "eval"})


def _by_metric(table: RawTable) -> RawTable:
    """A table with a row per metric (`metric`, `value`) with one row per run, each metric a column.

    Where a column says on which split it was measured, `val` and `test` are a part of its name.
    """
    frame = table.frame
    by_form = {folded(unhumped(str(name))): str(name) for name in frame.columns}
    name = next((by_form[word] for word in ("metric", "metric_name") if word in by_form), None)
    value = next((by_form[word] for word in ("value", "metric_value") if word in by_form), None)
    if name is None or value is None or not looks_numeric(frame[value]) or (frame[name] == "").any():
        return table
    split = next((by_form[word] for word in ("split", "subset", "phase") if word in by_form), None)
    if split is not None and set(frame[split].str.casefold()) <= _SPLITS:
        frame = frame.assign(**{name: frame[split] + "_" + frame[name]}).drop(columns=split)
    keys = [str(column) for column in frame.columns if column not in (name, value)]
    metrics = list(dict.fromkeys(frame[name]))
    if not keys or set(metrics) & set(keys) or frame.duplicated([*keys, name]).any():
        return table
    run = frame.groupby(keys, sort=False).ngroup().to_numpy()
    first = np.unique(run, return_index=True)[1]
    made = frame.iloc[first][keys].copy()
    for metric in metrics:
        rows = (frame[name] == metric).to_numpy()
        column = np.full(len(first), "", dtype=object)
        column[run[rows]] = frame[value].to_numpy()[rows]
        made[metric] = column
    return replace(table.rows(first, made), kind=f"{table.kind}, one row per metric")


def _turned(table: RawTable) -> RawTable:
    """A table with a column per run, in which one of the rows is called seed, with one row per run."""
    frame = table.frame
    columns = [str(name) for name in frame.columns]
    if len(columns) < 3 or any(canonical(name) == "seed" for name in columns):
        return table
    names = [str(name) for name in frame[columns[0]]]
    seeds = [row for row, name in enumerate(names) if canonical(name) == "seed"]
    if len(seeds) != 1 or len(set(names)) < len(names) or "" in names:
        return table
    if any(seed_of(word) is None for word in frame.iloc[seeds[0], 1:]):
        return table
    made = frame.iloc[:, 1:].T
    made.columns = names
    return replace(
        table.rows(np.zeros(len(made), dtype=np.int64), made), kind=f"{table.kind}, a column per run"
    )


def unfold(table: RawTable, asked: Reading, metric: str | None = None) -> RawTable:
    """The table with one row per run (and epoch), whatever its shape was.

    A `metric` that is no column but ends or begins the names of several, as `acc` does of `ours_acc` and
    `theirs_acc`, says that these are configurations.

    Raises:
        InputError: it holds means and spreads, not runs.
    """
    if table.settings:
        return table
    columns = list(table.frame.columns)
    doubled = table.frame.columns[table.frame.columns.duplicated()]
    if len(doubled):
        name = str(doubled[0]).replace(LEVEL, " ")
        raise table.error(f"the column {name!r} is there twice", "name every column once")
    table = _turned(_by_metric(table))
    columns = list(table.frame.columns)
    if any(LEVEL in name or name.startswith("=") for name in columns):
        parts, summaries, said = _levels(table, columns)
    elif chart := _chart(columns):
        parts, summaries = chart, [name for name in columns if name.endswith(_RANGE)]
        said = "a chart of W&B, a column per run"
    elif by_seed := _by_seed(table, asked):
        parts, summaries = by_seed, [name for name in columns if sums_up(name)]
        said = "one column per seed"
    elif by_cell := _by_cell(table, asked):
        parts, summaries = by_cell, [name for name in columns if sums_up(name)]
        said = "one column per method"
    elif by_affix := _by_affix(table, asked, metric):
        parts, summaries, said = by_affix, [], "a column per method and metric"
    elif asked.wide:
        raise table.error(
            "--wide: there are no two columns of numbers beside a seed",
            "leave --wide out, or name the seed by --seed COLUMN",
        )
    else:
        return table
    if not parts:
        raise table.error(
            f"means and spreads ({', '.join(summaries[:3])}), no runs",
            "one row per run is judged; `rigorkd audit` judges a table of means and standard deviations",
        )
    return _by_metric(_melted(table, parts, summaries, said, _unread(table, parts, asked)))


def _unread(table: RawTable, parts: Sequence[_Part], asked: Reading) -> dict[str, str]:
    """The columns of numbers that are neither runs of the wide table nor a setting of them, and why."""
    runs = {part.column for part in parts}
    columns = [str(name) for name in table.frame.columns if name not in runs]
    if any(name == "seed" for part in parts for name, _ in part.says):
        if asked.seed is None:
            return {}
        stems = [found[1] if (found := ENDS.fullmatch(name)) else "" for name in columns]
        why = f"headings that --seed '{asked.seed}' does not fit"
        return {
            name: why for name, stem in zip(columns, stems, strict=True) if stem and stems.count(stem) > 1
        }
    if asked.wide:
        return {}
    costs = [name for name in columns if is_cost(name)]
    between = [name for name in columns if is_difference(name)]
    return dict.fromkeys(costs, "what the runs cost, by the name") | dict.fromkeys(
        between, "a difference of other columns, by the name"
    )


ENDS = re.compile(r"(.*\D)\d{1,19}")
"""A heading that ends in a number, and what stands before it."""

_COSTS = frozenset(
    {"time", "hours", "hrs", "minutes", "mins", "seconds", "secs", "sec", "duration", "runtime", "latency",
     "memory", "mem", "gb", "mb", "params", "parameters", "flops", "macs", "dauer", "laufzeit", "zeit",
     "trainingszeit", "rechenzeit",
     "sekunden", "minuten", "stunden"}
)  # fmt: skip


def is_cost(name: str) -> bool:
    """Whether a column says what runs cost: `time_s`, `GPU hours`, `Params (M)`."""
    return not _COSTS.isdisjoint(re.split(r"[^a-z]+", name.casefold()))


def _melted(
    table: RawTable, parts: Sequence[_Part], summaries: Sequence[str], said: str, unread: Mapping[str, str]
) -> RawTable:
    import pandas as pd

    wide = {part.column for part in parts} | unread.keys()
    ids = [name for name in table.frame.columns if name not in wide and name not in summaries]
    blocks: dict[tuple[tuple[str, str], ...], list[_Part]] = {}
    for part in parts:
        blocks.setdefault(part.says, []).append(part)
    frames, rows, written = [], [], list[str]()
    for says, members in blocks.items():
        frame = table.frame[ids].assign(
            **dict(says), **{part.metric: table.frame[part.column] for part in members}
        )
        fields = frame[[part.metric for part in members]]
        there = (fields != "").any(axis=1).to_numpy()  # an empty field is a run that does not exist
        words = fields.apply(lambda column: column.map(_is_no_run)).all(axis=1).to_numpy()
        written += [str(word) for word in fields.to_numpy()[there & words].ravel() if word]
        there = there & ~words
        frames.append(frame[there])
        rows.append(np.flatnonzero(there))
    order = np.concatenate(rows)
    frame = pd.concat(frames, ignore_index=True).fillna("")
    came = {name: f"the headings ({said})" for part in parts for name, _ in part.says}
    dropped = table.dropped + ((f"columns {', '.join(summaries)}: they sum up",) if summaries else ())
    for why in dict.fromkeys(unread.values()):
        dropped += (f"columns {some_of([name for name in unread if unread[name] == why], 5)}: {why}",)
    if written:
        words_said = ", ".join(map(repr, dict.fromkeys(written)))
        dropped += (f"{count(len(written), 'field')} with {words_said} in place of a number: no such run",)
    made = replace(table, kind=f"{table.kind}, {said}", came={**table.came, **came}, dropped=dropped)
    return made.rows(order, frame)


def _is_no_run(word: str) -> bool:
    """Whether a field of a wide table says that there is no run; NaN may be one that diverged."""
    return (word.casefold() in ABSENT and word.casefold() != "nan") or stands_for_none(word)


_RANGE = ("__MIN", "__MAX")


def _chart(columns: Sequence[str]) -> list[_Part]:
    """The columns of a chart that W&B exported: `Step`, then `run - metric`, each with its range."""
    ranged = [name for name in columns if name.endswith(_RANGE)]
    parts = []
    for name in columns:
        if f"{name}__MIN" in ranged and " - " in name:
            run, _, metric = name.rpartition(" - ")
            parts.append(_Part(name, (("run", run),), metric))
    others = [name for name in columns if canonical(name) != "step"]
    if not parts and len(others) == len(columns) - 1 and all(" - " in name for name in others):
        named = [name.rpartition(" - ") for name in others]  # without the range of each
        if len({run for run, _, _ in named}) > 1:
            parts = [
                _Part(name, (("run", run),), metric)
                for name, (run, _, metric) in zip(others, named, strict=True)
            ]
    return parts


def _by_seed(table: RawTable, asked: Reading) -> list[_Part]:
    columns = list(table.frame.columns)
    if any(canonical(name) == "seed" for name in columns):
        return []
    if any(re.fullmatch(r"-?\d*\.\d+", name) for name in columns):  # no headings, but a row
        return []
    pattern = pattern_of(asked.seed) if asked.seed else None
    parts = []
    for name in columns:
        if pattern is not None:
            found = pattern.fullmatch(name)
            if found:
                parts.append(_Part(name, (("seed", found[1]),), UNNAMED))
            continue
        inside = seed_in(name)
        if inside is not None:
            rest = inside[1].strip("-_/. ")
            parts.append(_Part(name, (("seed", str(inside[0])),), rest or UNNAMED))
        elif name.isdecimal() and len(name) < 19:
            parts.append(_Part(name, (("seed", name),), UNNAMED))
    if len(parts) < 2 or len({part.says for part in parts}) < 2:
        return []
    metrics = {part.metric for part in parts}
    doubled = {(part.says, part.metric) for part in parts}
    if len(doubled) < len(parts) or (len(metrics) > 1 and not all(is_metric(name) for name in metrics)):
        return []
    return parts


def _by_cell(table: RawTable, asked: Reading) -> list[_Part]:
    columns = list(table.frame.columns)
    kinds = {name: canonical(name) for name in columns}
    if not asked.wide and {"cell", "method", "run", "T", "alpha"} & set(kinds.values()):
        return []
    if "seed" not in kinds.values() and asked.seed is None:
        return []
    cells = [
        name
        for name in columns
        if kinds[name] in (None, "method")
        and name != asked.seed
        and (not is_bookkeeping(name) or kinds[name] == "method")
        and (asked.wide or not (is_cost(name) or is_difference(name)))
        and not sums_up(name)
        and table.frame[name].map(is_number).mean() > 0.5
    ]
    known = any(folded(name) in BASELINES | _METHODS for name in cells)
    known = known or sum(_NAMES_METHOD.search(name) is not None for name in cells) > 1
    if len(cells) < 2 or not (asked.wide or (known and not any(is_metric(name) for name in cells))):
        return []
    column = "cell" if any("/" in _WITHOUT.sub("", name) for name in cells) else "method"
    return [
        _Part(name, ((column, "baseline" if folded(name) == "baseline" else name),), UNNAMED)
        for name in cells
    ]


_AFFIX = re.compile(r"[_\-./ ]+")

NO_METHODS = frozenset(
    {"train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval", "best", "last",
     "final", "max", "min", "mean", "std", "avg", "macro", "micro", "weighted", "balanced", "early", "late",
     "roc", "pr", "prc", "auroc", "score", "rate"}
)  # fmt: skip
"""What a metric's name begins with that is no configuration: `test_acc` and `val_acc` are of one run."""


def affixes(frame: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Of every metric that ends (or else begins) the names of several columns of numbers, these, by the rest.

    `acc` of `ours_acc` and `theirs_acc`. Those with a metric's name come first.
    """
    names = [
        name
        for name in map(str, frame.columns)
        if canonical(name) is None
        and not (is_bookkeeping(name) or sums_up(name) or is_cost(name) or name.startswith("_"))
        and looks_numeric(frame[name])
    ]
    both = [_halved(names, ends) for ends in (True, False)]
    for found in both:
        if any(map(is_metric, found)):
            return dict(sorted(found.items(), key=lambda item: not is_metric(item[0])))
    sets = [frozenset(of) for of in both[0].values()]
    metrics = any(is_metric(who) for of in sets for who in of)
    return both[0] if len(set(sets)) < len(sets) and not metrics else {}  # several metrics of the same ones


def _halved(names: Sequence[str], ends: bool) -> dict[str, dict[str, str]]:
    """The columns by what their names end (or begin) with, and the rest; what is there once is left out."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        words = [word for word in _AFFIX.split(name) if word]
        end, rest = (words[-1:], words[:-1]) if ends else (words[:1], words[1:])
        if rest:
            found.setdefault(end[0], {})["_".join(rest)] = name
    kept = {}
    for what, of in found.items():
        methods = [who for who in of if _method_in(who)]
        if len({_method_in(who) for who in methods}) == len(methods) > 1:
            kept[what] = {who: of[who] for who in methods}
    return kept


def _method_in(who: str) -> str:
    """What is left of `ours_test` without words for splits and epochs: `ours_val` is of the same one."""
    return "_".join(word for word in who.split("_") if word.casefold() not in NO_METHODS)


def _by_affix(table: RawTable, asked: Reading, metric: str | None) -> list[_Part]:
    """A column per method (of known ones) and metric; per data set, where another column names the method."""
    kinds = {canonical(str(name)) for name in table.frame.columns}
    found = affixes(table.frame)
    if metric in found and metric not in table.frame.columns:
        most = found[metric]
        role = "dataset" if {"cell", "method", "model", "student"} & kinds else "method"
    elif metric is None and ("seed" in kinds or asked.seed) and not _NAMING & kinds:
        most, role = max(found.values(), key=len, default={}), "method"
        if not {folded(who) for who in most} & (BASELINES | _METHODS) or not all(map(is_metric, found)):
            return []
    else:
        return []
    if role in kinds:
        return []
    return [
        _Part(column, ((role, "baseline" if folded(who) == "baseline" else who),), what)
        for what, of in found.items()
        if of.keys() == most.keys()
        for who, column in of.items()
    ]


_NAMING = frozenset({"cell", "method", "model", "student", "run", "T", "alpha"})


_WITHOUT = re.compile(r"\bw/(o\b)?", re.IGNORECASE)
"""`w/o aug` is without it, and no cell of a group w."""


def _levels(table: RawTable, columns: Sequence[str]) -> tuple[list[_Part], list[str], str]:
    """What a header of several rows says: which level holds seeds, which metrics, which cells."""
    wide = [name for name in columns if LEVEL in name or name.startswith("=")]
    split = {name: [part.partition("=")[::2] for part in _full(name)] for name in wide}
    depth = max(len(parts) for parts in split.values())
    roles: list[str] = []
    known = {canonical(name) for name in columns if name not in wide}
    has_seed = "seed" in known
    unnamed = "dataset" if "method" in known and "dataset" not in known else "method"
    for level in range(depth):
        names = {parts[level][0] for parts in split.values() if level < len(parts)}
        values = [parts[level][1] for parts in split.values() if level < len(parts)]
        role = _role(names.pop() if len(names) == 1 else "", values, has_seed or "seed" in roles)
        roles.append(role or (unnamed if unnamed not in roles else "method"))
    parts, summaries = [], []
    for name, levels in split.items():
        says: list[tuple[str, str]] = []
        metric = ""
        for role, (_, value) in zip(roles, levels, strict=False):
            if role == "metric":
                metric = f"{metric}_{value}".strip("_") if not sums_up(value) else "\0"
            elif role == "seed":
                inside = seed_in(value)
                says.append(("seed", str(inside[0]) if inside else value))
            else:
                says.append((role, "baseline" if folded(value) == "baseline" else value))
        if "\0" in metric or any(sums_up(value) for _, value in says):
            summaries.append(" ".join(value for _, value in levels))
        else:
            parts.append(_Part(name, tuple(says), metric or UNNAMED))
    dropped = [name for name in wide if name not in {part.column for part in parts}]
    return parts, dropped if parts else summaries, "a header of several rows"


def _full(name: str) -> list[str]:
    return name.split(LEVEL)


def _role(name: str, values: Sequence[str], has_seed: bool) -> str:
    """What a level of a header holds; "" if neither its name nor its values say it."""
    known = canonical(name) if name else None
    if known == "seed" or known in NAMED or known in PARAMETERS or known == "cell":
        return known
    if not has_seed and all(value.isdecimal() or seed_in(value) for value in values):
        return "seed"
    plain = [folded(value) for value in values]
    if all(sums_up(value) or value == UNNAMED for value in plain):
        return "metric"
    if any(map(is_metric, values)) and not set(plain) & (BASELINES | _METHODS):
        return "metric"
    return folded(name)
