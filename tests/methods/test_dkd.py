"""DKD: the two parts that were computed by hand, and the identity with vanilla distillation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from rigorkd.methods.base import Outputs
from rigorkd.methods.dkd import DKD, decoupled

from .conftest import LABELS, STUDENT, TARGETS, TEACHER, objective_of, term_of


def test_check_values() -> None:
    target, rest = (16 * part.mean().item() for part in decoupled(STUDENT, TEACHER, LABELS, 4.0))
    assert target == pytest.approx(0.261040, abs=1e-5)
    assert rest == pytest.approx(0.172788, abs=1e-5)
    method = DKD(T=4.0, a=1.0, b=8.0)
    assert term_of(method).item() == pytest.approx(1.643346, abs=1e-5)
    objective = objective_of(method)
    objective.begin_epoch(20, 240)
    total = objective(Outputs(STUDENT), TARGETS, Outputs(TEACHER)).total
    assert total.item() == pytest.approx(2.050515, abs=1e-5)


@given(st.integers(0, 10_000), st.integers(3, 9), st.floats(0.5, 20))
def test_the_parts_add_up_to_vanilla_distillation(seed: int, classes: int, temperature: float) -> None:
    """KL(p_t ‖ p_s) = TCKD + (1 − p_t,y) · NCKD, image by image."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = 4 * torch.randn(2, 5, classes, generator=generator, dtype=torch.float64)
    labels = torch.arange(5) % classes
    target, rest = decoupled(student, teacher, labels, temperature)
    p_t, log_s = torch.softmax(teacher / temperature, 1), torch.log_softmax(student / temperature, 1)
    whole = F.kl_div(log_s, p_t, reduction="none").sum(dim=1)
    together = target + (1 - p_t[torch.arange(5), labels]) * rest
    torch.testing.assert_close(together, whole, rtol=1e-9, atol=1e-12)


def test_weights_a_and_b_weigh_target_and_rest() -> None:
    only_target, only_rest = term_of(DKD(a=1, b=0)).item(), term_of(DKD(a=0, b=1)).item()
    assert term_of(DKD(a=3, b=5)).item() == pytest.approx(3 * only_target + 5 * only_rest)


def test_the_rest_does_not_see_the_label_logit() -> None:
    raised = TEACHER.clone()
    raised[torch.arange(2), LABELS] += 5
    _, before = decoupled(STUDENT, TEACHER, LABELS, 2.0)
    _, after = decoupled(STUDENT, raised, LABELS, 2.0)
    torch.testing.assert_close(after, before)


def test_a_teacher_that_is_sure_still_teaches_the_rest() -> None:
    """1 − p_y underflows in float32; the part over the other classes is exact, and finite."""
    teacher = torch.tensor([[200.0, 1.0, 0.0, -1.0]])
    student = torch.zeros(1, 4, requires_grad=True)
    target, rest = decoupled(student, teacher, torch.tensor([0]), 1.0)
    (target + rest).sum().backward()
    expected = torch.log_softmax(torch.tensor([1.0, 0.0, -1.0]), 0)
    assert rest.item() == pytest.approx((expected.exp() * (expected + torch.tensor(3.0).log())).sum().item())
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
