"""The book of rates: a cache that may be damaged, shared and lost, and never stands in the way."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from rigorkd.data.arrays import Arrays
from rigorkd.data.dataset import Dataset, Split
from rigorkd.data.synthetic import Synthetic
from rigorkd.protocol.cells import Cell
from rigorkd.protocol.load import load_protocol
from rigorkd.records import rates
from rigorkd.records.rates import Machine, Rate, RateBook, Work

HERE = Machine("CPU, 1 thread (a)", metadata.version("torch"))
WORK = Work("evaluate", "reference", "fp32", '{"name":"cnn"}', side=8)


def the_file(book: RateBook) -> Path:
    (path,) = book.folder.glob("*/*.json")
    return path


def test_the_rate_is_the_median_of_the_newest(tmp_path: Path) -> None:
    book = RateBook.of(tmp_path)
    assert book.rate(HERE, WORK) is None
    for seconds in (100.0, 1.0, 2.0, 3.0):
        book.note(HERE, WORK, seconds)
    assert book.rate(HERE, WORK) == Rate(2.5, 4)
    for _ in range(rates.REMEMBERED):
        book.note(HERE, WORK, 7.0)
    assert book.rate(HERE, WORK) == Rate(7.0, rates.REMEMBERED)
    assert book.rate(replace(HERE, hardware="another"), WORK) is None
    assert book.rate(HERE, replace(WORK, side=16)) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff",
        b"[]",
        b"{}",
        b'{"schema": "rigorkd.rates/1", "machine": {}, "work": {}, "seconds_per_image": [1]}',
        "emptied",
        "negative",
        "of a later version",
    ],
)
def test_a_damaged_file_counts_as_none_and_is_replaced(tmp_path: Path, content: bytes | str) -> None:
    book = RateBook.of(tmp_path)
    book.note(HERE, WORK, 1.0)
    path = the_file(book)
    if isinstance(content, str):
        document = json.loads(path.read_bytes())
        change = {
            "emptied": {"seconds_per_image": []},
            "negative": {"seconds_per_image": [-1]},
            "of a later version": {"schema": "rigorkd.rates/9"},
        }
        content = json.dumps({**document, **change[content]}).encode()
    path.write_bytes(content)
    assert book.rate(HERE, WORK) is None
    assert book.machines() == ()
    book.note(HERE, WORK, 3.0)
    assert book.rate(HERE, WORK) == Rate(3.0, 1)


def test_what_is_no_rate_or_cannot_be_written_is_not_noted(tmp_path: Path) -> None:
    book = RateBook.of(tmp_path)
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        book.note(HERE, WORK, seconds)
    assert not book.folder.exists()
    (tmp_path / "file").touch()
    RateBook.of(tmp_path / "file").note(HERE, WORK, 1.0)


def test_this_machine_comes_first_and_other_versions_of_torch_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = RateBook.of(tmp_path)
    for hardware in ("A", "B", "C"):
        book.note(replace(HERE, hardware=hardware), WORK, 1.0)
    book.note(Machine("D", "0.1"), WORK, 1.0)
    monkeypatch.setattr(rates, "hardware_here", lambda: frozenset({"B"}))
    assert [machine.hardware for machine in book.machines()] == ["B", "A", "C"]


def test_taking_over_replaces(tmp_path: Path) -> None:
    old, new = RateBook.of(tmp_path / "old"), RateBook.of(tmp_path / "new")
    for seconds in (5.0, 6.0):
        old.note(HERE, WORK, seconds)
    old.note(HERE, replace(WORK, side=16), 9.0)
    new.note(HERE, WORK, 1.0)
    old.take_over(new)
    assert old.rate(HERE, WORK) == Rate(1.0, 1)
    assert old.rate(HERE, replace(WORK, side=16)) == Rate(9.0, 1)


@pytest.fixture
def cell(protocol_file: Path) -> Cell:
    return load_protocol(protocol_file).cell("main/plain/kd-T1-a0.5")


def test_what_changes_the_work_changes_the_key(cell: Cell) -> None:
    """…and what does not (start, epochs, label noise, temperature) leaves it alone."""
    training, views = cell.training, cell.views
    same = [
        replace(cell, start="imagenet1k_v1"),
        replace(cell, training=training.model_copy(update={"epochs": 99})),
        replace(cell, dataset=cell.dataset.model_copy(update={"label_noise": 0.3})),
        replace(cell, method=cell.method.model_copy(update={"T": 9.0})),
    ]
    others = [
        replace(cell, model=cell.model.model_copy(update={"channels": (4, 9)})),
        replace(cell, training=training.model_copy(update={"batch_size": 99})),
        replace(cell, training=training.model_copy(update={"precision": "bf16"})),
        replace(cell, views=views.model_copy(update={"size": 16})),
    ]
    for other in same:
        assert rates.step(other, "reference") == rates.step(cell, "reference")
        assert rates.view(other, "reference") == rates.view(cell, "reference")
    for other in others:
        assert rates.step(other, "reference") != rates.step(cell, "reference")
    assert rates.step(cell, "fast") != rates.step(cell, "reference")
    assert rates.step(cell, "reference").says() == "the training step of cnn (kd) at 8², batch 16, fp32"


def test_without_torch_every_machine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing trains, no version is the one that will."""
    book = RateBook.of(tmp_path)
    for version in ("2.0", "1.0"):
        book.note(Machine("A", version), WORK, 1.0)

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    assert book.machines() == ()
    monkeypatch.setattr(metadata, "version", missing)
    assert book.machines() == (Machine("A", "1.0"), Machine("A", "2.0"))


def test_what_is_measured_of_grey_images_is_what_is_looked_for(tmp_path: Path) -> None:
    """A measurement stands in for a user's own images with synthetic ones of their shape."""
    images = np.random.default_rng(0).integers(0, 256, (40, 12, 12), dtype=np.uint8)
    np.savez(tmp_path / "made.npz", images=images, labels=np.arange(40) % 2)
    described = {"name": "arrays", "file": str(tmp_path / "made.npz"), "split": {"val": 4, "test": 10}}
    own: Dataset = TypeAdapter(Arrays).validate_python(described)
    alike = Synthetic(name="synthetic", size=12, channels=1, classes=2, split=Split(val=4))
    (cell, *_) = load_protocol(Path("protocols/digits.yaml")).cells
    assert rates.view(replace(cell, dataset=own.settled(12)), "reference") == rates.view(
        replace(cell, dataset=alike), "reference"
    )
