"""DIST: check values, and Pearson's invariances."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.methods.dist import DIST, disagreement

from .conftest import STUDENT, TEACHER, term_of


def test_check_values() -> None:
    own, theirs = torch.softmax(STUDENT, 1), torch.softmax(TEACHER, 1)
    assert disagreement(own, theirs).item() == pytest.approx(0.477787, abs=1e-5)
    assert disagreement(own.T, theirs.T).item() == pytest.approx(8.2567e-5, abs=1e-9)
    expected = 2 * (0.477787 + 8.2567e-5)
    assert term_of(DIST(tau=1.0)).item() == pytest.approx(expected, abs=1e-5)


def test_inter_is_over_images_and_intra_over_classes() -> None:
    inter, intra = (term_of(DIST(tau=1.0, inter=i, intra=j)).item() for i, j in ((1, 0), (0, 1)))
    assert inter == pytest.approx(0.477787, abs=1e-5)
    assert intra == pytest.approx(8.2567e-5, abs=1e-8)
    assert term_of(DIST(tau=1.0, inter=3, intra=7)).item() == pytest.approx(3 * inter + 7 * intra)


def test_agrees_with_corrcoef() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 5, 6, generator=generator, dtype=torch.float64)
    expected = [1 - torch.corrcoef(torch.stack(rows))[0, 1].item() for rows in zip(a, b, strict=True)]
    assert disagreement(a, b).item() == pytest.approx(sum(expected) / 5, abs=1e-6)


@given(st.floats(0.05, 50), st.floats(-5, 5))
def test_rows_may_be_shifted_and_scaled(scale: float, shift: float) -> None:
    a, b = torch.softmax(STUDENT, 1), torch.softmax(TEACHER, 1)
    plain = disagreement(a, b).item()
    assert disagreement(scale * a + shift, b).item() == pytest.approx(plain, abs=1e-5)
    assert disagreement(-scale * a + shift, b).item() == pytest.approx(2 - plain, abs=1e-5)


@given(st.floats(-30, 30))
def test_logits_may_be_shifted(shift: float) -> None:
    assert term_of(DIST(), STUDENT + shift).item() == pytest.approx(term_of(DIST()).item(), rel=1e-6)


def test_constant_rows_count_as_uncorrelated() -> None:
    flat = torch.zeros(2, 4, dtype=torch.float64, requires_grad=True)
    term = term_of(DIST(tau=1.0, intra=0), flat)
    term.backward()
    assert term.item() == pytest.approx(2.0)
    assert flat.grad is not None
    assert math.isfinite(flat.grad.abs().max().item())
