"""Time and memory of tables of a million rows: 2,000 runs × 500 epochs, 1,000 cells × 1,000 seeds.

    OMP_NUM_THREADS=1 taskset -c 0 python scripts/benchmark/tables.py

Each is written to a temporary folder, then read and judged by `rigorkd analyze` in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def epochs(path: Path) -> None:
    """20 cells × 100 seeds, a row per epoch."""
    generator = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("method,seed,epoch,train_loss,val_acc,test_acc\n")
        for cell in range(20):
            for seed in range(100):
                name = "baseline" if cell == 0 else f"m{cell}"
                values = 70 + generator.normal(0, 0.3, (500, 2)) + np.arange(500)[:, None] * 0.01
                file.writelines(
                    f"{name},{seed},{epoch},{2 / (epoch + 1):.4f},{val:.2f},{test:.2f}\n"
                    for epoch, (val, test) in enumerate(values)
                )


def cells(path: Path) -> None:
    """A row per run."""
    generator = np.random.default_rng(1)
    with path.open("w") as file:
        file.write("student,method,T,seed,test_acc\n")
        for cell in range(1000):
            method = "baseline," if cell == 0 else f"kd,{cell}"
            values = 70 + generator.normal(0, 0.3, 1000)
            file.writelines(f"r8,{method},{seed},{value:.2f}\n" for seed, value in enumerate(values))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for write, options in ((epochs, ["--select", "best:val_acc", "--metric", "test_acc"]), (cells, [])):
            path = Path(folder) / f"{write.__name__}.csv"
            write(path)
            begun = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "rigorkd", "analyze", path, *options, "--format", "csv"],
                stdout=subprocess.DEVNULL,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            code = os.waitstatus_to_exitcode(status)
            print(
                f"{write.__name__}: exit {code}, {seconds:.1f} s "
                f"({usage.ru_utime + usage.ru_stime:.1f} s of CPU), {usage.ru_maxrss / 2**20:.2f} GiB"
            )


if __name__ == "__main__":
    main()
