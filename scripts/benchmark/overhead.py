"""The engine at N = 1 against a bare PyTorch loop of the same step.

Both sides train the same architecture from the same weights with the same view on the same device, the same
optimiser settings, precision and clipping; the bare loop keeps its running loss on the device, as a careful
person writes it. Its only freedom is that it has no history, no quarantine, no per-step seed, no epoch table.
The baseline row is the strict one: without a teacher there is less work to hide an overhead in.

`replay`: an added cell whose teacher's logits were kept by an earlier run, against view + student step.
"""

from __future__ import annotations

from collections.abc import Callable

from bare_loop import BareLoop
from clock import interleave, quartiles, ratios, seconds_of
from cohorts import (
    OpenCohort,
    dataset,
    kd_cells,
    paper_training,
    paper_views,
    student_cell,
    study_with,
    teacher_cell,
)
from settings import Settings
from table import Table

from rigorkd.protocol.methods import Baseline

SIZE = 64


def overhead(settings: Settings) -> Table:
    """Ratio of the engine's time to the bare loop's, and of a replayed epoch to its parts."""
    rows, values = [], []
    for student in settings.students:
        for kind in ("baseline", "kd", "replay"):
            settings.note(f"{student}, {kind}")
            seconds = _measure(settings, student, kind)
            ratio = ratios(seconds["engine"], seconds["bare"])
            engine, bare = (quartiles(seconds[side]).median for side in ("engine", "bare"))
            steps = settings.steps
            target = "≤ 1.05" if kind == "replay" else "≤ 1.03"
            rows.append(
                (
                    f"{student}, {kind}",
                    ratio.text(3),
                    target,
                    f"{1e3 * engine / steps:.1f}",
                    f"{1e3 * bare / steps:.1f}",
                    str(ratio.n),
                )
            )
            values.append(
                {
                    "student": student,
                    "kind": kind,
                    "ratio": ratio.median,
                    "q25": ratio.q25,
                    "q75": ratio.q75,
                    "rounds": ratio.n,
                }
            )
    columns = ("student", "engine / bare loop (quartiles)", "target", "engine ms/step", "bare ms/step", "n")
    notes = (
        f"{SIZE}², batch {settings.batch}, {settings.steps} steps per variant and round",
        "replay: the bare side is a baseline's bare loop, i.e. view + student step without any teacher",
    )
    return Table(
        "overhead",
        "N = 1 against a bare PyTorch loop of the same step",
        columns,
        tuple(rows),
        tuple(values),
        notes,
    )


def _measure(settings: Settings, student: str, kind: str) -> dict[str, list[float]]:
    training = paper_training(settings.batch, 1000, settings.precision)
    teacher = teacher_cell(
        settings.teacher, paper_views(SIZE), training, dataset(settings.batch * settings.steps)
    )
    cell = (
        student_cell("baseline", student, Baseline(), teacher, training)
        if kind == "baseline"
        else kd_cells(1, student, teacher, training)[0]
    )
    with study_with(teacher) as folder:
        budget = 2**30 if kind == "replay" else 0
        opened = OpenCohort([cell], teacher, folder, settings.runtime, replay_bytes=budget)
        bare = BareLoop(opened, settings, with_teacher=kind == "kd")
        same_epoch = 1 if kind == "replay" else None

        def engine() -> float:
            seconds = opened.epoch(number=same_epoch)
            opened.parts()
            return seconds

        def bare_epoch() -> float:
            return seconds_of(bare.epoch, opened.bench.device)

        variants: dict[str, Callable[[], float]] = {"engine": engine, "bare": bare_epoch}
        for run in variants.values():
            run()
        return interleave(variants, 2 * settings.rounds, settings.note)
