"""Ten thousand finished runs: every command answers, in bounded memory (scripts/benchmark/scale.py)."""

from __future__ import annotations

import json
import pstats
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmark"
COMMANDS = ("plan scale.yaml --format json", "run scale.yaml", "status", "analyze", "verify", "report")


@pytest.mark.slow
def test_ten_thousand_runs_are_planned_shown_and_resumed_in_bounded_memory() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "scale.py"), "--runs", "10000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {entry["command"]: entry for entry in map(json.loads, done.stdout.splitlines())}
    assert len(found) == 10
    for command, entry in found.items():
        assert entry["megabytes"] < 600, command


@pytest.mark.slow
def test_the_work_of_a_command_grows_as_its_runs_do(tmp_path: Path) -> None:
    # Calls of functions, not seconds: they are the same on every machine, however busy it is.
    calls: dict[str, list[int]] = defaultdict(list)
    for runs in (255, 510, 1020):
        folder = tmp_path / str(runs)
        folder.mkdir()
        written = [sys.executable, str(BENCHMARKS / "made_up_study.py"), str(folder), "--runs", str(runs)]
        subprocess.run(written, check=True)
        for command in COMMANDS:
            profiled = [sys.executable, "-m", "cProfile", "-o", "calls", "-m", "rigorkd", *command.split()]
            subprocess.run(profiled, cwd=folder, check=True, capture_output=True)
            calls[command].append(int(pstats.Stats(str(folder / "calls")).total_calls))  # type: ignore[attr-defined]
    for command, (few, more, many) in calls.items():
        assert many - more < 3 * (more - few), f"{command}: {few:,}, {more:,}, {many:,} calls"
