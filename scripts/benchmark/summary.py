"""The goals: what each one asks, of which table, and whether that table holds it.

This is the one list. The table at the end of every output is made of it, and so is the one in
docs/benchmarks.md, which also names what is still open. A finding says how many of the planned cases it rests
on: some of them can show that a goal does not hold, never that it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from table import Table, Value

Values = Sequence[Mapping[str, Any]]
"""Of a table; results.py says what is in them."""
OPEN = "open"
WORDS = {True: "yes", False: "no", None: ""}


@dataclass(frozen=True)
class Finding:
    """What a table says of a goal; `holds` is None where there is nothing to hold."""

    measured: str
    holds: bool | None = None
    done: int = 1
    due: int | None = 1
    """The cases that it rests on, and those that the goal asks for; None: nobody knows how many those are."""

    @property
    def word(self) -> str:
        """Whether the goal holds, as far as that is known."""
        return OPEN if self.holds and self.done != self.due else WORDS[self.holds]

    @property
    def text(self) -> str:
        """What was measured, and on how many of the planned cases."""
        if self.done == self.due == 1:
            return self.measured
        return f"{self.measured} ({self.done} of {'unknown' if self.due is None else self.due} cases)"


@dataclass(frozen=True)
class Goal:
    """What should hold. `find` reads the values of a table that are `asked` for, of which there are some."""

    table: str
    name: str
    target: str
    find: Callable[[Values], Finding]
    asked: Callable[[Mapping[str, Any]], bool] = lambda value: True
    gpu_only: bool = False
    """Whether the target is meant for a GPU alone."""
    due: Callable[[Values], int] = len
    """How many cases there should be, from those that were planned and asked for; 0: nobody knows."""

    def of(self, tables: Mapping[str, Table], *, gpu: bool) -> Finding | None:
        """What was found, None if it was not measured."""
        table = tables.get(self.table)
        values = [value for value in table.values if self.asked(value)] if table else []
        if not table or not values:
            return None
        due = self.due([value for value in table.planned if self.asked(value)])
        found = replace(self.find(values), done=len(values), due=due or None)
        return replace(found, holds=None) if self.gpu_only and not gpu else found


def _once(planned: Values) -> int:
    """Of a table that is measured whole or not at all."""
    return 1


def _sizes(planned: Values) -> int:
    """Every case with every number of students that the goal names."""
    there = {(value["case"], value["n_students"]) for value in planned}
    return len(there | {(case, number) for case, _ in there for number in ("2", "4", "8")})


def _replayed(value: Mapping[str, Any]) -> bool:
    return bool(value["kind"] == "replay")


def _alone(*, small: bool) -> Callable[[Mapping[str, Any]], bool]:
    """The target is for networks that are not tiny: at 32² the engine's bookkeeping is a part of the step."""
    return lambda value: not _replayed(value) and (int(value["size"]) < 64) is small


def _peer(name: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda value: str(value["variant"]).startswith(name) and value["ratio"] is not None


def _training(target: float) -> Callable[[Values], Finding]:
    def find(values: Values) -> Finding:
        ratio = float(values[0]["training_ratio"])
        return Finding(f"{ratio:.2f}", ratio >= target)

    return find


def _grid(values: Values) -> Finding:
    minutes = 60 * float(values[0]["hours"])
    return Finding(f"{minutes:,.0f} min", minutes <= 35)


def _memory(values: Values) -> Finding:
    beyond = max(float(v["unexplained_growth_bytes"]) for v in values) / 2**20
    return Finding(f"{beyond:,.1f} MiB")


def _forms(values: Values) -> Finding:
    return Finding("; ".join(f"{v['student']}: {v['choose']}" for v in values))


def _range(
    key: str,
    holds: Callable[[Sequence[float]], bool] | None = None,
    *,
    factor: float = 1.0,
    digits: int = 3,
) -> Callable[[Values], Finding]:
    """The least and the greatest of a key."""

    def find(values: Values) -> Finding:
        found = [factor * float(value[key]) for value in values]
        low, high = (f"{value:.{digits}f}" for value in (min(found), max(found)))
        measured = low if low == high else f"{low} to {high}"
        return Finding(measured, None if holds is None else holds(found))

    return find


def _at_most(most: float) -> Callable[[Sequence[float]], bool]:
    return lambda found: max(found) <= most


GOALS = (
    Goal(
        "sharing",
        "S / formula, N = 2, 4, 8",
        "≥ 0.95",
        _range("share", lambda found: min(found) >= 0.95),
        asked=lambda value: bool(value["n_students"] != "1"),
        due=_sizes,
    ),
    Goal(
        "overhead",
        "N = 1 / a bare loop, at 64² and more",
        "≤ 1.03",
        _range("ratio", _at_most(1.03)),
        asked=_alone(small=False),
    ),
    Goal("overhead", "N = 1 / a bare loop, at 32²", "", _range("ratio"), asked=_alone(small=True)),
    Goal(
        "overhead",
        "an added cell with replayed logits / (pipeline + student)",
        "≤ 1.05",
        _range("ratio", _at_most(1.05)),
        asked=_replayed,
    ),
    Goal(
        "peers",
        "the paper's grid (scaled): training of a PIL loop / the engine's",
        "≥ 8 on a GPU",
        _training(8.0),
        asked=_peer("plain PyTorch"),
        gpu_only=True,
        due=_once,
    ),
    Goal(
        "peers",
        "the same: training of a well-fed loop / the engine's",
        "≥ 1.4 on a GPU",
        _training(1.4),
        asked=_peer("well-fed PyTorch"),
        gpu_only=True,
        due=_once,
    ),
    Goal(
        "pipeline",
        "input pipeline's share of a step, %",
        "≤ 5 on a GPU",
        _range("share", _at_most(5), factor=100, digits=1),
        gpu_only=True,
    ),
    Goal(
        "grid",
        "the paper's grid, 5 seeds, extrapolated",
        "≤ 35 min on one H200",
        _grid,
        asked=lambda value: str(value["part"]).startswith("5 seeds"),
        gpu_only=True,
        due=_once,
    ),
    Goal(
        "memory",
        "peak memory, 8 students against 1: growth beyond what they hold",
        "about 0",
        _memory,
        asked=lambda value: int(value["n_students"]) > 1,
        due=_once,
    ),
    Goal("idle", "time in which the GPU idles, %", "", _range("idle", factor=100, digits=0)),
    Goal("slots", "two workers on one device / one, throughput", "", _range("throughput", digits=2)),
    Goal("checkpoints", "an epoch with checkpoints written beside it / without", "", _range("ratio")),
    Goal("fused", "chain / fused view", "", _range("ratio", digits=2), due=lambda planned: 4),
    Goal("compiled", "eager, compiled or CUDA graphs", "whichever is fastest", _forms),
)


def summary(tables: Sequence[Table], *, gpu: bool) -> Table:
    """One line per goal that the tables at hand answer."""
    by_name = {table.name: table for table in tables}
    rows: list[tuple[str, ...]] = []
    values: list[Value] = []
    for goal in GOALS:
        found = goal.of(by_name, gpu=gpu)
        if found is None:
            continue
        rows.append((goal.name, goal.target, found.text, found.word))
        values.append(
            {
                "goal": goal.name,
                "measured": found.measured,
                "holds": found.word,
                "cases": found.done,
                "cases_due": found.due,
            }
        )
    columns = ("goal", "target", "measured", "holds")
    return Table("summary", "every goal at once", columns, tuple(rows), tuple(values))
