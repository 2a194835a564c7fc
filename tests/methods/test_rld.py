"""RLD: check values, and images for which the teacher ranks the label last."""

from __future__ import annotations

import pytest
import torch

from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.rld import RLD, masked_correlation, sample_confidence

from .conftest import LABELS, STUDENT, TARGETS, TEACHER, objective_of, term_of


@pytest.mark.parametrize(("T_a", "term", "total"), [(1.0, 0.432057, 0.839226), (4.0, 0.479858, 0.887028)])
def test_check_values(T_a: float, term: float, total: float) -> None:
    method = RLD(T=4.0, T_a=T_a, a=1.0, b=8.0, warmup=0)
    assert term_of(method).item() == pytest.approx(term, abs=1e-5)
    terms = objective_of(method)(Outputs(STUDENT), TARGETS, Outputs(TEACHER))
    assert terms.total.item() == pytest.approx(total, abs=1e-5)


def test_only_classes_below_the_label_are_compared() -> None:
    """Image 1 has label 1, which the teacher ranks below class 3: its logit for class 3 does not matter."""
    louder = TEACHER.clone()
    louder[1, 3] += 4
    before, after = (masked_correlation(STUDENT, teacher, LABELS, 4.0) for teacher in (TEACHER, louder))
    torch.testing.assert_close(after, before)
    quieter = TEACHER.clone()
    quieter[1, 0] -= 4
    assert masked_correlation(STUDENT, quieter, LABELS, 4.0)[1] != before[1]


def test_an_image_whose_label_is_ranked_last_has_no_second_part() -> None:
    student = STUDENT.clone().requires_grad_()
    last = TEACHER.argmin(dim=1)
    correlation = masked_correlation(student, TEACHER, last, 4.0)
    correlation.sum().backward()
    assert correlation.tolist() == [0.0, 0.0]
    assert student.grad is not None
    assert student.grad.abs().max() == 0
    some = masked_correlation(STUDENT, TEACHER, torch.stack((last[0], LABELS[1])), 4.0)
    assert some[0] == 0
    assert some[1] > 0


def test_classes_tied_with_the_label_are_left_out() -> None:
    tied = torch.zeros(1, 4, dtype=torch.float64)
    assert masked_correlation(STUDENT[:1], tied, torch.tensor([2]), 1.0).item() == 0


def test_confidence_compares_the_teachers_top_with_the_students_label() -> None:
    """Where the teacher is wrong, its confidence is kept but given to the label."""
    p_t, p_s = torch.softmax(TEACHER, 1)[1, 3], torch.softmax(STUDENT, 1)[1, 1]
    expected = p_t * (p_t / p_s).log() + (1 - p_t) * ((1 - p_t) / (1 - p_s)).log()
    assert sample_confidence(STUDENT, TEACHER, LABELS, 1.0)[1].item() == pytest.approx(expected.item())


def test_the_top_classes_are_no_target() -> None:
    """Correlation leaves gradients of the classes at and above the label alone."""
    student = STUDENT.clone().requires_grad_()
    masked_correlation(student, TEACHER, LABELS, 4.0).sum().backward()
    assert student.grad is not None
    assert student.grad[1, [1, 3]].tolist() == [0, 0]
    assert student.grad[1, [0, 2]].abs().min() > 0


def test_targets_of_one_image_stand_alone() -> None:
    whole = term_of(RLD(warmup=0), STUDENT[1:], TEACHER[1:], Targets(LABELS[1:]))
    assert torch.isfinite(whole)
