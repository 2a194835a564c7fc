"""One latency per architecture: what was really measured, by whom, and whether anybody worked beside it."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.train import latency
from rigorkd.train.latency import Latency, measure, measure_latencies, noted_latency
from rigorkd.train.runtime import DeviceLock, Runtime
from rigorkd.train.task import architecture_key, one_of_each

from .conftest import BASELINE, COLD, DROPPING, TEACHER, student_cell, wanted

WANT = wanted(BASELINE)


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """A CPU whose lock is this test's alone."""
    found = Runtime(torch.device("cpu"), "reference", 1)
    found.__dict__["device_lock"] = DeviceLock(tmp_path / "gates", "cpu")
    return found


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "study")


def note(study: StudyFolder, runtime: Runtime, shared: bool | None, want: Expected = WANT) -> Latency:
    """A latency that somebody noted before."""
    noted = Latency(median=2.0, q25=1.0, q75=3.0, n=5, mean=2.0, sd=0.5, shared=shared)
    path = study.latency(architecture_key(want, runtime.hardware()))
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(asdict(noted)))
    return noted


def test_what_latency_depends_on() -> None:
    key = architecture_key(WANT)
    assert key == architecture_key(replace(WANT, run=replace(WANT.run, seed=7)))
    assert key == architecture_key(wanted(COLD))  # another loss, the same network
    cell = WANT.run.cell
    other = [
        replace(cell, model=DROPPING),
        replace(cell, size=16),
        replace(cell, views=cell.views.model_copy(update={"size": 16})),
        replace(cell, training=cell.training.model_copy(update={"precision": "bf16"})),
    ]
    keys = {architecture_key(replace(WANT, run=replace(WANT.run, cell=each))) for each in other}
    keys |= {architecture_key(WANT, "another device"), architecture_key(replace(WANT, model_code="0" * 64))}
    assert len(keys | {key}) == 7


def test_every_architecture_is_measured_once() -> None:
    dropping = student_cell("dropping", BASELINE.method, DROPPING)
    wants = [wanted(cell) for cell in (TEACHER, BASELINE, COLD, dropping)]
    assert one_of_each(wants) == (wants[0], wants[1], wants[3])


def test_the_figures_are_those_of_the_forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    warming = [-1.0, -0.95, -0.5]  # two forwards, after which the time for that is up
    ticks = iter([*warming, 0.0, 0.010, 1.0, 1.020, 2.0, 2.060, 3.0, 3.030, 4.0, 4.080, 5.0, 5.040])
    monkeypatch.setattr(latency, "clock", lambda device: next(ticks))
    monkeypatch.setattr(latency, "ENOUGH_SECONDS", 0.21)
    model = nn.Flatten().train()
    forwards: list[object] = []
    model.register_forward_hook(lambda *given: forwards.append(given))
    found = measure(model, torch.zeros(1, 1, 2, 2), shared=False)
    assert found.n == 6  # after five there are 0.2 s
    assert len(forwards) == 2 + 6
    assert found.mean == pytest.approx(40)
    assert found.sd == pytest.approx(26.0768, abs=1e-4)
    assert (found.median, found.q25, found.q75) == pytest.approx((35, 22.5, 55))
    assert model.training


def test_few_forwards_are_enough_where_nobody_reads_the_figure() -> None:
    model = nn.Flatten()
    forwards: list[object] = []
    model.register_forward_hook(lambda *given: forwards.append(given))
    assert measure(model, torch.zeros(1, 1, 2, 2), shared=True, enough=0.0).n == 5
    assert len(forwards) == 1 + 5


def test_alone_is_noted_as_alone(study: StudyFolder, runtime: Runtime) -> None:
    assert noted_latency(WANT, study, runtime) is None
    measure_latencies([WANT, wanted(COLD)], study, runtime)
    found = noted_latency(WANT, study, runtime)
    assert found is not None
    assert found.shared is False
    assert found == noted_latency(wanted(COLD), study, runtime)
    assert len(list((study.path / ".work/latency").iterdir())) == 1
    measure_latencies([WANT], study, runtime)
    assert noted_latency(WANT, study, runtime) == found  # not measured again


def test_beside_others_nothing_is_measured_or_it_is_marked(study: StudyFolder, runtime: Runtime) -> None:
    with runtime.device_lock.busy():
        measure_latencies([WANT], study, runtime)
        assert noted_latency(WANT, study, runtime) is None
        measure_latencies([WANT], study, runtime, beside_others=True)
        marked = noted_latency(WANT, study, runtime)
        assert marked is not None
        assert marked.shared is True
        measure_latencies([WANT], study, runtime, beside_others=True)
        assert noted_latency(WANT, study, runtime) == marked
    measure_latencies([WANT], study, runtime)  # the device is free now: a better one takes its place
    found = noted_latency(WANT, study, runtime)
    assert found is not None
    assert found.shared is False


def test_nobody_measures_beside_one_who_measures_alone(
    study: StudyFolder, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lost patience waits for the other to end, and then finds everything noted."""
    other = threading.Thread(
        target=measure_latencies, args=([WANT], study, runtime), kwargs={"beside_others": True}
    )
    measured = latency.measure
    shared = []

    def slowly(*arguments: Any, **options: Any) -> Latency:
        shared.append(options["shared"])
        if len(shared) == 1:
            other.start()
            time.sleep(0.3)  # the other has long lost its patience
        return measured(*arguments, **options)

    monkeypatch.setattr(latency, "measure", slowly)
    measure_latencies([WANT], study, runtime)
    other.join()
    assert shared == [False]


@pytest.mark.parametrize("shared", [True, None])
def test_one_that_was_not_alone_for_certain_is_measured_again(
    study: StudyFolder, runtime: Runtime, shared: bool | None
) -> None:
    note(study, runtime, shared)
    with runtime.device_lock.busy():
        measure_latencies([WANT], study, runtime, beside_others=True)
        assert noted_latency(WANT, study, runtime) == note_of(shared)
    measure_latencies([WANT], study, runtime)
    found = noted_latency(WANT, study, runtime)
    assert found is not None
    assert found.shared is False


def note_of(shared: bool | None) -> Latency:
    return Latency(median=2.0, q25=1.0, q75=3.0, n=5, mean=2.0, sd=0.5, shared=shared)


def test_a_note_of_version_0_1_lacks_what_it_did_not_note(study: StudyFolder, runtime: Runtime) -> None:
    path = study.latency(architecture_key(WANT, runtime.hardware()))
    path.parent.mkdir(parents=True)
    path.write_text('{"median": 2.0, "q25": 1.0, "q75": 3.0, "n": 5}')
    assert noted_latency(WANT, study, runtime) == Latency(2.0, 1.0, 3.0, 5, None, None, None)


def test_a_damaged_note_is_measured_again(study: StudyFolder, runtime: Runtime) -> None:
    path = study.latency(architecture_key(WANT, runtime.hardware()))
    path.parent.mkdir(parents=True)
    path.write_text("{torn")
    measure_latencies([WANT], study, runtime)
    assert noted_latency(WANT, study, runtime) is not None


def test_what_a_worker_died_or_failed_of_is_not_tried_again(
    study: StudyFolder, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def fail(*_: object, **__: object) -> Latency:
        tried.append(1)
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(latency, "measure", fail)
    for _ in range(4):
        measure_latencies([WANT], study, runtime, beside_others=True)
    assert tried == [1, 1]
    assert capsys.readouterr().out == 2 * "latency of cnn: RuntimeError: no such kernel\n"
    monkeypatch.undo()
    for attempt in study.latency_attempts():  # as the next launch does
        attempt.unlink()
    measure_latencies([WANT], study, runtime)
    assert noted_latency(WANT, study, runtime) is not None
    assert study.latency_attempts() == []
