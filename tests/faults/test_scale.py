"""Ten thousand finished runs: every command answers, in bounded memory (scripts/benchmark/scale.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark" / "scale.py"


@pytest.mark.slow
def test_ten_thousand_runs_are_planned_shown_and_resumed_in_seconds_of_work() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--runs", "10000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    timings = {entry["command"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    assert len(timings) == 10
    for command, timing in timings.items():
        # Processor seconds, so that a busy machine changes nothing; three times what was measured.
        assert timing["cpu_seconds"] < 12, command
        assert timing["megabytes"] < 600, command
