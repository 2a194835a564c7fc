"""The plan of a study: cells, runs, cohorts, cost, and what these seeds could detect. Trains nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rigorkd.launch.cost import Cost, cost, training_images
from rigorkd.launch.inventory import Inventory, State
from rigorkd.protocol.baselines import gain_pairs
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.hashes import resolved
from rigorkd.protocol.load import Protocol
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import RateBook


@dataclass(frozen=True)
class Detectable:
    """What a family of comparisons could detect at 80 % power.

    `mde` and `equivalence_power` need the standard deviation of paired differences, which only finished runs
    can tell; `mde_dz` is the detectable effect in units of it.
    """

    family: str
    comparisons: int
    mde: float | None
    mde_dz: float | None
    equivalence_power: float | None
    sd: float | None
    sd_source: str


@dataclass(frozen=True)
class Plan:
    """Everything that `rigorkd plan` shows; `corrected`: whether families are corrected for their size."""

    study: str
    cells: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    runs: dict[str, int]
    cohorts: int
    cost: Cost
    detectable: tuple[Detectable, ...]
    corrected: bool = True
    training_images: int | None = None

    def document(self) -> dict[str, Any]:
        """The JSON of `plan --format json`, schema rigorkd.plan/1."""
        return {
            "schema": "rigorkd.plan/1",
            "study": self.study,
            "cells": list(self.cells),
            "seeds": list(self.seeds),
            "runs": self.runs,
            "cohorts": self.cohorts,
            "cost": vars(self.cost),
            "detectable": [vars(entry) for entry in self.detectable],
        }


def make_plan(
    protocol: Protocol,
    inventory: Inventory,
    study: StudyFolder,
    seeds: tuple[int, ...],
    book: RateBook,
    mode: str,
) -> Plan:
    """Plan what `inventory` found of the protocol; `book` holds what is known of machines' speed."""
    names = {want.run.cell.name for want in inventory.expected.values()}
    cells = [cell for cell in protocol.cells if cell.name in names]
    states = {str(state): inventory.count(state) for state in State}
    return Plan(
        study=study.path.name,
        cells=tuple(map(_cell_entry, cells)),
        seeds=seeds,
        runs={"total": len(inventory.expected), **states},
        cohorts=len(cohorts(cells, seeds)),
        cost=cost(protocol, inventory, seeds, book, mode),
        detectable=_detectable(protocol, inventory, cells, len(seeds)),
        corrected=protocol.spec.analysis.correction != "none",
        training_images=training_images(want.run for want in inventory.expected.values()),
    )


def _cell_entry(cell: Cell) -> dict[str, Any]:
    described = {"cell": cell.name, "role": cell.role, "group": cell.group, "student": cell.student}
    return {**described, **resolved(cell)}


def _detectable(
    protocol: Protocol, inventory: Inventory, cells: Sequence[Cell], n: int
) -> tuple[Detectable, ...]:
    """Detectable gains and contrasts at 80 % power with n seeds, corrected for the family's size."""
    from rigorkd_analysis.stats.sample_size import detectable, equivalence_power

    analysis = protocol.spec.analysis
    pairs = gain_pairs(cells, protocol.cells)
    sd, source = _sd_of_differences(inventory, pairs, analysis.metric)
    entries = []
    for family, size in (("gains", len(pairs)), ("contrasts", len(analysis.contrasts))):
        if not size:
            continue
        m = 1 if analysis.correction == "none" else size
        dz = detectable(n, 1.0, analysis.alpha, 0.8, m)
        power = None
        if sd is not None and analysis.sesoi is not None and n > 1:
            power = equivalence_power(n, sd, analysis.sesoi, analysis.alpha, m)
        mde = None if dz is None or sd is None else dz * sd
        entries.append(Detectable(family, size, mde, dz, power, sd, source))
    return tuple(entries)


def _sd_of_differences(
    inventory: Inventory, pairs: list[tuple[str, str]], metric: str
) -> tuple[float | None, str]:
    """The pooled standard deviation of paired differences over the finished seeds."""
    values: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for record in inventory.records.values():
        value = record.metrics.get(metric)
        if value is not None and record.fields["seed"] is not None:
            values[str(record.fields["cell"])][int(record.fields["seed"])] = value
    variances = []
    for a, b in pairs:
        both = sorted(values[a].keys() & values[b].keys())
        if len(both) >= 2:
            variances.append(float(np.var([values[a][s] - values[b][s] for s in both], ddof=1)))
    if not variances:
        return None, "unknown before two seeds are finished"
    sd = float(np.sqrt(np.mean(variances)))
    return sd, f"pooled over {len(variances)} gains of this study's finished seeds"
