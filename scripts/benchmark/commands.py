#!/usr/bin/env python
"""What the launcher adds to a run that a command trains: 200 runs of a trivial script on two slots.

    python scripts/benchmark/commands.py [--runs 200] [--slots 2]

The same command is first called bare, as often and on as many threads. The overhead per run is the difference
of both walls, times the slots, over the runs; the launcher's own start counts as well.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SCRIPT = """
import sys
with open(sys.argv[1] + "/metrics.json", "w") as file:
    file.write('{"accuracy": %s}' % sys.argv[2])
"""

PROTOCOL = """\
rigorkd: 1
study: trivial
trainer: {command: "python -I -S train.py {out} {seed} {method}", metrics: {accuracy: max}}
students: [one]
groups: {main: {baseline: true, kd: true}}
"""


def main() -> int:
    """Run both, print the figures as JSON; 1 if a run takes 0.2 s more than its script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--slots", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rigorkd-commands-") as name:
        folder = Path(name)
        (folder / "train.py").write_text(SCRIPT)
        (folder / "trivial.yaml").write_text(PROTOCOL)
        bare = _bare(folder, asked.runs, asked.slots)
        begun = time.monotonic()
        line = [sys.executable, "-m", "rigorkd", "run", "trivial.yaml", "--jobs", str(asked.slots)]
        subprocess.run(
            [*line, "--seeds", str(asked.runs // 2)], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        launched = time.monotonic() - begun
    overhead = asked.slots * (launched - bare) / asked.runs
    figures = {
        "runs": asked.runs,
        "slots": asked.slots,
        "bare_seconds": round(bare, 2),
        "launched_seconds": round(launched, 2),
        "overhead_per_run": round(overhead, 4),
        "load": [round(each, 1) for each in os.getloadavg()],
    }
    print(json.dumps(figures, indent=1))
    return 1 if overhead >= 0.2 else 0


def _bare(folder: Path, runs: int, slots: int) -> float:
    """Seconds for the same calls without rigorkd."""
    out = folder / "bare"
    out.mkdir()

    def one(number: int) -> None:
        line = [sys.executable, "-I", "-S", "train.py", str(out), str(number), "kd"]
        subprocess.run(line, cwd=folder, check=True)

    begun = time.monotonic()
    with ThreadPoolExecutor(slots) as pool:
        list(pool.map(one, range(runs)))
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
