"""What `fast` mode pays once per machine: compiling each architecture, all at once in processes of their own.

It comes before everything else of its part: the tables after it find the compiled code in PyTorch's cache.
CUDA graphs are captured here as well, so that what they compile is there when they are measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing.connection import wait

from children import GRAPHS, Worker, job_of, workers
from settings import Case, Settings
from table import Table


def compiling(settings: Settings) -> Iterator[Table]:
    """Seconds to the end of the first epoch of every case, and what its CUDA graphs take on top."""
    begun = time.monotonic()
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = ("student, size", "compiled and trained s", "with CUDA graphs, s more", "done after s")
    cuda = settings.runtime.device.type == "cuda"
    notes = (
        f"processes at once: {len(settings.cases)}; seconds of an epoch of {settings.steps} steps that had "
        "to compile first, or found compiled code in PyTorch's cache; the last column counts the start too",
        *([] if cuda else ["on a CPU nothing is compiled"]),
    )
    with workers([job_of(case, settings, 1) for case in settings.cases]) as started:
        waiting = dict(zip((worker.pipe for worker in started), started, strict=True))
        case_of = dict(zip(started, settings.cases, strict=True))
        first: dict[Worker, float] = {}
        while waiting:
            for pipe in wait(list(waiting)):
                worker = next(each for each in started if each.pipe is pipe)
                graphs, failed = None, ""
                try:
                    seconds = worker.answer()
                    if worker not in first:
                        first[worker] = seconds
                        if cuda:
                            worker.tell(GRAPHS)
                            continue
                    else:
                        graphs = seconds
                except RuntimeError as error:  # one that cannot be compiled is no reason to measure no other
                    failed = str(error).splitlines()[0][:120]
                del waiting[worker.pipe]
                found = (case_of[worker], first.get(worker), graphs, failed)
                row, value = _row(*found, time.monotonic() - begun)
                rows.append(row)
                values.append(value)
                title = "compiling, once per machine, architecture, size and batch"
                yield Table("compiling", title, columns, tuple(rows), tuple(values), notes)


def _row(
    case: Case, first: float | None, graphs: float | None, failed: str, done: float
) -> tuple[tuple[str, ...], dict[str, float | str | None]]:
    texts = [failed if seconds is None else f"{seconds:.1f}" for seconds in (first, graphs)]
    what = f"{case.student}, {case.size}², batch {case.batch}"
    value: dict[str, float | str | None] = {
        "student": case.student,
        "size": case.size,
        "seconds": first,
        "graphs_seconds": graphs,
    }
    return (what, *texts, f"{done:.1f}"), {**value, "failed": failed or None}
