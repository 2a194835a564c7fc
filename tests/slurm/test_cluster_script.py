"""The script that sets up a cluster: what it refuses. What it sets up is used by test_cluster.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm" / "cluster.py"


def call(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_command_it_says_how_to_use_it() -> None:
    for words in ((), ("start",), ("restart", "/nowhere")):
        told = call(*words)
        assert told.returncode == 1
        assert "cluster.py start DIR" in told.stderr


def test_stopping_removes_no_folder_of_anybody_else(tmp_path: Path) -> None:
    kept = tmp_path / "precious"
    kept.write_text("data")
    told = call("stop", tmp_path)
    assert told.returncode == 1
    assert "holds no cluster" in told.stderr
    assert kept.read_text() == "data"
    assert call("stop", tmp_path / "never-started").returncode == 0
