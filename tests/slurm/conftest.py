"""A real Slurm for the slow tests: two nodes with pretended GPUs on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "slurm" / "cluster.py"
IMPOSSIBLE = 3

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def cluster_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which `sbatch` and its kin reach the cluster. Skips only where there can be none."""
    folder = tmp_path_factory.mktemp("cluster") / "slurm"
    started = subprocess.run(
        [sys.executable, str(SCRIPT), "start", str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if started.returncode == IMPOSSIBLE:
        pytest.skip(f"no Slurm can be had here: {started.stderr.strip()}")
    assert started.returncode == 0, started.stderr
    try:
        yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "OMP_NUM_THREADS": "1"}
    finally:
        subprocess.run([sys.executable, str(SCRIPT), "stop", str(folder)], timeout=120, check=True)
        assert not folder.exists()


@pytest.fixture
def slurm(cluster_environment: dict[str, str]) -> Command:
    """Run a command where the cluster can be reached."""

    def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in words],
            cwd=cwd,
            env=cluster_environment,
            capture_output=True,
            text=True,
            timeout=420,
            check=False,
        )

    return run
