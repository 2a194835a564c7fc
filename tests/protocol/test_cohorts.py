"""Cohorts hold the student runs that share every batch and the teacher."""

from __future__ import annotations

from collections.abc import Callable

from rigorkd.protocol.cohorts import cohorts, runs
from rigorkd.protocol.load import Protocol

Load = Callable[..., Protocol]

TEACHER = "teacher: {model: {name: cnn, channels: [16, 32]}}"
GRID = "    kd: {T: [1, 4], alpha: [0.1, 0.5]}"


def test_one_cohort_per_seed(load: Load) -> None:
    protocol = load()
    grouped = cohorts(protocol.cells, protocol.seeds)
    assert [(cohort.seed, len(cohort.runs)) for cohort in grouped] == [(0, 10), (1, 10), (2, 10)]
    assert [cohort.teacher.name for cohort in grouped if cohort.teacher] == [
        f"teacher/seed-{k}" for k in range(3)
    ]
    assert grouped[0].runs[0].name == "main/small/baseline/seed-0"


def test_every_student_run_is_in_exactly_one_cohort(load: Load) -> None:
    protocol = load(
        ("    baseline: true", "    batch_size: [16, 32]\n    epochs: [2, 3]\n    baseline: true")
    )
    names = [run.name for cohort in cohorts(protocol.cells, (4, 2)) for run in cohort.runs]
    assert sorted(names) == sorted(
        run.name for run in runs(protocol.cells, (4, 2)) if run.cell.role == "student"
    )
    assert len(set(names)) == len(names) == 80


def test_what_splits_a_cohort(load: Load) -> None:
    def n(axis: str) -> int:
        return len(cohorts(load(("    baseline: true", f"    {axis}\n    baseline: true")).cells, (0,)))

    assert n("epochs: [2, 3]") == 1
    assert n("optimizer: [{name: sgd, lr: 1}, {name: adamw, lr: 1}]") == 1
    assert n("label_smoothing: [0, 0.1]") == 1
    assert n("start: [random, {path: w.st}]") == 1
    assert n("batch_size: [16, 32]") == 2
    assert n("precision: [fp32, bf16]") == 2
    assert n("views: {size: [8, 16, 32]}") == 3
    assert n("views: {teacher: [same, clean]}") == 2


def test_streams_share_no_batch_and_so_no_cohort(load: Load) -> None:
    protocol = load(("    baseline: true", "    baseline: {stream: [0, 3]}"))
    common, other = cohorts(protocol.cells, (0,))
    assert len(common.runs) == 10
    assert [run.cell.name for run in other.runs] == [
        f"main/{name}/baseline-stream3" for name in ("small", "large")
    ]
    assert other.teacher is None


def test_teachers_split_cohorts_and_may_be_shared_by_all_seeds(load: Load) -> None:
    protocol = load(
        (TEACHER, "teachers: {a: {model: cnn, per_seed: false}, b: {model: {name: cnn, hidden: 4}}}"),
        ("    baseline: true", "    teacher: [a, b]\n    baseline: true"),
    )
    grouped = cohorts(protocol.cells, (0, 1))
    assert [cohort.teacher.name for cohort in grouped if cohort.teacher] == [
        "teacher/a/seed-fixed",
        "teacher/b/seed-0",
        "teacher/a/seed-fixed",
        "teacher/b/seed-1",
    ]
    assert [len(cohort.runs) for cohort in grouped] == [10, 8, 10, 8]
    everything = runs(protocol.cells, (0, 1))
    assert everything[0].name == "teacher/a/seed-fixed"
    assert len(everything) == 1 + 2 * (1 + 2 * 9)


def test_baselines_alone_need_no_teacher_run(load: Load) -> None:
    protocol = load((GRID + "\n", ""))
    assert [cohort.teacher for cohort in cohorts(protocol.cells, (0,))] == [None]
    without = load((TEACHER + "\n", ""), (GRID + "\n", ""))
    assert [cell.teacher for cell in without.cells] == [None, None]
