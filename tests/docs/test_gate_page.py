"""docs/gate.md: its loop and its workflow are run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import Rigorkd

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gate.md").read_text()
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE, flags=re.MULTILINE | re.DOTALL))


CLIENT = """#!/bin/sh
cd {folder}
echo "$*" > request
read -r code < reply
exit "$code"
"""


@pytest.fixture
def shell(tmp_path: Path, rigorkd: Rigorkd) -> Iterator[Callable[[str], int]]:
    """Run a script by bash where `rigorkd` is ours, at once: it asks this process, and gets the exit code."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (
        ("rigorkd", CLIENT.format(folder=tmp_path)),
        ("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'),
    ):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    for name in ("request", "reply"):
        os.mkfifo(tmp_path / name)

    def serve() -> None:
        while line := (tmp_path / "request").read_text():
            code = rigorkd(*line.split()).returncode
            (tmp_path / "reply").write_text(f"{code}\n")

    def run(script: str) -> int:
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            timeout=300,
            check=False,
        ).returncode

    server = threading.Thread(target=serve)
    server.start()
    yield run
    (tmp_path / "request").write_text("")
    server.join()


def test_the_loop_has_ten_lines() -> None:
    assert len(FILES["search.sh"].splitlines()) == 10


@pytest.mark.slow
def test_the_loop_finds_what_is_better(tmp_path: Path, shell: Callable[[str], int], rigorkd: Rigorkd) -> None:
    (tmp_path / "train.py").write_text(FILES["train.py"])
    assert shell(FILES["search.sh"]) == 0
    found = json.loads(rigorkd("gate", "--ledger", "search.jsonl", "--format", "json").stdout)
    assert found["accepted"] == ["lr-0.3"]
    assert [one["candidate"] for one in found["comparisons"]] == ["lr-0.1", "lr-0.3", "wd-0.1"]
    assert found["comparisons"][2]["base"] == "lr-0.3"
    assert min(found["comparisons"][2]["seeds"]) > max(found["comparisons"][1]["seeds"])


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "code"), [(2.0, 0), (-2.0, 1)])
def test_the_workflow_lets_through_what_is_better(
    tmp_path: Path, shell: Callable[[str], int], gain: float, code: int
) -> None:
    workflow = YAML(typ="safe").load(FILES["gate.yml"])
    train, judge = [step["run"] for step in workflow["jobs"]["gate"]["steps"] if "name" in step]
    for side, more in (("base", 0.0), ("proposal", gain)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "train.py").write_text(
            "import random, sys\nseed = sys.argv[1]\n"
            f"print(seed, 70 + {more} + random.Random({side!r} + seed).gauss(0, 0.3), sep=',')\n"
        )
    assert shell(train) == 0
    assert shell(judge) == code
