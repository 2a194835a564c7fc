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
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from rigorkd.errors import InputError
from rigorkd.fields import Finite
from rigorkd.methods.base import Outputs, Shapes, Targets, Temperature, Weighted
from rigorkd.methods.divergences import full, over_labels
from rigorkd.models.model import is_own_model

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


def _function(value: str) -> str:
    if not is_own_model(value):
        raise ValueError("term must be module:function, as in losses:matching for a function of losses.py")
    return value


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError("an argument of a term of one's own is a number, text, true or false")
    if isinstance(value, str) and len(value) > 40:
        raise ValueError(
            "text for a term of one's own is part of cells' names, so it has at most 40 characters"
        )
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)  # 2 and 2.0 are one value to the hash, so the function sees one, too
    return value


INPUTS = ("student", "teacher", "labels", "epoch", "epochs")
"""What a term of one's own is called with, beside its temperature and its arguments."""


class Own(Weighted):
    """A term from a file of the user's own, `module:function`.

    `args` is not written out: every key that is not below is an argument of the function.
    """

    key = "own"
    labels: ClassVar[dict[str, str]] = {"T": "T", "alpha": "a"}
    term: Annotated[str, AfterValidator(_function)]
    T: Temperature | None = None
    args: dict[str, Annotated[str | bool | int | Finite, BeforeValidator(_scalar)]] = Field(default={})

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.term.partition(":")[2]

    def __hash__(self) -> int:
        return hash((self.term, self.alpha, self.ce_weight, self.T, tuple(sorted(self.args))))

    def set_up(self, objective: Objective, shapes: Shapes | None) -> None:
        assert objective.own is not None, "it is imported before"
        objective.own_takes = frozenset(parameters_of(objective.own))

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        from torch import nn

        function, taken = objective.own, objective.own_takes
        assert function is not None, "it is imported before"
        offered: dict[str, Any] = {
            "student": full(student.logits),
            "teacher": full(teacher.logits),
            "epoch": objective.epoch,
            "epochs": objective.epochs,
        }
        given = {name: value for name, value in offered.items() if name in taken}
        if not isinstance(function, nn.Module):  # which was made with them
            given |= self.args
        if self.T is not None:
            given["T"] = objective.temperature
        try:
            if "labels" not in taken:
                return function(**given)
            return over_labels(targets, lambda labels: function(**given, labels=labels))
        except SystemExit as error:
            raise InputError(f"term {self.term}: it ends the process (sys.exit)") from error


OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a function, class or module by name, without *args and **kwargs."""
    from torch import nn

    called = function.forward if isinstance(function, nn.Module) else function
    try:
        found = inspect.signature(called).parameters
    except ValueError:  # some that are written in C have none
        return {}
    return {name: each for name, each in found.items() if each.kind not in OPEN and name != "self"}
