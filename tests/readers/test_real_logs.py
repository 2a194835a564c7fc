"""Logs by the trackers' own libraries, each in an environment of its own, give the plain table's verdict."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PLAIN = "cell,method,seed,test_acc\n" + "".join(
    f"{method},{method},{seed},{value}\n"
    for method, values in {"baseline": (72.5, 72.9, 72.3), "kd": (73.5, 73.2, 73.9)}.items()
    for seed, value in enumerate(values)
)
COMPARED = ("n", "mean_diff", "sd_diff", "ci_low", "ci_high", "t", "df", "p", "p_adjusted", "verdict")

NAMED = ["--baseline", "baseline"]

KINDS = {
    "wandb": ((), ["wandb"], 1.0),
    "tensorboard": (
        ("tensorboard",),
        ["--select", "last", "--metric", "test/acc", *NAMED],
        1.0,
    ),
    "lightning": (("lightning",), ["--metric", "test/acc"], 1.0),
    "hydra": (("hydra-core",), [], 1.0),
    "trainer": ((), ["--select", "last", *NAMED], 100.0),
    "mlflow": (("mlflow-skinny",), ["--metric", "test/acc"], 1.0),
    "inspect": (("inspect-ai", "zstandard"), [], 100.0),
    "lm_eval": (("lm_eval",), ["--baseline", "ckpts/baseline"], 100.0),
}
"""Of each tracker: the packages that write and read it, the options of analyze, the scale of its values."""


def environment(folder: Path, packages: tuple[str, ...]) -> Path:
    """A Python that has what this one has, and these packages."""
    if not packages:
        return Path(sys.executable)
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    (own,) = folder.glob("lib/python3*/site-packages")
    (own / "shared.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")  # torch need not come again
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, timeout=900)
    return python


def run(python: Path, *arguments: object, **variables: str) -> str:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "analysis"), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [python, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def verdict(python: Path, *arguments: object, **variables: str) -> dict[str, object]:
    document = json.loads(
        run(python, "-m", "rigorkd", "analyze", *arguments, "--format", "json", **variables)
    )
    comparison = document["families"][-1]["comparisons"][-1]
    return {name: comparison[name] for name in COMPARED}


def same(found: dict[str, object], expected: dict[str, object], scale: float) -> None:
    for name, value in expected.items():
        if isinstance(value, float) and name in ("mean_diff", "sd_diff", "ci_low", "ci_high"):
            value /= scale
        assert found[name] == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value), name


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_real_log_gives_the_verdict_of_the_plain_table(tmp_path: Path, kind: str) -> None:
    packages, options, scale = KINDS[kind]
    python = environment(tmp_path / "environment", packages)
    logs = tmp_path / "logs"
    logs.mkdir()
    run(python, HERE / "write_real_logs.py", kind, logs, WANDB_MODE="offline")
    (tmp_path / "plain.csv").write_text(PLAIN)
    source = logs / options[0] if options[:1] == ["wandb"] else logs
    found = verdict(python, source, *(option for option in options if option != "wandb"))
    same(found, verdict(python, tmp_path / "plain.csv"), scale)


@pytest.mark.slow
def test_a_real_server_of_mlflow_gives_and_takes(tmp_path: Path) -> None:
    python = environment(tmp_path / "environment", ("mlflow",))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    store = f"sqlite:///{tmp_path}/mlflow.db"
    server = subprocess.Popen(
        [
            python,
            "-m",
            "mlflow",
            "server",
            "--backend-store-uri",
            store,
            "--port",
            str(port),
            "--workers",
            "1",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        run(python, HERE / "write_real_logs.py", "mlflow", tmp_path, MLFLOW_TRACKING_URI=address)
        (tmp_path / "plain.csv").write_text(PLAIN)
        source = f"mlflow:{address}/kd"
        same(verdict(python, source), verdict(python, tmp_path / "plain.csv"), 1.0)
        same(verdict(python, source, "--select", "last"), verdict(python, tmp_path / "plain.csv"), 1.0)
        for words in ((), ("--select", "last")):  # the store behind it, while the server runs
            same(
                verdict(python, tmp_path / "mlflow.db", *words), verdict(python, tmp_path / "plain.csv"), 1.0
            )
        publish = (python, "-m", "rigorkd", "publish", source, "--verdicts")
        assert "6 runs got the verdict" in run(*publish)
        assert "6 have it already" in run(*publish)
        same(verdict(python, source), verdict(python, tmp_path / "plain.csv"), 1.0)
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=60)


@pytest.mark.slow
def test_workbooks_and_parquet(tmp_path: Path) -> None:
    python = environment(tmp_path / "environment", ("openpyxl", "pyarrow"))
    tests = HERE / "test_shapes_of_tables.py"
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "-rs", tests)
    assert "skipped" not in said
