"""The fuzzer of scripts/fuzz.py: what strangers send is read or refused, and nothing else happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fuzz.py"


@pytest.mark.slow
def test_two_hundred_inputs_of_strangers_are_read_or_refused() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--inputs", "200", "--seed", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert done.returncode == 0
    assert sum(report["inputs"].values()) == 200
    assert len(report["inputs"]) == 7, "of every kind"
    assert {"0", "2"} <= report["exit codes"].keys(), "some are read, some refused"
