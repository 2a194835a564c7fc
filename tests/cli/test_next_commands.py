"""What is printed to be typed next trains what was meant: followed word by word it stays in its study."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from rigorkd.cli.again import run_again
from rigorkd.cli.main import cli
from rigorkd.cli.run import run
from rigorkd.errors import StoreError
from rigorkd.launch.study_status import study_status

SCRIPT = """\
import json, random, sys
out, seed, *more = sys.argv[1:]
value = 70 + random.Random(f"{seed} {more}").random()
json.dump({"accuracy": value}, open(out + "/metrics.json", "w"))
"""
PROTOCOL = """\
rigorkd: 1
study: mine
trainer:
  command: &train "python train.py {out} {seed} {method} [{T}]"
  smoke: *train
  metrics: {accuracy: max}
students: [small]
groups: {main: {baseline: true, kd: {T: [2, 4]}}}
seeds: 5
analysis:
  sesoi: 0.5
  contrasts: [[main/small/kd-T4, main/small/kd-T2]]
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)
    Path("mine.yaml").write_text(PROTOCOL)


def said(*words: str, code: int = 0) -> str:
    """All that a command prints, on one line."""
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code, done.output
    return " ".join(done.output.split())


def told(pattern: str, text: str) -> list[str]:
    """The words of the command that a text names."""
    (command,) = re.findall(pattern, text)
    return shlex.split(command)[1:]


def seeds_there(study: str) -> list[str]:
    return sorted({path.name for path in Path(study).glob("main/*/*/seed-*")})


def test_what_only_left_out_is_trained_where_the_rest_was() -> None:
    words = ("mine.yaml", "--seeds", "200:202", "--study", "pilot", "--results", "kept")
    text = said("run", *words, "--only", "*/baseline")
    command = told("next: (.*?), for what --only left out; then rigorkd analyze kept/pilot", text)
    assert command == ["run", *words]
    said(*command)
    assert seeds_there("kept/pilot") == ["seed-200", "seed-201"]
    assert len(list(Path("kept/pilot").rglob("record.json"))) == 3 * 2
    assert not Path("results").exists()
    assert json.loads(Path("kept/pilot/study.json").read_text())["planned_seeds"] == [200, 201]


def test_a_rehearsal_is_followed_by_a_rehearsal_and_the_real_run_has_its_seeds() -> None:
    words = ("mine.yaml", "--seeds", "200:201", "--study", "pilot")
    text = said("run", *words, "--smoke", "--only", "*/baseline")
    assert told("next: (.*?), for what --only left out", text) == ["run", *words, "--smoke"]
    assert told("the real run: (rigorkd run [^,]*)", text) == ["run", *words, "--only", "*/baseline"]
    text = said("run", "mine.yaml", "--study", "pilot", "--smoke", "--seeds", "2")
    assert text.endswith("the real run: rigorkd run mine.yaml --study pilot"), "two were enough to rehearse"


def test_seeds_that_an_analysis_waits_for_are_trained_in_the_study_that_waits() -> None:
    words = ("mine.yaml", "--smoke", "--jobs", "2")
    said("run", *words, "--seeds", "3")
    said("analyze", "mine.smoke")
    said("run", *words, "--seeds", "4", "--only", "*/baseline")
    text = said("run", *words, "--seeds", "3", "--only", "*/baseline", "--retry-failed")
    command = told(r"waits for: `(rigorkd run [^`]*)` trains them", text)
    assert command == ["run", *words, "--seeds", "4"]
    assert "waits for: " not in said(*command)


def test_status_names_the_results_folder_and_whether_it_was_a_rehearsal() -> None:
    words = ("mine.yaml", "--seeds", "200:201", "--results", "kept", "--only", "*/baseline")
    said("run", *words)
    said("run", *words, "--smoke")
    assert study_status(Path("kept/mine")).resume == "rigorkd run PROTOCOL --results kept --seeds 200:201"
    assert study_status(Path("kept/mine.smoke")).resume.startswith(
        "rigorkd run PROTOCOL --smoke --results kept"
    )
    resumes = "`rigorkd run PROTOCOL --results kept --seeds 200:201` resumes (with the --set and --study"
    assert f"nothing is running; {resumes} that made this study, if any did)" in said("status", "kept/mine")
    said("run", "mine.yaml", "--smoke", "--only", "*/baseline")
    assert study_status(Path("results/mine.smoke")).resume == "rigorkd run PROTOCOL --smoke"


def test_a_shard_s_shared_teacher_is_trained_into_the_same_study() -> None:
    fixed = PROTOCOL.replace("students:", "teacher: {per_seed: false}\nstudents:")
    Path("mine.yaml").write_text(fixed.replace("{method}", "{method} [{teacher}]"))
    words = ("mine.yaml", "--seeds", "200:204", "--study", "pilot", "--results", "kept")
    with pytest.raises(StoreError, match="shared by all seeds") as refused:
        CliRunner().invoke(cli, ["run", *words, "--shard", "1/2"], catch_exceptions=False)
    command = told("train it once: (.*?); then copy", str(refused.value.hint))
    assert command == ["run", *words, "--only", "teacher"]


def value_of(option: click.Option) -> list[str]:
    if option.is_flag:
        return []
    if isinstance(option.type, click.Choice):
        return [str(option.type.choices[-1])]
    number = isinstance(option.type, click.IntRange | click.types.FloatParamType)
    return ["3" if number else "cpu" if option.name == "device" else "some where"]


@pytest.mark.parametrize("name", [one.name for one in run.params if isinstance(one, click.Option)])
def test_every_option_is_kept_as_it_was_given(name: str) -> None:
    option = next(one for one in run.params if one.name == name)
    assert isinstance(option, click.Option)
    given = [option.opts[-1], *value_of(option)]

    def parsed(words: list[str]) -> dict[str, Any]:
        with run.make_context("run", words):
            return dict(click.get_current_context().params)

    before = parsed(["mine.yaml", *given])
    with run.make_context("run", ["mine.yaml", *given]):
        again, without = run_again(), run_again({name})
    assert without == "rigorkd run mine.yaml"
    if name in ("quiet", "verbose"):
        assert again == without, "how much it says is left out"
    else:
        assert parsed(shlex.split(again)[2:]) == before != parsed(["mine.yaml"])
