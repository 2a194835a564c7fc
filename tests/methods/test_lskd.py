"""Logit standardisation: check value, and what it makes the term blind to."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.methods.divergences import standardized
from rigorkd.methods.dkd import DKD
from rigorkd.methods.kd import KD
from rigorkd.methods.lskd import LSKD
from rigorkd.methods.mlkd import MLKD

from .conftest import STUDENT, TEACHER, term_of


def test_check_value() -> None:
    assert term_of(LSKD(T=2.0)).item() == pytest.approx(0.235725, abs=1e-5)


def test_rows_have_mean_0_and_standard_deviation_1() -> None:
    rows = standardized(STUDENT)
    torch.testing.assert_close(rows.mean(dim=1), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(rows.std(dim=1), torch.ones(2, dtype=torch.float64), rtol=1e-6, atol=1e-6)


@given(st.floats(0.1, 30), st.floats(-20, 20), st.floats(0.1, 30), st.floats(-20, 20))
def test_shifting_and_scaling_a_row_changes_nothing(a: float, b: float, c: float, d: float) -> None:
    scale = torch.tensor([[a], [c]], dtype=torch.float64)
    shift = torch.tensor([[b], [d]], dtype=torch.float64)
    expected = pytest.approx(term_of(LSKD()).item(), rel=1e-4)
    assert term_of(LSKD(), STUDENT * scale + shift).item() == expected
    assert term_of(LSKD(), teacher=TEACHER * scale + shift).item() == expected


@pytest.mark.parametrize("kind", [KD, DKD])
def test_standardize_is_the_method_on_standardised_logits(kind: type[KD] | type[DKD]) -> None:
    expected = term_of(kind(), standardized(STUDENT), standardized(TEACHER)).item()
    assert term_of(kind(standardize=True)).item() == pytest.approx(expected)
    assert term_of(kind()).item() != pytest.approx(expected)


def test_standardised_mlkd_compares_raw_gram_matrices() -> None:
    """A scaled copy of the teacher still differs from it in the Gram terms, and in nothing else."""
    scaled, twin = term_of(MLKD(standardize=True), 2 * TEACHER), term_of(MLKD(standardize=True), TEACHER)
    assert twin.item() == pytest.approx(0, abs=1e-9)
    assert scaled.item() > 1e-3
    assert scaled.item() == pytest.approx(
        term_of(MLKD(standardize=True, t_squared=False), 2 * TEACHER).item(), rel=1e-5
    )


def test_nothing_is_detached() -> None:
    """The gradient with respect to logits is orthogonal to shifts and to the row itself."""
    student = STUDENT.clone().requires_grad_()
    term_of(LSKD(), student).backward()
    assert student.grad is not None
    assert student.grad.sum(dim=1).abs().max() < 1e-9
    assert (student.grad * (STUDENT - STUDENT.mean(1, keepdim=True))).sum(dim=1).abs().max() < 1e-6
