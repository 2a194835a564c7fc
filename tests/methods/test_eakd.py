"""EA-KD: check values for both bounds, and weights that carry no gradient."""

from __future__ import annotations

import math

import pytest
import torch

from rigorkd.methods.eakd import EAKD

from .conftest import STUDENT, TEACHER, term_of


@pytest.mark.parametrize(("bound", "expected"), [("classes", 0.327556), ("log_classes", 0.481540)])
def test_check_values(bound: str, expected: float) -> None:
    method = EAKD.model_validate({"T": 4.0, "entropy_bound": bound})
    assert term_of(method).item() == pytest.approx(expected, abs=1e-5)


def test_an_image_that_both_find_hardest_weighs_ln_of_the_classes() -> None:
    """½ (H + H · H / ln C) at H = ln C; an image that the teacher is sure of weighs nothing."""
    flat = torch.zeros(1, 4, dtype=torch.float64)
    sure = torch.tensor([[900.0, 0, 0, 0]], dtype=torch.float64)
    assert EAKD().image_weights(flat, flat).item() == pytest.approx(math.log(4))
    assert EAKD().image_weights(sure, flat).item() == pytest.approx(math.log(4) / 2)
    assert EAKD().image_weights(flat, sure).item() == pytest.approx(0)


def test_entropies_have_their_own_temperature() -> None:
    one, three = (EAKD(entropy_temperature=T).image_weights(STUDENT, TEACHER) for T in (1.0, 3.0))
    assert (one < three).all()
    assert torch.equal(three, EAKD(T=9.0).image_weights(STUDENT, TEACHER))


def test_weights_carry_no_gradient() -> None:
    """The gradient is that of a weighted sum with constant weights: T · w · (p_s − p_t) / B."""
    student = STUDENT.clone().requires_grad_()
    assert not EAKD().image_weights(student, TEACHER).requires_grad
    term_of(EAKD(T=4.0), student).backward()
    w = EAKD().image_weights(STUDENT, TEACHER)[:, None]
    expected = 4 * w * (torch.softmax(STUDENT / 4, 1) - torch.softmax(TEACHER / 4, 1)) / 2
    torch.testing.assert_close(student.grad, expected)
