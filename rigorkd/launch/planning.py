"""The plan of a study: cells, runs, cohorts, what they cost, what these seeds can detect. Trains nothing."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rigorkd.launch.cost import Cost, cost, images_of, training_images
from rigorkd.launch.own_data import OwnData, own_data
from rigorkd.launch.rehearsal import left_to_look_at
from rigorkd.launch.run_states import RunStates, State, hashes_to_train
from rigorkd.problems import ExpansionError
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.cohorts import cohorts, gain_pairs, lone_cells
from rigorkd.protocol.group_training import own_training
from rigorkd.protocol.hashes import resolved
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.schema import Contrast, SeedsByRole
from rigorkd.protocol.trainer import FILLED
from rigorkd.records.changes import says_giving_up
from rigorkd.records.command_code import changed_settings, seed_as_a_truth, unseen_arguments, watched
from rigorkd.records.command_notes import best_of_epochs, command_notes
from rigorkd.records.expected import located
from rigorkd.records.judged_elsewhere import shown_elsewhere
from rigorkd.records.layout import StudyFolder
from rigorkd.records.left_out import Foreseen
from rigorkd.records.rates import RateBook
from rigorkd.records.read import added_to, foreseen, looks_ahead
from rigorkd.records.record import Record
from rigorkd.records.study import is_study, read_info
from rigorkd.records.teacher_code import teachers_from_outside, untold_in_code
from rigorkd.records.teacher_paths import absent_weights, half_paths
from rigorkd.text import count

if TYPE_CHECKING:
    from rigorkd_analysis.stats.sample_size import Design


@dataclass(frozen=True)
class Detectable:
    """What a family of comparisons could detect at 80 % power.

    `mde` and `equivalence_power` need the standard deviation of paired differences, which only finished runs
    can tell; `mde_dz` is the detectable effect in units of it. `seeds_needed` answers the SESOI.
    """

    family: str
    comparisons: int
    mde: float | None
    mde_dz: float | None
    equivalence_power: float | None
    sd: float | None
    sd_source: str
    seeds_needed: int | None = None


@dataclass(frozen=True)
class Plan:
    """Everything that `rigorkd plan` shows.

    Attributes:
        corrected: whether families are corrected for their size.
        judged: the seeds that verdicts use: all but those kept for choosing.
        notes: what is to be known of runs that commands train, or that may be stale.
        looks: the planned interim analyses; what is detectable is at the nominal level of each.
        data: a user's own images, as far as they are known.
        largest: the largest value of the metric among finished runs.
    """

    study: str
    cells: tuple[dict[str, Any], ...]
    seeds: tuple[int, ...]
    runs: dict[str, int]
    cohorts: int
    cost: Cost
    detectable: tuple[Detectable, ...]
    designs: tuple[Design, ...] = ()
    sesoi: float | None = None
    seeds_by_role: str = ""
    corrected: bool = True
    judged: tuple[int, ...] = ()
    training_images: int | None = None
    notes: tuple[str, ...] = ()
    metric: str = "test_top1"
    looks: tuple[int, ...] = ()
    unpaired: bool = False
    moderated: bool = False
    data: OwnData | None = None
    largest: float | None = None

    @property
    def unit(self) -> str:
        """What follows a difference of the metric: an accuracy of commands may be in percent or in fractions.

        By the largest value so far; before there is one by the smallest effect of interest, which is below a
        tenth in fractions. rigorkd's own accuracies are in percent.
        """
        from rigorkd_analysis.metric_names import unit_of

        if not self.by_command:
            return unit_of(self.metric, 100.0)
        return unit_of(self.metric, self.largest or (100.0 if (self.sesoi or 0.0) >= 0.1 else 1.0))

    @property
    def by_command(self) -> bool:
        """Whether commands train the runs."""
        return any("command" in cell for cell in self.cells)

    @property
    def difference(self) -> str:
        """Of what the standard deviations are."""
        return "unpaired difference" if self.unpaired else "paired difference"

    def document(self) -> dict[str, Any]:
        """The JSON of `plan --format json`, schema rigorkd.plan/1."""
        return {
            "schema": "rigorkd.plan/1",
            "study": self.study,
            "metric": self.metric,
            "cells": list(self.cells),
            "seeds": list(self.seeds),
            "seeds_judged": list(self.judged),
            "runs": self.runs,
            "cohorts": self.cohorts,
            "cost": vars(self.cost),
            "detectable": [vars(entry) for entry in self.detectable],
            "designs": [vars(design) for design in self.designs],
            **({"notes": list(self.notes)} if self.notes else {}),
            **({} if self.data is None else {"data": self.data.entry()}),
            "looks": list(self.looks),
        }


def make_plan(
    protocol: Protocol,
    states: RunStates,
    study: StudyFolder,
    seeds: tuple[int, ...],
    book: RateBook,
    mode: str,
    sd: float | None = None,
) -> Plan:
    """Plan the runs of a protocol whose `states` were found; `book` knows how fast machines are.

    `sd` is that of paired differences, from a pilot or a published study, instead of that of finished runs.
    Seeds kept for choosing train, but no verdict counts them, so what is detectable does not either.
    """
    selection = protocol.spec.analysis.selection
    chosen_on = frozenset(selection.seeds) if selection else frozenset[int]()
    judged = tuple(seed for seed in seeds if seed not in chosen_on)
    names = {want.run.cell.name for want in states.expected.values()}
    by_engine = all(cell.trainer is None for cell in protocol.cells)
    cells = [cell for cell in protocol.cells if cell.name in names]
    metric = protocol.spec.analysis.metric
    there = [value for one in states.records.values() if (value := one.metrics.get(metric)) is not None]
    added = frozenset(added_to(study.path, protocol)) & names
    ahead = foreseen(study.path, protocol)
    looks = looks_ahead(study.path, protocol).looks
    detectable, designs = _detectable(
        *(protocol, states, cells, len(judged), sd, chosen_on, added, looks),
        together=ahead.apart is False,
        contrasts=_contrasts_by_plan(protocol, ahead),
    )
    return Plan(
        study=study.path.name,
        cells=tuple(map(_cell_entry, cells)),
        seeds=seeds,
        runs=states.counts(),
        cohorts=len(cohorts(cells, seeds)),
        cost=cost(protocol, states, seeds, book, mode),
        detectable=detectable,
        designs=designs,
        sesoi=protocol.spec.analysis.sesoi,
        seeds_by_role=_by_role(protocol.spec.seeds),
        corrected=protocol.spec.analysis.correction != "none",
        judged=judged,
        training_images=training_images(want.run for want in states.expected.values()),
        notes=(
            *_notes(protocol, states),
            *(one.says for one in own_training(protocol.spec, cells)),
            *filter(None, [ahead.says_added([cell.name for cell in cells if cell.name in added])]),
            *ahead.notes,
            *(f"warning: {one.says}" for one in shown_elsewhere(study.path, hashes_to_train(states))),
            *left_to_look_at(run.cell for run in states.missing()),
            *_undecoded(protocol, states, study),
        ),
        metric=metric,
        looks=looks,
        unpaired=_is_unpaired(protocol),
        moderated=protocol.spec.analysis.test == "moderated",
        data=own_data(protocol, cells, images_of(protocol.spec.dataset), macs=True, through=True)
        if by_engine
        else None,
        largest=max(map(abs, there), default=None),
    )


def _notes(protocol: Protocol, states: RunStates) -> Iterator[str]:
    """What is to be known of runs that commands train: nothing here has executed one."""
    if notes := command_notes(protocol, states.records.values()):
        filled = ", ".join(f"{{{name}}}" for name in (*FILLED, "seed"))
        yield f"none of these is executed here; a call fills {filled}"
        changed = changed_settings(protocol.cells, protocol.path.parent.absolute(), states.records.values())
        yield from (*watched(protocol.cells, protocol.path), *filter(None, (changed,)), *notes)


def _undecoded(protocol: Protocol, states: RunStates, study: StudyFolder) -> Iterator[str]:
    """That runs count as done by images that were there once, as those of today are not decoded yet."""
    done, dataset = states.count(State.DONE), protocol.spec.dataset
    if not done or dataset.info is not None or not dataset.in_files:
        return
    if dataset.looked_at() is not None and dataset.checksum_at_hand() is None:
        yield (
            f"the images are others than were decoded last, or lie elsewhere: {count(done, 'run')} counted as"
            " done may be stale, which `rigorkd run` finds out when it decodes them, before it trains"
        )


def _cell_entry(cell: Cell) -> dict[str, Any]:
    described = {"cell": cell.name, "role": cell.role, "group": cell.group, "student": cell.student}
    entry = {**described, **resolved(cell)}
    if (by := cell.trainer) is not None and by.trainer.function is not None:
        entry["command"] = f"{by.trainer.function}({json.dumps(by.config(), ensure_ascii=False)})"
    return entry


def _contrasts_by_plan(
    protocol: Protocol, ahead: Foreseen
) -> tuple[tuple[Contrast, ...], tuple[Contrast, ...]]:
    """The contrasts that will be judged as planned, and those that will be as exploratory."""
    every = protocol.spec.analysis.contrasts
    if not ahead.contrasts_apart:
        return (), every
    return tuple(one for one in every if one.called not in ahead.contrasts_added), tuple(
        one for one in every if one.called in ahead.contrasts_added
    )


def _detectable(
    protocol: Protocol,
    states: RunStates,
    cells: Sequence[Cell],
    n: int,
    given: float | None,
    chosen_on: frozenset[int],
    added: frozenset[str],
    looks: tuple[int, ...],
    *,
    together: bool = False,
    contrasts: tuple[tuple[Contrast, ...], tuple[Contrast, ...]] = ((), ()),
) -> tuple[tuple[Detectable, ...], tuple[Design, ...]]:
    """What the declared families detect with n seeds, corrected for their size; and ways to ask of gains.

    `together` says that no gain is planned any more: those that were are one family with those added.
    `contrasts` are the planned ones, and the others.
    """
    from rigorkd_analysis.stats.group_sequential import nominal_level
    from rigorkd_analysis.stats.sample_size import designs, detectable, equivalence_power, seeds_needed

    analysis = protocol.spec.analysis
    pairs = gain_pairs(cells, protocol.cells)
    unpaired = _is_unpaired(protocol)
    sd, source = _sd_of_differences(states, pairs, analysis.metric, chosen_on, paired=not unpaired)
    if given is not None:
        sd, source = given, "as given"
    exploratory = [pair for pair in pairs if not added.isdisjoint(pair)]
    pairs = [pair for pair in pairs if pair not in exploratory]
    by_name = {cell.name: cell for cell in cells}
    sets = Counter(
        (by_name[name].group, by_name[name].student, by_name[name].method.name) for name, _ in pairs
    )
    averages = tuple(number for number in sets.values() if number > 1)  # one gain is no average
    primary = sum(name == analysis.primary for name, _ in pairs)
    planned, later = len(pairs) - primary, len(exploratory)
    if together:
        planned, later = 0, planned + later
    baselines = dict(gain_pairs(cells, cells))
    families = [
        # cells are taken to vary alike: see `designs`
        ("overall", len(averages), ((1 + 1 / min(averages, default=1)) / 2) ** 0.5),
        ("primary", primary, 1.0),
        ("gains", planned, 1.0),
        ("contrasts", len(contrasts[0]), _widest(contrasts[0], baselines)),
        ("exploratory gains", later, 1.0),
        ("exploratory contrasts", len(contrasts[1]), _widest(contrasts[1], baselines)),
    ]
    entries = []
    for family, size, share in families:
        if not size:
            continue
        m = 1 if analysis.correction == "none" else size
        level = nominal_level(looks, analysis.alpha / m)
        dz = detectable(n, share, level)
        power = needed = None
        if unpaired:
            averaged = min(averages, default=1) if family == "overall" else 1
            dz = _unpaired_dz(*_numbers(protocol.spec.seeds, n, chosen_on), averaged, level)
        elif sd is not None and analysis.sesoi is not None:
            needed = seeds_needed(analysis.sesoi, sd * share, level)
            power = equivalence_power(n, sd * share, analysis.sesoi, level) if n > 1 else None
        mde = None if dz is None or sd is None else dz * sd
        own = None if sd is None else sd * share
        entries.append(Detectable(family, size, mde, dz, power, own, source, needed))
    ways: tuple[Design, ...] = ()
    if pairs and not unpaired:
        ways = designs(
            *(n, 1.0 if sd is None else sd, len(pairs) + len(exploratory) * together),
            analysis.sesoi if sd is not None else None,
            averages=averages,
            alpha=analysis.alpha,
            corrected=analysis.correction != "none",
            looks=looks,
        )
    return tuple(entries), tuple(way for way in ways if averages or way.question != "overall")


def _widest(contrasts: Sequence[Contrast], baselines: Mapping[str, str]) -> float:
    """The largest sd of these contrasts, over that of a plain pair; cells are taken to vary alike.

    A trend's is that of its ends, as of a line through two cells: more cells between them vary less.
    """
    return max((_share(contrast, baselines) for contrast in contrasts), default=1.0)


def _share(contrast: Contrast, baselines: Mapping[str, str]) -> float:
    weights: defaultdict[str, float] = defaultdict(float)  # of a pair, a trend, an `all_of`: as a pair
    for cell, weight in (contrast.weights or {}).items():
        weights[cell] += weight
    for sign, cell in zip((1.0, -1.0), contrast.difference_of_gains or (), strict=False):
        weights[cell] += sign
        weights[baselines.get(cell, "")] -= sign
    return math.sqrt(sum(weight**2 for weight in weights.values()) / 2) or 1.0


def _is_unpaired(protocol: Protocol) -> bool:
    return protocol.spec.analysis.test == "unpaired" or isinstance(protocol.spec.seeds, SeedsByRole)


def _by_role(seeds: tuple[int, ...] | SeedsByRole) -> str:
    if not isinstance(seeds, SeedsByRole):
        return ""
    base, kd = count(len(seeds.baseline), "seed"), count(len(seeds.distilled), "seed")
    return (
        f"baselines at {base}, distilled cells at {kd}, compared without pairing (Welch): worth it where "
        "pairs of seeds hardly correlate"
    )


def _numbers(seeds: tuple[int, ...] | SeedsByRole, n: int, chosen_on: frozenset[int]) -> tuple[int, int]:
    """How many seeds baselines and distilled cells are judged at."""
    if not isinstance(seeds, SeedsByRole):
        return n, n
    return len(set(seeds.baseline) - chosen_on), len(set(seeds.distilled) - chosen_on)


def _unpaired_dz(base: int, kd: int, averaged: int, level: float) -> float | None:
    """What Welch's test detects, in sds of a difference whose pairs do not correlate; cells vary alike."""
    from rigorkd_analysis.stats.sample_size import detectable_noncentrality

    if min(base, kd) < 2:
        return None
    first, second = 1 / base, 1 / (averaged * kd)
    df = (first + second) ** 2 / (first**2 / (base - 1) + second**2 / (averaged * (kd - 1)))
    error = math.sqrt((first + second) / 2)
    return error * float(detectable_noncentrality(np.array([df]), level)[0])


_PILOT = "seeds kept for choosing"
_OWN = "own finished seeds, so no basis for choosing their number: a pilot's or a published sd is (--sd)"


def _sd_of_differences(
    states: RunStates,
    pairs: list[tuple[str, str]],
    metric: str,
    chosen_on: frozenset[int],
    *,
    paired: bool = True,
) -> tuple[float | None, str]:
    """The pooled standard deviation of differences over finished seeds, paired by seed or independent.

    Seeds kept for choosing are the study's own pilot: where two of them are finished, they alone count.
    """
    values: defaultdict[str, dict[int, float]] = defaultdict(dict)
    for record in states.records.values():
        value = record.metrics.get(metric)
        if value is not None and record.fields["seed"] is not None:
            values[str(record.fields["cell"])][int(record.fields["seed"])] = value
    for pilot in (True, False):
        variances = []
        for a, b in pairs:
            both = sorted(s for s in values[a].keys() & values[b].keys() if (s in chosen_on) is pilot)
            if len(both) >= 2:
                x, y = (np.array([values[cell][s] for s in both]) for cell in (a, b))
                each = x.var(ddof=1) + y.var(ddof=1)
                variances.append(float((x - y).var(ddof=1) if paired else each))
        if variances:
            over = f"pooled over {count(len(variances), 'gain')} of this study's"
            return float(np.sqrt(np.mean(variances))), f"{over} {_PILOT if pilot else _OWN}"
    return None, "not known: give --sd, from a pilot on other seeds or a published study"


def protocol_warnings(protocol: Protocol, seeds: tuple[int, ...]) -> list[str]:
    """What a protocol most likely does not mean at these seeds, before anything is trained.

    Raises:
        ProtocolError: the files of a command are not there.
    """
    analysis = protocol.spec.analysis
    try:
        folder = protocol.path.parent.absolute()
        unseen = unseen_arguments(protocol.cells, folder)
        at_zero = 0 in seeds or not all(cell.per_seed for cell in protocol.cells)
        seedless = seed_as_a_truth(protocol.cells, folder) if at_zero else ""
        untold = [f"warning: {one.says}" for one in untold_in_code(protocol.cells, folder)]
        untold += [f"warning: {text}" for text in teachers_from_outside(protocol.cells, folder)]
    except ExpansionError as error:
        raise located(error.problems, protocol) from None
    lone = lone_cells(protocol.cells, analysis.pairs, planned=bool(analysis.contrasts))
    told = (
        *(sesoi_warning(protocol), lone, unseen, seedless, *untold, *half_paths(protocol.cells)),
        *(*_cut_short(protocol.cells), *absent_weights(protocol.cells, folder)),
        *_best_of_epochs(protocol.cells),
    )
    return [warning for warning in told if warning]


def _best_of_epochs(cells: Iterable[Cell]) -> list[str]:
    """What verdicts will say of a metric that a command chooses on test data, as far as names tell."""
    return [
        f"warning: {metric} is the best of many epochs on test data, by its name"
        + (f" in the results, {key}" if key != metric else "")
        + ": its values are optimistic, and every claim will say so; read the last epoch's, or one that was "
        "chosen on validation data"
        for metric, key in best_of_epochs(cells).items()
    ]


def seeds_warnings(folder: Path, protocol: Protocol, seeds: Collection[int]) -> list[str]:
    """What `analyze` will say of so few seeds, as far as it can be foreseen, and of fewer than were planned.

    Those that a study was planned with before count, too; those kept for choosing do not. Of one seed
    `plan` says that it supports no test.
    """
    from rigorkd_analysis.analysis_plan import few_seeds

    selection = protocol.spec.analysis.selection
    chosen_on = frozenset(selection.seeds) if selection else frozenset[int]()
    planned = read_info(folder).planned_seeds if is_study(folder) else ()
    n = min(_numbers(protocol.spec.seeds, len({*seeds, *planned} - chosen_on), chosen_on))
    told = (says_giving_up(folder, seeds, planned), few_seeds(n) if n > 1 else "")
    return [f"warning: {text}" for text in told if text]


def _cut_short(cells: Iterable[Cell]) -> Iterator[str]:
    """Methods whose warm-up training ends before it is over: their loss never has its weight."""
    found: dict[tuple[str, int, int], None] = {}
    for cell in cells:
        warmup = getattr(cell.method, "warmup", 0) if cell.trainer is None and cell.method.warms_up else 0
        if warmup > cell.training.epochs:
            found[cell.method.key, warmup, cell.training.epochs] = None
    for name, warmup, epochs in found:
        yield (
            f"warning: {name} has a warm-up of {count(warmup, 'epoch')}, and training ends after {epochs}: "
            "its loss never gets its whole weight; give it `warmup:`, or more epochs"
        )


def sesoi_warning(protocol: Protocol, records: Iterable[Record] = ()) -> str:
    """A SESOI in another unit than the metric, which `analyze` would refuse, or which is hardly meant.

    The engine's accuracies are in percent; in what commands leave theirs, their `records` show.
    """
    from rigorkd_analysis.metric_names import sesoi_off_scale, sesoi_readings

    analysis = protocol.spec.analysis
    if any(cell.trainer is not None for cell in protocol.cells):
        values = [record.metrics.get(analysis.metric) for record in records]
        high = max((value for value in values if value is not None), default=0.0)
    else:
        high = 100.0
    if slip := sesoi_off_scale(analysis.metric, analysis.sesoi, high):
        return f"warning: {slip[0]}; did you mean analysis.sesoi: {slip[1]:g}? `analyze` refuses it"
    told = sesoi_readings(analysis.metric, analysis.sesoi, high)
    return f"warning: {told}" if told else ""


def sesoi_of_commands(protocol: Protocol, records: Collection[Record]) -> str:
    """The same of runs that commands train; before any has finished, both readings of a SESOI."""
    from rigorkd_analysis.metric_names import sesoi_readings

    analysis = protocol.spec.analysis
    if all(cell.trainer is None for cell in protocol.cells):
        return ""
    if any(record.metrics.get(analysis.metric) is not None for record in records):
        return sesoi_warning(protocol, records)
    told = sesoi_readings(analysis.metric, analysis.sesoi, None)
    return f"note: {told}" if told else ""
