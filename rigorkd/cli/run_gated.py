"""`rigorkd run --gate`: seeds of a base and a candidate, one after the other, until the gate decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count as counting
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd.errors import InputError
from rigorkd.text import count, suggest

if TYPE_CHECKING:
    from rigorkd_analysis.stats.gating import Gated

    from rigorkd.launch.backends.interface import Backend
    from rigorkd.launch.display import PlainConsole
    from rigorkd.launch.launch import LaunchOptions, Outcome
    from rigorkd.protocol.load import Protocol
    from rigorkd.report.gated import Before, Terms


@dataclass(frozen=True)
class GateOptions:
    """What `run --gate` asks beyond a run. `base` None takes the ledger's base, else the cell's baseline."""

    candidate: str
    base: str | None
    terms: Terms
    ledger: Path | None


def run_gated(
    protocol: Protocol,
    options: LaunchOptions,
    console: PlainConsole,
    backend: Backend,
    asked: GateOptions,
    *,
    given: bool,
) -> tuple[Outcome, Gated | None]:
    """Run both cells at as many seeds as a decision takes at least, then at one more at a time.

    It stops when the gate has decided, when the limit is reached, or when the candidate will hardly be
    accepted by then: giving up costs no error. `options.seeds` are the seeds to take if they were `given`,
    else any. Seeds that the ledger rules out are passed over. The verdict is None where runs failed.

    Raises:
        InputError: there is no such cell; so few seeds can never decide; the ledger has another base.
    """
    from rigorkd_analysis.stats.gating import least_seeds

    from rigorkd.launch.launch import launch
    from rigorkd.records.interim import note_interim_analysis
    from rigorkd.records.study import looks_since
    from rigorkd.report.gated import asked_of, before, gate, sides_of_cells
    from rigorkd.report.sources import from_study

    base, terms = _base(protocol, asked), asked.terms
    plan = protocol.spec.analysis
    wanted = asked_of(plan.metric, plan.goal, plan.sesoi, plan.alpha)
    known = before(wanted, base, asked.candidate, terms, asked.ledger)
    source = _seeds(protocol, options.seeds if given else None, known)
    decided = known.gate.most is None
    new = 0 if decided else least_seeds(known.gate.level) - len(known.noted)
    seeds = (*known.noted, *islice(source, max(0, new)))
    if not seeds:
        raise InputError(
            "none of these seeds may be used: they accepted the base, or are kept for choosing",
            hint="give others by --seeds, or none",
        )
    if not decided and len(seeds) < (least := least_seeds(known.gate.level)):
        raise InputError(
            f"--seeds: {count(len(seeds), 'seed')} to use, and a decision takes {least} at least, were they "
            "ever so clear",
            hint=f"give {least} seeds or more, better twice as many, or leave --seeds out",
        )
    options = replace(options, only=(base, asked.candidate))
    while True:
        outcome = launch(protocol, replace(options, seeds=seeds), console, backend)
        if outcome.failed:
            return outcome, None
        found = from_study(outcome.study.path, every_seed=True)
        now = replace(terms, seeds=seeds)
        result = gate(sides_of_cells(found, base, asked.candidate, now), now, asked.ledger)
        since = looks_since(outcome.study.path)
        note_interim_analysis(outcome.study.path, seeds, result.metric, training=True, since=since)
        console.print(f"after {count(len(seeds), 'seed')}: {result.says}", highlight=False, markup=False)
        more = next(source, None)
        if result.exit_code != 3 or result.futile or more is None:
            console.print(_why(result, more), highlight=False, markup=False)
            return outcome, result
        seeds = (*seeds, more)


def _base(protocol: Protocol, asked: GateOptions) -> str:
    """The base by its name; InputError where a cell is unknown, or nothing tells the base."""
    from rigorkd.protocol.cohorts import gain_pairs
    from rigorkd.records.gate_ledger import known_search

    names = [cell.name for cell in protocol.cells if cell.role == "student"]
    search = None if asked.ledger is None else known_search(asked.ledger)
    base = asked.base or (None if search is None else search.base_for(asked.candidate))
    base = base or dict(gain_pairs(protocol.cells, protocol.cells)).get(asked.candidate)
    for option, name in (("--gate", asked.candidate), ("--against", base)):
        if name is not None and name not in names:
            shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
            raise InputError(
                f"{option} {name}: no such cell in {protocol.path}"
                + (" (--smoke keeps the first and last of an axis)" if protocol.smoke else ""),
                hint=suggest(name, names, f"there are {shown}"),
            )
    if base is None:
        raise InputError(
            f"--gate {asked.candidate}: it has no baseline to be compared with",
            hint="name the base: --against CELL",
        )
    return base


def _seeds(protocol: Protocol, given: tuple[int, ...] | None, known: Before) -> Iterator[int]:
    """The seeds still to take, without those that are ruled out."""
    selection = protocol.spec.analysis.selection
    never = {*known.used, *known.noted, *(selection.seeds if selection else ())}
    return (seed for seed in (counting() if given is None else given) if seed not in never)


def _why(result: Gated, more: int | None) -> str:
    """Why it stopped."""
    from rigorkd_analysis.wording import percent_text

    n = count(result.n, "seed")
    if result.exit_code != 3:
        return f"stopped after {n}: decided, {result.verdict.words}"
    if result.max_seeds is not None and len(result.seeds) >= result.max_seeds:
        return f"stopped at --max-seeds {result.max_seeds}: undecided"
    if more is None and not result.futile:
        return f"stopped after {n}: undecided, and --seeds has no more"
    if (ahead := result.more_seeds) is not None:
        chance = f"a chance of {percent_text(round(ahead.accepted, 2))}"
        return f"stopped after {n}: undecided, and acceptance by seed number {ahead.by} has {chance}"
    return f"stopped after {n}: undecided"
