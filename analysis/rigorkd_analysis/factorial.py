"""The T × alpha structure of distilled cells: repeated-measures F tests over seeds.

A complete grid gets both main effects and the interaction; a cross gets one test per arm, since its
interaction is not identifiable. Sphericity is not assumed: degrees of freedom are multiplied by
Greenhouse and Geisser's ε (1959), which at n = 5 is conservative. Each test is on orthonormal contrasts Y of
an effect, shape (seeds, q), with mean ȳ and covariance S:

    F = n·ȳᵀȳ / tr S,   ε = (tr S)² / (q · tr S²),   df = ε·q and ε·q·(n − 1)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rigorkd_analysis.adjust import adjust
from rigorkd_analysis.baselines import distilled
from rigorkd_analysis.combinations import AXES
from rigorkd_analysis.results import Factorial, FTest
from rigorkd_analysis.table import Runs
from rigorkd_analysis.wording import p_text

if TYPE_CHECKING:
    from rigorkd_analysis.families import Asked

Floats = NDArray[np.float64]

_WEIGHTS = ("alpha", "ce_weight", "kd_weight")
#: What all cells of one grid share: everything that can be an axis, but T and the weights.
_FIXED = ("group", "student", "method", *(axis for axis in AXES if axis not in ("T", *_WEIGHTS)))
_SYMBOL = {"T": "T", "alpha": "α"}


def factorials(asked: Asked) -> list[Factorial]:
    """One analysis per set of cells that differ in T and alpha (or another weight) alone."""
    runs = asked.runs
    sets: dict[tuple[str, ...], list[int]] = {}
    for cell in distilled(runs):
        if runs.number("T", cell) is not None:
            sets.setdefault(tuple(runs.text(column, cell) for column in _FIXED), []).append(cell)
    out = []
    for key, cells in sets.items():
        if len(cells) < 2:
            continue
        weight = next((name for name in _WEIGHTS if runs.number(name, cells[0]) is not None), None)
        found = _factorial(asked, cells, weight, dict(zip(_FIXED, key, strict=True)))
        if found is not None:
            out.append(found)
    return out


def _factorial(asked: Asked, cells: list[int], weight: str | None, key: dict[str, str]) -> Factorial | None:
    runs = asked.runs
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
    tests, contrasts = _adjusted(tests), _adjusted(contrasts)
    return Factorial(
        student=key["student"] or None,
        group=key["group"] or None,
        method=key["method"] or None,
        design=design,
        tests=tuple(tests),
        contrasts=tuple(contrasts),
        says=_says(asked, design, tests, len(temperatures) > 1 and len(weights) > 1, symbol),
    )


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
    polynomials = _polynomials(levels)
    test = repeated_measures(_complete(runs, cells), polynomials)
    names = tuple(runs.cells[cell] for cell in cells)
    own = [
        _named(
            repeated_measures(_complete(runs, cells), polynomials[:, degree : degree + 1]),
            f"{effect}: {name}",
            names,
        )
        for degree, name in enumerate(("linear", "quadratic"))
        if degree < polynomials.shape[1]
    ]
    return _named(test, effect, names), own


def _grid(
    runs: Runs, cells: list[int], temperatures: Floats, weights: Floats, symbol: str
) -> tuple[list[FTest], list[FTest]]:
    data = _complete(runs, cells)
    names = tuple(runs.cells[cell] for cell in cells)
    over_T, over_w = _polynomials(temperatures), _polynomials(weights)
    flat_T = np.full((temperatures.size, 1), temperatures.size**-0.5)
    flat_w = np.full((weights.size, 1), weights.size**-0.5)
    effects: tuple[tuple[str, Floats], ...] = (
        ("T", _product(over_T, flat_w)),
        (symbol, _product(flat_T, over_w)),
        (f"T × {symbol}", _product(over_T, over_w)),
    )
    tests = [_named(repeated_measures(data, basis), effect, names) for effect, basis in effects]
    contrasts = [
        _named(repeated_measures(data, basis[:, degree : degree + 1]), f"{effect}: {name}", names)
        for effect, basis in effects[:2]
        for degree, name in enumerate(("linear", "quadratic"))
        if degree < basis.shape[1]
    ]
    return tests, contrasts


def _product(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.kron(a, b), dtype=np.float64)


def _complete(runs: Runs, cells: list[int]) -> Floats:
    values = runs.values[cells]
    return np.asarray(values[:, ~np.isnan(values).any(axis=0)].T)


def _polynomials(levels: Floats) -> Floats:
    """Orthonormal polynomial contrasts of the levels as they are spaced, shape (k, k − 1): linear first."""
    k = levels.size
    centred = (levels - levels.mean()) / np.abs(levels - levels.mean()).max()
    q, r = np.linalg.qr(np.vander(centred, k, increasing=True))
    return np.asarray(q[:, 1:] * np.sign(np.diag(r)[1:]), dtype=np.float64)


def repeated_measures(data: Floats, basis: Floats) -> FTest:
    """The F test that the contrasts `basis` (cells, q, orthonormal) of `data` (seeds, cells) are all 0."""
    n, q = data.shape[0], basis.shape[1]
    empty = FTest("", (), n, None, float(q), float(q * max(n - 1, 0)), None, None, None, None)
    if n < 2:
        return empty
    y = data @ basis
    mean = y.mean(axis=0)
    S = np.atleast_2d(np.cov(y, rowvar=False))
    trace = float(np.trace(S))
    if trace <= 1e-24 * float((data**2).max()):
        return empty
    F = float(n * mean @ mean / trace)
    epsilon = trace**2 / (q * float((S * S).sum()))
    df_effect, df_error = epsilon * q, epsilon * q * (n - 1)
    return FTest(
        effect="",
        cells=(),
        n=n,
        F=F,
        df_effect=df_effect,
        df_error=df_error,
        epsilon=epsilon,
        p_uncorrected=float(special.fdtrc(q, q * (n - 1), F)),
        p=float(special.fdtrc(df_effect, df_error, F)),
        p_adjusted=None,
    )


def _named(test: FTest, effect: str, cells: tuple[str, ...]) -> FTest:
    values = {**vars(test), "effect": effect, "cells": cells}
    return FTest(**values)


def _adjusted(tests: list[FTest]) -> list[FTest]:
    p = adjust(np.array([np.nan if test.p is None else test.p for test in tests]), "holm")
    return [
        FTest(**{**vars(test), "p_adjusted": None if np.isnan(value) else float(value)})
        for test, value in zip(tests, p, strict=True)
    ]


def _says(asked: Asked, design: str, tests: list[FTest], two_axes: bool, symbol: str) -> str:
    alpha = asked.plan.alpha
    parts = []
    p_name = "Holm-adjusted p" if len(tests) > 1 else "p"
    for test in tests:
        if test.F is None or test.epsilon is None:
            parts.append(f"{test.effect}: not testable")
            continue
        found = "an effect" if test.p_adjusted is not None and test.p_adjusted < alpha else "no effect shown"
        parts.append(
            f"{test.effect}: {found} (F({test.df_effect:.2f}, {test.df_error:.2f}) = {test.F:.2f}, "
            f"ε = {test.epsilon:.2f}, {p_text(test.p_adjusted, p_name)}, "
            f"n = {test.n})"
        )
    text = "; ".join(parts) + "."
    if design == "arms" and two_axes:
        text += f" The cells form a cross, not a grid: the interaction of T and {symbol} is not identifiable."
    if any(test.epsilon is not None and test.n <= 6 for test in tests):
        text += " With so few seeds the Greenhouse–Geisser test is conservative."
    return text
