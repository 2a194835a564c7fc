"""How long the paper's whole grid would take here: measured steps of this engine times the protocol's counts.

Nothing is trained for long: each kind of step is timed over a few steps at the paper's size, and the counts
come from protocols/paper.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from clock import Quartiles, interleave, quartiles, ratios, seconds_of
from cohorts import OpenCohort, dataset, kd_cells, paper_training, study_with, teacher_cell
from paper_grid import paper_grid
from settings import Settings
from table import Table

SEEDS = 5
TEACHER = "resnet50"


@dataclass
class Rates:
    """Seconds per image, one value per round."""

    view: list[float]
    teach: list[float]
    train: dict[str, list[float]]
    evaluate: dict[str, list[float]]


def grid(settings: Settings) -> Iterator[Table]:
    """Time of the parts of one seed and of five, extrapolated."""
    published = paper_grid()
    teacher = published.teacher
    split = teacher.dataset.split
    images, val, test = split.train or 45_000, split.val, 10_000
    rates = _measure(settings)
    rounds = range(len(rates.view))
    longest = max(cell.training.epochs for cell in published.students)
    heard = max(cell.training.epochs for cell in published.students if cell.method.distils)

    def per_round(seconds: list[float]) -> Quartiles:
        return quartiles([value / 3600 for value in seconds])

    epochs = {
        name: sum(cell.training.epochs for cell in published.students if cell.model.name == name)
        for name in _models()
    }
    runs = {name: sum(cell.model.name == name for cell in published.students) for name in epochs}
    name = teacher.model.name
    parts = {
        f"teacher: {teacher.training.epochs} epochs of {name}": [
            teacher.training.epochs
            * (images * (rates.train[name][i] + rates.view[i]) + val * rates.evaluate[name][i])
            for i in rounds
        ],
        f"cohort: view, {longest} epochs": [longest * images * rates.view[i] for i in rounds],
        f"cohort: teacher's forward, {heard} epochs": [heard * images * rates.teach[i] for i in rounds],
        **{
            f"cohort: steps of {runs[model]} {model}, {count} epochs": [
                count * images * rates.train[model][i] for i in rounds
            ]
            for model, count in epochs.items()
        },
        "validation and test of the students": [
            sum(
                (count * val + runs[model] * test) * rates.evaluate[model][i]
                for model, count in epochs.items()
            )
            for i in rounds
        ],
    }
    whole = [sum(part[i] for part in parts.values()) for i in rounds]
    # What every run would compute for itself, were it trained alone with the same pipeline.
    again = (published.student_epochs - longest) * images
    taught = sum(cell.training.epochs for cell in published.students if cell.method.distils) - heard
    unshared = [whole[i] + again * rates.view[i] + taught * images * rates.teach[i] for i in rounds]
    lines = {
        **parts,
        "one seed": whole,
        "one seed without sharing": unshared,
        f"{SEEDS} seeds, one worker": [SEEDS * value for value in whole],
    }
    rows, values = [], []

    def share(seconds: list[float]) -> str:
        return f"{ratios(seconds, whole).median:.3f}"

    for label, seconds in lines.items():
        hours = per_round(seconds)
        rows.append((label, _hours(hours), share(seconds), str(hours.n)))
        values.append({"part": label, "hours": hours.median, "q25": hours.q25, "q75": hours.q75})
    notes = (
        f"assumed: {images:,} training, {val:,} validation, {test:,} test images a seed; every step costs as "
        f"measured over {settings.steps} steps of batch {settings.paper_batch} at {settings.paper_size}² in "
        f"{settings.precision} (the protocol's batch is {teacher.training.batch_size}, its precision "
        f"{teacher.training.precision}), linear in images",
        "without sharing: every run makes its own views and teacher logits, with the same pipeline and steps",
        "not counted: checkpoints, records, latencies, start-up, loading; no early stop, no divergence",
        f"more workers or devices divide the {SEEDS} seeds, which are independent; "
        "target on one H200: ≤ 35 min",
    )
    title = "the paper's grid, a teacher and 10 students a seed, extrapolated from measured steps"
    yield Table(
        "grid", title, ("part", "hours (quartiles)", "times a seed", "n"), tuple(rows), tuple(values), notes
    )


def _models() -> list[str]:
    """The students' architectures, each once."""
    return list({cell.model.name: None for cell in paper_grid().students})


def _hours(hours: Quartiles) -> str:
    return hours.text(2 if hours.median >= 0.1 else 4)


def _measure(settings: Settings) -> Rates:
    batch, device = settings.paper_batch, settings.runtime.device
    training = paper_training(batch, 1000, settings.precision)
    shown = batch * settings.steps
    views = paper_grid().teacher.views.model_copy(update={"size": settings.paper_size, "eval": ()})
    # In quick tiny networks stand for the paper's.
    teacher = teacher_cell(
        settings.teacher if settings.quick else TEACHER, views, training, dataset(shown, val=batch)
    )
    names = {f"main/{model}/kd": model for model in _models()}
    rates = Rates([], [], {TEACHER: []}, {TEACHER: []})
    cells = [
        replace(kd_cells(1, settings.teacher if settings.quick else model, teacher, training)[0], name=name)
        for name, model in names.items()
    ]
    names[teacher.name] = TEACHER
    with study_with(teacher) as folder, TemporaryDirectory(prefix="rigorkd-benchmark-") as other:
        students = OpenCohort(cells, teacher, folder, settings.runtime)
        alone = OpenCohort([teacher], None, Path(other) / "study", settings.runtime)

        def cohort() -> float:
            seconds = 0.0
            for index, student in enumerate(students.students):
                seconds += students.epoch([student])
                parts = students.parts()
                rates.train.setdefault(names[student.run.cell.name], []).append(parts.students / shown)
                if index == 0:
                    rates.view.append(parts.view / shown)
                    rates.teach.append(parts.teacher / shown)
            return seconds

        def train_teacher() -> float:
            seconds = alone.epoch()
            rates.train[TEACHER].append(alone.parts().students / shown)
            return seconds

        def evaluate() -> float:
            total = 0.0
            for opened in (students, alone):
                for student in opened.students:
                    seconds = seconds_of(lambda o=opened, s=student: o.context.val.logits(s.model), device)
                    rates.evaluate.setdefault(names[student.run.cell.name], []).append(seconds / batch)
                    total += seconds
            return total

        for warm in (cohort, train_teacher, evaluate):
            warm()
        interleave(
            {"cohort": cohort, "teacher": train_teacher, "evaluate": evaluate}, settings.rounds, settings.note
        )
    for values in (rates.view, rates.teach, *rates.train.values(), *rates.evaluate.values()):
        del values[0]  # the warm-up
    return rates
