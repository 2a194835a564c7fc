"""What was changed does not pass as intact, what belongs to others is only read, and no code of theirs runs.

The harms are those that version 0.1 let through, and their kin. The studies are copies of the small one of
version 0.1, whose seals are made again where a test says so: hashes find accidents, not forgers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.errors import DamagedError, StoreError
from rigorkd.files import append_line, sha256_of
from rigorkd.launch.failures import Failure, note_failure
from rigorkd.launch.heartbeat import Heartbeat
from rigorkd.launch.own_commands import code_of
from rigorkd.launch.progress import Progress, ProgressFile
from rigorkd.records.integrity import Intact, verify_study
from rigorkd.records.interim import note_interim_analysis
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_predictions, read_protocol, read_study
from rigorkd.records.record import read_record, seal
from rigorkd.text import printable

from .conftest import refusal

HERE = Path(__file__).parent / "study_0_1"
CELL = "main/plain/baseline"
RUN = f"{CELL}/seed-0"
OTHER = 54_321
"""Nobody's number."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
Document = dict[str, Any]


def said(*arguments: object, code: int = 0) -> str:
    """What a command prints."""
    outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert outcome.exit_code == code, (outcome.exception, outcome.output)
    return outcome.output


def edit(path: Path, change: Callable[[Document], object], *, sealed: bool = False) -> None:
    """Change a JSON file; `sealed` makes a record's hash of itself again."""
    document = json.loads(path.read_bytes())
    change(document)
    if sealed:
        document["record_sha256"] = seal(document)
    path.write_text(json.dumps(document))


# ------------------------------------------------------------------------------------------------ integrity


def test_a_record_without_its_seal_is_an_edited_one(study: Path) -> None:
    path = study / RUN / "record.json"

    def forged(document: Document) -> None:
        document["metrics"]["test_top1"] = 99.0
        del document["record_sha256"]

    edit(path, forged)
    assert f"damaged {RUN}: record.json was edited" in said("verify", study, code=1)
    assert f"{path}: edited after it was committed (1 record in all)" in refusal("analyze", study)
    folder = StudyFolder(study)
    damage = Intact(folder).damage(read_record(folder, RUN))
    assert damage is not None, "`run` sets it aside and trains it again"
    assert "record.json was edited" in damage.reason


@pytest.mark.parametrize(
    ("run", "file"),
    [(RUN, "predictions.npz"), (RUN, "history.csv"), ("teacher/seed-0", "model.safetensors")],
)
def test_a_file_that_every_record_has_cannot_be_dropped(study: Path, run: str, file: str) -> None:
    edit(study / run / "record.json", lambda d: d["files"].pop(file), sealed=True)
    (study / run / file).unlink()
    assert f"damaged {run}: record.json names no {file}" in said("verify", study, code=1)
    assert "edited after it was committed" in refusal("analyze", study)
    folder = StudyFolder(study)
    damage = Intact(folder).damage(read_record(folder, run))
    assert damage is not None
    assert damage.reason == f"record.json names no {file}"


def test_a_student_needs_no_weights_and_a_diverged_run_no_predictions(study: Path) -> None:
    def diverged(document: Document) -> None:
        document.update(status="diverged", metrics={})
        del document["files"]["predictions.npz"]

    edit(study / RUN / "record.json", diverged, sealed=True)
    assert read_record(StudyFolder(study), RUN).verify() == []


def test_an_edited_plan_does_not_pass_as_planned(study: Path) -> None:
    path = study / "study.json"
    edit(path, lambda d: d["planned"]["analysis"].update(sesoi=5.0))
    for command in ("analyze", "report", "table"):
        assert f"{path}: edited: the planned analysis is not the one" in refusal(command, study)


def test_an_edited_protocol_is_not_the_one_that_was_run(study: Path) -> None:
    (path,) = (study / ".protocols").iterdir()
    path.write_text(path.read_text().replace("sesoi: 2", "sesoi: 5"))
    for command in ("analyze", "report", "status"):
        assert f"{path}: not the protocol's text that was run" in refusal(command, study)


METRICS = [("test_top1", 99.0), ("test_top5", 99.5), ("test_loss", 0.5)]


@pytest.mark.parametrize(("metric", "value"), METRICS)
def test_a_metric_is_that_of_the_predictions(study: Path, metric: str, value: float) -> None:
    path = study / RUN / "record.json"
    before = json.loads(path.read_bytes())["metrics"][metric]
    edit(path, lambda d: d["metrics"].update({metric: value}), sealed=True)
    says = f"{metric} is {value:.10g}, and {before:.10g} by predictions.npz"
    assert f"damaged {RUN}: {says}" in said("verify", study, code=1)


def test_a_sample_of_the_metrics_is_computed_at_every_reading(study: Path) -> None:
    for path in study.rglob("record.json"):
        edit(path, lambda d: d["metrics"].update(test_top1=d["metrics"]["test_top1"] + 1), sealed=True)
    with pytest.raises(DamagedError, match=r"test_top1 is [\d.]+, and [\d.]+ by predictions\.npz"):
        read_study(study)


def test_predictions_without_predictions(study: Path) -> None:
    path = study / RUN / "predictions.npz"
    with np.load(path) as arrays:
        kept = {name: array for name, array in arrays.items() if name != "prediction"}
    np.savez(path, **kept)
    digest = sha256_of(path.read_bytes())
    edit(study / RUN / "record.json", lambda d: d["files"].update({path.name: digest}), sealed=True)
    with pytest.raises(DamagedError, match="it lacks prediction"):
        read_predictions(study, CELL, 0)
    assert f"predictions of 1 run ({RUN})" in said("analyze", study)


def test_a_small_archive_takes_little_memory(study: Path) -> None:
    path = study / RUN / "predictions.npz"
    np.savez_compressed(path, target=np.zeros(2 * 10**7, np.int32))
    assert path.stat().st_size < 2**20
    digest = sha256_of(path.read_bytes())
    edit(study / RUN / "record.json", lambda d: d["files"].update({path.name: digest}), sealed=True)
    with pytest.raises(DamagedError, match="unpacked it would have more than 67,108,864 bytes"):
        read_predictions(study, CELL, 0)


def test_an_archive_of_very_many_entries_is_not_listed(study: Path) -> None:
    path = study / RUN / "predictions.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1_001):
            archive.writestr(f"{number}.npy", b"")
    digest = sha256_of(path.read_bytes())
    edit(study / RUN / "record.json", lambda d: d["files"].update({path.name: digest}), sealed=True)
    with pytest.raises(DamagedError, match="it has more than 1,000 entries"):
        read_predictions(study, CELL, 0)


@pytest.mark.parametrize("command", ["analyze", "status", "table", "report"])
def test_more_runs_than_anybody_trains_are_refused_at_once(study: Path, command: str) -> None:
    edit(study / "study.json", lambda d: d.update(seeds=list(range(8_000))))
    assert "study.json: 14 cells at 8,000 seeds are 112,000 runs" in refusal(command, study)


def test_a_study_has_a_digest(study: Path, tmp_path: Path) -> None:
    digest = verify_study(study).digest
    assert digest is not None
    assert f"digest {digest}" in said("verify", study)
    assert "the study of the digest" in said("verify", study, "--against", digest)
    said("analyze", study)
    (study / ".work").mkdir()
    (study / "report.html").write_text("a page")
    shutil.copytree(study, tmp_path / "copy")
    assert verify_study(tmp_path / "copy").digest == digest, "neither looks nor pages nor times are in it"
    assert verify_study(study).digest == digest


def test_a_forger_who_makes_all_hashes_again_does_not_make_the_digest(study: Path) -> None:
    digest = verify_study(study).digest

    def forged(document: Document) -> None:
        document["planned"]["analysis"]["sesoi"] = 5.0
        text = json.dumps(document["planned"]["analysis"], sort_keys=True)
        document["planned"]["sha256"] = sha256_of(text)

    edit(study / "study.json", forged)
    assert "all as committed" in said("verify", study), "hashes find accidents, not forgers"
    assert "NOT the study of the digest" in said("verify", study, "--against", digest, code=1)
    document = json.loads(said("verify", study, "--against", digest, "--format", "json", code=1))
    assert document["against"] == digest != document["digest"]


def test_a_folder_that_may_not_be_looked_into_does_not_pass_as_intact(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    (study / "main").chmod(0)
    user = os.geteuid()
    os.seteuid(user or OTHER)  # permissions do not bind root
    try:
        with pytest.raises(PermissionError, match="main"):
            verify_study(Path(study.name))
    finally:
        os.seteuid(user)
        (study / "main").chmod(0o755)


@pytest.mark.parametrize("harm", ["record", "file", "protocol"])
def test_what_is_damaged_has_no_digest(study: Path, harm: str) -> None:
    protocol = next((study / ".protocols").iterdir())
    path = {"record": study / RUN / "record.json", "file": study / RUN / "history.csv", "protocol": protocol}
    path[harm].write_bytes(path[harm].read_bytes() + b" \n#")
    assert verify_study(study).digest is None
    assert "NOT the study" in said("verify", study, "--against", "0" * 64, code=1)


def test_a_digest_is_given_whole(study: Path) -> None:
    assert "64 digits" in said("verify", study, "--against", "abc", code=2)


# ---------------------------------------------------------------------------------------- others' studies


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a folder, with its time."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@as_root
def test_nothing_is_written_into_somebody_elses_study(study: Path, tmp_path: Path) -> None:
    (study / "looks.jsonl").unlink()
    os.chown(study, OTHER, OTHER)
    before = contents(study)
    assert "belongs to another user, so this look is not noted there" in said("analyze", study)
    assert not note_interim_analysis(study, range(3), "test_top1")
    assert "--out FILE" in refusal("report", study)
    assert "--out DIR" in refusal("figures", study)
    assert "cp -r" in refusal("publish", study)
    said("report", study, "--out", tmp_path / "page.html")
    for command in ("status", "table", "verify"):
        said(command, study)
    assert contents(study) == before
    assert (tmp_path / "page.html").exists()
    assert note_interim_analysis(study, range(3), "test_top1", training=True), "`run` writes there anyway"


def test_a_line_is_appended_in_the_folder_that_was_found(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="another user"):
        append_line(tmp_path / "lines", "x", owner=os.geteuid() + 1)
    assert not (tmp_path / "lines").exists()
    append_line(tmp_path / "lines", "x", owner=os.geteuid())
    assert (tmp_path / "lines").read_text() == "x\n"


def test_nothing_is_written_through_another_name_of_a_file(study: Path, tmp_path: Path) -> None:
    (tmp_path / "rc").write_text("# mine\n")
    (study / "looks.jsonl").unlink()
    (study / "looks.jsonl").hardlink_to(tmp_path / "rc")
    said("analyze", study)
    assert (tmp_path / "rc").read_text() == "# mine\n"
    first, look = (study / "looks.jsonl").read_text().splitlines()
    assert (first, json.loads(look)["n"]) == ("# mine", 3)
    said("analyze", study)
    assert len((study / "looks.jsonl").read_text().splitlines()) == 2


OWN = """\
rigorkd: 1
study: own
dataset: {name: digits, split: {train: 100, val: 100, test: 100}}
training: {optimizer: {name: sgd, lr: 0.1}, batch_size: 20, epochs: 1}
students: {net: {model: "nets:build"}}
groups: {main: {baseline: true}}
seeds: 1
"""
NETS = """\
from pathlib import Path
from torch import nn
Path(__file__).with_name("was run").touch()
def build(classes, channels, size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))
"""


@as_root
def test_somebody_elses_code_runs_with_a_word_only(
    tmp_path: Path, rigorkd: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "nets.py").write_text(NETS)
    done = rigorkd("run", "own.yaml")
    assert done.returncode == 0, done.stderr
    study = tmp_path / "results" / "own"
    (tmp_path / "nets.py").unlink()
    marker = study / ".protocols" / "was run"
    (code,) = code_of(read_protocol(study))
    assert code.startswith(f"nets:build, from {study / '.protocols' / 'nets.py'} (SHA-256 ")
    assert not marker.exists(), "told without being run"
    os.chown(study, OTHER, OTHER)
    refused = rigorkd("verify", study, "--rerun", 1)
    assert refused.returncode == 2, refused.stdout
    assert code in refused.stderr
    assert "--trust" in refused.stderr
    assert not marker.exists()
    trusted = rigorkd("verify", study, "--rerun", 1, "--trust")
    assert trusted.returncode == 0, trusted.stderr
    assert f"runs the study's own code: {code}" in trusted.stderr
    assert "the same bits" in trusted.stdout
    assert marker.exists()


# ------------------------------------------------------------------------------------- links, streams, names


@pytest.mark.parametrize(
    "place", [".claims/main,plain,baseline,seed-0", ".claims/.study", ".damaged/1", ".stale/1", ".work/main"]
)
def test_run_writes_through_no_link_below_a_hidden_folder(study: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (study / place).parent.mkdir(exist_ok=True)
    (study / place).symlink_to(tmp_path / "elsewhere")
    message = refusal("run", HERE / "legacy.yaml", "--results", study.parent)
    assert f"{study / place}: a link to a folder" in message
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("place", [".launchers/unswept", ".claims/.study/1.free", ".logs/main.log"])
def test_run_makes_no_file_through_a_link(study: Path, tmp_path: Path, place: str) -> None:
    (study / place).parent.mkdir(parents=True)
    (study / place).symlink_to(tmp_path / "new")
    with pytest.raises(StoreError, match="a link; rigorkd follows none"):
        StudyFolder(study).refuse_links()
    assert f"{study / place}: a link" in refusal("run", HERE / "legacy.yaml", "--results", study.parent)
    assert not (tmp_path / "new").exists()


STEERS = "\x1b]52;c;aGk=\x07\x9b31m\x1b[2J\u202e\r"
"""What fills a clipboard, clears a screen, and turns what follows around."""


def test_nothing_of_a_study_steers_a_terminal(study: Path) -> None:
    """Whatever a screen shows as it stands: labels, reasons, hardware, logs, headings."""
    for path in study.rglob("record.json"):
        edit(
            path,
            lambda d: d.update(hardware=STEERS, metrics=d["metrics"] | {f"=1{STEERS}": 1.0}),
            sealed=True,
        )
    layout = StudyFolder(study)
    layout.run_log(RUN).parent.mkdir(parents=True)
    layout.run_log(RUN).write_bytes(f"10 %\r20 %{STEERS}\n".encode())
    run_hash = read_record(layout, f"{CELL}/seed-1").run_hash
    shutil.rmtree(study / CELL / "seed-1")
    note_failure(layout, Failure(f"{CELL}/seed-1", run_hash, f"a reason {STEERS}"))
    with Heartbeat(layout, f"a label {STEERS}") as me:
        me.begin_work()
        ProgressFile(me.folder).write(Progress.of({RUN: 3}), force=True)
        shown = [said("status", study), said("status", study, "--format", "json")]
    shown += [said("table", study), said("plan", HERE / "legacy.yaml", "--results", study.parent)]
    shown += [said("verify", study, "--format", "json"), said("logs", "--study", study, RUN)]
    for text in shown:
        assert text == printable(text)
    assert "a label" in shown[0]
    assert "a reason" in shown[0]
    assert ",'=1" in shown[2], "no formula either"
    assert shown[-1].startswith("10 %\n20 %")


def test_a_trackers_own_links_are_its_own(study: Path, tmp_path: Path) -> None:
    (study / ".tracking" / "wandb").mkdir(parents=True)
    (study / ".tracking" / "wandb" / "latest-run").symlink_to(tmp_path)
    StudyFolder(study).refuse_links()


@pytest.mark.parametrize(
    ("command", "closed"), [("analyze", ">&-"), ("table", "2>&-"), ("verify", "<&- >&- 2>&-")]
)
def test_a_closed_stream_is_no_failure(study: Path, command: str, closed: str) -> None:
    line = f'exec "{sys.executable}" -m rigorkd {command} "{study}" {closed}'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (">&-" not in closed or closed == "2>&-")


def test_closed_streams_are_open_in_what_is_started() -> None:
    """Else a pipe takes their place, which is closed when a log does."""
    told = "import os; [os.fstat(number) for number in range(3)]"
    program = (
        "import subprocess, sys; from rigorkd.cli.main import _open_standard_streams; "
        f"_open_standard_streams(); sys.exit(subprocess.run([sys.executable, '-c', '{told}']).returncode)"
    )
    line = f'exec "{sys.executable}" -c "{program}" <&- >&- 2>&-'
    assert subprocess.run(["bash", "-c", line], check=False).returncode == 0
