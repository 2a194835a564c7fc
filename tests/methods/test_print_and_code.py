"""Where a paper's print and its released code differ: check values of both forms, each derived twice.

The first derivation of a form follows its definition, image by image and class by class; the second takes
another way to the same number: identities, or an equation solved for what the definition constructs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from rigorkd.methods.base import Method, Outputs, Targets
from rigorkd.methods.matched_smoothing import MatchedSmoothing
from rigorkd.methods.mlkd import MLKD
from rigorkd.methods.objective import Objective
from rigorkd.methods.registry import METHODS

from .conftest import LABELS, STUDENT, TEACHER, objective_of, term_of

Array = np.ndarray
S, T, Y = STUDENT.numpy(), TEACHER.numpy(), [0, 1]
LEARNED = 1 + 20 / (1 + math.exp(-1))
"""The temperature at which ctkd starts."""


# --------------------------------------------------------------------------------------- the first derivation


def soft(row: Array, temperature: float) -> list[float]:
    exps = [math.exp(float(z) / temperature) for z in row]
    return [value / sum(exps) for value in exps]


def divergence(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def kd_by_definition(temperature: float, students: Array = S, teachers: Array = T) -> list[float]:
    rows = zip(teachers, students, strict=True)
    return [divergence(soft(t, temperature), soft(s, temperature)) for t, s in rows]


def scaled(rows: Array) -> Array:
    return np.array([(row - row.mean()) / (1e-7 + row.std(ddof=1)) for row in rows])


def dkd_by_definition(a: float, b: float, temperature: float) -> float:
    total = 0.0
    for student, teacher, y in zip(S, T, Y, strict=True):
        p, q = soft(teacher, temperature), soft(student, temperature)
        others = [j for j in range(4) if j != y]
        total += a * divergence([p[y], 1 - p[y]], [q[y], 1 - q[y]])
        total += b * divergence(soft(teacher[others], temperature), soft(student[others], temperature))
    return total / 2


def rld_by_definition(temperature: float, squared: bool) -> float:
    """a 1, T_a 1; b 8 at the temperature."""
    total = 0.0
    for student, teacher, y in zip(S, T, Y, strict=True):
        top, own = max(soft(teacher, 1)), soft(student, 1)[y]
        total += divergence([top, 1 - top], [own, 1 - own])
        below = [j for j in range(4) if teacher[j] < teacher[y]]
        factor = temperature**2 if squared else 1
        if below:
            parts = (soft(teacher[below], temperature), soft(student[below], temperature))
            total += 8 * factor * divergence(*parts)
    return total / 2


def eakd_by_definition(temperature: float, bound: float) -> float:
    total = 0.0
    for student, teacher, kl in zip(S, T, kd_by_definition(temperature), strict=True):
        own, theirs = (-sum(p * math.log(p) for p in soft(row, 3)) for row in (student, teacher))
        total += (theirs + theirs * own / bound) / 2 * kl
    return total / 2


# -------------------------------------------------------------------------------------- the second derivation


def logsumexp(rows: Array) -> Array:
    top = rows.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(rows - top).sum(axis=1)))


def probabilities(rows: Array) -> Array:
    return np.asarray(np.exp(rows - logsumexp(rows)[:, None]))


def kd_by_bregman(temperature: float, students: Array = S, teachers: Array = T) -> Array:
    """KL of two softmaxes is the Bregman divergence of log Σ exp."""
    s, t = students / temperature, teachers / temperature
    return np.asarray(logsumexp(s) - logsumexp(t) - (probabilities(t) * (s - t)).sum(axis=1))


def dkd_by_identity(a: float, b: float, temperature: float) -> float:
    """KL = TCKD + (1 − p_y)·NCKD, solved for NCKD; TCKD from the logits of a two-way softmax."""
    rows = np.arange(2)
    p = probabilities(T / temperature)[rows, Y]

    def against_rest(z: Array) -> Array:
        others = np.array([np.delete(row, y) for row, y in zip(z / temperature, Y, strict=True)])
        return np.stack([z[rows, Y] / temperature, logsumexp(others)], axis=1)

    target = kd_by_bregman(1, against_rest(S), against_rest(T))
    rest = (kd_by_bregman(temperature) - target) / (1 - p)
    return float((a * target + b * rest).mean())


def rld_by_pieces(temperature: float, squared: bool) -> float:
    """The teacher ranks 1, 2, 3 below label 0 of the first image, and 0 and 2 below 1 of the second."""
    log_odds = [
        math.log(p / (1 - p))
        for p in (
            probabilities(T)[0, 0],
            probabilities(T)[1, 3],
            probabilities(S)[0, 0],
            probabilities(S)[1, 1],
        )
    ]
    two_way = np.array([[value, 0.0] for value in log_odds])
    sure = kd_by_bregman(1, two_way[2:], two_way[:2]).sum()
    below = kd_by_bregman(temperature, S[:1, 1:], T[:1, 1:])[0]
    below += kd_by_bregman(temperature, S[1:, [0, 2]], T[1:, [0, 2]])[0]
    return float(sure + 8 * (temperature**2 if squared else 1) * below) / 2


def eakd_by_derivative(temperature: float, bound: float) -> float:
    """H = log Σ exp(z/3) − E[z/3]."""

    def entropies(rows: Array) -> Array:
        return np.asarray(logsumexp(rows / 3) - (probabilities(rows / 3) * rows / 3).sum(axis=1))

    weights = entropies(T) * (1 + entropies(S) / bound) / 2
    return float((weights * kd_by_bregman(temperature)).mean())


# ------------------------------------------------------------------------------------------- the check values

Derived = Callable[[], float]


def mean(values: Any) -> float:
    return float(np.mean(values))


FORMS: dict[str, tuple[dict[str, Any], Derived, Derived, float]] = {
    # method and form: its settings, both derivations, the check value
    "dkd code": (
        {"warmup": 0},
        lambda: 16 * dkd_by_definition(1, 8, 4),
        lambda: 16 * dkd_by_identity(1, 8, 4),
        1.643346,
    ),
    "dkd print": (
        {"warmup": 0, "t_squared": False},
        lambda: dkd_by_definition(1, 8, 4),
        lambda: dkd_by_identity(1, 8, 4),
        0.102709,
    ),
    "ctkd code": (
        {},
        lambda: LEARNED**2 * mean(kd_by_definition(LEARNED)),
        lambda: LEARNED**2 * mean(kd_by_bregman(LEARNED)),
        0.350428,
    ),
    "ctkd print": (
        {"t_squared": False},
        lambda: mean(kd_by_definition(LEARNED)),
        lambda: mean(kd_by_bregman(LEARNED)),
        0.001436,
    ),
    "lskd code": (
        {},
        lambda: 4 * mean(kd_by_definition(2, scaled(S), scaled(T))),
        lambda: 4 * mean(kd_by_bregman(2, scaled(S), scaled(T))),
        0.235725,
    ),
    "lskd print": (
        {"t_squared": False},
        lambda: mean(kd_by_definition(2, scaled(S), scaled(T))),
        lambda: mean(kd_by_bregman(2, scaled(S), scaled(T))),
        0.058931,
    ),
    "rld code": (
        {"warmup": 0},
        lambda: rld_by_definition(4, squared=True),
        lambda: rld_by_pieces(4, squared=True),
        0.432057,
    ),
    "rld print": (
        {"warmup": 0, "t_squared": False},
        lambda: rld_by_definition(4, squared=False),
        lambda: rld_by_pieces(4, squared=False),
        0.096017,
    ),
    "eakd code": (
        {"preset": "code"},
        lambda: 16 * eakd_by_definition(4, 4),
        lambda: 16 * eakd_by_derivative(4, 4),
        0.327556,
    ),
    "eakd print": (
        {"t_squared": False},
        lambda: eakd_by_definition(4, math.log(4)),
        lambda: eakd_by_derivative(4, math.log(4)),
        0.030096,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_check_values_of_print_and_code(form: str) -> None:
    from rigorkd.protocol.grids import Choice, read_method

    settings, first, second, value = FORMS[form]
    method, _ = read_method(form.split()[0], Choice(settings, ("groups",)))
    assert first() == pytest.approx(value, abs=1e-6)
    assert second() == pytest.approx(value, abs=1e-6)
    assert term_of(method).item() == pytest.approx(value, abs=1e-6)


def test_every_method_with_the_factor_has_both_forms() -> None:
    named = {form.split()[0] for form in FORMS} | {"kd", "mlkd", "dist", "matched_smoothing", "permuted_tail"}
    assert {key for key, method in METHODS.items() if "t_squared" in method.model_fields} == named


# ----------------------------------------------------------------------------------------------- mlkd's masks

GENERATOR = torch.Generator().manual_seed(4)
WEAK_S, WEAK_T, STRONG_S, STRONG_T = 2 * torch.randn(4, 6, 5, generator=GENERATOR, dtype=torch.float64)
TEMPERATURES = (4.0, 3.0, 5.0, 2.0, 6.0)


def mlkd_by_definition(t_squared: bool) -> float:
    """Means over the batch, each times the share that is marked."""
    weak_s, weak_t, strong_s, strong_t = (z.numpy() for z in (WEAK_S, WEAK_T, STRONG_S, STRONG_T))
    top = [max(soft(row, 1)) for row in weak_t]
    images = sum(value <= float(np.median(top)) for value in top) / 6
    summed = [sum(soft(row, 1)[c] for row in weak_t) for c in range(5)]
    classes = sum(value <= float(np.median(summed)) for value in summed) / 5
    total = 0.0
    for index, temperature in enumerate(TEMPERATURES):
        factor = temperature**2 if t_squared else 1.0
        weak = factor * mean(kd_by_definition(temperature, weak_s, weak_t))
        strong = factor * mean(kd_by_definition(temperature, strong_s, strong_t))
        total += images * weak + (strong if index < 3 else weak)
        s, t = (np.array([soft(row, temperature) for row in rows]) for rows in (weak_s, weak_t))
        total += (
            classes
            * sum(
                (float(t[:, c] @ t[:, d]) - float(s[:, c] @ s[:, d])) ** 2 for c in range(5) for d in range(5)
            )
            / 5
        )
        total += (
            images
            * sum((float(t[i] @ t[j]) - float(s[i] @ s[j])) ** 2 for i in range(6) for j in range(6))
            / 6
        )
    return total


def mlkd_by_traces(t_squared: bool) -> float:
    """‖A − B‖² = tr A² − 2 tr AB + tr B², and tr (PᵀP)² = tr (PPᵀ)²; three of six and of five are marked."""
    weak_s, weak_t, strong_s, strong_t = (z.numpy() for z in (WEAK_S, WEAK_T, STRONG_S, STRONG_T))
    total = 0.0
    for index, temperature in enumerate(TEMPERATURES):
        factor = temperature**2 if t_squared else 1.0
        weak = factor * mean(kd_by_bregman(temperature, weak_s, weak_t))
        strong = factor * mean(kd_by_bregman(temperature, strong_s, strong_t))
        s, t = probabilities(weak_s / temperature), probabilities(weak_t / temperature)
        alone = np.trace(s @ s.T @ s @ s.T) + np.trace(t @ t.T @ t @ t.T)
        of_classes = alone - 2 * np.trace(s.T @ s @ t.T @ t)
        of_images = alone - 2 * np.trace(s @ s.T @ t @ t.T)
        total += 0.5 * weak + (strong if index < 3 else weak) + 0.6 * of_classes / 5 + 0.5 * of_images / 6
    return float(total)


@pytest.mark.parametrize(("t_squared", "value"), [(True, 27.490061), (False, 2.823050)])
def test_mlkds_released_code_scales_means_by_what_is_marked(t_squared: bool, value: float) -> None:
    assert mlkd_by_definition(t_squared) == pytest.approx(value, abs=1e-5)
    assert mlkd_by_traces(t_squared) == pytest.approx(value, abs=1e-5)
    objective = objective_of(MLKD(masks="mean", t_squared=t_squared))
    said = objective.term(Outputs(WEAK_S, STRONG_S), Targets(torch.arange(6) % 5), Outputs(WEAK_T, STRONG_T))
    assert said.item() == pytest.approx(value, abs=1e-5)
    printed = objective_of(MLKD(t_squared=t_squared))
    other = printed.term(Outputs(WEAK_S, STRONG_S), Targets(torch.arange(6) % 5), Outputs(WEAK_T, STRONG_T))
    assert other.item() != pytest.approx(value, rel=1e-3)


def test_gradients_of_the_released_form_agree_with_finite_differences() -> None:
    objective = objective_of(MLKD(masks="mean"))
    teacher, targets = Outputs(WEAK_T, STRONG_T), Targets(torch.arange(6) % 5)
    points = (WEAK_S.clone().requires_grad_(), STRONG_S.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda *z: objective.term(Outputs(*z), targets, teacher), points)


# -------------------------------------------------------------------------------------- the smoothing control


def learned_entropy(method: MatchedSmoothing, logits: torch.Tensor) -> float:
    objective = Objective(method).double()
    objective.learn_from(logits)
    return objective.get_buffer("entropy").item()


def test_the_entropy_of_the_average_sorted_output() -> None:
    """By definition, and by the Jensen gap: H(mean) = mean H + mean KL(p ‖ mean)."""
    method = MatchedSmoothing(T=4.0, scope="global", average="sorted_softmax")
    rows = [sorted(soft(row, 4), reverse=True) for row in T]
    profile = [sum(column) / 2 for column in zip(*rows, strict=True)]
    first = -sum(p * math.log(p) for p in profile)
    each = [-sum(p * math.log(p) for p in row) for row in rows]
    second = mean(each) + mean([divergence(row, profile) for row in rows])
    assert first == pytest.approx(second, abs=1e-12)
    assert first == pytest.approx(1.329847, abs=1e-6)
    assert learned_entropy(method, TEACHER) == pytest.approx(first, abs=1e-12)
    plain = learned_entropy(MatchedSmoothing(T=4.0, scope="global"), TEACHER)
    assert plain == pytest.approx(mean(each), abs=1e-12)
    assert plain < first
    shuffled = TEACHER[:, [2, 0, 3, 1]]  # which class is top does not matter, how sure the teacher is does
    assert learned_entropy(method, shuffled) == pytest.approx(first, abs=1e-12)


def test_the_peak_of_the_teacher_is_one_for_mixed_images_too() -> None:
    """All other classes score alike; ε is solved for again by a root finder."""
    method = MatchedSmoothing(T=4.0, peak="teacher")
    wanted = [-sum(p * math.log(p) for p in soft(row, 4)) for row in T]
    total = 0.0
    for student, teacher, entropy in zip(S, T, wanted, strict=True):

        def q_of(epsilon: float, top: int = int(teacher.argmax())) -> list[float]:
            return [(1 - epsilon) * (c == top) + epsilon / 4 for c in range(4)]

        def gap(epsilon: float, entropy: float = entropy, q_of: Any = q_of) -> float:
            return -sum(p * math.log(p) for p in q_of(epsilon)) - entropy

        total += divergence(q_of(brentq(gap, 1e-12, 1 - 1e-12, xtol=1e-14)), soft(student, 4))
    mixed = Targets(LABELS, torch.tensor([2, 0]), torch.tensor(0.3))
    for targets in (Targets(LABELS), mixed):
        assert term_of(method, targets=targets).item() == pytest.approx(16 * total / 2, rel=1e-6)
    by_label = term_of(MatchedSmoothing(T=4.0), targets=mixed).item()
    assert by_label != pytest.approx(16 * total / 2, rel=1e-3)


def test_an_average_is_for_one_entropy_alone() -> None:
    with pytest.raises(ValueError, match="scope instance averages nothing"):
        MatchedSmoothing(average="sorted_softmax")


def test_defaults_are_what_they_were() -> None:
    """A later form is a new value of a key that is not in 0.1's hashes at its default."""
    from rigorkd.fields import HASHED

    for method in (MLKD(), MatchedSmoothing()):
        assert isinstance(method, Method)
        assert not {"masks", "average", "peak"} & method.model_dump(context=HASHED).keys()
