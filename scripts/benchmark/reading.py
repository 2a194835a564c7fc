#!/usr/bin/env python
"""How long the commands take that read results: of a finished study, and of a table of 1,000 cells.

    mkdir /tmp/before && git archive 006a409 | tar x -C /tmp/before          # version 0.1
    scripts/benchmark/reading.py results/digits --before /tmp/before

From the start of each process to its end: seconds by the wall, which mean something on an idle machine,
and seconds of processors, which other work enters little. Versions take turns; medians with quartiles over
the rounds, ratios of processor time taken within a round.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from clock import Rounds, interleave, quartiles, ratios
from whole import BEFORE, OURS, ROOT, compiled, seconds_of, show

STUDY, TABLE = "study", "cells.csv"
COMMANDS = {
    "analyze": ("analyze", STUDY),
    "report": ("report", STUDY, "--out", "report.html"),
    "figures": ("figures", STUDY, "--out", "figures"),
    "analyze, a table of many cells": ("analyze", TABLE, "--sesoi", "0.3"),
}


def main() -> None:
    """Time the commands and print a table in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="a finished study, such as results/digits")
    parser.add_argument("--before", type=Path, help="the folder of an earlier version's source")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    parser.add_argument("--cells", type=int, default=1000, help="of the table (default 1000)")
    options = parser.parse_args()
    sources = {OURS: ROOT, **({BEFORE: options.before.absolute()} if options.before else {})}
    rows = []
    with tempfile.TemporaryDirectory(prefix="rigorkd-reading-") as name:
        folder = Path(name)
        shutil.copytree(options.study, folder / STUDY, ignore=shutil.ignore_patterns("*.safetensors"))
        (folder / TABLE).write_text(table(options.cells))

        walls: dict[tuple[str, str], list[float]] = {}

        def variant(command: str, label: str, source: Path) -> Callable[[], float]:
            line = [sys.executable, "-P", "-W", "ignore", "-m", "rigorkd", *COMMANDS[command]]

            def measured() -> float:
                wall, processor = seconds_of([line], source, folder)
                walls.setdefault((command, label), []).append(wall)
                return processor

            return measured

        for source in sources.values():
            compiled(source)
        for command in COMMANDS:
            variants = {label: variant(command, label, source) for label, source in sources.items()}
            spent = interleave(variants, Rounds(options.rounds))
            rows += [
                [
                    command,
                    label,
                    quartiles(walls[command, label]).text(2),
                    quartiles(spent[label]).text(2),
                    ratios(spent[label], spent[OURS]).text(2),
                    str(len(spent[label])),
                ]
                for label in sources
            ]
    seconds = ["seconds (quartiles)", "processor seconds (quartiles)", "times ours (quartiles)"]
    show(["command", "variant", *seconds, "n"], rows)


def table(cells: int, seeds: int = 5) -> str:
    """A CSV of runs: ten students, each with a baseline and distilled at many temperatures."""
    draw = random.Random(0)
    lines = ["cell,student,method,T,seed,test_top1"]
    for cell in range(cells):
        student, T = f"s{cell % 10}", cell // 10
        own = f"{student}/kd-T{T},{student},kd,{T}" if T else f"{student}/baseline,{student},baseline,"
        lines += [f"{own},{seed},{draw.gauss(80, 1):.2f}" for seed in range(seeds)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
