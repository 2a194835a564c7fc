"""Similarity preservation: its check value by two derivations, gradients, any shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rigorkd.methods.base import Outputs
from rigorkd.methods.sp import SP

from .conftest import CE, STUDENT, TARGETS, TEACHER, features, layers_term, objective_between

ONE = SP(layers=("a",))
OWN = torch.tensor([[1.0, 2, 0], [0, 1, 1], [-1, 0, 2]]).double()
"""Three images. F·Fᵀ is 5 2 −1 / 2 2 2 / −1 2 5."""
THEIRS = torch.tensor([[2.0, 1], [1, 1], [0, 1]]).double()
"""F·Fᵀ is 5 3 1 / 3 2 1 / 1 1 1."""
CHECK = 0.114645
"""‖G_s − G_t‖²_F / 9, computed by both derivations below."""


def by_loops(own: np.ndarray, theirs: np.ndarray) -> float:
    """The definition, pair of images by pair of images."""
    images, total = range(len(own)), 0.0
    for i in images:
        rows = []
        for side in (own, theirs):
            row = [sum(float(a) * float(b) for a, b in zip(side[i], side[j], strict=True)) for j in images]
            length = sum(value**2 for value in row) ** 0.5
            rows.append([value / length for value in row])
        total += sum((a - b) ** 2 for a, b in zip(*rows, strict=True))
    return total / len(own) ** 2


def by_cosine(own: np.ndarray, theirs: np.ndarray) -> float:
    """Rows of length 1 are 2 − 2·cos apart, squared."""
    a, b = own @ own.T, theirs @ theirs.T
    cosine = np.diag(a @ b.T) / np.sqrt(np.diag(a @ a.T) * np.diag(b @ b.T))
    return float((2 - 2 * cosine).sum() / len(own) ** 2)


def test_check_value() -> None:
    assert by_loops(OWN.numpy(), THEIRS.numpy()) == pytest.approx(CHECK, abs=1e-6)
    assert by_cosine(OWN.numpy(), THEIRS.numpy()) == pytest.approx(CHECK, abs=1e-6)
    assert layers_term(ONE, {"a": OWN}, {"a": THEIRS}).item() == pytest.approx(CHECK, abs=1e-6)


@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 2, 4), (1, 1, 1)])
def test_features_of_any_shape_are_rows(shape: tuple[int, ...]) -> None:
    own = features({"a": shape}, 1, images=5)["a"]
    theirs = features({"a": (4, 2, 2)}, 2, images=5)["a"]
    expected = by_loops(own.flatten(1).numpy(), theirs.flatten(1).numpy())
    assert layers_term(ONE, {"a": own}, {"a": theirs}).item() == pytest.approx(expected)


def test_the_terms_of_all_pairs_are_summed_and_weigh_three_thousand() -> None:
    method = SP.model_validate({"layers": ("a", {"student": "b", "teacher": "a"})})
    student, teacher = {"a": OWN, "b": OWN.flip(0)}, {"a": THEIRS}
    each = [layers_term(ONE, {"a": own}, teacher).item() for own in (OWN, OWN.flip(0))]
    assert layers_term(method, student, teacher).item() == pytest.approx(sum(each))
    objective = objective_between(method, student, teacher)
    terms = objective(Outputs(STUDENT, None, student), TARGETS, Outputs(TEACHER, None, teacher))
    assert terms.total.item() == pytest.approx(CE + 3000 * sum(each), abs=1e-3)


def test_gradients_agree_with_finite_differences() -> None:
    own = features({"a": (2, 3, 3)}, 1, images=4)["a"].requires_grad_()
    teacher = features({"a": (5,)}, 2, images=4)
    assert torch.autograd.gradcheck(lambda maps: layers_term(ONE, {"a": maps}, teacher), own)


def test_scale_and_rotation_of_the_features_do_not_matter() -> None:
    whole = layers_term(ONE, {"a": OWN}, {"a": THEIRS}).item()
    turned = 3 * OWN @ torch.linalg.qr(features({"a": (3,)}, 3, images=3)["a"])[0]
    assert layers_term(ONE, {"a": turned}, {"a": THEIRS}).item() == pytest.approx(whole)
    assert layers_term(ONE, {"a": OWN}, {"a": turned}).item() == pytest.approx(0, abs=1e-12)


def test_an_image_of_zeros_has_finite_gradients() -> None:
    own = OWN.clone()
    own[1] = 0
    own.requires_grad_()
    layers_term(ONE, {"a": own}, {"a": THEIRS}).backward()
    assert own.grad is not None
    assert torch.isfinite(own.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_computed_in_float32(dtype: torch.dtype) -> None:
    own, theirs = ({"a": rows.to(dtype)} for rows in (OWN, THEIRS))
    objective = objective_between(ONE, own, theirs).float()
    low = objective.term(Outputs(STUDENT.to(dtype), None, own), TARGETS, Outputs(TEACHER, None, theirs))
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(CHECK, abs=1e-6)
