"""The worked examples of docs/any-trainer.md are run, from their protocols to their verdicts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from rigorkd.protocol.cohorts import gain_pairs
from rigorkd.protocol.load import load_protocol
from tests.conftest import Rigorkd

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "any-trainer"
PAGE = (ROOT / "docs" / "any-trainer.md").read_text()


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "any-trainer")
    return tmp_path


def test_the_first_protocol_of_the_page_is_one(tmp_path: Path) -> None:
    text = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "p.yaml").write_text(text)
    assert [cell.name for cell in load_protocol(tmp_path / "p.yaml").cells] == [
        *("teacher", "main/small/baseline", "main/small/kd-T2", "main/small/kd-T4")
    ]


def test_the_protocol_for_a_script_that_one_has_is_one(tmp_path: Path) -> None:
    text = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[1]
    (tmp_path / "main.py").touch()
    (tmp_path / "p.yaml").write_text(text)
    found = load_protocol(tmp_path / "p.yaml")
    assert [cell.name for cell in found.cells] == ["main/net/baseline-lr1", "main/net/slower-lr0.3"]
    assert gain_pairs(found.cells, found.cells) == [("main/net/slower-lr0.3", "main/net/baseline-lr1")]


def test_every_key_of_a_trainer_is_on_the_page() -> None:
    from rigorkd.protocol.trainer import OF_A_RUN, Trainer

    for key in {*Trainer.model_fields} - {"command", "function"}:
        assert f"`{key}`" in PAGE, key
    for name in OF_A_RUN:
        assert f"`{{{name}}}`" in PAGE, name


def test_mdistillers_command_line_is_driven_to_a_verdict(examples: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("run", "any-trainer/mdistiller/kd.yaml", "--seeds", 3, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads(rigorkd("analyze", "--format", "json").stdout)
    gains = next(family for family in found["families"] if family["name"] == "gains")
    assert (found["metric"], gains["size"]) == ("test_top1", 2)
    assert all(cell["n"] == 3 and 65 < cell["mean"] < 80 for cell in found["cells"])
    again = rigorkd("verify", "--rerun", 3)  # its noise has no seed, and two decimals: one may come out again
    assert "not deterministic: two runs of one seed differ" in again.stdout


@pytest.mark.slow  # of the fast tests, that of the documented commands smokes it
def test_the_script_on_digits_is_smoked(examples: Path, rigorkd: Rigorkd) -> None:
    only = ("--only", "*/baseline", "--only", "*/kd-T2-a0.1")
    done = rigorkd("run", "any-trainer/digits/digits.yaml", "--smoke", "--seeds", 2, "--jobs", 2, *only)
    assert done.returncode == 0, done.stderr
    found = json.loads(rigorkd("analyze", "--interim", "--format", "json").stdout)
    assert len(found["images"]) == 1
    assert [cell["n"] for cell in found["cells"] if cell["n"]] == [2, 2]


@pytest.mark.slow
def test_the_script_on_digits_comes_to_a_verdict(examples: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("run", "any-trainer/digits/digits.yaml", "--seeds", 4, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads(rigorkd("analyze", "--format", "json").stdout)
    assert all(85 < cell["mean"] < 97 for cell in found["cells"])
    assert rigorkd("verify", "--rerun", 1).stdout.count("deterministic, as far as") == 1


@pytest.mark.slow
def test_text_is_distilled_with_hugging_faces_trainer(examples: Path, rigorkd: Rigorkd) -> None:
    pytest.importorskip("transformers")
    done = rigorkd("run", "any-trainer/text/text.yaml", "--smoke", "--seeds", 2, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads(rigorkd("analyze", "--format", "json").stdout)
    gains = next(family for family in found["families"] if family["name"] == "gains")
    assert gains["size"] == 4
    assert len(found["images"]) == 5  # the contrast, too


def test_a_script_that_trains_all_in_one_run_has_planned_gains(tmp_path: Path, rigorkd: Rigorkd) -> None:
    section = PAGE.split("## One script that trains teacher and students")[1]
    (tmp_path / "one.yaml").write_text(
        re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    )
    (called,) = re.findall(r"`all\.sh` is `(.*)`, and", section)
    (tmp_path / "all.sh").write_text(called + "\n")
    (tmp_path / "kd_run.py").write_text(
        "import random, sys\nr = random.Random(int(sys.argv[1]))\n"
        "a, b, c = (m + r.random() for m in (91, 92, 93))\nprint('Teacher acc: 99.00')\n"
        "print(f'StudentMLP acc: {a:.2f}|space acc: {b:.2f}|continue acc: {c:.2f}')\n"
    )
    done = rigorkd("run", tmp_path / "one.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads(rigorkd("analyze", "one-script", "--format", "json").stdout)
    means = {cell["cell"].split("-number-")[1]: int(cell["mean"]) for cell in found["cells"]}
    assert means == {"StudentMLP": 91, "space": 92, "continue": 93}
    gains = next(family for family in found["families"] if family["name"] == "gains")
    assert (gains["planned"], gains["size"]) == (True, 2)
    assert "(planned)" in rigorkd("table", "one-script", "--layout", "overall").stdout
