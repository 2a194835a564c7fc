"""`rigorkd run --until-decided`: add seeds until every planned comparison is decided.

Looking after every seed is allowed, because each look uses the anytime-valid analysis, which keeps its level
at any stopping time. A fixed-n `analyze` afterwards says that it is a repeated look.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rigorkd.errors import InputError
from rigorkd.launch.console import PlainConsole
from rigorkd.launch.launch import LaunchOptions, Outcome, launch
from rigorkd.protocol.load import Protocol
from rigorkd.text import count

if TYPE_CHECKING:
    from rigorkd_analysis.results import Sequential

FIRST_SEEDS = 4
"""The anytime-valid interval is infinite below four seeds: nothing can be decided before."""


def run_until_decided(
    protocol: Protocol, options: LaunchOptions, console: PlainConsole, *, most: int, given: bool
) -> Outcome:
    """Run seeds, then one more at a time, until all is decided or `most` seeds are done; say why it stopped.

    `options.seeds` are where it starts if they were `given` on the command line, else the first four.
    """
    seeds = options.seeds if given else tuple(range(min(FIRST_SEEDS, most)))
    if len(seeds) > most:
        raise InputError(
            f"--max-seeds {most}: fewer than the {count(len(seeds), 'seed')} to start from",
            hint="raise --max-seeds or give fewer --seeds",
        )
    while True:
        outcome = launch(protocol, replace(options, seeds=seeds), console)
        if outcome.failed:
            return outcome
        found = _look(outcome)
        undecided = [one.name for one in found.comparisons if one.decided_at is None]
        done = len(found.comparisons) - len(undecided)
        console.print(
            f"after {count(len(seeds), 'seed')}: {done} of {len(found.comparisons)} comparisons decided",
        )
        if found.decided or len(seeds) >= most:
            _say_why(console, found, undecided, len(seeds))
            return outcome
        seeds = (*seeds, max(seeds) + 1)


def _look(outcome: Outcome) -> Sequential:
    """The anytime-valid analysis of the study as it is now; the look is noted."""
    from rigorkd_analysis import until_decided

    from rigorkd.records.looks import note_look
    from rigorkd.report.sources import from_study, located

    source = from_study(outcome.study.path)
    with located(source.where):
        found = until_decided(source.table, source.plan)
    note_look(outcome.study.path, source.table["seed"], source.plan.metric or "test_top1")
    return found


def _say_why(console: PlainConsole, found: Sequential, undecided: list[str], n: int) -> None:
    for one in found.comparisons:
        console.print(f"  {one.says}")
    if found.decided:
        console.print(f"stopped after {count(n, 'seed')}: every planned comparison is decided")
    else:
        console.print(
            f"stopped at --max-seeds {n}: {count(len(undecided), 'planned comparison')} still undecided",
        )
