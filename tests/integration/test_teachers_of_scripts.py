"""What a script of one's own is given beside its inputs, and what it does unless it is told not to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import commit, read_record
from tests.integration.test_any_trainer import document, of, write
from tests.launch import made_study
from tests.launch.made_study import make

PROTOCOL = """\
rigorkd: 1
study: mine
trainer:
  command: >-
    python train.py --trial {seed} --save_root {out}
    [--distill {method} --path_t ckpt/teacher.npz --kd_T {T}]
  metrics: {test_acc: max}
  result: {file: best.json}
students: [net]
groups:
  main: {baseline: true, kd: {T: [1, 2, 4]}}
seeds: 1:6
analysis: {contrasts: [[main/net/kd-T1, main/net/kd-T2]]}
"""
SCRIPT = """
import argparse, json, random, time
parser = argparse.ArgumentParser()
parser.add_argument("--distill", default="kd")
parser.add_argument("--path_t", default="ckpt/teacher.npz")
parser.add_argument("--kd_T", type=float, default=4.0)
parser.add_argument("--trial", type=int)
parser.add_argument("--save_root")
asked = parser.parse_args()
teacher = open(asked.path_t).read()
seed = random.Random(asked.trial).random()
acc = 70 + 3 * seed + random.Random(f"{asked.trial} {asked.kd_T} {teacher}").random() + asked.kd_T / 4
json.dump({"test_acc": acc, "time": time.time() % 1000}, open(asked.save_root + "/best.json", "w"))
"""


def run_of(folder: Path, protocol: str = PROTOCOL) -> None:
    write(folder, protocol, SCRIPT)
    (folder / "protocols" / "ckpt").mkdir()
    (folder / "protocols" / "ckpt" / "teacher.npz").write_text("weights")
    done = of(folder, "run", "protocols/mine.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr


def test_a_teacher_that_stands_in_the_command_and_a_baseline_that_is_distilled_are_in_every_claim(
    tmp_path: Path,
) -> None:
    run_of(tmp_path)
    told = "inputs that all seeds share (ckpt/teacher.npz; no hash covers it)"
    same = "the baseline main/net/baseline has the test_acc of main/net/kd-T4 at every seed"
    found = document(tmp_path, "analyze")
    assert told in found["conditioned_on"]
    assert f"conditioned on {told}" in found["warnings"]
    assert any(
        "main/net/kd-T4): method, T may not reach the training, or the script's defaults distil a baseline,"
        in text
        for text in found["warnings"]  # the seconds that a script reports are no result
    )
    for family in found["families"]:
        for one in family["comparisons"]:
            assert told in one["says"] or one["says"].startswith("Nothing can be said")
            assert any(text.startswith(same) for text in one["warnings"]) == (family["name"] != "contrasts")
    screen = " ".join(of(tmp_path, "analyze", "--all").stdout.split())
    assert "no hash covers it" in screen
    assert "inconclusive*" in screen
    for form in ("latex", "markdown"):
        table = of(tmp_path, "table", "--layout", "gains", "--format", form).stdout.replace("\\", "")
        assert f"Note: {told}" in table
        assert same.replace("_", "") in table.replace("_", "")
    assert of(tmp_path, "report", "--out", "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert told in page
    assert same in page

    csv = tmp_path / "runs.csv"
    csv.write_text(of(tmp_path, "table", "--format", "csv").stdout)
    gains = document(tmp_path, "analyze", csv)["families"][1]["comparisons"]
    assert len(gains) == 3
    assert all(any(text.startswith(same) for text in one["warnings"]) for one in gains)

    # the results, taken to where neither protocol nor teacher is
    shutil.move(tmp_path / "results" / "mine", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "protocols")
    assert told in document(tmp_path, "analyze", "elsewhere")["conditioned_on"]


def test_a_file_is_shared_where_all_seeds_are_given_the_same_one(tmp_path: Path) -> None:
    """A path of the run's own is not; an absolute one is; and both kinds of inputs are told together."""
    data = tmp_path / "data.csv"
    data.write_text("1,2")
    protocol = PROTOCOL.replace("--path_t ckpt/teacher.npz", "--path_t=./ckpt/teacher.npz")
    protocol = protocol.replace("--trial {seed}", f"--trial {{seed}} --data {data} --own own/{{seed}}.csv")
    protocol = protocol.replace("  result:", "  inputs: [own/shared.txt]\n  result:")
    write(tmp_path, protocol, SCRIPT)
    own = tmp_path / "protocols" / "own"
    own.mkdir()
    for name in ("shared.txt", ".csv", *(f"{seed}.csv" for seed in range(1, 6))):
        (own / name).write_text("same")
    text = SCRIPT.replace("asked =", "parser.add_argument('--data'); parser.add_argument('--own'); asked =")
    (tmp_path / "protocols" / "train.py").write_text(text)
    planned = of(tmp_path, "plan", "protocols/mine.yaml").stderr
    assert "--path_t ./ckpt/teacher.npz: no such file" in " ".join(planned.split())
    assert "own/.csv" not in planned
    (tmp_path / "protocols" / "ckpt").mkdir()
    (tmp_path / "protocols" / "ckpt" / "teacher.npz").write_text("weights")
    planned = " ".join(of(tmp_path, "plan", "protocols/mine.yaml").stderr.split())
    assert "no such file" not in planned
    assert "to the trainer before the first analysis (after one, runs that are trained again" in planned
    done = of(tmp_path, "run", "protocols/mine.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    conditions = document(tmp_path, "analyze")["conditioned_on"]
    shared = "inputs that all seeds share (../data.csv; ckpt/teacher.npz; own/shared.txt;"
    assert f"{shared} no hash covers ../data.csv; ckpt/teacher.npz)" in conditions


def test_a_script_that_is_told_not_to_distil_is_a_baseline(tmp_path: Path) -> None:
    protocol = PROTOCOL.replace("[--distill", "--kd_T 0 [--distill")
    run_of(tmp_path, protocol)
    found = document(tmp_path, "analyze")
    assert "defaults" not in json.dumps(found)


def test_a_native_baseline_that_is_a_distilled_run_stars_the_gains_of_its_student_alone(
    tmp_path: Path,
) -> None:
    path = make(tmp_path, text=made_study.PROTOCOL.replace("kd: {T: 4,", "kd: {T: [2, 4],"))
    study = StudyFolder(path)
    for seed in range(4):
        base, same = (
            read_record(study, f"main/plain/{name}/seed-{seed}") for name in ("baseline", "kd-T4-a0.5")
        )
        files = {name: (base.folder / name).read_bytes() for name in base.files}
        fields = {key: same.fields[key] for key in same.fields if key not in ("files", "record_sha256")}
        shutil.rmtree(same.folder)
        commit(same.folder, fields | {"metrics": dict(base.metrics)}, files)
    found = document(tmp_path, "analyze", path)
    starred = {
        one["name"].partition(" vs ")[0]
        for family in found["families"]
        for one in family["comparisons"]
        if any(text.startswith("the baseline main/plain/baseline has the") for text in one["warnings"])
    }
    assert starred == {"main/plain/kd: average of 2 (T)", "main/plain/kd-T2-a0.5", "main/plain/kd-T4-a0.5"}


def test_a_checkpoint_that_is_only_copied_has_no_seconds_of_training(tmp_path: Path) -> None:
    """How long `cp` took stood as the time that the teacher was trained."""
    copied = (
        'teacher: {trainer: {command: "cp ckpt/teacher.npz {out}/teacher.npz", code: [],'
        " inputs: [ckpt/teacher.npz]}, per_seed: false}\nstudents: [net]"
    )
    protocol = PROTOCOL.replace("--path_t ckpt/teacher.npz", "--path_t {teacher}/teacher.npz")
    run_of(tmp_path, protocol.replace("students: [net]", copied))
    told = of(tmp_path, "table", "--layout", "overall", "--format", "markdown").stdout
    (teacher,) = (line for line in told.splitlines() if line.startswith("| teacher "))
    (baseline,) = (line for line in told.splitlines() if "baseline |" in line)
    assert [part.strip() for part in teacher.split("|")][3] == "–"
    assert "±" in [part.strip() for part in baseline.split("|")][3]
