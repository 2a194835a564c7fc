"""MLKD against a plain computation, loop by loop; its masks; its two views."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.mlkd import MLKD, unsure

from .conftest import objective_of

GENERATOR = torch.Generator().manual_seed(4)
WEAK_S, WEAK_T, STRONG_S, STRONG_T = 2 * torch.randn(4, 6, 5, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.tensor([0, 1, 2, 3, 4, 0])
STUDENT, TEACHER = Outputs(WEAK_S, STRONG_S), Outputs(WEAK_T, STRONG_T)


def softmax(logits: torch.Tensor, T: float) -> np.ndarray:
    exps = np.exp(logits.numpy() / T)
    return np.asarray(exps / exps.sum(axis=1, keepdims=True))


def plainly(temperatures: tuple[float, ...], t_squared: bool) -> float:
    """The definition, written out with NumPy."""
    confidence = softmax(WEAK_T, 1).max(axis=1)
    summed = softmax(WEAK_T, 1).sum(axis=0)
    images = confidence <= np.percentile(confidence, 50)
    classes = summed <= np.percentile(summed, 50)
    assert 0 < images.sum() < 6
    assert 0 < classes.sum() < 5
    total = 0.0
    for index, T in enumerate(temperatures):
        factor = T * T if t_squared else 1.0
        s, t = softmax(WEAK_S, T), softmax(WEAK_T, T)
        weak = factor * (t * np.log(t / s)).sum(axis=1)
        gs, gt = softmax(STRONG_S, T), softmax(STRONG_T, T)
        strong = factor * (gt * np.log(gt / gs)).sum(axis=1)
        total += (images * weak).sum() / 6 + (strong if index < 3 else weak).sum() / 6
        for c in range(5):
            total += classes[c] * ((t.T @ t - s.T @ s)[c] ** 2).sum() / 5
        for i in range(6):
            total += images[i] * ((t @ t.T - s @ s.T)[i] ** 2).sum() / 6
    return total


@pytest.mark.parametrize("temperatures", [(4.0, 3.0, 5.0, 2.0, 6.0), (2.0,), (1.0, 2.0, 3.0, 4.0)])
@pytest.mark.parametrize("t_squared", [True, False])
def test_agrees_with_the_definition(temperatures: tuple[float, ...], t_squared: bool) -> None:
    objective = objective_of(MLKD(temperatures=temperatures, t_squared=t_squared))
    terms = objective(STUDENT, Targets(LABELS), TEACHER)
    assert terms.kd is not None
    assert terms.kd.item() == pytest.approx(plainly(temperatures, t_squared), rel=1e-9)


def test_cross_entropy_is_over_both_views() -> None:
    ce = objective_of(MLKD())(STUDENT, Targets(LABELS), TEACHER).ce
    each = [torch.nn.functional.cross_entropy(z, LABELS) for z in (WEAK_S, STRONG_S)]
    assert ce.item() == pytest.approx((each[0] + each[1]).item())


def test_every_view_matters() -> None:
    whole = objective_of(MLKD())(STUDENT, Targets(LABELS), TEACHER).total
    for student, teacher in (
        (Outputs(WEAK_S, WEAK_S), TEACHER),
        (Outputs(STRONG_S, STRONG_S), TEACHER),
        (STUDENT, Outputs(WEAK_T, WEAK_T)),
        (STUDENT, Outputs(STRONG_T, STRONG_T)),
    ):
        other = objective_of(MLKD())(student, Targets(LABELS), teacher).total
        assert other.item() != pytest.approx(whole.item())


def test_the_unsure_half_is_marked() -> None:
    images, classes = unsure(torch.tensor([[5.0, 0, 0], [0, 1.0, 0], [0, 0, 3.0], [0.1, 0, 0]]))
    assert images.tolist() == [0, 1, 0, 1]
    assert classes.tolist() == [0, 1, 1]  # probabilities sum to 1.65, 1.07 and 1.28 over the batch


def test_the_median_itself_is_unsure() -> None:
    images, classes = unsure(torch.diag(torch.tensor([1.0, 3.0, 5.0])))
    assert images.tolist() == [1, 1, 0]
    assert classes.tolist() == [1, 1, 0]
