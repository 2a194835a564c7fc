"""A term of the user's own: `module:function`, called with the logits of a batch.

The function is called by keyword with what it names among

    student, teacher    logits (B, C), float32 at least; the teacher's take no gradient
    labels              (B,) int64; mixed images weigh the terms of their two labels
    epoch, epochs       the epoch under way, from 1, and how many there are
    T                   the protocol's temperature, at its value of the epoch

and with the protocol's other keys. It gives a scalar, the mean over the batch. A class is made once, with
these keys (and `classes`, if it names them), and its instances, modules, are called like a function: their
parameters are optimised, clipped and checkpointed with the student.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rigorkd.distill.divergence import over_labels
from rigorkd.distill.objective import Distillation, Outputs, Targets, full
from rigorkd.errors import InputError
from rigorkd.models.init import seeded
from rigorkd.models.own import own_function, told
from rigorkd.protocol.methods import Own
from rigorkd.protocol.problems import Path, Problem
from rigorkd.protocol.sources import Source
from rigorkd.text import nearest

INPUTS = ("student", "teacher", "labels", "epoch", "epochs")
"""What a term may be called with, beside its arguments."""

Term = Callable[..., Tensor]


class OwnObjective(Distillation):
    """ce_weight · CE + kd_weight · what the user's term gives."""

    def __init__(self, method: Own, label_smoothing: float, term: Term) -> None:
        super().__init__(method, label_smoothing)
        self.own = term
        self.inputs = frozenset(_parameters(term))
        self.heats = method.T is not None
        self.args: dict[str, Any] = {} if isinstance(term, nn.Module) else dict(method.args)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        super().begin_epoch(epoch, epochs)
        self.epochs = epochs

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        offered: dict[str, Any] = {
            "student": full(student.logits),
            "teacher": full(teacher.logits),
            "epoch": self.epoch,
            "epochs": self.epochs,
        }
        given = {name: value for name, value in offered.items() if name in self.inputs} | self.args
        if self.heats:
            given["T"] = self.temperature
        if "labels" not in self.inputs:
            return self.own(**given)
        return over_labels(targets, lambda labels: self.own(**given, labels=labels))


def own_term(method: Own, source: Source | None, *, classes: int, seed: int) -> Term:
    """The user's function, or an instance of the user's class with weights drawn from `seed`.

    Raises:
        InputError: it cannot be imported or made.
    """
    if source is None:
        raise InputError(
            f"term {method.term}: its code is only remembered by its hash",
            hint="give the protocol file, beside which the code lies",
        )
    function = own_function(method.term, source, "term")
    if not inspect.isclass(function):
        return function
    wanted = {"classes": classes} if "classes" in _parameters(function) else {}
    try:
        with seeded(seed):
            made: object = function(**method.args, **wanted)
    except Exception as error:  # code of others can raise anything
        raise InputError(f"term {method.term}: when it was made, it raised {told(error)}") from error
    assert isinstance(made, nn.Module), "looked at before"
    return made


def term_problems(method: Own, source: Source, classes: int, place: Callable[[Path], Path]) -> list[Problem]:
    """What is wrong with a term, found by its signature and by calling it with random logits.

    `place` maps a path inside the method into the protocol's file.
    """
    try:
        function = own_function(method.term, source, "term")
        if problems := list(_misfits(method, function, place)):
            return problems
        tried = _Tried(own_term(method, source, classes=classes, seed=0), method, classes)
        again = _Tried(own_term(method, source, classes=classes, seed=0), method, classes, others=1)
        tried.require_loss()
        if not torch.equal(tried.value.nan_to_num(), again.value.nan_to_num()):
            raise InputError(
                f"term {method.term}: it gives two values for the same logits",
                hint="it must draw no random numbers: a run would depend on its neighbours",
            )
    except InputError as error:
        return [Problem(place(("term",)), error.message, error.hint)]
    return []


def _misfits(method: Own, function: Callable[..., Any], place: Callable[[Path], Path]) -> Iterator[Problem]:
    """Keys of the protocol that the function does not take, or takes and is not given."""
    called, says = function, f"term {method.term}: it"
    given = {*method.args}
    if inspect.isclass(function):
        if not issubclass(function, nn.Module):
            yield Problem(place(("term",)), f"{says} is a class and no torch.nn.Module")
            return
        yield from _unmet(says, function, given, {"classes"}, place)
        called, says, given = function.forward, f"term {method.term}: its forward", set()
    given |= {"T"} if method.T is not None else set()
    yield from _unmet(says, called, given, {*INPUTS}, place)
    for name in ("student", "teacher"):
        if name not in _parameters(called):
            hint = f"rigorkd passes what it names of: {', '.join(INPUTS)}"
            yield Problem(place(("term",)), f"{says} has no parameter {name!r}", hint)


def _unmet(
    says: str, function: Callable[..., Any], given: set[str], offered: set[str], place: Callable[[Path], Path]
) -> Iterator[Problem]:
    parameters = _parameters(function)
    misspelt = {
        name: nearest(name, parameters.keys() - offered) for name in sorted(given - parameters.keys())
    }
    for name, close in misspelt.items():
        hint = f"did you mean {close!r}?" if close else ""
        yield Problem((*place(()), name), f"{says} has no parameter {name!r}", hint, at_key=True)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in {*given, *offered, *misspelt.values()}:
            yield Problem(place(()), f"{says} needs the key {name!r}")


class _Tried:
    """A term, called once with random logits of four images."""

    def __init__(self, term: Term, method: Own, classes: int, others: int = 0) -> None:
        self.name = method.term
        chosen = torch.Generator().manual_seed(0)
        self.student, self.teacher = (torch.randn(4, classes, generator=chosen) * 3 for _ in range(2))
        self.student.requires_grad_()
        labels = torch.arange(4) % classes
        objective = OwnObjective(method, 0.0, term)
        try:
            with seeded(others):  # what is drawn elsewhere must not matter
                self.value = objective.term(Outputs(self.student), Targets(labels), Outputs(self.teacher))
        except Exception as error:
            raise InputError(f"term {self.name}: called with 4 images, it raised {told(error)}") from error

    def require_loss(self) -> None:
        """Refuse what cannot be added to a loss."""
        value: object = self.value
        if not isinstance(value, Tensor) or value.shape != () or not value.is_floating_point():
            found = type(value).__name__
            if isinstance(value, Tensor):
                found = f"shape {tuple(value.shape)} of {value.dtype}"
            raise InputError(
                f"term {self.name}: it gives {found}, not a scalar tensor of floats",
                hint="give the mean over the batch",
            )
        if not value.isfinite():
            raise InputError(f"term {self.name}: it gives {value:g} for ordinary logits")
        if self.student._version or self.teacher._version:
            raise InputError(
                f"term {self.name}: it changes the logits that it is given",
                hint="other methods see the same logits; use no in-place operation on them",
            )
        gradient = value.requires_grad and torch.autograd.grad(value, self.student, allow_unused=True)[0]
        if not isinstance(gradient, Tensor):
            raise InputError(
                f"term {self.name}: it has no gradient with respect to the student's logits",
                hint="nothing would be learned from it; was the student detached?",
            )


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a function, class or module by name, without *args and **kwargs."""
    called = function.forward if isinstance(function, nn.Module) else function
    try:
        found = inspect.signature(called).parameters
    except ValueError:  # some that are written in C have none
        return {}
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: each for name, each in found.items() if each.kind not in kinds and name != "self"}
