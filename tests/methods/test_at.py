"""Attention transfer: its check values by two derivations, gradients, sizes, and maps of zeros."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rigorkd.errors import InputError
from rigorkd.methods.at import AT
from rigorkd.methods.base import Outputs, Shapes
from rigorkd.methods.objective import Objective

from .conftest import CE, STUDENT, TARGETS, TEACHER, features, layers_term, objective_between

ONE = AT(layers=("a",))
OWN = torch.tensor(
    [[[[1.0, 2], [0, 1]], [[2.0, 0], [1, -1]]], [[[0.0, 1], [3, 1]], [[1.0, 1], [0, 2]]]]
).double()
"""Two images of two channels of 2 × 2 pixels: squares summed over channels are 5, 4, 1, 2 and 1, 2, 9, 5."""
THEIRS = torch.tensor([[[[2.0, 1], [1, 0]]], [[[1.0, 0], [2, 2]]]]).double()
"""One channel: 4, 1, 1, 0 and 1, 0, 4, 4."""
CHECK = {2.0: 0.047349, 1.0: 0.057603, 4.0: 0.099030}
"""By power: the mean of (Q_s − Q_t)² of OWN and THEIRS, computed by both derivations below."""


def by_loops(own: np.ndarray, theirs: np.ndarray, power: float) -> float:
    """The definition, pixel by pixel."""
    total, pixels = 0.0, own.shape[2] * own.shape[3]
    for image in range(len(own)):
        vectors = []
        for maps in (own[image], theirs[image]):
            sums = [
                sum(abs(float(channel[row, column])) ** power for channel in maps)
                for row in range(maps.shape[1])
                for column in range(maps.shape[2])
            ]
            length = sum(value**2 for value in sums) ** 0.5
            vectors.append([value / length for value in sums])
        total += sum((a - b) ** 2 for a, b in zip(*vectors, strict=True))
    return total / (len(own) * pixels)


def by_cosine(own: np.ndarray, theirs: np.ndarray, power: float) -> float:
    """Two vectors of length 1 are 2 − 2·cos apart, squared."""
    a, b = (np.einsum("bchw->bhw", np.abs(maps) ** power).reshape(len(maps), -1) for maps in (own, theirs))
    cosine = np.einsum("bp,bp->b", a, b) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(np.mean(2 - 2 * cosine) / a.shape[1])


@pytest.mark.parametrize("power", CHECK)
def test_check_values(power: float) -> None:
    own, theirs = OWN.numpy(), THEIRS.numpy()
    assert by_loops(own, theirs, power) == pytest.approx(CHECK[power], abs=1e-6)
    assert by_cosine(own, theirs, power) == pytest.approx(CHECK[power], abs=1e-6)
    method = AT(layers=("a",), power=power)
    assert layers_term(method, {"a": OWN}, {"a": THEIRS}).item() == pytest.approx(CHECK[power], abs=1e-6)


PRINTED = {2.0: 0.053339, 1.0: 0.059801, 4.0: 0.078367}
"""By power: half the mean length of Q_s − Q_t over the pixels, of OWN and THEIRS."""


@pytest.mark.parametrize("power", PRINTED)
def test_check_values_of_the_printed_form(power: float) -> None:
    """Each image alone gives its squared distance by either derivation above; its root is the length."""
    for derived in (by_loops, by_cosine):
        lengths = [(4 * derived(OWN.numpy()[[one]], THEIRS.numpy()[[one]], power)) ** 0.5 for one in range(2)]
        assert sum(lengths) / 2 / 2 / 4 == pytest.approx(PRINTED[power], abs=1e-6)
    method = AT(layers=("a",), power=power, form="paper")
    assert layers_term(method, {"a": OWN}, {"a": THEIRS}).item() == pytest.approx(PRINTED[power], abs=1e-6)
    maps = features({"a": (2, 4, 4)}, 1)["a"].requires_grad_()
    other = features({"a": (3, 2, 2)}, 2)["a"]
    assert torch.autograd.gradcheck(lambda z: layers_term(method, {"a": z}, {"a": other}), maps)


def test_equal_attention_has_finite_gradients_in_the_printed_form() -> None:
    """A length has no derivative at 0; one of 0 is taken."""
    maps = OWN.clone().requires_grad_()
    layers_term(AT(layers=("a",), form="paper"), {"a": maps}, {"a": OWN}).backward()
    assert maps.grad is not None
    assert torch.isfinite(maps.grad).all()


def test_the_terms_of_all_pairs_are_summed_and_weigh_a_thousand() -> None:
    student, teacher = {"a": OWN, "b": OWN.flip(0)}, {"a": THEIRS, "c": THEIRS}
    method = AT.model_validate({"layers": ("a", {"student": "b", "teacher": "c"})})
    each = [layers_term(ONE, {"a": own}, {"a": THEIRS}).item() for own in (OWN, OWN.flip(0))]
    assert layers_term(method, student, teacher).item() == pytest.approx(sum(each))
    objective = objective_between(method, student, teacher)
    terms = objective(Outputs(STUDENT, None, student), TARGETS, Outputs(TEACHER, None, teacher))
    assert terms.total.item() == pytest.approx(CE + 1000 * sum(each), abs=1e-3)


@pytest.mark.parametrize("sizes", [((4, 4), (2, 2)), ((2, 2), (4, 4)), ((5, 3), (4, 4))])
def test_the_larger_map_is_averaged_first(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    own, theirs = (
        features({"a": (channels, *size)}, seed)["a"]
        for seed, (channels, size) in enumerate(zip((3, 2), sizes, strict=True))
    )
    height, width = (min(a, b) for a, b in zip(*sizes, strict=True))
    small = [F.adaptive_avg_pool2d(maps, (height, width)) for maps in (own, theirs)]
    expected = by_loops(small[0].numpy(), small[1].numpy(), 2)
    assert layers_term(ONE, {"a": own}, {"a": theirs}).item() == pytest.approx(expected)


@pytest.mark.parametrize("power", [2.0, 1.5, 4.0])
def test_gradients_agree_with_finite_differences(power: float) -> None:
    own = features({"a": (2, 4, 4)}, 1)["a"].requires_grad_()
    theirs = features({"a": (3, 2, 2)}, 2)["a"]
    method = AT(layers=("a",), power=power)
    assert torch.autograd.gradcheck(lambda maps: layers_term(method, {"a": maps}, {"a": theirs}), own)


def test_scale_and_sign_and_number_of_channels_do_not_matter() -> None:
    whole = layers_term(ONE, {"a": OWN}, {"a": THEIRS}).item()
    other = torch.cat([-3 * OWN, 3 * OWN], dim=1)
    assert layers_term(ONE, {"a": other}, {"a": 2 * THEIRS}).item() == pytest.approx(whole)
    assert layers_term(ONE, {"a": OWN}, {"a": OWN}).item() == pytest.approx(0, abs=1e-12)


def test_a_map_of_zeros_has_finite_gradients() -> None:
    """Behind a ReLU all pixels of an image may be zero."""
    dead = torch.zeros_like(OWN, requires_grad=True)
    loss = layers_term(ONE, {"a": dead}, {"a": THEIRS})
    loss.backward()
    assert loss.item() == pytest.approx(1 / 4)  # the squared length of Q_t over four pixels
    assert dead.grad is not None
    assert torch.isfinite(dead.grad).all()


@pytest.mark.parametrize("shape", [(7,), (7, 4), ()])
def test_only_maps_have_attention(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="the student's layer 'a' gives") as error:
        Objective(ONE, shapes=Shapes({"a": shape}, {"a": (2, 4, 4)}, seed=1))
    assert error.value.hint == "at compares maps (channels × height × width); name another layer"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_computed_in_float32(dtype: torch.dtype) -> None:
    own, theirs = ({"a": maps.to(dtype)} for maps in (OWN, THEIRS))
    objective = objective_between(ONE, own, theirs).float()
    low = objective.term(Outputs(STUDENT.to(dtype), None, own), TARGETS, Outputs(TEACHER, None, theirs))
    assert low.dtype == torch.float32
    assert low.item() == pytest.approx(CHECK[2.0], abs=1e-6)
