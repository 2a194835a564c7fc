"""Names of cells without guessing: `plan --cells`, and what a contrast that names none is answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rigorkd.cli.main import cli
from rigorkd.errors import ProtocolError
from rigorkd.protocol.load import load_protocol

CELLS = [
    "teacher",
    "main/plain/baseline",
    "main/plain/kd-T1-a0.5",
    "main/plain/kd-T4-a0.5",
    "main/dropping/baseline",
    "main/dropping/kd-T1-a0.5",
    "main/dropping/kd-T4-a0.5",
    "short/plain/baseline",
    "short/plain/kd-T2-a0.5",
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(path: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["plan", str(path), *options])


def with_contrast(path: Path, name: str) -> Path:
    text = path.read_text()
    contrasts = f"analysis: {{contrasts: [[{name}, main/plain/baseline]], "
    path.write_text(text.replace("analysis: {", contrasts))
    return path


def test_the_names_alone_for_copying(protocol_file: Path) -> None:
    assert plan(protocol_file, "--cells").stdout.splitlines() == CELLS
    assert [cell.name for cell in load_protocol(protocol_file).cells] == CELLS
    short = plan(protocol_file, "--cells", "--only", "*/kd-T4*")
    assert short.stdout.splitlines() == ["main/plain/kd-T4-a0.5", "main/dropping/kd-T4-a0.5"]


def test_a_contrast_that_names_no_cell_is_answered_with_all_cells(protocol_file: Path) -> None:
    path = with_contrast(protocol_file, "main/dropping/kd-T8-a0.5")
    for options in ((), ("--cells",)):
        found = plan(path, *options)
        assert isinstance(found.exception, ProtocolError)
        assert found.stdout.splitlines() == CELLS
    found = plan(path, "--format", "json")
    assert isinstance(found.exception, ProtocolError)
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("main/dropping/kd-T8-a0.5", ["main/dropping/kd-T1-a0.5", "main/dropping/kd-T4-a0.5"]),
        ("man/plain/kd-T1", ["main/plain/kd-T1-a0.5", "main/plain/kd-T4-a0.5", "short/plain/kd-T2-a0.5"]),
        ("main/plain/baselin", ["main/plain/baseline", "short/plain/baseline"]),
        ("main/dropping/baseline-e3", ["main/dropping/baseline"]),
        (
            "main/plane/kd-T1-a0.5",
            ["main/plain/kd-T1-a0.5", "main/plain/kd-T4-a0.5", "short/plain/kd-T2-a0.5"],
        ),
    ],
)
def test_the_nearest_names_are_of_the_same_student_and_method(
    protocol_file: Path, name: str, near: list[str]
) -> None:
    with pytest.raises(ProtocolError, match=f"unknown cell '{name}'") as caught:
        load_protocol(with_contrast(protocol_file, name))
    hint = caught.value.hint
    assert hint.startswith(tuple(f"did you mean {cell!r}?" for cell in near))
    offered = [cell for cell in CELLS if f"{cell!r}" in hint]
    assert set(offered) == set(near)
    assert "rigorkd plan FILE --cells" in hint


def test_what_is_offered_loads(protocol_file: Path) -> None:
    path = with_contrast(protocol_file, "main/plain/kd-T3-a0.5")
    with pytest.raises(ProtocolError) as caught:
        load_protocol(path)
    offered = caught.value.hint.split("'")[1]
    path.write_text(path.read_text().replace("main/plain/kd-T3-a0.5", offered))
    outcome = plan(path, "--format", "json")
    assert outcome.exit_code == 0, outcome.output
    assert [cell["cell"] for cell in json.loads(outcome.stdout)["cells"]] == CELLS


@pytest.mark.parametrize(("goal", "side"), [("", "above"), (", metric: test_loss", "below")])
def test_what_the_verdict_on_a_named_contrast_is_about(protocol_file: Path, goal: str, side: str) -> None:
    """“Less alpha is better” would be called worse where it holds."""
    asked = (
        "[{name: less alpha is better, trend: {over: T, group: main, student: plain, where: {method: kd}}}, "
        "{name: warm beats cool, pair: [main/plain/kd-T4-a0.5, main/plain/kd-T1-a0.5]}, "
        "[main/plain/kd-T4-a0.5, main/plain/baseline]]"
    )
    text = protocol_file.read_text()
    protocol_file.write_text(text.replace("analysis: {", f"analysis: {{contrasts: {asked}{goal}, "))
    told = " ".join(plan(protocol_file).stdout.split())
    better = f"“better” says that it is {side} 0"
    assert f"contrast “less alpha is better”: the change as T grows; {better}" in told
    pair = "main/plain/kd-T4-a0.5 minus main/plain/kd-T1-a0.5"
    assert f"contrast “warm beats cool”: {pair}; {better}" in told
    assert told.count("“better” says") == 2, "a pair without a name is its own"
