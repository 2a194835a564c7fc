"""CTKD: the learned temperature, the reversal of its gradient over the warm-up, and what it is equal to."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rigorkd.methods.base import Outputs
from rigorkd.methods.ctkd import CTKD, reversal
from rigorkd.methods.kd import kd_loss
from rigorkd.methods.objective import Objective

from .conftest import STUDENT, TARGETS, TEACHER, objective_of


def ctkd(epoch: int = 10, **settings: float | bool) -> Objective:
    objective = objective_of(CTKD.model_validate(settings))
    objective.begin_epoch(epoch, 100)
    return objective


def learned(objective: Objective) -> float:
    assert isinstance(objective.method, CTKD)
    return objective.method.learned(objective).item()


def test_the_temperature_starts_where_it_was_published() -> None:
    assert learned(ctkd()) == pytest.approx(15.62, abs=5e-3)
    assert ctkd().columns()["temperature"] == pytest.approx(15.62, abs=5e-3)
    assert learned(ctkd(T_min=2, T_range=1)) == pytest.approx(2.7311, abs=1e-4)


def test_the_reversal_grows_over_the_warm_up() -> None:
    values = [reversal(epoch, 10) for epoch in (0, 1, 5, 10, 50)]
    assert values == pytest.approx([0, -0.0244717, -0.5, -1, -1], abs=1e-6)
    assert reversal(1, 1) == -1


def test_the_term_is_vanilla_distillation_at_the_learned_temperature() -> None:
    objective = ctkd()
    term = objective.term(Outputs(STUDENT), TARGETS, Outputs(TEACHER))
    assert term.item() == pytest.approx(kd_loss(STUDENT, TEACHER, learned(objective)).item())


@pytest.mark.parametrize("t_squared", [True, False])
def test_the_gradient_flows_through_t_squared_and_both_softmaxes(t_squared: bool) -> None:
    """At λ = −1 the gradient of θ is minus that of the plain term, by finite differences."""
    objective = ctkd(t_squared=t_squared)
    objective.term(Outputs(STUDENT), TARGETS, Outputs(TEACHER)).backward()

    def plain(theta: float) -> Tensor:
        return kd_loss(STUDENT, TEACHER, 1 + 20 / (1 + math.exp(-theta)), t_squared=t_squared)

    slope = (plain(1 + 1e-4) - plain(1 - 1e-4)).item() / 2e-4
    assert abs(slope) > 1e-6
    gradient = objective.get_parameter("theta").grad
    assert gradient is not None
    assert gradient.item() == pytest.approx(-slope, rel=1e-5)


@pytest.mark.parametrize("epoch", [1, 4, 9])
def test_the_gradient_is_scaled_by_the_reversal_of_the_epoch(epoch: int) -> None:
    gradients = []
    for objective in (ctkd(epoch), ctkd(10)):
        objective.term(Outputs(STUDENT), TARGETS, Outputs(TEACHER)).backward()
        gradient = objective.get_parameter("theta").grad
        assert gradient is not None
        gradients.append(gradient.item())
    assert gradients[0] == pytest.approx(-reversal(epoch, 10) * gradients[1])


def test_a_step_makes_the_task_harder_for_the_student() -> None:
    objective = ctkd(kd_weight=1, ce_weight=0)
    before = objective(Outputs(STUDENT), TARGETS, Outputs(TEACHER)).total
    before.backward()
    torch.optim.SGD(objective.parameters(), lr=10.0).step()
    assert objective(Outputs(STUDENT), TARGETS, Outputs(TEACHER)).total.item() > before.item()


def test_the_students_gradient_is_not_reversed() -> None:
    student = STUDENT.clone().requires_grad_()
    objective = ctkd()
    objective.term(Outputs(student), TARGETS, Outputs(TEACHER)).backward()
    T = learned(objective)
    expected = T * (torch.softmax(STUDENT / T, 1) - torch.softmax(TEACHER / T, 1)) / 2
    torch.testing.assert_close(student.grad, expected)


def test_theta_is_checkpointed() -> None:
    one, two = ctkd(), ctkd()
    with torch.no_grad():
        one.theta.fill_(-2.0)
    two.load_state_dict(one.state_dict())
    assert two.columns() == one.columns()
