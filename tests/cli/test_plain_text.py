"""Names and paths of the user's own are printed as they stand, whatever rich could take them for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.plan import plan
from rigorkd.launch.display import PlainConsole


@pytest.mark.parametrize(
    "text", ["[best] of 2 [/best]", "weights:key:net", "[bold]accuracy[/] falls", "x" * 300]
)
def test_text_comes_out_as_it_went_in(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    PlainConsole().print(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_a_plan_names_the_file_that_a_student_starts_from(protocol_file: Path) -> None:
    text = protocol_file.read_text().replace(
        "plain: {model: {name: cnn, channels: [4, 8]}}",
        'plain: {model: {name: cnn, channels: [4, 8]}, start: {path: "runs [best]/a.safetensors"}}',
    )
    protocol_file.write_text(text)
    shown = CliRunner().invoke(plan, [str(protocol_file), "--results", str(protocol_file.parent)])
    assert shown.exit_code == 0, shown.output
    assert "runs [best]/a.safetensors" in shown.output
