"""Repeated-measures F tests over seeds: the T × alpha structure of distilled cells, and all gains together.

A complete grid gets both main effects and the interaction; a cross gets one test per arm, since its
interaction is not identifiable. Sphericity is not assumed: degrees of freedom are multiplied by
Greenhouse and Geisser's ε (1959), which at n = 5 is conservative. Each test is on orthonormal contrasts Y of
an effect, shape (seeds, q), with mean ȳ and covariance S:

    F = n·ȳᵀȳ / tr S,   ε = (tr S)² / (q · tr S²),   df = ε·q and ε·q·(n − 1)

A study of many teacher × student × data settings is summed up over its settings (`consistency`), not by a
count of stars: ten gains of which two are significant may all be equal, and ten that are not significant may
together be clear.

All of it pairs runs by seed, so there is none of it where a plan compares runs without pairing them. Planned
looks multiply p-values by their number (Bonferroni), which holds for any test.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import special

from rigorkd_analysis.axes import mean_over_unknown, settings_of, varying
from rigorkd_analysis.axis_names import AXES
from rigorkd_analysis.baseline_matching import distilled
from rigorkd_analysis.likeness import on_what
from rigorkd_analysis.offered_baselines import is_called_baseline
from rigorkd_analysis.questions import LinearContrast, Question, differences
from rigorkd_analysis.runs import Runs
from rigorkd_analysis.stats.adjust import adjust
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.moments import NOISE, Floats, mean_interval, or_nan, or_none
from rigorkd_analysis.stats.paired import t_test
from rigorkd_analysis.wording import adjusted_name, over_what, p_text, percent_text

_WEIGHTS = ("alpha", "ce_weight", "kd_weight")
#: What all cells of one grid share: everything that can be an axis, but T and the weights.
_WHOSE = ("group", "student", "method")
_FIXED = (*_WHOSE, *(axis for axis in AXES if axis not in ("T", *_WEIGHTS)))
_SYMBOL = {"T": "T", "alpha": "α"}
NOT_SHOWN = "are not shown to differ from each other"
"""What is said of settings of whose gains the F test rejects nothing."""

#: Fewer gains are not summed up.
MIN_SETTINGS = 3
_MAX_TESTED = 100


@dataclass(frozen=True)
class FTest:
    """A repeated-measures F test with Greenhouse–Geisser ε, or a single-df contrast (then ε is 1).

    `p_adjusted` is by Holm over the tests of its own set of cells; `p_together`, which words and tables
    hold to, over those of all sets.
    """

    effect: str
    cells: tuple[str, ...]
    n: int
    F: float | None
    df_effect: float
    df_error: float
    epsilon: float | None
    p_uncorrected: float | None
    p: float | None
    p_adjusted: float | None
    p_together: float | None = None


@dataclass(frozen=True)
class Factorial:
    """The T × alpha structure of one student's cells: a complete grid, or the arms of a cross.

    `teacher` is named where the student has several, each with a structure of its own, and `settings` where
    it has structures at several of others: `lr = 0.1`. `beside` is the part of what it `says` that speaks of
    comparisons of the same cells.
    """

    student: str | None
    group: str | None
    method: str | None
    design: Literal["grid", "arms"]
    tests: tuple[FTest, ...]
    contrasts: tuple[FTest, ...]
    says: str
    teacher: str | None = None
    beside: str = ""
    settings: str = ""


@dataclass(frozen=True)
class Consistency:
    """All gains of a family taken together, instead of a count of stars. The settings are these very ones.

    Attributes:
        mean, ci_low, ci_high: of the gain averaged over the settings, a t interval over seeds; of several
            methods at 1 − α/k (Bonferroni).
        favourable: settings whose mean difference points the way of the goal.
        between_sd: standard deviation of the true gains between settings, beyond the noise of seeds.
        p_equal: Greenhouse–Geisser F test that all settings gain the same; None for more than 100.
        alike: whether all are of one method on one data set: else their mean sums up, and is no finding.
        method: whose gains these are, where a family holds those of several methods.
        mixed: whether it is a mean over several methods, or over nobody knows what, which no page says.
        not_valid: why it is no finding, though said with its numbers: it rests on a run that fell far behind.
    """

    settings: int
    n: int
    mean: float
    ci_low: float | None
    ci_high: float | None
    favourable: int
    between_sd: float | None
    p_equal: float | None
    says: str
    alike: bool = True
    method: str | None = None
    mixed: bool = False
    not_valid: str | None = None


def factorials(question: Question) -> list[Factorial]:
    """One analysis per set of cells that differ in T and alpha (or another weight) alone.

    None where the plan does not pair runs by seed.
    """
    if question.plan.test == "unpaired":
        return []
    return _factorials(question)


def _factorials(question: Question) -> list[Factorial]:
    runs = question.runs
    sets: dict[tuple[str, ...], list[int]] = {}
    for cell in distilled(runs):
        if runs.number("T", cell) is not None:
            sets.setdefault(tuple(runs.text(column, cell) for column in _FIXED), []).append(cell)
    out = []
    for key, cells in sets.items():
        if len(cells) < 2:
            continue
        weight = next((name for name in _WEIGHTS if runs.number(name, cells[0]) is not None), None)
        found = _factorial(question, cells, weight, dict(zip(_FIXED, key, strict=True)))
        if found is not None:
            fixed = dict(zip(_FIXED, key, strict=True))
            like = [other for other in sets if all(other[at] == key[at] for at in range(len(_WHOSE)))]
            apart = _set_apart(runs, cells, [cell for other in like for cell in sets[other]])
            out.append(replace(found, teacher=fixed["teacher"] or None, settings=apart))
    teachers: dict[tuple[str | None, str | None], set[str | None]] = {}
    for one in out:
        teachers.setdefault((one.student, one.group), set()).add(one.teacher)
    out = [one if len(teachers[one.student, one.group]) > 1 else replace(one, teacher=None) for one in out]
    return _judged_together(question, out)


def _set_apart(runs: Runs, cells: Sequence[int], among: Sequence[int]) -> str:
    """What the cells of one structure have in common that others of the same student and method have not."""
    named = [name for name in varying(runs, among) if name not in ("T", *_WEIGHTS, *_WHOSE, "teacher")]
    told = []
    for name in named:
        values = {runs.text(name, cell).removesuffix(".0") for cell in cells}
        told += [f"{name} = {value}" for value in values if value and len(values) == 1]
    return ", ".join(told)


def _judged_together(question: Question, sets: Sequence[Factorial]) -> list[Factorial]:
    """The sets with p by Holm over the tests of all of them: a reader meets these side by side."""
    looks = max(1, len(question.plan.interim))
    of_tests = iter(_adjusted([test for one in sets for test in one.tests], looks))
    of_contrasts = iter(_adjusted([test for one in sets for test in one.contrasts], looks))
    total = sum(len(one.tests) for one in sets)
    out = []
    for one in sets:
        own = tuple(replace(test, p_together=next(of_tests)) for test in one.tests)
        lead = f"{whom}: " if (whom := whose(one, sets)) else ""
        says = f"{lead}{_says(question, own, total)}{one.says}"
        of_degree = tuple(replace(test, p_together=next(of_contrasts)) for test in one.contrasts)
        out.append(replace(one, tests=own, contrasts=of_degree, says=says))
    return out


def whose(item: Factorial, among: Sequence[Factorial]) -> str:
    """Whose T and α are tested: student, group and, where there are several, the teacher and the method."""
    lead = "/".join(part for part in (item.group, item.student) if part)
    lead = f"{lead} from {item.teacher}".strip() if item.teacher else lead
    methods = {
        other.method
        for other in among
        if (other.student, other.group, other.teacher) == (item.student, item.group, item.teacher)
    }
    lead = f"{lead}, {item.method}".strip(", ") if item.method and len(methods) > 1 else lead
    return f"{lead} at {item.settings}".strip() if item.settings else lead


def column_of(symbol: str) -> str:
    """The column that a symbol of an effect stands for."""
    return next((column for column, own in _SYMBOL.items() if own == symbol), symbol)


def is_judged(test: FTest) -> bool:
    """Whether a test could be done at all."""
    return test.F is not None and test.epsilon is not None


def _factorial(
    question: Question, cells: list[int], weight: str | None, key: dict[str, str]
) -> Factorial | None:
    """The tests of one set of cells, adjusted over its own alone; it says what the design leaves open."""
    runs = question.runs
    at: dict[tuple[float, float], int] = {}
    for cell in cells:
        point = (runs.number("T", cell) or 0.0, (runs.number(weight, cell) if weight else None) or 0.0)
        if point in at:  # something else tells these cells apart: no grid of T and alpha
            return None
        at[point] = cell
    temperatures = sorted({T for T, _ in at})
    weights = sorted({w for _, w in at})
    symbol = _SYMBOL.get(weight or "", weight or "")
    tests: list[FTest] = []
    contrasts: list[FTest] = []
    complete = len(at) == len(temperatures) * len(weights)
    design: Literal["grid", "arms"]
    if complete and len(temperatures) > 1 and len(weights) > 1:
        design = "grid"
        grid = [at[(T, w)] for T in temperatures for w in weights]
        tests, contrasts = _grid(runs, grid, np.array(temperatures), np.array(weights), symbol)
    else:
        design = "arms"
        for arm in _arms(at, temperatures, weights, symbol):
            test, own = _arm(runs, *arm)
            tests.append(test)
            contrasts += own
    if not tests:
        return None
    looks = max(1, len(question.plan.interim))
    is_cross = design == "arms" and len(temperatures) > 1 and len(weights) > 1
    cross = f" The cells form a cross, not a grid: the interaction of T and {symbol} is not identifiable."
    if _has_square(at):
        cross = f" The grid of T and {symbol} is not complete: their interaction is not tested."
    return Factorial(
        student=key["student"] or None,
        group=key["group"] or None,
        method=key["method"] or None,
        design=design,
        tests=_of_one_set(tests, looks),
        contrasts=_of_one_set(contrasts, looks),
        says=cross * is_cross,
    )


def _of_one_set(tests: Sequence[FTest], looks: int) -> tuple[FTest, ...]:
    adjusted = _adjusted(tests, looks)
    return tuple(replace(test, p_adjusted=p) for test, p in zip(tests, adjusted, strict=True))


def _arms(
    at: dict[tuple[float, float], int], temperatures: list[float], weights: list[float], symbol: str
) -> list[tuple[str, list[int], Floats]]:
    arms: list[tuple[str, list[int], Floats]] = []
    for w in weights:
        along = [T for T in temperatures if (T, w) in at]
        if len(along) > 1:
            where = f" at {symbol} = {w:g}" if symbol else ""
            arms.append((f"T{where}", [at[(T, w)] for T in along], np.array(along)))
    for T in temperatures:
        along = [w for w in weights if (T, w) in at]
        if len(along) > 1:
            arms.append((f"{symbol} at T = {T:g}", [at[(T, w)] for w in along], np.array(along)))
    return arms


def _arm(runs: Runs, effect: str, cells: list[int], levels: Floats) -> tuple[FTest, list[FTest]]:
    data, names, basis = (
        _complete(runs, cells),
        tuple(runs.cells[cell] for cell in cells),
        _polynomials(levels),
    )
    return repeated_measures(data, basis, effect, names), _by_degree(data, basis, effect, names)


def _grid(
    runs: Runs, cells: list[int], temperatures: Floats, weights: Floats, symbol: str
) -> tuple[list[FTest], list[FTest]]:
    data, names = _complete(runs, cells), tuple(runs.cells[cell] for cell in cells)
    over_T, over_w = _polynomials(temperatures), _polynomials(weights)
    flat_T = np.full((temperatures.size, 1), temperatures.size**-0.5)
    flat_w = np.full((weights.size, 1), weights.size**-0.5)
    bases: dict[str, Floats] = {
        "T": np.kron(over_T, flat_w),
        symbol: np.kron(flat_T, over_w),
        f"T × {symbol}": np.asarray(np.kron(over_T, over_w), dtype=np.float64),
    }
    tests = [repeated_measures(data, basis, effect, names) for effect, basis in bases.items()]
    mains = [_by_degree(data, bases[effect], effect, names) for effect in ("T", symbol)]
    return tests, [contrast for main in mains for contrast in main]


def _by_degree(data: Floats, basis: Floats, effect: str, names: tuple[str, ...]) -> list[FTest]:
    """The linear and the quadratic part of an effect, each with one degree of freedom."""
    return [
        repeated_measures(data, basis[:, degree : degree + 1], f"{effect}: {name}", names)
        for degree, name in enumerate(("linear", "quadratic"))
        if degree < basis.shape[1]
    ]


def _complete(runs: Runs, cells: list[int]) -> Floats:
    values = runs.values[cells]
    return np.asarray(values[:, ~np.isnan(values).any(axis=0)].T)


def _polynomials(levels: Floats) -> Floats:
    """Orthonormal polynomial contrasts of the levels as they are spaced, shape (k, k − 1): linear first."""
    k = levels.size
    centred = (levels - levels.mean()) / np.abs(levels - levels.mean()).max()
    q, r = np.linalg.qr(np.vander(centred, k, increasing=True))
    return np.asarray(q[:, 1:] * np.sign(np.diag(r)[1:]), dtype=np.float64)


def repeated_measures(data: Floats, basis: Floats, effect: str = "", cells: tuple[str, ...] = ()) -> FTest:
    """The F test that the contrasts `basis` (cells, q, orthonormal) of `data` (seeds, cells) are all 0."""
    n, q = data.shape[0], basis.shape[1]
    empty = FTest(effect, cells, n, None, float(q), float(q * max(n - 1, 0)), None, None, None, None)
    if n < 2:
        return empty
    y = data @ basis
    mean = y.mean(axis=0)
    S = np.atleast_2d(np.cov(y, rowvar=False))
    trace = float(np.trace(S))
    if trace <= NOISE**2 * float((data**2).max()):
        return empty
    F = float(n * mean @ mean / trace)
    epsilon = trace**2 / (q * float((S * S).sum()))
    df_effect, df_error = epsilon * q, epsilon * q * (n - 1)
    return replace(
        empty,
        F=F,
        df_effect=df_effect,
        df_error=df_error,
        epsilon=epsilon,
        p_uncorrected=float(special.fdtrc(q, q * (n - 1), F)),
        p=float(special.fdtrc(df_effect, df_error, F)),
    )


def _has_square(at: Collection[tuple[float, float]]) -> bool:
    """Whether two temperatures have two weights in common: there is an interaction, complete grid or not."""
    own: dict[float, set[float]] = {}
    for T, weight in at:
        own.setdefault(T, set()).add(weight)
    return any(len(one & other) > 1 for one, other in combinations(own.values(), 2))


def _adjusted(tests: Sequence[FTest], looks: int) -> list[float | None]:
    """Their p by Holm over the tests, and by Bonferroni over the planned looks."""
    p = np.minimum(1.0, looks * adjust(or_nan(test.p for test in tests), "holm")) if tests else ()
    return [or_none(value) for value in p]


def _says(question: Question, tests: tuple[FTest, ...], total: int) -> str:
    """The tests of one set in words, of so many in `total` over which they are adjusted."""
    alpha = question.plan.alpha
    parts = []
    looks = question.plan.interim
    p_name = "Holm-adjusted p" if total > 1 else "p"
    over = [f"{total} tests"] * (total > len(tests)) + [f"{len(looks)} looks"] * bool(looks)
    p_name += f" over {' and '.join(over)}" if over else ""
    for test in tests:
        if test.F is None or test.epsilon is None:
            parts.append(f"{test.effect}: not testable")
            continue
        found = "an effect" if test.p_together is not None and test.p_together < alpha else "no effect shown"
        found = "not judged at a repeated look" if question.repeated_look else found
        found = "not judged between planned looks" if question.no_planned_look else found
        epsilon = f"{'Greenhouse–Geisser ' * (test.epsilon < 1 - NOISE)}ε = {test.epsilon:.2f}"
        parts.append(
            f"{test.effect}: {found} (F({test.df_effect:.2f}, {test.df_error:.2f}) = {test.F:.2f}, "
            f"{epsilon}, {p_text(test.p_together, p_name)}, "
            f"n = {test.n})"
        )
    text = "; ".join(parts) + f", in {question.phrasing.words}."
    # of two levels the test is the paired t test, with ε = 1
    hidden = (test for test in tests if test.p_together is None or test.p_together >= alpha)
    if any(test.epsilon is not None and test.epsilon < 1 - NOISE and test.n <= 6 for test in hidden):
        text += (
            " With so few seeds the Greenhouse–Geisser test is conservative: it seldom shows what is there."
        )
    return text


def summed_up(
    question: Question, gains: Sequence[LinearContrast], where: Sequence[str] = ()
) -> tuple[Consistency | None, tuple[Consistency, ...]]:
    """All gains taken together, and where they are of several methods those of each that has three or more.

    The mean over methods says nothing of any of them, nor does that of baselines which are compared with a
    method, or of cells of which no column says what they are: a document keeps it, marked as mixed.
    """
    whole = consistency(question, gains, where)
    runs, plan = question.runs, question.plan
    by: dict[str, list[LinearContrast]] = {}
    for gain in gains:
        if gain.pair is not None:
            by.setdefault(runs.text("method", gain.pair[0]), []).append(gain)
    asked = {
        method: own
        for method, own in by.items()
        if not is_called_baseline(method) and (method or varying(runs, [a for a, _ in _pairs(own)]))
    }
    if len(by) < 2:
        if whole is not None and (unknown := mean_over_unknown(runs, [a for a, _ in _pairs(gains)])):
            whole = replace(whole, says=f"{whole.says.removesuffix('.')}; {unknown}.", mixed=True)
        return (whole if whole is None or asked else replace(whole, mixed=True)), ()
    asked = {method: own for method, own in asked.items() if len(own) >= MIN_SETTINGS}
    adjusted = adjust(np.array([_p_of_mean(question, own) for own in asked.values()]), plan.correction)
    each = [
        consistency(question, own, where, method=method, methods=len(asked), p_adjusted=or_none(p))
        for (method, own), p in zip(asked.items(), adjusted, strict=True)
    ]
    if whole is not None:
        says = whole.says.removesuffix(".") + f"; a mean over {len(by)} methods, and so no finding about any."
        whole = replace(whole, alike=False, mixed=True, says=says)
    return whole, tuple(one for one in each if one is not None)


def _left_out(question: Question, gaining: Sequence[int], *, every_method: bool) -> str:
    """Which cells a mean over these is beside, that a reader would look for in it; "" for none."""
    runs, plan = question.runs, question.plan
    methods = {runs.text("method", cell) for cell in gaining}

    def lacks(names: Sequence[str]) -> bool:
        cells = (runs.index[name] for name in names if name in runs.index)
        return any(
            cell not in gaining and (every_method or runs.text("method", cell) in methods) for cell in cells
        )

    if plan.added and {runs.cells[cell] for cell in gaining} <= set(plan.added):
        return " that were added later"
    beside = ["the primary one"] * lacks((plan.primary or "",)) + ["those added later"] * lacks(plan.added)
    return f" beside {' and '.join(beside)}" if beside else ""


def _p_of_mean(question: Question, gains: Sequence[LinearContrast]) -> float:
    """The p of the paired t test of the mean of these gains, over the seeds that all have; NaN for none."""
    d = differences(question.runs, gains)
    d = d[:, ~np.isnan(d).any(axis=0)]
    if d.shape[1] < 2:
        return np.nan
    per_seed = d.mean(axis=0)
    n, sd = len(per_seed), per_seed.std(ddof=1)
    if sd <= NOISE * float(np.abs(d).max()):
        return np.nan
    return float(t_test(per_seed.mean(), sd / np.sqrt(n), n - 1)[1])


def _pairs(gains: Sequence[LinearContrast]) -> list[tuple[int, int]]:
    return [gain.pair for gain in gains if gain.pair is not None]


def consistency(
    question: Question,
    gains: Sequence[LinearContrast],
    where: Sequence[str] = (),
    *,
    method: str | None = None,
    methods: int = 1,
    p_adjusted: float | None = None,
) -> Consistency | None:
    """Sum up gains over the seeds that all of them have; None for fewer than three gains or two seeds.

    `where` are the conditions that all claims of these gains share. Their `method` is named where others have
    gains as well; of so many `methods` that are summed up all intervals and tests hold at alpha together.
    Whether the mean is a gain is decided as verdicts are: by `p_adjusted`, the p of the mean as the plan's
    correction over the methods has it, or by the interval where verdicts are joint or over planned looks.
    """
    runs, say = question.runs, question.phrasing
    alpha = question.plan.alpha / (1 if question.plan.correction == "none" else methods)
    gaining = [a for a, _ in _pairs(gains)]
    kinds = {tuple(runs.text(column, cell) for column in on_what(runs)) for cell in gaining}
    d = differences(runs, gains)
    m, most = d.shape[0], int((~np.isnan(d)).sum(axis=1).max(initial=0))
    d = d[:, ~np.isnan(d).any(axis=0)]
    n = d.shape[1]
    if m < MIN_SETTINGS or n < 2:
        return None
    per_seed, per_setting = d.mean(axis=0), d.mean(axis=1)
    mean, sd = float(per_seed.mean()), float(per_seed.std(ddof=1))
    low = high = None
    if sd > NOISE * float(np.abs(d).max()):
        level = nominal_level(question.plan.interim, alpha)
        ends = mean_interval(np.array([mean]), np.array([sd]), np.array([float(n)]), level)
        low, high = float(ends[0][0]), float(ends[1][0])
    residual = d - per_setting[:, None] - per_seed + mean
    ms_residual = float((residual**2).sum()) / ((m - 1) * (n - 1))
    ms_setting = n * float(((per_setting - mean) ** 2).sum()) / (m - 1)
    between = float(np.sqrt(max(0.0, (ms_setting - ms_residual) / n)))
    p, by = None, ""
    if m <= _MAX_TESTED:
        basis = np.asarray(np.linalg.qr(np.column_stack([np.ones(m), np.eye(m)[:, 1:]]))[0][:, 1:])
        tested = repeated_measures(np.asarray(d.T), basis)
        p = tested.p
        by = " by Greenhouse–Geisser" * (tested.epsilon is not None and tested.epsilon < 1 - NOISE)
    # an accuracy counts images: a mean of differences that is 0 in these has the last bits of a float
    size = max(float(np.nanmax(np.abs(runs.values[cell]))) for gain in gains for cell in gain.cells)
    favourable = int((question.sign * per_setting > NOISE * size).sum())
    diverged = runs.lost([cell for gain in gains for cell in gain.cells]).any()
    seeds = f"{n} seeds" + " at which all have a run" * (n < most)  # the rows beside it may be over more
    seeds = f"{n} seeds at which every run converged" if diverged else seeds
    together = f" of all {methods} methods" if alpha < question.plan.alpha else ""
    interval = f"{percent_text(1 - question.plan.alpha)} CI{together} {say.interval(low, high)} over {seeds}"
    interval += ", for these very settings"
    if low is None:
        interval = f"the same at all {seeds}, so without an interval"
    of = settings_of(runs, gaining)
    holds_0 = low is not None and high is not None and low <= 0 <= high
    fell, not_valid = _fell(question, gains)
    plan = question.plan
    valid = not (question.repeated_look or question.no_planned_look or not_valid)
    if holds_0 and valid and not (plan.joint or plan.interim):
        # a stepwise correction may reject where its interval, Bonferroni's, holds 0, as it may for verdicts
        rejects = p_adjusted is not None and p_adjusted < plan.alpha
    else:
        rejects = not holds_0
    no_gain = "" if rejects else ", so that a gain on average is not shown"
    if rejects and holds_0:
        p_said = p_text(p_adjusted, f"{adjusted_name(plan.correction, methods)} over all {methods} methods")
        gain = "gain" if question.sign * mean > 0 else "loss"
        no_gain = (
            f", a {gain} on average by the paired t test ({p_said}: a stepwise correction may reject where "
            "such an interval holds 0)"
        )
    if diverged and rejects:
        bare = runs.lost([b for _, b in _pairs(gains)]).any()
        if question.sign * mean > 0 or bare:  # what survived may count against a cell that lost runs alone
            no_gain = (
                f", not claimed as a {'gain' if question.sign * mean > 0 else 'loss'} since runs diverged"
            )
    of += _left_out(question, gaining, every_method=method is None)
    whose = "" if method is None else f" of {question.names.in_a_sentence(gaining)}"
    if over := question.names.over(base for _, base in _pairs(gains)):
        whose += f" over {over_what(over, several=False)}"
    says = (
        f"Over the {m} settings{of} the gain{whose} in {say.words} averages "
        f"{say.number(mean, True)}{say.unit}"
        + "".join(f" {condition}" for condition in where)
        + f" ({interval}){no_gain}; {'at these seeds ' * (n < most)}"
        f"{favourable} of {m} {'points' if favourable == 1 else 'point'} the way of the goal"
    )
    if p is not None:
        unfit = question.repeated_look or question.no_planned_look or fell
        times = max(1, len(question.plan.interim)) * (methods if alpha < question.plan.alpha else 1)
        adjusted = min(1.0, times * p)  # the p that the verdict is on, beside which alpha is the plan's
        differ = adjusted < question.plan.alpha and not unfit
        same = "differ from each other" if differ else NOT_SHOWN
        same = "are not judged here" if unfit else same
        over = f" over {together.removeprefix(' of ')}" if together else ""
        p_said = p_text(adjusted, f"Bonferroni-adjusted p{over}" if times > 1 else "p")
        found = f"repeated-measures F, {p_said}{by}, sd between settings"
        found += f" beyond the noise of seeds {say.number(between)}"  # smaller than that of the gains printed
        says += f", and the settings {same} ({found})"
    says += f"; caution: {fell}." if fell else "."
    not_valid = not_valid if rejects else fell  # that it is not shown rests on them, too
    return Consistency(
        *(m, n, mean, low, high, favourable, between, p, says, len(kinds) < 2, method), not_valid=not_valid
    )


def _fell(question: Question, gains: Sequence[LinearContrast]) -> tuple[str | None, str | None]:
    """The runs of these gains that fell far behind, and again if their mean is not there without them."""
    weights: dict[int, float] = {}
    for gain in gains:
        for cell, weight in gain.weights:
            weights[cell] = weights.get(cell, 0.0) + weight / len(gains)
    outlying = question.outlying
    fell = outlying.collapsed_in(question.runs, list(weights), equivalent=False, paired=True)
    stands = fell is None or outlying.stands_without(question.runs, list(weights.items()))
    return fell, None if stands else fell
