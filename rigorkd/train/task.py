"""The unit of work that a worker receives. Imports no torch: the launcher makes these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rigorkd.data.dataset import LOCATION_KEYS
from rigorkd.fields import HASHED
from rigorkd.protocol.hashes import digest
from rigorkd.records.expected import Expected


@dataclass(frozen=True)
class Task:
    """Runs of one seed to train in lockstep, and the finished teacher run whose logits they see.

    `replay_bytes` is what the study may keep of teacher logits on disk; 0 keeps none.
    """

    runs: tuple[Expected, ...]
    teacher: Expected | None
    keep_logits: bool = False
    save_weights: bool = True
    replay_bytes: int = 0
    smoke: bool = False

    @property
    def precision(self) -> str:
        """The precision that the task's runs share."""
        return self.runs[0].run.cell.training.precision

    @property
    def processes(self) -> int:
        """How many processes train each of the task's runs."""
        return self.runs[0].run.cell.training.processes_per_run

    @property
    def label(self) -> str:
        """A short name for progress lines: `seed 0: teacher`, `seed 0: 20 students`."""
        run = self.runs[0].run
        seed = "all seeds" if run.seed is None else f"seed {run.seed}"
        if run.cell.role != "student":
            return f"{seed}: {run.cell.name}"
        count = len(self.runs)
        return f"{seed}: {run.cell.name if count == 1 else f'{count} students'}"


def architecture_key(want: Expected, hardware: str = "") -> str:
    """A file-safe key of what latency depends on: architecture, images, precision, hardware."""
    cell = want.run.cell
    images = cell.dataset.model_dump(mode="json", exclude={*LOCATION_KEYS, "split", "label_noise"})
    views = cell.views.model_dump(mode="json", include={"size", "normalize", "eval"})
    model = cell.model.model_dump(mode="json", context=HASHED)
    precision = cell.training.precision
    return digest([model, cell.size, want.model_code, images, views, precision, hardware])[:16]


def one_of_each(wants: Iterable[Expected]) -> tuple[Expected, ...]:
    """The first run of every architecture: what there is to measure for all of them."""
    cells: dict[str, Expected] = {}  # the seeds of a cell are alike
    for want in wants:
        cells.setdefault(want.run.cell.name, want)
    found: dict[str, Expected] = {}
    for want in cells.values():
        found.setdefault(architecture_key(want), want)
    return tuple(found.values())
