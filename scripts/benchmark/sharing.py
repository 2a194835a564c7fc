"""A cohort of N students against N solo runs of the same steps, and against the sharing formula.

One round trains, with the engine's own epoch loop: every student alone, then cohorts of 1, 2, 4 and 8, from
the same workbench. S = time of N solo runs / time of the cohort of N. r = (view + teacher) / student step is
read from the solo runs of the same round, and the formula is N(1 + r)/(N + r). The cohort of 1 is a control:
its S differs from 1 by noise alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from clock import interleave, quartiles
from cohorts import (
    OpenCohort,
    Parts,
    dataset,
    kd_cells,
    paper_training,
    paper_views,
    study_with,
    teacher_cell,
)
from settings import Settings
from table import Table


@dataclass(frozen=True)
class Case:
    """A teacher and an image size; every student of the settings is measured under it."""

    teacher: str
    size: int


CASES = (Case("resnet50", 64), Case("resnet18_cifar", 32))


def sharing(settings: Settings) -> Table:
    """Speed-up of cohorts over solo runs, per student and number of students."""
    rows, values = [], []
    for case in CASES[:1] if settings.runtime.device.type == "cuda" else CASES:
        for student in settings.students:
            settings.note(f"{student} under {case.teacher} at {case.size}²")
            for value in _measure(settings, case, student):
                values.append(value)
                rows.append(tuple(str(cell) for cell in list(value.values())[:7]))
    columns = (
        "student / teacher, size",
        "N",
        "S (quartiles)",
        "formula",
        "S / formula (quartiles)",
        "r",
        "n",
    )
    notes = (
        f"batch {settings.batch}, {settings.steps} steps per variant and round; target S / formula ≥ 0.95",
    )
    title = "a cohort of N against N solo runs of the same steps"
    return Table("sharing", title, columns, tuple(rows), tuple(values), notes)


def _measure(settings: Settings, case: Case, student: str) -> list[dict[str, float | str | None]]:
    training = paper_training(settings.batch, 1000, settings.precision)
    teacher = teacher_cell(
        case.teacher, paper_views(case.size), training, dataset(settings.batch * settings.steps)
    )
    most = max(settings.sharing_sizes)
    with study_with(teacher) as folder:
        cells = kd_cells(most, student, teacher, training)
        opened = OpenCohort(cells, teacher, folder, settings.runtime)
        opened.epoch()
        opened.parts()
        solo: list[list[float]] = []
        parts: list[Parts] = []

        def alone() -> float:
            # Whoever goes first meets the pages that another variant left: not always the same one.
            first = len(solo) % most
            seconds = {i: opened.epoch([opened.students[i]]) for i in [*range(first, most), *range(first)]}
            solo.append([seconds[i] for i in range(most)])
            parts.append(opened.parts())
            return sum(solo[-1])

        def together(size: int) -> float:
            seconds = opened.epoch(opened.students[:size])
            opened.parts()
            return seconds

        sizes = (1, *settings.sharing_sizes)
        variants = {size: (lambda size=size: together(size)) for size in sizes}
        seconds = interleave({0: alone, **variants}, settings.rounds, settings.note)
    found = []
    r = [part.shared / part.students for part in parts]
    for size in sizes:
        speedup = [sum(alone_[:size]) / cohort for alone_, cohort in zip(solo, seconds[size], strict=True)]
        formula = [size * (1 + ratio) / (size + ratio) for ratio in r]
        share = [s / f for s, f in zip(speedup, formula, strict=True)]
        found.append(
            {
                "case": f"{student} / {case.teacher}, {case.size}²",
                "n_students": str(size),
                "S_text": quartiles(speedup).text(2),
                "formula_text": f"{quartiles(formula).median:.2f}",
                "share_text": quartiles(share).text(3),
                "r_text": f"{quartiles(r).median:.2f}",
                "rounds": str(settings.rounds),
                "S": quartiles(speedup).median,
                "formula": quartiles(formula).median,
                "share": quartiles(share).median,
                "r": quartiles(r).median,
            }
        )
    return found
