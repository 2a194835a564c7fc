"""Two workers on one device against one: what `--slots 2` gains.

Both are processes of their own, started once, each with a cohort of the same kind. A round lets one of them
train an epoch alone, then both at once; throughput is 2 · t(alone) / t(both), by the wall clock.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from children import EPOCH, Worker, job_of, workers
from clock import interleave, quartiles, ratios
from settings import Case, Settings
from table import Table

STUDENTS = 2


def slots(settings: Settings) -> Iterator[Table]:
    """Throughput of two processes on the device, times that of one."""
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = ("student / teacher, size", "throughput of two / one (quartiles)", "alone s", "both s", "n")
    planned = tuple({"case": str(case)} for case in settings.cases)
    for case, paced in settings.each_case():
        seconds = _measure(paced, case)
        gain = ratios([2 * value for value in seconds["alone"]], seconds["both"])
        alone, both = (quartiles(seconds[name]).median for name in ("alone", "both"))
        rows.append((str(case), gain.text(2), f"{alone:.3f}", f"{both:.3f}", str(gain.n)))
        values.append({"case": str(case), "throughput": gain.median, "q25": gain.q25, "q75": gain.q75})
        notes = (
            f"cohorts of {STUDENTS}, batch {case.batch}, {settings.steps} steps an epoch, wall clock; 2 "
            "would be a second device for nothing, 1 no gain",
        )
        title = "two worker processes on one device against one"
        yield Table("slots", title, columns, tuple(rows), tuple(values), notes, planned)


def _measure(settings: Settings, case: Case) -> dict[str, list[float]]:
    settings.note("starting two workers")
    with workers([job_of(case, settings, STUDENTS)] * 2) as pair:
        for worker in pair:
            worker.answer()
        turns = iter(range(10**9))

        def alone() -> float:
            return _together(pair[next(turns) % 2 :][:1])

        for _ in range(2):
            alone()
        variants = {"alone": alone, "both": lambda: _together(pair)}
        return interleave(variants, settings.rounds, settings.note)


def _together(pair: Sequence[Worker]) -> float:
    """Seconds until all of them have trained an epoch that they begin at once."""
    begun = time.perf_counter()
    for worker in pair:
        worker.tell(EPOCH)
    for worker in pair:
        worker.answer()
    return time.perf_counter() - begun
