"""The order of tasks: teachers first, nothing lost, nothing twice, failures carry their reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.launch.failures import AllAlike, Failure
from rigorkd.launch.leases import News
from rigorkd.launch.pool import Pool
from rigorkd.launch.progress import Progress, ProgressFile
from rigorkd.launch.queue import TaskQueue, build_queue, split_evenly
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.records.expected import Expected, expected_hashes
from rigorkd.records.layout import StudyFolder
from rigorkd.train.device_memory import split_by_memory
from rigorkd.train.task import Task

SEEDS = (0, 1, 2)


@pytest.fixture
def protocol(protocol_file: Path) -> Protocol:
    return load_protocol(protocol_file)


@pytest.fixture
def expected(protocol: Protocol) -> dict[str, Expected]:
    return expected_hashes(protocol, SEEDS, "reference", {})


def queue_of(protocol: Protocol, expected: dict[str, Expected], missing: set[str]) -> TaskQueue:
    return build_queue(expected, missing, cohorts(protocol.cells, SEEDS), like=Task((), None))


def names(task: Task) -> list[str]:
    return [want.run.name for want in task.runs]


def test_everything_is_trained_once_and_teachers_come_first(
    protocol: Protocol, expected: dict[str, Expected]
) -> None:
    queue = queue_of(protocol, expected, set(expected))
    order: list[str] = []
    while task := queue.next(slots=1):
        for want in task.runs:
            if want.run.cell.method.distils:
                assert f"teacher/seed-{want.run.seed}" in order
            order.append(want.run.name)
            queue.done(want.run.name)
    assert sorted(order) == sorted(expected)
    assert len(queue) == 0


CHAIN = """\
teachers:
  second: {model: cnn, teacher: both, kd: true}
  first: {model: cnn, teacher: big, kd: true}
  big: {model: cnn, epochs: 2, per_seed: false}
  both: {mean_of: [big, first]}
"""


def test_a_chain_is_a_stage_more_for_every_link(protocol_file: Path) -> None:
    text = protocol_file.read_text()
    line = next(line for line in text.splitlines() if line.startswith("teacher: "))
    text = text.replace(line + "\n", CHAIN).replace("{baseline: true", "{teacher: second, baseline: true")
    protocol_file.write_text(text.replace("epochs: 2, baseline", "epochs: 2, teacher: big, baseline"))
    chain = load_protocol(protocol_file)
    expected = expected_hashes(chain, (0,), "reference", {})
    queue = build_queue(expected, set(expected), cohorts(chain.cells, (0,)), like=Task((), None))
    stages = [sorted({run.split("/")[1] for task in stage for run in task}) for stage in queue.stages()]
    assert stages == [["big"], ["first", "plain"], ["both"], ["second"], ["dropping", "plain"]]
    teachers = {}
    while task := queue.next(slots=1):
        for want in task.runs:
            if want.run.cell.method.distils:
                assert task.teacher is not None
                teachers[want.run.cell.name] = task.teacher.run.name
            queue.done(want.run.name)
    assert teachers.pop("teacher/first") == "teacher/big/seed-fixed"
    assert teachers.pop("teacher/second") == "teacher/both/seed-0"
    assert set(teachers.values()) == {"teacher/big/seed-fixed", "teacher/second/seed-0"}


def test_a_cohort_waits_for_its_teacher_only(protocol: Protocol, expected: dict[str, Expected]) -> None:
    queue = queue_of(protocol, expected, set(expected))
    first = [queue.next(slots=3) for _ in range(4)]
    assert [task and names(task) for task in first] == [
        ["teacher/seed-0"],
        ["teacher/seed-1"],
        ["teacher/seed-2"],
        None,
    ]
    queue.done("teacher/seed-1")
    task = queue.next(slots=3)
    assert task is not None
    assert {want.run.seed for want in task.runs} == {1}
    assert task.teacher is not None
    assert task.teacher.run.name == "teacher/seed-1"


def test_a_finished_teacher_is_not_trained_again(protocol: Protocol, expected: dict[str, Expected]) -> None:
    missing = {name for name in expected if not name.startswith("teacher")}
    queue = queue_of(protocol, expected, missing)
    task = queue.next(slots=1)
    assert task is not None
    assert len(task.runs) == 8


def test_the_last_task_is_cut_for_idle_slots_once(protocol: Protocol, expected: dict[str, Expected]) -> None:
    missing = {name for name in expected if name.endswith("seed-0") and not name.startswith("teacher")}
    queue = queue_of(protocol, expected, missing)
    sizes = []
    while task := queue.next(slots=3):
        sizes.append(len(task.runs))
    assert sorted(sizes) == [2, 3, 3]


def test_what_needs_a_failed_teacher_fails_with_a_reason(
    protocol: Protocol, expected: dict[str, Expected]
) -> None:
    queue = queue_of(protocol, expected, set(expected))
    queue.next(slots=1)
    lost = queue.fail("teacher/seed-0", "out of memory")
    distilled = {n for n in expected if "kd-" in n and n.endswith("seed-0")}
    assert set(lost) == distilled
    assert queue.failed["teacher/seed-0"] == "out of memory"
    assert "teacher/seed-0, which failed" in queue.failed[min(distilled)]
    left = []
    while task := queue.next(slots=1):
        left += names(task)
        for name in names(task):
            queue.done(name)
    assert {n for n in left if n.endswith("seed-0")} == {n for n in expected if n.endswith("baseline/seed-0")}


@given(st.integers(1, 30), st.integers(1, 8))
def test_splitting_keeps_every_run_in_order(count: int, parts: int) -> None:
    task = Task(tuple(range(count)), None)  # type: ignore[arg-type]
    split = split_evenly(task, parts)
    assert [run for part in split for run in part.runs] == list(range(count))
    sizes = [len(part.runs) for part in split]
    assert len(split) == min(parts, count)
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(1, 100), min_size=1, max_size=20), st.integers(1, 300))
def test_splitting_by_memory_keeps_to_the_budget(sizes: list[int], budget: int) -> None:
    task = Task(tuple(range(len(sizes))), None)  # type: ignore[arg-type]
    parts = split_by_memory(task, sizes, budget)
    assert [run for part in parts for run in part.runs] == list(range(len(sizes)))
    for part in parts:
        used = sum(sizes[index] for index in part.runs)  # type: ignore[call-overload]
        assert used <= budget or len(part.runs) == 1


def test_what_failed_alike_of_another_launcher_holds_the_others_back(
    protocol: Protocol, expected: dict[str, Expected], tmp_path: Path
) -> None:
    """Two launchers, with a cell each: alone, either would go on, since it may be its cell's own fault."""
    one, other = (next(run for run in sorted(expected) if f"kd-T{T}-" in run) for T in (1, 2))
    queue = queue_of(protocol, expected, {*expected} - {one, other})
    news = [
        Failure(run, "", "ValueError: no file x", log="w", log_start=at)
        for at, run in enumerate((one, other))
    ]

    class Remote:
        def __len__(self) -> int:
            return 1

        def look(self) -> News:
            return News((), (news.pop(0),), ())

    progress = Progress(len(expected), len(expected))
    pool = Pool(
        queue,
        StudyFolder(tmp_path),
        [],
        progress,
        ProgressFile(tmp_path),
        cast(Any, Remote()),
        alike=AllAlike(2),
    )
    pool._look_at_remote()
    assert len(queue) > 0
    pool._next_look = 0.0
    pool._look_at_remote()
    assert (len(queue), queue.failed[one]) == (0, "ValueError: no file x")
    assert "not started, since the first ones failed alike" in queue.failed.values()
