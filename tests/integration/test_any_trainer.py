"""Studies whose runs a command trains, from the command line: every command works on them, without torch."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_predictions
from rigorkd.records.record import read_records
from rigorkd.track.tracker import history_of
from tests.conftest import Rigorkd, environment, run_command

SCRIPT = """
import argparse, json, pathlib, random
parser = argparse.ArgumentParser()
for name in ("student", "method", "T", "teacher", "out"):
    parser.add_argument(f"--{name}", default="")
parser.add_argument("--seed", type=int)
asked = parser.parse_args()
draw = random.Random(f"{asked.student} {asked.method} {asked.T} {asked.seed}")
shared = random.Random(asked.seed)
out = pathlib.Path(asked.out)
if asked.teacher:
    assert (pathlib.Path(asked.teacher) / "model" / "weights.txt").read_text() == f"teacher of {asked.seed}"
right = 0.6 + 0.1 * (asked.method == "kd") + 0.2 * (asked.student == "teacher")
known = [draw.random() < 0.5 * right + 0.5 * shared.random() for _ in range(200)]
rows = [(k % 5, (k + 1 - known[k]) % 5) for k in range(200)]
(out / "predictions.csv").write_text("target,prediction\\n" + "".join(f"{a},{b}\\n" for a, b in rows))
(out / "history.csv").write_text("epoch,loss\\n1,0.5\\n2,0.25\\n")
accuracy = 100 * sum(a == b for a, b in rows) / len(rows)
(out / "model").mkdir(exist_ok=True)
(out / "model" / "weights.txt").write_text(f"{asked.student} of {asked.seed}")
(out / "metrics.json").write_text(json.dumps({"accuracy": accuracy, "loss": draw.random()}))
print("trained", asked.student, asked.seed)
"""

PROTOCOL = """\
rigorkd: 1
study: mine
trainer:
  command: >-
    python train.py --student {student} --method {method} [--T {T} --teacher {teacher}]
    --seed {seed} --out {out}
  metrics: {accuracy: max, loss: min}
teacher: {trainer: "python train.py --student teacher --seed {seed} --out {out}"}
students: [small]
groups:
  main: {baseline: true, kd: {T: [2, 4]}}
seeds: 3
analysis: {sesoi: 2, secondary: [loss]}
"""

CELLS = ("main/small/baseline", "main/small/kd-T2", "main/small/kd-T4")


LONE = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {out} {seed}", metrics: {accuracy: max}}
students: [small]
groups: {main: {baseline: true}}
"""
"""A protocol of one cell, without its seeds."""


def write(folder: Path, protocol: str = PROTOCOL, script: str = SCRIPT) -> Path:
    (folder / "protocols").mkdir(parents=True, exist_ok=True)
    (folder / "protocols" / "train.py").write_text(script)
    (folder / "protocols" / "mine.yaml").write_text(protocol)
    return folder


def without_torch(folder: Path) -> dict[str, str]:
    """An environment in which importing torch fails, as in an installation without it."""
    place = folder / "no_torch" / "torch"
    place.mkdir(parents=True, exist_ok=True)
    (place / "__init__.py").write_text("raise ImportError('there is no torch here')")
    inherited = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(place.parent), inherited)))}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished study of a command in results/mine. Do not change it."""
    folder = write(tmp_path_factory.mktemp("mine"))
    done = run_command("run", "protocols/mine.yaml", "--jobs", 2, cwd=folder, **without_torch(folder))
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def copy(study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(study, tmp_path / "copy"))


def of(study: Path, *line: object) -> subprocess.CompletedProcess[str]:
    return run_command(*line, cwd=study, **without_torch(study))


def document(study: Path, *line: object) -> dict[str, Any]:
    done = of(study, *line, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_study_is_run_and_said(study: Path) -> None:
    said = (study / "stdout.txt").read_text()
    assert "12 runs to train on 2 workers (CPU)" in said
    assert "rigorkd cannot vouch that the cells of a seed share data" in " ".join(said.split())
    records = read_records(StudyFolder(study / "results" / "mine"))
    assert len(records) == 12
    assert not list((study / "results" / "mine" / ".out").rglob("*.csv"))


def test_a_record_has_what_only_the_engine_knows_as_null(study: Path) -> None:
    (record,) = read_records(StudyFolder(study / "results" / "mine"), "main/small/kd-T2/seed-1")
    fields = record.fields
    for name in ("model", "epochs", "optimizer", "views", "ce_weight", "weights_sha256", "mode", "numerics"):
        assert fields[name] is None, name
    assert (fields["T"], fields["method"], fields["teacher"], fields["axes"]) == (2, "kd", "teacher", ["T"])
    assert set(fields["metrics"]) == {"accuracy", "loss", "train_seconds"}
    assert set(record.files) == {"history.csv", "predictions.npz"}
    assert list(fields["code"]) == ["train.py"]
    assert str(study) not in record.folder.joinpath("record.json").read_text()
    (teacher,) = read_records(StudyFolder(study / "results" / "mine"), "teacher/seed-1")
    assert "model/weights.txt" in teacher.files
    assert read_predictions(study / "results" / "mine", "main/small/kd-T2", 1)["target"].shape == (200,)


def test_it_is_analysed_as_any_study(study: Path) -> None:
    found = document(study, "analyze")
    gains = next(family for family in found["families"] if family["name"] == "gains")
    assert (found["metric"], found["goal"], gains["planned"], gains["size"]) == ("accuracy", "max", True, 2)
    assert [comparison["n"] for comparison in gains["comparisons"]] == [3, 3]
    assert len(found["images"]) == 2
    assert any("correlation of accuracy over all " in text for text in found["warnings"])
    assert document(study, "analyze", "--metric", "loss", "--goal", "min")["goal"] == "min"


def test_it_is_reported_compared_and_tabled(study: Path, tmp_path: Path) -> None:
    assert of(study, "report", "results/mine", "--out", tmp_path / "r.html").returncode == 0
    page = (tmp_path / "r.html").read_text()
    assert "cannot vouch" in page
    assert "main/small/kd-T2" in page
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    for engine in ("saw the same batches", "In reference mode", "None", "mode reference"):
        assert engine not in text, engine  # what the engine alone can promise
    assert "versions of what commands import not noted" in text
    assert "teacher runs accuracy" in text  # the teachers' own, in the metric that the command named
    assert of(study, "figures", "results/mine", "--out", tmp_path / "figures").returncode == 0
    table = of(study, "table", "results/mine").stdout.splitlines()
    assert len(table) == 10
    shutil.copytree(study / "results" / "mine", tmp_path / "mine")
    compared = of(study, "compare", "results/mine", tmp_path / "mine")
    assert compared.returncode in (0, 2), compared.stderr
    assert document(study, "status", "results/mine")["runs"]["done"] == 12
    logs = of(study, "logs", "results/mine/main/small/kd-T2/seed-1")
    assert "trained small 1" in logs.stdout
    for form in ("markdown", "latex", "csv"):
        assert of(study, "analyze", "results/mine", "--format", form).returncode == 0
    assert "test_top5" not in of(study, "table", "results/mine", "--layout", "gains").stderr


def test_an_archive_promises_no_bits_of_a_command(study: Path, tmp_path: Path) -> None:
    assert of(study, "export", "results/mine", "--out", tmp_path / "mine.zip").returncode == 0
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(("README.md", "environment.json"))]
        read = {Path(name).name: archive.read(name).decode() for name in names}
    assert "trained by the study's commands" in read["README.md"]
    assert "compares their numbers" in read["README.md"]
    assert "PyTorch None" not in read["README.md"]
    assert "mode" not in json.loads(read["environment.json"])


def test_two_methods_of_one_cell_each_are_not_averaged_by_plan(tmp_path: Path) -> None:
    text = PROTOCOL.replace("{baseline: true, kd: {T: [2, 4]}}", "{baseline: true, kd: {T: 2}, dkd: {T: 2}}")
    write(tmp_path, text)
    planned = of(tmp_path, "plan", "protocols/mine.yaml").stdout
    assert "gains: 2 comparisons" in planned
    assert "overall" not in planned


def test_plan_shows_every_command_and_runs_none(tmp_path: Path) -> None:
    write(tmp_path, script="import pathlib; pathlib.Path('ran').touch()\n" + SCRIPT)
    done = of(tmp_path, "plan", "protocols/mine.yaml")
    assert done.returncode == 0, done.stderr
    command = (
        "python train.py --student small --method kd --T 4 --teacher {teacher} --seed {seed} --out {out}"
    )
    assert command in done.stdout
    assert "none of these is executed here" in done.stdout
    assert "12 missing" in done.stdout
    cells = document(tmp_path, "plan", "protocols/mine.yaml")["cells"]
    assert [cell["command"] for cell in cells if cell["cell"] == "main/small/kd-T4"] == [command]
    assert not list(tmp_path.rglob("ran"))


def test_a_command_that_plan_shows_hides_nothing(tmp_path: Path) -> None:
    hidden = "\"python train.py '\\e[2K\\r' {student} {method} [--T {T}] --seed {seed} --out {out}\""
    text = f"""
rigorkd: 1
study: hidden
trainer: {{command: {hidden}, metrics: {{accuracy: max}}}}
students: [small]
groups: {{main: {{baseline: true, kd: {{T: ["a\\nb\\e[1A"]}}}}}}
seeds: 2
"""
    write(tmp_path, text)
    for form in ("table", "json"):
        done = of(tmp_path, "plan", "protocols/mine.yaml", "--format", form)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "\\u001b[2K" in done.stdout
    assert "a\\u000ab" in of(tmp_path, "plan", "protocols/mine.yaml").stdout


def test_a_results_folder_that_was_moved_is_what_it_was(copy: Path) -> None:
    (copy / "results").rename(copy / "elsewhere")
    done = of(copy, "run", "protocols/mine.yaml", "--results", "elsewhere")
    assert (done.returncode, "nothing to train: all 12 runs" in done.stdout) == (0, True), done.stderr


def test_a_changed_script_is_named(copy: Path) -> None:
    with (copy / "protocols" / "train.py").open("a") as file:
        file.write("\n# changed\n")
    done = of(copy, "run", "protocols/mine.yaml")
    assert done.returncode == 2
    assert "main/small/baseline/seed-0: train.py changed" in done.stderr
    path = copy / "protocols" / "mine.yaml"
    path.write_text(PROTOCOL.replace("--seed {seed}", "--seed {seed} --more", 1))
    both = of(copy, "run", "protocols/mine.yaml").stderr
    assert " --more --out {out}; train.py changed\n" in both
    assert "change the protocol back and put the files back as they were, give the study another" in both
    path.write_text(PROTOCOL.replace("train.py", "other.py"))
    (copy / "protocols" / "train.py").rename(copy / "protocols" / "other.py")
    other = of(copy, "run", "protocols/mine.yaml").stderr
    assert "train.py is gone" not in other, "the new command says so itself"
    path.write_text(PROTOCOL)
    (copy / "protocols" / "other.py").rename(copy / "protocols" / "train.py")
    again = of(copy, "run", "protocols/mine.yaml", "--retrain-stale", "--jobs", 2)
    assert again.returncode == 0, again.stderr


def test_what_only_says_how_it_is_launched_makes_nothing_stale(copy: Path) -> None:
    text = PROTOCOL.replace("metrics:", "time_limit: 600\n  retries: 2\n  resume: true\n  metrics:", 1)
    (copy / "protocols" / "mine.yaml").write_text(text)
    done = of(copy, "run", "protocols/mine.yaml")
    assert "nothing to train" in done.stdout, done.stderr


def test_a_repeated_run_says_whether_the_script_is_deterministic(copy: Path, tmp_path: Path) -> None:
    own = {"XDG_STATE_HOME": str(tmp_path / "state"), **without_torch(copy)}
    refused = run_command("verify", "results/mine", "--rerun", 1, cwd=copy, **own)
    assert refused.returncode == 2
    assert "you have not run this protocol's commands here" in refused.stderr
    trusted = run_command("verify", "results/mine", "--rerun", 1, "--trust", cwd=copy, **own)
    assert trusted.returncode == 0, trusted.stderr
    assert "deterministic, as far as 1 repeated run can tell" in trusted.stdout


def test_a_repeated_run_has_as_many_threads_as_the_first(tmp_path: Path) -> None:
    counted = """
import json, os, sys
json.dump({"accuracy": int(os.environ["MKL_NUM_THREADS"])}, open(sys.argv[1] + "/metrics.json", "w"))
"""
    write(tmp_path, LONE + "seeds: 1\n", counted)
    many = 2 * len(os.sched_getaffinity(0))  # more workers than cores, so that each has one thread
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", many).returncode == 0
    (record,) = read_records(StudyFolder(tmp_path / "results" / "mine"))
    assert record.metrics["accuracy"] == 1
    assert "deterministic, as far as 1 repeated run" in of(tmp_path, "verify", "--rerun", 1).stdout


def test_a_script_that_draws_without_the_seed_is_told(tmp_path: Path) -> None:
    loose = SCRIPT.replace("shared = random.Random(asked.seed)", "shared = random.SystemRandom()")
    loose = loose.replace('"loss": draw.random()', '"loss": shared.random()')  # accuracies may coincide
    protocol = PROTOCOL.replace("seeds: 3", "seeds: 1").replace("T: [2, 4]", "T: 2")
    write(tmp_path, protocol, loose)
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    done = of(tmp_path, "verify", "--rerun", 1, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["deterministic"] is False
    then, now = found["reruns"][0]["numbers"]["loss"]
    assert then != now


def test_a_script_that_takes_seed_0_for_none_is_told_before_and_after(tmp_path: Path) -> None:
    loose = """
import json, random, sys
seed = int(sys.argv[2])
if seed:
    random.seed(seed)
json.dump({"accuracy": random.random()}, open(sys.argv[1] + "/metrics.json", "w"))
"""
    write(tmp_path, LONE + "seeds: 3\n", loose)
    told = " ".join(of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).stderr.split())
    assert "train.py:4: `seed` takes seed 0 for no seed" in told
    assert "takes seed 0" not in of(tmp_path, "plan", "protocols/mine.yaml", "--seeds", "1:3").stderr
    done = " ".join(of(tmp_path, "verify", "--rerun", 2).stdout.split())  # one of seed 0 among two
    assert "only runs of seed 0 come out otherwise" in done
    found = json.loads(of(tmp_path, "verify", "--rerun", 3, "--format", "json").stdout)
    assert "begin at 1" in found["note"]
    one = next(i for i in range(20) if zero_is_drawn(i))
    assert "only seed 0 was repeated" in of(tmp_path, "verify", "--rerun", 1, "--choice", one).stdout


def zero_is_drawn(choice: int) -> bool:
    return random.Random(choice).sample(range(3), 1) == [0]


def test_a_seed_that_does_not_reach_the_training_is_named(tmp_path: Path) -> None:
    fixed = "import json, sys; json.dump({'accuracy': 71.0}, open(sys.argv[1] + '/metrics.json', 'w'))"
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {out} {seed} {method}", metrics: {accuracy: max}}
students: [small]
groups: {main: {baseline: true, kd: true}}
seeds: 2
"""
    write(tmp_path, protocol, fixed)
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2)
    said = " ".join(done.stdout.split())
    assert "accuracy is the same at every seed in 2 cells" in said
    assert "your seed does not reach the training" in said
    assert "your seed does not reach the training" in of(tmp_path, "analyze").stdout


def test_an_axis_that_does_not_reach_the_training_is_named(tmp_path: Path) -> None:
    deaf = """
import json, random, sys
out, seed, method, _, lr = sys.argv[1:]
made = random.Random(f"{seed} {method} {lr}").random()
json.dump({"accuracy": made}, open(out + "/metrics.json", "w"))
"""
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {out} {seed} {method} '{T}' {lr}", metrics: {accuracy: max}}
students: [small]
groups: {main: {lr: [1, 2], baseline: true, kd: {T: [2, 4]}}}
seeds: 3
"""
    write(tmp_path, protocol, deaf)
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2)
    first = "first main/small/kd-T2-lr1, main/small/kd-T4-lr1"
    said = (
        f"4 cells have the same numbers as another at every seed ({first}): T may not reach the training, "
        "unless the metric is so coarse"
    )
    assert said in " ".join(done.stdout.split()), done.stdout
    assert said in document(tmp_path, "analyze")["warnings"]


def test_a_file_that_runs_share_and_one_that_no_hash_covers_are_told(tmp_path: Path) -> None:
    (tmp_path / "go.sh").write_text('echo "acc=0.$1$2" > last.txt; sleep 0.1; cat last.txt $3\n')
    (tmp_path / "more.txt").write_text("more\n")
    (tmp_path / "own.yaml").write_text("""\
rigorkd: 1
study: own
trainer:
  command: "bash go.sh {a} {seed} more.txt"
  code: [go.sh]
  result: {file: stdout, keys: {acc: "acc="}}
  metrics: {acc: max}
students: [net]
groups: {main: {baseline: {a: 1}, other: {a: 2}}}
seeds: 3
""")
    first = of(tmp_path, "run", "own.yaml", "--jobs", 2)
    assert first.returncode == 0, first.stderr
    assert "the command reads more.txt, which no hash covers" in first.stderr
    assert first.stdout.count("last.txt is written by several runs") == 1
    met = "side by side one may read another's number"
    (comparison,) = document(tmp_path, "analyze", "results/own")["families"][0]["comparisons"]
    assert met in comparison["warnings"][-1]  # whoever judges the numbers has to know: starred
    of(tmp_path, "report", "results/own")
    assert "last.txt is written by several runs" in (tmp_path / "results/own/report.html").read_text()
    repeated = of(tmp_path, "verify", "results/own", "--rerun", 2, "--jobs", 2)
    assert "not told by repetitions, of runs that were not repeated: last.txt is written" in repeated.stdout
    assert "repeated one by one: last.txt is written by several runs" in repeated.stderr
    offered = of(tmp_path, "run", "own.yaml", "--jobs", 1, "--study", "apart")
    assert offered.returncode == 0, offered.stderr
    assert met not in of(tmp_path, "analyze", "results/apart").stdout
    again = ("--because", "again"), ("run", "own.yaml", "--jobs", 1)
    assert of(tmp_path, "remove", "own", "--only", "*", *again[0]).returncode == 0
    assert of(tmp_path, *again[1]).returncode == 0  # trained again, one by one: nothing is left of it
    assert met not in of(tmp_path, "analyze", "results/own").stdout
    protocol = (tmp_path / "own.yaml").read_text()
    mended = protocol.replace('more.txt"', 'more.txt"\n  inputs: [more.txt]').replace(
        "study: own", "study: one"
    )
    (tmp_path / "own.yaml").write_text(mended)
    second = of(tmp_path, "run", "own.yaml", "--jobs", 1)
    assert "which no hash covers" not in second.stderr
    assert "is written by several runs" not in second.stdout


def test_only_means_that_were_printed_are_seen(tmp_path: Path) -> None:
    """A quiet run shows none, one of a shard does, and `remove` asks why of what was seen."""
    write(tmp_path)
    assert of(tmp_path, "run", "protocols/mine.yaml", "-q").returncode == 0
    shown = tmp_path / "results" / "mine" / "shown.jsonl"
    assert not shown.exists()
    gone = of(tmp_path, "remove", "mine", "--seeds", "2:3")
    assert gone.returncode == 0, gone.stderr
    part = of(tmp_path, "run", "protocols/mine.yaml", "--shard", "3/3")
    assert part.returncode == 0, part.stderr
    assert json.loads(shown.read_text())["summary"] is True
    refused = of(tmp_path, "remove", "mine", "--seeds", "2:3")
    assert refused.returncode == 2
    assert "a summary of 3 seeds has met what is to be removed" in refused.stderr
    fewer = of(tmp_path, "run", "protocols/mine.yaml", "--seeds", 2)
    assert fewer.returncode == 0, fewer.stderr
    *_, last = (tmp_path / "results" / "mine" / "changes.jsonl").read_text().splitlines()
    assert (json.loads(last)["what"], json.loads(last)["summary"]) == ("fewer", True)


def test_a_number_that_was_not_found_is_found_by_the_mend_that_the_message_offers(tmp_path: Path) -> None:
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {seed}", metrics: {accuracy: max}, result: stdout}
students: [small]
groups: {main: {baseline: true}}
seeds: 5
"""
    write(tmp_path, protocol, "print('Test set: Accuracy: 653/797 (82%)')")
    failed = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", "2")
    assert failed.returncode == 1
    assert "not started, since no number was found of the first one" in failed.stderr
    logs = list((tmp_path / "results" / "mine").rglob("seed-*.log"))
    assert len(logs) <= 2  # one of each worker, not all five
    assert "--keep-going" in failed.stderr
    mend = "result: {file: stdout, keys: {accuracy: Accuracy}}"
    assert mend in failed.stderr
    looked = of(tmp_path, "analyze")  # what failed is said, and which log to read
    assert looked.returncode == 2
    assert "no student run has finished; " in looked.stderr
    assert mend in looked.stderr
    assert (
        "`rigorkd logs main/small/baseline/seed-0 --study results/mine` shows what it printed"
        in looked.stderr
    )
    assert "next: rigorkd analyze" not in failed.stdout
    told = protocol.replace("result: stdout", mend)
    told += "analysis: {sesoi: 0.01}\n"  # nothing has come of any run: it is planned still
    write(tmp_path, told, "print('Test set: Accuracy: 653/797 (82%)')")
    mended = of(tmp_path, "run", "protocols/mine.yaml")
    assert mended.returncode == 0, mended.stderr
    assert "0.8193" in mended.stdout
    assert len(list((tmp_path / "results" / "mine").rglob("record.json"))) == 5
    assert "next: rigorkd analyze" in mended.stdout
    assert "changed after the first run" not in of(tmp_path, "analyze").stderr


def test_a_launch_counts_what_it_trains_and_what_it_leaves_out(tmp_path: Path) -> None:
    script = """
import json, pathlib, sys
out, seed, method = sys.argv[1:4]
if method == "teach" and seed == "1" and not pathlib.Path("mended").exists():
    sys.exit("boom")
json.dump({"accuracy": float(seed)}, open(out + "/metrics.json", "w"))
"""
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {out} {seed} {method} [{teacher}]", metrics: {accuracy: max}}
teacher: {trainer: {command: "python train.py {out} {seed} teach", metrics: {accuracy: max}}}
students: [small]
groups: {main: {baseline: true, kd: true}}
seeds: 2
"""
    write(tmp_path, protocol, script)
    first = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 1).stdout
    assert "mine: 6 runs to train on 1 worker (CPU)\n" in first
    more = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 1, "--seeds", 3).stdout
    assert "mine: 3 runs to train on 1 worker (CPU), 4 already done, 2 left out that failed before" in more
    (tmp_path / "protocols" / "mended").touch()
    again = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 1, "--seeds", 3, "--retry-failed").stdout
    assert "mine: 2 runs to train on 1 worker (CPU), 7 already done\n" in again


def test_what_fails_fails_by_name_with_its_log_and_the_others_go_on(tmp_path: Path) -> None:
    broken = """
import json, sys
out, seed, method = sys.argv[1:]
print("hello from", method)
if method == "nan":
    value = float("nan")
elif method == "crash":
    raise ValueError("no such layer")
else:
    value = float(seed)
if method != "silent":
    json.dump({"accuracy": value}, open(out + "/metrics.json", "w"))
"""
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {out} {seed} {method}", metrics: {accuracy: max}}
students: [small]
groups: {main: {baseline: true, nan: true, crash: true, silent: true}}
seeds: 1
"""
    write(tmp_path, protocol, broken)
    done = of(tmp_path, "run", "protocols/mine.yaml")
    assert done.returncode == 1
    assert "3 runs failed; everything else is finished" in done.stderr
    assert "main/small/nan/seed-0: metrics.json: accuracy is NaN" in done.stderr
    assert "main/small/crash/seed-0: exit code 1: ValueError: no such layer" in done.stderr
    assert "main/small/silent/seed-0: it left no metrics.json in {out}" in done.stderr
    assert "hello from crash" in of(tmp_path, "logs", "main/small/crash/seed-0").stdout
    folder = next((tmp_path / "results").glob("*/study.json")).parent
    for study in ((), (folder,), (folder.name,)):
        meant = of(tmp_path, "logs", *study)
        assert meant.returncode == 0, meant.stderr
        assert "the last that failed of " in " ".join(meant.stderr.split())
        assert "[rigorkd] failed: " in meant.stdout
    (said,) = (one for one in document(tmp_path, "analyze")["warnings"] if "of the missing runs" in one)
    assert said.startswith("3 of the missing runs failed: ")
    assert "take the cells out of the protocol" in said
    again = of(tmp_path, "run", "protocols/mine.yaml")
    assert (again.returncode, "not tried again" in again.stderr) == (1, True)
    mended = "once their code is mended, the finished runs of it are stale: --retrain-stale trains these"
    assert mended in said
    assert mended in done.stderr
    assert mended in of(tmp_path, "status").stdout
    for old in ('method == "nan"', 'method == "crash"'):
        broken = broken.replace(old, "False")
    (tmp_path / "protocols" / "train.py").write_text(broken.replace('method != "silent"', "True"))
    assert "train.py changed" in of(tmp_path, "run", "protocols/mine.yaml").stderr
    assert of(tmp_path, "run", "protocols/mine.yaml", "--retry-failed").returncode == 2
    told = of(tmp_path, "run", "protocols/mine.yaml", "--retrain-stale")
    assert told.returncode == 0, told.stderr
    assert document(tmp_path, "status")["runs"]["done"] == 4


def test_a_teacher_that_every_cell_reads_is_one_run_for_all_students(tmp_path: Path) -> None:
    """As the documentation has it: a start whose script is told nothing of the student."""
    protocol = """\
rigorkd: 1
study: mine
starts: {big: {trainer: {command: "python train.py --student teacher --seed {seed} --out {out}"}}}
trainer:
  command: >-
    python train.py --teacher {start} --student {student} --method {method} [--T {T}]
    --seed {seed} --out {out}
  metrics: {accuracy: max}
students: [small, tiny]
groups: {main: {start: big, baseline: true, kd: {T: [2, 4]}, ls: true}}
seeds: 3
analysis: {sesoi: 2}
"""
    write(tmp_path, protocol, SCRIPT)
    done = of(tmp_path, "run", "protocols/mine.yaml")
    assert done.returncode == 0, done.stderr
    starts = [path for path in (tmp_path / "results").rglob("record.json") if "start" in path.parts]
    assert sorted(path.parts[-5:-1] for path in starts) == [
        ("start", "big", "small", f"seed-{seed}") for seed in range(3)
    ]
    assert "start per seed" in document(tmp_path, "analyze")["conditioned_on"]
    page = of(tmp_path, "report", "mine")
    assert page.returncode == 0, page.stderr
    pages = [path.read_text() for path in tmp_path.rglob("*.html")]
    assert any("All of it holds for: start per seed" in text for text in pages)
    ablation = of(tmp_path, "table", "mine", "--layout", "ablation").stdout
    assert "Holm over 6 gains (planned), equivalence within" in ablation
    assert "; 2 of these gains have no row here: main/small/ls, main/tiny/ls" in ablation
    for layout in ("overall", "gains"):
        table = of(tmp_path, "table", "mine", "--layout", layout, "--format", "latex").stdout
        assert "over 3 seeds, accuracy in percent" in table
        assert "no row here" not in table


INTERRUPTED = """
import json, os, pathlib, sys, time
out, seed, method = pathlib.Path(sys.argv[1]), *sys.argv[2:]
calls = len(list(out.glob("call-*")))
(out / f"call-{calls}").touch()
gate = pathlib.Path("gate")
while not gate.exists():
    time.sleep(0.05)
json.dump({"accuracy": float(seed), "calls": calls}, open(out / "metrics.json", "w"))
"""


@pytest.mark.parametrize(
    ("number", "resume"),
    [
        (signal.SIGKILL, True),
        (signal.SIGINT, False),
        pytest.param(signal.SIGKILL, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, True, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_is_called_again(tmp_path: Path, resume: bool, number: signal.Signals) -> None:
    protocol = f"""\
rigorkd: 1
study: mine
trainer:
  command: python train.py {{out}} {{seed}} {{method}}
  metrics: {{accuracy: max}}
  resume: {str(resume).lower()}
students: [small]
groups: {{main: {{baseline: true}}}}
seeds: 1
"""
    write(tmp_path, protocol, INTERRUPTED)
    line = [sys.executable, "-m", "rigorkd", "run", "protocols/mine.yaml", "--jobs", "1"]
    with subprocess.Popen(line, cwd=tmp_path, env={**environment(), **without_torch(tmp_path)}) as launcher:
        while not list((tmp_path / "results").rglob("call-0")):
            assert launcher.poll() is None
            time.sleep(0.05)
        launcher.send_signal(number)
        assert launcher.wait(120) == (130 if number is signal.SIGINT else -number)
    (tmp_path / "protocols" / "gate").touch()
    assert of(tmp_path, "run", "protocols/mine.yaml").returncode == 0
    (record,) = read_records(StudyFolder(tmp_path / "results" / "mine"))
    assert record.metrics["calls"] == (1 if resume else 0)
    assert history_of(record) == []


def test_a_command_is_not_timed_in_a_few_steps(tmp_path: Path) -> None:
    write(tmp_path)
    done = of(tmp_path, "plan", "protocols/mine.yaml", "--measure")
    assert (done.returncode, "its finished runs tell" in done.stderr) == (2, True)


def test_a_function_trains_as_well(tmp_path: Path) -> None:
    function = """
def run(config):
    assert config["device"] == "cpu" and config["student"] == "small"
    return {"accuracy": 10 * config.get("T", 0) + config["seed"]}
"""
    protocol = """\
rigorkd: 1
study: mine
trainer: {function: "train:run", metrics: {accuracy: max}, smoke: "train:run"}
students: [small]
groups: {main: {baseline: true, kd: {T: 2}}}
seeds: 1
"""
    write(tmp_path, protocol, function)
    done = of(tmp_path, "run", "protocols/mine.yaml", "--smoke")
    assert done.returncode == 0, done.stderr
    cells = document(tmp_path, "plan", "protocols/mine.yaml")["cells"]
    assert cells[1]["command"] == 'train:run({"student": "small", "method": "kd", "T": 2})'
    records = read_records(StudyFolder(tmp_path / "results" / "mine.smoke"))
    assert [record.metrics["accuracy"] for record in records] == [0.0, 20.0]
    assert list(records[0].fields["code"]) == ["train.py"]


def test_environment_retries_and_inputs(tmp_path: Path) -> None:
    script = """
import json, os, pathlib, sys
counter = pathlib.Path(sys.argv[1]).parent / "tries"
counter.write_text(counter.read_text() + "x" if counter.exists() else "x")
if len(counter.read_text()) < 3:
    sys.exit("not yet")
value = float(pathlib.Path("data.txt").read_text()) + float(os.environ["EXTRA"])
print("a line before")
print(json.dumps({"accuracy": value, "cuda": len(os.environ["CUDA_VISIBLE_DEVICES"])}))
"""
    protocol = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py {out}"
  env: {EXTRA: "{seed}", DEBUG: 1}
  inputs: [data.txt, {path: huge.bin, sha256: 0123456789abcdef}]
  result: stdout
  retries: 2
  metrics: {accuracy: max}
students: [small]
groups: {main: {baseline: true}}
seeds: "5:6"
"""
    write(tmp_path, protocol, script)
    missing = of(tmp_path, "run", "protocols/mine.yaml")
    assert (missing.returncode, "mine.yaml:6:12: there is no file data.txt" in missing.stderr) == (2, True)
    (tmp_path / "protocols" / "data.txt").write_text("7")
    assert of(tmp_path, "run", "protocols/mine.yaml").returncode == 0
    (record,) = read_records(StudyFolder(tmp_path / "results" / "mine"))
    assert (record.metrics["accuracy"], record.metrics["cuda"]) == (12.0, 0.0)
    assert record.fields["inputs"]["huge.bin"] == "0123456789abcdef"
    (tmp_path / "protocols" / "data.txt").write_text("8")
    assert "data.txt changed" in of(tmp_path, "run", "protocols/mine.yaml").stderr


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "python train.py --student {s",
            "python trian.py --student {s",
            [],
            "5:12: there is no file trian.py",
        ),
        (
            '"python train.py --student teacher',
            '"./nothing --student teacher',
            [],
            "8:20: what this runs is not",
        ),
        ("metrics:", "code: [train.py]\n  metrics:", [], ""),
        ("metrics:", "code: [lib/*.py]\n  metrics:", [], "7:10: no file matches lib/*.py"),
        (
            "python train.py --student {s",
            "pyhton train.py --student {s",
            [],
            "4:12: what this runs is not known",
        ),
        ("metrics:", "retries: -1\n  metrics:", [], "7:12: retries must be at least 0"),
        ("metrics:", "metrics:", ["--smoke"], "8:11: --smoke: this trainer has no small command"),
        ("metrics:", "metrics:", ["--mode", "fast"], "--mode is for rigorkd's own training"),
        ("secondary: [loss]", "secondary: [f1]", [], "unknown metric 'f1'"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(
    tmp_path: Path, old: str, new: str, line: list[str], message: str
) -> None:
    write(tmp_path, PROTOCOL.replace(old, new, 1))
    if not message:
        assert of(tmp_path, "plan", "protocols/mine.yaml").returncode == 0
        return
    done = of(tmp_path, "run", "protocols/mine.yaml", *line)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_a_program_that_is_not_there_is_told_at_its_line(tmp_path: Path) -> None:
    text = PROTOCOL.replace("python train.py --student {s", "torchrum train.py --student {s")
    write(tmp_path, text.replace("metrics:", "code: [train.py]\n  metrics:", 1))
    done = of(tmp_path, "run", "protocols/mine.yaml")
    assert (done.returncode, "mine.yaml:5:5: there is no program torchrum" in done.stderr) == (2, True), done


def test_a_script_that_may_not_be_executed_is_told_with_what_runs_it(tmp_path: Path) -> None:
    text = PROTOCOL.replace("python train.py --student {s", "./train.py --student {s")
    write(tmp_path, text.replace("metrics:", "code: [train.py]\n  metrics:", 1))
    done = of(tmp_path, "run", "protocols/mine.yaml")
    assert done.returncode == 2
    assert "./train.py is a file beside the protocol, and not executable" in done.stderr
    assert "python ./train.py), or write ./train.py after chmod +x ./train.py" in done.stderr
    (tmp_path / "protocols" / "train.py").chmod(0o755)
    write(tmp_path, text.replace("./train", "train").replace("metrics:", "code: [train.py]\n  metrics:", 1))
    done = of(tmp_path, "run", "protocols/mine.yaml")
    assert "where no program is looked for without a ./" in done.stderr


def test_the_lines_of_the_engine_stay_what_they_were(rigorkd: Rigorkd, protocol_file: Path) -> None:
    done = rigorkd("plan", protocol_file.name)
    assert "cohort" in done.stdout
    assert "command" not in done.stdout


WITHOUT_A_WORD = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py {seed} {out} [--method kd --T {T}] [--method ls --smoothing {smoothing}]"
  metrics: {accuracy: max}
students: [small]
groups: {main: {baseline: true, kd: {T: 2}, ls: {smoothing: 0.1}}}
seeds: 1
"""

PRINTS_ITS_OPTIONS = """\
import json
import sys

seed, out, *options = sys.argv[1:]
with open(out + "/metrics.json", "w") as file:
    json.dump({"accuracy": 0.5 + len(options) / 100}, file)
print("options:", *options)
"""


def test_a_script_without_a_word_for_the_baseline_and_what_to_run_next_of_a_variant(tmp_path: Path) -> None:
    write(tmp_path, WITHOUT_A_WORD, PRINTS_ITS_OPTIONS)
    variant = ("protocols/mine.yaml", "--set", "seeds=2", "--study", "pilot", "--results", "kept")
    done = of(tmp_path, "run", *variant, "--only", "*baseline")
    assert done.returncode == 0, done.stderr
    again = f"next: rigorkd run {' '.join(variant)} --jobs 1, for what --only left out; then rigorkd analyze"
    assert f"{again} kept/pilot" in " ".join(done.stdout.split())
    assert of(tmp_path, "run", *variant).returncode == 0
    for cell, options in (
        ("baseline", ""),
        ("kd-T2", " --method kd --T 2"),
        ("ls-smoothing0.1", " --method ls --smoothing 0.1"),
    ):
        log = next((tmp_path / "kept" / "pilot" / ".logs").rglob(f"{cell}/seed-1.log")).read_text()
        assert f"options:{options}\n" in log
