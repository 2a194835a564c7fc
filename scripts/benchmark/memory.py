"""Peak memory of a whole cohort, from `train_cohort` itself, on a CPU in a process of its own for each N.

What a student holds throughout is its weights, optimiser states and best copy; gradients and activations are
one student's at a time. So the peak may grow from N = 1 to N = 8 by seven times the former and by nothing
else. On a CPU the peak counts every tensor (PyTorch's profiler follows its allocator), on CUDA it is
`max_memory_allocated` beyond what was allocated before. The resident set of the process is no measure
here: it holds the profiler's own events.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from memory_probe import Probe
from memory_probe import probe as probed
from settings import Settings
from table import Table


def memory(settings: Settings) -> Iterator[Table]:
    """Peak bytes of cohorts of 1 and 8, and what the growth leaves unexplained."""
    sizes = (1, max(settings.sharing_sizes))
    found = []
    # A process each: what the first leaves would count for the second. In quick nothing is measured.
    for counts in (sizes,) if settings.quick else [(size,) for size in sizes]:
        settings.note(f"a cohort of {' and of '.join(map(str, counts))}")
        found += _probe(settings, counts)
    one = found[0]
    rows, values = [], []
    for count, probe in zip(sizes, found, strict=True):
        expected = (count - 1) * probe.student_bytes
        unexplained = probe.peak_bytes - one.peak_bytes - expected
        cells = (probe.peak_bytes, expected, unexplained, probe.transient_bytes)
        rows.append((str(count), *(f"{value / 2**20:,.0f}" for value in cells)))
        values.append(
            {
                "n_students": count,
                "peak_bytes": probe.peak_bytes,
                "expected_growth_bytes": expected,
                "unexplained_growth_bytes": unexplained,
                "transient_bytes": probe.transient_bytes,
            }
        )
    columns = ("N", "peak MiB", "(N − 1) × held MiB", "growth beyond it MiB", "the rest MiB")
    notes = (
        f"{settings.students[0]} under {settings.teacher} at {settings.paper_size}², "
        f"batch {settings.memory_batch}, {settings.precision}, 2 epochs of one step, "
        "with validation, checkpoints and records",
        "held: weights and buffers, two AdamW states, the best copy "
        f"({one.student_bytes / 2**20:.1f} MiB a student); the rest: the frozen teacher, the data, and one "
        "student's gradients and activations",
    )
    title = f"peak memory of a cohort of {sizes[-1]} against a cohort of 1"
    yield Table("memory", title, columns, tuple(rows), tuple(values), notes)


def _probe(settings: Settings, counts: tuple[int, ...]) -> list[Probe]:
    runtime = settings.runtime
    if runtime.device.type == "cuda":  # the allocator counts what lives: no process of its own is needed
        runtime.release()
        names = (settings.students[0], settings.teacher)
        of = (settings.paper_size, settings.memory_batch, settings.precision)
        return [probed(*names, count, *of, str(runtime.device), runtime.mode) for count in counts]
    asked = [
        settings.students[0],
        settings.teacher,
        ",".join(map(str, counts)),
        settings.paper_size,
        settings.memory_batch,
        settings.precision,
        runtime.device,
        runtime.mode,
    ]
    command = [sys.executable, str(Path(__file__).parent / "memory_probe.py"), *map(str, asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the memory probe of {counts} students failed:\n{done.stderr[-2000:]}")
    return [Probe(**json.loads(line)) for line in done.stdout.splitlines()[-len(counts) :]]
