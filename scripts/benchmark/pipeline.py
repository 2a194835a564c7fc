"""The input pipeline's share of a step: view and order against teacher and students, from one epoch loop."""

from __future__ import annotations

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


def pipeline(settings: Settings) -> Table:
    """Share of the pipeline alone and among ten students, at 64² and at the paper's size."""
    rows, values = [], []
    sizes = {64: settings.batch, settings.paper_size: settings.paper_batch}
    many = 2 if settings.quick else 10
    for student in settings.students:
        for size, batch in sizes.items():
            settings.note(f"{student} at {size}²")
            for count, parts in _measure(settings, student, size, batch, many).items():
                share = quartiles([part.view / part.all for part in parts])
                step = 1e3 / settings.steps
                view, teacher, own = (
                    quartiles([getattr(part, name) * step for part in parts]).median
                    for name in ("view", "teacher", "students")
                )
                figures = (f"{view:.1f}", f"{teacher:.1f}", f"{own / count:.1f}")
                text = f"{100 * share.median:.1f} % ({100 * share.q25:.1f}–{100 * share.q75:.1f})"
                rows.append((f"{student}, {size}², batch {batch}", str(count), text, *figures, str(share.n)))
                values.append(
                    {
                        "student": student,
                        "size": size,
                        "batch": batch,
                        "students": count,
                        "share": share.median,
                        "view_ms": view,
                        "teacher_ms": teacher,
                        "student_ms": own / count,
                    }
                )
    columns = ("student, size", "N", "share (quartiles)", "view ms", "teacher ms", "one student ms", "n")
    notes = (f"teacher {settings.teacher}; the paper's training view; target on a GPU: ≤ 5 %",)
    title = "the input pipeline's share of a step"
    return Table("pipeline", title, columns, tuple(rows), tuple(values), notes)


def _measure(settings: Settings, student: str, size: int, batch: int, many: int) -> dict[int, list[Parts]]:
    training = paper_training(batch, 1000, settings.precision)
    teacher = teacher_cell(settings.teacher, paper_views(size), training, dataset(batch * settings.steps))
    found: dict[int, list[Parts]] = {1: [], many: []}
    with study_with(teacher) as folder:
        cells = kd_cells(many, student, teacher, training)
        opened = OpenCohort(cells, teacher, folder, settings.runtime)
        opened.epoch(opened.students[:1])
        opened.parts()

        def epoch(count: int) -> float:
            seconds = opened.epoch(opened.students[:count])
            found[count].append(opened.parts())
            return seconds

        interleave(
            {count: (lambda count=count: epoch(count)) for count in found}, settings.rounds, settings.note
        )
    return found
