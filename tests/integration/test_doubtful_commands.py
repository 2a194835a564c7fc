"""What commands may do to a study without failing is told: by `run`, and by whoever judges its numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import environment, run_command
from tests.integration.test_any_trainer import document, of, without_torch, write

PRINTS = """\
rigorkd: 1
study: own
trainer: {command: "python train.py {seed} {a}", metrics: {acc: max}, result: stdout}
students: [net]
groups: {main: {baseline: {a: 1}, other: {a: 2}}}
seeds: 3
"""
"""A command that prints its number."""


def test_a_file_that_holds_what_the_launch_prints_is_none_that_runs_share(tmp_path: Path) -> None:
    script = """
import sys, time
print("more", file=open(sys.argv[2] + ".txt", "w") if sys.argv[2] == "3" else open("told.txt", "a"))
time.sleep(0.1)
print(sys.argv[1])
"""
    write(tmp_path, PRINTS, script)
    with (tmp_path / "protocols" / "told.txt").open("a") as told:
        done = subprocess.run(
            [sys.executable, "-m", "rigorkd", "run", "protocols/mine.yaml", "--jobs", "2"],
            cwd=tmp_path,
            env=environment() | without_torch(tmp_path),
            stdout=told,
            stderr=told,
            check=False,
        )
    assert done.returncode == 0
    assert "is written by several runs" not in (tmp_path / "protocols" / "told.txt").read_text()
    assert "is written by several runs" not in of(tmp_path, "analyze").stdout


def test_what_no_code_of_the_runs_names_is_not_said_to_be_theirs(tmp_path: Path) -> None:
    """A paper that is written in the protocol's folder while seeds train stars no verdict."""
    # it stands for the author, who writes while a run is at work: the name is in no text of the command
    script = """
import os, pathlib, sys, time
pathlib.Path(*os.environ["DRAFT"].split(":")).open("a").write("more ")
time.sleep(0.05)
print(sys.argv[1])
"""
    (tmp_path / "protocols" / "tex").mkdir(parents=True)
    write(tmp_path, PRINTS.replace("seeds: 3", "seeds: 4"), script)
    more = without_torch(tmp_path) | {"DRAFT": "tex:p.tex"}
    done = run_command("run", "protocols/mine.yaml", "--jobs", 2, cwd=tmp_path, **more)
    assert done.returncode == 0, done.stderr
    note = "tex/p.tex changed while runs were at work, in the folder that all share; nothing that they are"
    assert done.stdout.count(note) == 1
    assert "is written by several runs" not in done.stdout
    found = document(tmp_path, "analyze", "results/own")
    assert "p.tex" not in json.dumps(found)


def test_students_that_are_the_same_training_are_named_and_a_teacher_s_own_metric_is_not(
    tmp_path: Path,
) -> None:
    protocol = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py {student} {seed} [{teacher} {T}]"
  metrics: {acc: max, other: min}
  result: {file: stdout, keys: {acc: acc, other: other}}
teacher:
  trainer:
    command: "python train.py teacher {seed}"
    metrics: {tacc: max}
    result: {file: stdout, keys: {tacc: acc}}
students: [resnet, vit, resnet-18]
groups: {main: {baseline: true, kd: {T: 2}}}
seeds: 3
"""
    script = """
import random, sys
student = sys.argv[1] if sys.argv[1] in ("vit", "teacher") else "resnet"
print("acc", random.Random(student + "".join(sys.argv[2::2])).random())
print("other", random.random())
"""
    write(tmp_path, protocol, script.replace("random.random()", "sys.argv[2]"))
    said = " ".join(of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).stdout.split())
    first = "first main/resnet/baseline, main/resnet-18/baseline"
    assert f"4 cells have the same numbers as another at every seed ({first}): student may not" in said
    assert "same at every seed in" not in said
    warnings = document(tmp_path, "analyze", "--metric", "other")["warnings"]
    assert any(text.startswith("other is a metric of the protocol, not its first") for text in warnings)


FAILING = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {lr} {seed}", metrics: {acc: max}, result: stdout}
students: [net]
groups: {main: {baseline: {lr: 0.1}, fast: {lr: [1, 2, 50]}}}
seeds: 3
"""
CRASHES = """
import random, sys
sys.argv[1] == '50' and sys.exit('boom')
print(random.Random(str(sys.argv[1:])).random())
"""


def test_a_setting_that_was_tried_in_vain_is_not_dropped_from_the_family_without_a_word(
    tmp_path: Path,
) -> None:
    write(tmp_path, FAILING, CRASHES)
    first = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2)
    assert (first.returncode, "next:" in first.stdout) == (1, False)
    assert any("fast-lr50" in row and "3 runs failed" in row for row in first.stdout.splitlines())
    (said,) = (one for one in document(tmp_path, "analyze")["warnings"] if "of the missing runs" in one)
    assert "take the cells out of the protocol and run it: then the others are judged, as exploratory" in said
    write(tmp_path, FAILING.replace("[1, 2, 50]", "[1, 2]"), CRASHES)
    assert of(tmp_path, "run", "protocols/mine.yaml").returncode == 0
    shutil.rmtree(tmp_path / "results" / "mine" / ".work")  # as in a copy: the study itself has noted it
    found = document(tmp_path, "analyze")
    assert not any(family["planned"] for family in found["families"])
    (said,) = (one for one in found["warnings"] if one.startswith("left out"))
    assert "has them no more: main/net/fast-lr50 (its runs failed); the gains that are left are not" in said
    write(tmp_path, FAILING, CRASHES.replace("50", "none"))  # it is back, and no family is less than planned
    assert of(tmp_path, "run", "protocols/mine.yaml", "--retrain-stale", "--jobs", 2).returncode == 0
    assert all(family["planned"] for family in document(tmp_path, "analyze")["families"])


def test_a_first_protocol_of_which_nothing_came_is_no_plan(tmp_path: Path) -> None:
    write(tmp_path, FAILING.replace("[net]", "[nett]"), "import sys; sys.exit('no such student')")
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 1
    write(tmp_path, FAILING, CRASHES.replace("50", "none"))
    plan = of(tmp_path, "plan", "protocols/mine.yaml")
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2)
    assert (plan.returncode, done.returncode) == (0, 0)
    for text in (plan.stdout, plan.stderr, done.stdout, done.stderr):
        assert not any(word in text for word in ("exploratory", "added after", "left out")), text
    found = document(tmp_path, "analyze")
    assert all(family["planned"] for family in found["families"])
    assert not any("left out" in text for text in found["warnings"])


def test_settings_that_no_hash_covers_are_told_by_plan_and_by_run_when_they_change(tmp_path: Path) -> None:
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python -m pkg.train {seed} {lr}", metrics: {acc: max}, result: stdout}
students: [net]
groups: {main: {baseline: {lr: 1}, other: {lr: 2}}}
seeds: 2
"""
    write(tmp_path, protocol)
    package = tmp_path / "protocols" / "pkg"
    (package / "conf").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "train.py").write_text(
        "import sys\nopen('own.json')\nprint(int(sys.argv[1]) + float(sys.argv[2]))"
    )
    (package / "conf" / "config.yaml").write_text("n: 3")
    for name in ("own.json", "more.json", "setup.cfg"):  # of these it names the first
        (tmp_path / "protocols" / name).write_text("{}")
    said = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stdout.split())
    assert "a change of these makes runs stale: pkg/train.py" in said
    assert "inputs: [own.json, pkg/conf/config.yaml], or runs" in said
    first = of(tmp_path, "run", "protocols/mine.yaml")
    assert (first.returncode, "no hash covers" in first.stderr) == (0, False), first.stderr
    (package / "conf" / "config.yaml").write_text("n: 20")
    mend = "pkg/conf/config.yaml changed after runs of this study were finished, and no hash covers it"
    assert mend in of(tmp_path, "run", "protocols/mine.yaml", "--seeds", 3).stderr
    write(tmp_path, protocol.replace(", result", ", inputs: [pkg/conf/config.yaml, own.json], result"))
    again = of(tmp_path, "run", "protocols/mine.yaml", "--seeds", 3, "--retrain-stale")
    assert (again.returncode, "no hash covers" in again.stderr) == (0, False), again.stderr
    assert "not of " not in of(tmp_path, "plan", "protocols/mine.yaml").stdout


def test_settings_in_hydra_s_folder_that_changed_between_runs_are_told_by_all(tmp_path: Path) -> None:
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py seed={seed} lr={lr}", metrics: {acc: max}, result: stdout}
students: [net]
groups: {main: {baseline: {lr: 1}, other: {lr: 2}}}
seeds: 2
"""
    script = """
import random, sys
import hydra
@hydra.main(version_base=None, config_path="conf", config_name="config")
def main():
    print(random.Random(str(sys.argv[1:]) + open("conf/" + "optim/sgd.yaml").read()).random())
main()
"""
    write(tmp_path, protocol, script)
    conf = tmp_path / "protocols" / "conf"
    (conf / "optim").mkdir(parents=True)
    (conf / "config.yaml").write_text("defaults: [optim: sgd]")
    (conf / "optim" / "sgd.yaml").write_text("lr: 0.1")
    (tmp_path / "protocols" / "hydra.py").write_text("def main(**_):\n    return lambda function: function")
    said = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stdout.split())
    assert "not of conf/config.yaml, conf/optim/sgd.yaml: what of it shapes results" in said
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    (conf / "optim" / "sgd.yaml").write_text("lr: 0.001")
    changed = "conf/optim/sgd.yaml changed after runs of this study were finished, and no hash covers it"
    assert changed in " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stdout.split())
    assert changed in of(tmp_path, "run", "protocols/mine.yaml", "--seeds", 3).stderr
    mixed = "conf/optim/sgd.yaml was another for 2 runs"
    (family,) = document(tmp_path, "analyze")["families"]
    assert any(text.startswith(mixed) for text in family["comparisons"][0]["warnings"])
    told = of(tmp_path, "analyze", "--sequential", "--format", "markdown").stdout
    rows = told.partition("### Sequential verdicts")[2]
    assert "| undecided\\* |" in rows
    assert f"main/net/other-lr2: {mixed}" in rows.partition("###")[0], "as the row is called"
    page = of(tmp_path, "report", "mine")
    assert page.returncode == 0, page.stderr
    assert any(mixed in path.read_text() for path in tmp_path.rglob("*.html"))
    checked = of(tmp_path, "verify", "mine")
    assert (checked.returncode, mixed in checked.stdout) == (0, True), checked.stderr
    assert document(tmp_path, "verify")["note"].startswith(mixed)


def test_the_mends_of_other_results_and_of_fewer_seeds_lead_out(tmp_path: Path) -> None:
    protocol = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py {seed} {lr}"
  metrics: {acc: max}
  result: {file: stdout, keys: {acc: "train acc:"}}
students: [net]
groups: {main: {baseline: {lr: 1}, other: {lr: 2}}}
seeds: 4
"""
    script = "import sys; print('train acc:', sum(map(float, sys.argv[1:]))); print('test acc:', sys.argv[1])"
    write(tmp_path, protocol, script)
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    write(tmp_path, protocol.replace("train acc:", "test acc:"), script)
    said = of(tmp_path, "run", "protocols/mine.yaml").stderr
    assert "its trainer's result (where its numbers are found) or devices changed" in said
    write(tmp_path, protocol.replace("seeds: 4", "seeds: 2"), script + "  # now")
    assert of(tmp_path, "run", "protocols/mine.yaml", "--retrain-stale", "--jobs", 2).returncode == 0
    mixed = of(tmp_path, "analyze").stderr
    assert "run the protocol again with --retrain-stale --seeds 4, or" in mixed
    again = of(tmp_path, "run", "protocols/mine.yaml", "--retrain-stale", "--seeds", 4, "--jobs", 2)
    assert again.returncode == 0, again.stderr
    assert of(tmp_path, "analyze").returncode == 0


def test_baselines_alone_are_offered_a_comparison_and_a_teacher_needs_no_number(tmp_path: Path) -> None:
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {student} {seed} {out}", metrics: {acc: max}, result: stdout}
teacher: {trainer: "python teach.py {seed} {out}/weights.txt"}
students: [gbm, mlp]
groups: {main: {baseline: true}, kd: {trainer: {command: "python train.py {teacher} {seed} {out}", \
metrics: {acc: max}, result: stdout}, students: [gbm], kd: true}}
seeds: 2
"""
    write(tmp_path, protocol, "import random, sys; print(random.Random(sys.argv[1] + sys.argv[2]).random())")
    (tmp_path / "protocols" / "teach.py").write_text("import sys; open(sys.argv[2], 'w').write('w')")
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    alone = protocol.partition(", kd: {trainer")[0] + "}\nseeds: 2\n"
    write(tmp_path, alone.replace("study: mine", "study: own").replace("teacher: {", "# teacher: {"))
    write(tmp_path, (tmp_path / "protocols/mine.yaml").read_text(), "import random; print(random.random())")
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    (said,) = (one for one in document(tmp_path, "analyze", "results/own")["warnings"] if "nothing to" in one)
    compare = said.partition("; ")[2].partition(" compares")[0].split()
    assert compare == ["--compare", "main/mlp/baseline", "main/gbm/baseline"]
    (family,) = document(tmp_path, "analyze", "results/own", *compare)["families"]
    assert len(family["comparisons"]) == 1


def test_an_option_that_got_nothing_is_told_with_the_brackets_that_leave_it_out(tmp_path: Path) -> None:
    protocol = """\
rigorkd: 1
study: mine
trainer: {command: "python train.py {seed} --alpha {alpha}", metrics: {acc: max}, result: stdout}
students: [net]
groups: {main: {baseline: true, kd: {alpha: 0.5}}}
seeds: 1
"""
    write(tmp_path, protocol, "import sys; print(float(sys.argv[1]) + float(sys.argv[3]))")
    said = of(tmp_path, "run", "protocols/mine.yaml").stderr
    assert "--alpha got no value, since the cell has none: in brackets, [--alpha {…}], it is left out" in said


READS = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py conf.yaml {a} {seed} {out}"
  metrics: {acc: max}
  keep: [left.txt]
students: [net]
groups: {main: {baseline: {a: 1}, other: {a: 2}}}
seeds: 2
"""
READING = """
import json, os, random, sys, time
conf, a, seed, out = sys.argv[1:]
made = random.Random(f"{open(conf).read()} {a} {seed}")
NOTHING
json.dump({"acc": made.random()}, open(out + "/metrics.json", "w"))
open(out + "/left.txt", "w").write(f"LEFT")
"""


def reading(folder: Path, more: str = "", left: str = "{out}") -> Path:
    """A study whose script reads a file that no hash covers, at seeds 0 and 1."""
    write(folder, READS, READING.replace("NOTHING", more).replace("LEFT", left))
    (folder / "protocols" / "conf.yaml").write_text("lr: 1")
    done = of(folder, "run", "protocols/mine.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    return folder


def test_what_changed_since_is_told_from_a_script_that_is_not_deterministic(tmp_path: Path) -> None:
    folder = reading(tmp_path, 'assert not os.path.exists("broken")')
    (folder / "protocols" / "conf.yaml").write_text("lr: 2")
    again = of(folder, "run", "protocols/mine.yaml", "--seeds", 4, "--jobs", 2)
    assert "conf.yaml changed after runs of this study were finished" in again.stderr
    assert "conf.yaml changed after runs" in " ".join(
        of(folder, "plan", "protocols/mine.yaml").stdout.split()
    )
    done = of(folder, "verify", "--rerun", 8)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert "changed since: 4 of 8 repeated runs came out otherwise than the record says" in said
    assert "in no hash: conf.yaml" in said
    assert "not deterministic" not in said
    assert "verdicts hold" not in said
    found = json.loads(of(folder, "verify", "--rerun", 8, "--format", "json").stdout)
    assert found["deterministic"] is True
    assert {one["run"][-6:] for one in found["reruns"] if one.get("changed_since") == ["conf.yaml"]} == {
        "seed-0",
        "seed-1",
    }
    assert "verdicts may not hold" in found["note"]
    (comparison,) = document(folder, "analyze")["families"][0]["comparisons"]
    assert any("conf.yaml was another for 4 runs" in text for text in comparison["warnings"])
    write(folder, READS.replace("keep:", "inputs: [conf.yaml]\n  keep:"), READING.replace("NOTHING", ""))
    mended = of(folder, "run", "protocols/mine.yaml", "--seeds", 4, "--retrain-stale", "--jobs", 2)
    assert (mended.returncode, "no hash" in mended.stderr) == (0, False), mended.stderr
    (comparison,) = document(folder, "analyze")["families"][0]["comparisons"]
    assert not any("was another for" in text for text in comparison["warnings"])


def test_seed_0_is_not_blamed_for_being_older(tmp_path: Path) -> None:
    write(tmp_path, READS, READING.replace("NOTHING", ""))
    (tmp_path / "protocols" / "conf.yaml").write_text("lr: 1")
    assert of(tmp_path, "run", "protocols/mine.yaml", "--seeds", 1).returncode == 0
    (tmp_path / "protocols" / "conf.yaml").write_text("lr: 2")
    assert of(tmp_path, "run", "protocols/mine.yaml", "--seeds", 3, "--jobs", 2).returncode == 0
    done = of(tmp_path, "verify", "--rerun", 6)
    assert "changed since: 2 of 6" in done.stdout
    assert "seed 0" not in done.stdout


def test_files_of_places_and_times_make_no_script_undeterministic(tmp_path: Path) -> None:
    places = of(reading(tmp_path / "places"), "verify", "--rerun", 2)
    assert "deterministic, as far as 2 repeated runs can tell" in places.stdout
    clock = of(reading(tmp_path / "clock", left="{time.time()}"), "verify", "--rerun", 2)
    assert "deterministic in its numbers, as far as 2 repeated runs can tell; left.txt came" in clock.stdout
    assert (places.returncode, clock.returncode) == (0, 0)
    chance = of(reading(tmp_path / "chance", "made = random.SystemRandom()"), "verify", "--rerun", 3)
    assert "not deterministic: two runs of one seed differ by up to" in chance.stdout
    assert chance.returncode == 0


AT_A_PLACE = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py {seed} {out} [kd.ckpt=runs/teacher/w.txt T={T}] [smooth={eps}]"
  metrics: {acc: max}
teacher: {trainer: {command: "python train.py {seed} runs/teacher", result: {file: stdout, keys: {acc: acc}}}}
students: [net]
groups: {main: {baseline: true, kd: {T: 2}, ls: {eps: 0.1}}}
seeds: 3
"""
LEAVES = """
import json, os, sys
seed, out, *more = sys.argv[1:]
os.makedirs(out, exist_ok=True)
told = dict(one.split("=") for one in more)
read = float(open(told["kd.ckpt"]).read()) if "kd.ckpt" in told else 0.1 * len(more)
open(out + "/w.txt", "w").write(seed)
json.dump({"acc": float(seed) / 7 + read}, open(out + "/metrics.json", "w"))
print("acc", float(seed) / 7)
"""


def test_a_teacher_at_a_fixed_path_is_told_until_the_mend_is_made(tmp_path: Path) -> None:
    write(tmp_path, AT_A_PLACE, LEAVES)
    told = "main/net/kd-T2: distilled by a command that does not name {teacher}; runs/teacher/w.txt lies"
    assert told in " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stderr.split())
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(told) == 1
    again = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 1)
    assert "inputs: [runs/teacher/w.txt]" not in again.stderr  # of no use: runs write it
    comparisons = document(tmp_path, "analyze")["families"][0]["comparisons"]
    by_cell = {one["a"]: any(told in text for text in one["warnings"]) for one in comparisons}
    assert by_cell == {"main/net/kd-T2": True, "main/net/ls-eps0.1": False}, "that one has no teacher"
    assert not any("no hash covers" in text for one in comparisons for text in one["warnings"])
    assert of(tmp_path, "report", "mine").returncode == 0
    assert "does not name {teacher}" in (tmp_path / "results/mine/report.html").read_text()
    # what it says: the teacher is given {out} for runs/teacher, students {teacher}/w.txt for the path
    mended = AT_A_PLACE.replace("=runs/teacher/", "={teacher}/").replace("} runs/teacher", "} {out}")
    write(tmp_path, mended, LEAVES)
    done = of(tmp_path, "run", "protocols/mine.yaml", "--retrain-stale", "--jobs", 1)
    assert (done.returncode, "{teacher}" in done.stderr) == (0, False), done.stderr
    values = document(tmp_path, "analyze")["families"][0]["comparisons"]
    assert not any("does not name" in text for one in values for text in one["warnings"])


OF_A_SCRIPT = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py --seed {seed} --out {out} [--T {T}]"
  metrics: {acc: max}
teacher: {trainer: {command: "python teach.py {seed}", result: {file: stdout, keys: {acc: acc}}}}
students: [net]
groups: {main: {baseline: true, kd: {T: 2}}}
seeds: 3
"""
NAMES_IT = """
import argparse, json, os
parser = argparse.ArgumentParser()
for name in ("seed", "out", "T", "teacher"):
    parser.add_argument("--" + name)
asked = parser.parse_args()
read = 0.0
if asked.T:
    read = float(open("runs/teacher.pt").read())
json.dump({"acc": float(asked.seed) / 7 + read}, open(asked.out + "/metrics.json", "w"))
"""
LEAVES_IT = """
import os, sys
os.makedirs("runs", exist_ok=True)
open("runs/teacher.pt", "w").write(sys.argv[1])
print("acc", float(sys.argv[1]) / 7)
"""


def test_a_teacher_that_the_script_itself_names_is_told_with_line_and_mend(tmp_path: Path) -> None:
    write(tmp_path, OF_A_SCRIPT, NAMES_IT)
    (tmp_path / "protocols" / "teach.py").write_text(LEAVES_IT)
    told = (
        "main/net/kd-T2: distilled by a command that does not name {teacher}; train.py:9 names "
        "runs/teacher.pt: if that is what the study's teacher leaves, it is one for all seeds"
    )
    mend = (
        "an option with {teacher}/teacher.pt, in brackets for cells without a teacher ([--teacher {teacher}/"
    )
    said = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stderr.split())
    assert told in said
    assert mend in said
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    comparisons = document(tmp_path, "analyze")["families"][0]["comparisons"]
    assert all(any(told in text for text in one["warnings"]) for one in comparisons)
    # half of the mend: the command gives it, and the script does not ask for it
    given = OF_A_SCRIPT.replace("[--T {T}]", "[--T {T} --teacher {teacher}/teacher.pt]")
    write(tmp_path, given, NAMES_IT)
    said = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stderr.split())
    assert "by a command that names {teacher}; train.py:9 yet names runs/teacher.pt" in said
    write(tmp_path, given, NAMES_IT.replace('open("runs/teacher.pt")', "open(asked.teacher)"))
    assert "teacher.pt" not in of(tmp_path, "plan", "protocols/mine.yaml").stderr


def test_a_file_of_weights_from_outside_is_told_until_it_is_an_input(tmp_path: Path) -> None:
    lone = "".join(line for line in OF_A_SCRIPT.splitlines(keepends=True) if not line.startswith("teacher:"))
    write(tmp_path, lone, NAMES_IT)
    assert "runs/teacher.pt" not in of(tmp_path, "plan", "protocols/mine.yaml").stderr, "there is none"
    (tmp_path / "protocols" / "runs").mkdir()
    (tmp_path / "protocols" / "runs" / "teacher.pt").write_text("0.5")
    said = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stderr.split())
    assert "main/net/kd-T2: train.py:9 names runs/teacher.pt, one file for all seeds, which no hash" in said
    assert "add inputs: [runs/teacher.pt] to the trainer" in said
    write(tmp_path, lone.replace("  metrics:", "  inputs: [runs/teacher.pt]\n  metrics:"), NAMES_IT)
    assert "runs/teacher.pt" not in of(tmp_path, "plan", "protocols/mine.yaml").stderr


def test_a_placeholder_that_leaves_half_a_path_is_told_with_brackets(tmp_path: Path) -> None:
    protocol = AT_A_PLACE.replace("[kd.ckpt=runs/teacher/w.txt T={T}]", "--ckpt {teacher}/w.txt [T={T}]")
    protocol = protocol.replace("} runs/teacher", "} {out}").replace(", ls: {eps: 0.1}", "")
    protocol = protocol.replace(" [smooth={eps}]", "")
    write(tmp_path, protocol, LEAVES)
    said = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stderr.split())
    assert "main/net/baseline gets --ckpt /w.txt, for want of a teacher: in brackets, [--ckpt" in said
    write(tmp_path, protocol.replace("--ckpt {teacher}/w.txt", "[--ckpt {teacher}/w.txt]"), LEAVES)
    assert "/w.txt" not in of(tmp_path, "plan", "protocols/mine.yaml").stderr


def test_what_listed_code_imports_from_its_own_folder_is_code(tmp_path: Path) -> None:
    protocol = READS.replace('"python train.py conf.yaml {a}', '"env -C {out} python PLACE/src/main.py x {a}')
    protocol = protocol.replace("keep:", "code: [src/main.py, src/old.py]\n  keep:")
    write(tmp_path, protocol.replace("PLACE", str(tmp_path / "protocols")))
    code = tmp_path / "protocols" / "src"
    code.mkdir()
    (code / "main.py").write_text("import helper\n")
    (code / "helper.py").write_text("x = 1\n")
    (code / "old.py").write_text("print 'of another Python'\n")
    said = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stdout.split())
    assert "a change of these makes runs stale: src/main.py, src/helper.py, src/old.py" in said


def test_inputs_that_all_seeds_share_are_held_fixed_and_axes_of_one_s_own_are_named(tmp_path: Path) -> None:
    """A teacher's checkpoint among the inputs is one teacher; `training` is no setting that anybody chose."""
    protocol = """\
rigorkd: 1
study: mine
trainer:
  command: "python train.py {seed} {lr} [{T} teacher.npz]"
  metrics: {acc: max}
  result: stdout
  inputs: [teacher.npz]
students: [net]
groups:
  main: {lr: [0.1, 0.2], baseline: true, kd: {T: [1, 4]}}
seeds: 5
analysis: {contrasts: [{trend: {over: T, group: main, where: {lr: 0.1}}, name: more with T}]}
"""
    script = """
import random, sys
seed, lr, T = sys.argv[1], float(sys.argv[2]), float(([*sys.argv, 0])[3])
print(70 + random.Random(seed).random() + random.Random(str(sys.argv)).random() / 5 + 3 * lr + T / 4)
"""
    write(tmp_path, protocol, script)
    (tmp_path / "protocols" / "teacher.npz").write_text("weights")
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    found = document(tmp_path, "analyze")
    assert "inputs that all seeds share (teacher.npz)" in found["conditioned_on"]
    assert "conditioned on inputs that all seeds share (teacher.npz)" in found["warnings"]
    (average,) = (c for f in found["families"] if f["name"] == "overall" for c in f["comparisons"])
    assert average["name"].startswith("main/net/kd: average of 4 (T, lr)")
    assert "averaged over 4 settings of T and lr," in average["says"]
    assert "; inputs that all seeds share (teacher.npz)" in average["says"]
    table = of(tmp_path, "table", "--layout", "gains", "--format", "markdown").stdout
    assert "Note: inputs that all seeds share (teacher.npz)." in table
    tests = [one["says"].partition("(F")[0] for one in found["factorial"]]
    assert [text.partition(": T")[0].removeprefix("exploratory: ") for text in tests] == [
        "main/net at lr = 0.1",
        "main/net at lr = 0.2",
    ]
    assert [one["settings"] for one in found["factorial"]] == ["lr = 0.1", "lr = 0.2"]
    (trend,) = (c for f in found["families"] if f["name"] == "contrasts" for c in f["comparisons"])
    assert trend["verdict"] == "better"
    text = protocol.replace("over: T, group: main, where: {lr: 0.1}", "over: lr, group: main, where: {T: 4}")
    (tmp_path / "protocols" / "mine.yaml").write_text(text)
    assert of(tmp_path, "run", "protocols/mine.yaml").returncode == 0
    (trend,) = (
        c
        for f in document(tmp_path, "analyze")["families"]
        if f["name"] == "contrasts"
        for c in f["comparisons"]
    )
    assert trend["a"] is None
    assert set(trend["weights"]) == {"main/net/kd-T4-lr0.1", "main/net/kd-T4-lr0.2"}


def test_the_best_of_many_epochs_is_said_by_the_name_that_it_is_read_by(tmp_path: Path) -> None:
    """`acc` that is read as `results.best_acc`, as most repositories of distillation write it."""
    protocol = """\
rigorkd: 1
study: own
trainer:
  command: "python train.py {seed} {a} {out}"
  metrics: {acc: max}
  result: {file: results.json, keys: {acc: results.best_acc}}
students: [net]
groups: {main: {baseline: {a: 1}, other: {a: 2}}}
seeds: 5
"""
    script = """
import json, sys
seed, a = int(sys.argv[1]), int(sys.argv[2])
acc = 70 + a + (seed * 7 % 5) / 10 + a * (seed * 3 % 5) / 10
json.dump({"results": {"best_acc": acc, "last_acc": acc}}, open(sys.argv[3] + "/results.json", "w"))
"""
    write(tmp_path, protocol, script)
    told = "acc is the best of many epochs on test data, by its name in the results, results.best_acc"
    assert told in of(tmp_path, "plan", "protocols/mine.yaml").stderr
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    note = "acc is chosen on test data (the best of many epochs, by results.best_acc, which it is read as)"
    found = document(tmp_path, "analyze", "results/own")
    assert [text for text in found["warnings"] if text.startswith(note)]
    (comparison,) = found["families"][0]["comparisons"]
    assert note in comparison["says"]
    for words in (("analyze", "results/own"), ("table", "results/own", "--layout", "gains")):
        text = of(tmp_path, *words, "--format", "latex").stdout.replace("\\_", "_")
        assert note in " ".join(text.split())
    of(tmp_path, "report", "results/own")
    assert note in (tmp_path / "results/own/report.html").read_text()

    named = protocol.replace("{acc: max}", "{best_acc: max}").replace("keys: {acc:", "keys: {best_acc:")
    write(tmp_path, named.replace("study: own", "study: named"), script)
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    by_name = "best_acc is chosen on test data (the best of many epochs, by its name)"
    found = document(tmp_path, "analyze", "results/named")
    assert sum("chosen on test data" in text for text in found["warnings"]) == 1
    assert by_name in found["families"][0]["comparisons"][0]["says"]

    last = protocol.replace("best_acc", "last_acc").replace("study: own", "study: last")
    write(tmp_path, last, script)
    assert "best of many" not in of(tmp_path, "plan", "protocols/mine.yaml").stderr
    assert of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2).returncode == 0
    assert "chosen on test data" not in json.dumps(document(tmp_path, "analyze", "results/last"))


def test_a_file_that_small_inputs_name_is_the_runs(tmp_path: Path) -> None:
    """The name of a log may stand in the settings that a command reads."""
    protocol = """\
rigorkd: 1
study: own
trainer:
  command: "python train.py {seed} {a}"
  inputs: [settings.json]
  metrics: {acc: max}
  result: stdout
students: [net]
groups: {main: {baseline: {a: 1}, other: {a: 2}}}
seeds: 3
"""
    script = """
import json, sys, time
open(json.load(open("settings.json"))["log"], "a").write("more ")
time.sleep(0.05)
print(sys.argv[1])
"""
    write(tmp_path, protocol, script)
    (tmp_path / "protocols" / "settings.json").write_text('{"log": "lines.log"}')
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert "lines.log is written by several runs" in done.stdout
