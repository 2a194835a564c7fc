"""The goals: what each one asks, of which table, and whether that table holds it.

This is the one list. The table at the end of every output is made of it, and so is the one in
docs/benchmarks.md, which also names what is still open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from table import Table

Values = Sequence[Mapping[str, Any]]
WORDS = {True: "yes", False: "no", None: ""}


@dataclass(frozen=True)
class Finding:
    """What a table says of a goal; `holds` is None where there is nothing to hold."""

    measured: str
    holds: bool | None = None


@dataclass(frozen=True)
class Goal:
    """What should hold. `find` reads the values of a table; None if they do not answer it."""

    table: str
    name: str
    target: str
    find: Callable[[Values], Finding | None]
    gpu_only: bool = False
    """Whether the target is meant for a GPU alone."""

    def of(self, tables: Mapping[str, Table], *, gpu: bool) -> Finding | None:
        """What was found, None if it was not measured."""
        table = tables.get(self.table)
        found = self.find(table.values) if table is not None and table.values else None
        if found is not None and self.gpu_only and not gpu:
            return Finding(found.measured)
        return found


def _sharing(values: Values) -> Finding | None:
    shares = [float(v["share"]) for v in values if v["n_students"] != "1"]
    return _range(shares, lambda found: min(found) >= 0.95)


def _alone(values: Values) -> Finding | None:
    """The target is for networks that are not tiny: at 32² the engine's bookkeeping is a part of the step."""
    ratios = [float(v["ratio"]) for v in values if v["kind"] != "replay" and int(v["size"]) >= 64]
    return _range(ratios, lambda found: max(found) <= 1.03)


def _alone_small(values: Values) -> Finding | None:
    return _range([float(v["ratio"]) for v in values if v["kind"] != "replay" and int(v["size"]) < 64])


def _replayed(values: Values) -> Finding | None:
    ratios = [float(v["ratio"]) for v in values if v["kind"] == "replay"]
    return _range(ratios, lambda found: max(found) <= 1.05)


def _peer(name: str, target: float) -> Callable[[Values], Finding | None]:
    def find(values: Values) -> Finding | None:
        for value in values:
            if str(value["variant"]).startswith(name) and value["ratio"] is not None:
                ratio = float(value["training_ratio"])
                return Finding(f"{ratio:.2f}", ratio >= target)
        return None

    return find


def _pipeline(values: Values) -> Finding | None:
    return _range([100 * float(v["share"]) for v in values], lambda found: max(found) <= 5, digits=1)


def _grid(values: Values) -> Finding:
    minutes = 60 * float(values[-1]["hours"])
    return Finding(f"{minutes:,.0f} min", minutes <= 35)


def _memory(values: Values) -> Finding:
    beyond = max(float(v["unexplained_growth_bytes"]) for v in values) / 2**20
    return Finding(f"{beyond:,.1f} MiB")


def _forms(values: Values) -> Finding:
    return Finding("; ".join(f"{v['student']}: {v['choose']}" for v in values))


def _column(key: str, factor: float = 1.0, digits: int = 3) -> Callable[[Values], Finding | None]:
    return lambda values: _range([factor * float(v[key]) for v in values], digits=digits)


def _range(
    found: Sequence[float], holds: Callable[[Sequence[float]], bool] | None = None, *, digits: int = 3
) -> Finding | None:
    if not found:
        return None
    low, high = (f"{value:.{digits}f}" for value in (min(found), max(found)))
    return Finding(low if low == high else f"{low} to {high}", None if holds is None else holds(found))


GOALS = (
    Goal("sharing", "S / formula, N = 2, 4, 8", "≥ 0.95", _sharing),
    Goal("overhead", "N = 1 / a bare loop, at 64² and more", "≤ 1.03", _alone),
    Goal("overhead", "N = 1 / a bare loop, at 32²", "", _alone_small),
    Goal("overhead", "an added cell with replayed logits / (pipeline + student)", "≤ 1.05", _replayed),
    Goal(
        "peers",
        "the paper's grid (scaled): training of a PIL loop / the engine's",
        "≥ 8 on a GPU",
        _peer("plain PyTorch", 8.0),
        gpu_only=True,
    ),
    Goal(
        "peers",
        "the same: training of a well-fed loop / the engine's",
        "≥ 1.4 on a GPU",
        _peer("well-fed PyTorch", 1.4),
        gpu_only=True,
    ),
    Goal("pipeline", "input pipeline's share of a step, %", "≤ 5 on a GPU", _pipeline, gpu_only=True),
    Goal("grid", "the paper's grid, 5 seeds, extrapolated", "≤ 35 min on one H200", _grid, gpu_only=True),
    Goal("memory", "peak memory, 8 students against 1: growth beyond what they hold", "about 0", _memory),
    Goal("idle", "time in which the GPU idles, %", "", _column("idle", 100, 0)),
    Goal("slots", "two workers on one device / one, throughput", "", _column("throughput", digits=2)),
    Goal("checkpoints", "an epoch with checkpoints written beside it / without", "", _column("ratio")),
    Goal("fused", "chain / fused view", "", _column("ratio", digits=2)),
    Goal("compiled", "eager, compiled or CUDA graphs", "whichever is fastest", _forms),
)


def summary(tables: Sequence[Table], *, gpu: bool) -> Table:
    """One line per goal that the tables at hand answer."""
    by_name = {table.name: table for table in tables}
    rows, values = [], []
    for goal in GOALS:
        found = goal.of(by_name, gpu=gpu)
        if found is None:
            continue
        rows.append((goal.name, goal.target, found.measured, WORDS[found.holds]))
        values.append({"goal": goal.name, "measured": found.measured, "holds": WORDS[found.holds]})
    columns = ("goal", "target", "measured", "holds")
    return Table("summary", "every goal at once", columns, tuple(rows), tuple(values))
