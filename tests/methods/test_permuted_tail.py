"""Permuted tail: what stays, what moves, and that the permutation is a function of the step's seed alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.methods.base import Targets
from rigorkd.methods.divergences import entropy, log_probabilities
from rigorkd.methods.kd import kd_loss
from rigorkd.methods.permuted_tail import PermutedTail, permuted_tail

from .conftest import LABELS, STUDENT, TEACHER, term_of


def logits(images: int, classes: int) -> torch.Tensor:
    return torch.randn(images, classes, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


@given(st.integers(0, 2**62), st.integers(1, 6), st.integers(8, 12))
def test_the_top_stays_and_the_rest_is_permuted(seed: int, keep: int, classes: int) -> None:
    before = logits(20, classes)
    after = permuted_tail(before, keep, seed)
    top = before.topk(keep, dim=1).indices
    assert torch.equal(after.gather(1, top), before.gather(1, top))
    assert torch.equal(after.sort(dim=1).values, before.sort(dim=1).values)
    assert not torch.equal(after, before)


@pytest.mark.parametrize("T", [1.0, 4.0])
def test_entropy_is_unchanged(T: float) -> None:
    before = logits(20, 10)
    entropies = [entropy(log_probabilities(z, T)) for z in (before, permuted_tail(before, 1, 3))]
    torch.testing.assert_close(entropies[0], entropies[1])


def test_the_seed_decides_and_torchs_own_generator_is_left_alone() -> None:
    before = logits(20, 10)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = permuted_tail(before, 1, 3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(permuted_tail(before, 1, 3), first)
    assert not torch.equal(permuted_tail(before, 1, 4), first)


def test_images_are_permuted_independently() -> None:
    rows = torch.arange(10.0).expand(50, 10)
    assert len({tuple(row) for row in permuted_tail(rows, 1, 0).tolist()}) > 40


def test_every_place_is_equally_likely() -> None:
    """Chi-squared over 9 places of the second-best class in 4,500 images; the seed is fixed."""
    rows = torch.arange(10.0).expand(4500, 10)
    places = permuted_tail(rows, 1, 11).eq(8).int().argmax(dim=1).bincount(minlength=10)
    assert places[9] == 0
    chi2 = ((places[:9] - 500.0) ** 2 / 500).sum().item()
    assert chi2 < 26.1  # the 99.9th percentile with 8 degrees of freedom


def test_keeping_all_but_one_is_vanilla_distillation() -> None:
    assert torch.equal(permuted_tail(TEACHER, 3, 5), TEACHER)


def test_the_step_seed_reaches_the_term() -> None:
    terms = {term_of(PermutedTail(), targets=Targets(LABELS, seed=seed)).item() for seed in range(8)}
    assert len(terms) > 1
    expected = kd_loss(STUDENT, permuted_tail(TEACHER, 1, 6), 4.0)
    assert term_of(PermutedTail(), targets=Targets(LABELS, seed=6)).item() == pytest.approx(expected.item())


def test_ties_keep_their_number() -> None:
    tied = torch.zeros(3, 5)
    assert torch.equal(permuted_tail(tied, 2, 1), tied)
