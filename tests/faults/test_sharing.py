"""Two launchers on one study: they share its work, and take over what the other leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import product_bytes, wait_for


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rigorkd", "run", "tiny.yaml", "--jobs", "1", "--device", "cpu"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "150"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(study: Path) -> dict[str, int]:
    """How often each run's log says that it was trained to its end."""
    root = study / ".logs"
    return {
        str(path.relative_to(root).with_suffix("")): path.read_text().count(" done\n")
        for path in root.rglob("seed-*.log")
    }


@pytest.mark.slow
def test_two_launchers_started_together_share_the_work(finished: Path, protocol_file: Path) -> None:
    folder = protocol_file.parent
    study = folder / "results" / "tiny"
    both = [start(folder), start(folder)]
    wait_for(lambda: len(list(study.glob(".launchers/*/progress.json"))) == 2)
    shown = subprocess.run(
        [sys.executable, "-m", "rigorkd", "status", str(study), "--format", "json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(json.loads(shown.stdout)["launchers"]) == 2
    outputs = [process.communicate(timeout=280)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert product_bytes(study) == product_bytes(finished / "results" / "tiny")
    assert set(ended(study).values()) == {1}
    assert len(list((study / ".logs").glob("worker-*.log"))) == 2, "both did some of it"
    assert list((study / ".launchers").iterdir()) == []
    assert list((study / ".claims").glob("*seed*")) == []


@pytest.mark.slow
def test_what_a_killed_launcher_held_is_taken_over(finished: Path, protocol_file: Path) -> None:
    folder = protocol_file.parent
    study = folder / "results" / "tiny"
    first = start(folder)
    wait_for(lambda: "epoch 3/20" in "".join(p.read_text() for p in study.glob(".logs/teacher/*.log")))
    second = start(folder)
    wait_for(lambda: len(list(study.glob(".launchers/*/progress.json"))) == 2)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    output, _ = second.communicate(timeout=280)
    assert second.returncode == 0, output
    assert product_bytes(study) == product_bytes(finished / "results" / "tiny")
    assert set(ended(study).values()) == {1}
    assert list((study / ".launchers").iterdir()) == []
    assert list(study.rglob("*.tmp")) == []
