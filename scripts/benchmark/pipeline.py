"""The input pipeline's share of a step: view and order against teacher and students, from one epoch loop."""

from __future__ import annotations

from collections.abc import Iterator

from clock import interleave, quartiles
from cohorts import Parts, open_case
from settings import Case, Settings
from table import Table


def pipeline(settings: Settings) -> Iterator[Table]:
    """Share of the pipeline alone and among many students."""
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = ("student, size", "N", "share (quartiles)", "view ms", "teacher ms", "one student ms", "n")
    planned = tuple(
        {"student": case.student, "size": case.size, "students": count}
        for case in settings.cases
        for count in (1, settings.many)
    )
    for case, paced in settings.each_case():
        for count, parts in _measure(paced, case).items():
            share = quartiles([part.view / part.all for part in parts])
            step = 1e3 / settings.steps
            view, teacher, own = (
                quartiles([getattr(part, name) * step for part in parts]).median
                for name in ("view", "teacher", "students")
            )
            figures = (f"{view:.1f}", f"{teacher:.1f}", f"{own / count:.1f}")
            text = f"{100 * share.median:.1f} % ({100 * share.q25:.1f}–{100 * share.q75:.1f})"
            what = f"{case.student}, {case.size}², batch {case.batch}"
            rows.append((what, str(count), text, *figures, str(share.n)))
            values.append(
                {
                    "student": case.student,
                    "size": case.size,
                    "batch": case.batch,
                    "students": count,
                    "share": share.median,
                    "view_ms": view,
                    "teacher_ms": teacher,
                    "student_ms": own / count,
                }
            )
        notes = (f"teacher {case.teacher}; the paper's training view; target on a GPU: ≤ 5 %",)
        title = "the input pipeline's share of a step"
        yield Table("pipeline", title, columns, tuple(rows), tuple(values), notes, planned)


def _measure(settings: Settings, case: Case) -> dict[int, list[Parts]]:
    found: dict[int, list[Parts]] = {1: [], settings.many: []}
    with open_case(case, settings.many, settings) as opened:
        opened.epoch()  # everyone: a first step makes optimiser states
        opened.parts()

        def epoch(count: int) -> float:
            seconds = opened.epoch(opened.students[:count])
            found[count].append(opened.parts())
            return seconds

        variants = {count: (lambda count=count: epoch(count)) for count in found}
        interleave(variants, settings.rounds, settings.note)
    return found
