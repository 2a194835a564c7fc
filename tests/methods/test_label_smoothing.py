"""Label smoothing of the cross-entropy (Szegedy et al. 2016), by hand, in every method that has one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from rigorkd.methods.base import Method, Outputs, Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.objective import Objective

from .conftest import LABELS, LOGIT_METHODS, STUDENT, TARGETS, TEACHER, label

EPSILON = 0.1
PARTNERS = torch.tensor([2, 1])


def smoothed(labels: torch.Tensor) -> float:
    """The mean over images of −Σ q log p, where q has 1 − ε at the label and ε over all classes alike."""
    q = (1 - EPSILON) * F.one_hot(labels, 4).double() + EPSILON / 4
    return float(-(q * STUDENT.log_softmax(dim=1)).sum(dim=1).mean())


@pytest.mark.parametrize("method", [Baseline(), *LOGIT_METHODS], ids=label)
def test_the_label_is_smoothed(method: Method) -> None:
    objective = Objective(method, EPSILON).double()
    views = 2 if objective.needs_strong else 1
    mixed = Targets(LABELS, PARTNERS, torch.tensor(0.3, dtype=torch.float64))
    for targets, expected in (
        (TARGETS, smoothed(LABELS)),
        (mixed, 0.3 * smoothed(LABELS) + 0.7 * smoothed(PARTNERS)),
    ):
        terms = objective(Outputs(STUDENT, STUDENT), targets, Outputs(TEACHER, TEACHER))
        assert terms.ce.item() == pytest.approx(views * expected, abs=1e-9)
