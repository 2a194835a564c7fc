"""Looked at before anything is trained: layers that methods imitate, and teachers that are used as they are.

Both need the architectures themselves, so they are built here once, without weights. What can be told from
the protocol alone is told when it is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from rigorkd.data.dataset import Dataset
from rigorkd.data.image_data import DataShape
from rigorkd.data.operations import Views
from rigorkd.data.views import build_view
from rigorkd.errors import InputError
from rigorkd.methods.forward_hooks import feature_shapes
from rigorkd.methods.own import Own
from rigorkd.methods.own_check import term_problems
from rigorkd.models.build import build
from rigorkd.models.inputs import resize_inputs
from rigorkd.models.model import STEM_RESNETS, TORCHVISION, is_foreign_model
from rigorkd.models.own_code import has_source, read_source
from rigorkd.models.weights import head_of, read_weights, unprefixed
from rigorkd.problems import Problem
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.hashes import canonical
from rigorkd.protocol.load import Protocol, method_location, model_location, start_location
from rigorkd.protocol.requirements import class_problems, is_unusual
from rigorkd.text import first_line

_IMAGENET = 1000
"""Classes that the published weights of torchvision and timm tell apart."""


def preflight(protocol: Protocol, cells: Iterable[Cell], *, every_model: bool = False) -> list[Problem]:
    """What these cells, and the teachers that they learn from, cannot be trained with; the data is at hand.

    - layers to imitate that a network does not have, or that give something else than a map or a vector;
    - a teacher with `train: false` whose head is not one for the data's classes;
    - models of torchvision or rigorkd's own that their arguments, or too small images, do not fit;
    - methods that the classes of a user's own folder leave nothing to;
    - terms of the user's own that cannot be called, or that are no loss.

    With `every_model` models that usually fit are tried as well.
    """
    wanted = list(cells)
    named = [cell.teacher for cell in wanted if cell.method.distils and cell.teacher]
    members = [member.cell for name in named for member in protocol.cell(name).members]
    teachers = dict.fromkeys([*named, *members])
    problems: list[Problem] = []
    for cell in dict.fromkeys([*wanted, *map(protocol.cell, teachers)]):
        if cell.role == "teacher" and not cell.train and not cell.members:
            problems += _head_problems(protocol, cell)
        if is_unusual(cell) or (every_model and not cell.members and not is_foreign_model(cell.model.name)):
            problems += _model_problems(protocol, cell)
    looked = _Looked(protocol)
    tried: set[tuple[object, ...]] = set()
    for cell in wanted:
        if isinstance(cell.method, Own):
            key = (cell.group, canonical(cell.method.model_dump()), cell.training.epochs)
            if key not in tried:
                tried.add(key)
                problems += _term_problems(protocol, cell, cell.method)
        if cell.method.needs_features:
            problems += looked.problems(cell)
        if cell.dataset.info is None and cell.method.distils:
            problems += _folder_problems(protocol, cell)
    return list(dict.fromkeys(problems))


def _head_problems(protocol: Protocol, cell: Cell) -> Iterator[Problem]:
    """A teacher used as it is keeps the head of its weights, which must be one for the data's classes."""
    at = start_location(cell, protocol.spec)
    classes = _classes(cell.dataset)
    if isinstance(cell.start, str):
        # transformers' models are published for any data, and tried with their weights: see `model_check`.
        if cell.start != "random" and not cell.model.name.startswith("hf/") and classes != _IMAGENET:
            message = f"with train: false, the weights {cell.start} would teach from a new, random head"
            yield Problem(at, message, "train it, or give a file that was trained on this data: {path: ...}")
        return
    path = protocol.path.parent / Path(cell.start.path).expanduser()
    network = _outline(protocol, cell, cell.views)
    head = head_of(network, _outline(protocol, cell, cell.views, classes + 1))
    try:
        state = unprefixed(network, read_weights(path), str(path))
    except InputError as error:
        yield Problem(at, error.message, error.hint)
        return
    shapes = [tensor.shape for key, tensor in state.items() if key in head]
    found = next((shape[0] for shape in shapes if shape and shape[0] != classes), None)
    if found is not None:
        message = f"{cell.start.path} has a head for {found} classes, and the data has {classes}"
        yield Problem(
            at, message, "a teacher with train: false keeps its head; train it on this data instead"
        )


def _model_problems(protocol: Protocol, cell: Cell) -> Iterator[Problem]:
    """Why the cell's model cannot be built, or takes no images of this size."""
    try:
        _outline(protocol, cell, cell.views)
    except InputError as error:
        yield Problem(model_location(cell, protocol.spec), error.message, error.hint)


class _Looked:
    """Looks at the layers of every pair of networks once."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.seen: set[tuple[object, ...]] = set()

    def problems(self, cell: Cell) -> Iterator[Problem]:
        """What is wrong with the layers that a cell imitates, in its student and in its teacher."""
        assert cell.teacher is not None, "a distilled cell has a teacher"
        teacher = self.protocol.cell(cell.teacher)
        pairs = cell.method.pairs()
        at = method_location(cell, self.protocol.spec, ("layers",))
        for owner, side, layers in (
            (cell, "student", tuple(own for own, _ in pairs)),
            (teacher, "teacher", tuple(theirs for _, theirs in pairs)),
        ):
            key = (owner.model, owner.size, side, layers, cell.views.size, cell.views.eval, at)
            if key not in self.seen:
                self.seen.add(key)
                try:
                    network = _outline(self.protocol, owner, cell.views)
                except InputError as error:
                    yield Problem(model_location(owner, self.protocol.spec), error.message, error.hint)
                    continue
                device = next(network.parameters()).device
                image = torch.zeros(1, *_input(cell.views, cell.dataset), device=device)
                with suppress(InputError):  # all at once; one by one only to tell which is wrong
                    for layer, found in feature_shapes(network, list(dict.fromkeys(layers)), image).items():
                        cell.method.check_feature(side, layer, found)
                    continue
                for layer in dict.fromkeys(layers):
                    try:
                        found = feature_shapes(network, [layer], image)[layer]
                        cell.method.check_feature(side, layer, found)
                    except InputError as error:
                        of = f"{side} {owner.student or owner.name} ({owner.model.name}): "
                        yield Problem(at, of + error.message, f"{error.hint}{_unwritten(cell)}")


def _unwritten(cell: Cell) -> str:
    """Whose layers these are where nobody wrote any: what is told of them is else about none in the file."""
    method = cell.method
    if "layers" in method.model_fields_set:
        return ""
    usual = ", ".join(layer for layer, _ in method.pairs())
    return f"; {method.key} compares {usual} unless it is told others: {method.key}: {{layers: [...]}}"


def _folder_problems(protocol: Protocol, cell: Cell) -> Iterator[Problem]:
    yield from class_problems(
        cell.method,
        _classes(cell.dataset),
        lambda rest: method_location(cell, protocol.spec, rest),
    )


def _term_problems(protocol: Protocol, cell: Cell, method: Own) -> list[Problem]:
    source = read_source(method.term, protocol.path.parent)
    place = partial(method_location, cell, protocol.spec)
    return term_problems(
        method, source, classes=_classes(cell.dataset), epochs=cell.training.epochs, place=place
    )


def batchnorm_problems(protocol: Protocol, cells: Iterable[Cell]) -> list[Problem]:
    """The models with BatchNorm among the cells that several processes are to train on a CPU, each once.

    Each process would normalise with the statistics of its own share, and so train another network than one
    process does. On GPUs PyTorch synchronises them; its SyncBatchNorm does not run on a CPU.
    """
    problems = {}
    for cell in cells:
        place = model_location(cell, protocol.spec)
        processes = cell.training.processes_per_run
        if processes > 1 and place not in problems and has_batchnorm(network_of(protocol, cell, cell.views)):
            problems[place] = Problem(
                place,
                f"{cell.model.name} has BatchNorm; {processes} processes on a CPU cannot share statistics",
                "train on GPUs, with processes_per_run: 1, or a model without BatchNorm",
            )
    return list(problems.values())


def has_batchnorm(network: nn.Module) -> bool:
    """Whether the statistics of a batch are part of what the network computes."""
    return any(isinstance(module, _BatchNorm) for module in network.modules())


def network_of(protocol: Protocol, cell: Cell, views: Views, classes: int | None = None) -> nn.Module:
    """The cell's architecture for the images of these views, with random weights."""
    channels, size, _ = _input(views, cell.dataset)
    network = build(
        cell.model,
        classes=classes or _classes(cell.dataset),
        channels=channels,
        size=cell.size or size,
        seed=0,
        source=read_source(cell.model.name, protocol.path.parent) if has_source(cell.model.name) else None,
    )
    return network if cell.size is None else resize_inputs(network, cell.size)


@torch.no_grad()
def macs_of(protocol: Protocol, cell: Cell) -> float | str:
    """Millions of multiply-adds of the cell's network for one image; why not, if it cannot be built here."""
    from rigorkd.models.sizes import macs_millions

    try:
        network = _outline(protocol, cell, cell.views)
        channels, size, _ = _input(cell.views, cell.dataset)
        side = cell.size or size
        image = torch.zeros(1, channels, side, side, device=next(network.parameters()).device)
        return macs_millions(network, image)
    except (InputError, RuntimeError) as error:
        return first_line(error)


def _outline(protocol: Protocol, cell: Cell, views: Views, classes: int | None = None) -> nn.Module:
    """The architecture again, as shapes without values where that saves time: for large ones.

    The values of small ones are drawn sooner than torch has imported its compiler, which it needs where there
    are none, and which torchvision imports anyway. Code of others, and resizing, may look at values.
    """
    if cell.size is None and cell.model.name in (*STEM_RESNETS, *TORCHVISION):
        with suppress(InputError, RuntimeError), torch.device("meta"):
            return network_of(protocol, cell, views, classes)
    return network_of(protocol, cell, views, classes)


def _input(views: Views, dataset: Dataset) -> tuple[int, int, int]:
    """The shape of one image in the evaluation view."""
    known = dataset.looked_at()
    channels = known.channels if known else 3
    shape = DataShape(channels, dataset.side, (0.5,) * channels, (0.5,) * channels)
    view = build_view(views, shape, train=False)
    return view.channels, view.size, view.size


def _classes(dataset: Dataset) -> int:
    known = dataset.looked_at()
    assert known is not None, "the data is at hand"
    return known.classes
