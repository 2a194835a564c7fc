"""Nothing that a command shows is wider than a terminal of 80 columns."""

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from rigorkd.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
PUBLISHED = "analysis/published"

HELP = [["--help"], *([command, "--help"] for command in COMMANDS)]
SHOWN = [
    ["plan", "protocols/digits-again.yaml"],
    ["plan", "protocols/paper.yaml", "--seeds", "5", "--sd", "0.5"],
    ["plan", "docs/examples/any-trainer/first/first.yaml"],
    ["analyze", f"{PUBLISHED}/kd_capacity_gap_runs.csv", "--all-pairs", "--sequential", "--sesoi", "0.3"],
    ["analyze", f"{PUBLISHED}/kd_capacity_gap_runs.csv", "--all"],
    ["analyze", f"{PUBLISHED}/crd2020_cifar100.csv"],  # an error: no seeds there
    ["audit", f"{PUBLISHED}/crd2020_cifar100.csv"],
    ["evaluate"],  # an error of the command line
    ["power", "--effect", "1", "--sd", "1"],
    [
        "gate",
        "resnet34/baseline",
        "resnet50_to_resnet34_feature",
        "--in",
        f"{PUBLISHED}/kd_capacity_gap_runs.csv",
    ],
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def too_wide(words: list[str], monkeypatch: pytest.MonkeyPatch, width: int = 80) -> tuple[str, list[str]]:
    """What a command shows on a terminal of so many columns, and its lines that are longer."""
    terminal = Terminal()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, terminal)
    monkeypatch.setattr(sys, "argv", ["rigorkd", *words])
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.chdir(ROOT)
    with contextlib.suppress(SystemExit):
        main()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    return shown, [line for line in shown.splitlines() if cell_len(line) > width]


def test_help_fits(monkeypatch):
    for words in HELP:
        shown, wide = too_wide(words, monkeypatch)
        assert "Usage:" in shown
        assert wide == [], words


@pytest.mark.parametrize("words", SHOWN, ids=lambda words: " ".join(words[:2]))
def test_output_fits(words, tmp_path, monkeypatch):
    if words[0] == "plan":
        words = [*words, "--results", str(tmp_path)]
    shown, wide = too_wide(words, monkeypatch)
    assert shown.strip()
    assert wide == []
