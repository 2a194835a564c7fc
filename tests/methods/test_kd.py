"""The KD loss against check values computed twice independently, and against finite differences."""

from __future__ import annotations

import math

import pytest
import torch

from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.kd import KD, kd_loss
from rigorkd.methods.objective import Objective

STUDENT = [[2.0, 1.0, 0.1, -1.0], [0.5, 2.5, 0.0, 1.0]]
TEACHER = [[3.0, 0.5, 0.2, -2.0], [0.1, 1.0, -0.5, 2.0]]
TARGETS = torch.tensor([0, 1])


def logits() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(STUDENT), torch.tensor(TEACHER)


def by_hand(student: list[list[float]], teacher: list[list[float]], T: float) -> float:
    """T² · mean_i Σ_c p_t (log p_t − log p_s), in plain Python."""

    def softmax(row: list[float]) -> list[float]:
        exps = [math.exp(value / T) for value in row]
        return [value / sum(exps) for value in exps]

    rows = [
        sum(p * (math.log(p) - math.log(q)) for p, q in zip(softmax(t), softmax(s), strict=True))
        for s, t in zip(student, teacher, strict=True)
    ]
    return T * T * sum(rows) / len(rows)


@pytest.mark.parametrize(("direction", "expected"), [("forward", 0.380655), ("reverse", 0.376211)])
def test_check_values_at_temperature_4(direction: str, expected: float) -> None:
    student, teacher = logits()
    assert kd_loss(student, teacher, 4.0, direction=direction).item() == pytest.approx(expected, abs=1e-5)


def test_is_not_the_mean_over_classes() -> None:
    student, teacher = logits()
    wrong = 0.095164  # what reduction="mean" gives: the term divided by the number of classes
    assert kd_loss(student, teacher, 4.0).item() == pytest.approx(4 * wrong, abs=1e-5)


@pytest.mark.parametrize("T", [0.5, 1.0, 3.0, 20.0])
def test_agrees_with_plain_python(T: float) -> None:
    student, teacher = logits()
    assert kd_loss(student, teacher, T).item() == pytest.approx(by_hand(STUDENT, TEACHER, T), rel=1e-4)


def test_t_squared_is_a_factor() -> None:
    student, teacher = logits()
    with_factor = kd_loss(student, teacher, 5.0).item()
    assert with_factor == pytest.approx(25 * kd_loss(student, teacher, 5.0, t_squared=False).item(), rel=1e-6)


def test_gradient_matches_the_closed_form() -> None:
    """d/dz_s of T²·KL is T·(p_s − p_t)/B."""
    student, teacher = logits()
    student.requires_grad_()
    kd_loss(student, teacher, 4.0).backward()
    expected = 4.0 * (torch.softmax(student.detach() / 4, 1) - torch.softmax(teacher / 4, 1)) / 2
    torch.testing.assert_close(student.grad, expected, rtol=1e-5, atol=1e-6)


def test_alpha_weights_the_cross_entropy() -> None:
    student, teacher = logits()
    terms = Objective(KD(T=4.0, alpha=0.3))(Outputs(student), Targets(TARGETS), Outputs(teacher))
    assert terms.kd is not None
    assert terms.ce.item() == pytest.approx(0.407169, abs=1e-5)
    assert terms.total.item() == pytest.approx(0.3 * 0.407169 + 0.7 * 0.380655, abs=1e-5)


def test_weights_need_not_sum_to_one() -> None:
    student, teacher = logits()
    terms = Objective(KD(T=4.0, ce_weight=0.1, kd_weight=9.0))(
        Outputs(student), Targets(TARGETS), Outputs(teacher)
    )
    assert terms.total.item() == pytest.approx(0.1 * 0.407169 + 9 * 0.380655, abs=1e-4)


def test_half_precision_logits_are_computed_in_float32() -> None:
    student, teacher = logits()
    assert kd_loss(student.half(), teacher.half(), 4.0).dtype == torch.float32


def test_baseline_is_cross_entropy_alone() -> None:
    student, _ = logits()
    terms = Objective(Baseline())(Outputs(student), Targets(TARGETS), None)
    assert terms.kd is None
    assert terms.total.item() == pytest.approx(0.407169, abs=1e-5)


def test_mixed_images_weigh_both_labels() -> None:
    student, _ = logits()
    partners = torch.tensor([3, 2])
    own, other = (
        Objective(Baseline())(Outputs(student), Targets(labels), None).ce for labels in (TARGETS, partners)
    )
    mixed = Objective(Baseline())(Outputs(student), Targets(TARGETS, partners, torch.tensor(0.3)), None).ce
    assert mixed.item() == pytest.approx(0.3 * own.item() + 0.7 * other.item(), rel=1e-6)
