"""Two ways to install: what reads, judges and shows works without the packages that train.

One test refuses these packages to a process; another builds the wheel and installs it alone.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest

from rigorkd.extras import EXTRAS, require
from rigorkd.records.layout import StudyFolder

ROOT = Path(__file__).parents[2]
PUBLISHED = "published"
CAPACITY = f"{PUBLISHED}/kd_capacity_gap_runs.csv"
LOGGED = "main/plain/baseline/seed-0"

READING = [
    "--help",
    "run --help",
    "plan legacy.yaml --seeds 5 --format json",
    "plan protocols/digits.yaml",
    "plan protocols/paper.yaml --smoke",
    "status",
    "status results/legacy --format json",
    f"logs {LOGGED}",
    "verify results/legacy",
    "analyze",
    "analyze results/legacy --all-pairs --sequential --images --format json",
    "analyze results/legacy --format latex",
    f"analyze {CAPACITY} --sesoi 0.2 --format markdown",
    "table results/legacy",
    "table results/legacy --layout overall --format latex",
    "report results/legacy --out page.html",
    f"figures {CAPACITY} --out figures",
    "compare results/legacy replication.csv",
    "compare docs/study_a.csv docs/study_b.csv --format json",
    f"audit {PUBLISHED}/fauzan2026_ablation.csv --n-test 10000",
    "power --n 5 --sd 0.2 --comparisons 9 --format json",
    "publish results/legacy",
]
"""Commands that must do their work with `pip install rigorkd` alone."""

TRAINING = [
    "run legacy.yaml",
    "run protocols/digits.yaml --smoke",
    "plan legacy.yaml --measure",
    "verify --rerun 1",
]
"""Commands that must say what to install instead."""

REFUSING = """\
import contextlib, io, json, sys, traceback

refused, asked = set(json.loads(sys.argv[1])), []

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            asked.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from rigorkd.cli.main import main

outcomes = {}
for command in json.loads(sys.argv[2]):
    sys.argv = ["rigorkd", *command.split()]
    asked.clear()
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = exit.code or 0
        except BaseException:
            traceback.print_exc()
            code = -1
    said = []
    for stream in (out, err):
        stream.seek(0)
        said.append(stream.read())
    outcomes[command] = [code, *said, sorted(set(asked))]
print(json.dumps(outcomes))
"""
"""Runs commands in one process in which the packages of the extras cannot be imported."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder: a finished study of version 0.1 with its protocol, protocols, tables of results."""
    study = ROOT / "tests" / "records" / "study_0_1"
    shutil.copytree(study / "results", tmp_path / "results")
    with (study / "table.csv").open(newline="") as table:
        rows = [
            f"{row['cell']},{int(row['seed']) + 10},{row['test_top1']}\n" for row in csv.DictReader(table)
        ]
    (tmp_path / "replication.csv").write_text("cell,seed,test_top1\n" + "".join(rows))
    log = StudyFolder(tmp_path / "results" / "legacy").run_log(LOGGED)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("as it was\n")
    shutil.copy(study / "legacy.yaml", tmp_path)
    shutil.copytree(ROOT / "protocols", tmp_path / "protocols")
    shutil.copytree(ROOT / "analysis" / "published", tmp_path / PUBLISHED)
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs")
    return tmp_path


def environment() -> dict[str, str]:
    return {**os.environ, "WANDB_MODE": "offline", "COLUMNS": "100"}


def check_says_what_to_install(code: int, out: str, err: str) -> None:
    assert code == 2, err
    assert out == ""
    assert re.fullmatch(
        r"error: .+ needs the packages torch, .+\n  install them: .+'rigorkd\[train\]'\n", err
    ), err


@pytest.mark.slow
def test_what_does_not_train_works_without_what_trains(folder: Path) -> None:
    refused = [module for modules in EXTRAS.values() for module in modules.values()]
    refused.remove("PIL")  # matplotlib needs it
    refused.remove("pyarrow")  # pandas looks for it, and does without
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, json.dumps(refused), json.dumps([*READING, *TRAINING])],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, tuple[int, str, str, list[str]]] = json.loads(done.stdout.splitlines()[-1])
    for command in READING:
        code, out, err, asked = outcomes[command]
        assert code == 0, f"{command}\n{out}\n{err}"
        assert asked == [] or command.startswith("publish"), f"{command} asks for {asked}"
    for command in TRAINING:
        check_says_what_to_install(*outcomes[command][:3])
    assert (folder / "figures" / "gains.pdf").stat().st_size > 1000
    assert "rigorkd" in (folder / "page.html").read_text()


def dependencies() -> dict[str, list[str]]:
    """The packages of pyproject.toml by extra, "" for the base, without versions."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [re.split(r"[<>=~!]", item)[0] for item in items] for extra, items in named.items()}


def test_the_extras_are_those_of_pyproject() -> None:
    wanted = dependencies()
    for extra, packages in EXTRAS.items():
        assert {item for item in wanted[extra] if not item.startswith("rigorkd")} == set(packages), extra
    assert not set(wanted[""]) & set(EXTRAS["train"])
    users = {"benchmark", *EXTRAS}
    assert wanted["all"] == [f"rigorkd[{','.join(sorted(users))}]"]


def test_a_missing_package_is_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from rigorkd.errors import InputError

    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError) as caught:
        require("train", "rigorkd run")
    assert str(caught.value) == (
        "rigorkd run needs the package timm\n  install it: pip install 'rigorkd[train]'"
    )


@pytest.mark.slow
def test_the_wheel_alone_judges(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """As a user has it: the wheel and what it needs from the package index, nothing else, by the pins."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"

    def pip(*arguments: object) -> str:
        command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", home / "dist", ROOT)
    (wheel,) = (home / "dist").glob("rigorkd-*.whl")
    pip("install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    installed = {item["name"].lower() for item in json.loads(pip("list", "--format=json"))}
    assert not installed & (set(EXTRAS["train"]) - {"pillow"})
    outside = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
    for command in [*READING, *TRAINING]:
        done = subprocess.run(
            [str(home / "bin" / "rigorkd"), *command.split()],
            cwd=folder,
            env=outside,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if command in READING:
            assert done.returncode == 0, f"{command}\n{done.stderr}"
        else:
            check_says_what_to_install(done.returncode, done.stdout, done.stderr)
