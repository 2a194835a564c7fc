"""The share of an epoch in which the device does nothing, since the host has not yet told it what to do.

Busy is the union of the intervals in which a kernel, a copy or a fill runs, from PyTorch's profiler; the wall
time is that of the same kind of epoch without the profiler, which slows the host and not the kernels. On a
CPU the operators' intervals stand in for kernels, so that this code runs everywhere; that says nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from clock import interleave, quartiles
from cohorts import OpenCohort, open_case
from settings import Case, Settings
from table import Table
from torch.profiler import ProfilerActivity

ON_GPU, ON_CPU = ("kernel", "gpu_memcpy", "gpu_memset"), ("cpu_op",)


def idle(settings: Settings) -> Iterator[Table]:
    """Wall and busy milliseconds of a step, and the idle share, for one student and for several."""
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = ("student / teacher, size", "N", "idle (quartiles)", "wall ms/step", "busy ms/step", "n")
    notes = (
        f"{settings.steps} steps per round; idle = 1 − busy / wall; busy: kernels, copies and fills of an "
        "epoch under the profiler, wall: an epoch without it",
        *(["on a CPU operators stand in for kernels: no measurement"] if _cpu(settings) else []),
    )
    planned = tuple(
        {"student": case.student, "size": case.size, "students": count}
        for case in settings.cases
        for count in (1, settings.many)
    )
    for case, paced in settings.each_case():
        for count, (walls, busies) in _measure(paced, case).items():
            share = quartiles([1 - busy / wall for wall, busy in zip(walls, busies, strict=True)])
            wall, busy = (1e3 * quartiles(of).median / settings.steps for of in (walls, busies))
            text = f"{100 * share.median:.0f} % ({100 * share.q25:.0f}–{100 * share.q75:.0f})"
            rows.append((str(case), str(count), text, f"{wall:.2f}", f"{busy:.2f}", str(share.n)))
            values.append(
                {
                    "student": case.student,
                    "size": case.size,
                    "students": count,
                    "idle": share.median,
                    "wall_ms": wall,
                    "busy_ms": busy,
                }
            )
        title = "the share of time in which the device idles while the engine trains"
        every = (f"batch {case.batch}", *notes)
        yield Table("idle", title, columns, tuple(rows), tuple(values), every, planned)


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """Length of the union of intervals (begin, end): what overlaps counts once."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        if end > reached:
            total += end - max(begin, reached)
            reached = end
    return total


def busy_seconds(events: Iterable[dict[str, Any]], kinds: tuple[str, ...]) -> float:
    """Seconds covered by the complete events of these kinds in a Chrome trace, whose unit is microseconds."""
    return 1e-6 * covered(
        (float(event["ts"]), float(event["ts"]) + float(event["dur"]))
        for event in events
        if event.get("ph") == "X" and event.get("cat") in kinds
    )


def _cpu(settings: Settings) -> bool:
    return settings.runtime.device.type == "cpu"


def _measure(settings: Settings, case: Case) -> dict[int, tuple[list[float], list[float]]]:
    """Seconds of an epoch, and those of them in which the device is busy, by number of students."""
    counts = (1, settings.many)
    with open_case(case, settings.many, settings) as opened:
        opened.epoch()
        _busy(opened, 1, settings)  # the profiler's own start
        opened.parts()

        def wall(count: int) -> float:
            seconds = opened.epoch(opened.students[:count])
            opened.parts()
            return seconds

        variants = {(count, "wall"): (lambda count=count: wall(count)) for count in counts}
        variants |= {
            (count, "busy"): (lambda count=count: _busy(opened, count, settings)) for count in counts
        }
        seconds = interleave(variants, settings.rounds, settings.note)
    return {count: (seconds[count, "wall"], seconds[count, "busy"]) for count in counts}


def _busy(opened: OpenCohort, count: int, settings: Settings) -> float:
    kinds, activity = (ON_CPU, ProfilerActivity.CPU) if _cpu(settings) else (ON_GPU, ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=[activity]) as profiler:
        opened.epoch(opened.students[:count])
    opened.parts()
    with tempfile.TemporaryDirectory(prefix="rigorkd-benchmark-") as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    busy = busy_seconds(events, kinds)
    if busy == 0:
        raise RuntimeError("the profiler saw nothing on the device (is CUPTI allowed here?)")
    return busy
