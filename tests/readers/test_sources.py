"""What may stand beside what on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.analyze import analyze
from rigorkd.errors import InputError

STUDY = Path(__file__).parents[1] / "records" / "study_0_1" / "results" / "legacy"


def refusal(*arguments: object) -> str:
    done = CliRunner().invoke(analyze, [str(argument) for argument in arguments])
    assert isinstance(done.exception, InputError)
    return str(done.exception)


@pytest.mark.parametrize("beside", [STUDY, "runs.csv"])
def test_several_studies_are_for_compare(beside: object) -> None:
    assert "`rigorkd compare` compares studies" in refusal(STUDY, beside)


def test_a_study_says_itself_what_its_cells_are() -> None:
    assert "says itself what its cells and seeds are" in refusal(STUDY, "--cell", "method")


def test_nothing_of_that_name(folder) -> None:
    assert "no such file or study" in refusal(folder.path / "none.csv")
    assert "nothing fits this pattern" in refusal(folder.path / "*.csv")
    assert "no table or log in it" in refusal(folder.path)
    assert "not a study" in refusal(folder.path / "none")


def test_several_files_are_one_table(folder) -> None:
    folder.write("a.csv", "method,seed,test_acc\nbaseline,0,70\nbaseline,1,71\n")
    folder.write("b.csv", "Method,SEED,test_acc,note\nkd,0,72,x\nkd,1,nine,y\n")
    assert folder.refusal("a.csv", "b.csv").startswith("b.csv:3: column 'test_acc': 'nine' is not a number")
    folder.write("b.csv", "Method,SEED,test_acc,note\nkd,0,72,x\nkd,1,74,y\n")
    assert folder.gains("a.csv", "b.csv") == {"kd": (2.5, 2)}
