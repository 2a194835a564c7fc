"""Runs the commands that README shows with their output, and writes that output below each.

python scripts/doors.py           runs what takes a minute or more too, in a scratch folder
python scripts/doors.py 1         only the first of them

What is held by tests/docs/test_doors.py is written here, so that README never shows what no command printed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
NEEDED = ("analysis", "docs", "protocols")
"""The folders that the commands read."""
_SHOWN = re.compile(r"^```sh\n((?:rigorkd [^\n]*\n)+)```\n\n```text\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Door:
    """The commands of one block, and the output of the last of them as the page shows it."""

    commands: tuple[str, ...]
    shown: str


def doors(page: str) -> list[Door]:
    """Every block of commands that is followed by its output."""
    return [Door(tuple(found[1].splitlines()), found[2]) for found in _SHOWN.finditer(page)]


def output(command: str, folder: Path) -> str:
    """What a command prints in a folder, on a terminal of 80 columns."""
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return beginning(done.stdout)


def beginning(text: str) -> str:
    """What the page shows of an output: up to what to do next, with … where there is more."""
    answer, more, _ = text.partition("\nWhat next\n")
    lines = [line.rstrip() for line in answer.strip("\n").splitlines()]
    return "".join(f"{line}\n" for line in [*lines, *(["…"] if more else [])])


def written(page: str, made: Callable[[Door], str]) -> str:
    """The page with the output that was made of each door, or its own where that is empty."""
    order = iter(doors(page))

    def block(found: re.Match[str]) -> str:
        text = made(next(order)) or found[2]
        return page[found.start() : found.start(2)] + text + page[found.end(2) : found.end()]

    return _SHOWN.sub(block, page)


def main() -> None:
    chosen = [int(number) for number in sys.argv[1:]]
    page = PAGE.read_text()
    order = doors(page)
    with tempfile.TemporaryDirectory() as name:
        for needed in NEEDED:
            shutil.copytree(ROOT / needed, Path(name, needed))

        def made(door: Door) -> str:
            if chosen and order.index(door) + 1 not in chosen:
                return ""
            text = ""
            for command in door.commands:
                print(command, file=sys.stderr)
                text = output(command, Path(name))
            return text

        PAGE.write_text(written(page, made))


if __name__ == "__main__":
    main()
