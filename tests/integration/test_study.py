"""The command line on real data: a study is run, resumed, extended, narrowed, changed, and read back."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.records.record import SEAL, seal
from tests.conftest import start_command
from tests.helpers import PRODUCT, product_bytes, wait_for

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

RUNS = 2 * (1 + 6 + 2)
"""Two seeds of a teacher, two students × (baseline and two distilled cells), and the short group's two."""


def records(study: Path) -> dict[str, dict[str, object]]:
    """Every record of a study by its run's name."""
    return {
        str(path.parent.relative_to(study)): json.loads(path.read_text())
        for path in sorted(study.rglob("record.json"))
        if ".stale" not in path.parts
    }


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """The finished study, copied to where a test may change it; the protocol lies beside results/."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_run_trains_everything_and_says_what_came_out(finished: Path) -> None:
    found = records(finished / "results" / "tiny")
    assert len(found) == RUNS
    assert {record["status"] for record in found.values()} == {"done"}
    said = (finished / "stdout.txt").read_text()
    assert "18 runs to train on" in said
    assert "main/plain/kd-T4-a0.5" in said
    assert "next: rigorkd analyze results/tiny" in said
    assert not (finished / "results" / "tiny" / ".work" / "progress.json").exists()
    assert list((finished / "results" / "tiny").rglob("checkpoint.pt")) == []


def test_students_learn_from_real_digits(finished: Path) -> None:
    top1 = {
        name: float(record["metrics"]["test_top1"])  # type: ignore[index]
        for name, record in records(finished / "results" / "tiny").items()
    }
    assert min(top1[f"teacher/seed-{seed}"] for seed in (0, 1)) > 50  # chance is 10
    students = [value for name, value in top1.items() if name.startswith(("main/", "short/"))]
    assert max(students) > 20  # five standard deviations of 200 test images


def test_a_record_says_everything_that_the_contract_names(finished: Path) -> None:
    record = records(finished / "results" / "tiny")["main/plain/kd-T4-a0.5/seed-1"]
    expected = {
        "schema": "rigorkd.record/1",
        "study": "tiny",
        "cell": "main/plain/kd-T4-a0.5",
        "group": "main",
        "student": "plain",
        "method": "kd",
        "seed": 1,
        "T": 4.0,
        "alpha": 0.5,
        "ce_weight": 0.5,
        "kd_weight": 0.5,
        "t_squared": True,
        "epochs": 3,
        "batch_size": 16,
        "lr": 1e-2,
        "mode": "reference",
        "smoke": False,
        "status": "done",
        "teacher": "teacher",
    }
    assert {key: record[key] for key in expected} == expected
    assert set(record["files"]) == set(PRODUCT)  # type: ignore[call-overload]
    metrics = record["metrics"]
    assert isinstance(metrics, dict)
    assert {
        *("test_top1", "test_top5", "test_loss", "ece", "best_val_top1", "best_epoch"),
        *("params_millions", "macs_millions", "train_seconds", "teacher_agreement", "teacher_kl"),
    } <= set(metrics)
    latency = record["latency_ms"]
    assert isinstance(latency, dict)
    assert set(latency) == {"median", "q25", "q75", "n", "mean", "sd", "shared"}
    assert latency["q25"] <= latency["median"] <= latency["q75"]
    assert {"torch", "numpy", "python", "rigorkd"} <= set(record["versions"])  # type: ignore[call-overload]
    baseline = records(finished / "results" / "tiny")["main/plain/baseline/seed-1"]
    assert [baseline[key] for key in ("ce_weight", "kd_weight", "t_squared")] == [1.0, 0.0, None]
    teacher = records(finished / "results" / "tiny")["teacher/seed-1"]
    assert record["teacher_run_hash"] == teacher["run_hash"]
    text = json.dumps(record)
    assert str(Path.home()) not in text
    assert str(finished) not in text


def test_cells_of_one_architecture_share_one_latency_and_one_count(finished: Path) -> None:
    shown = {
        json.dumps([record["latency_ms"], record["metrics"]["macs_millions"]])
        for record in records(finished / "results" / "tiny").values()
        if record["student"] == "plain"
    }
    assert len(shown) == 1


def test_running_again_does_nothing(copied: Path, rigorkd: Rigorkd) -> None:
    before = {path: path.stat().st_mtime_ns for path in (copied / "results").rglob("*") if path.is_file()}
    done = rigorkd("run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert "nothing to train: all 18 runs have their record" in done.stdout
    after = {path: path.stat().st_mtime_ns for path in (copied / "results").rglob("*") if path.is_file()}
    # A copied study is hashed once, and that is remembered.
    assert {p.name for p in after if after[p] != before.get(p)} <= {"intact.json"}


def test_another_seed_trains_only_that_seed(copied: Path, rigorkd: Rigorkd) -> None:
    before = product_bytes(copied / "results" / "tiny")
    done = rigorkd("run", "tiny.yaml", "--seeds", "3")
    assert done.returncode == 0, done.stderr
    assert "9 runs to train on" in done.stdout
    assert "18 already done" in done.stdout
    after = product_bytes(copied / "results" / "tiny")
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[-2] for name in after.keys() - before.keys()} == {"seed-2"}


def test_one_cell_alone_has_the_bytes_of_the_full_grid(
    finished: Path, protocol_file: Path, rigorkd: Rigorkd
) -> None:
    done = rigorkd("run", protocol_file, "--only", "*/dropping/kd-T4*", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    alone = product_bytes(protocol_file.parent / "results" / "tiny")
    full = product_bytes(finished / "results" / "tiny")
    assert {name.rsplit("/", 2)[0] for name in alone} == {"teacher", "main/dropping/kd-T4-a0.5"}
    assert alone == {name: full[name] for name in alone}


def test_an_added_cell_and_an_edited_analysis_leave_the_others_valid(copied: Path, rigorkd: Rigorkd) -> None:
    path = copied / "tiny.yaml"
    text = path.read_text().replace("T: [1, 4]", "T: [1, 2.5, 4]").replace("sesoi: 2.0", "sesoi: 1.0")
    path.write_text(text)
    before = product_bytes(copied / "results" / "tiny")
    done = rigorkd("run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert "4 runs to train on" in done.stdout
    after = product_bytes(copied / "results" / "tiny")
    assert {name: after[name] for name in before} == before


def test_a_small_memory_budget_splits_cohorts_and_keeps_the_bytes(
    finished: Path, protocol_file: Path, rigorkd: Rigorkd
) -> None:
    done = rigorkd("run", protocol_file, "--seeds", "0:1", "--memory", "1e-9", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    split = product_bytes(protocol_file.parent / "results" / "tiny")
    full = product_bytes(finished / "results" / "tiny")
    assert len(split) > 20
    assert split == {name: data for name, data in full.items() if "seed-0" in name}


def test_a_cell_added_to_a_study_is_said_to_be_exploratory_before_it_is_trained(
    copied: Path, rigorkd: Rigorkd
) -> None:
    before = json.loads(rigorkd("plan", "tiny.yaml", "--format", "json").stdout)
    assert not any("exploratory" in note for note in before.get("notes", []))
    path = copied / "tiny.yaml"
    path.write_text(path.read_text().replace("T: [1, 4]", "T: [1, 4, 8]"))
    after = json.loads(rigorkd("plan", "tiny.yaml", "--format", "json").stdout)
    said = "added after the first run, so exploratory: main/plain/kd-T8-a0.5, main/dropping/kd-T8-a0.5"
    assert any(note.startswith(said) for note in after["notes"])
    sizes = [
        {entry["family"]: entry["comparisons"] for entry in made["detectable"]} for made in (before, after)
    ]
    assert sizes[1] == {**sizes[0], "exploratory gains": 2}, "the planned family stays as it is"
    assert said in " ".join(rigorkd("plan", "tiny.yaml").stdout.split())
    run = rigorkd("run", "tiny.yaml", "--only", "main/plain/kd-T8*", "--seeds", "1")
    assert said in " ".join(run.stderr.split())


def test_what_a_group_trains_otherwise_is_said_by_plan_and_with_every_verdict(
    copied: Path, rigorkd: Rigorkd
) -> None:
    said = "group short with epochs 2 instead of 3"
    assert f"note: {said}, its baseline too" in rigorkd("plan", "tiny.yaml").stdout
    found = json.loads(rigorkd("analyze", "results/tiny", "--format", "json").stdout)
    assert f"{said}; its baseline too" in found["conditioned_on"]
    assert not any("group main" in condition for condition in found["conditioned_on"])
    assert said in " ".join(rigorkd("analyze", "results/tiny", "--all").stdout.split())
    rigorkd("report", "results/tiny", "--out", "page.html")
    assert said in (copied / "page.html").read_text()


def test_a_changed_cell_is_stale_until_it_is_set_aside(copied: Path, rigorkd: Rigorkd) -> None:
    path = copied / "tiny.yaml"
    path.write_text(path.read_text().replace("epochs: 2, baseline", "epochs: 1, baseline"))
    refused = rigorkd("run", "tiny.yaml")
    assert refused.returncode == 2
    assert "4 records no longer fit the protocol" in refused.stderr
    assert "epochs: 2 → 1" in refused.stderr
    assert "change the protocol back, give the study another name" in refused.stderr
    assert ", or set these records aside" in refused.stderr
    assert "--retrain-stale" in refused.stderr
    done = rigorkd("run", "tiny.yaml", "--retrain-stale")
    assert done.returncode == 0, done.stderr
    assert "4 runs to train on" in done.stdout
    stale = list((copied / "results" / "tiny" / ".stale").rglob("record.json"))
    assert len(stale) == 4


def test_plan_status_and_table_agree_with_the_records(copied: Path, rigorkd: Rigorkd) -> None:
    plan = json.loads(rigorkd("plan", "tiny.yaml", "--seeds", "3", "--format", "json").stdout)
    assert plan["schema"] == "rigorkd.plan/1"
    assert plan["runs"] == {"total": 27, "done": 18, "missing": 9, "running": 0, "failed": 0, "stale": 0}
    assert plan["cohorts"] == 3
    assert plan["cost"]["seconds"] > 0
    assert [entry["family"] for entry in plan["detectable"]][:2] == ["overall", "gains"]
    assert plan["detectable"][0]["mde"] > 0
    status = json.loads(rigorkd("status", "--format", "json").stdout)
    assert status["runs"]["done"] == status["runs"]["total"] == 18
    rows = list(csv.DictReader(io.StringIO(rigorkd("table", "--format", "csv").stdout)))
    assert len(rows) == 16
    assert {row["method"] for row in rows} == {"baseline", "kd"}
    text = rigorkd("status").stdout
    assert "18 runs: 18 done" in text


def test_analyze_reads_the_study_and_its_own_table_alike(copied: Path, rigorkd: Rigorkd) -> None:
    study = json.loads(rigorkd("analyze", "--format", "json").stdout)
    (copied / "table.csv").write_text(rigorkd("table", "--format", "csv").stdout)
    table = json.loads(rigorkd("analyze", "table.csv", "--sesoi", "2", "--format", "json").stdout)
    gains, bare = study["families"][0], table["families"][0]
    assert gains["planned"] is True
    assert bare["planned"] is False
    for a, b in zip(gains["comparisons"], bare["comparisons"], strict=True):
        assert (a["a"], a["b"], a["n"]) == (b["a"], b["b"], b["n"])
        for key in ("mean_diff", "ci_low", "p", "p_adjusted", "p_equivalence"):
            same = a[key] is None if b[key] is None else a[key] == pytest.approx(b[key], rel=1e-9, abs=1e-12)
            assert same, key
    assert any(a["p"] is not None for a in gains["comparisons"])


def test_smoke_is_marked_and_never_mistaken_for_a_result(protocol_file: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("run", protocol_file, "--smoke", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    study = protocol_file.parent / "results" / "tiny.smoke"
    found = records(study)
    assert len(found) == RUNS
    assert all(record["smoke"] is True for record in found.values())
    analysis = rigorkd("analyze", study)
    assert analysis.returncode == 0, analysis.stderr
    assert "smoke" in (analysis.stdout + analysis.stderr).lower()


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `rigorkd run tiny.yaml` in the background, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "rigorkd", "run", "tiny.yaml", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # a shell may have started the tests with Ctrl-C switched off, which children inherit
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def servers_of(launcher: int) -> list[int]:
    """The processes that fork the workers of a launcher."""
    return [
        child
        for child in children(launcher)
        if b"multiprocessing.forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def workers_of(launcher: int) -> list[int]:
    """The processes that the server of a launcher has forked."""
    return [worker for server in servers_of(launcher) for worker in children(server)]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["launcher", "worker"])
def test_killed_at_any_moment_and_started_again(
    finished: Path, protocol_file: Path, rigorkd: Rigorkd, victim: str
) -> None:
    """SIGKILL at random moments, then a resume: the bytes of an undisturbed study, no epoch trained twice."""
    folder = protocol_file.parent
    study = folder / "results" / "tiny"
    moments = random.Random(victim)
    for _ in range(3):
        process = start(folder)
        time.sleep(moments.uniform(1.0, 7.0))  # from the first imports to the last cohort
        if victim == "launcher":
            process.kill()
            process.communicate()
            continue
        for child in workers_of(process.pid)[:1]:
            os.kill(child, signal.SIGKILL)
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
    done = rigorkd("run", protocol_file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert product_bytes(study) == product_bytes(finished / "results" / "tiny")
    assert list(study.rglob("checkpoint.pt")) == []


def test_no_epoch_before_the_last_checkpoint_is_trained_again(protocol_file: Path, rigorkd: Rigorkd) -> None:
    protocol_file.write_text(protocol_file.read_text().replace("epochs: 3", "epochs: 60"))
    folder = protocol_file.parent
    log = folder / "results" / "tiny" / ".logs" / "main" / "plain" / "baseline" / "seed-0.log"
    process = start_command("run", "tiny.yaml", "--only", "*/plain/baseline", "--seeds", 1, cwd=folder)
    wait_for(lambda: log.exists() and "epoch 5/60 trained" in log.read_text())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = rigorkd("run", protocol_file, "--only", "main/plain/baseline", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 1)[1] for line in log.read_text().splitlines()]
    resumed = next(line for line in lines if line.startswith("resumed after epoch"))
    last = int(resumed.rsplit(" ", 1)[1])
    assert last >= 4
    trained_after = [line for line in lines[lines.index(resumed) :] if line.endswith("trained")]
    assert trained_after[0] == f"epoch {last + 1}/60 trained"
    assert [line.split(" ")[1] for line in trained_after] == [f"{n}/60" for n in range(last + 1, 61)]


@pytest.mark.parametrize("later", [0.0, 0.3, 1.0])
def test_interrupted_while_libraries_are_imported(protocol_file: Path, later: float) -> None:
    process = start(protocol_file.parent)
    wait_for(lambda: bool(servers_of(process.pid)))
    time.sleep(later)  # it imports for a second or two
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "error: interrupted; finished work is kept, the same command resumes" in output


@pytest.mark.parametrize("later", [0.0, 1.0])
def test_a_term_signal_counts_as_ctrl_c_from_the_start(protocol_file: Path, later: float) -> None:
    process = start(protocol_file.parent)
    wait_for(lambda: bool(servers_of(process.pid)))
    time.sleep(later)
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "error: interrupted; finished work is kept, the same command resumes" in output


def test_interrupted_in_code_from_a_string_it_ends_with_its_own_code(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "import rigorkd.cli.main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def main():\n"
        "    try:\n"
        "        exec('import os, signal; os.kill(os.getpid(), signal.SIGINT); pass')\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
        "rigorkd.cli.main.main = main\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "rigorkd", "plan"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130, done


def test_interrupted_by_the_keyboard(
    protocol_file: Path, rigorkd: Rigorkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIGORKD_CHECKPOINT_EVERY")
    protocol_file.write_text(protocol_file.read_text().replace("epochs: 3", "epochs: 400"))
    folder = protocol_file.parent
    process = start(folder)
    logs = folder / "results" / "tiny" / ".logs"
    wait_for(lambda: logs.exists() and len(list(logs.rglob("seed-*.log"))) > 0)
    running = rigorkd("status", "results/tiny")
    assert re.search(r"running seed 0: (teacher|\d students)", running.stdout), running.stdout
    assert "last checkpoint not written yet" in running.stdout
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "stopping: every run ends at its next epoch" in output
    assert "the same command resumes" in output
    assert "Traceback" not in output
    assert list((folder / "results" / "tiny").rglob("checkpoint.pt")) != []
    after = rigorkd("status", "results/tiny")
    assert "nothing is running; `rigorkd run` with the same protocol resumes (last checkpoint" in after.stdout
    ages = json.loads(rigorkd("status", "results/tiny", "--format", "json").stdout)["checkpoints"]
    assert ages
    assert all(0 <= age < 300 for age in ages.values())


def test_precisions_do_not_share_a_process(protocol_file: Path, rigorkd: Rigorkd) -> None:
    """A worker that trained in one precision is replaced before it meets another."""
    text = protocol_file.read_text().replace("epochs: 2, baseline", "epochs: 2, precision: bf16, baseline")
    protocol_file.write_text(text)
    done = rigorkd("run", protocol_file, "--jobs", "1", "--seeds", "1", "--only", "*/plain/*")
    assert done.returncode == 0, done.stderr
    used = {
        r["cell"]: r["precision_used"] for r in records(protocol_file.parent / "results" / "tiny").values()
    }
    assert set(used.values()) == {"fp32", "bf16"}
    assert used["short/plain/kd-T2-a0.5"] == "bf16"


def test_fast_mode_is_a_study_of_its_own(copied: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("run", "tiny.yaml", "--mode", "fast", "--seeds", "1")
    assert done.returncode == 0, done.stderr
    fast = records(copied / "results" / "tiny.fast")
    assert len(fast) == RUNS // 2
    assert {record["mode"] for record in fast.values()} == {"fast"}
    slow = records(copied / "results" / "tiny")
    assert not {r["run_hash"] for r in fast.values()} & {r["run_hash"] for r in slow.values()}
    for name, record in fast.items():
        ours, theirs = record["metrics"], slow[name]["metrics"]
        assert isinstance(ours, dict)
        assert isinstance(theirs, dict)
        assert ours["test_loss"] == pytest.approx(theirs["test_loss"], rel=0.2)


def test_a_part_of_a_study_is_judged_within_the_whole_family(protocol_file: Path, rigorkd: Rigorkd) -> None:
    assert rigorkd("run", protocol_file, "--only", "main/plain/*").returncode == 0
    done = rigorkd("analyze", "--interim", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (gains,) = (family for family in document["families"] if family["name"] == "gains")
    assert gains["size"] == 5
    assert sorted(c["n"] for c in gains["comparisons"]) == [0, 0, 0, 2, 2]
    assert any("10 of 16 runs are not there yet" in warning for warning in document["warnings"])


def make_stale(study: Path, run: str) -> None:
    """As if another configuration had made the record: sealed as such."""
    path = study / run / "record.json"
    record = {**json.loads(path.read_text()), "run_hash": "0" * 64, "lr": 0.5}
    path.write_text(json.dumps({**record, SEAL: seal(record)}))


def test_a_cell_of_several_configurations_is_not_analysed(copied: Path, rigorkd: Rigorkd) -> None:
    make_stale(copied / "results/tiny", "main/plain/kd-T4-a0.5/seed-1")
    done = rigorkd("analyze")
    assert done.returncode == 2
    assert "main/plain/kd-T4-a0.5 has runs of different configurations" in done.stderr
    assert "lr: 0.5 → 0.01" in done.stderr
    assert "--retrain-stale" in done.stderr


def test_what_only_run_minds_stops_no_reading_command(
    copied: Path, protocol_file: Path, rigorkd: Rigorkd
) -> None:
    for seed in (0, 1):
        make_stale(copied / "results/tiny", f"main/plain/kd-T4-a0.5/seed-{seed}")
    for command in ("analyze", "status", "table", "report"):
        done = rigorkd(command)
        assert done.returncode == 0, done.stderr
    said = rigorkd("analyze")
    words = " ".join((said.stdout + said.stderr).split())  # lines are folded where a path's length says
    assert "2 records differ from what the newest protocol says" in words
    assert "lr: 0.5 → 0.01" in words
    refused = rigorkd("run", protocol_file)
    assert refused.returncode == 2
    assert "2 records no longer fit the protocol" in refused.stderr
