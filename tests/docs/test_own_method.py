"""The edits that docs/own-method.md shows are made to a copy of the package, and the method is trained."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

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


def insert(path: Path, before: str, text: str) -> None:
    content = path.read_text()
    assert content.count(before) == 1, f"{before!r} in {path.name}"
    path.write_text(content.replace(before, text + before))


def test_three_edits_make_a_method(tmp_path: Path) -> None:
    parameters, loss, line = blocks("python")
    (grid,) = blocks("yaml")
    package = tmp_path / "rigorkd"
    shutil.copytree(ROOT / "rigorkd", package, ignore=shutil.ignore_patterns("__pycache__"))
    methods, build = package / "protocol" / "methods.py", package / "distill" / "build.py"
    insert(methods, "\nMETHODS: dict", f"\n{parameters}\n")
    insert(methods, "        PermutedTail,\n    )\n}", "        LogitMatching,\n")
    (package / "distill" / "logit_matching.py").write_text(loss)
    insert(build, "    PermutedTail: PermutedTailObjective,\n", line)
    imports = (
        "from rigorkd.distill.logit_matching import LogitMatchingObjective\n"
        "from rigorkd.protocol.methods import LogitMatching\n"
    )
    insert(build, "\n__all__ = ", imports)
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
