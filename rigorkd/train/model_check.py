"""Models and weights from outside, tried before anything is trained: what is wrong is told at its line.

Published weights are fetched here once, so that workers find them in the cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from rigorkd.data.image_data import DataShape
from rigorkd.data.views import build_view
from rigorkd.errors import InputError, ProtocolError
from rigorkd.models.build import build
from rigorkd.models.inputs import require_untouched
from rigorkd.models.model import PathStart, is_foreign_model, is_own_model
from rigorkd.models.own_code import Source, has_source, read_source
from rigorkd.models.weights import put_state, seeded
from rigorkd.problems import Path as KeyPath
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.load import Protocol, model_location, start_location
from rigorkd.protocol.requirements import comes_from_outside
from rigorkd.text import first_line

_USUAL_CLASSES = 10
"""For a folder of images, which is not looked at here."""


def check_models(protocol: Protocol, cells: Iterable[Cell]) -> tuple[str, ...]:
    """Build what of these cells comes from outside, once per model, start and image size.

    Returns what may be meant and rarely is, a sentence each.

    Raises:
        ProtocolError: a model cannot be built, gives no logits, cannot be stored, or takes its weights from
            something else than torch's seed; weights cannot be found, downloaded, or loaded.
    """
    seen: set[tuple[object, ...]] = set()
    doubts: list[str] = []
    for cell in cells:
        key = (cell.model, cell.start, cell.train, cell.size, cell.views.size, cell.views.normalize)
        if comes_from_outside(cell) and key not in seen:
            seen.add(key)
            doubts += _check(protocol, cell)
    return tuple(dict.fromkeys(doubts))


def _check(protocol: Protocol, cell: Cell) -> list[str]:
    name = cell.model.name
    shape = _Shape.of(cell)
    doubts: list[str] = []
    try:
        source = read_source(name, protocol.path.parent) if has_source(name) else None
        if is_foreign_model(name):
            model = _built(cell, shape, source)
            _require_storable(model, name)
            if is_own_model(name):
                _require_seeded(model, _built(cell, shape, source), name)
                if cell.train and _same(model, _built(cell, shape, source, seed=1)):
                    doubts.append(
                        f"model {name} starts from the same weights at every seed: seeds vary the order of "
                        "images alone; leave torch.manual_seed out of it, unless it loads its weights"
                    )
            if _require_trainable(model, shape, name):
                doubts.append(
                    f"model {name} answers with probabilities, which sum to 1, where losses take logits: it "
                    "learns badly, and a temperature means nothing; leave its last softmax out"
                )
    except InputError as error:
        raise _at(protocol, model_location(cell, protocol.spec), error) from error
    if cell.start_cell is not None or cell.start == "random":
        return doubts
    start = cell.start
    weights = protocol.path.parent / Path(start.path).expanduser() if isinstance(start, PathStart) else start
    try:
        _built(cell, shape, source, weights)
    except InputError as error:
        raise _at(protocol, start_location(cell, protocol.spec), error) from error
    return doubts


@dataclass(frozen=True)
class _Shape:
    """What a cell's model is shown, as far as the protocol alone can tell."""

    classes: int
    channels: int
    size: int

    @staticmethod
    def of(cell: Cell) -> _Shape:
        known = cell.dataset.looked_at()
        channels = known.channels if known else 3
        shape = DataShape(channels, cell.dataset.side, (0.5,) * channels, (0.5,) * channels)
        view = build_view(cell.views, shape, train=False)
        return _Shape(known.classes if known else _USUAL_CLASSES, view.channels, cell.size or view.size)


def _built(
    cell: Cell, shape: _Shape, source: Source | None, weights: str | Path = "random", *, seed: int = 0
) -> nn.Module:
    return build(
        cell.model,
        classes=shape.classes,
        channels=shape.channels,
        size=shape.size,
        weights=weights,
        seed=seed,
        source=source,
        keep_head=not cell.train and cell.dataset.info is not None,
    )


def _at(protocol: Protocol, path: KeyPath, error: InputError) -> ProtocolError:
    place = protocol.place(path)
    return ProtocolError(
        error.message, file=protocol.path, line=place.line, column=place.column, hint=error.hint
    )


def _require_storable(model: nn.Module, name: str) -> None:
    """A record keeps weights as named tensors, each with memory of its own."""
    owners: dict[int, str] = {}
    for key, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"model {name}: {key} of its state is no tensor, so it cannot be stored")
        if value.numel() and owners.setdefault(value.data_ptr(), key) != key:
            raise InputError(
                f"model {name}: {owners[value.data_ptr()]} and {key} share their memory",
                hint="records keep weights by name, each of its own; untie them",
            )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(f"model {name}: it has no parameter to train")


def _require_trainable(model: nn.Module, shape: _Shape, name: str) -> bool:
    """In train mode too, images go in and logits come out, the same ones from the same state and seed.

    Returns whether what comes out are probabilities instead.
    """
    pixels = 2 * shape.channels * shape.size**2
    images = torch.linspace(0, 1, pixels).view(2, shape.channels, shape.size, shape.size).clone()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    try:
        with torch.no_grad(), seeded(0):
            logits: object = model.train()(images)
        put_state(model, before)
        with torch.no_grad(), seeded(0):
            again: object = model(images)
    except Exception as error:  # code of others can raise anything
        what = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"model {name}: in train mode it raises {what}") from error
    require_untouched(images, name)
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, shape.classes):
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InputError(
            f"model {name}: in train mode it answers 2 images with {found}, not with the logits of"
            f" {shape.classes} classes, shape (2, {shape.classes})"
        )
    if not isinstance(again, torch.Tensor) or not torch.equal(logits.nan_to_num(), again.nan_to_num()):
        raise InputError(
            f"model {name}: in train mode it answers the same images differently from the same seed",
            hint="draw with torch's default generators alone, and keep whatever a step changes in buffers:"
            " else a run would depend on its neighbours, and on whether it was interrupted",
        )
    sums = logits.sum(dim=1)
    return bool((logits >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)


def _same(model: nn.Module, other: nn.Module) -> bool:
    """Whether all parameters of two models are equal."""
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return all(torch.equal(mine.nan_to_num(), theirs.nan_to_num()) for mine, theirs in pairs)


def _require_seeded(model: nn.Module, again: nn.Module, name: str) -> None:
    """Two builds from one seed must be the same bits, else no two cells would start alike."""
    theirs = again.state_dict()
    for key, value in model.state_dict().items():
        if key not in theirs or not torch.equal(value.nan_to_num(), theirs[key].nan_to_num()):
            raise InputError(
                f"model {name}: {key} differs between two builds from the same seed",
                hint="draw weights with torch's default generator alone, which rigorkd seeds",
            )
