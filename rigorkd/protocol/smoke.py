"""`smoke`: any protocol, shrunk to seconds on synthetic data and random weights, through the same code.

Kept: the cells' names, methods, roles and starts that are runs, the first and last value of every axis, the
baselines of what is kept, the number of classes, and the size of images up to 32×32. Of a group with many
such cells: each pair of values of two axes, in one cell at least, not every combination of all axes; and
whatever the contrasts name.
Shrunk: how many images there are, larger ones, batches, epochs. Cells that differ only in what is shrunk may
train alike here. `rigorkd.launch.rehearsal` says what of the real run that hides.
Replaced: a model of the Hugging Face hub by the small cnn, unless its layers are imitated; only the hub knows
its shape, and smoke needs no network.
Where commands train, each has a small command of its own for this.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import combinations

from rigorkd.data.dataset import Dataset, Split
from rigorkd.data.operations import CenterCrop, Cutout, RandomCrop, Views
from rigorkd.data.synthetic import Synthetic
from rigorkd.errors import InputError
from rigorkd.models.model import CNN, Model, is_hub_model, min_size
from rigorkd.problems import Problem
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.check import contrast_problems
from rigorkd.protocol.cohorts import gain_pairs
from rigorkd.protocol.hashes import canonical
from rigorkd.protocol.load import Protocol, protocol_error
from rigorkd.protocol.schema import StepSchedule, Training
from rigorkd.protocol.trainer_cells import cells_of
from rigorkd.protocol.trainer_spec import CommandSpec

LARGEST_SIDE = 32
UNKNOWN_CLASSES = 10
TRAIN_IMAGES, VAL_IMAGES, TEST_IMAGES = 4, 5, 10
BATCH_SIZE = 2
ALL_OF_A_GROUP = 32
"""A group of more cells than this is thinned to pairs of values."""


def smoke(protocol: Protocol, *, look: bool = True, shape: tuple[int, int] | None = None) -> Protocol:
    """The shrunken protocol, as study `<study>.smoke`; its cells are some of the full protocol's, by name.

    Of a user's own images it has the classes and channels, as a study remembers them (`shape`) or by a `look`
    at the files.
    """
    if protocol.smoke:
        return protocol
    edges = cells_of(protocol.spec, edges=True)
    gains = dict(gain_pairs(edges, protocol.cells))
    named = {name for contrast in protocol.spec.analysis.contrasts for name in contrast.cells()}
    if protocol.spec.analysis.primary is not None:
        named.add(protocol.spec.analysis.primary)
    names = {name for cell in _thinned(edges, gains, named) for name in (cell.name, gains.get(cell.name))}
    kept = [cell for cell in protocol.cells if cell.name in names]
    by_command = isinstance(protocol.spec, CommandSpec)
    scale = (
        None
        if by_command
        else _Scale.of(kept, protocol.spec.dataset, shape or _shape(protocol.spec.dataset, look=look))
    )
    small = () if by_command else replaced_models(protocol)
    cells = tuple(
        _smoked(protocol, cell)
        if scale is None
        else scale.cell(replace(cell, model=Model(name=CNN)) if cell.model.name in small else cell)
        for cell in kept
    )
    analysis = protocol.spec.analysis
    contrasts = tuple(
        contrast for contrast in analysis.contrasts if not any(contrast_problems(contrast, (), cells))
    )
    study = f"{protocol.study}.smoke"
    spec = protocol.spec.model_copy(
        update={
            "study": study,
            "dataset": protocol.spec.dataset if scale is None else scale.dataset,
            "analysis": analysis.model_copy(update={"contrasts": contrasts}),
        }
    )
    return replace(protocol, spec=spec, cells=cells, study=study, smoke=True)


def _thinned(cells: Sequence[Cell], baselines: Mapping[str, str], named: AbstractSet[str]) -> list[Cell]:
    """The cells, of large groups only those that are `named` and enough others to have every pair of values.

    Few faults take three values together, and grids grow with the product of their axes.
    """
    kept: list[Cell] = []
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        engine = cell.role == "student" and cell.trainer is None  # of commands only they know the axes
        (groups.setdefault(cell.group, []) if engine else kept).append(cell)
    for group in groups.values():
        kept += group if len(group) <= ALL_OF_A_GROUP else _covering(group, baselines, named)
    return kept


def _covering(group: list[Cell], baselines: Mapping[str, str], named: AbstractSet[str]) -> list[Cell]:
    """The named cells, then, one by one, whatever has most pairs of values that no other has yet.

    With a distilled cell comes its baseline, which has its own pairs and costs as much.
    """
    pairs = {cell.name: frozenset(combinations(_values(cell), 2)) for cell in group}
    chosen: set[str] = set()
    left = frozenset().union(*pairs.values())

    def new(cell: Cell) -> set[str]:
        return {cell.name, baselines.get(cell.name, cell.name)} - chosen

    def gain(cell: Cell) -> float:
        more = new(cell)
        there = frozenset().union(*(pairs.get(name, frozenset()) for name in more))
        return len(there & left) / max(len(more), 1)

    first = [cell for cell in group if cell.name in named]
    while left:
        cell = first.pop(0) if first else max(group, key=gain)
        for name in new(cell):
            chosen.add(name)
            left -= pairs.get(name, frozenset())
    return [cell for cell in group if cell.name in chosen]


def _values(cell: Cell) -> list[tuple[str, str]]:
    """The cell's values by the axes that a group may have."""
    own = {
        "student": cell.student,
        "method": [cell.method.key, cell.method.model_dump(mode="json")],
        "teacher": cell.teacher,
        "start": cell.start_cell or repr(cell.start),
        "views": cell.views.model_dump(mode="json"),
        **cell.training.model_dump(mode="json"),
    }
    return [(axis, canonical(value)) for axis, value in own.items()]


def _smoked(protocol: Protocol, cell: Cell) -> Cell:
    """A cell with its trainer's own small command. ProtocolError if it has none."""
    assert cell.trainer is not None
    trainer = cell.trainer.trainer
    if trainer.smoke is None:
        message = "--smoke: this trainer has no small command of its own"
        hint = "add trainer: {smoke: ...}: the same command, with little data and few steps"
        problem = Problem(cell.trainer.place, message, hint, at_key=True)
        raise protocol_error([problem], protocol.path, protocol.tree)
    key = "command" if trainer.function is None else "function"
    small = trainer.model_copy(update={key: trainer.smoke})
    return replace(cell, trainer=replace(cell.trainer, trainer=small))


def replaced_models(protocol: Protocol) -> tuple[str, ...]:
    """The models of the Hugging Face hub that smoke trains the small cnn for."""
    if any(cell.method.needs_features for cell in protocol.cells):
        return ()
    names = (cell.model.name for cell in protocol.cells)
    return tuple(dict.fromkeys(name for name in names if is_hub_model(name)))


def _shape(dataset: Dataset, *, look: bool) -> tuple[int, int]:
    """Classes and channels, of a user's own images by their files if they are there and can be used."""
    known = dataset.info
    if known is None and look:
        with contextlib.suppress(InputError):  # told to whoever trains on it
            known = dataset.looked_at()
    return (UNKNOWN_CLASSES, 3) if known is None else (known.classes, 3 if known.channels == 3 else 1)


def _needed(cell: Cell) -> int:
    """The smallest side that the cell's model is known to take; what the protocol shows it is known too."""
    return min(min_size(cell.model.name), cell.size or cell.views.size or cell.dataset.side)


@dataclass(frozen=True)
class _Scale:
    """What everything is shrunk to. The longest trainings and largest batches stay larger than the others."""

    dataset: Synthetic
    side: int
    longest: int
    smallest_batch: int

    @staticmethod
    def of(cells: Sequence[Cell], dataset: Dataset, shape: tuple[int, int]) -> _Scale:
        classes, channels = shape
        val = VAL_IMAGES if dataset.split.val else 0
        needed = max((_needed(cell) for cell in cells if cell.size is None), default=1)
        source = min(dataset.side, LARGEST_SIDE)
        sizes = [cell.views.size or source for cell in cells]
        side = max(min(max(sizes), LARGEST_SIDE), needed)
        synthetic = Synthetic(
            name="synthetic",
            split=Split(train=TRAIN_IMAGES, val=val, seed=dataset.split.seed),
            label_noise=dataset.label_noise,
            size=source if all(cell.views.size for cell in cells) else side,
            channels=3 if channels == 3 else 1,
            classes=classes,
            images=TRAIN_IMAGES + val,
            test_images=TEST_IMAGES,
        )
        return _Scale(
            synthetic,
            side,
            max(cell.training.epochs for cell in cells),
            min(cell.training.batch_size for cell in cells),
        )

    def cell(self, cell: Cell) -> Cell:
        return replace(
            cell,
            start=cell.start if cell.start_cell is not None else "random",
            method=cell.method.shrunk(self.dataset.classes),
            training=self.training(cell.training),
            views=self.views(cell.views),
            dataset=self.dataset,
            size=None if cell.size is None else max(min(cell.size, self.side), _needed(cell)),
        )

    def training(self, training: Training) -> Training:
        epochs = 2 if training.epochs == self.longest else 1
        schedule, early = training.schedule, training.early_stopping
        changes: dict[str, object] = {"warmup_epochs": min(schedule.warmup_epochs, epochs - 1)}
        if isinstance(schedule, StepSchedule):
            changes = {"warmup_epochs": 0, "at": tuple(range(1, epochs))}
        return training.model_copy(
            update={
                "epochs": epochs,
                "batch_size": BATCH_SIZE * (1 if training.batch_size == self.smallest_batch else 2),
                "schedule": schedule.model_copy(update=changes),
                "early_stopping": early and early.model_copy(update={"patience": 1}),
                "processes_per_run": 1,
                "precision": "fp32" if training.precision == "fp16" else training.precision,
            }
        )

    def views(self, views: Views) -> Views:
        def shrunk(op: object) -> object:
            if isinstance(op, CenterCrop | Cutout):
                return op.model_copy(update={"size": min(op.size, self.side)})
            if isinstance(op, RandomCrop):
                return op.model_copy(update={"padding": min(op.padding, self.dataset.size - 1)})
            return op

        lists = {key: tuple(map(shrunk, getattr(views, key))) for key in ("train", "eval", "strong")}
        return views.model_copy(update={**lists, "size": None if views.size is None else self.side})
