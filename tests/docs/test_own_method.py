"""The files of docs/own-method.md are written and its commands run; its edits of the package are made."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-method.md").read_text()

PROTOCOL = """\
rigorkd: 1
study: own
dataset: {{name: digits, split: {{train: 100, val: 50, test: 100, seed: 3}}}}
training: {{optimizer: {{name: adamw, lr: 1e-2}}, batch_size: 32, epochs: 2}}
teacher: {{model: cnn}}
students: {{plain: {{model: {{name: cnn, channels: [4]}}}}}}
groups:
  main:
    baseline: true
{grid}
seeds: 1
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def files() -> dict[str, str]:
    """The page's files: blocks of Python and YAML that begin with their name."""
    named = {re.match(r"# (\S+)\n", text): text for text in (*blocks("python"), *blocks("yaml"))}
    return {found[1]: text for found, text in named.items() if found}


COMMANDS = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
"""Those of the text; the page opens with the same in short."""


def test_every_file_and_command_of_the_page_is_tried() -> None:
    assert set(files()) == {"losses.py", "matching.yaml", "translated.py", "translated.yaml"}
    assert [command.split()[:3] for command in COMMANDS] == [
        ["rigorkd", "run", "matching.yaml"],
        ["rigorkd", "run", "translated.yaml"],
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_run(tmp_path: Path, rigorkd: Rigorkd, command: str) -> None:
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    done = rigorkd(*command.split()[1:])
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/**/record.json")]
    assert {record["status"] for record in records} == {"done"}
    own = [record for record in records if record["method_code"] is not None]
    if "matching" in command:
        said = set(re.findall(r"`(main/small/logit_matching\S+)`", PAGE))
        assert {record["cell"] for record in own} == said
        assert {(record["method"], record["args"]) for record in own} == {("logit_matching", '{"scale":2}')}
    else:
        assert {record["method"] for record in own} == {"Translated"}


def insert(path: Path, before: str, text: str) -> None:
    content = path.read_text()
    assert content.count(before) == 1, f"{before!r} in {path.name}"
    path.write_text(content.replace(before, text + before))


@pytest.mark.slow  # of the fast tests, test_one_place.py does so with a scratch method
def test_one_file_and_one_entry_make_a_method(tmp_path: Path) -> None:
    (method,) = [text for text in blocks("python") if text not in files().values()]
    (written,) = re.findall(r"`(logit_matching: \{.*?\})`", PAGE)
    grid = f"    {written}"
    package = tmp_path / "rigorkd"
    shutil.copytree(ROOT / "rigorkd", package)
    (package / "methods" / "logit_matching.py").write_text(method)
    registry = package / "methods" / "registry.py"
    insert(registry, "    )\n}\n", "        LogitMatching,\n")
    insert(registry, "\nMETHODS: dict", "from rigorkd.methods.logit_matching import LogitMatching\n")
    (tmp_path / "own.yaml").write_text(PROTOCOL.format(grid=grid.rstrip()))

    done = subprocess.run(
        [sys.executable, "-m", "rigorkd", "run", "own.yaml", "--jobs", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    named = re.findall(r"`main/plain/(logit_matching\S+)`", PAGE)
    assert len(named) == 2
    for name in named:
        folder = tmp_path / "results" / "own" / "main" / "plain" / name / "seed-0"
        record = json.loads((folder / "record.json").read_text())
        assert (record["method"], record["scale"], record["status"]) == ("logit_matching", 2.0, "done")
        with (folder / "history.csv").open() as file:
            assert all(float(row["kd_loss"]) > 0 for row in csv.DictReader(file))
