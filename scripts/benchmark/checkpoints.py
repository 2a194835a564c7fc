"""What a checkpoint after every epoch costs: on CUDA a thread writes it beside the next epoch.

Timed is an epoch, then what the engine's loop does after each: wait for the last epoch's writing, and begin
to write this one's. So a round meets the writing of the epoch before, as training does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clock import interleave, quartiles, ratios, seconds_of
from cohorts import OpenCohort, open_case
from settings import Case, Settings
from table import Table

STUDENTS = 4


def checkpoints(settings: Settings) -> Iterator[Table]:
    """Milliseconds of an epoch with and without checkpoints, and those in which the loop waits for them."""
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = (
        "student / teacher, size",
        "with / without (quartiles)",
        "without ms",
        "the loop waits ms",
        "n",
    )
    planned = tuple({"case": str(case)} for case in settings.cases)
    for case, paced in settings.each_case():
        seconds, blocked = _measure(paced, case)
        ratio = ratios(seconds["with"], seconds["without"])
        without, waits = (1e3 * quartiles(of).median for of in (seconds["without"], blocked))
        rows.append((str(case), ratio.text(3), f"{without:.1f}", f"{waits:.1f}", str(ratio.n)))
        values.append(
            {
                "case": str(case),
                "ratio": ratio.median,
                "q25": ratio.q25,
                "q75": ratio.q75,
                "without_ms": without,
                "blocked_ms": waits,
            }
        )
        notes = (
            f"cohorts of {STUDENTS}, batch {case.batch}, {settings.steps} steps an epoch, where the paper "
            "has 351: a checkpoint costs the same after a longer one",
        )
        title = "an epoch with the engine's checkpoints of every student against one without"
        yield Table("checkpoints", title, columns, tuple(rows), tuple(values), notes, planned)


def _measure(settings: Settings, case: Case) -> tuple[dict[str, list[float]], list[float]]:
    blocked: list[float] = []
    with open_case(case, STUDENTS, settings) as opened:

        def epoch() -> None:
            opened.epoch()
            opened.parts()

        def saved() -> float:
            _save(opened)
            waited: list[float] = []

            def work() -> None:
                epoch()
                waited.append(seconds_of(lambda: _save(opened), opened.context.device))

            seconds = seconds_of(work, opened.context.device)
            blocked.extend(waited)
            opened.context.saver.settle()
            return seconds

        variants: dict[str, Callable[[], float]] = {
            "with": saved,
            "without": lambda: seconds_of(epoch, opened.context.device),
        }
        for run in variants.values():
            run()
        blocked.clear()
        seconds = interleave(variants, settings.rounds, settings.note)
    return seconds, blocked


def _save(opened: OpenCohort) -> None:
    """What the engine's loop does at the end of an epoch."""
    bench = opened.context
    bench.saver.settle()
    for student in opened.students:
        bench.saver.save(bench.study.checkpoint(student.run.name), student)
