"""The commands and protocols that README and docs show are run: documentation that lies fails here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import script

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "analysis" / "README.md"]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language on a page; README's doors are held by test_doors.py."""
    text = page.read_text()
    if page == ROOT / "README.md":
        for door in script("doors").doors(text):
            text = text.replace("```sh\n" + "\n".join(door.commands) + "\n```", "", 1)
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def titled(page: Path) -> list[tuple[str, str]]:
    """The files that a page tells its reader to save: fenced blocks with a title."""
    return re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', page.read_text(), flags=re.MULTILINE | re.DOTALL)


def commands() -> dict[str, Path]:
    """Every `rigorkd …` and `scripts/…` line in the shell blocks of all pages, and the first page with it."""
    found: dict[str, Path] = {}
    for page in PAGES:
        for line in (line for block in blocks(page, "sh") for line in block.splitlines()):
            shown = re.sub(r"\s+#.*", "", line).strip()
            if shown and not shown.startswith("#"):
                found.setdefault(shown, page)
    return found


Workspaces = Callable[[Path], Path]


@pytest.fixture(scope="module")
def workspaces(tmp_path_factory: pytest.TempPathFactory, command_line: Rigorkd) -> Workspaces:
    """A folder for each page's reader: what its commands read, its files, and a finished study of digits.

    The study is the smoked one in the place of its full results.
    """
    root = tmp_path_factory.mktemp("pages")
    first = root / "first"
    for name in ("protocols", "analysis", "docs"):
        shutil.copytree(ROOT / name, first / name)
    run(command_line, first, "rigorkd run protocols/digits.yaml --smoke --seeds 3")
    shutil.copytree(first / "results" / "digits.smoke", first / "results" / "digits")

    def of(page: Path) -> Path:
        folder = root / "-".join(page.relative_to(ROOT).parts)
        if not folder.exists():
            shutil.copytree(first, folder)
            for name, text in titled(page):
                (folder / name).write_text(text)
            if page.name == "bring.md":
                script = ROOT / "scripts" / "example_results.py"
                subprocess.run([sys.executable, script, "."], cwd=folder, check=True)
        return folder

    return of


def run(command_line: Rigorkd, folder: Path, command: str) -> str:
    """Run a documented command and return its standard output; a run that would take long is smoked."""
    if "1f0c…" in command:  # the digest that was printed before
        found = re.search(r"digest ([0-9a-f]{64})", run(command_line, folder, "rigorkd verify"))
        assert found is not None
        command = command.replace("1f0c…", found[1])
    words = shlex.split(command)
    assert words[0] == "rigorkd"
    if words[1] == "run" and "--smoke" not in words:
        words.append("--smoke")
        words += [] if "--seeds" in words else ["--seeds", "1"]
    done = command_line(*words[1:], cwd=folder, WANDB_MODE="offline")
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_pages_show_commands() -> None:
    assert len(commands()) >= 8


LONG = ("rigorkd verify --rerun", "rigorkd run docs/examples/any-trainer/digits/")
"""How the commands begin that train for seconds: the slow tests run them."""


@pytest.mark.parametrize(
    "command",
    [pytest.param(line, marks=pytest.mark.slow if line.startswith(LONG) else ()) for line in commands()],
)
def test_documented_commands_work(workspaces: Workspaces, command_line: Rigorkd, command: str) -> None:
    if command.startswith("scripts/"):
        script = ROOT / command.split()[0]
        assert script.is_file()
        assert script.stat().st_mode & 0o111, "not executable"
        subprocess.run(["bash", "-n", str(script)], check=True)
    else:
        assert run(command_line, workspaces(commands()[command]), command).strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_headings_lead_to_one(page: Path) -> None:
    """As GitHub and mkdocs name them: without signs, with a dash for every space."""
    for file, heading in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text()):
        text = (page.parent / file if file else page).read_text()
        headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
        named = [re.sub(r"[^\w -]", "", name.lower()).strip().replace(" ", "-") for name in headings]
        assert heading in named, f"{file}#{heading}"


def test_the_protocol_in_the_readme_is_valid(tmp_path: Path) -> None:
    from rigorkd.protocol.load import load_protocol

    (text,) = [block for block in blocks(ROOT / "README.md", "yaml") if block.startswith("rigorkd: 1")]
    path = tmp_path / "readme.yaml"
    path.write_text(text)
    assert len(load_protocol(path).cells) == 11


def test_the_snippets_on_protocols_are_valid(tmp_path: Path) -> None:
    """Each snippet of docs/protocols.md in a protocol that has the cells it names."""
    from rigorkd.protocol.load import load_protocol

    found = {block.partition(":")[0]: block for block in blocks(ROOT / "docs" / "protocols.md", "yaml")}
    training, grid, contrasts = found["training"], found["kd"], found["contrasts"]
    text = f"""\
rigorkd: 1
study: snippets
dataset: {{name: digits, split: {{train: 100, val: 50, test: 100, seed: 1}}}}
{training.strip()}
teacher: {{model: cnn}}
students: {{a: cnn, b: {{model: {{name: cnn, channels: [4]}}}}}}
groups:
  main:
    baseline: true
    {grid.strip()}
analysis:
  {contrasts.strip().replace(chr(10), chr(10) + "  ")}
"""
    path = tmp_path / "snippets.yaml"
    path.write_text(text)
    protocol = load_protocol(path)
    assert len(protocol.cells) == 1 + 2 * 6
    assert len(protocol.spec.analysis.contrasts) == 6
    head = text.partition("teacher:")[0]
    short = "training: {optimizer: {name: adamw, lr: 1e-3}, epochs: 2}"
    head = head.replace(training.strip(), short)
    two = "teachers: {large: {model: cnn}, mid: {model: {name: cnn, channels: [4]}}}\nstudents: {a: cnn}\n"
    path.write_text(head + two + found["groups"])
    names = sorted(cell.name for cell in load_protocol(path).cells if cell.role == "student")
    shown = [text for text in blocks(ROOT / "docs" / "protocols.md", "text") if text.startswith("main/")]
    assert shown == ["".join(f"{name}\n" for name in names)]
    path.write_text(head + found["teachers"])
    assert len(load_protocol(path).cells) == 4 + 1 + 2 * (1 + 4)
