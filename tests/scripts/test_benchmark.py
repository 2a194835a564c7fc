"""The benchmark script runs whole, and prints and writes every row that the documentation promises."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "benchmark" / "run.py"
NAMES = ("sharing", "overhead", "peers", "pipeline", "fused", "grid", "memory", "compiled")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_help_teaches() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("--only", "--quick", "--json", "docs/benchmarks.md", *NAMES))


def test_half_precision_on_a_cpu_is_refused() -> None:
    done = run("--device", "cpu", "--precision", "fp16")
    assert done.returncode == 2
    assert "use fp32 or bf16" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The output and the JSON of `--quick` on the CPU."""
    file = tmp_path_factory.mktemp("benchmark") / "figures.json"
    done = run("--quick", "--device", "cpu", "--date", "2001-02-03", "--json", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


@pytest.mark.slow
def test_every_table_has_its_rows(quick: tuple[str, dict[str, Any]]) -> None:
    text, document = quick
    tables = {table["name"]: table for table in document["tables"]}
    assert tuple(tables) == (*NAMES, "summary")
    firsts = {name: [row[0] for row in table["rows"]] for name, table in tables.items()}
    assert [row[1] for row in tables["sharing"]["rows"]] == ["1", "2"] * 2
    assert [first.split(", ")[1] for first in firsts["overhead"]] == ["baseline", "kd", "replay"]
    assert [first.split(",")[0].split(":")[0] for first in firsts["peers"]] == [
        "rigorkd",
        "plain PyTorch",
        "Accelerate",
        "torchdistill",
        "well-fed PyTorch",
    ]
    assert len(firsts["pipeline"]) == 4
    assert [row[1] for row in tables["fused"]["rows"]] == [
        "geometry alone",
        "with colours and normalisation",
    ] * 2
    assert firsts["memory"] == ["1", "2"]
    assert firsts["grid"][-3:] == ["one seed", "one seed without sharing", "5 seeds, one worker"]
    for name, table in tables.items():
        assert f"## {name}: " in text
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
        assert len(table["values"]) == len(table["rows"])


@pytest.mark.slow
def test_the_machine_and_the_date_are_named(quick: tuple[str, dict[str, Any]]) -> None:
    text, document = quick
    machine = document["machine"]
    assert machine["date"] == "2001-02-03"
    assert machine["threads"] == 1
    assert machine["clock"] == "process time"
    assert text.count(machine["hardware"]) == len(NAMES) + 1
    assert document["quick"] is True


@pytest.mark.slow
def test_figures_agree_with_each_other(quick: tuple[str, dict[str, Any]]) -> None:
    tables = {table["name"]: table for table in quick[1]["tables"]}
    for value in tables["sharing"]["values"]:
        n, r = float(value["n_students"]), value["r"]
        assert value["formula"] == pytest.approx(n * (1 + r) / (n + r))
        assert value["share"] == pytest.approx(value["S"] / value["formula"])
    *parts, seed, unshared, seeds = [value["hours"] for value in tables["grid"]["values"]]
    assert sum(parts) == pytest.approx(seed)
    assert seeds == pytest.approx(5 * seed)
    assert unshared > seed
    small, large = tables["memory"]["values"]
    assert large["peak_bytes"] > small["peak_bytes"]


@pytest.mark.slow
def test_an_optional_peer_is_measured_or_skipped_with_its_reason(
    quick: tuple[str, dict[str, Any]],
) -> None:
    peers = next(table for table in quick[1]["tables"] if table["name"] == "peers")
    row = next(value for value in peers["values"] if value["variant"].startswith("torchdistill"))
    if importlib.util.find_spec("torchdistill") is None:
        assert row["seconds"] is None
        assert "pip install torchdistill" in row["skipped"]
    else:
        assert row["seconds"] > 0
