"""A cohort of N students against N solo runs of the same steps, and against the sharing formula.

One round trains, with the engine's own epoch loop: every student alone, then cohorts of 1, 2, 4 and 8, from
the same context. S = time of N solo runs / time of the cohort of N. r = (view + teacher) / student step is
read from the solo runs of the same round, and the formula is N(1 + r)/(N + r). The cohort of 1 is a control:
its S differs from 1 by noise alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clock import interleave, quartiles
from cohorts import Parts, open_case
from settings import Case, Settings
from table import Table


def sharing(settings: Settings) -> Iterator[Table]:
    """Speed-up of cohorts over solo runs, per student and number of students."""
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = (
        "student / teacher, size",
        "N",
        "S (quartiles)",
        "formula",
        "S / formula (quartiles)",
        "r",
        "n",
    )
    notes = (f"{settings.steps} steps per variant and round; target S / formula ≥ 0.95",)
    planned = tuple(
        {"case": str(case), "n_students": str(size)}
        for case in settings.cases
        for size in (1, *settings.sharing_sizes)
    )
    for case, paced in settings.each_case():
        for value in _measure(paced, case):
            values.append(value)
            rows.append(tuple(str(cell) for cell in list(value.values())[:7]))
        title = "a cohort of N against N solo runs of the same steps"
        batch = (f"batch {case.batch}",)
        yield Table("sharing", title, columns, tuple(rows), tuple(values), batch + notes, planned)


def _measure(settings: Settings, case: Case) -> list[dict[str, Any]]:
    most = max(settings.sharing_sizes)
    with open_case(case, most, settings) as opened:
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
                "case": str(case),
                "n_students": str(size),
                "S_text": quartiles(speedup).text(2),
                "formula_text": f"{quartiles(formula).median:.2f}",
                "share_text": quartiles(share).text(3),
                "r_text": f"{quartiles(r).median:.2f}",
                "rounds": str(len(solo)),
                "S": quartiles(speedup).median,
                "formula": quartiles(formula).median,
                "share": quartiles(share).median,
                "r": quartiles(r).median,
            }
        )
    return found
