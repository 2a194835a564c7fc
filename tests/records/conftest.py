"""The study of version 0.1 to be harmed, and what a command says that refuses it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.errors import RigorkdError


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A copy of the study."""
    shutil.copytree(Path(__file__).parent / "study_0_1" / "results", tmp_path / "results")
    return tmp_path / "results" / "legacy"


def refusal(*arguments: object) -> str:
    """The one message with which a command refuses its study."""
    outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert isinstance(outcome.exception, RigorkdError), (outcome.exception, outcome.output)
    assert outcome.exception.exit_code == 2
    assert outcome.exception.hint
    return str(outcome.exception)
