"""The pace of a cohort: what is noted of its epochs, and what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from rigorkd.records import rates
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import RateBook
from rigorkd.train.timing import SHARED, TEACHER, VALIDATION, Pace

from .conftest import BASELINE, WARM, Train
from .conftest import TEACHER as TEACHER_CELL

MODE = "reference"


def test_rates_are_medians_per_image_without_the_first_epoch(tmp_path: Path) -> None:
    pace = Pace(RateBook.of(tmp_path), "a machine", MODE)
    cells = {"b": BASELINE, "w": WARM}
    for slower in (9.0, 1.0, 3.0):
        seconds = {SHARED: 10.0, TEACHER: 20.0, "b": 100.0, "w": 300.0, VALIDATION: 40.0}
        seconds = {name: slower * value for name, value in seconds.items()}
        pace.note_epoch(cells, TEACHER_CELL, seconds, images=100, taught=50, validated=10)
    pace.leave(["b", "w"])
    book, machine = pace.book, pace.machine
    assert book.rate(machine, rates.view(BASELINE, MODE)) is None
    pace.leave([SHARED, TEACHER])
    found = {
        "view": book.rate(machine, rates.view(BASELINE, MODE)),
        "teach": book.rate(machine, rates.teach(TEACHER_CELL, WARM, MODE)),
        "baseline": book.rate(machine, rates.step(BASELINE, MODE)),
        "kd": book.rate(machine, rates.step(WARM, MODE)),
        "evaluate": book.rate(machine, rates.evaluate(WARM, MODE)),
    }
    # Twice the seconds of the quickest epoch. Both students have one architecture: evaluation has two rates.
    assert {name: rate and rate.seconds for name, rate in found.items()} == pytest.approx(
        {"view": 0.2, "teach": 0.8, "baseline": 2.0, "kd": 6.0, "evaluate": 2 * (1.0 + 3.0) / 2}
    )
    assert found["evaluate"] is not None
    assert found["evaluate"].n == 2


def test_a_finished_cohort_leaves_every_rate_that_its_like_needs(train: Train, study: StudyFolder) -> None:
    train([BASELINE, WARM])
    book = RateBook.of(study.path.parent)
    (machine,) = book.machines()
    for work in (
        rates.view(WARM, MODE),
        rates.teach(TEACHER_CELL, WARM, MODE),
        *(rates.step(cell, MODE) for cell in (TEACHER_CELL, BASELINE, WARM)),
        *(rates.evaluate(cell, MODE) for cell in (TEACHER_CELL, WARM)),
    ):
        assert book.rate(machine, work) is not None, work


def test_replayed_logits_say_nothing_of_the_teachers_speed(train: Train, study: StudyFolder) -> None:
    train([WARM], replay_bytes=2**20)
    book = RateBook.of(study.path.parent)
    (machine,) = book.machines()
    work = rates.teach(TEACHER_CELL, WARM, MODE)
    first = book.rate(machine, work)
    assert first is not None
    (study.run(f"{WARM.name}/seed-0") / "record.json").unlink()
    train([BASELINE, WARM], replay_bytes=2**20)
    assert book.rate(machine, work) == first
