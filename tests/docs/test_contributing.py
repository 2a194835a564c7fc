"""CONTRIBUTING tells where things are: its paths exist, its tiers are those of scripts/test.sh."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_paths_exist() -> None:
    paths = set(re.findall(r"`([\w.]+/[\w./-]*)", PAGE))
    assert len(paths) > 15
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_there_are_ten_changes() -> None:
    table = PAGE.partition("| you add or change |")[2].partition("\n\n")[0]
    assert len(table.splitlines()) == 2 + 10


def test_the_tiers_are_those_of_the_script() -> None:
    script = (ROOT / "scripts" / "test.sh").read_text()
    (every,) = re.findall(r"\|\| set -- (.+)$", script, flags=re.MULTILINE)
    (known,) = re.findall(r"error: no tier \$1: (.+)\" >&2", script)
    assert set(every.split()) | {"coverage"} == set(known.split(", "))
    assert re.findall(r"^\| `scripts/test.sh --slow (\w+)`", PAGE, flags=re.MULTILINE) == known.split(", ")
    for tier in known.split(", "):
        assert re.search(rf"^        {tier}\)", script, flags=re.MULTILINE), tier
    workflow = (ROOT / ".github" / "workflows" / "slow.yml").read_text()
    assert f"tier: [{known}]" in workflow


def test_a_tier_that_fails_keeps_no_other_from_running(tmp_path: Path) -> None:
    (tmp_path / "python").write_text('#!/bin/sh\ncase "$*" in *"0 tests/faults") exit 2 ;; esac\n')
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "environment.sh").write_text("")
    script = tmp_path / "test.sh"
    script.write_bytes((ROOT / "scripts" / "test.sh").read_bytes())
    ran = subprocess.run(
        ["bash", script, "--slow", "faults", "slurm"],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "slurm took" in ran.stdout
    assert ran.stderr == "== slow tests failed: faults\n"
