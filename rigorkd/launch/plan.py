"""The plan of a study: cells, runs, cohorts, cost, and what these seeds could detect. Trains nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from rigorkd.launch.cost import Cost, cost, training_images
from rigorkd.launch.inventory import Inventory, State
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
    """Everything that `rigorkd plan` shows."""

    study: str
    cells: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    runs: dict[str, int]
    cohorts: int
    cost: Cost
    detectable: tuple[Detectable, ...]
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
        cells=tuple(_cell_entry(protocol, name) for name in (cell.name for cell in cells)),
        seeds=seeds,
        runs={"total": len(inventory.expected), **states},
        cohorts=len(cohorts([cell for cell in protocol.cells if cell.name in names], seeds)),
        cost=cost(protocol, inventory, seeds, book, mode),
        detectable=_detectable(protocol, inventory, len(seeds)),
        training_images=training_images(want.run for want in inventory.expected.values()),
    )


def _cell_entry(protocol: Protocol, name: str) -> dict[str, Any]:
    cell = protocol.cell(name)
    described = {"cell": name, "role": cell.role, "group": cell.group, "student": cell.student}
    return {**described, "teacher": cell.teacher if cell.method.distils else None, **resolved(cell)}


def _detectable(protocol: Protocol, inventory: Inventory, n: int) -> tuple[Detectable, ...]:
    """Detectable gains and contrasts at 80 % power with n seeds, corrected for the family's size."""
    from rigorkd_analysis.power import detectable, equivalence_power

    analysis = protocol.spec.analysis
    names = {want.run.cell.name for want in inventory.expected.values()}
    pairs = [
        (cell.name, baseline)
        for cell in protocol.cells
        if cell.name in names and cell.method.distils and (baseline := _baseline_of(protocol, cell.name))
    ]
    sd, source = _sd_of_differences(inventory, pairs, analysis.metric)
    entries = []
    for family, m in (("gains", len(pairs)), ("contrasts", len(analysis.contrasts))):
        if not m:
            continue
        dz = detectable(n, 1.0, analysis.alpha, 0.8, m) if n > 1 else None
        power = None
        if sd is not None and analysis.sesoi is not None and n > 1:
            power = equivalence_power(n, sd, analysis.sesoi, analysis.alpha, m)
        mde = None if dz is None or sd is None else dz * sd
        entries.append(Detectable(family, m, mde, dz, power, sd, source))
    return tuple(entries)


def _baseline_of(protocol: Protocol, name: str) -> str | None:
    """The baseline cell that shares everything but the method with a distilled cell, if there is one."""
    cell = protocol.cell(name)
    for other in protocol.cells:
        same = (other.group, other.student, other.start, other.training, other.views) == (
            *(cell.group, cell.student, cell.start, cell.training, cell.views),
        )
        if other.method.key == "baseline" and other.role == "student" and same:
            return other.name
    return None


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
