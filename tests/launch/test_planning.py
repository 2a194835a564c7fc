"""The cost of a plan: images of every kind of work times measured rates, or null with the reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from rigorkd.data.cifar import Cifar100
from rigorkd.data.dataset import Split
from rigorkd.data.image_folder import ImageFolder
from rigorkd.data.synthetic import Synthetic
from rigorkd.errors import InputError
from rigorkd.launch.cost import Images, cohort_work, cost, images_of, work_left
from rigorkd.launch.measure import ON_CPU, _tasks, measure
from rigorkd.launch.planning import protocol_warnings
from rigorkd.launch.run_states import RunStates, State, find_run_states
from rigorkd.models.model import PathStart
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.records import rates
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import Machine, RateBook
from tests.conftest import SHIPPED, shipped

PAPER = SHIPPED / "paper.yaml"
CPU = Machine("CPU, 1 thread (a)", metadata.version("torch"))


def states_of(protocol: Protocol, folder: Path, seeds: Sequence[int]) -> RunStates:
    return find_run_states(protocol, tuple(seeds), StudyFolder(folder / "study"), "reference", {})


def test_the_work_of_the_papers_grid(tmp_path: Path) -> None:
    """One seed: a teacher and 4 cells of 40 epochs, 6 of 30, one view and one teacher forward for all."""
    protocol = shipped(PAPER)
    runs = states_of(protocol, tmp_path, [0]).missing()
    found = work_left(protocol, runs, (0,), "reference")
    assert found is not None
    by_part = {
        (work.part, json.loads(work.model)["name"] if work.model else "", work.method): number
        for work, number in found.items()
    }
    assert by_part == {
        ("view", "", ""): (40 + 40) * 45_000,
        ("teach", "resnet50", ""): 40 * 45_000,
        ("step", "resnet50", "baseline"): 40 * 45_000,
        ("step", "mobilenet_v2", "baseline"): (40 + 30) * 45_000,
        ("step", "mobilenet_v2", "kd"): (40 + 5 * 30) * 45_000,
        ("step", "shufflenet_v2_x1_0", "baseline"): 40 * 45_000,
        ("step", "shufflenet_v2_x1_0", "kd"): 40 * 45_000,
        ("evaluate", "resnet50", ""): 40 * 5_000 + 10_000,
        ("evaluate", "mobilenet_v2", ""): (2 * 40 + 6 * 30) * 5_000 + 8 * 10_000,
        ("evaluate", "shufflenet_v2_x1_0", ""): 2 * (40 * 5_000 + 10_000),
    }
    doubled = work_left(protocol, states_of(protocol, tmp_path, [0, 1]).missing(), (0, 1), "reference")
    assert doubled == {work: 2 * number for work, number in found.items()}


def test_a_teacher_that_saw_clean_images_is_asked_once_which_is_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "clean.yaml"
    path.write_text(PAPER.read_text().replace("  size: 128\n", "  size: 128\n  teacher: clean\n", 1))
    protocol = load_protocol(path)
    found = work_left(protocol, states_of(protocol, tmp_path, [0]).missing(), (0,), "reference")
    assert found is not None
    assert [work for work in found if work.part == "teach"] == []


def test_images_of_a_data_set() -> None:
    split = Split(val=5_000)
    assert images_of(Cifar100(name="cifar100", split=split)) == Images(45_000, 5_000, 10_000)
    per_class = Split(train=10, val=2, test=3, per_class=True)
    assert images_of(Cifar100(name="cifar100", split=per_class)) == Images(1_000, 200, 300)
    own = Synthetic(name="synthetic", images=100, test_images=40, split=Split(val=20))
    assert images_of(own) == Images(80, 20, 40)
    assert images_of(ImageFolder(name="image_folder", resolution=64, split=split)) is None


def filled(book: RateBook, protocol: Protocol, states: RunStates, seconds: float) -> None:
    """Every rate that the states's missing runs need, at so many seconds per image."""
    works = work_left(protocol, states.missing(), (0,), "reference")
    assert works is not None
    for work in works:
        book.note(CPU, work, seconds)


def test_the_cost_is_images_times_rates(tmp_path: Path, protocol_file: Path) -> None:
    protocol, book = load_protocol(protocol_file), RateBook.of(tmp_path)
    states = states_of(protocol, tmp_path, [0])
    filled(book, protocol, states, 0.5)
    found = cost(protocol, states, (0,), book, "reference")
    works = work_left(protocol, states.missing(), (0,), "reference")
    assert works is not None
    assert found.seconds == sum(works.values()) / 2
    assert found.gpu_hours is None
    assert found.basis.startswith(f"rates measured on {CPU.hardware} with torch {CPU.torch}, each the median")
    one = next(name for name, state in states.state.items() if state is State.MISSING)
    less = replace(states, state={**states.state, one: State.DONE})
    assert 0 < (cost(protocol, less, (0,), book, "reference").seconds or 0) < found.seconds
    done = replace(states, state=dict.fromkeys(states.state, State.DONE))
    assert cost(protocol, done, (0,), book, "reference").seconds == 0


def test_without_a_rate_the_cost_is_unknown_and_says_which(tmp_path: Path, protocol_file: Path) -> None:
    protocol, book = load_protocol(protocol_file), RateBook.of(tmp_path)
    states = states_of(protocol, tmp_path, [0])
    nothing = cost(protocol, states, (0,), book, "reference")
    assert nothing.seconds is None
    assert "no rates of any machine here" in nothing.basis
    assert "plan --measure" in nothing.basis
    filled(book, protocol, states, 1.0)
    assert cost(protocol, states, (0,), book, "fast").seconds is None
    lost = rates.step(protocol.cell("main/plain/kd-T4-a0.5"), "reference")
    book._path(CPU, lost).unlink()
    lacking = cost(protocol, states, (0,), book, "reference")
    assert lacking.seconds is None
    assert (
        f"no rate of the training step of cnn (kd) at 8², batch 16, fp32 on {CPU.hardware}" in lacking.basis
    )


def test_a_graphics_card_has_gpu_hours(
    tmp_path: Path, protocol_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol, book = load_protocol(protocol_file), RateBook.of(tmp_path)
    states = states_of(protocol, tmp_path, [0])
    filled(book, protocol, states, 1.0)
    for path in book.folder.glob("*/*.json"):
        document = json.loads(path.read_text())
        work = rates.Work(**document["work"])
        book.note(Machine("NVIDIA H200", CPU.torch), work, 0.001)
    monkeypatch.setattr(rates, "hardware_here", lambda: frozenset({"NVIDIA H200"}))
    found = cost(protocol, states, (0,), book, "reference")
    assert found.gpu_hours == pytest.approx((found.seconds or 0) / 3600)
    assert "NVIDIA H200" in found.basis


def test_measuring_covers_every_kind_of_work(tmp_path: Path) -> None:
    """Whatever the study needs is done by some task, and every teacher is there before its cohort."""
    for path in sorted(SHIPPED.rglob("*.yaml")):
        protocol = shipped(path)
        if any(isinstance(cell.start, PathStart) for cell in protocol.cells):
            continue  # the files of weights are not here
        states = states_of(protocol, tmp_path, [0, 1])
        needed = work_left(protocol, states.missing(), (0, 1), "reference")
        if needed is None:
            continue
        placed: set[str] = set()
        done: set[rates.Work] = set()
        tasks = list(_tasks(protocol, states.missing(), (0, 1), set(needed), ON_CPU, "reference"))
        for task in tasks:
            cells = [want.run.cell for want in task.runs]
            assert task.teacher is None or task.teacher.run.name in placed
            placed |= {want.run.name for want in task.runs}
            teacher = task.teacher.run.cell if task.teacher else None
            done |= {work for work, _ in cohort_work(cells, teacher, Images(1, 1, 1), "reference")}
            assert {want.run.cell.dataset.name for want in task.runs} == {"synthetic"}
        one_process = {replace(work, processes=1) for work in needed}
        assert one_process <= {replace(work, processes=1) for work in done}, path.name
        assert len(placed) < len(states.expected)


class DyingPool(ThreadPoolExecutor):
    """A pool whose process dies over every task, as one does that takes more memory than there is."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(1)

    def submit(self, *given: object, **named: object) -> Future[None]:  # type: ignore[override]
        future: Future[None] = Future()
        future.set_exception(BrokenProcessPool("terminated abruptly"))
        return future


def test_a_measurement_that_dies_is_named(
    tmp_path: Path, protocol_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rigorkd.launch.measure.ProcessPoolExecutor", DyingPool)
    protocol = load_protocol(protocol_file)
    states = states_of(protocol, tmp_path, [0])
    with pytest.raises(InputError, match=r"--measure: the process that trained .* died"):
        measure(protocol, states, (0,), RateBook.of(tmp_path), "reference", lambda text: None)


def test_a_warm_up_that_training_cuts_short_is_told(protocol_file: Path) -> None:
    """DKD's own is 20 epochs: of a shorter training its loss never gets the weight that the protocol says."""
    plain = protocol_file.read_text()
    assert "kd: {T: [1, 4], alpha: 0.5}" in plain

    def told(method: str) -> list[str]:
        protocol_file.write_text(plain.replace("kd: {T: [1, 4], alpha: 0.5}", method))
        warnings = protocol_warnings(load_protocol(protocol_file), (0, 1, 2))
        return [text for text in warnings if "warm-up" in text]

    (one,) = told("dkd: {T: 4}")
    assert one.startswith("warning: dkd has a warm-up of 20 epochs, and training ends after ")
    assert not told("dkd: {T: 4, warmup: 1}")
    assert not told("kd: {T: 4, alpha: 0.5}")
