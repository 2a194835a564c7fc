"""Environment variables: those that are read are in one list, and a slip in a name is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import rigorkd
from rigorkd.cli.main import cli
from rigorkd.text import VARIABLES, misspelt_variables


def test_a_misspelt_variable_is_told_once_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGORKD_CHECKPOINTS_EVERY", "5")
    monkeypatch.setenv("RIGORKD_LAUNCHER_EXPIRY", "90")
    monkeypatch.setenv("RIGORKD_WHEELS", "of a script")
    said = "variable RIGORKD_CHECKPOINTS_EVERY is not read; did you mean RIGORKD_CHECKPOINT_EVERY?"
    assert misspelt_variables() == [f"the environment {said}"]
    assert CliRunner().invoke(cli, ["plan", "nowhere.yaml"]).stderr.count(said) == 1


def test_the_list_is_what_the_code_reads() -> None:
    """Each variable that people set, apart from what rigorkd sets for its own children."""
    source = "".join(path.read_text() for path in Path(rigorkd.__file__).parent.rglob("*.py"))
    own = {"RIGORKD_WORKER", "RIGORKD_OUT", "RIGORKD_SAFEPATH_BEFORE"}
    assert set(re.findall(r'"(RIGORKD_[A-Z_]+)"', source)) - own == {*VARIABLES}
