"""The metrics of a record, each once: which way is better, its unit, how it is headed, where it is shown.

Everything that lists metrics asks here. A column of somebody else's table is known by the words in its name
(`rigorkd_analysis.metrics`); a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Place = Literal["costs", "teachers", "overall", "tradeoff"]
"""Tables and figures that show several metrics: the costs of cells, the teachers, the overall table of a
paper, and what the result is set against (figure and W&B panels)."""


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        goal: which way is better; None for one that is neither.
        unit: as a heading prints it, "" for none.
        words: its heading without the unit; `short` is that of a paper's table, if another.
        decimals: those of a table for a paper; None for as many as show the spread.
        shown: where it is shown, and as the how-manieth there.
    """

    name: str
    goal: Literal["max", "min"] | None
    unit: str
    words: str
    short: str = ""
    decimals: int | None = None
    shown: Mapping[Place, int] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        return _with_unit(self.words, self.unit)

    @property
    def paper_heading(self) -> str:
        return _with_unit(self.short or self.words, self.unit)


def _with_unit(words: str, unit: str) -> str:
    return f"{words} ({unit})" if unit else words


METRICS: tuple[Metric, ...] = (
    Metric("test_top1", "max", "%", "test top-1", "top-1", 2, {"teachers": 1, "overall": 3}),
    Metric("test_top5", "max", "%", "test top-5", "top-5", 2, {"overall": 4}),
    Metric("test_loss", "min", "", "test loss", "", 4, {"teachers": 3, "overall": 2}),
    Metric("ece", "min", "", "expected calibration error"),
    Metric(
        "best_val_top1",
        "max",
        "%",
        "best validation top-1",
        "best val. top-1",
        2,
        {"teachers": 2, "overall": 1},
    ),
    Metric("best_epoch", None, "", "best epoch"),
    Metric(
        "params_millions",
        "min",
        "M",
        "parameters",
        "params",
        shown={"costs": 1, "teachers": 4, "tradeoff": 2},
    ),
    Metric("macs_millions", "min", "M", "multiply–adds"),
    Metric("train_seconds", "min", "s", "training", "", 1, {"costs": 3, "teachers": 6, "overall": 6}),
    Metric(
        *("latency_ms", "min", "ms", "latency", "", 3),
        shown={"costs": 2, "teachers": 5, "overall": 5, "tradeoff": 1},
    ),
    Metric("teacher_agreement", "max", "%", "agrees with teacher", shown={"costs": 4}),
    Metric("teacher_kl", "min", "", "KL to teacher", shown={"costs": 5}),
)
"""In the order of the tidy table's columns. Latency is measured once per architecture, the rest in every run;
a record may lack any of them."""

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}
NAMES: tuple[str, ...] = tuple(BY_NAME)


def shown(place: Place) -> tuple[Metric, ...]:
    """The metrics of one place, in its order."""
    return tuple(
        sorted((metric for metric in METRICS if place in metric.shown), key=lambda item: item.shown[place])
    )
