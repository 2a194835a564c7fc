#!/usr/bin/env python
"""How long the commands take on a study of 10,000 finished runs, or more, and how much memory.

    scripts/benchmark/scale.py --runs 10000

The records are made up (made_up_study.py). Each command is a process of its own; `run` is timed on the
complete study, and to the moment at which it knows what is missing, after a hundred records have gone.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

# This process imports nothing large: on Linux, what a process is said to have held at most begins with what
# the one that started it held.
WRITER = Path(__file__).with_name("made_up_study.py")
READING = (
    *("status", "analyze", "table", "verify", "report", "figures --out figures"),
    "logs main/plain/baseline/seed-0",
)


@dataclass(frozen=True)
class Timing:
    """One command: seconds by the wall and on the processor, and the peak memory of its process in MB."""

    command: str
    seconds: float
    cpu_seconds: float
    megabytes: float


def main() -> None:
    """Write a study, time the commands, print a table of JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000, help="runs at least (default 10000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rigorkd-scale-") as folder:
        for timing in measure(Path(folder), options.runs):
            print(json.dumps(asdict(timing)))


def measure(folder: Path, runs: int) -> list[Timing]:
    """Time the commands on a study of at least `runs` runs in an empty folder."""
    subprocess.run([sys.executable, WRITER, folder, "--runs", str(runs)], check=True)
    found = [timed(folder, "plan", "scale.yaml", "--format", "json")]
    found += [timed(folder, *line.split()) for line in READING]
    found.append(timed(folder, "run", "scale.yaml"))
    for record in random.Random(0).sample(sorted(folder.glob("results/scale/*/*/record.json")), 100):
        shutil.rmtree(record.parent)
    found.append(timed(folder, "run", "scale.yaml", "--jobs", "1", until="to train on"))
    return found


def timed(folder: Path, *command: str, until: str = "") -> Timing:
    """Run a command to its end, or until it prints a text; its time and its largest memory."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "rigorkd", *command], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if until and until in line:
            process.terminate()
            break
    seconds = time.monotonic() - begun
    process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert until or process.returncode == 0, f"rigorkd {' '.join(command)} failed"
    return Timing(
        command=" ".join(("rigorkd", *command)),
        seconds=round(seconds, 2),
        cpu_seconds=round(used.ru_utime + used.ru_stime, 2),
        megabytes=round(used.ru_maxrss / 1000, 1),
    )


if __name__ == "__main__":
    main()
