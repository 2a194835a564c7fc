"""Options that are checked before any work: where results go, which device."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rigorkd.cli.checked import device_option, folder_for, free_for_writing
from rigorkd.cli.main import COMMANDS, ELSEWHERE, main
from rigorkd.errors import InputError


def test_a_new_file_in_new_folders_is_fine(tmp_path: Path) -> None:
    (tmp_path / "old.html").write_text("old")
    free_for_writing(tmp_path / "new" / "folders" / "page.html")
    free_for_writing(tmp_path / "old.html")
    free_for_writing(tmp_path / "new" / "figures", folder=True)
    free_for_writing(tmp_path, folder=True)


@pytest.mark.parametrize(("where", "folder"), [("", False), ("file/page.html", False), ("file", True)])
def test_what_lies_in_the_way_is_named_before_any_work(tmp_path: Path, where: str, folder: bool) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"this is a folder|a file lies where a folder is needed") as caught:
        free_for_writing(tmp_path / where, folder=folder)
    assert caught.value.hint.startswith("name a")


def test_a_folder_of_results_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    folder_for(tmp_path)
    folder_for(tmp_path / "still" / "to be made")
    for wrong in ("file", "file/results"):
        with pytest.raises(InputError, match="file: a file lies where a folder is needed"):
            folder_for(tmp_path / wrong)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    with pytest.raises(InputError, match="cannot be written"):
        free_for_writing(tmp_path / "page.html")


@pytest.mark.parametrize(
    ("device", "code"),
    [("auto", 0), ("cpu", 0), ("cuda", 0), ("cuda:3", 0)]
    + [(d, 2) for d in ("tpu", "", "cuda:", "cuda3", "cuda:x", "CPU")],
)
def test_a_misspelt_device_is_refused(device: str, code: int) -> None:
    @click.command()
    @device_option("The device.")
    def train(device: str) -> None:
        click.echo(device)

    found = CliRunner().invoke(train, ["--device", device])
    assert found.exit_code == code, found.output
    assert code == 0 or "auto, cpu, cuda and cuda:<index>" in found.output


def test_a_name_too_long_for_the_file_system_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["rigorkd", "status", "x" * 400])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "the name is too long" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["resume"], "`rigorkd run PROTOCOL` trains what is missing"),  # not: did you mean 'remove'?
        (["rm", "digits"], "`rigorkd gc` frees the disk"),
        (["version"], "`rigorkd --version`"),
        (["anlyze"], "did you mean 'analyze'?"),
        (["run", "p.yaml", "--epochs", "2"], "--set training.epochs=… --study NAME"),
        (["plan", "p.yaml", "--weight-decay", "2"], "--set training.optimizer.weight_decay=… --study NAME"),
        (["run", "p.yaml", "--nothing"], "No such option '--nothing'"),
    ],
)
def test_words_of_other_tools_are_answered(
    line: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rigorkd", *line])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_no_word_of_other_tools_is_a_command() -> None:
    words = [word for words in ELSEWHERE for word in words.split()]
    assert not {*words} & {*COMMANDS}
    assert len(words) == len({*words})
