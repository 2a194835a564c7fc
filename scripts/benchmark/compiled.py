"""Eager steps against compiled ones, with and without CUDA graphs, for every student in a cohort.

Where kernel launches take longer than the kernels, as for ShuffleNetV2 on a fast GPU, graphs should pay;
where memory traffic does, compiling alone should. The last column says which to choose: a faster form only if
it is faster in at least three quarters of the rounds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import torch
from clock import Quartiles, interleave, quartiles, ratios
from cohorts import open_case
from settings import Case, Settings
from table import Table
from torch import Tensor, nn

Step = Callable[[Tensor], Tensor]
EAGER, COMPILED, GRAPHS = "eager", "compiled", "compiled, CUDA graphs"
STUDENTS = 2
"""Students of the cohort: graphs of two must live beside each other."""


def compiled(settings: Settings) -> Iterator[Table]:
    """Milliseconds of one student's step in each form, and what to choose."""
    rows: list[tuple[str, ...]] = []
    values: list[dict[str, float | str | None]] = []
    columns = ("student, size", f"{EAGER} ms", f"{COMPILED} ms", f"{GRAPHS} ms", "choose", "n")
    notes = (
        f"one student's step in a cohort of {STUDENTS}, {settings.steps} steps per variant and round; "
        "× times as fast as eager (quartiles)",
    )
    planned = tuple({"student": case.student, "size": case.size} for case in settings.cases)
    for case, paced in settings.each_case():
        seconds, skipped = _measure(paced, case)
        found = {form: quartiles(seconds[form]) for form in seconds}
        choice = _choice(seconds)
        row = [f"{case.student}, {case.size}², batch {case.batch}"]
        value: dict[str, float | str | None] = {
            "student": case.student,
            "size": case.size,
            "choose": choice,
        }
        for form in (EAGER, COMPILED, GRAPHS):
            ms = f"{1e3 * found[form].median:.2f}" if form in found else f"skipped: {skipped[form]}"
            faster = _ratio(seconds, form)
            row.append(ms if form == EAGER or faster is None else f"{ms}, {faster.text(2)} ×")
            value[form] = found[form].median if form in found else None
        rows.append((*row, choice, str(found[EAGER].n)))
        values.append(value)
        title = "what compiling a student's step gains"
        yield Table("compiled", title, columns, tuple(rows), tuple(values), notes, planned)


def _ratio(seconds: dict[str, list[float]], form: str) -> Quartiles | None:
    return ratios(seconds[EAGER], seconds[form]) if form in seconds else None


def _choice(seconds: dict[str, list[float]]) -> str:
    """The plainest form that no other one beats in three quarters of the rounds."""
    best = EAGER
    for form in (COMPILED, GRAPHS):
        if form in seconds and ratios(seconds[best], seconds[form]).q25 > 1:
            best = form
    return best


def _measure(settings: Settings, case: Case) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds per step by form and round, and why a form was skipped."""
    skipped: dict[str, str] = {}
    with open_case(case, STUDENTS, settings) as opened:

        def epoch(form: str) -> float:
            for each, steps in zip(opened.students, forms[form], strict=True):
                each.step_model = steps
            opened.epoch()
            return opened.parts().students / (STUDENTS * settings.steps)

        forms: dict[str, list[Step]] = {}
        for form, make in ((EAGER, _eager), (COMPILED, _compiled), (GRAPHS, with_graphs)):
            why = _why_not(form, settings)
            if why is None:
                settings.note(f"warming up {form}")
                forms[form] = [make(each.model) for each in opened.students]
                try:
                    for _ in range(2):
                        epoch(form)
                except Exception as error:  # a compiler that cannot compile this here: say so, go on
                    why = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:80]}"
                    del forms[form]
            if why is not None:
                skipped[form] = why
        variants = {form: (lambda form=form: epoch(form)) for form in forms}
        return interleave(variants, settings.rounds, settings.note), skipped


def _why_not(form: str, settings: Settings) -> str | None:
    """Why a form cannot be tried on this machine."""
    cuda = settings.runtime.device.type == "cuda"
    if form == GRAPHS and not cuda:
        return "needs CUDA"
    if form == COMPILED and not cuda and shutil.which(os.environ.get("CXX", "g++")) is None:
        return "no C++ compiler"
    return None


def _eager(model: nn.Module) -> Step:
    return model


def _compiled(model: nn.Module) -> Step:
    step: Step = torch.compile(model, dynamic=False)
    return step


def with_graphs(model: nn.Module) -> Step:
    """A compiled step in CUDA graphs.

    Students take turns: each step is an iteration of its own, its outputs used up before the next.
    """
    inner = torch.compile(model, dynamic=False, mode="reduce-overhead")

    def step(images: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()
        logits: Tensor = inner(images)
        return logits

    return step
