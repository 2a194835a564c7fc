"""One process that trains one cohort, or one after the other, and prints each one's peak memory as JSON.

    memory_probe.py STUDENT TEACHER COUNT[,COUNT] SIZE BATCH PRECISION DEVICE MODE

Not for people: `run.py --only memory` starts it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from cohorts import (
    dataset,
    expected,
    kd_cells,
    paper_training,
    paper_views,
    raise_failure,
    study_with,
    teacher_cell,
)

from rigorkd.records.layout import StudyFolder
from rigorkd.train import cohort
from rigorkd.train.runtime import start_runtime
from rigorkd.train.student import Student
from rigorkd.train.task import Task


@dataclass(frozen=True)
class Probe:
    """Bytes: the cohort's peak, what one student holds throughout, the peak beyond what all hold."""

    peak_bytes: int
    student_bytes: int
    transient_bytes: int


def probe(
    student: str,
    teacher_model: str,
    count: int,
    size: int,
    batch: int,
    precision: str,
    device: str,
    mode: str,
) -> Probe:
    """Train `count` students for two epochs of one step and read the peak."""
    runtime = start_runtime(device, mode)
    training = paper_training(batch, 2, precision)
    teacher = teacher_cell(teacher_model, paper_views(size), training, dataset(batch))
    held = _Held()
    with study_with(teacher) as folder:
        runs = tuple(expected(cell) for cell in kd_cells(count, student, teacher, training))
        task = Task(runs, expected(teacher))

        def train() -> None:
            with held:
                cohort.train_cohort(task, StudyFolder(folder), runtime, raise_failure)

        if runtime.device.type == "cuda":
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            train()
            peak = torch.cuda.max_memory_allocated() - before
        else:
            with torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
            ) as profiler:
                train()
            peak = _peak(profiler)
    return Probe(peak, held.student, peak - count * held.student)


class _Held:
    """Notes what a student holds when it has trained: tensors of its weights, optimiser and best copy."""

    student = 0

    def __enter__(self) -> None:
        self._close = cohort._finish
        self._measure = cohort.measure_latencies  # type: ignore[attr-defined]
        # Thirty single images per architecture hold less than one step, and swamp the profiler with events.
        cohort.measure_latencies = lambda *_, **__: None  # type: ignore[attr-defined]

        def close(student: Student, *rest: object) -> None:
            states = [v for state in student.optimizer.state.values() for v in state.values()]
            tensors = [*student.raw_model.state_dict().values(), *states, *student.best.values()]
            self.student = sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor))
            self._close(student, *rest)  # type: ignore[arg-type]

        cohort._finish = close  # type: ignore[assignment]

    def __exit__(self, *error: object) -> None:
        cohort._finish = self._close
        cohort.measure_latencies = self._measure  # type: ignore[attr-defined]


def _peak(profiler: torch.profiler.profile) -> int:
    """The largest total of live tensor bytes that PyTorch's CPU allocator reported."""
    with tempfile.TemporaryDirectory() as name:
        trace = Path(name) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    totals = [e["args"]["Total Allocated"] for e in events if e.get("name") == "[memory]"]
    return int(max(totals))


if __name__ == "__main__":
    student, teacher_model, counts, size, batch, precision, device, mode = sys.argv[1:]
    for count in map(int, counts.split(",")):
        of = (int(size), int(batch), precision, device, mode)
        print(json.dumps(asdict(probe(student, teacher_model, count, *of))))
