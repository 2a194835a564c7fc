"""Is a candidate better than its base by more than a margin? One error budget over a whole search.

A gate looks after every seed. With d the improvements by seed (in the goal's direction) and x = d − margin,
the anytime-valid t statistic of Wang and Ramdas (`sequential.log_e`) crosses a threshold on either side:

    accepted      at the first n with E_n ≥ 1/(2·level) and Σx > 0
    not better    at the first n with E_n ≥ 1/(2·alpha) and Σx ≤ 0

whichever comes first, and then for good. E_n does not know the sign of x. So at a difference of just the
margin the first crossing of 1/(2·level), which happens with probability 2·level at most, is as often below as
above: an acceptance has probability `level` at most, at any stopping time. A smaller difference lowers every
t, and with it that probability; the threshold below is the lower one, which only takes acceptances away.

Over a search, candidate k begins with the share 1/(k(k + 1)) of alpha: the shares sum to 1, so any number of
candidates may be tried (online Bonferroni). The level of an accepted candidate passes to the next that begins
(online fallback, Tian and Ramdas 2021): alpha that a true improvement has used is not lost. If no acceptance
has been false so far, no part of alpha rests on two candidates that are no better, so the first false
acceptance, and with it any, has probability alpha at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.metric_names import Goal
from rigorkd_analysis.rounding import last_digit, rounding
from rigorkd_analysis.stats.moments import NOISE, Floats, or_none
from rigorkd_analysis.stats.sequential import interval, log_e
from rigorkd_analysis.table_error import TableError
from rigorkd_analysis.wording import Phrasing, percent_text

C2 = 0.25
"""The mixture constant of the statistic, as everywhere in rigorkd."""

FUTILE = 0.05
"""Below this chance of an acceptance by the last seed, more seeds are a waste."""

HORIZON = 200
"""How far ahead is looked where no limit on seeds is named."""

DRAWS = 2_000


class GateVerdict(StrEnum):
    """What a gate says of a candidate; the exit code of `rigorkd gate` follows from it."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    NO_BETTER = "no_better"
    UNDECIDED = "undecided"

    @property
    def exit_code(self) -> Literal[0, 1, 3]:
        if self is GateVerdict.UNDECIDED:
            return 3
        return 0 if self is GateVerdict.BETTER else 1

    @property
    def words(self) -> str:
        return "no better" if self is GateVerdict.NO_BETTER else self.value


# ------------------------------------------------------------------------------------------------ the budget


def share(number: int) -> float:
    """Of alpha, what candidate `number` (from 1) begins with; all shares sum to 1."""
    return 1 / (number * (number + 1))


@dataclass(frozen=True)
class Budget:
    """What a search has spent of its alpha: the comparisons that began, and what passes to the next one."""

    alpha: float
    begun: int = 0
    returned: float = 0.0

    @property
    def next_level(self) -> float:
        """The level at which the next comparison may accept."""
        return self.alpha * share(self.begun + 1) + self.returned

    @property
    def left(self) -> float:
        """What all comparisons to come may spend together."""
        return self.alpha / (self.begun + 1) + self.returned

    def begin(self) -> Budget:
        """A comparison begins, whatever becomes of it, and spends its level."""
        return Budget(self.alpha, self.begun + 1)

    def accept(self, level: float) -> Budget:
        """A candidate was accepted at this level, which passes to the next one."""
        return Budget(self.alpha, self.begun, self.returned + level)


def least_seeds(level: float, c2: float = C2) -> int:
    """The fewest seeds at which a candidate can be accepted at `level`, were the differences ever so clear.

    E_n comes near its limit (1 + n/c²)^((n − 1)/2), where all differences agree, and does not reach it.
    """
    n, evidence = 2, -np.log(2 * max(level, np.finfo(float).tiny))
    while (n - 1) / 2 * np.log1p(n / c2) <= evidence:
        n += 1
    return n


# -------------------------------------------------------------------------------------------- one comparison


def crossings(
    x: Floats, level: float | Floats, alpha: float, c2: float = C2, least_spread: float = 0.0
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where along the last axis of x (…, n) the evidence accepts, and where it says "not better".

    Nothing is said while the spread of the first n is no more than `least_spread`. `level` may differ by row
    (…, 1).
    """
    evidence = log_e(x, c2)
    n = np.arange(1, x.shape[-1] + 1)
    near = x - x[..., :1]
    spread = np.cumsum(near**2, axis=-1) / n - (np.cumsum(near, axis=-1) / n) ** 2
    spread_there = spread > least_spread**2
    above = np.cumsum(x, axis=-1) > 0
    accepts = above & spread_there & (evidence >= -np.log(2 * np.asarray(level)))
    refuses = ~above & spread_there & (evidence >= -np.log(2 * alpha))
    return accepts, refuses


def first(crossed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of seeds at the first crossing along the last axis; beyond all where there is none."""
    return np.where(crossed.any(axis=-1), crossed.argmax(axis=-1) + 1, np.iinfo(np.int64).max)


@dataclass(frozen=True)
class Forecast:
    """What more seeds will probably bring, drawn from what the seeds so far leave open of mean and spread.

    Attributes:
        low, high: ends of the 80 % range of the seeds still to come until it is decided, either way; None
            where that lies beyond `by`.
        accepted: the chance that the candidate is accepted by then.
        by: the number of seeds up to which was looked.
    """

    low: int | None
    high: int | None
    accepted: float
    by: int


def forecast(x: Floats, level: float, alpha: float, by: int, c2: float = C2) -> Forecast | None:
    """Draw the seeds to come of undecided differences x (n,); None without two that differ.

    Mean and variance are drawn from their joint posterior under the usual prior 1/σ²: t and χ² with n − 1
    degrees of freedom. The same x gives the same answer.
    """
    n = x.size
    if n < 2 or by <= n or x.std() == 0:
        return None
    rng = np.random.Generator(np.random.Philox(0))
    variance = x.var(ddof=1) * (n - 1) / rng.chisquare(n - 1, (DRAWS, 1))
    mean = x.mean() + np.sqrt(variance / n) * rng.normal(size=(DRAWS, 1))
    ahead = mean + np.sqrt(variance) * rng.normal(size=(DRAWS, by - n))
    paths = np.concatenate([np.broadcast_to(x, (DRAWS, n)), ahead], axis=1)
    accepted, refused = map(first, crossings(paths, level, alpha, c2))
    decided = np.sort(np.minimum(accepted, refused))
    ends = [int(decided[int(quantile * DRAWS)]) for quantile in (0.1, 0.9)]
    low, high = (end - n if end <= by else None for end in ends)
    return Forecast(low, high, float(((accepted < refused) & (accepted <= by)).mean()), by)


@dataclass(frozen=True)
class Gate:
    """What is asked: does it improve by more than `margin`, at most so often wrongly?

    Attributes:
        level: the probability, at most, of accepting a candidate that is no better.
        alpha: that of saying "not" of one that is better, and the error rate of the search.
        most: seeds at most, None where no limit is named.
    """

    goal: Goal
    margin: float
    level: float
    alpha: float
    most: int | None = None
    c2: float = C2

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise TableError(f"alpha = {self.alpha:g}", hint="an error rate lies between 0 and 0.5")
        if not 0 <= self.margin < np.inf:
            raise TableError(
                f"a margin of {self.margin:g}", hint="give 0, or the smallest improvement that matters"
            )

    def refuse_hopeless(self) -> None:
        """TableError where the limit on seeds is too low for any candidate, however good."""
        least = least_seeds(self.level, self.c2)
        if self.most is not None and self.most < least:
            raise TableError(
                f"at most {self.most} seed{'' if self.most == 1 else 's'} can accept nothing: at the "
                f"level {self.level:.2g} of this comparison a decision takes {least} seeds at least, "
                "were they ever so clear",
                hint=f"allow {least} seeds or more, better twice as many",
            )


@dataclass(frozen=True)
class Pairs:
    """Values of base and candidate at the same seeds, in the order in which they count; NaN for a diverged
    run."""

    base: str
    candidate: str
    seeds: tuple[int, ...]
    base_values: tuple[float, ...]
    candidate_values: tuple[float, ...]


@dataclass(frozen=True)
class LeftOut:
    """Seeds that do not count, and why."""

    seeds: tuple[int, ...]
    why: str


@dataclass(frozen=True)
class Spent:
    """Where a comparison stands in its search.

    Attributes:
        comparison: its number among those that began.
        base: that of the next comparison.
        spent, left: of alpha, by what has begun and for all that is to come.
        accepted: the candidates that became the base, in order.
        head: the hash of the ledger's last line: who keeps it can see whether lines were cut off.
    """

    ledger: str
    comparison: int
    base: str
    spent: float
    left: float
    accepted: tuple[str, ...]
    torn: tuple[int, ...]
    head: str


@dataclass(frozen=True)
class Gated:
    """The verdict of a gate and what it rests on: the document `rigorkd.gate/1`.

    Attributes:
        level: the probability, at most, with which this comparison accepts a candidate that is no better.
        n: the seeds that the numbers are of, up to the decision; `seeds` are these.
        improvement: candidate − base in the direction of the goal. Its lower bound holds at `level`, the
            upper one at alpha, both at any stopping time.
        log_e, log_e_needed: the evidence, and what accepts.
        least_seeds: with fewer nothing can be accepted here.
        more_seeds: what it may still take; None once it is decided, or where nothing can be said.
        futile: whether it will hardly be accepted by the last seed that is allowed.
    """

    schema: str
    base: str
    candidate: str
    metric: str
    goal: Goal
    margin: float
    alpha: float
    level: float
    verdict: GateVerdict
    exit_code: int
    n: int
    decided_at: int | None
    seeds: tuple[int, ...]
    differences: tuple[float | None, ...]
    base_mean: float | None
    candidate_mean: float | None
    mean_diff: float | None
    sd_diff: float | None
    improvement: float | None
    improvement_low: float | None
    improvement_high: float | None
    log_e: float | None
    log_e_needed: float
    least_seeds: int
    max_seeds: int | None
    more_seeds: Forecast | None
    futile: bool
    left_out: tuple[LeftOut, ...]
    search: Spent | None
    says: str
    warnings: tuple[str, ...]


def judge(
    gate: Gate,
    pairs: Pairs,
    metric: str,
    phrasing: Phrasing,
    *,
    left_out: Sequence[LeftOut] = (),
    warnings: Sequence[str] = (),
) -> Gated:
    """Judge a candidate by the seeds so far, in their order; what was decided stays decided.

    A run that diverged is an outcome, and what is left without it a selection: nothing is decided then.
    """
    base, candidate = np.array(pairs.base_values), np.array(pairs.candidate_values)
    raw = candidate - base
    whole = ~np.isnan(raw)
    sign = 1.0 if gate.goal == "max" else -1.0
    d = sign * raw
    lost = tuple(seed for seed, there in zip(pairs.seeds, whole, strict=True) if not there)
    size = float(np.nanmax(np.abs(np.concatenate([base, candidate])))) if whole.any() else 1.0
    accepted = refused = never = np.iinfo(np.int64).max
    if d.size and not lost:
        found = crossings(d - gate.margin, gate.level, gate.alpha, gate.c2, NOISE * max(size, gate.margin))
        accepted, refused = (int(first(one)) for one in found)
    decided_at = None if min(accepted, refused) == never else min(accepted, refused)
    n = decided_at or d.size
    used, there = d[:n], whole[:n]
    seen = used[there]
    spread = float(seen.std(ddof=1)) if seen.size > 1 else float("nan")
    sides = np.vstack([base, candidate])[:, :n][:, there]
    alike = rounding(sides, last_digit(sides))
    flat = seen.size > 1 and (spread <= NOISE * size or float(np.ptp(seen)) <= alike)
    low = high = evidence = None
    if seen.size > 1 and not flat and not lost:
        low = or_none(interval(used, gate.c2, 2 * gate.level)[0][-1])
        high = or_none(interval(used, gate.c2, 2 * gate.alpha)[1][-1])
        evidence = or_none(log_e(used - gate.margin, gate.c2)[-1])
    verdict = GateVerdict.UNDECIDED
    if decided_at is not None:
        both = None if decided_at != refused else float(interval(used, gate.c2, 2 * gate.alpha)[0][-1])
        verdict = GateVerdict.BETTER if both is None else _refusal(both, high, gate.margin)
    least = least_seeds(gate.level, gate.c2)
    ahead = None
    if verdict is GateVerdict.UNDECIDED and not lost and not flat:
        by = max(least, min(HORIZON, 4 * max(d.size, least))) if gate.most is None else gate.most
        ahead = forecast(d - gate.margin, gate.level, gate.alpha, by, gate.c2)
    limit = gate.most is not None and verdict is GateVerdict.UNDECIDED
    ended = limit and (bool(lost) or d.size >= (gate.most or 0))
    futile = limit and (ended or (d.size > 2 and ahead is not None and ahead.accepted < FUTILE))
    result = Gated(
        schema="rigorkd.gate/1",
        base=pairs.base,
        candidate=pairs.candidate,
        metric=metric,
        goal=gate.goal,
        margin=gate.margin,
        alpha=gate.alpha,
        level=gate.level,
        verdict=verdict,
        exit_code=verdict.exit_code,
        n=int(seen.size),
        decided_at=decided_at,
        seeds=pairs.seeds[:n],
        differences=tuple(or_none(value) for value in raw[:n]),
        base_mean=_mean(base[:n][there]),
        candidate_mean=_mean(candidate[:n][there]),
        mean_diff=_mean(raw[:n][there]),
        sd_diff=or_none(spread),
        improvement=_mean(seen),
        improvement_low=low,
        improvement_high=high,
        log_e=evidence,
        log_e_needed=float(-np.log(2 * gate.level)),
        least_seeds=least,
        max_seeds=gate.most,
        more_seeds=ahead,
        futile=futile,
        left_out=tuple(left_out),
        search=None,
        says="",
        warnings=(*warnings, *_warnings(flat, lost, d.size - n)),
    )
    return _said(result, phrasing, lost, flat)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if values.size else None


def _refusal(low: float, high: float | None, margin: float) -> GateVerdict:
    """What is said of a candidate that is not better by more than the margin: its interval tells."""
    if high is not None and high < 0:
        return GateVerdict.WORSE
    return GateVerdict.EQUIVALENT if low > -margin else GateVerdict.NO_BETTER


def _warnings(flat: bool, lost: tuple[int, ...], unused: int) -> tuple[str, ...]:
    found = []
    if flat:
        found.append("the differences are the same at every seed: the seed may not reach the training")
    if lost:
        listed = ", ".join(map(str, lost))
        found.append(f"runs diverged at seed {listed}: what is left is a selection, so nothing is decided")
    if unused:
        more = f"{unused} more seeds are there; they change"
        more = "1 more seed is there; it changes" if unused == 1 else more
        found.append(f"{more} nothing once it is decided")
    return tuple(found)


# ------------------------------------------------------------------------------------------------ in words


def _said(found: Gated, say: Phrasing, lost: tuple[int, ...], flat: bool) -> Gated:
    by = f" by more than {say.number(found.margin)}{say.unit}" if found.margin else ""
    pair = f"{found.candidate} against {found.base}"
    n = f"{found.n} seed" + ("" if found.n == 1 else "s")
    gain = f"{say.number(found.improvement, True)}{say.unit}"
    low, high = (say.bound(end) for end in (found.improvement_low, found.improvement_high))
    match found.verdict:
        case GateVerdict.BETTER:
            text = f"{gain} over {n}, at least {low} (error {found.level:.2g})"
            question = f"better{by}"
        case GateVerdict.WORSE:
            text = f"{gain} over {n}, at most {high} (error {found.alpha:.2g})"
            question = "worse"
        case GateVerdict.EQUIVALENT:
            text = f"{gain} over {n}, within ±{say.number(found.margin)}{say.unit} (error {found.alpha:.2g})"
            question = "equivalent"
        case GateVerdict.NO_BETTER:
            text = f"{gain} over {n}, at most {high} (error {found.alpha:.2g})"
            question = f"not better{by}"
        case _:
            question = f"undecided whether better{by}"
            text = (
                f"{gain} over {n}; {_outlook(found, lost, flat)}" if found.n else _outlook(found, lost, flat)
            )
    return replace(found, says=f"{question}: {pair}, {text}.")


def _outlook(found: Gated, lost: tuple[int, ...], flat: bool) -> str:
    """What an undecided comparison may still take."""
    if lost:
        return "a run diverged"
    if flat:
        return "the same difference at every seed"
    if found.max_seeds is not None and len(found.seeds) >= found.max_seeds:
        return f"stopped at {len(found.seeds)} seeds"
    have = f"{len(found.seeds)} seed" + ("" if len(found.seeds) == 1 else "s")
    needs = f"{have} can accept nothing here, {found.least_seeds} at least are needed"
    early = needs if len(found.seeds) < found.least_seeds else ""
    ahead = found.more_seeds
    if ahead is None:
        return early or "more seeds are needed"
    if ahead.low is None:
        likely = f"hardly decided by seed number {ahead.by}"
    elif ahead.high is None:
        likely = f"probably at least {ahead.low} more seed{'' if ahead.low == 1 else 's'}"
    elif ahead.low == ahead.high:
        likely = f"probably {ahead.low} more seed" + ("" if ahead.low == 1 else "s")
    else:
        likely = f"probably {ahead.low} to {ahead.high} more seeds"
    if found.max_seeds is not None:
        chance = (
            f"accepted by seed number {ahead.by} with a chance of {percent_text(round(ahead.accepted, 2))}"
        )
        likely += f", {chance}"
    return "; ".join(part for part in (early, likely) if part)
