"""A study that somebody else made: whatever lies in it, a command ends with one message that names the file.

The studies are copies of the small one of version 0.1, its records sealed again after every edit: what a hash
would catch is no test of the reader.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import struct
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.errors import DamagedError, RigorkdError, StoreError
from rigorkd.files import append_line, sha256_of
from rigorkd.launch.failures import read_log
from rigorkd.launch.heartbeat import Liveness, ProcessId
from rigorkd.records.interim import note_interim_analysis
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_predictions
from rigorkd.records.record import copy_record, read_record, seal
from rigorkd.records.untrusted import (
    HISTORY,
    INTERIM,
    KEPT,
    PREDICTIONS,
    PROTOCOL,
    RECORD,
    STUDY,
    parse,
    refuse_links,
)

from .conftest import refusal

pytestmark = pytest.mark.usefixtures("nothing_hangs")

HERE = Path(__file__).parent / "study_0_1"
CELL = "main/plain/baseline"
RUN = f"{CELL}/seed-0"
Harm = Callable[[Path], object]


def said(*arguments: object) -> str:
    """Everything that a command prints that ends of itself."""
    outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.output


def linked(path: Path) -> None:
    """Move a file or folder out of the study, and leave a link to it."""
    outside = path.parents[len(path.parts) - path.parts.index("results") - 1] / "outside"
    outside.mkdir(exist_ok=True)
    path.rename(outside / path.name)
    path.symlink_to(outside / path.name)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def socketed(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def large(size: int) -> Harm:
    """A file of one byte more than it may have, that takes no room on the disk."""
    return lambda path: os.truncate(path, size + 1)


def edited(change: Callable[[dict[str, Any]], object]) -> Harm:
    """A record of other values, sealed again."""

    def harm(path: Path) -> None:
        document = json.loads(path.read_bytes())
        change(document)
        if "record_sha256" in document:
            document["record_sha256"] = seal(document)
        path.write_text(json.dumps(document))

    return harm


def replaced(old: str, new: str) -> Harm:
    def harm(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return harm


LATENCY = {"median": 2.0, "q25": 1.0, "q75": 3.0, "n": 5, "mean": 2.0, "sd": 0.5, "shared": False}


def having(**values: object) -> Harm:
    return edited(lambda document: document.update(values))


def top1(value: object) -> Harm:
    return edited(lambda document: document["metrics"].update(test_top1=value))


def written_top1(text: str) -> Harm:
    return replaced('"test_top1": ', f'"test_top1": {text}, "x": ')


DEEP = "[" * 80 + "]" * 80
FOLLOWS_NONE, IRREGULAR, LARGE = "rigorkd follows none inside a study", "not a regular file", "at most"
KINDS: list[tuple[str, Harm, str]] = [
    ("link", linked, FOLLOWS_NONE),
    ("endless link", endless, FOLLOWS_NONE),
    ("pipe", pipe, IRREGULAR),
    ("socket", socketed, IRREGULAR),
]
RECORDS: list[tuple[str, Harm, str]] = [
    *KINDS,
    ("large", large(RECORD), LARGE),
    ("list", lambda path: path.write_text("[1]"), "no JSON object"),
    ("deep", having(extra=json.loads(DEEP)), "nested too deeply"),
    ("deeper", lambda path: path.write_text('{"a":' * 50_000), "nested too deeply"),
    ("whole number", written_top1("1" + "0" * 400), "too large a number"),
    ("number", written_top1("1e400"), "too large a number"),
    ("NaN", written_top1("NaN"), "NaN is no number"),
    ("infinity", written_top1("-Infinity"), "-Infinity is no number"),
    ("half a character", replaced('"hardware": "', r'"hardware": "\ud800'), "surrogates not allowed"),
    ("true for a number", top1(True), "metrics holds something else"),
    ("text for a number", top1("90"), "metrics holds something else"),
    ("list for a number", top1([90.0]), "metrics holds something else"),
    ("metrics", having(metrics=[]), "metrics holds something else"),
    ("true for a seed", having(seed=True), "seed is no seed"),
    ("negative seed", having(seed=-1), "seed is no seed"),
    ("half a seed", having(seed=0.5), "seed is no seed"),
    ("cell", having(cell="../main/plain/baseline"), "cell is no name"),
    ("cell of a number", having(cell=7), "cell is no name"),
    ("control character", having(cell="main/pl\x1bin/baseline"), "cell is no name"),
    ("status", having(status="great"), "status is neither"),
    ("file elsewhere", having(files={"../seed-1/history.csv": "0" * 64}), "files names something else"),
    ("absolute file", having(files={"/etc/passwd": "0" * 64}), "files names something else"),
    ("hidden file", having(files={".history.csv": "0" * 64}), "files names something else"),
    ("hash", having(files={"history.csv": 5}), "files names something else"),
    ("versions", having(versions=["torch"]), "versions is no mapping"),
    ("version", having(versions={"torch": {}}), "versions holds something else"),
    ("latency", having(latency_ms=5), "latency_ms is no mapping"),
    ("latency-text", having(latency_ms={**LATENCY, "median": "x"}), "latency_ms is no measurement"),
    ("latency-below", having(latency_ms={**LATENCY, "q25": -1}), "latency_ms is no measurement"),
    ("latency-huge", having(latency_ms={**LATENCY, "mean": 1e308}), "latency_ms is no measurement"),
    ("latency-count", having(latency_ms={**LATENCY, "n": True}), "latency_ms is no measurement"),
    ("latency-shared", having(latency_ms={**LATENCY, "shared": "false"}), "latency_ms is no measurement"),
    ("group", having(group={"a": 1}), "group is no text"),
    ("T", having(T=[4]), "T is no single value"),
    ("epochs", having(epochs_run=True), "epochs_run is no number"),
]


@pytest.mark.parametrize(("harm", "says"), [case[1:] for case in RECORDS], ids=[case[0] for case in RECORDS])
def test_a_record_that_nobody_wrote(study: Path, harm: Harm, says: str) -> None:
    path = study / RUN / "record.json"
    harm(path)
    of_any_file = says in (FOLLOWS_NONE, IRREGULAR, LARGE)
    for command in ("analyze", "table", "report", "publish") if of_any_file else ("analyze", "report"):
        message = refusal(command, study)
        assert says in message, command
        assert str(path) in message, command
    assert says in said("verify", study)
    outcome = CliRunner().invoke(cli, ["status", str(study)])
    assert says in f"{outcome.output}{outcome.exception}"


STUDIES: list[tuple[str, Harm, str]] = [
    *KINDS,
    ("large", large(STUDY), LARGE),
    ("list", lambda path: path.write_text("[1]"), "no JSON object"),
    ("deep", having(extra=json.loads(DEEP)), "nested too deeply"),
    ("name", having(study="../../other"), "study is no name"),
    ("smoke", having(smoke=1), "smoke is neither"),
    ("mode", having(mode="best"), "mode is none of"),
    ("created", having(created=5), "created or version"),
    ("version", having(version=[1]), "created or version"),
    ("time", having(planned={"time": 5, "analysis": {}}), "the time of the plan"),
    ("no protocol", having(protocols=[]), "protocols names no texts"),
    ("protocol elsewhere", having(protocols=[{"sha256": "../../../secret"}]), "protocols names no texts"),
    ("protocols", having(protocols={"sha256": 1}), "damaged"),
    ("true for a seed", having(seeds=[0, True]), "seeds holds something else"),
    ("seed", replaced('"seeds": [', '"seeds": [1' + "0" * 400 + ","), "too large a number"),
    ("seeds", having(seeds=list(range(10_001))), "more than 10,000"),
    ("number of seeds", having(seeds=5), "damaged"),
    ("start_files", having(start_files=["a"]), "damaged"),
    ("start file", having(start_files={"a": 1}), "start_files holds something else"),
    ("numerics", having(numerics={"engine": True}), "numerics holds something else"),
    ("NaN in the plan", replaced('"sesoi": 2.0', '"sesoi": NaN'), "NaN is no number"),
    ("true in the plan", replaced('"alpha": 0.05', '"alpha": true'), "damaged"),
]


@pytest.mark.parametrize(("harm", "says"), [case[1:] for case in STUDIES], ids=[case[0] for case in STUDIES])
def test_a_study_json_that_nobody_wrote(study: Path, harm: Harm, says: str) -> None:
    path = study / "study.json"
    harm(path)
    if not path.is_file():
        assert "not a study" in refusal("analyze", study)
        path.unlink()
        return
    of_any_file = says in (FOLLOWS_NONE, IRREGULAR, LARGE)
    for command in ("analyze", "status", "table", "report") if of_any_file else ("analyze", "status"):
        message = refusal(command, study)
        assert says in message, command
        assert str(path) in message, command
    assert says in said("verify", study)


@pytest.mark.parametrize("where", ["main", "main/plain", CELL, RUN])
def test_a_folder_that_is_a_link(study: Path, where: str) -> None:
    linked(study / where)
    for command in ("analyze", "status", "table", "report", "publish"):
        message = refusal(command, study)
        assert str(study / where) in message
        assert f"a link to a folder; {FOLLOWS_NONE}" in message
    assert f"damaged {where}: a link to a folder" in said("verify", study)


def test_the_study_itself_may_be_a_link(study: Path, tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(study)
    assert "42 runs: 42 done" in said("status", tmp_path / "here")
    assert said("table", tmp_path / "here") == said("table", study)


def protocol_text(study: Path) -> Path:
    (path,) = (study / ".protocols").iterdir()
    return path


@pytest.mark.parametrize(
    ("harm", "says"),
    [*(case[1:] for case in KINDS), (large(PROTOCOL), LARGE)],
    ids=[*(case[0] for case in KINDS), "large"],
)
def test_a_protocol_text_that_nobody_wrote(study: Path, harm: Harm, says: str) -> None:
    path = protocol_text(study)
    harm(path)
    for command in ("analyze", "status", "report"):
        message = refusal(command, study)
        assert says in message
        assert str(path) in message
    assert "damaged .protocols" in said("verify", study)


def test_the_folder_of_protocols_is_no_link_and_run_writes_through_none(study: Path) -> None:
    linked(study / ".protocols")
    outside = study.parents[1] / "outside" / ".protocols"
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    (outside / "nets.py").write_text("made = 'by somebody else'\n")  # what a study's own code would replace
    run = ["run", HERE / "legacy.yaml", "--results", study.parent]
    for command in (["analyze", study], ["status", study], run):
        message = refusal(*command)
        assert f"{study / '.protocols'}: a link to a folder" in message
    assert {path.name: path.read_bytes() for path in outside.iterdir() if path.suffix == ".yaml"} == before
    assert (outside / "nets.py").exists()


@pytest.mark.parametrize("folder", [".work", ".logs", ".claims", ".launchers", "main", "notes"])
def test_run_writes_into_no_folder_that_is_a_link(study: Path, tmp_path: Path, folder: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(study / folder, ignore_errors=True)
    (study / folder).symlink_to(tmp_path / "elsewhere")
    message = refusal("run", HERE / "legacy.yaml", "--results", study.parent)
    assert f"{study / folder}: a link to a folder" in message
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_figures_are_drawn_into_no_folder_that_is_a_link(study: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (study / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="a link to a folder"):
        refuse_links(study / "figures", study)
    assert f"{study / 'figures'}: a link to a folder" in refusal("figures", study)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_record_is_copied_with_what_it_names_alone(study: Path, tmp_path: Path) -> None:
    folder = study / RUN
    (folder / "secret.txt").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe")
    copy = StudyFolder(tmp_path / "copy")
    copy_record(StudyFolder(study), RUN, copy)
    names = ["history.csv", "predictions.npz", "record.json"]
    assert sorted(path.name for path in copy.run(RUN).iterdir()) == names
    assert read_record(copy, RUN).verify() == []
    linked(folder / "history.csv")
    with pytest.raises(StoreError, match="a link"):
        copy_record(StudyFolder(study), RUN, StudyFolder(tmp_path / "again"))


# ------------------------------------------------------------------------------------------- looks.jsonl


def test_noting_an_analysis_writes_through_no_link(study: Path, tmp_path: Path) -> None:
    looks, target = study / "looks.jsonl", tmp_path / "precious.txt"
    target.write_text("precious\n")
    looks.unlink(missing_ok=True)
    looks.symlink_to(target)
    message = refusal("analyze", study)
    assert f"{looks}: a link" in message
    with pytest.raises(StoreError, match="a link"):
        note_interim_analysis(study, range(9), "test_top1")
    with pytest.raises(OSError, match=r"[Ll]ink"):
        append_line(looks, "{}")
    assert target.read_text() == "precious\n"


@pytest.mark.parametrize("dangling", ["new.txt", "no/such/folder/new.txt"])
def test_noting_an_analysis_makes_no_file_elsewhere(study: Path, tmp_path: Path, dangling: str) -> None:
    (study / "looks.jsonl").unlink(missing_ok=True)
    (study / "looks.jsonl").symlink_to(tmp_path / dangling)
    refusal("analyze", study)
    assert not (tmp_path / dangling).exists()


@pytest.mark.parametrize(
    ("harm", "says"), [(pipe, IRREGULAR), (large(INTERIM), LARGE)], ids=["pipe", "large"]
)
def test_interim_analyses_that_nobody_noted(study: Path, harm: Harm, says: str) -> None:
    path = study / "looks.jsonl"
    path.write_text("{}\n")
    harm(path)
    message = refusal("analyze", study)
    assert says in message
    assert str(path) in message


def test_lines_of_other_things_are_no_analyses(study: Path) -> None:
    lines = ["[1]", '{"n": NaN}', '{"n": 1e400, "seeds": [], "metric": "m", "time": ""}', "{" * 9_000, "true"]
    (study / "looks.jsonl").write_text("\n".join(lines) + "\n")
    assert note_interim_analysis(study, range(3), "test_top1")
    assert len((study / "looks.jsonl").read_text().splitlines()) == len(lines) + 1


# --------------------------------------------------------------------------- history.csv, predictions.npz


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        *(case[1:] for case in KINDS),
        (large(HISTORY), LARGE),
        (lambda path: path.write_bytes(b"epoch,x\n1,\xff\n"), "not text in UTF-8"),
        (lambda path: path.write_text("epoch,x\n1," + "9" * 200_000 + "\n"), "not a CSV"),
    ],
    ids=[*(case[0] for case in KINDS), "large", "bytes", "field"],
)
def test_a_history_that_nobody_wrote(study: Path, harm: Harm, says: str) -> None:
    path = study / RUN / "history.csv"
    harm(path)
    message = refusal("report", study)
    assert says in message
    assert str(path) in message


def test_a_history_without_numbers_is_not_published(study: Path) -> None:
    run = StudyFolder(study).run(RUN)
    content = b"epoch,lr\nfirst,fast\n"
    (run / "history.csv").write_bytes(content)
    edited(lambda d: d["files"].update({"history.csv": sha256_of(content)}))(run / "record.json")
    message = refusal("publish", study)
    assert str(run / "history.csv") in message


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def members(*parts: tuple[str, bytes], compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return buffer.getvalue()


def header(shape: tuple[int, ...], kind: str) -> bytes:
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def claiming(content: bytes, size: int) -> bytes:
    """An archive whose directory says that its only member unpacks to so many bytes."""
    at = content.rindex(b"PK\x01\x02") + 24
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


TARGET = np.zeros(150, np.int32)
ARRAYS = {
    "no archive": (b"not a zip", "no archive of arrays"),
    "promises": (members(("target.npy", header((10**12,), "<i4") + b"0000")), "its header promises"),
    "bomb": (
        claiming(members(("target.npy", header((2**29,), "<i4") + bytes(10**6)), compressed=True), 2**31),
        "unpacked it would have more",
    ),
    "objects": (members(("target.npy", header((1,), "|O") + b"cos\nsystem\n")), "of object"),
    "numbers": (npz(target=TARGET.astype(float)), "of float64"),
    "dimensions": (npz(target=TARGET.reshape(10, 15)), "2-dimensional"),
    "lengths": (npz(target=TARGET, prediction=TARGET[1:]), "different lengths"),
    "no header": (members(("target.npy", b"\x93NUMPY\x01\x00\xff\xff{")), "predictions.npz"),
    "code": (members(("target.npy", header((1,), "<i4").replace(b"False", b"f(1) "))), "predictions.npz"),
}


@pytest.mark.parametrize(("content", "says"), ARRAYS.values(), ids=ARRAYS)
def test_predictions_that_nobody_wrote(study: Path, content: bytes, says: str) -> None:
    run = StudyFolder(study).run(RUN)
    (run / "predictions.npz").write_bytes(content)
    edited(lambda d: d["files"].update({"predictions.npz": sha256_of(content)}))(run / "record.json")
    with pytest.raises(DamagedError, match=r"predictions\.npz") as error:
        read_predictions(study, CELL, 0)
    assert says in error.value.message
    assert f"predictions of 1 run ({RUN})" in said("analyze", study)


@pytest.mark.parametrize(("harm", "says"), [*(case[1:] for case in KINDS), (large(PREDICTIONS), LARGE)])
def test_predictions_of_another_kind(study: Path, harm: Harm, says: str) -> None:
    path = study / RUN / "predictions.npz"
    harm(path)
    with pytest.raises(StoreError, match=r"predictions\.npz") as error:
        read_predictions(study, CELL, 0)
    assert says in error.value.message
    assert f"damaged {RUN}: " in said("verify", study)


@pytest.mark.parametrize(("file", "size"), [("history.csv", HISTORY), ("model.safetensors", KEPT)])
def test_a_file_with_holes_is_not_hashed_to_its_end(study: Path, file: str, size: int) -> None:
    run = "teacher/seed-0" if file == "model.safetensors" else RUN
    large(size)(study / run / file)
    assert f"damaged {run}: " in said("verify", study)


def test_predictions_are_read_as_numpy_reads_them(study: Path) -> None:
    path = study / RUN / "predictions.npz"
    found = read_predictions(study, CELL, 0)
    with np.load(path) as arrays:
        assert set(found) == set(arrays.files)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)


# ------------------------------------------------------------------------------ what launchers leave behind


def test_a_launcher_cannot_name_a_folder_elsewhere(study: Path, tmp_path: Path) -> None:
    """Entries of dead launchers are removed: a name is never a way out of the study."""
    (tmp_path / "victim").mkdir()
    entry = study / ".launchers" / "abc"
    entry.mkdir(parents=True)
    dead = asdict(replace(ProcessId.of(os.getpid()), started="before"))
    for name, stays in (("../../../victim", True), ("abc", False)):
        for folder in (tmp_path / "victim", entry):
            (folder / "holder.json").write_text(json.dumps({"id": name, "process": dead, "label": ""}))
        Liveness(StudyFolder(study)).reap()
        assert entry.exists() == stays
        assert (tmp_path / "victim" / "holder.json").exists()


def test_a_failure_cannot_name_a_log_elsewhere(study: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    folder = StudyFolder(study)
    folder.failure(RUN).parent.mkdir(parents=True)
    for log in ("../../secret.txt", str(tmp_path / "secret.txt"), ".logs/../../../secret.txt"):
        note = {"run": RUN, "run_hash": "h", "reason": "r", "log": log, "log_start": 0, "time": "t"}
        folder.failure(RUN).write_text(json.dumps(note))
        with pytest.raises(StoreError, match="lies outside"):
            read_log(folder, RUN)
    folder.failure(RUN).write_text(json.dumps({**note, "log": None, "reason": ["r"]}))
    assert "42 done" in said("status", study)


@pytest.mark.parametrize("name", [f"{CELL}/../../../../secret", "/etc/hostname"])
def test_a_run_is_no_way_out(study: Path, name: str) -> None:
    with pytest.raises(RigorkdError):
        read_log(StudyFolder(study), name)
    with pytest.raises(StoreError, match="lies outside"):
        read_record(StudyFolder(study), name)


def test_json_of_a_real_record_is_read_as_python_reads_it(study: Path) -> None:
    content = (study / RUN / "record.json").read_bytes()
    assert parse(content) == json.loads(content)
