"""Which runs become which Slurm jobs: all once, none before what it needs, in arrays of legal size."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rigorkd.launch.backends.slurm.submission import LARGEST_ARRAY, Array, arrays_of
from rigorkd.launch.queue import Runs, build_queue
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.records.expected import expected_hashes
from rigorkd.train.task import Task

SEEDS = (0, 1, 2)


@pytest.fixture
def protocol(protocol_file: Path) -> Protocol:
    return load_protocol(protocol_file)


def stages(protocol: Protocol, missing: set[str]) -> list[list[Runs]]:
    expected = expected_hashes(protocol, SEEDS, "reference", {})
    queue = build_queue(expected, missing, cohorts(protocol.cells, SEEDS), like=Task((), None))
    return queue.stages()


def test_teachers_go_first_and_each_cohort_is_a_job(protocol: Protocol) -> None:
    expected = expected_hashes(protocol, SEEDS, "reference", {})
    first, second = stages(protocol, set(expected))
    assert first == [(f"teacher/seed-{seed}",) for seed in SEEDS]
    assert [len(job) for job in second] == [8, 8, 8]
    assert sorted(run for stage in (first, second) for job in stage for run in job) == sorted(expected)


def test_what_is_done_is_left_out_and_waits_for_nothing(protocol: Protocol) -> None:
    expected = expected_hashes(protocol, SEEDS, "reference", {})
    missing = {name for name in expected if name.endswith("seed-1")} - {"teacher/seed-1"}
    assert stages(protocol, missing) == [[tuple(name for name in expected if name in missing)]]
    assert stages(protocol, set()) == []


@given(st.lists(st.integers(0, 2 * LARGEST_ARRAY + 1), min_size=1, max_size=3))
def test_arrays_hold_every_job_in_order(sizes: list[int]) -> None:
    planned = [[(f"run-{stage}-{job}",) for job in range(size)] for stage, size in enumerate(sizes)]
    arrays = arrays_of(planned)  # type: ignore[arg-type]
    assert all(0 < len(array.jobs) <= LARGEST_ARRAY for array in arrays)
    for stage, jobs in enumerate(planned):
        assert [job for array in arrays if array.stage == stage for job in array.jobs] == jobs


def test_jobs_are_named_as_slurm_names_them() -> None:
    assert Array(0, (("a",), ("b",)), "12").job_id(1) == "12_1"
    assert Array(0, (("a",),), "12").job_id(0) == "12"
    assert Array(0, (("a",), ("b",))).job_id(1) is None
