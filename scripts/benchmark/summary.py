"""The short table at the end: every goal that was measured, its target, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from table import Table


@dataclass(frozen=True)
class Goal:
    """One line: `holds` is None where there is nothing to hold."""

    name: str
    target: str
    measured: str
    holds: bool | None


def summary(tables: Sequence[Table], *, gpu: bool) -> Table:
    """One line per goal of the tables at hand."""
    goals = [goal for table in tables for goal in _goals(table, gpu=gpu)]
    words = {True: "yes", False: "no", None: ""}
    rows = tuple((goal.name, goal.target, goal.measured, words[goal.holds]) for goal in goals)
    values = tuple(
        {"goal": goal.name, "measured": goal.measured, "holds": words[goal.holds]} for goal in goals
    )
    return Table("summary", "every goal at once", ("goal", "target", "measured", "holds"), rows, values)


def _goals(table: Table, *, gpu: bool) -> list[Goal]:
    values = table.values
    match table.name:
        case "sharing":
            shares = [float(v["share"]) for v in values if v["n_students"] != "1"]
            return [_range("S / formula, N ≥ 2", "≥ 0.95", shares, min(shares) >= 0.95)]
        case "overhead":
            alone = [float(v["ratio"]) for v in values if v["kind"] != "replay"]
            replay = [float(v["ratio"]) for v in values if v["kind"] == "replay"]
            return [
                _range("engine / bare loop at N = 1", "≤ 1.03", alone, max(alone) <= 1.03),
                _range("an added cell with replayed logits", "≤ 1.05", replay, max(replay) <= 1.05),
            ]
        case "peers":
            by_name = {str(v["variant"]).split(",")[0].split(":")[0]: v for v in values}
            found = []
            for name, target in (("plain PyTorch", 8.0), ("well-fed PyTorch", 1.4)):
                ratio = float(by_name[name]["lean_ratio"])
                goal = f"{name} / the engine's training"
                holds = ratio >= target if gpu else None
                found.append(Goal(goal, f"≥ {target:g} on a GPU", f"{ratio:.2f}", holds))
            return found
        case "pipeline":
            shares = [100 * float(v["share"]) for v in values]
            return [_range("input pipeline's share, %", "≤ 5 on a GPU", shares, max(shares) <= 5)]
        case "fused":
            found_ratios = [float(v["ratio"]) for v in values]
            return [_range("chain / fused view", "", found_ratios, None)]
        case "memory":
            beyond = max(float(v["unexplained_growth_bytes"]) for v in values) / 2**20
            return [Goal("memory beyond what students hold", "about 0", f"{beyond:,.1f} MiB", None)]
        case "grid":
            minutes = 60 * float(values[-1]["hours"])
            holds = minutes <= 35 if gpu else None
            return [Goal("the paper's grid, 5 seeds", "≤ 35 min on one H200", f"{minutes:,.0f} min", holds)]
        case "compiled":
            return [Goal(f"{v['student']}: choose", "", str(v["choose"]), None) for v in values]
    return []


def _range(name: str, target: str, found: Sequence[float], holds: bool | None) -> Goal:
    return Goal(name, target, f"{min(found):.3f} to {max(found):.3f}", holds)
