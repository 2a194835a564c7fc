"""What a cell is made of, resolved: training and views with a group's keys laid over the protocol's, and
whether a method can do with them. Every error is a `Problem` at the place that is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rigorkd.data.operations import Views, check_views
from rigorkd.methods.base import Method
from rigorkd.methods.own import Own
from rigorkd.methods.registry import METHODS
from rigorkd.problems import ExpansionError, Path, Problem, validated
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.grids import Choice
from rigorkd.protocol.requirements import class_problems, view_problems
from rigorkd.protocol.schema import TRAINING_KEYS, Spec, StepSchedule, Training


class CellParts:
    """The parts of a protocol's cells."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._terms: dict[str, str] = {}

    def training(
        self, overrides: Mapping[str, Choice], tuning: Mapping[str, Choice] | None = None
    ) -> Training:
        """`training:` with keys replaced, then tuned. Raises `ExpansionError` at the key that is wrong."""
        values: dict[str, Any] = {key: getattr(self.spec.training, key) for key in TRAINING_KEYS}
        values.update({key: choice.value for key, choice in overrides.items()})
        training = validated(Training, values, lambda loc: _placed(loc, overrides))
        if tuning:
            values["optimizer"] = training.optimizer.model_dump()
            for key, choice in tuning.items():
                (values if key in TRAINING_KEYS else values["optimizer"])[key] = choice.value

            def place(loc: Path) -> Path:
                key = str(loc[-1]) if loc else ""
                return tuning[key].path if key in tuning else _placed(loc, overrides)

            training = validated(Training, values, place)
        schedule, lr = training.schedule, training.optimizer.lr
        if schedule.min_lr > lr:
            at = (
                tuning["lr"].path if tuning and "lr" in tuning else _placed(("schedule", "min_lr"), overrides)
            )
            message = f"min_lr {schedule.min_lr:g} is above the learning rate {lr:g}"
            raise ExpansionError([Problem(at, message)])
        if schedule.warmup_epochs >= training.epochs:
            at = _placed(("schedule", "warmup_epochs"), overrides)
            if "epochs" in overrides and "schedule" not in overrides:
                at = overrides["epochs"].path
            message = f"{schedule.warmup_epochs} warm-up epochs leave nothing of {training.epochs} epochs"
            raise ExpansionError([Problem(at, message)])
        if isinstance(schedule, StepSchedule) and schedule.at[-1] >= training.epochs:
            at = _placed(("schedule", "at"), overrides)
            if "epochs" in overrides and "schedule" not in overrides:
                at = overrides["epochs"].path
            never = ", ".join(str(epoch) for epoch in schedule.at if epoch >= training.epochs)
            message = f"the learning rate never falls at {never}: {training.epochs} epochs are trained"
            hint = "whatever trains another number of epochs takes a schedule of its own"
            raise ExpansionError([Problem(at, message, hint)])
        if self.spec.dataset.split.val == 0:
            self._unvalidated(training, overrides)
        return training

    def _unvalidated(self, training: Training, overrides: Mapping[str, Choice]) -> None:
        """What a training cannot have where there are no validation images."""
        if training.select != "last":
            at = _placed(("select",), overrides) if "select" in overrides else ("dataset", "split", "val")
            message = f"with val: 0 there is nothing to choose an epoch by (select: {training.select})"
            hint = "select: last under training tests the last epoch; or take some of those to train on "
            hint += "for validation by split.val"
            raise ExpansionError([Problem(at, message, hint)])
        if training.early_stopping is not None:
            message = "early_stopping watches validation images, and with val: 0 there are none"
            raise ExpansionError([Problem(_placed(("early_stopping",), overrides), message)])

    def views(self, choice: Choice | None) -> Views:
        """`views:` with the group's keys laid over it."""
        if choice is None:
            return self.spec.views
        values = {key: getattr(self.spec.views, key) for key in Views.model_fields}
        views = validated(Views, {**values, **choice.value}, choice.place)
        if problems := check_views(views, self.spec.dataset, choice.place):
            raise ExpansionError(problems)
        return views

    def _check_term(self, method: Own, choice: Choice) -> None:
        """A term of one's own is called by its function's name, which must be nobody else's."""
        if method.name in METHODS:
            message = f"{method.name} is the name of a method of rigorkd's own"
            raise ExpansionError([Problem(choice.place(("term",)), message, "rename the function")])
        if (other := self._terms.setdefault(method.name, method.term)) != method.term:
            message = f"{other} and {method.term} would both be called {method.name}"
            raise ExpansionError([Problem(choice.place(("term",)), message, "rename one of the functions")])

    def check_method(
        self, method: Method, views: Views, training: Training, choice: Choice, teacher: Cell | None
    ) -> None:
        """What a method asks of the data, the views, the training and the teacher."""
        if isinstance(method, Own):
            self._check_term(method, choice)
        known = self.spec.dataset.info
        problems = [*view_problems(method, views, training, choice.place)]
        if method.needs_features and teacher is not None and teacher.members:
            message = f"{method.key} compares layers, and {teacher.student} is the mean of several networks"
            problems.append(Problem(choice.place(()), message, "name one of its teachers"))
        if known:
            problems += class_problems(method, known.classes, choice.place)
        if problems:
            raise ExpansionError(problems)


def _placed(loc: Path, overrides: Mapping[str, Choice]) -> Path:
    """A path inside a resolved training, as a path into the file."""
    if loc and loc[0] in overrides:
        return overrides[str(loc[0])].place(loc[1:])
    return ("training", *loc)
