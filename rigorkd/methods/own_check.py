"""A term of the user's own: imported, made, and tried before any training."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rigorkd.errors import InputError
from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.objective import Objective
from rigorkd.methods.own import INPUTS, OPEN, Own, parameters_of
from rigorkd.models.custom import own_function, same_settings, telling
from rigorkd.models.own_code import Source
from rigorkd.models.weights import seeded
from rigorkd.problems import Path, Problem
from rigorkd.text import nearest

Term = Callable[..., Tensor]


def own_term(method: Own, source: Source | None, *, classes: int, seed: int) -> Term:
    """The user's function, or an instance of the user's class with weights drawn from `seed`.

    Raises:
        InputError: it cannot be imported or made.
    """
    says = f"term {method.term}"
    if source is None:
        raise InputError(
            f"{says}: its code is only remembered by its hash",
            hint="give the protocol file, beside which the code lies",
        )
    found = own_function(method.term, source, "term")
    if not inspect.isclass(found):
        return found
    wanted = {"classes": classes} if "classes" in parameters_of(found) else {}
    with telling(f"{says}: when it was made, it"), same_settings(f"{says}: making it"), seeded(seed):
        made: object = found(**method.args, **wanted)
    if not isinstance(made, nn.Module):
        raise InputError(f"{says}: it makes {type(made).__name__}, not a torch.nn.Module")
    return made


# ------------------------------------------------------------------------------------- before any training


def term_problems(
    method: Own, source: Source, *, classes: int, epochs: int, place: Callable[[Path], Path]
) -> list[Problem]:
    """What is wrong with a term, found by its signature and by calling it in the first and the last epoch.

    `place` maps a path inside the method into the protocol's file.
    """
    try:
        function = own_function(method.term, source, "term")
        if problems := list(_misfits(method, function, place)):
            return problems
        for epoch in dict.fromkeys((1, epochs)):
            value, again = (
                _tried(method, source, classes, epoch, epochs, drawn_before=before) for before in (0, 1)
            )
            if not torch.equal(value, again):
                raise InputError(
                    f"term {method.term}: it gives two values for the same logits",
                    hint="random numbers, or what is kept between calls, would make a run depend on others",
                )
    except InputError as error:
        return [Problem(place(("term",)), error.message, error.hint)]
    return []


def _misfits(method: Own, function: Callable[..., Any], place: Callable[[Path], Path]) -> Iterator[Problem]:
    """Keys of the protocol that the function does not take, or takes and is not given."""
    says, at = f"term {method.term}: it", place(("term",))
    if isinstance(function, nn.Module):
        yield Problem(at, f"{says} is one module for all runs", "name its class: each run makes its own")
        return
    if inspect.iscoroutinefunction(function):
        yield Problem(at, f"{says} is a coroutine", "write def, not async def")
        return
    given, called = {*method.args}, function
    if inspect.isclass(function):
        if not issubclass(function, nn.Module):
            yield Problem(at, f"{says} is a class and no torch.nn.Module")
            return
        if "T" in parameters_of(function):
            hint = "name T in forward: a temperature may change over the epochs"
            yield Problem(at, f"{says} takes T when it is made", hint)
            return
        yield from _unmet(says, function, given, {"classes"}, place)
        called, says, given = function.forward, f"term {method.term}: its forward", set()
    given |= {"T"} if method.T is not None else set()
    yield from _unmet(says, called, given, {*INPUTS}, place)
    for name in ("student", "teacher"):
        if name not in parameters_of(called):
            hint = _open_ended(called) or f"rigorkd passes what it names of: {', '.join(INPUTS)}"
            yield Problem(at, f"{says} has no parameter {name!r}", hint)


OURS = ("alpha", "ce_weight", "kd_weight", "lr", "weight_decay", "label_smoothing", "preset")
"""Keys of a grid that never reach a term."""


def _unmet(
    says: str, function: Callable[..., Any], given: set[str], offered: set[str], place: Callable[[Path], Path]
) -> Iterator[Problem]:
    parameters = parameters_of(function)
    if ours := [name for name in parameters if name in OURS]:
        hint = "that key weighs the loss, or is the training's; give the parameter another name"
        yield Problem(place(("term",)), f"{says} has a parameter {ours[0]!r}, which it is never given", hint)
        return
    misspelt = {
        name: nearest(name, parameters.keys() - offered) for name in sorted(given - parameters.keys())
    }
    for name, close in misspelt.items():
        hint = f"did you mean {close!r}?" if close else _open_ended(function)
        yield Problem((*place(()), name), f"{says} has no parameter {name!r}", hint, at_key=True)
    for name in sorted(given & offered):
        yield Problem((*place(()), name), f"{says} is given {name!r} by rigorkd", "remove it", at_key=True)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in {*given, *offered, *misspelt.values()}:
            yield Problem(place(()), f"{says} needs the key {name!r}")


def _tried(
    method: Own, source: Source, classes: int, epoch: int, epochs: int, *, drawn_before: int
) -> Tensor:
    """What the term gives for random logits of four images; InputError unless that is a loss."""
    says = f"term {method.term}: "
    objective = Objective(method, own=own_term(method, source, classes=classes, seed=0))
    objective.begin_epoch(epoch, epochs)
    generator = torch.Generator().manual_seed(0)
    student, teacher = (3 * torch.randn(4, classes, generator=generator) for _ in range(2))
    labels = torch.arange(4) % classes
    shown = [each.clone() for each in (student, teacher, labels)]
    student.requires_grad_()
    with telling(f"{says}called with 4 images, it"), same_settings(f"{says}it"), seeded(drawn_before):
        value: object = objective.term(Outputs(student), Targets(labels), Outputs(teacher))
    if (
        not isinstance(value, Tensor)
        or value.shape != ()
        or value.dtype not in (torch.float32, torch.float64)
    ):
        found = type(value).__name__
        if isinstance(value, Tensor):
            found = f"shape {tuple(value.shape)} of {value.dtype}"
        raise InputError(
            f"{says}it gives {found}, not a scalar tensor of float32", hint="give the mean over the batch"
        )
    if not value.isfinite():
        raise InputError(f"{says}it gives {value:g} for ordinary logits")
    if not all(map(torch.equal, (student, teacher, labels), shown)):
        raise InputError(
            f"{says}it changes what it is given",
            hint="other methods see the same logits; use no in-place operation on them",
        )
    if epoch == epochs:  # before, a warm-up may leave nothing of it
        with telling(f"{says}differentiated, it"):
            gradient = value.requires_grad and torch.autograd.grad(value, student, allow_unused=True)[0]
        if not isinstance(gradient, Tensor):
            raise InputError(
                f"{says}it has no gradient with respect to the student's logits",
                hint="nothing would be learned from it; was the student detached?",
            )
        if not gradient.isfinite().all():
            raise InputError(f"{says}its gradient is not finite for ordinary logits")
    return value.detach()


def _open_ended(function: Callable[..., Any]) -> str:
    """A word on *args and **kwargs, where the function has them."""
    try:
        kinds = {each.kind for each in inspect.signature(function).parameters.values()}
    except ValueError:
        return ""
    return "name the parameters: *args and **kwargs are not looked into" if kinds & {*OPEN} else ""
