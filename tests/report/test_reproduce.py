"""The commands that a page prints: run where the user stood, they judge the same."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from rigorkd.cli.main import cli
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import commit, read_records

from .conftest import PROTOCOL

STUDY = {
    "main/plain/baseline": (70.0, 70.5, 69.5, 70.25, 69.75, 70.0, 70.25, 69.75),
    "main/plain/kd-T1-a0.5": (70.5, 70.75, 70.0, 70.25, 70.5, 70.5, 70.25, 70.0),
    "main/plain/kd-T4-a0.5": (72.0, 72.25, 71.75, 72.5, 71.75, 72.0, 72.25, 71.5),
}


def command(*words: str) -> str:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    return done.stdout


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("analyze", *words, "--format", "json"))
    return found


def printed(page: Path) -> list[list[str]]:
    """The commands of a page, in words."""
    text = re.sub(r"<[^>]+>", "", page.read_text().partition('id="reproduce"')[2])
    return [shlex.split(html.unescape(line)) for line in text.splitlines() if line.startswith("rigorkd ")]


def table(path: Path) -> Path:
    rows = ["net,lr,init,split,auc,note"]
    for at, net in enumerate(("small one", "large")):
        rows += [
            f"{net},{lr},{seed},{split},{0.7 + at / 50 + lr / 9 + (seed * (at + 2) % 5) / 99 + split / 999},"
            for lr in (0.1, 0.2)
            for seed in range(5)
            for split in (0, 1)
        ]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("absolute", [False, True])
def test_a_table_is_judged_again_with_every_option(tmp_path, monkeypatch, absolute: bool) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(table(tmp_path / "my runs.csv")) if absolute else table(Path("my runs.csv")).name
    asked = ["--cell", "net,lr", "--seed", "init", "--average", "split", "--baseline", "small one-lr0.1"]
    asked += ["--metric", "auc", "--goal", "higher", "--alpha", "0.01", "--correction", "bh", "--seeds", "4"]
    command("report", file, *asked, "--out", "page.html")
    (analyze, report) = printed(Path("page.html"))
    assert analyze[:3] == ["rigorkd", "analyze", "my runs.csv"]
    assert report[2:] == analyze[2:]
    assert str(tmp_path) not in Path("page.html").read_text()
    again = document(*analyze[2:])
    assert again == document(file, *asked)
    assert again != document(file, *asked[:6])
    command(*report[1:], "--out", "again.html")
    assert Path("again.html").read_bytes() == Path("page.html").read_bytes()


def test_a_study_is_judged_again_with_every_option(made, tmp_path, monkeypatch) -> None:
    study = made(tmp_path, STUDY)
    monkeypatch.chdir(tmp_path)
    asked = ["--seeds", "2:7", "--alpha", "0.01", "--sesoi", "0.3", "--sequential", "--all-pairs"]
    asked += ["--compare", "main/plain/kd-T4-a0.5", "main/plain/kd-T1-a0.5"]
    command("report", str(study), *asked)
    (run, analyze, report) = printed(study / "report.html")
    assert 'id="sequential"' in (study / "report.html").read_text()
    assert run[1:5] == ["run", "protocol.yaml", "--seeds", "2,3,4,5,6"]
    assert Path(analyze[2]).resolve() == study.resolve()
    assert not Path(analyze[2]).is_absolute()
    assert document(*analyze[2:]) == document(*report[2:]) == document(str(study), *asked)


def test_a_study_that_is_not_named_is_named(made, tmp_path, monkeypatch) -> None:
    study = made(tmp_path, STUDY)
    monkeypatch.chdir(tmp_path)
    command("report", "--out", "page.html")
    assert [words[2:] for words in printed(Path("page.html"))[1:]] == [[f"results/{study.name}"]] * 2


def needed(page: Path) -> dict[str, list[str]]:
    """The files that the page names beside the protocol, with what it says of each."""
    section = page.read_text().partition('id="reproduce"')[2].partition("rigorkd run")[0]
    found: dict[str, list[str]] = {}
    for tag, text in re.findall(r"<(dt|dd)>(.*?)</d", section, re.DOTALL):
        if tag == "dt":
            said = found.setdefault(html.unescape(text), [])
        else:
            said.append(html.unescape(text))
    return found


def test_files_beside_the_protocol_are_named_with_their_hashes(made, tmp_path: Path) -> None:
    code = b"from torch import nn\n\n\ndef small(classes, channels, size):\n    return nn.Flatten()\n"
    (tmp_path / "nets.py").write_bytes(code)
    (tmp_path / "first.safetensors").write_bytes(b"weights")
    text = PROTOCOL.replace("{name: cnn, channels: [4]}", '"nets:small", start: {path: first.safetensors}')
    study = made(tmp_path, STUDY, text=text)
    command("report", str(study), "--out", str(tmp_path / "page.html"))
    assert needed(tmp_path / "page.html") == {
        "nets.py": ["code of a model or a term", f"SHA-256 {sha256(code).hexdigest()}"],
        "first.safetensors": ["weights to start from", f"SHA-256 {sha256(b'weights').hexdigest()}"],
    }


def test_a_folder_of_data_and_files_of_commands_are_named(made, tmp_path: Path) -> None:
    for at, name in enumerate(("cats", "dogs")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.full((8, 8, 3), 16 * number + at, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number}.png")
    images = "{name: image_folder, root: pictures, split: {val: 4, test: 4}}"
    text = re.sub(r"dataset: .*", f"dataset: {images}", PROTOCOL)
    study = made(tmp_path, STUDY, text=text)
    record = next(iter(read_records(StudyFolder(study))))
    noted = {
        "code": {"train.py": "a" * 64},
        "inputs": {"words.txt": "b" * 64},
        "uncovered_files": {"x.csv": "-"},
    }
    shutil.rmtree(record.folder)
    commit(record.folder, {**record.fields, **noted}, {"history.csv": b"epoch\n"})
    command("report", str(study), "--out", str(tmp_path / "page.html"))
    found = needed(tmp_path / "page.html")
    assert [*found] == ["train.py", "words.txt", "x.csv", "pictures"]
    assert found["train.py"] == ["code of a command", f"SHA-256 {'a' * 64}"]
    assert found["words.txt"] == ["input of a command", f"SHA-256 {'b' * 64}"]
    assert found["x.csv"] == ["read by a command; no hash covers it"]
    kind, checksum = found["pictures"]
    assert (kind, checksum[:9], len(checksum)) == ("data", "checksum ", 9 + 64)


def test_a_protocol_that_needs_nothing_beside_it_names_nothing(made, tmp_path: Path) -> None:
    study = made(tmp_path, STUDY)
    command("report", str(study), "--out", str(tmp_path / "page.html"))
    assert needed(tmp_path / "page.html") == {}
