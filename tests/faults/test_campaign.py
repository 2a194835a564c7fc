"""The fault campaign of scripts/faults.py: fifty kills, and studies as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "faults.py"


@pytest.mark.slow
def test_killed_fifty_times_studies_come_out_as_if_nothing_had_happened() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "50", "--seed", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert done.returncode == 0
    assert sum(report["kills"].values()) >= 50
    assert len(report["kills"]) == 6, "workers, launchers and both, at any time and while writing"
