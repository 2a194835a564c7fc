"""What students are taught: replayed logits are the teacher's own bits, looked-up ones the image's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rigorkd.methods.base import Outputs, Targets
from rigorkd.protocol.cells import Cell
from rigorkd.records.layout import StudyFolder
from rigorkd.train.distributed import Distributed
from rigorkd.train.student import Batch
from rigorkd.train.teacher_outputs import Replay, TeacherOutputs, replay_key

from .conftest import BASELINE, COLD, DROPS, TRAINING, WARM, Train, output_bytes

ROOM = 10**9


@pytest.fixture
def other(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "other")


def in_precision(cell: Cell, precision: str) -> Cell:
    """The cell trained in another precision."""
    return replace(cell, training=cell.training.model_copy(update={"precision": precision}))


class Forwards:
    """Counts the teacher's forward passes over training batches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        forward = TeacherOutputs.forward

        def counting(teacher: TeacherOutputs, images: torch.Tensor) -> torch.Tensor:
            self.count += 1
            return forward(teacher, images)

        monkeypatch.setattr(TeacherOutputs, "forward", counting)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_added_cell_replays_the_logits_and_keeps_its_bits(
    train: Train, study: StudyFolder, other: StudyFolder, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    cold, warm, drops = (in_precision(cell, precision) for cell in (COLD, WARM, DROPS))
    train([warm, drops])
    forwards = Forwards(monkeypatch)
    train([cold], folder=other, replay_bytes=ROOM)
    assert forwards.count == 3 * 4
    train([warm, drops], folder=other, replay_bytes=ROOM)
    assert forwards.count == 3 * 4
    for cell in (warm, drops):
        assert output_bytes(other, cell) == output_bytes(study, cell), cell.name


def test_a_budget_keeps_what_fits(train: Train, study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    one_epoch = 120 * 10 * 4
    train([COLD], replay_bytes=int(2.5 * one_epoch))
    kept = sorted(path.name for path in study.replay.rglob("*.safetensors"))
    assert kept == ["epoch-1.safetensors", "epoch-2.safetensors"]
    forwards = Forwards(monkeypatch)
    train([WARM], replay_bytes=int(2.5 * one_epoch))
    assert forwards.count == 4


def test_another_seed_or_a_damaged_file_is_not_replayed(
    train: Train, study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    train([COLD], replay_bytes=ROOM)
    forwards = Forwards(monkeypatch)
    train([COLD], seed=1, replay_bytes=ROOM)
    assert forwards.count == 12
    for path in study.replay.rglob("epoch-2.safetensors"):
        path.write_bytes(path.read_bytes()[:-100])
    for path in study.replay.rglob("epoch-3.safetensors"):
        path.write_bytes(path.read_bytes()[:-100] + bytes(100))
    train([WARM], replay_bytes=ROOM)
    assert forwards.count == 12 + 2 * 4


def test_logits_are_kept_in_the_compute_dtype_only_if_that_is_exact(tmp_path: Path) -> None:
    replay = Replay(tmp_path, replay_key({"a": 1}), "bf16", ROOM)
    exact = torch.tensor([[1.5, -2.0]])
    replay.keep(1, exact)
    replay.keep(2, exact + 1e-3)
    sizes = [len((tmp_path / replay.key / f"epoch-{epoch}.safetensors").read_bytes()) for epoch in (1, 2)]
    assert sizes[0] < sizes[1]
    for epoch, expected in ((1, exact), (2, exact + 1e-3)):
        loaded = replay.load(epoch, 1, torch.device("cpu"))
        assert loaded is not None
        assert torch.equal(loaded, expected)
    assert replay.load(1, 7, torch.device("cpu")) is None
    assert replay.load(3, 1, torch.device("cpu")) is None


def clean(cell: Cell) -> Cell:
    """The cell taught by logits of the clean image."""
    return replace(cell, views=cell.views.model_copy(update={"teacher": "clean"}))


def test_clean_logits_belong_to_the_image_whatever_its_order_and_augmentation(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The looked-up logits of every batch are the teacher's on the un-augmented images of that batch."""
    seen: list[float] = []
    outputs = TeacherOutputs.outputs

    def compare(teacher: TeacherOutputs, batch: Batch, **wanted: bool) -> Outputs:
        found = outputs(teacher, batch, **wanted)
        assert table is not None
        seen.append(float((found.logits - table[batch.rows]).abs().max()))
        return found

    table: torch.Tensor | None = None
    init = TeacherOutputs.__init__

    def remember(self: TeacherOutputs, model: torch.nn.Module, clean: object, *rest: object) -> None:
        nonlocal table
        init(self, model, clean, *rest)  # type: ignore[arg-type]
        assert clean is not None
        with torch.no_grad():
            view, raw = clean.view, clean.images  # type: ignore[attr-defined]
            table = torch.cat([model(view(raw[i : i + 1], None)) for i in range(len(raw))])

    monkeypatch.setattr(TeacherOutputs, "__init__", remember)
    monkeypatch.setattr(TeacherOutputs, "outputs", compare)
    train([clean(COLD)])
    assert len(seen) == 12
    assert max(seen) < 1e-4


def test_a_permuted_look_up_is_noticed(
    train: Train, study: StudyFolder, other: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    train([clean(COLD), BASELINE])
    outputs = TeacherOutputs.outputs
    monkeypatch.setattr(
        TeacherOutputs,
        "outputs",
        lambda self, batch, **wanted: outputs(self, batch._replace(rows=batch.rows.roll(1)), **wanted),
    )
    train([clean(COLD), BASELINE], folder=other)
    assert output_bytes(other, clean(COLD)) != output_bytes(study, clean(COLD))
    assert output_bytes(other, BASELINE) == output_bytes(study, BASELINE)


def test_clean_logits_are_computed_once(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    train([])
    forwards = Forwards(monkeypatch)
    train([clean(COLD), clean(WARM)])
    assert forwards.count == 0
    assert TRAINING.epochs == 3


class OneOfTwo(Distributed):
    """The first of two processes, whose peer does not answer."""

    def gather_outputs(self, own: Outputs, rows: int) -> Outputs:
        return own


def test_what_several_processes_hear_counts_once_for_all() -> None:
    """The pace is that of the batch: a process's own rows over the time of all would be half of it."""
    teacher = TeacherOutputs(torch.nn.Linear(3, 2), None, None, distributed=OneOfTwo(0, 2))
    teacher.begin_epoch(1, 8)
    labels = torch.zeros(8, dtype=torch.int64)
    taught = teacher.outputs(Batch(torch.arange(8), 0, torch.zeros(8, 3), None, Targets(labels)))
    assert (len(taught.logits), teacher.computed) == (4, 8)
