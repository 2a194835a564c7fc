"""Protocols that somebody else wrote: to read one executes nothing and ends, to train one takes a word."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.errors import DamagedError, InputError, RigorkdError
from rigorkd.files import files_below, refuse_endless
from rigorkd.launch.own_commands import refuse_foreign_code
from rigorkd.protocol.load import load_protocol
from rigorkd.records.expected import expected_hashes
from rigorkd.train.provenance import git_state

pytestmark = pytest.mark.usefixtures("nothing_hangs")

OTHER = 54_321
"""Nobody's number."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")

ENGINE = """\
rigorkd: 1
study: own
dataset: {name: digits, split: {train: 100, val: 100, test: 100}}
training: {optimizer: {name: sgd, lr: 0.1}, batch_size: 20, epochs: 1}
students: {net: {model: "nets:build"}}
groups: {main: {baseline: true}}
seeds: 2
"""
COMMAND = """\
rigorkd: 1
study: called
trainer: {command: "python nets.py {seed} {method} {out}", metrics: {acc: max}}
students: [small]
groups: {main: {baseline: true, kd: {}}}
seeds: 2
"""
CODE = """\
from pathlib import Path
Path(__file__).with_name("was run").touch()
def build(classes, channels, size): ...
"""


@pytest.fixture(params=[ENGINE, COMMAND], ids=["engine", "command"])
def protocol(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(CODE)
    path = tmp_path / "strange.yaml"
    path.write_text(request.param)
    return path


def refusal(*arguments: object) -> str:
    """The one message with which a command refuses."""
    outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert isinstance(outcome.exception, RigorkdError), (outcome.exception, outcome.output)
    assert outcome.exception.exit_code == 2
    return f"{outcome.exception}\n{outcome.exception.hint}"


@pytest.mark.parametrize("options", [[], ["--smoke"], ["--format", "json"], ["--seeds", "3"]])
def test_to_plan_executes_nothing(protocol: Path, options: list[str]) -> None:
    results = ["--results", str(protocol.parent / "results")]
    outcome = CliRunner().invoke(cli, ["plan", str(protocol), *options, *results])
    assert outcome.exit_code == 0 or "no small command" in str(outcome.exception), outcome.output
    assert sorted(path.name for path in protocol.parent.iterdir()) == ["nets.py", "strange.yaml"]


@as_root
@pytest.mark.parametrize("whose", ["strange.yaml", "nets.py"])
def test_to_train_what_another_user_wrote_takes_a_word(protocol: Path, whose: str) -> None:
    os.chown(protocol.with_name(whose), OTHER, OTHER)
    loaded = load_protocol(protocol)
    with pytest.raises(InputError) as refused:
        refuse_foreign_code(loaded, trust=False)
    message = str(refused.value)
    assert f"{protocol.with_name(whose)}: belongs to another user" in message
    assert f", from {protocol.with_name('nets.py')} (SHA-256 " in message
    assert "--trust" in refused.value.hint
    commands = [["run", protocol], ["run", protocol, "--smoke"]]
    if "nets:build" in loaded.text:
        commands.append(["plan", protocol, "--measure"])
    else:
        assert "python nets.py" in message
    for command in commands:
        assert "--trust" in refusal(*command, "--results", protocol.parent / "results")
    assert not protocol.with_name("was run").exists()
    refuse_foreign_code(loaded, trust=True)


def test_a_study_that_notes_nothing_of_its_code(protocol: Path) -> None:
    loaded = load_protocol(protocol)
    with pytest.raises(DamagedError, match=r"study\.json: start_files says nothing of (nets:build|command )"):
        expected_hashes(loaded, (0,), "reference", {})


def test_names_that_no_file_can_have(protocol: Path) -> None:
    """A run's lease, its log and its folder are called after its cell."""
    protocol.write_text(protocol.read_text().replace("{main:", f"{{{'m' * 100}:").replace("own", "n" * 90))
    protocol.write_text(
        protocol.read_text().replace("{net:", f"{{{'s' * 100}:").replace("[small]", f"[{'s' * 100}]")
    )
    assert "the name of a cell has" in refusal("plan", protocol)


def test_ones_own_needs_none(protocol: Path) -> None:
    refuse_foreign_code(load_protocol(protocol), trust=False)


@as_root
def test_a_protocol_without_code_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text(ENGINE.replace('"nets:build"', "{name: cnn, channels: [8]}"))
    os.chown(path, OTHER, OTHER)
    refuse_foreign_code(load_protocol(path), trust=False)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("metrics:", 'code: ["**/*.py"], metrics:', "Too many levels of symbolic links"),
        ("metrics:", 'inputs: ["**"], metrics:', "Too many levels of symbolic links"),
        ("metrics:", "inputs: [/proc/self/maps], metrics:", "not a regular file on a disk"),
        ("metrics:", "code: [/proc/self/maps], metrics:", "not a regular file on a disk"),
        ("metrics:", "code: [large.bin], metrics:", "code of more than 67,108,864 bytes"),
    ],
)
def test_files_of_a_command_have_an_end(tmp_path: Path, old: str, new: str, says: str) -> None:
    (tmp_path / "nets.py").write_text(CODE)
    (tmp_path / "here").symlink_to(tmp_path)
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(65 * 2**20)
    path = tmp_path / "strange.yaml"
    path.write_text(COMMAND.replace(old, new))
    assert says in refusal("plan", path)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("(" * 100_000, "nets.py"),
        ("x = " + "-" * 200_000 + "1", "nested too deeply"),
        ("x = 1\n" * 400_000, "a module of more than"),
    ],
)
def test_code_that_cannot_be_read(protocol: Path, code: str, says: str) -> None:
    protocol.with_name("nets.py").write_text(code)
    assert says in refusal("plan", protocol)


def test_weights_that_have_no_end(tmp_path: Path) -> None:
    path = tmp_path / "strange.yaml"
    student = "{model: {name: cnn, channels: [8]}, start: {path: /dev/zero}}"
    path.write_text(ENGINE.replace('{model: "nets:build"}', student))
    assert "not a regular file on a disk" in refusal("plan", path)


def test_links_that_lead_back_and_that_do_not(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.png").touch()
    (tmp_path / "a" / "linked").symlink_to(tmp_path / "other")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "other")
    assert [file.name for file in files_below(tmp_path, "a")] == ["a/again/x.png", "a/linked/x.png"]
    for target in (".", "..", "../../a", "../.."):
        (tmp_path / "a" / "b" / "back").unlink(missing_ok=True)
        (tmp_path / "a" / "b" / "back").symlink_to(target)
        with pytest.raises(OSError, match="symbolic links"):
            files_below(tmp_path, "a")
    (tmp_path / "a" / "b" / "back").unlink()
    (tmp_path / "other" / "back").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "there").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        files_below(tmp_path, "a")


def test_links_that_multiply(tmp_path: Path) -> None:
    for level in range(30):
        (tmp_path / str(level)).mkdir()
        for side in "xy":
            (tmp_path / str(level) / side).symlink_to(tmp_path / str(level + 1))
    (tmp_path / "30").mkdir()
    with pytest.raises(OSError, match="symbolic links"):
        refuse_endless(tmp_path / "0")


# --------------------------------------------------------------------------------------- the checkout around


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "x.txt").write_text("x\n")
    commands = (
        ["init", "-q"],
        ["config", "user.email", "a@b"],
        ["config", "user.name", "a"],
        ["add", "x.txt"],
    )
    for command in (*commands, ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", folder, *command], check=True)
    git_state.cache_clear()
    return folder


def test_a_checkout_says_whether_it_has_changes(checkout: Path) -> None:
    found = git_state(checkout)
    assert found.commit
    assert found.dirty is False
    (checkout / "x.txt").write_text("y\n")
    git_state.cache_clear()
    assert git_state(checkout).dirty is True


@pytest.mark.parametrize("setting", ["core.fsmonitor", "filter.x.clean", "core.hooksPath"])
def test_a_checkouts_own_settings_start_no_program(checkout: Path, setting: str) -> None:
    marker = checkout / "was run"
    program = checkout / "post-index-change"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\ncat\n")
    program.chmod(0o755)
    value = checkout if setting == "core.hooksPath" else program
    subprocess.run(["git", "-C", checkout, "config", setting, str(value)], check=True)
    (checkout / ".gitattributes").write_text("* filter=x\n")
    (checkout / "x.txt").write_text("z\n")
    found = git_state(checkout)
    assert found.commit
    assert found.dirty is (None if setting == "filter.x.clean" else True)
    assert not marker.exists()
