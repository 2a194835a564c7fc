"""Matched smoothing: a label smoothed to exactly the teacher's entropy, per image or over the data."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.divergences import entropy, log_probabilities
from rigorkd.methods.kd import kd_loss
from rigorkd.methods.matched_smoothing import MatchedSmoothing, smoothed
from rigorkd.methods.objective import Objective

from .conftest import LABELS, STUDENT, TARGETS, TEACHER, objective_of, term_of


def entropy_of(q: torch.Tensor) -> torch.Tensor:
    return -torch.special.xlogy(q, q).sum(dim=1)


@given(st.integers(2, 120), st.floats(0, 1))
def test_the_smoothed_label_has_the_wanted_entropy(classes: int, share: float) -> None:
    wanted = torch.tensor([share * math.log(classes)], dtype=torch.float64)
    q = smoothed(Targets(torch.tensor([classes - 1])), wanted, classes)
    assert q.sum().item() == pytest.approx(1)
    assert entropy_of(q).item() == pytest.approx(wanted.item(), abs=1e-6)
    assert (q[0, :-1] == q[0, 0]).all()
    assert q[0, -1] >= q[0, 0] - 1e-9


@given(st.integers(3, 30), st.floats(0, 1), st.floats(0, 1))
def test_a_mixed_label_keeps_its_mixture(classes: int, weight: float, share: float) -> None:
    targets = Targets(torch.tensor([0]), torch.tensor([1]), torch.tensor(weight, dtype=torch.float64))
    base = torch.tensor([[weight, 1 - weight]], dtype=torch.float64)
    lowest = entropy_of(base).item()
    wanted = share * math.log(classes)
    q = smoothed(targets, torch.tensor([wanted]).double(), classes)
    assert entropy_of(q).item() == pytest.approx(max(wanted, lowest), abs=1e-6)
    if wanted < lowest - 1e-9:  # surer than the label itself: the label, not smoothed
        torch.testing.assert_close(q[:, :2], base)
        assert q[0, 2:].abs().max() == 0


def test_partners_of_one_class_are_one_label() -> None:
    plain = smoothed(TARGETS, torch.tensor([0.5, 0.9]).double(), 4)
    mixed = smoothed(Targets(LABELS, LABELS.clone(), torch.tensor(0.4)), torch.tensor([0.5, 0.9]).double(), 4)
    torch.testing.assert_close(mixed, plain)


def test_instance_matches_every_image() -> None:
    wanted = entropy(log_probabilities(TEACHER, 4.0))
    q = smoothed(TARGETS, wanted, 4)
    torch.testing.assert_close(entropy_of(q), wanted, rtol=1e-8, atol=1e-8)
    expected = kd_loss(STUDENT, 4 * q.log(), 4.0)  # a teacher whose softened output is q
    assert term_of(MatchedSmoothing(T=4.0)).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_label_is_taught_not_the_teachers_top_class() -> None:
    """Of the second image the teacher is wrong; its entropy is all that is used."""
    permuted = TEACHER.flip(1)
    assert term_of(MatchedSmoothing(), teacher=permuted).item() == pytest.approx(
        term_of(MatchedSmoothing()).item(), rel=1e-6
    )


def learned(logits: torch.Tensor) -> Objective:
    objective = objective_of(MatchedSmoothing(scope="global", T=2.0))
    assert objective.needs_training_logits
    objective.learn_from(logits)
    return objective


def test_global_matches_the_mean_entropy_of_the_training_set() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(50, 4, generator=generator, dtype=torch.float64)
    objective = learned(logits)
    mean = entropy(log_probabilities(logits, 2.0)).mean()
    q = smoothed(TARGETS, mean.expand(2), 4)
    term = objective.term(Outputs(STUDENT), TARGETS, Outputs(TEACHER))
    assert term.item() == pytest.approx(kd_loss(STUDENT, 2 * q.log(), 2.0).item(), rel=1e-6)
    other = objective.term(Outputs(STUDENT), TARGETS, Outputs(TEACHER * 3))
    assert other.item() == term.item()  # the batch's own teacher no longer matters


def test_what_was_learned_is_checkpointed() -> None:
    one, two = learned(TEACHER), learned(TEACHER * 5)
    two.load_state_dict(one.state_dict())
    terms = [each.term(Outputs(STUDENT), TARGETS, Outputs(TEACHER)).item() for each in (one, two)]
    assert terms[0] == terms[1]


def test_instance_learns_nothing_beforehand() -> None:
    assert not objective_of(MatchedSmoothing()).needs_training_logits
