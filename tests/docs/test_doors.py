"""README's doors print what the page shows: every block of commands that is followed by its output."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.helpers import ROOT, script

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PAGE = (ROOT / "README.md").read_text()
DOORS = script("doors").doors(PAGE)


def printed(command_line: Rigorkd, folder: Path, commands: tuple[str, ...]) -> str:
    """What the last of the commands prints on 80 columns; all of them end well."""
    for name in ("analysis", "docs", "protocols"):
        shutil.copytree(ROOT / name, folder / name)
    text = ""
    for command in commands:
        done = command_line(*command.split()[1:], cwd=folder, COLUMNS="80", NO_COLOR="1")
        assert done.returncode == 0, done.stderr
        text = done.stdout
    shown: str = script("doors").beginning(text)
    return shown


def shape(text: str) -> str:
    """The words of an output: what another machine's last bits may change is taken out."""
    return re.sub(r"[-\s─]+", " ", re.sub(r"[+−]?\d[\d.,]*", "#", text))


def test_there_are_three_doors() -> None:
    opened = [door.commands[0].split()[1] for door in DOORS[:3]]
    assert opened == ["analyze", "run", "run"]
    assert all(door.shown.strip() for door in DOORS)
    head = PAGE.partition("## Why trust it")[0]
    assert all(door.shown in head for door in DOORS[:3])


def test_the_first_door_prints_what_the_page_shows(command_line: Rigorkd, tmp_path: Path) -> None:
    """The same table gives the same bytes everywhere."""
    assert printed(command_line, tmp_path, DOORS[0].commands) == DOORS[0].shown


@pytest.mark.slow
def test_the_quickstart_is_the_second_door(tmp_path: Path) -> None:
    """It trains the study, prints its verdicts as README does, names its page and what is next."""
    for name in ("analysis", "docs", "protocols", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    ended = subprocess.run(
        ["bash", "scripts/quickstart.sh"],
        cwd=tmp_path,
        env={**environment(), "RIGORKD_ENV": "active", "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "64/64" in ended.stdout or "64 runs to train" in ended.stdout
    assert shape(DOORS[1].shown.removesuffix("…\n")) in shape(ended.stdout)
    warned = re.findall(r"^warning: .*", ended.stdout + ended.stderr, flags=re.MULTILINE)
    assert len(warned) == len(set(warned)), "once is enough"
    named = re.findall(r"^  (\S+\.html)$", ended.stdout, flags=re.MULTILINE)
    assert [(tmp_path / page).is_file() for page in named] == [True]
    for page in re.findall(r"docs/[\w-]+\.md", ended.stdout):
        assert (ROOT / page).is_file()


@pytest.mark.slow
def test_the_third_door_prints_what_the_page_shows(command_line: Rigorkd, tmp_path: Path) -> None:
    run, *rest = DOORS[2].commands
    found = printed(command_line, tmp_path, (f"{run} --jobs 2", *rest))
    assert shape(found) == shape(DOORS[2].shown)


def test_the_script_writes_what_it_was_given() -> None:
    doors = script("doors")
    page = "```sh\nrigorkd power\n```\n\n```text\nold\n```\n"
    (door,) = doors.doors(page)
    assert (door.commands, door.shown) == (("rigorkd power",), "old\n")
    assert doors.written(page + page, lambda _: "new\n") == 2 * page.replace("old", "new")
    assert doors.written(page, lambda _: "") == page
    assert doors.beginning("\na  \nb\n\nWhat next\nc\n") == "a\nb\n…\n"
