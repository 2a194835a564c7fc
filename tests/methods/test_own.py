"""Terms of the user's own: what they are called with, and what is refused before anything trains."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rigorkd.errors import InputError
from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.objective import Objective
from rigorkd.methods.own import Own
from rigorkd.methods.own_check import own_term, term_problems
from rigorkd.models import custom
from rigorkd.models.own_code import read_source
from rigorkd.problems import Problem

LOSSES = """\
import random

import torch
from torch import nn
from torch.nn import functional as F

CALLED = []


def squared(student, teacher, scale=1.0):
    CALLED.append(dict(scale=scale, student=student, teacher=teacher))
    return F.mse_loss(student / scale, teacher / scale)


def of_everything(*, student, teacher, labels, epoch, epochs, T, word="a"):
    CALLED.append(dict(labels=labels, epoch=epoch, epochs=epochs, T=T, word=word))
    return (student - teacher)[torch.arange(len(labels)), labels].mean()


def of_one(student):
    return student.mean()


def rows(student, teacher):
    return (student - teacher).square().mean(dim=1)


def number(student, teacher):
    return 3.0


def whole(student, teacher):
    return (student > teacher).sum()


def deaf(student, teacher):
    return (student.detach() - teacher).square().mean()


def infinite(student, teacher):
    return (student / 0).mean()


def changing(student, teacher):
    teacher -= 1
    return F.mse_loss(student, teacher)


def raising(student, teacher):
    raise KeyError("no luck")


def noisy(student, teacher):
    return F.mse_loss(student + torch.randn_like(student), teacher)


def noisy_elsewhere(student, teacher):
    return F.mse_loss(student, teacher) * random.random()


def counting(student, teacher, seen=[]):
    seen.append(1)
    return F.mse_loss(student, teacher) * len(seen)


def wiping(student, teacher):
    teacher.data.mul_(0)
    return F.mse_loss(student, teacher)


def relabelling(student, teacher, labels):
    labels.add_(1)
    return F.cross_entropy(student, labels % 5)


def leaving(student, teacher):
    raise SystemExit(0)


class Odd(BaseException):
    pass


def odd(student, teacher):
    raise Odd("not even an Exception")


def backward(student, teacher):
    loss = F.mse_loss(student, teacher)
    loss.backward()
    return loss


def half(student, teacher):
    return F.mse_loss(student.bfloat16(), teacher.bfloat16())


def steep(student, teacher):
    return (student - student.detach()).pow(2).sum(dim=1).sqrt().mean()


def doubling(student, teacher):
    torch.set_default_dtype(torch.float64)
    return F.mse_loss(student, teacher)


def warming(student, teacher, epoch, epochs):
    return F.mse_loss(student, teacher) * (epoch - 1) / (epochs - 1)


def starting(student, teacher, epoch):
    return F.mse_loss(student, teacher) if epoch > 1 else torch.zeros(())


def late(student, teacher, epoch):
    if epoch == 3:
        raise ValueError("late")
    return F.mse_loss(student, teacher)


def weighing(student, teacher, alpha=0.9):
    return alpha * F.mse_loss(student, teacher)


def open_ended(*args, **kwargs):
    return F.mse_loss(**kwargs)


async def later(student, teacher):
    return F.mse_loss(student, teacher)


def needing(student, teacher, margin):
    return F.mse_loss(student, teacher) - margin


class Learned(nn.Module):
    def __init__(self, classes, width=3):
        super().__init__()
        self.map = nn.Linear(classes, width)
        self.theirs = nn.Linear(classes, width)

    def forward(self, student, teacher):
        return F.mse_loss(self.map(student), self.theirs(teacher))


class Deaf(Learned):
    def forward(self, student, teacher):
        return self.map(student.detach()).square().mean()


class Heated(Learned):
    def __init__(self, classes, T):
        super().__init__(classes)


class Five(nn.Module):
    def __new__(cls):
        return 5

    def forward(self, student, teacher):
        return student.mean()


one_for_all = Learned(5)


class NoModule:
    def __call__(self, student, teacher):
        return student.mean()


class Failing(nn.Module):
    def __init__(self):
        raise ValueError("not today")

    def forward(self, student, teacher):
        return student.mean()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with LOSSES beside the protocol; what is imported from it is forgotten."""
    (tmp_path / "losses.py").write_text(LOSSES)
    before = list(sys.path)
    yield tmp_path
    custom._forget()
    custom._functions.clear()
    assert sys.path == before


def method(function: str, **values: object) -> Own:
    return Own.model_validate({"term": f"losses:{function}", **values})


def objective(folder: Path, wanted: Own, classes: int = 5, seed: int = 0) -> Objective:
    term = own_term(wanted, read_source(wanted.term, folder), classes=classes, seed=seed)
    return Objective(wanted, own=term)


def called() -> dict[str, object]:
    found: dict[str, object] = sys.modules["losses"].CALLED[-1]
    return found


def problems(folder: Path, wanted: Own) -> list[Problem]:
    source = read_source(wanted.term, folder)
    return term_problems(wanted, source, classes=5, epochs=3, place=lambda rest: ("own", *rest))


def logits(seed: int, classes: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(6, classes, generator=torch.Generator().manual_seed(seed), dtype=dtype)


LABELS = torch.arange(6) % 5


def test_the_loss_is_weighted_cross_entropy_and_term(folder: Path) -> None:
    student, teacher = logits(1), logits(2)
    built = objective(folder, method("squared", alpha=0.25, args={"scale": 2.0}))
    terms = built(Outputs(student), Targets(LABELS), Outputs(teacher))
    assert terms.kd is not None
    assert terms.kd.item() == pytest.approx(((student - teacher) / 2).square().mean().item())
    ce = nn.functional.cross_entropy(student, LABELS).item()
    assert terms.total.item() == pytest.approx(0.25 * ce + 0.75 * terms.kd.item())


def test_it_is_called_with_what_it_names(folder: Path) -> None:
    built = objective(folder, method("of_everything", T=3, args={"word": "b"}))
    built.begin_epoch(2, 7)
    built(Outputs(logits(1)), Targets(LABELS), Outputs(logits(2)))
    labels = called().pop("labels")
    assert isinstance(labels, Tensor)
    assert torch.equal(labels, LABELS)
    assert called() == {"epoch": 2, "epochs": 7, "T": 3.0, "word": "b"}


def test_a_ramp_of_the_temperature_reaches_it_and_the_history(folder: Path) -> None:
    built = objective(folder, method("of_everything", T={"linear": (1, 4)}))
    seen = []
    for epoch in (1, 2, 3, 4):
        built.begin_epoch(epoch, 4)
        built(Outputs(logits(1)), Targets(LABELS), Outputs(logits(2)))
        seen.append((called()["T"], built.columns()["temperature"]))
    assert seen == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)]


def test_half_precision_arrives_as_float32(folder: Path) -> None:
    built = objective(folder, method("squared"))
    student, teacher = logits(1, dtype=torch.float32).bfloat16(), logits(2).bfloat16()
    built(Outputs(student), Targets(LABELS), Outputs(teacher))
    for name in ("student", "teacher"):
        given = called()[name]
        assert isinstance(given, Tensor)
        assert given.dtype == torch.float32


def test_mixed_images_weigh_the_terms_of_both_labels(folder: Path) -> None:
    built = objective(folder, method("of_everything", T=1, alpha=0))
    student, teacher = logits(1), logits(2)
    partners, weight = LABELS.flip(0), torch.tensor(0.3)

    def of(targets: Targets) -> float:
        return float(built(Outputs(student), targets, Outputs(teacher)).total)

    mixed = of(Targets(LABELS, partners, weight))
    assert mixed == pytest.approx(0.3 * of(Targets(LABELS)) + 0.7 * of(Targets(partners)))
    assert of(Targets(LABELS)) != pytest.approx(of(Targets(partners)))


def test_the_gradient_is_that_of_finite_differences(folder: Path) -> None:
    built = objective(folder, method("squared", args={"scale": 0.5}))
    teacher = logits(2, dtype=torch.float64)

    def total(student: Tensor) -> Tensor:
        return built(Outputs(student), Targets(LABELS), Outputs(teacher)).total

    torch.autograd.gradcheck(total, logits(1, dtype=torch.float64).requires_grad_())


def test_a_module_is_drawn_from_its_seed_and_is_part_of_the_objective(folder: Path) -> None:
    wanted = method("Learned", args={"width": 2})
    first, same, other = (objective(folder, wanted, seed=seed) for seed in (4, 4, 5))
    names = [name for name, _ in first.named_parameters()]
    assert names == ["own.map.weight", "own.map.bias", "own.theirs.weight", "own.theirs.bias"]
    assert first.state_dict()["own.map.weight"].shape == (2, 5)
    for name in names:
        assert torch.equal(first.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(first.state_dict()[names[0]], other.state_dict()[names[0]])


def test_drawing_the_weights_of_a_module_leaves_the_generator_alone(folder: Path) -> None:
    before = torch.random.get_rng_state()
    objective(folder, method("Learned"))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    "wanted",
    [
        method("squared"),
        method("squared", args={"scale": 2}),
        method("of_everything", T=2),
        method("Learned"),
        method("Learned", args={"width": 4}, alpha={"linear": (0, 1)}),
        method("needing", args={"margin": 1}),
        method("warming"),
        method("starting"),
    ],
    ids=str,
)
def test_these_are_losses(folder: Path, wanted: Own) -> None:
    assert problems(folder, wanted) == []


@pytest.mark.parametrize(
    ("wanted", "key", "message", "hint"),
    [
        (method("of_one"), "term", "has no parameter 'teacher'", "student, teacher, labels"),
        (method("squared", args={"scal": 2}), "scal", "it has no parameter 'scal'", "did you mean 'scale'?"),
        (method("squared", T=2), "T", "it has no parameter 'T'", ""),
        (method("of_everything"), "", "it needs the key 'T'", ""),
        (method("needing"), "", "it needs the key 'margin'", ""),
        (method("Learned", T=2), "T", "its forward has no parameter 'T'", ""),
        (method("Learned", args={"height": 2}), "height", "it has no parameter 'height'", ""),
        (method("NoModule"), "term", "it is a class and no torch.nn.Module", ""),
        (method("Failing"), "term", "when it was made, it raised ValueError: not today", ""),
        (
            method("rows"),
            "term",
            "it gives shape (4,) of torch.float32, not a scalar tensor",
            "the mean over the batch",
        ),
        (method("number"), "term", "it gives float, not a scalar tensor", ""),
        (method("whole"), "term", "it gives shape () of torch.int64, not a scalar tensor of float32", ""),
        (method("half"), "term", "it gives shape () of torch.bfloat16, not a scalar tensor of float32", ""),
        (method("steep"), "term", "its gradient is not finite", ""),
        (method("wiping"), "term", "it changes what it is given", ""),
        (method("relabelling"), "term", "it changes what it is given", ""),
        (method("counting"), "term", "two values for the same logits", "kept between calls"),
        (method("leaving"), "term", "term losses:leaving: it ends the process (sys.exit)", ""),
        (method("odd"), "term", "called with 4 images, it raised Odd: not even an Exception", ""),
        (method("backward"), "term", "differentiated, it raised RuntimeError", ""),
        (method("doubling"), "term", "it changes the default dtype", "shared by all students"),
        (method("late"), "term", "it raised ValueError: late", ""),
        (method("weighing"), "term", "a parameter 'alpha', which it is never given", "weighs the loss"),
        (
            method("open_ended"),
            "term",
            "has no parameter 'student'",
            "*args and **kwargs are not looked into",
        ),
        (method("later"), "term", "it is a coroutine", "not async def"),
        (method("one_for_all"), "term", "it is one module for all runs", "name its class"),
        (method("Heated", T=3), "term", "it takes T when it is made", "name T in forward"),
        (method("Five"), "term", "it makes int, not a torch.nn.Module", ""),
        (method("Learned", args={"classes": 3}), "classes", "it is given 'classes' by rigorkd", ""),
        (method("deaf"), "term", "no gradient with respect to the student's logits", "detached"),
        (method("Deaf"), "term", "no gradient with respect to the student's logits", "detached"),
        (method("infinite"), "term", "for ordinary logits", ""),
        (method("changing"), "term", "it changes what it is given", "no in-place operation"),
        (method("raising"), "term", "called with 4 images, it raised KeyError: 'no luck'", ""),
        (method("noisy"), "term", "two values for the same logits", "random numbers"),
        (method("noisy_elsewhere"), "term", "two values for the same logits", ""),
        (method("CALLED"), "term", "CALLED is no function of losses", ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_loss_is_refused(folder: Path, wanted: Own, key: str, message: str, hint: str) -> None:
    problem, *others = problems(folder, wanted)
    assert {other.message for other in others} <= {problem.message.replace("student", "teacher")}
    assert problem.path == ("own", *filter(None, [key]))
    assert message in problem.message
    assert hint in problem.hint
    assert torch.get_default_dtype() == torch.float32


def test_the_line_that_raised_is_named(folder: Path) -> None:
    line = LOSSES.split('raise KeyError("no luck")')[0].count("\n") + 1
    (problem,) = problems(folder, method("raising"))
    assert f"losses.py:{line})" in problem.message


def test_code_that_changed_since_it_was_planned_is_refused(folder: Path) -> None:
    wanted = method("squared")
    source = read_source(wanted.term, folder)
    (folder / "losses.py").write_text(LOSSES + "\n")
    with pytest.raises(InputError, match="term losses:squared: its code changed since"):
        own_term(wanted, source, classes=5, seed=0)


def test_code_that_is_only_remembered_is_refused() -> None:
    with pytest.raises(InputError, match="only remembered by its hash"):
        own_term(method("squared"), None, classes=5, seed=0)
