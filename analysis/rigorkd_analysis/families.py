"""A family of comparisons: statistics of all, correction over all, then each one's verdict and words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rigorkd_analysis.adjust import adjust
from rigorkd_analysis.combinations import Combination
from rigorkd_analysis.consistency import consistency
from rigorkd_analysis.metrics import Goal
from rigorkd_analysis.paired import Settings, Statistics, statistics
from rigorkd_analysis.plan import Plan
from rigorkd_analysis.results import Comparison, Family, FamilyName
from rigorkd_analysis.table import Runs
from rigorkd_analysis.verdicts import Evidence, Verdict, verdict
from rigorkd_analysis.wording import Context, Facts, Names, Phrasing, conjunction, sentence

Floats = NDArray[np.float64]

#: A design whose detectable effect is this many standard deviations of the difference decides nothing.
ABSURD_DZ = 4.0
#: Mean lengths of training further apart than this share make a comparison one of lengths, too.
LENGTHS_DIFFER = 0.05


@dataclass(frozen=True)
class Asked:
    """What families share: the table, the plan, and how things are called."""

    runs: Runs
    plan: Plan
    goal: Goal
    phrasing: Phrasing
    names: Names


def build(asked: Asked, name: FamilyName, planned: bool, parts: list[Combination]) -> Family:
    """Judge these combinations as one family."""
    runs, plan = asked.runs, asked.plan
    size = len(parts)
    settings = Settings(plan.alpha, 1 if plan.correction == "none" else size, plan.sesoi)
    simple = [part for part in parts if not part.members]
    stats = _statistics(runs, simple, settings)
    at = {id(part): row for row, part in enumerate(simple)}
    p, p_equivalence = np.full(size, np.nan), np.full(size, np.nan)
    unions: dict[int, Conjunction] = {}
    for position, part in enumerate(parts):
        if part.members:
            unions[position] = Conjunction.of(runs, part, settings)
            p[position], p_equivalence[position] = unions[position].p, unions[position].p_equivalence
        else:
            p[position] = stats.p[at[id(part)]]
            p_equivalence[position] = stats.p_equivalence[at[id(part)]]
    p_adjusted = adjust(p, plan.correction)
    p_equivalence_adjusted = adjust(p_equivalence, plan.correction)
    context = Context(plan.alpha, plan.correction, size, plan.sesoi, plan.joint, asked.phrasing)
    comparisons = []
    for position, part in enumerate(parts):
        adjusted = (_or_none(p_adjusted[position]), _or_none(p_equivalence_adjusted[position]))
        if position in unions:
            comparisons.append(_conjunction(asked, context, part, unions[position], adjusted))
        else:
            kind = "gain" if name == "gains" else "contrast"
            comparisons.append(_comparison(asked, context, part, stats, at[id(part)], adjusted, kind))
    together = None
    if name == "gains":
        cells = [cell for part in parts for cell in part.cells]
        together = consistency(
            differences(runs, parts),
            asked.goal,
            plan.alpha,
            asked.phrasing,
            converged_only=bool(runs.diverged[cells].any()),
        )
    return Family(name, planned, size, tuple(comparisons), together)


def differences(runs: Runs, parts: list[Combination]) -> Floats:
    """Σ weight · cell per seed, shape (k, seeds), NaN where a cell has no finished run at that seed."""
    out = np.empty((len(parts), len(runs.seeds)))
    pairs = [i for i, part in enumerate(parts) if part.a is not None]
    if pairs:
        a, b = _sides(parts, pairs)
        out[pairs] = runs.values[a] - runs.values[b]
    for i, part in enumerate(parts):
        if part.a is None:
            cells = [cell for cell, _ in part.weights]
            weights = np.array([weight for _, weight in part.weights])
            out[i] = weights @ runs.values[cells]
    return out


def _sides(parts: list[Combination], rows: list[int]) -> tuple[list[int], list[int]]:
    return [parts[i].a or 0 for i in rows], [parts[i].b or 0 for i in rows]


def _statistics(runs: Runs, parts: list[Combination], settings: Settings) -> Statistics:
    d = differences(runs, parts)
    a, b = np.full(d.shape, np.nan), np.full(d.shape, np.nan)
    pairs = [i for i, part in enumerate(parts) if part.a is not None]
    if pairs:
        left, right = _sides(parts, pairs)
        a[pairs], b[pairs] = runs.values[left], runs.values[right]
    others = [i for i, part in enumerate(parts) if part.a is None]
    if not others:
        return statistics(d, settings, a, b)
    # contrasts of several cells have no two sides; their spread is judged against the cells' own size
    joined = statistics(d, settings)
    if not pairs:
        return joined
    paired = statistics(d[pairs], settings, a[pairs], b[pairs])
    merged = {}
    for field, values in vars(joined).items():
        values = values.copy()
        values[pairs] = getattr(paired, field)
        merged[field] = values
    return Statistics(**merged)


@dataclass(frozen=True)
class Conjunction:
    """An intersection–union test over gains: the largest p of its members, 1 if they disagree in sign."""

    p: float
    p_equivalence: float
    sign: int
    seeds: tuple[int, ...]
    weakest: float

    @classmethod
    def of(cls, runs: Runs, part: Combination, settings: Settings) -> Conjunction:
        members = [Combination("", a, b, ((a, 1.0), (b, -1.0))) for a, b in part.members]
        stats = _statistics(runs, members, replace(settings, m=1))
        d = differences(runs, members)
        seeds = tuple(np.array(runs.seeds)[~np.isnan(d).any(axis=0)].tolist())
        signs = np.unique(np.sign(stats.mean_diff))  # NaN where a member has no seed
        sign = int(signs[0]) if len(signs) == 1 and np.isfinite(signs[0]) else 0
        p = float(np.max(stats.p)) if sign or np.isnan(stats.p).any() else 1.0
        weakest = float(np.min(np.abs(stats.mean_diff))) * sign if sign else 0.0
        return cls(p, float(np.max(stats.p_equivalence)), sign, seeds, weakest)

    def jointly(self, m: int) -> tuple[float | None, float | None]:
        """The p-values below alpha exactly where all two-sided intervals at 1 − alpha/m show the same.

        Such an interval lies within ±SESOI where both one-sided tests hold at alpha/(2m).
        """
        return _or_none(min(1.0, m * self.p)), _or_none(min(1.0, 2 * m * self.p_equivalence))


def _conjunction(
    asked: Asked,
    context: Context,
    part: Combination,
    union: Conjunction,
    adjusted: tuple[float | None, float | None],
) -> Comparison:
    runs, plan = asked.runs, asked.plan
    a, b = [a for a, _ in part.members], [b for _, b in part.members]
    m = 1 if plan.correction == "none" else context.size
    judged_by = union.jointly(m) if plan.joint else adjusted
    evidence = Evidence(
        mean_diff=union.weakest if union.sign else 0.0,
        p_adjusted=judged_by[0],
        p_equivalence_adjusted=judged_by[1],
        simultaneous=None,
        diverged_a=bool(runs.diverged[a].any()),
        diverged_b=bool(runs.diverged[b].any()),
    )
    decided, magnitude = verdict(evidence, goal=asked.goal, alpha=plan.alpha, sesoi=plan.sesoi, joint=False)
    if not union.sign and decided is not Verdict.EQUIVALENT:
        decided, magnitude = Verdict.INCONCLUSIVE, None
    warnings = _warnings(asked, part, len(union.seeds), False, None)
    n = len(union.seeds)
    nothing = Facts(
        "all_of", None, (None, None), (None, None), None, None, adjusted[0], adjusted[1], None,
        n, decided, magnitude, evidence.diverged_a or evidence.diverged_b,
        "one of its gains cannot be tested" if n > 1 else _reason(n, False),
    )  # fmt: skip
    return _empty(
        part.name,
        seeds=union.seeds,
        p=_or_none(union.p),
        p_adjusted=adjusted[0],
        p_equivalence=_or_none(union.p_equivalence),
        p_equivalence_adjusted=adjusted[1],
        verdict=decided,
        magnitude=magnitude,
        says=conjunction(nothing, context, part.name),
        warnings=warnings,
    )


def _empty(name: str, **known: object) -> Comparison:
    """A comparison of which only some fields exist."""
    seeds = known["seeds"]
    assert isinstance(seeds, tuple)
    values: dict[str, object] = dict.fromkeys(Comparison.__dataclass_fields__)
    values.update(name=name, weights={}, n=len(seeds))
    values.update(known)
    return Comparison(**values)  # type: ignore[arg-type]


def _comparison(
    asked: Asked,
    context: Context,
    part: Combination,
    stats: Statistics,
    row: int,
    adjusted: tuple[float | None, float | None],
    kind: str,
) -> Comparison:
    runs, plan = asked.runs, asked.plan

    def value(name: str) -> float | None:
        return _or_none(getattr(stats, name)[row])

    def whole(name: str) -> int | None:
        number = value(name)
        return None if number is None else int(number)

    positive = [cell for cell, weight in part.weights if weight > 0]
    negative = [cell for cell, weight in part.weights if weight < 0]
    cells = [cell for cell, _ in part.weights]
    n = int(stats.n[row])
    constant = bool(stats.constant[row])
    low, high = value("ci_simultaneous_low"), value("ci_simultaneous_high")
    evidence = Evidence(
        mean_diff=value("mean_diff"),
        p_adjusted=adjusted[0],
        p_equivalence_adjusted=adjusted[1],
        simultaneous=None if low is None or high is None else (low, high),
        diverged_a=bool(runs.diverged[positive].any()),
        diverged_b=bool(runs.diverged[negative].any()),
    )
    decided, magnitude = verdict(
        evidence, goal=asked.goal, alpha=plan.alpha, sesoi=plan.sesoi, joint=plan.joint
    )
    facts = Facts(
        kind=kind,
        mean_diff=evidence.mean_diff,
        ci=(value("ci_low"), value("ci_high")),
        equivalence_ci=(value("equivalence_ci_low"), value("equivalence_ci_high")),
        t=value("t"),
        df=n - 1,
        p_adjusted=adjusted[0],
        p_equivalence_adjusted=adjusted[1],
        mde=value("mde"),
        n=n,
        verdict=decided,
        magnitude=magnitude,
        converged_only=evidence.diverged_a or evidence.diverged_b,
        reason=_reason(n, constant),
    )
    students = {runs.student(cell) for cell in cells}
    student = students.pop() if len(students) == 1 else None
    subject, of = _subject(asked, part, kind, student)
    there = np.asarray(~np.isnan(runs.values[cells]).any(axis=0))
    return Comparison(
        name=part.name,
        a=None if part.a is None else runs.cells[part.a],
        b=None if part.b is None else runs.cells[part.b],
        weights={runs.cells[cell]: weight for cell, weight in part.weights},
        student=student,
        n=n,
        seeds=tuple(seed for seed, used in zip(runs.seeds, there, strict=True) if used),
        mean_diff=evidence.mean_diff,
        sd_diff=value("sd_diff"),
        ci_low=value("ci_low"),
        ci_high=value("ci_high"),
        ci_simultaneous_low=low,
        ci_simultaneous_high=high,
        t=value("t"),
        df=n - 1 if value("t") is not None else None,
        p=value("p"),
        p_adjusted=adjusted[0],
        p_signflip=value("p_signflip"),
        p_signflip_floor=value("p_signflip_floor"),
        p_wilcoxon=value("p_wilcoxon"),
        p_welch=value("p_welch"),
        dz=value("dz"),
        dz_ci_low=value("dz_ci_low"),
        dz_ci_high=value("dz_ci_high"),
        g_z=value("g_z"),
        g_av=value("g_av"),
        r=value("r"),
        variance_ratio=value("variance_ratio"),
        p_equivalence=value("p_equivalence"),
        p_equivalence_adjusted=adjusted[1],
        equivalence_ci_low=value("equivalence_ci_low"),
        equivalence_ci_high=value("equivalence_ci_high"),
        mde=value("mde"),
        seeds_needed=whole("seeds_needed"),
        seeds_needed_low=whole("seeds_needed_low"),
        seeds_needed_high=whole("seeds_needed_high"),
        verdict=decided,
        magnitude=magnitude,
        says=sentence(facts, context, subject, of),
        warnings=_warnings(asked, part, n, constant, value("mde_dz")),
    )


def _subject(asked: Asked, part: Combination, kind: str, student: str | None) -> tuple[str, str]:
    if kind == "gain" and part.a is not None:
        return asked.names.cell(part.a), student or ""
    return (f"{part.name} ({part.subject})" if part.subject else part.name), ""


def _reason(n: int, constant: bool) -> str:
    if n == 0:
        return "no seed has all the cells it needs"
    if n == 1:
        return "one seed has no spread to test against"
    return "the difference has no spread over seeds" if constant else "it cannot be computed"


def _warnings(
    asked: Asked, part: Combination, n: int, constant: bool, mde_dz: float | None
) -> tuple[str, ...]:
    runs, plan = asked.runs, asked.plan
    cells, out = part.cells, []
    diverged = runs.diverged[cells]
    if diverged.any():
        lost = [
            f"{runs.cells[cell]} {_seeds(runs, row)}"
            for cell, row in zip(cells, diverged, strict=True)
            if row.any()
        ]
        out.append(f"among converged seeds only; diverged: {'; '.join(lost)}")
    there = ~np.isnan(runs.values[cells])
    missing = np.asarray(there.any(axis=0) & ~(there | diverged).all(axis=0))
    if missing.any():
        out.append(f"missing pairs: {_seeds(runs, missing)} lack a run in some of the cells")
    if n == 0:
        out.append("no seed has all the cells it needs")
    elif n == 1:
        out.append("n = 1: one seed has no spread, so nothing is tested; see `rigorkd audit`")
    elif constant:
        values = differences(runs, [part])[0] if part.weights else np.array([np.nan])
        same = np.nanmax(np.abs(values)) == 0
        out.append(
            "zero variance: the runs are identical at every seed"
            if same
            else "zero variance: the difference is the same at every seed, as if the runs were copies"
        )
    elif n < 5:
        out.append(f"n = {n}: fewer than 5 seeds" + ("; nearly nothing can be shown" if n == 2 else ""))
    if mde_dz is not None and mde_dz > ABSURD_DZ and not constant:
        out.append(f"this design cannot decide: it detects differences of {mde_dz:.1f} standard deviations")
    lengths = _lengths(runs, cells)
    if lengths:
        out.append(lengths)
    earlier = [look for look in plan.looks if look < n]
    if earlier:
        out.append(
            "repeated look, not valid at alpha: analysed before at n = "
            f"{', '.join(map(str, sorted(set(earlier))))}; use --sequential"
        )
    return tuple(out)


def _seeds(runs: Runs, which: NDArray[np.bool_]) -> str:
    seeds = [str(seed) for seed, flag in zip(runs.seeds, which, strict=True) if flag]
    shown = ", ".join(seeds[:10]) + (", …" if len(seeds) > 10 else "")
    return f"seed {shown}" if len(seeds) == 1 else f"seeds {shown}"


def _lengths(runs: Runs, cells: list[int]) -> str:
    if runs.epochs_run is None:
        return ""
    lengths = runs.epochs_run[cells]
    if np.isnan(lengths).all(axis=1).any():
        return ""
    means = np.nanmean(lengths, axis=1)
    if means.max() - means.min() <= LENGTHS_DIFFER * means.max():
        return ""
    listed = ", ".join(f"{runs.cells[cell]} {mean:.4g}" for cell, mean in zip(cells, means, strict=True))
    return f"trained for different lengths (epochs: {listed}): the difference is confounded with length"


def _or_none(value: float) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
