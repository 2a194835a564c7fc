"""Test images that are trained on: noted when a study is trained, told by whatever shows its verdicts."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rigorkd.data.examined import Examined
from rigorkd.launch.heartbeat import Heartbeat, Liveness
from rigorkd.launch.leases import Leases
from rigorkd.launch.merging import merge
from rigorkd.launch.session import LaunchOptions, Session
from rigorkd.protocol.load import load_protocol
from rigorkd.records.data_note import note_examined, read_examined
from rigorkd.records.integrity import verify_study
from rigorkd.report.archive import pack
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study
from tests.launch.made_study import PROTOCOL, at, make

FOUND = Examined(200, 10, 40, ("a", "b"))


ARRAYS = "{{name: arrays, file: {file}, split: {{val: 10{test}}}}}"


def protocol_of(folder: Path, test: str = "") -> str:
    dataset = ARRAYS.format(file=folder / "made.npz", test=test)
    return PROTOCOL.replace("{name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}", dataset)


def start(folder: Path, images: object, labels: object) -> Path:
    """As `run` begins: the study is there, and nothing is trained."""
    np.savez(folder / "made.npz", images=images, labels=labels)
    (folder / "made.yaml").write_text(protocol_of(folder, ", test: 20"))
    options = LaunchOptions(seeds=(0, 1), results=folder / "results", retrain_stale=True)
    session = Session.of(load_protocol(folder / "made.yaml"), options, Console(quiet=True))
    session.study.path.mkdir(parents=True, exist_ok=True)
    with Heartbeat(session.study, "test") as me:
        session.open(Leases(session.study, me, Liveness(session.study)))
    return session.study.path


def test_a_study_notes_the_copies_in_its_data_and_forgets_those_of_other_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (80, 12, 12), dtype=np.uint8)
    doubled, labels = np.concatenate([images[:40], images[:40]]), np.arange(80) % 2
    with caplog.at_level(logging.WARNING):
        found = read_examined(start(tmp_path, doubled, labels))
    assert found is not None
    assert found.tested > 0
    assert found.says_tested in caplog.text
    assert read_examined(start(tmp_path, images, labels)) is None


def test_every_verdict_is_marked_where_the_test_set_was_trained_on(tmp_path: Path) -> None:
    study = make(tmp_path)
    before = analysis_of(from_study(study), Question(), images=False)
    note_examined(study, FOUND)
    result = analysis_of(from_study(study), Question(), images=False)
    for family in result.families:
        assert all(FOUND.says_tested in one.warnings for one in family.comparisons)
    assert [f.comparisons[0].verdict for f in result.families] == [
        f.comparisons[0].verdict for f in before.families
    ]


def test_a_few_copies_and_two_labels_are_told_once(tmp_path: Path) -> None:
    study = make(tmp_path)
    few = Examined(200, 10, 1, ("a", "b"), mislabelled=1, labelled_pair=("c", "d"))
    note_examined(study, few)
    result = analysis_of(from_study(study), Question(), images=False)
    assert set(few.says()) <= set(result.warnings)
    assert not any(
        "copy" in text for family in result.families for one in family.comparisons for text in one.warnings
    )


def test_chance_is_that_of_the_classes_among_which_networks_choose(tmp_path: Path) -> None:
    """Of three classes two are tested: a network that guesses is right in a third of the images."""
    images = np.random.default_rng(0).integers(0, 256, (90, 12, 12), dtype=np.uint8)
    labels = np.arange(90) % 3
    tests = {"test_images": images[:20] ^ 1, "test_labels": np.arange(20) % 2}
    np.savez(tmp_path / "made.npz", images=images, labels=labels, **tests)
    study = make(tmp_path, text=protocol_of(tmp_path))
    note_examined(study, load_protocol(tmp_path / "made.yaml").spec.dataset.examined())
    source = from_study(study)
    assert source.classes() == 3
    assert "no test image is of class 2: networks choose among 3 classes" in " ".join(source.warnings)


def test_the_note_goes_where_the_study_goes(tmp_path: Path) -> None:
    first = make(tmp_path / "a", train=at(0, 1))
    second = make(tmp_path / "b", train=at(2, 3))
    note_examined(second, FOUND)
    whole = tmp_path / "whole"
    merge([first, second], whole)
    assert read_examined(whole) == FOUND
    verified = verify_study(whole)
    pack(whole, tmp_path / "whole.zip", verified=verified, report="", analysis="", warnings=())
    names = zipfile.ZipFile(tmp_path / "whole.zip").namelist()
    assert [name for name in names if name.endswith("/data.json")]
    note_examined(whole, None)
    assert verify_study(whole).digest != verified.digest
