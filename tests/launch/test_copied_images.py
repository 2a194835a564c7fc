"""Test images that are trained on: noted when a study is trained, told by whatever shows its verdicts."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rigorkd.data.copies import Copies
from rigorkd.launch.heartbeat import Heartbeat, Liveness
from rigorkd.launch.leases import Leases
from rigorkd.launch.merging import merge
from rigorkd.launch.session import LaunchOptions, Session
from rigorkd.protocol.load import load_protocol
from rigorkd.records.data_note import note_copies, read_copies
from rigorkd.records.integrity import verify_study
from rigorkd.report.archive import pack
from rigorkd.report.sources import Question, analysis_of, from_study
from tests.launch.made_study import PROTOCOL, at, make

FOUND = Copies(200, 40, ("a", "b"))


def start(folder: Path, images: object, labels: object) -> Path:
    """As `run` begins: the study is there, and nothing is trained."""
    np.savez(folder / "made.npz", images=images, labels=labels)
    text = PROTOCOL.replace(
        "{name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}",
        f"{{name: arrays, file: {folder / 'made.npz'}, split: {{val: 10, test: 20}}}}",
    )
    (folder / "made.yaml").write_text(text)
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
        found = read_copies(start(tmp_path, doubled, labels))
    assert found is not None
    assert found.tested > 0
    assert found.says_tested in caplog.text
    assert read_copies(start(tmp_path, images, labels)) is None


def test_every_verdict_is_marked_where_the_test_set_was_trained_on(tmp_path: Path) -> None:
    study = make(tmp_path)
    before = analysis_of(from_study(study), Question(), images=False)
    note_copies(study, FOUND)
    result = analysis_of(from_study(study), Question(), images=False)
    for family in result.families:
        assert all(FOUND.says_tested in one.warnings for one in family.comparisons)
    assert [f.comparisons[0].verdict for f in result.families] == [
        f.comparisons[0].verdict for f in before.families
    ]


def test_a_few_copies_and_two_labels_are_told_once(tmp_path: Path) -> None:
    study = make(tmp_path)
    few = Copies(200, 1, ("a", "b"), mislabelled=1, labelled_pair=("c", "d"))
    note_copies(study, few)
    result = analysis_of(from_study(study), Question(), images=False)
    assert set(few.says()) <= set(result.warnings)
    assert not any(
        "copy" in text for family in result.families for one in family.comparisons for text in one.warnings
    )


def test_the_note_goes_where_the_study_goes(tmp_path: Path) -> None:
    first = make(tmp_path / "a", train=at(0, 1))
    second = make(tmp_path / "b", train=at(2, 3))
    note_copies(second, FOUND)
    whole = tmp_path / "whole"
    merge([first, second], whole)
    assert read_copies(whole) == FOUND
    verified = verify_study(whole)
    pack(whole, tmp_path / "whole.zip", verified=verified, report="", analysis="", warnings=())
    names = zipfile.ZipFile(tmp_path / "whole.zip").namelist()
    assert [name for name in names if name.endswith("/data.json")]
    note_copies(whole, None)
    assert verify_study(whole).digest != verified.digest
