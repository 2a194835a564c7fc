"""docs/gate.md: its loop and its workflow are run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gate.md").read_text()
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE, flags=re.MULTILINE | re.DOTALL))


@pytest.fixture
def shell(tmp_path: Path) -> Any:
    """Run a script by bash where `rigorkd` and `python` are ours."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, line in (("rigorkd", f'"{sys.executable}" -m rigorkd'), ("python", f'"{sys.executable}"')):
        (commands / name).write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        (commands / name).chmod(0o755)

    def run(script: str) -> subprocess.CompletedProcess[str]:
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'analysis'}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_the_loop_has_ten_lines() -> None:
    assert len(FILES["search.sh"].splitlines()) == 10


@pytest.mark.slow
def test_the_loop_finds_what_is_better(tmp_path: Path, shell: Any) -> None:
    (tmp_path / "train.py").write_text(FILES["train.py"])
    done = shell(FILES["search.sh"])
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(shell("rigorkd gate --ledger search.jsonl --format json").stdout)
    assert found["accepted"] == ["lr-0.3"]
    assert [one["candidate"] for one in found["comparisons"]] == ["lr-0.1", "lr-0.3", "wd-0.1"]
    assert found["comparisons"][2]["base"] == "lr-0.3"
    assert min(found["comparisons"][2]["seeds"]) > max(found["comparisons"][1]["seeds"])


@pytest.mark.slow
@pytest.mark.parametrize(("gain", "code"), [(2.0, 0), (-2.0, 1)])
def test_the_workflow_lets_through_what_is_better(tmp_path: Path, shell: Any, gain: float, code: int) -> None:
    workflow = YAML(typ="safe").load(FILES["gate.yml"])
    steps = [step for step in workflow["jobs"]["gate"]["steps"] if "name" in step]
    for side, more in (("base", 0.0), ("proposal", gain)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "train.py").write_text(
            "import random, sys\nseed = sys.argv[1]\n"
            f"print(seed, 70 + {more} + random.Random({side!r} + seed).gauss(0, 0.3), sep=',')\n"
        )
    assert len(steps) == 2
    assert shell(steps[0]["run"]).returncode == 0
    done = shell(steps[1]["run"])
    assert done.returncode == code, done.stdout + done.stderr
