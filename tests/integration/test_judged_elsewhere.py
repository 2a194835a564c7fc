"""A protocol copied under another name asks for the same draws: what was shown of them is no news there."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rigorkd.cli.main import cli
from rigorkd.errors import StoreError
from rigorkd.records.changes import read_changes

SCRIPT = """\
import json, random, sys
out, seed, method, *T = sys.argv[1:]
value = 70 + random.Random(f"{seed} {method} {T}").random() + (method != "baseline")
json.dump({"accuracy": value}, open(out + "/metrics.json", "w"))
"""

PROTOCOL = """\
rigorkd: 1
study: STUDY
trainer: {command: "PYTHON train.py {out} {seed} {method} [{T}]", metrics: {accuracy: max}}
students: [small]
groups: {main: {baseline: true, kd: {T: TS}}}
seeds: 5
analysis: {contrasts: [{name: cool, pair: [main/small/kd-T4, main/small/baseline]}]}
"""
AGAIN = "shown before, in "


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SCRIPT)


def write(study: str, temperatures: str) -> None:
    text = PROTOCOL.replace("STUDY", study).replace("TS", temperatures).replace("PYTHON", sys.executable)
    text = text.replace("kd-T4", f"kd-T{temperatures.strip('[]')[-1]}")
    Path(f"{study}.yaml").write_text(text)


def asked(*words: str) -> Result:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def judged(study: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asked("analyze", study, "--format", "json", *words).stdout)
    return found


def planned(found: dict[str, Any]) -> set[bool]:
    return {family["planned"] for family in found["families"]}


def test_the_winner_of_one_study_is_no_plan_of_another(caplog: pytest.LogCaptureFixture) -> None:
    write("wide", "[1, 2, 4]")
    asked("run", "wide.yaml", "-q")
    asked("analyze", "wide")
    write("winner", "4")
    assert f"{AGAIN}wide: 10 runs" in " ".join(asked("plan", "winner.yaml").output.split())
    asked("run", "winner.yaml", "-q")
    assert AGAIN in caplog.text
    shutil.rmtree("results/wide")  # what lies beside a study may be moved
    found = judged("winner")
    assert planned(found) == {False}
    (told,) = (text for text in found["warnings"] if AGAIN in text)
    assert told.startswith(f"{AGAIN}wide: 10 runs of this study (main/small/baseline/seed-0, ")
    assert "are there, too, and an analysis of 5 seeds had met them" in told
    assert "(--seeds 5:10)" in told
    assert all(family["demoted"].endswith("had been shown before, in wide") for family in found["families"])
    assert all(one["says"].startswith("exploratory: ") for f in found["families"] for one in f["comparisons"])
    captions = asked("table", "winner", "--layout", "gains", "--format", "latex").output
    assert "had been shown before, in wide" in captions
    assert f"{AGAIN}wide" in asked("analyze", "winner", "--format", "latex").stdout.replace("\n", " ")
    asked("run", "winner.yaml", "-q", "--results", "elsewhere", "--seeds", "10:15")
    both = asked("compare", "winner", "elsewhere/winner").output
    assert f"winner: {AGAIN}wide: 10 runs" in " ".join(both.split())

    asked("run", "winner.yaml", "-q", "--seeds", "5:10")  # as the message offers
    fresh = judged("winner", "--seeds", "5:10")
    assert planned(fresh) == {True}
    assert not any(AGAIN in text for text in fresh["warnings"])


def test_a_comment_in_the_script_makes_no_new_data() -> None:
    write("wide", "[1, 2, 4]")
    asked("run", "wide.yaml", "-q")
    asked("analyze", "wide")
    Path("train.py").write_text(f"# a word\n{SCRIPT}")
    with pytest.raises(StoreError, match="another name, and seeds that no analysis has met"):
        CliRunner().invoke(cli, ["run", "wide.yaml", "-q"], catch_exceptions=False)
    write("winner", "4")
    asked("run", "winner.yaml", "-q")
    found = judged("winner")
    assert planned(found) == {False}
    assert any(text.startswith(f"{AGAIN}wide: 10 runs") for text in found["warnings"])
    asked("run", "winner.yaml", "-q", "--seeds", "5:10")
    assert len(read_changes(Path("results/winner"))) == 1, "noted once"


def test_what_is_all_alike_is_no_other_study_s_run() -> None:
    """Both say 1 at every seed, as what has not learnt does; only the baseline is the same run."""
    Path("train.py").write_text(
        "import json, sys\njson.dump({'accuracy': 1}, open(sys.argv[1] + '/metrics.json', 'w'))\n"
    )
    write("one", "1")
    asked("run", "one.yaml", "-q")
    asked("analyze", "one")
    write("two", "4")
    asked("run", "two.yaml", "-q")
    (only,) = {run.rpartition("/")[0] for change in read_changes(Path("results/two")) for run in change.runs}
    assert only == "main/small/baseline"


def test_runs_of_their_own_and_one_shared_cell_leave_plans_as_they_are() -> None:
    write("first", "[1, 2]")
    asked("run", "first.yaml", "-q")
    asked("analyze", "first")
    write("second", "4")  # its baseline is the first one's, and no difference to it was shown
    asked("run", "second.yaml", "-q")
    found = judged("second")
    assert planned(found) == {True}
    (told,) = (text for text in found["warnings"] if AGAIN in text)
    assert "no difference between cells" in told
    write("third", "8")
    asked("run", "third.yaml", "-q", "--seeds", "5:10")
    assert not [*read_changes(Path("results/third"))]


def test_what_is_shown_after_the_runs_were_there_is_no_news() -> None:
    """Two studies that were trained before either was looked at: either was planned."""
    write("one", "4")
    asked("run", "one.yaml", "-q")
    shutil.copy("one.yaml", "two.yaml")
    Path("two.yaml").write_text(Path("two.yaml").read_text().replace("study: one", "study: two"))
    Path("results/one/shown.jsonl").unlink(missing_ok=True)
    asked("run", "two.yaml", "-q")
    time.sleep(1.1)  # looks and runs are noted by the second
    asked("analyze", "one")
    asked("run", "two.yaml", "-q", "--seeds", "6")
    assert planned(judged("two", "--seeds", "0:5")) == {True}


def test_what_cannot_be_read_beside_a_study_stops_nothing_in_it() -> None:
    write("wide", "[1, 4]")
    asked("run", "wide.yaml", "-q")
    asked("analyze", "wide")
    Path("results/wide/main/link").symlink_to(Path.cwd())
    write("winner", "4")
    asked("plan", "winner.yaml")
    asked("run", "winner.yaml", "-q")
    assert planned(judged("winner")) == {True}


def test_plan_warns_of_what_the_engine_has_shown_once(finished: Path) -> None:
    """A warning among notes is called a warning, and no note as well."""
    shutil.copytree(finished, ".", dirs_exist_ok=True)
    asked("analyze", "tiny")
    text = " ".join(asked("plan", "tiny.yaml", "--study", "again").output.split())
    assert f" warning: {AGAIN}tiny: " in text
    assert "note: warning:" not in text
