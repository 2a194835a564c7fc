"""What nobody may paste after a look does not stand under “for a paper”."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli

from .test_looks import first, look

FOR_A_PAPER = "In words, for a paper"
NOT_FOR_ONE = "In words, not for a paper: not valid after a look"


def folds(page: str) -> list[tuple[str, str]]:
    """Each fold's heading with what it holds."""
    found = re.findall(r"<details.*?<summary>(.*?)</summary>(.*?)</details>", page, flags=re.S)
    return [(title, re.sub(r"<[^>]*>", " ", text)) for title, text in found]


@pytest.mark.parametrize("options", [(), ("--sequential",)])
def test_sentences_that_say_only_that_a_look_was_repeated_are_not_for_a_paper(
    made, tmp_path: Path, options: tuple[str, ...]
) -> None:
    look(made(tmp_path, first(5)))
    study = made(tmp_path, first(8))
    page = tmp_path / "page.html"
    done = CliRunner().invoke(
        cli, ["report", str(study), *options, "--out", str(page)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    words = [(title, said) for title, said in folds(text) if title.startswith("In words")]
    assert words
    for title, said in words:
        assert title in (FOR_A_PAPER, NOT_FOR_ONE)
        assert ("repeated look" in said) == (title == NOT_FOR_ONE)
    assert {title for title, _ in words} == {FOR_A_PAPER, NOT_FOR_ONE}, "sequential ones hold"
    pointed = re.findall(r"the sentence of each is under “(.*?)”", text)
    assert set(pointed) <= {title for title, _ in words}


def test_a_first_look_keeps_its_sentences_for_a_paper(made, tmp_path: Path) -> None:
    study = made(tmp_path, first(5))
    page = tmp_path / "page.html"
    CliRunner().invoke(cli, ["report", str(study), "--out", str(page)], catch_exceptions=False)
    titles = {title for title, _ in folds(page.read_text(encoding="utf-8")) if title.startswith("In words")}
    assert titles == {FOR_A_PAPER}
