"""The grid of the paper's protocol, read from protocols/paper.yaml and scaled for a benchmark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cohorts import dataset
from settings import Settings

from rigorkd.models.model import Model
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.load import load_protocol

PROTOCOL = Path(__file__).parents[2] / "protocols" / "paper.yaml"


@dataclass(frozen=True)
class Grid:
    """One seed of the paper's grid: its teacher, and its students in the protocol's order."""

    teacher: Cell
    students: tuple[Cell, ...]

    @property
    def student_epochs(self) -> int:
        """Epochs of all students together."""
        return sum(cell.training.epochs for cell in self.students)


def paper_grid() -> Grid:
    """The grid as published."""
    cells = load_protocol(PROTOCOL).cells
    return Grid(cells[0], tuple(cell for cell in cells if cell.role == "student"))


def scaled_grid(settings: Settings) -> Grid:
    """The same cells on few synthetic images, for few epochs, from random weights.

    The 40 and 30 epochs become `settings.epochs`; batch, size and precision are the settings'.
    """
    data = dataset(settings.train_images, settings.val_images, settings.test_images)
    grid = paper_grid()
    longest = grid.teacher.training.epochs

    def scaled(cell: Cell) -> Cell:
        main, short = settings.epochs
        training = cell.training.model_copy(
            update={
                "epochs": main if cell.training.epochs == longest else short,
                "batch_size": settings.paper_batch,
                "precision": settings.precision,
            }
        )
        model = Model(name=settings.teacher) if cell.role == "teacher" else cell.model
        size = {"size": settings.paper_size, "eval": ()}  # the crop of 128 is the whole image there
        return replace(
            cell,
            model=model,
            start="random",
            training=training,
            dataset=data,
            views=cell.views.model_copy(update=size),
        )

    students = grid.students
    if settings.quick:  # one shows that all of it runs
        students = tuple(cell for cell in students if cell.method.distils)[-1:]
    return Grid(scaled(grid.teacher), tuple(map(scaled, students)))
