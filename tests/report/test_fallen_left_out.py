"""What a run came to is nothing to leave it out by: also not that it fell far behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli

from .conftest import PROTOCOL

BASE = (57.7, 57.6, 57.9, 57.8, 57.5, 57.8, 57.6, 57.7, 57.9, 57.6, 57.7, 57.8)
GAIN = (1.1, 1.2, 1.0, 0.0, 1.15, 1.05, 1.2, 1.1, 0.95, 1.15, 1.1, 1.0)
NAMED = "kd has 1 at seed 4, its median is 58.8; it is left out"


def table(folder: Path) -> str:
    """Twelve seeds from 1; the run of kd at seed 4 fell to 1 %, and finished."""
    lines = ["method,seed,test_acc"]
    for at, (base, gain) in enumerate(zip(BASE, GAIN, strict=True)):
        lines += [f"baseline,{at + 1},{base}", f"kd,{at + 1},{1.0 if at == 3 else round(base + gain, 2)}"]
    path = folder / "runs.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def done(*words: str) -> str:
    return CliRunner().invoke(cli, list(words), catch_exceptions=False).output


def verdict(path: str, *more: str) -> dict[str, Any]:
    words = ["analyze", path, "--sesoi", "0.3", *more, "--format", "json"]
    found = json.loads(CliRunner().invoke(cli, words, catch_exceptions=False).stdout)
    (comparison,) = found["families"][0]["comparisons"]
    assert isinstance(comparison, dict)
    return comparison


@pytest.mark.parametrize("seeds", ["1,2,3,5", "1,2,3,5,6,7,8,9,10,11,12"])
def test_without_the_seed_that_fell_nothing_is_claimed_and_it_is_named(tmp_path: Path, seeds: str) -> None:
    path = table(tmp_path)
    found = verdict(path, "--seeds", seeds)
    assert found["verdict"] == "inconclusive"
    assert found["p_adjusted"] < 0.01
    assert found["not_valid"] == f"a seed fell far behind: {NAMED}"
    asked = ("--sesoi", "0.3", "--seeds", seeds)
    forms = (("analyze", path, *asked), ("table", path, *asked, "--layout", "gains", "--format", "latex"))
    for words in forms:
        assert NAMED in " ".join(done(*words).split())


def test_seeds_numbered_above_all_that_are_left_out_are_judged(tmp_path: Path) -> None:
    found = verdict(table(tmp_path), "--seeds", "5:13")
    assert found["verdict"] == "better"
    assert found["not_valid"] is None


def test_where_no_run_fell_leaving_seeds_out_changes_no_verdict(tmp_path: Path) -> None:
    path = Path(table(tmp_path))
    path.write_text(path.read_text().replace("kd,4,1.0\n", "kd,4,58.9\n"))
    assert verdict(str(path), "--seeds", "1,2,3,5,6")["verdict"] == "better"


def test_a_gain_of_nothing_but_the_last_bits_of_a_float_points_nowhere(tmp_path: Path) -> None:
    """Accuracies count images, so that differences often add up to 0."""
    base = (539, 542, 528, 526)  # right of 600 images
    shifts = ((4, -4, 0, 0), (-6, -12, -9, -7), (-3, -1, -1, -2))
    lines = [
        "method,T,seed,test_acc",
        *(f"baseline,,{seed},{right / 6!r}" for seed, right in enumerate(base)),
    ]
    for at, own in enumerate(shifts):
        lines += [f"kd,{at + 1},{seed},{(base[seed] + own[seed]) / 6!r}" for seed in range(4)]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(lines) + "\n")
    words = ["analyze", str(path), "--format", "json"]
    found = json.loads(CliRunner().invoke(cli, words, catch_exceptions=False).stdout)
    gains = next(family for family in found["families"] if family["name"] == "gains")
    assert 0 < gains["comparisons"][0]["mean_diff"] < 1e-9
    together = [*gains["by_method"], *([gains["consistency"]] if gains["consistency"] else [])]
    assert together
    assert all("0 of 3 point the way of the goal" in one["says"] for one in together)
    assert {one["favourable"] for one in together} == {0}


def test_a_study_names_the_run_that_fell_at_a_seed_that_is_not_judged(
    made: Callable[..., Path], tmp_path: Path
) -> None:
    rows = {"main/plain/baseline": BASE[:6], "main/plain/kd-T4-a0.5": (58.8, 58.8, 58.9, 1.0, 58.6, 58.9)}
    rows["main/plain/kd-T1-a0.5"] = tuple(value + 0.4 for value in BASE[:6])
    study = made(tmp_path, rows, text=PROTOCOL.partition("  contrasts")[0])
    text = " ".join(done("analyze", str(study), "--seeds", "0,1,2,4,5").split())
    assert "kd-T4-a0.5 has 1 at seed 3, its median is 58.8; it is left out" in text
