"""Records: whole or not at all, verified by hash, readable when everything else is gone."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from rigorkd.errors import DamagedError, InputError, StoreError
from rigorkd.files import write_atomically
from rigorkd.protocol.load import load_protocol
from rigorkd.records.integrity import Intact, verify_study
from rigorkd.records.interim import note_interim_analysis, read_interim_analyses
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import commit, read_record, verified_weights
from rigorkd.records.study import newest_study, read_info, register

RUN = "main/s/baseline/seed-0"
FIELDS = {
    "cell": "main/s/baseline",
    "seed": 0,
    "run_hash": "h",
    "metrics": {"test_top1": 90.0},
    "status": "done",
}


def test_commit_and_read(tmp_path: Path) -> None:
    folder = tmp_path / "main/s/baseline/seed-0"
    commit(folder, FIELDS, {"history.csv": b"epoch\n", "predictions.npz": b""})
    record = read_record(StudyFolder(tmp_path), RUN)
    assert record.run == "main/s/baseline/seed-0"
    assert record.run_hash == "h"
    assert record.metrics == {"test_top1": 90.0}
    assert record.verify() == []
    (folder / "history.csv").write_bytes(b"edited\n")
    assert record.verify() == ["history.csv"]


def test_a_record_in_another_runs_folder_is_refused(tmp_path: Path) -> None:
    commit(tmp_path / "main/s/baseline/seed-1", FIELDS, {})
    with pytest.raises(StoreError, match="this is the record of main/s/baseline/seed-0"):
        read_record(StudyFolder(tmp_path), "main/s/baseline/seed-1")


def test_weights_must_be_those_of_their_record(tmp_path: Path) -> None:
    folder = tmp_path / "main/s/baseline/seed-0"
    commit(folder, FIELDS, {"model.safetensors": b"weights"})
    study = StudyFolder(tmp_path)
    assert verified_weights(study, RUN) == folder / "model.safetensors"
    (folder / "model.safetensors").write_bytes(b"others")
    with pytest.raises(StoreError, match="not the weights that its record names"):
        verified_weights(study, RUN)
    (folder / "model.safetensors").unlink()
    with pytest.raises(StoreError, match="run again"):
        verified_weights(study, RUN)


@pytest.mark.parametrize("left", [None, "record", "checkpoint", "removal", "look"])
def test_the_plan_is_fixed_by_what_comes_of_the_first_run(
    tmp_path: Path, protocol_file: Path, left: str | None
) -> None:
    """A protocol that only ever failed has planned nothing; one with anything to look at has."""
    study = StudyFolder(tmp_path / "results" / "tiny")
    register(study.path, load_protocol(protocol_file), (0, 1), "reference", {})
    first = read_info(study.path)
    if left == "record":
        commit(study.run(RUN), FIELDS, {})
    elif left == "checkpoint":
        study.checkpoint(RUN).parent.mkdir(parents=True)
        study.checkpoint(RUN).touch()
    elif left == "removal":
        study.changes_jsonl.touch()
    elif left == "look":
        note_interim_analysis(study.path, range(2), "test_top1")
    protocol_file.write_text(protocol_file.read_text().replace("sesoi: 2.0", "sesoi: 1.0"))
    register(study.path, load_protocol(protocol_file), (0, 1), "reference", {})
    then = read_info(study.path)
    assert then.plan_noted
    assert then.planned.sesoi == (1.0 if left is None else 2.0)
    assert then.protocols[-1] == load_protocol(protocol_file).text_hash
    assert then.protocols[:-1] == (() if left is None else first.protocols)


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    commit(tmp_path, {**FIELDS, "metrics": {"test_loss": float("nan")}}, {})
    assert json.loads((tmp_path / "record.json").read_text())["metrics"] == {"test_loss": None}


def test_record_json_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: names.append(Path(to).name) or replace(self, to))
    commit(tmp_path, FIELDS, {"history.csv": b"", "predictions.npz": b""})
    assert names == ["history.csv", "predictions.npz", "record.json"]


@pytest.mark.parametrize("when", [1, 2, 3])
def test_a_full_disk_leaves_no_record_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    calls = 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= 2 * when - 1:  # a file, then its folder
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        commit(tmp_path, FIELDS, {"history.csv": b"x", "predictions.npz": b"y"})
    assert not (tmp_path / "record.json").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"schema": "other/1"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema": "rigorkd.record/1"}',
    ],
)
def test_a_damaged_record_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / RUN / "record.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"record\.json"):
        read_record(StudyFolder(tmp_path), RUN)


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or `rigorkd run` would set a whole record aside because of a permission or a network drive."""
    study = StudyFolder(tmp_path)
    folder = study.run("main/s/baseline/seed-0")
    commit(folder, FIELDS, {"history.csv": b"x"})
    record = read_record(study, RUN)
    whole = os.open

    def locked(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).parent == folder:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(os, "open", locked)
    for attempt in (
        lambda: read_record(study, RUN),
        lambda: record.content("history.csv"),
        lambda: Intact(study).damage(record),
    ):
        with pytest.raises(StoreError, match="cannot be read: permission denied") as caught:
            attempt()
        assert not isinstance(caught.value, DamagedError)
    (damage,) = verify_study(tmp_path).damaged[1:]  # the first: there is no study.json
    assert damage.run == "main/s/baseline/seed-0"


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    for name in ("x" * 255, "é" * 127):
        write_atomically(tmp_path / name, b"one")
        assert [path.name for path in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


def test_atomic_writing_replaces_and_makes_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_atomically(path, b"one")
    write_atomically(path, b"two", durable=False)
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["b.txt"]


def test_a_look_after_one_that_a_crash_tore_is_remembered(tmp_path: Path) -> None:
    assert note_interim_analysis(tmp_path, range(3), "test_top1")
    path = tmp_path / "looks.jsonl"
    whole = path.read_text()
    path.write_text(whole + whole[:20])
    assert note_interim_analysis(tmp_path, range(5), "test_top1")
    assert [look.n for look in read_interim_analyses(tmp_path)] == [3, 5]
    assert path.read_text().endswith("\n")


def test_records_are_found_in_order_and_hidden_folders_are_not_searched(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path)
    for run in ("b/s/x/seed-0", "a/s/x/seed-1", "a/s/x/seed-0", ".stale/1/a/s/x/seed-0"):
        commit(study.run(run), FIELDS, {})
    found = [str(path.parent.relative_to(tmp_path)) for path in study.records()]
    assert found == ["a/s/x/seed-0", "a/s/x/seed-1", "b/s/x/seed-0"]


def test_the_newest_study_finished_last_whatever_its_files_say(tmp_path: Path) -> None:
    for name, finished in (("a", "2026-03-01"), ("b", "2026-01-01"), ("c", "2026-02-01")):
        study = StudyFolder(tmp_path / name)
        commit(study.run("a/s/x/seed-0"), {**FIELDS, "finished": finished}, {})
        study.study_json.write_text("{}")
    assert newest_study(tmp_path) == tmp_path / "a"
    (tmp_path / "a" / "study.json").unlink()
    assert newest_study(tmp_path) == tmp_path / "c"


def test_the_records_of_the_only_study_need_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyFolder, "records", lambda study: pytest.fail(f"{study.path} was searched"))
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "study.json").write_text("{}")
    assert newest_study(tmp_path) == tmp_path / "only"


def test_no_study_is_an_input_error(tmp_path: Path) -> None:
    for attempt in (lambda: newest_study(tmp_path), lambda: newest_study(tmp_path / "none")):
        with pytest.raises(InputError, match="no study"):
            attempt()
    with pytest.raises(InputError, match="not a study"):
        read_info(tmp_path)


def test_a_damaged_study_json_is_named(tmp_path: Path) -> None:
    for content in (b"{}", b"null", b"[1]", b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "study.json").write_bytes(content)
        with pytest.raises(StoreError, match=r"study\.json: the file is damaged") as caught:
            read_info(tmp_path)
        assert "NoneType" not in str(caught.value)


def test_looks_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    assert note_interim_analysis(tmp_path, range(3), "test_top1")
    with (tmp_path / "looks.jsonl").open("ab") as stream:
        stream.write(b"\xff\xfe\x00\nnull\n5\n" + b"[" * 100_000 + b"\n")
    assert [look.n for look in read_interim_analyses(tmp_path)] == [3]
    assert note_interim_analysis(tmp_path, range(4), "test_top1")
    assert [look.n for look in read_interim_analyses(tmp_path)] == [3, 4]
