#!/usr/bin/env python
"""What does the gate cost in seeds, and what does it save? Simulated searches; docs/gate.md has the answers.

    python scripts/gate_costs.py                     all of it: a few minutes
    python scripts/gate_costs.py --searches 500      less exactly

A search tries 50 candidates that are no better than the base; their standard deviations lie between a half
and twice that of the base. Each is looked at after every seed up to 20, and an accepted one becomes the base,
with fresh seeds. The same number of searches gives the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray
from rigorkd_analysis.stats.gating import FUTILE, Budget, crossings, first, forecast, share
from scipy import special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALPHA, CANDIDATES, MOST = 0.05, 50, 20


def sds(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Standard deviations of candidates: half to twice that of the base, evenly in the logarithm."""
    return np.asarray(np.exp(rng.uniform(np.log(0.5), np.log(2.0), shape)))


@dataclass(frozen=True)
class Search:
    """What came of searches without a better candidate: false acceptances of each, seeds per candidate."""

    accepted: NDArray[np.int64]
    seeds: float

    @property
    def any(self) -> float:
        return float((self.accepted > 0).mean())

    @property
    def per_hundred(self) -> float:
        return float(100 * self.accepted.mean() / CANDIDATES)


Choose = Callable[[np.random.Generator, Floats, Floats], Floats]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return rng.normal(size=shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Tails of t with 3 degrees of freedom, standard deviation 1."""
    return np.asarray(rng.standard_t(3, shape) / np.sqrt(3))


def collapsing(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """One run of ten loses five standard deviations."""
    return np.asarray(rng.normal(size=shape) - 5 * (rng.random(shape) < 0.1))


Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def gated(
    rng: np.random.Generator, searches: int, choose: Choose | None = None, draw: Draw = normal
) -> Search:
    """Searches through the gate with a ledger. `choose` picks standard deviations, given base and level."""
    base = draw(rng, (searches, MOST))
    pool = np.zeros(searches)
    accepted, seeds = np.zeros(searches, dtype=np.int64), 0.0
    for number in range(1, CANDIDATES + 1):
        level = ALPHA * share(number) + pool
        sd = sds(rng, (searches,)) if choose is None else choose(rng, base, level)
        x = sd[:, None] * draw(rng, (searches, MOST)) - base
        up, down = map(first, crossings(x, level[:, None], ALPHA))
        won = up < down
        accepted += won
        seeds += float(np.minimum(np.minimum(up, down), MOST).mean())
        pool = np.where(won, level, 0.0)
        base[won] = sd[won, None] * draw(rng, (int(won.sum()), MOST))
    return Search(accepted, seeds / CANDIDATES)


def sharpest(rng: np.random.Generator, base: Floats, level: Floats) -> Floats:
    """An adversary: of five spreads the one that these base values would accept most often."""
    spreads = np.geomspace(0.05, 3.0, 5)
    chances = np.empty((spreads.size, len(base)))
    for row, sd in enumerate(spreads):
        x = sd * rng.normal(size=(len(base), 60, MOST)) - base[:, None, :]
        up, down = map(first, crossings(x, level[:, None, None], ALPHA))
        chances[row] = (up < down).mean(axis=1)
    return np.asarray(spreads[chances.argmax(axis=0)])


def best_number(rng: np.random.Generator, searches: int) -> Search:
    """Keep a candidate if its one run beats the best run so far."""
    best = rng.normal(size=searches)
    accepted = np.zeros(searches, dtype=np.int64)
    for _ in range(CANDIDATES):
        run = sds(rng, (searches,)) * rng.normal(size=searches)
        accepted += run > best
        best = np.maximum(best, run)
    return Search(accepted, 1.0)


def better_mean(rng: np.random.Generator, searches: int, n: int) -> Search:
    """Keep a candidate if its mean of n seeds beats that of the base, whose runs stay as they are."""
    base = rng.normal(size=searches) / np.sqrt(n)
    accepted = np.zeros(searches, dtype=np.int64)
    for _ in range(CANDIDATES):
        mean = sds(rng, (searches,)) * rng.normal(size=searches) / np.sqrt(n)
        accepted += mean > base
        base = np.maximum(base, mean)
    return Search(accepted, float(n))


def t_at_every_seed(rng: np.random.Generator, searches: int) -> Search:
    """Keep a candidate as soon as a one-sided paired t test has p < .05, looking from the third seed on."""
    n = np.arange(1, MOST + 1)
    critical = -special.stdtrit(np.maximum(n - 1, 1), ALPHA)
    base = rng.normal(size=(searches, MOST))
    accepted, seeds = np.zeros(searches, dtype=np.int64), 0.0
    for _ in range(CANDIDATES):
        sd = sds(rng, (searches,))
        x = sd[:, None] * rng.normal(size=(searches, MOST)) - base
        mean = np.cumsum(x, axis=1) / n
        variance = (np.cumsum(x**2, axis=1) - n * mean**2) / np.maximum(n - 1, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossed = mean / np.sqrt(variance / n) > critical
        crossed[:, :2] = False
        at = first(crossed)
        won = at <= MOST
        accepted += won
        seeds += float(np.minimum(at, MOST).mean())
        base[won] = sd[won, None] * rng.normal(size=(int(won.sum()), MOST))
    return Search(accepted, seeds / CANDIDATES)


@dataclass(frozen=True)
class Power:
    """Of candidates that are better by `effect` standard deviations of a paired difference."""

    effect: float
    number: int
    accepted: float
    median: float


def power(rng: np.random.Generator, replicates: int, effect: float, number: int, most: int = 200) -> Power:
    """How many seeds candidate `number` of a search takes; accepted: the share by MOST seeds."""
    level = ALPHA * share(number)
    x = rng.normal(effect, 1, (replicates, most))
    up, down = map(first, crossings(x, level, ALPHA))
    at = np.where(up < down, up, np.iinfo(np.int64).max)
    return Power(effect, number, float((at <= MOST).mean()), float(np.median(at)))


@dataclass(frozen=True)
class Stopped:
    """With giving up: how often it is accepted after all, and the seeds that it takes on average."""

    effect: float
    number: int
    accepted: float
    seeds: float
    accepted_without: float
    seeds_without: float


def stopped(rng: np.random.Generator, replicates: int, effect: float, number: int) -> Stopped:
    """`run --gate --max-seeds 20`: a candidate is given up where it will hardly be accepted by then."""
    level = Budget(ALPHA, begun=number - 1).next_level
    x = rng.normal(effect, 1, (replicates, MOST))
    up, down = map(first, crossings(x, level, ALPHA))
    at = np.minimum(up, down)
    ends, won = np.minimum(at, MOST), up < down
    given_up = ends.copy()
    for row, path in enumerate(x):
        for n in range(4, int(ends[row])):
            ahead = forecast(path[:n], level, ALPHA, MOST)
            if ahead is not None and ahead.accepted < FUTILE:
                given_up[row] = n
                break
    kept = given_up == ends
    return Stopped(
        effect,
        number,
        float((won & kept).mean()),
        float(given_up.mean()),
        float(won.mean()),
        float(ends.mean()),
    )


def covered(rng: np.random.Generator, replicates: int, effect: float, n: int = 5) -> tuple[float, int]:
    """How often the seeds still needed lie in the range that was forecast at n seeds; of how many."""
    inside = judged = 0
    for x in rng.normal(effect, 1, (replicates, 100)):
        at = int(min(int(first(one)) for one in crossings(x, ALPHA / 2, ALPHA)))
        ahead = forecast(x[:n], ALPHA / 2, ALPHA, 100) if at > n else None
        if ahead is not None:
            judged += 1
            low = np.inf if ahead.low is None else ahead.low
            high = np.inf if ahead.high is None else ahead.high
            more = np.inf if at > 100 else at - n
            inside += bool(low <= more <= high)
    return inside / max(judged, 1), judged


@click.command()
@click.option("--searches", type=click.IntRange(min=10), default=5_000, show_default=True)
def main(searches: int) -> None:
    """Print what docs/gate.md shows."""
    begun = time.monotonic()
    rng = np.random.Generator(np.random.Philox(22))
    limit = ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / searches)
    click.echo(
        f"{searches} searches of {CANDIDATES} candidates that are no better, at most {MOST} seeds each"
    )
    rows = {
        "gate with a ledger": gated(rng, searches),
        "keep the best run so far": best_number(rng, searches),
        "keep the better mean of 5 seeds": better_mean(rng, searches, 5),
        "t test after every seed, p < .05": t_at_every_seed(rng, searches),
    }
    for name, found in rows.items():
        click.echo(
            f"  {name}: any false acceptance {found.any:.4f}, "
            f"{found.per_hundred:.2f} per hundred, {found.seeds:.1f} seeds per candidate"
        )
    for name, draw in (
        ("tails of t with 3 degrees of freedom", heavy),
        ("one run of ten collapses", collapsing),
    ):
        found = gated(np.random.Generator(np.random.Philox(23)), searches, draw=draw)
        click.echo(f"  gate with a ledger, {name}: any false acceptance {found.any:.4f}")
    adversary = gated(rng, max(10, searches // 5), sharpest)
    click.echo(
        f"  gate, spreads chosen by an adversary who sees the base's runs ({searches // 5} searches): "
        f"any false acceptance {adversary.any:.4f}"
    )
    click.echo(f"  (at most {limit:.4f}: {ALPHA} and two Monte Carlo errors)")
    click.echo("better by so many sds of a paired difference: median seeds to accept, accepted by 20")
    for effect in (1.0, 2.0, 3.0):
        found_power = [power(rng, searches, effect, number) for number in (1, 10, 50)]
        told = ", ".join(f"{one.median:.0f} ({one.accepted:.2f})" for one in found_power)
        click.echo(f"  {effect:g} sd, as candidate 1, 10, 50: {told}")
    click.echo(
        "run --gate --max-seeds 20, candidate 1 and 10: accepted and seeds, with giving up and without"
    )
    for effect in (0.0, 1.0, 2.0):
        for number in (1, 10):
            one = stopped(rng, max(10, searches // 10), effect, number)
            click.echo(
                f"  {effect:g} sd, candidate {number}: {one.accepted:.3f} in {one.seeds:.1f}; "
                f"{one.accepted_without:.3f} in {one.seeds_without:.1f}"
            )
    click.echo("the range of seeds still needed, forecast at 5 seeds, holds the truth")
    for effect in (0.0, 0.5, 1.0, 2.0):
        share_inside, judged = covered(rng, max(10, searches // 5), effect)
        click.echo(f"  {effect:g} sd: {share_inside:.2f} of {judged}")
    click.echo(f"took {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
