"""How fast machines were: seconds per image of the parts of an epoch, left behind by finished runs.

    <results>/.rates/<machine>/<work>.json     the last few measurements of one part on one machine

A cache that every study under a results folder shares, for `rigorkd plan`. Losing it costs a guess, so a file
that cannot be read counts as none, and one that cannot be written is not written. Imports no torch.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import platform
import re
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from rigorkd.data.operations import CenterCrop
from rigorkd.fields import HASHED
from rigorkd.files import write_atomically
from rigorkd.models.model import Model
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.hashes import canonical, digest
from rigorkd.records.untrusted import read_note

SCHEMA = "rigorkd.rates/1"
REMEMBERED = 15
"""Measurements kept of one part: the newest count, and a change of the machine is soon forgotten."""


@dataclass(frozen=True)
class Machine:
    """What a rate was measured on: the hardware's name in records, and torch's version."""

    hardware: str
    torch: str


@dataclass(frozen=True)
class Work:
    """A part of an epoch whose time is proportional to the number of images.

    step: one model's forward, backward and update. teach: a frozen teacher's forward. view: the batch itself.
    evaluate: a forward in evaluation mode, with its view. Whatever does not apply to a part is left out.
    """

    part: Literal["step", "teach", "view", "evaluate"]
    mode: str
    precision: str = ""
    model: str = ""
    method: str = ""
    side: int = 0
    batch: int = 0
    view: str = ""
    processes: int = 1

    def says(self) -> str:
        """For a message: `the training step of mobilenet_v2 (kd) at 128², batch 128, fp16`."""
        if self.part == "view":
            return f"the view of {self.side}², batch {self.batch}"
        name = json.loads(self.model)["name"]
        what = {"step": "the training step of", "teach": "the teacher", "evaluate": "the evaluation of"}
        method = f" ({self.method})" if self.method else ""
        batch = f", batch {self.batch}" if self.batch else ""
        batch += f", {self.processes} processes" if self.processes > 1 else ""
        return f"{what[self.part]} {name}{method} at {self.side}²{batch}, {self.precision}"


def step(cell: Cell, mode: str) -> Work:
    """One training step of the cell's model under its method."""
    return Work(
        "step",
        mode,
        cell.training.precision,
        _model(cell),
        cell.method.name,
        shown_side(cell, "train"),
        cell.training.batch_size,
        processes=cell.training.processes_per_run,
    )


def teach(teacher: Cell, student: Cell, mode: str) -> Work:
    """The forward of a frozen teacher on the students' batch."""
    side = teacher.size or shown_side(student, "train")
    training = student.training
    return Work(
        "teach",
        mode,
        training.precision,
        _model(teacher),
        side=side,
        batch=training.batch_size,
        processes=training.processes_per_run,
    )


def view(cell: Cell, mode: str) -> Work:
    """The batch as the cell's cohort sees it: views, their draws, mixing, order."""
    known = cell.dataset.info or cell.dataset.looked_at()  # a user's own may be grey
    source = [cell.dataset.side, known.channels if known else 3]
    shown = canonical([cell.views.model_dump(mode="json", exclude={"eval", "teacher"}), *source])
    training = cell.training
    return Work(
        "view",
        mode,
        side=shown_side(cell, "train"),
        batch=training.batch_size,
        view=shown,
        processes=training.processes_per_run,
    )


def evaluate(cell: Cell, mode: str) -> Work:
    """The forward of the cell's model on validation or test images."""
    training = cell.training
    return Work(
        "evaluate",
        mode,
        training.precision,
        _model(cell),
        side=shown_side(cell, "eval"),
        processes=training.processes_per_run,
    )


def _model(cell: Cell) -> str:
    def written(model: Model) -> Any:
        return model.model_dump(mode="json", context=HASHED)

    members = [[written(member.model), member.size] for member in cell.members]
    return canonical({**written(cell.model), **({"members": members} if members else {})})


def shown_side(cell: Cell, which: Literal["train", "eval"]) -> int:
    """The side in pixels of what the model sees."""
    side = cell.size or cell.views.size or cell.dataset.side
    for op in getattr(cell.views, which):
        if isinstance(op, CenterCrop):
            side = op.size
    return side


@dataclass(frozen=True)
class Rate:
    """Seconds per image: the median of `n` measurements, each by one run or by `plan --measure`."""

    seconds: float
    n: int


@dataclass(frozen=True)
class RateBook:
    """The rates under one results folder."""

    folder: Path

    @staticmethod
    def of(results: Path) -> RateBook:
        """The book of a results folder."""
        return RateBook(results / ".rates")

    def note(self, machine: Machine, work: Work, seconds: float) -> None:
        """Add a measurement, in seconds per image. Of two writers at once, one may lose its own."""
        if math.isfinite(seconds) and seconds > 0:
            self._write(machine, work, [*self._read(machine, work), seconds][-REMEMBERED:])

    def rate(self, machine: Machine, work: Work) -> Rate | None:
        """The rate of a part of an epoch on a machine, if there is one."""
        known = self._read(machine, work)
        return Rate(statistics.median(known), len(known)) if known else None

    def machines(self) -> tuple[Machine, ...]:
        """The machines with rates under the installed torch: this one first, the others by name.

        Where no torch is installed, nothing trains, and every machine's rates tell as much.
        """
        here, version = hardware_here(), None
        with contextlib.suppress(metadata.PackageNotFoundError):
            version = metadata.version("torch")
        found = {rates.machine for rates in self._one_each()}
        fitting = [machine for machine in found if version in (None, machine.torch)]
        return tuple(sorted(fitting, key=lambda it: (it.hardware not in here, it.hardware, it.torch)))

    def take_over(self, other: RateBook) -> None:
        """Replace what this book knows by what `other` knows of the same parts."""
        for path in other.folder.glob("*/*.json"):
            if rates := _parsed(path, other.folder):
                self._write(rates.machine, rates.work, list(rates.seconds_per_image))

    def _one_each(self) -> Iterator[_Rates]:
        """One readable file of every machine."""
        for folder in sorted(self.folder.glob("*/")):
            found = (_parsed(path, self.folder) for path in sorted(folder.glob("*.json")))
            yield from itertools.islice(filter(None, found), 1)

    def _path(self, machine: Machine, work: Work) -> Path:
        return self.folder / digest(asdict(machine))[:16] / f"{digest(asdict(work))[:24]}.json"

    def _read(self, machine: Machine, work: Work) -> list[float]:
        rates = _parsed(self._path(machine, work), self.folder)
        return [] if rates is None else list(rates.seconds_per_image)

    def _write(self, machine: Machine, work: Work, known: list[float]) -> None:
        rates = _Rates(SCHEMA, machine, work, tuple(known))
        # A cache that cannot be written is just not used: a full disk is for the records to report.
        with contextlib.suppress(OSError):
            text = json.dumps(asdict(rates), indent=1)
            write_atomically(self._path(machine, work), text.encode(), durable=False)


@dataclass(frozen=True)
class _Rates:
    """The content of a file of rates."""

    schema: str
    machine: Machine
    work: Work
    seconds_per_image: tuple[float, ...]


def _parsed(path: Path, book: Path) -> _Rates | None:
    """The content of a file of rates, or None if it is not one."""
    found = read_note(path, book, _Rates)
    if found is None or found.schema != SCHEMA or not found.seconds_per_image:
        return None
    return found if all(seconds > 0 for seconds in found.seconds_per_image) else None


def cpu_name(threads: int) -> str:
    """A CPU as records name it: `CPU, 1 thread (model name)`."""
    return f"CPU, {threads} thread{'s' * (threads > 1)} ({_processor()})"


def threads_of(hardware: object) -> int | None:
    """The threads in such a name; None for a GPU's."""
    found = re.match(r"CPU, (\d+) thread", str(hardware))
    return int(found[1]) if found else None


def hardware_here() -> frozenset[str]:
    """The names of this machine's GPUs as its driver lists them, or of its CPU if it has none."""
    names = set()
    for path in Path("/proc/driver/nvidia/gpus").glob("*/information"):
        with contextlib.suppress(OSError):
            lines = path.read_text().splitlines()
            names |= {line.split(":", 1)[1].strip() for line in lines if line.startswith("Model:")}
    return frozenset(names or {cpu_name(1)})


@cache
def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
