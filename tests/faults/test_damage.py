"""A store under fire: what was torn, edited or deleted is named, set aside, trained again; never believed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.errors import DamagedError
from rigorkd.files import new_folder, set_aside, sweep_temporary
from rigorkd.records.integrity import Intact, verify_study, weights_gone
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_predictions, read_study
from rigorkd.records.record import commit, read_record
from tests.helpers import product_bytes

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


def edit_record(study: Path, run: str) -> None:
    path = study / run / "record.json"
    record = json.loads(path.read_text())
    record["metrics"]["test_top1"] = 99.0
    path.write_text(json.dumps(record))


def tear_record(study: Path, run: str) -> None:
    path = study / run / "record.json"
    path.write_bytes(path.read_bytes()[:300])


def flip_predictions(study: Path, run: str) -> None:
    path = study / run / "predictions.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def delete_history(study: Path, run: str) -> None:
    (study / run / "history.csv").unlink()


DAMAGE: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "main/plain/baseline/seed-0": (edit_record, "record.json was edited"),
    "main/plain/kd-T1-a0.5/seed-0": (tear_record, "the record cannot be read"),
    "main/plain/kd-T4-a0.5/seed-0": (flip_predictions, "predictions.npz is not what was committed"),
    "short/plain/baseline/seed-0": (delete_history, "history.csv is missing"),
}


def test_every_damage_is_named_set_aside_and_mended(finished: Path, tmp_path: Path, rigorkd: Rigorkd) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    study = tmp_path / "results" / "tiny"
    whole = rigorkd("verify", "--format", "json")
    assert whole.returncode == 0, whole.stdout
    document = json.loads(whole.stdout)
    assert document["schema"] == "rigorkd.verify/1"
    assert document["records"] == 18
    assert document["files"] >= 18 * 4
    assert document["damaged"] == {}
    for run, (harm, _) in DAMAGE.items():
        harm(study, run)
    (study / "main/dropping/baseline/seed-1/model.safetensors").unlink()

    found = rigorkd("verify")
    assert found.returncode == 1
    for run, (_, says) in DAMAGE.items():
        (line,) = [line for line in found.stdout.splitlines() if f"damaged {run}:" in line]
        assert says in line
    assert "the weights of 1 student are not there, first main/dropping/baseline/seed-1" in found.stdout
    assert "damaged main/plain/kd-T1-a0.5/seed-0" in rigorkd("status").stdout
    refused = rigorkd("analyze")
    assert refused.returncode == 2
    assert "record.json" in refused.stderr
    assert "Traceback" not in refused.stderr

    done = rigorkd("run", "tiny.yaml", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "4 runs to train" in done.stdout
    assert "the weights of 1 student are not there, first main/dropping/baseline/seed-1" in done.stdout
    for run, (_, says) in DAMAGE.items():
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"damaged {run}:")]
        assert says in line
        assert (study / ".damaged" / "1" / run).is_dir()
    mended = rigorkd("verify", "--format", "json")
    assert mended.returncode == 0, "deleted weights of a student are no damage"
    assert json.loads(mended.stdout)["weights_deleted"] == ["main/dropping/baseline/seed-1"]
    expected = product_bytes(finished / "results" / "tiny")
    del expected["main/dropping/baseline/seed-1/model.safetensors"]
    assert product_bytes(study) == expected


FIELDS = {
    "cell": "main/s/baseline",
    "seed": 0,
    "run_hash": "h",
    "role": "student",
    "metrics": {"test_top1": 90.0},
    "status": "done",
}
FILES = {"history.csv": b"epoch\n", "predictions.npz": b"arrays", "model.safetensors": b"weights"}
RUN = "main/s/baseline/seed-0"


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    """A study with one record."""
    study = StudyFolder(tmp_path)
    assert commit(study.run(RUN), FIELDS, FILES)
    return study


def test_the_first_commit_wins_and_is_not_touched(study: StudyFolder) -> None:
    before = {path.name: path.read_bytes() for path in study.run(RUN).iterdir()}
    assert not commit(study.run(RUN), {**FIELDS, "run_hash": "other"}, {"history.csv": b"others"})
    assert {path.name: path.read_bytes() for path in study.run(RUN).iterdir()} == before
    assert [path.name for path in study.run(RUN).parent.iterdir()] == ["seed-0"]


def test_files_without_a_record_make_room(study: StudyFolder) -> None:
    (study.run(RUN) / "record.json").unlink()
    assert commit(study.run(RUN), FIELDS, {"history.csv": b"new\n", "predictions.npz": b"new"})
    names = ["history.csv", "predictions.npz", "record.json"]
    assert sorted(path.name for path in study.run(RUN).iterdir()) == names
    assert read_record(study, RUN).verify() == []


def test_what_was_whole_is_believed_until_its_stamp_changes(study: StudyFolder) -> None:
    record = read_record(study, RUN)
    intact = Intact(study)
    assert intact.damage(record) is None
    intact.save()
    remembered = study.intact_json.read_bytes()
    again = Intact(study)
    assert again.damage(record) is None
    again.save()
    assert study.intact_json.read_bytes() == remembered
    (study.run(RUN) / "history.csv").write_bytes(b"EPOCH\n")  # as long as before
    damage = Intact(study).damage(record)
    assert damage is not None
    assert damage.reason == "history.csv is not what was committed"
    study.intact_json.write_bytes(b"{")
    assert Intact(study).damage(record) is not None


def test_deleted_weights_of_a_student_are_noticed_but_no_damage(study: StudyFolder) -> None:
    record = read_record(study, RUN)
    (study.run(RUN) / "model.safetensors").unlink()
    assert Intact(study).damage(record) is None
    assert weights_gone([record]) == [RUN]
    teacher = StudyFolder(study.path / "other")
    commit(teacher.run(RUN), {**FIELDS, "role": "teacher"}, FILES)
    (teacher.run(RUN) / "model.safetensors").unlink()
    damage = Intact(teacher).damage(read_record(teacher, RUN))
    assert damage is not None
    assert damage.reason == "model.safetensors is missing"


def test_edited_numbers_and_predictions_are_not_analysed(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "results" / "tiny", tmp_path / "tiny")
    assert len(read_predictions(tmp_path / "tiny", "main/plain/baseline", 0)["target"]) == 200
    flip_predictions(tmp_path / "tiny", "main/plain/baseline/seed-0")
    with pytest.raises(DamagedError, match=r"predictions\.npz"):
        read_predictions(tmp_path / "tiny", "main/plain/baseline", 0)
    read_study(tmp_path / "tiny")
    edit_record(tmp_path / "tiny", "main/plain/baseline/seed-1")
    with pytest.raises(DamagedError, match=r"baseline/seed-1/record\.json: edited after it was committed"):
        read_study(tmp_path / "tiny")


@pytest.mark.parametrize("length", [0, 1, 50, 200, -2])
def test_a_record_cut_anywhere_is_damaged(study: StudyFolder, length: int) -> None:
    path = study.run(RUN) / "record.json"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedError, match=r"record\.json"):
        read_record(study, RUN)


def test_another_order_of_keys_is_the_same_record(study: StudyFolder) -> None:
    path = study.run(RUN) / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert read_record(study, RUN).verify() == []


def test_a_missing_record_beside_its_files_is_noticed(study: StudyFolder) -> None:
    (study.run(RUN) / "record.json").unlink()
    damaged = {entry.run: entry.reason for entry in verify_study(study.path).damaged}
    assert damaged[RUN] == "its record.json is missing"
    assert "not a study" in damaged["study.json"]


def test_a_new_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), new_folder(tmp_path / "a") as stage:
        (stage / "x" / "y").write_text("there is no such folder")
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "a") as stage:
        (stage / "x").write_text("first")
    with pytest.raises(FileExistsError), new_folder(tmp_path / "a") as stage:
        (stage / "x").write_text("second")
    assert (tmp_path / "a" / "x").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_the_dead_left_unfinished_is_swept(tmp_path: Path) -> None:
    (tmp_path / "cell" / ".seed-0.12-ab.tmp").mkdir(parents=True)
    (tmp_path / "cell" / ".seed-0.12-ab.tmp" / "record.json").write_text("{}")
    (tmp_path / "cell" / ".history.csv.12.tmp").write_text("")
    (tmp_path / "cell" / "kept.tmp").write_text("")
    assert sweep_temporary(tmp_path, "seed-") == 1
    assert sweep_temporary(tmp_path) == 1
    assert [path.name for path in (tmp_path / "cell").iterdir()] == ["kept.tmp"]


def test_setting_aside_never_covers_what_was_set_aside_before(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "x").write_text(text)
        set_aside(tmp_path / "x", tmp_path / ".damaged", "x")
    assert (tmp_path / ".damaged/1/x").read_text() == "first"
    assert (tmp_path / ".damaged/2/x").read_text() == "second"
