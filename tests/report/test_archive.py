"""`rigorkd export`: the same bytes every time, and what is unpacked verifies and says the same."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.analyze import analyze
from rigorkd.cli.export import export
from rigorkd.cli.verify import verify
from rigorkd.errors import InputError, StoreError
from rigorkd.launch.cleaning import clear
from rigorkd.launch.removal import Wanted, remove, restore
from rigorkd.records.integrity import verify_study
from rigorkd.records.interim import read_interim_analyses
from tests.launch.made_study import at, make

STUDY_0_1 = Path(__file__).parents[1] / "records" / "study_0_1" / "results" / "legacy"


def pack(study: Path, out: Path, *more: str) -> str:
    done = CliRunner().invoke(export, [str(study), "--out", str(out), *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def unpack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / "made" / "results" / "made"


def verdicts(study: Path) -> dict[str, object]:
    done = CliRunner().invoke(analyze, [str(study), "--format", "json"], catch_exceptions=False)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_unpacked_it_verifies_and_says_the_same(tmp_path: Path) -> None:
    study = make(tmp_path)
    said = pack(study, tmp_path / "one.zip")
    digest = verify_study(study).digest
    assert f"digest of the study   {digest}" in said
    assert "without the weights of 16 students" in said
    there = unpack(tmp_path / "one.zip", tmp_path / "elsewhere")
    done = CliRunner().invoke(verify, [str(there), "--against", str(digest)])
    assert done.exit_code == 0, done.output
    assert "the study of the digest that was given" in done.output
    assert verdicts(there) == verdicts(study)
    top = there.parents[1]
    assert json.loads((top / "analysis.json").read_text()) == verdicts(study)
    readme = (top / "README.md").read_text()
    assert readme.count(str(digest)) == 2
    assert "The weights of 16 students are not in it" in readme
    environment = json.loads((top / "environment.json").read_text())
    assert environment["versions"] == {"torch": ["2.15.0"]}
    assert environment["hardware"] == ["CPU"]
    assert (top / "protocol.yaml").read_text() == (tmp_path / "made.yaml").read_text()
    assert "main/wide/baseline" in (top / "report.html").read_text()


def test_the_bytes_depend_on_the_study_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(tmp_path)
    pack(study, tmp_path / "one.zip")
    there = unpack(tmp_path / "one.zip", tmp_path / "elsewhere")
    monkeypatch.chdir(there.parents[1])
    pack(Path("results/made"), tmp_path / "two.zip")
    pack(study, tmp_path / "three.zip")
    first = (tmp_path / "one.zip").read_bytes()
    assert first == (tmp_path / "three.zip").read_bytes()
    assert first == (tmp_path / "two.zip").read_bytes()


def test_weights_come_along_where_asked(tmp_path: Path) -> None:
    study = make(tmp_path)
    pack(study, tmp_path / "all.zip", "--weights")
    with zipfile.ZipFile(tmp_path / "all.zip") as file:
        assert sum(name.endswith("model.safetensors") for name in file.namelist()) == 20
    clear(study, ["weights"])
    said = pack(study, tmp_path / "less.zip", "--weights")
    assert "without the weights of 16 students" in said


def test_packing_is_a_look_and_what_was_removed_is_told(tmp_path: Path) -> None:
    study = make(tmp_path)
    pack(study, tmp_path / "one.zip")
    assert [look.n for look in read_interim_analyses(study)] == [4]
    remove(study, Wanted(seeds=(3,)), "its disk was broken")
    pack(study, tmp_path / "two.zip")
    there = unpack(tmp_path / "two.zip", tmp_path / "elsewhere")
    readme = (there.parents[1] / "README.md").read_text()
    assert "To be told with every claim" in readme
    assert "its disk was broken" in readme
    assert "its disk was broken" in (there.parents[1] / "report.html").read_text()
    assert not (there / ".removed").exists()


def test_a_study_in_progress_says_so_and_is_no_look(tmp_path: Path) -> None:
    study = make(tmp_path, train=at(0, 1))
    told = "In progress: 8 of 16 runs are finished, 2 of 4 seeds complete."
    assert told in pack(study, tmp_path / "one.zip")
    assert read_interim_analyses(study) == ()
    there = unpack(tmp_path / "one.zip", tmp_path / "elsewhere")
    assert json.loads((there.parents[1] / "analysis.json").read_text())["progress"]
    readme = (there.parents[1] / "README.md").read_text()
    assert told in readme
    assert "every verdict" not in readme
    assert "`rigorkd analyze --interim` judges what is there" in readme


def test_what_is_damaged_is_refused(tmp_path: Path) -> None:
    study = make(tmp_path)
    (study / "teacher/seed-0/history.csv").write_text("epoch\nother\n")
    with pytest.raises(StoreError, match="1 record damaged, first teacher/seed-0"):
        pack(study, tmp_path / "one.zip")
    assert not (tmp_path / "one.zip").exists()
    with pytest.raises(InputError):
        pack(study, tmp_path)


@pytest.mark.slow
def test_a_study_of_0_1_is_packed_verified_and_set_aside_like_any(tmp_path: Path) -> None:
    shutil.copytree(STUDY_0_1, tmp_path / "legacy")
    study = tmp_path / "legacy"
    before = verdicts(study)
    pack(study, tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as file:
        file.extractall(tmp_path / "elsewhere")
    there = tmp_path / "elsewhere" / "legacy" / "results" / "legacy"
    assert verify_study(there).digest == verify_study(study).digest
    assert verdicts(there) == before
    remove(study, Wanted(seeds=(2,)), "a test")
    assert verdicts(study) != before
    restore(study)
    assert verdicts(study) == before


def test_after_a_look_the_archive_has_the_verdicts_that_hold(tmp_path: Path) -> None:
    study = make(tmp_path)
    pack(study, tmp_path / "one.zip")
    once = unpack(tmp_path / "one.zip", tmp_path / "once")
    assert json.loads((once.parents[1] / "analysis.json").read_text())["sequential"] is None
    assert f"rigorkd analyze results/{study.name}\n" in (once.parents[1] / "README.md").read_text()
    make(tmp_path, seeds=range(6))
    pack(study, tmp_path / "two.zip")
    twice = unpack(tmp_path / "two.zip", tmp_path / "twice")
    packed = json.loads((twice.parents[1] / "analysis.json").read_text())
    assert packed["sequential"]["comparisons"]
    assert (
        f"rigorkd analyze results/{study.name} --sequential\n" in (twice.parents[1] / "README.md").read_text()
    )
    done = CliRunner().invoke(
        analyze, [str(twice), "--sequential", "--format", "json"], catch_exceptions=False
    )
    assert json.loads(done.stdout)["sequential"] == packed["sequential"]
    with zipfile.ZipFile(tmp_path / "two.zip") as file:
        assert f"({len(file.namelist())} files; " in (twice.parents[1] / "README.md").read_text()
