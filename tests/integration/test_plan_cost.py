"""What a plan costs, from the command line: measured on request, or learnt from runs that have finished."""

from __future__ import annotations

import json
from pathlib import Path

from ..conftest import Rigorkd

ONLY = ("--only", "main/plain/*", "--seeds", "1")


def test_measuring_gives_a_cost_and_leaves_no_study(protocol_file: Path, rigorkd: Rigorkd) -> None:
    before = json.loads(rigorkd("plan", protocol_file, *ONLY, "--format", "json").stdout)["cost"]
    assert before["seconds"] is None
    assert "plan --measure" in before["basis"]
    done = rigorkd("plan", protocol_file, *ONLY, "--measure", "--format", "json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)["cost"]
    assert measured["seconds"] > 0
    assert "rates measured on " in measured["basis"]
    assert "measuring 1 of 2: seed 0: teacher" in done.stderr
    assert [path.name for path in (protocol_file.parent / "results").iterdir()] == [".rates"]
    again = json.loads(rigorkd("plan", protocol_file, *ONLY, "--format", "json").stdout)["cost"]
    assert again == measured


def test_half_precision_is_not_measured_on_a_cpu(protocol_file: Path, rigorkd: Rigorkd) -> None:
    protocol_file.write_text(
        protocol_file.read_text().replace("  epochs: 3\n", "  epochs: 3\n  precision: fp16\n")
    )
    done = rigorkd("plan", protocol_file, "--measure")
    assert done.returncode == 2
    assert "--measure: this protocol trains in fp16, which a CPU cannot" in done.stderr
    assert "Traceback" not in done.stderr


def test_finished_runs_tell_what_the_next_cost(finished: Path, rigorkd: Rigorkd) -> None:
    plan = rigorkd("plan", "tiny.yaml", "--seeds", "5", "--format", "json", cwd=finished)
    found = json.loads(plan.stdout)["cost"]
    assert found["seconds"] > 0
    assert found["disk_bytes"] > 0
    assert "rates measured on " in found["basis"]
