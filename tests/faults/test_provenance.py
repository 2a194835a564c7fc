"""A record says where it comes from, and nothing of whom."""

from __future__ import annotations

import json
import platform
import re
import socket
import subprocess
from pathlib import Path

from tests.conftest import run_command

SECRET = "quillfeather"
"""In every place where a person, a machine or a key could be named."""


def test_a_record_names_versions_settings_and_commit_but_no_one(protocol_file: Path) -> None:
    folder = protocol_file.parent / SECRET
    folder.mkdir()
    protocol_file.rename(folder / "tiny.yaml")
    git = ["git", "-c", f"user.name={SECRET}", "-c", f"user.email={SECRET}@{SECRET}.org"]
    for command in (
        ["init", "-q"],
        ["remote", "add", "origin", f"https://{SECRET}:token@{SECRET}.org/{SECRET}.git"],
        ["add", "tiny.yaml"],
        ["commit", "-q", "-m", SECRET],
    ):
        subprocess.run([*git, *command], cwd=folder, check=True)
    (folder / "tiny.yaml").write_text((folder / "tiny.yaml").read_text() + "\n")
    done = run_command(
        *("run", "tiny.yaml", "--only", "main/plain/baseline", "--seeds", 1, "--jobs", 1, "--device", "cpu"),
        cwd=folder,
        HOME=str(folder),
        **dict.fromkeys(("USER", "LOGNAME", "HOSTNAME", "WANDB_API_KEY", "HF_TOKEN"), SECRET),
    )
    assert done.returncode == 0, done.stderr
    study = folder / "results" / "tiny"
    (run,) = (path.parent for path in study.rglob("record.json"))
    host = socket.gethostname()
    for path in (*run.iterdir(), study / "study.json", *study.rglob(".work/*.json")):
        content = path.read_bytes()
        assert SECRET.encode() not in content, path.name
        assert not re.search(rb"\b" + re.escape(host.encode()) + rb"\b", content), path.name

    record = json.loads((run / "record.json").read_text())
    head = subprocess.run([*git, "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    assert record["git_commit"] == head.stdout.strip()
    assert record["git_dirty"] is True
    assert record["versions"]["python"] == platform.python_version()
    assert record["threads"] == 1
    assert record["deterministic_algorithms"] is True
    assert record["cudnn_benchmark"] is False
    assert record["cudnn_deterministic"] is True
    assert record["tf32"] is False
    assert record["driver"] is None
    assert record["dispatch"] in ("AVX2", f"{record['cpu_capability']}, less than AVX2")
    assert (record["equal_bits_seen_on"] is not None) == (record["dispatch"] == "AVX2")
    assert record["numerics_of_parts"] == {"engine": 2}
    assert {"cublas_workspace_config", "cpu_capability", "platform", "hardware", "device"} <= record.keys()
