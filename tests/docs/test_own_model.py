"""The files that docs/own-model.md shows are written, and its commands run on them."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "own-model.md").read_text()
Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


def files() -> dict[str, str]:
    """The page's files: blocks of Python and YAML that begin with their name."""
    found = re.findall(r"^```(?:python|yaml)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return {re.match(r"# (\S+)\n", text)[1]: text for text in found}  # type: ignore[index]


def commands() -> list[str]:
    """The commands of the text, without their prompt; the page opens with the same in short."""
    found = re.findall(r"^```console\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [line[2:] for block in found for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder with the files of the page."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    return tmp_path


STUDIES = ("own", "large_teacher", "vit")


def test_every_file_and_command_of_the_page_is_tried() -> None:
    assert set(files()) == {"nets.py", "save_vit.py", *(f"{study}.yaml" for study in STUDIES)}
    assert [line.split()[2] for line in commands() if line.startswith("rigorkd run")] == [
        f"{study}.yaml" for study in STUDIES
    ]
    assert [line for line in commands() if not line.startswith("rigorkd run")] == ["python save_vit.py"]


@pytest.mark.parametrize(
    "study", ["own", *(pytest.param(study, marks=pytest.mark.slow) for study in STUDIES[1:])]
)
def test_the_commands_of_the_page_run(workspace: Path, rigorkd: Rigorkd, study: str) -> None:
    if study == "vit":
        if importlib.util.find_spec("transformers") is None:
            pytest.skip("needs the extra rigorkd[hf]")
        from runpy import run_path

        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(workspace)
            run_path(str(workspace / "save_vit.py"))
    (command,) = (line for line in commands() if f"{study}.yaml" in line)
    program, *arguments = command.split()
    assert program == "rigorkd"
    done = rigorkd(*arguments)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in workspace.glob("results/**/record.json")]
    assert {record["status"] for record in records} == {"done"}
    used = {record["model"] for record in records if record["model_code"] is not None}
    assert used == {"own": {"nets:squeeze"}, "large_teacher": set(), "vit": {"hf/./small-vit"}}[study]
