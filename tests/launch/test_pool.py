"""The pool under dying workers: the one at fault fails alone, nothing goes round for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WRAPPER = """
import os, sys
import rigorkd.launch.worker as worker

def work(connection, settings):
    import rigorkd.train.{module} as module
    real = module.{function}
    def deadly({first}, *others, **named):
        if {condition}:
            os._exit(9)
        return real({first}, *others, **named)
    module.{function} = deadly
    original(connection, settings)

original = worker.work
if __name__ == "__main__":
    import rigorkd.launch.pool as pool
    pool.work = work
    from rigorkd.cli.main import main
    main()
"""

STEP = {
    "module": "student",
    "function": "Student.step",
    "first": "self",
    "condition": "self.run.cell.name == 'main/plain/kd-T4-a0.5'",
}
COMMIT = {
    "module": "finish",
    "function": "commit",
    "first": "folder, fields",
    "condition": "fields['cell'] == 'main/plain/kd-T4-a0.5'",
}


@pytest.mark.parametrize("victim", [STEP, COMMIT], ids=["in a step", "while its record is written"])
def test_a_run_that_kills_its_worker_fails_alone(protocol_file: Path, victim: dict[str, str]) -> None:
    script = protocol_file.parent / "deadly.py"
    script.write_text(WRAPPER.format(**victim))
    done = subprocess.run(
        [sys.executable, str(script), "run", str(protocol_file), "--seeds", "1", "--only", "main/plain/*"],
        cwd=protocol_file.parent,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 run failed" in done.stderr
    assert "main/plain/kd-T4-a0.5/seed-0: its worker died 3 times, last with exit code 9" in done.stderr
    study = protocol_file.parent / "results" / "tiny"
    finished = {json.loads(path.read_text())["cell"] for path in study.rglob("record.json")}
    assert finished == {"teacher", "main/plain/baseline", "main/plain/kd-T1-a0.5"}
