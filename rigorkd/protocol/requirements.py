"""What a method asks of the data, the views and the training."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rigorkd.data.operations import CenterCrop, Views
from rigorkd.methods.base import Method
from rigorkd.methods.own import Own
from rigorkd.models.model import is_foreign_model, min_size
from rigorkd.problems import Path, Problem
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.schema import Training


def class_problems(method: Method, classes: int, place: Callable[[Path], Path]) -> Iterator[Problem]:
    """What the method cannot do with so few classes; `place` maps a path inside the method into the file."""
    if classes < method.least_classes:
        yield Problem(place(()), f"{method.key} is undefined for {_number(classes)} classes", at_key=True)
    for parameter, message in method.misfits(classes):
        yield Problem(place((parameter,)), message)


def view_problems(
    method: Method, views: Views, training: Training, place: Callable[[Path], Path]
) -> Iterator[Problem]:
    """What the method needs to see, and is not shown while it trains, or while it is validated."""
    if method.needs_strong and not views.strong:
        hint = "views.strong is written in full: the training view's operations and randaugment, say"
        yield Problem(place(()), f"{method.key} compares a weak and a strong view", hint)
    if method.distils and views.mix is not None and views.teacher == "clean":
        message = "mixed images have no clean original that the teacher could have seen"
        yield Problem(place(()), message, "views: {teacher: same}, or no mix")
    if not (method.needs_strong or method.needs_features):
        return
    needed = "a strong view" if method.needs_strong else "outputs of layers"
    if views.teacher == "clean":
        message = f"{method.key} needs {needed}, and of the clean images there are logits only"
        yield Problem(place(()), message, "views: {teacher: same}")
    if not training.needs_objective:
        return
    message = f"{method.key} needs {needed}, so its objective cannot be watched on the validation images"
    hint = "early_stopping: {monitor: ce} or {monitor: top1}"
    if training.select == "best_val_objective":
        hint = "select: best_val_loss or best_val_top1"
    yield Problem(place(()), message, hint)


def comes_from_outside(cell: Cell) -> bool:
    """Whether the cell's model or its first weights must be looked for: in a library, a cache or a file."""
    return is_foreign_model(cell.model.name) or (cell.start != "random" and cell.start_cell is None)


def needs_preflight(cell: Cell) -> bool:
    """Whether only its networks, a folder's classes or a user's own term can tell if it can be trained."""
    if cell.trainer is not None:
        return False
    as_it_is = not cell.train and cell.start != "random"
    unknown_classes = cell.method.distils and cell.dataset.info is None
    asks = cell.method.needs_features or isinstance(cell.method, Own)
    return asks or as_it_is or unknown_classes or is_unusual(cell)


def is_unusual(cell: Cell) -> bool:
    """Whether a model of rigorkd's own or of torchvision may not fit: its arguments, or small images."""
    model = cell.model
    if is_foreign_model(model.name) or cell.members:
        return False  # tried with its weights: see `rigorkd.train.model_check`
    crops = [op.size for op in cell.views.eval if isinstance(op, CenterCrop)]
    side = cell.size or min(crops, default=0) or cell.views.size or cell.dataset.side
    return bool(model.args) or side < min_size(model.name)


def _number(classes: int) -> str:
    return "two" if classes == 2 else str(classes)
