"""`rigorkd run --slurm` against a stand-in of Slurm's commands: what it hands over, says, and refuses."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from rigorkd.errors import InputError, StoreError
from rigorkd.launch.backends.interface import Submitted, Work
from rigorkd.launch.backends.slurm import backend as backend_module
from rigorkd.launch.backends.slurm import job as slurm_job
from rigorkd.launch.backends.slurm.backend import Slurm
from rigorkd.launch.backends.slurm.cluster import jobs_in_queue
from rigorkd.launch.backends.slurm.submission import (
    Submission,
    read_submission,
    submissions,
    write_submission,
)
from rigorkd.launch.display import PlainConsole
from rigorkd.launch.failures import NO_NUMBER, Failure, note_failure, read_failures
from rigorkd.launch.heartbeat import Holder, ProcessId
from rigorkd.launch.launch import LaunchOptions, launch
from rigorkd.launch.progress import Progress, ProgressFile
from rigorkd.protocol.load import load_protocol
from rigorkd.records.expected import expected_hashes
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import read_info
from tests.conftest import run_program

GOLDEN = Path(__file__).parent / "golden" / "cohorts.sh"

SBATCH = """\
#!/bin/sh
# Takes every job, numbers it, and keeps it in the queue until `queue` is emptied.
cd "$(dirname "$0")"
if grep -q "partition=nowhere" "$1"; then
    echo "sbatch: error: invalid partition specified: nowhere" >&2
    exit 1
fi
number=$(($(cat number 2>/dev/null || echo 11) + 1))
echo $number >number
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
if [ -n "$last" ]; then
    for task in $(seq 0 $last); do echo ${number}_$task >>queue; done
else
    echo $number >>queue
fi
echo "Submitted batch job $number"
"""
SQUEUE = """\
#!/bin/sh
echo "$@" >>"$(dirname "$0")/asked"
cat "$(dirname "$0")/queue" 2>/dev/null || true
"""

SCANCEL = """\
#!/bin/sh
echo "$@" >>"$(dirname "$0")/cancelled"
rm -f "$(dirname "$0")/queue"
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A folder of commands that take jobs and run none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    commands = {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL, "srun": "#!/bin/sh\nexit 1\n"}
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def run(cluster: Path, protocol_file: Path, rigorkd: Run) -> Run:
    """`rigorkd run tiny.yaml …` where the stand-in is on the path."""

    def command(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
        return rigorkd("run", protocol_file.name, *arguments, PATH=path or f"{cluster}:{os.environ['PATH']}")

    return command


def test_a_study_becomes_arrays_of_cohorts(run: Run, cluster: Path, tmp_path: Path, rigorkd: Run) -> None:
    asked = "partition=gpu,gpus=1,time=4:00:00,mem=16G,cpus=4,array=8,account=lab,exclude=n[1-2]"
    done = run("--slurm", asked, "--seeds", "3", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "tiny: 27 runs in 6 jobs submitted to Slurm" in done.stdout
    assert "job 13: 3 tasks, after job 12" in done.stdout
    assert "rigorkd status results/tiny" in done.stdout
    study = StudyFolder(tmp_path / "results" / "tiny")
    ((folder, submission),) = submissions(study)
    assert [array.id for array in submission.arrays] == ["12", "13"]
    assert submission.device == "cpu"
    script = (folder / "13_submission.sh").read_text()
    for found, shown in (
        (str(folder), "FOLDER"),
        (submission.name, "NAME"),
        (sys.executable, "PYTHON"),
    ):
        script = script.replace(found, shown)
    assert script == GOLDEN.read_text()
    assert list(study.records()) == []
    status = rigorkd("status", "results/tiny")
    assert "27 runs handed to Slurm, not begun: job 12, 13" in status.stdout, status.stderr
    handed = [run for runs in submission.runs_by_job().values() for run in runs]
    assert len(handed) == len(set(handed)) == 27


def test_what_is_queued_is_not_submitted_again(run: Run, cluster: Path, tmp_path: Path) -> None:
    run("--slurm", "time=10", "--seeds", "2")
    again = run("--slurm", "time=10", "--seeds", "2")
    assert again.returncode == 0, again.stderr
    assert "18 runs in the cluster's queue already, not submitted again" in again.stdout
    assert "nothing to submit" in again.stdout
    more = run("--slurm", "time=10", "--seeds", "3")
    assert "tiny: 9 runs in 2 jobs submitted" in more.stdout, more.stderr
    (cluster / "queue").unlink()  # all cancelled
    anew = run("--slurm", "time=10", "--seeds", "3")
    assert "tiny: 27 runs in 6 jobs submitted" in anew.stdout, anew.stderr
    names = [submission.name for _, submission in submissions(StudyFolder(tmp_path / "results" / "tiny"))]
    assert len(set(names)) == 3
    assert all(name in (cluster / "asked").read_text() for name in names[:2])


def test_finished_runs_are_not_submitted(run: Run, finished: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(finished / "results", tmp_path / "results")
    done = run("--slurm", "time=10")
    assert done.returncode == 0, done.stderr
    assert "nothing to submit" in done.stdout
    more = run("--slurm", "time=10", "--seeds", "3")
    assert "tiny: 9 runs in 2 jobs submitted to Slurm, 18 already done" in more.stdout


def test_what_failed_before_is_submitted_only_if_asked_to(run: Run, cluster: Path, tmp_path: Path) -> None:
    run("--slurm", "time=10", "--seeds", "1")
    (cluster / "queue").unlink()
    study = StudyFolder(tmp_path / "results" / "tiny")
    expected = expected_hashes(load_protocol(tmp_path / "tiny.yaml"), (0,), "reference", {})
    teacher = "teacher/seed-0"
    note_failure(study, Failure(teacher, expected[teacher].run_hash, "ValueError: out of paper"))
    without = run("--slurm", "time=10", "--seeds", "1")
    assert "1 run failed before; --retry-failed submits them again" in without.stdout, without.stderr
    assert "tiny: 3 runs in 1 job submitted" in without.stdout  # the baselines, which need no teacher
    (cluster / "queue").unlink()
    again = run("--slurm", "time=10", "--seeds", "1", "--retry-failed")
    assert "tiny: 9 runs in 2 jobs submitted" in again.stdout, again.stderr


def test_what_a_lost_node_trained_is_submitted(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGORKD_LAUNCHER_EXPIRY", "0.5")
    lost = StudyFolder(tmp_path / "results" / "tiny").launcher("lost")
    lost.mkdir(parents=True)
    holder = Holder("lost", ProcessId("another place", 1, "1"), "slurm job 11")
    (lost / "holder.json").write_text(json.dumps(asdict(holder)))
    progress = Progress.of({"teacher/seed-0": 20})
    progress.running.append("teacher/seed-0")
    ProgressFile(lost).write(progress, force=True)
    done = run("--slurm", "time=10", "--seeds", "1")
    assert "tiny: 9 runs in 2 jobs submitted to Slurm" in done.stdout, done.stdout + done.stderr
    assert "being trained now" not in done.stdout


def test_a_cluster_that_says_nothing_is_named(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cluster / "squeue").write_text("#!/bin/sh\necho >&2\nexit 1\n")
    monkeypatch.setenv("PATH", f"{cluster}:{os.environ['PATH']}")
    with pytest.raises(InputError, match=r"the cluster does not answer .*exit status 1"):
        jobs_in_queue({"rigorkd-tiny"})


@pytest.fixture
def here(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in on this process's own path."""
    monkeypatch.setenv("PATH", f"{cluster}:{os.environ['PATH']}")
    return cluster


class Kept(Slurm):
    """Keeps what it has submitted."""

    def submit(self, work: Work) -> Submitted:
        self.submitted = super().submit(work)
        return self.submitted


def test_what_was_submitted_lives_until_it_is_cancelled(here: Path, protocol_file: Path) -> None:
    backend = Kept("time=10")
    options = LaunchOptions(seeds=(0,), results=protocol_file.parent / "results")
    outcome = launch(load_protocol(protocol_file), options, PlainConsole(), backend)
    assert not outcome.ended
    assert len(backend.submitted.alive()) == len(backend.submitted.runs) == 9
    backend.submitted.cancel()
    ((_, submission),) = submissions(outcome.study)
    assert (here / "cancelled").read_text() == f"--name={submission.name}\n"
    assert backend.submitted.alive() == set()


def test_a_job_of_which_no_note_can_be_made_is_cancelled(
    here: Path, protocol_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No later command would know it, and it would be submitted twice."""
    writes = 0

    def full(folder: Path, submission: Submission) -> None:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_submission(folder, submission)

    monkeypatch.setattr(backend_module, "write_submission", full)
    options = LaunchOptions(seeds=(0,), results=protocol_file.parent / "results")
    with pytest.raises(OSError, match="No space left"):
        launch(load_protocol(protocol_file), options, PlainConsole(), Slurm("time=10"))
    assert (here / "cancelled").read_text().startswith("--name=rigorkd-tiny-")
    assert not (here / "queue").exists()


def test_a_single_job_is_no_array(run: Run, tmp_path: Path) -> None:
    done = run("--slurm", "time=10", "--seeds", "1", "--only", "main/plain/*")
    assert "job 12: 1 task\n" in done.stdout
    ((folder, submission),) = submissions(StudyFolder(tmp_path / "results" / "tiny"))
    assert set(submission.runs_by_job()) == {"12", "13"}
    assert "--array" not in (folder / "13_submission.sh").read_text()


def test_a_job_trains_the_text_that_was_submitted(run: Run, protocol_file: Path, tmp_path: Path) -> None:
    """… and does not make it the study's newest again, after the file was edited and submitted anew."""
    only = ("--slurm", "time=10", "--seeds", "1", "--only", "main/plain/baseline")
    assert run(*only).returncode == 0
    study = StudyFolder(tmp_path / "results" / "tiny")
    ((folder, submission),) = submissions(study)
    protocol_file.write_text(protocol_file.read_text().replace("epochs: 3", "epochs: 4"))
    assert "nothing to submit" in run(*only).stdout
    job = run_program(Path(slurm_job.__file__), folder, 0, 0, cwd=tmp_path)
    assert job.returncode == 0, job.stderr
    assert "slurm job 12 on an unnamed node, GPUs: none" in job.stdout
    assert "1 run trained, 0 runs failed" in job.stdout
    record = json.loads((study.run("main/plain/baseline/seed-0") / "record.json").read_text())
    assert record["epochs"] == 3
    known = read_info(study.path).protocols
    assert known == (submission.text_hash, load_protocol(protocol_file).text_hash)


OWN = """\
rigorkd: 1
study: own
trainer: {command: "bash go.sh {seed}", code: [go.sh], result: stdout, metrics: {accuracy: max}}
students: [net]
groups: {main: {baseline: true}}
seeds: 4
"""


def test_no_job_trains_after_a_run_whose_number_was_not_found(
    cluster: Path, rigorkd: Run, tmp_path: Path
) -> None:
    """As on one machine: its command would run in vain, in jobs that wait and in those of a next launch."""
    path = f"{cluster}:{os.environ['PATH']}"
    (tmp_path / "go.sh").write_text("echo went $1 >> went.txt; echo Test set: Accuracy: 653/797\n")
    (tmp_path / "own.yaml").write_text(OWN)
    done = rigorkd("run", "own.yaml", "--slurm", "time=10", PATH=path)
    assert done.returncode == 0, done.stderr
    study = StudyFolder(tmp_path / "results" / "own")
    ((folder, submission),) = submissions(study)
    assert not submission.keep_going
    first = run_program(Path(slurm_job.__file__), folder, 0, 0, cwd=tmp_path)
    assert (first.returncode, "no number" in first.stderr) == (1, False)
    (failure,) = read_failures(study).values()
    assert failure.unread
    held = run_program(Path(slurm_job.__file__), folder, 0, 1, cwd=tmp_path)
    assert held.returncode == 1
    assert held.stderr.endswith("error: not started, since no number was found of the first one that ended\n")
    assert (tmp_path / "went.txt").read_text().count("went") == 1
    assert len(read_failures(study)) == 1, "what was held back has not failed"
    (cluster / "queue").unlink()
    again = rigorkd("run", "own.yaml", "--slurm", "time=10", PATH=path)
    assert "own: 3 runs not started, since no number was found of the first one" in again.stdout, again.stderr
    assert "--keep-going submits the others all the same" in again.stdout
    here = rigorkd("run", "own.yaml")
    assert here.returncode == 1
    assert "3 runs not started" in here.stderr
    assert (tmp_path / "went.txt").read_text().count("went") == 1
    going = rigorkd("run", "own.yaml", "--slurm", "time=10", "--keep-going", PATH=path)
    assert "own: 3 runs in 3 jobs submitted" in going.stdout, going.stderr
    assert submissions(study)[-1][1].keep_going


def test_what_waits_for_a_job_that_was_held_back_says_so_as_on_one_machine(
    here: Path, tmp_path: Path
) -> None:
    (tmp_path / "go.sh").write_text("exit 0\n")
    (tmp_path / "own.yaml").write_text(OWN)
    backend = Kept("time=10")
    options = LaunchOptions(seeds=(0,), results=tmp_path / "results")
    outcome = launch(load_protocol(tmp_path / "own.yaml"), options, PlainConsole(), backend)
    ((folder, submission),) = submissions(outcome.study)
    ((job, (run,)),) = submission.runs_by_job().items()
    (folder / f"{job}_0_log.out").write_text(f"error: {NO_NUMBER}\n")
    assert backend.submitted.why_lost(run) == NO_NUMBER


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--slurm", "partiton=gpu"), "error: --slurm: no key 'partiton'\n  did you mean partition?"),
        (
            ("--slurm", "partition=nowhere"),
            "error: --slurm: the cluster refused the jobs\n  sbatch: error: invalid partition",
        ),
        (("--wait",), "--wait needs --slurm"),
        (("--slurm", "time=10", "--wandb"), "without --wandb"),
        (("--slurm", "time=10", "--backend", "local"), "give one of them"),
        (("--backend", "slurm:time=soon"), "error: --slurm: time=soon: not a time limit"),
    ],
)
def test_what_cannot_be_submitted_is_refused(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_gets_the_gpus_that_a_run_takes(run: Run, protocol_file: Path) -> None:
    text = protocol_file.read_text().replace("batch_size: 16", "batch_size: 16\n  processes_per_run: 4")
    protocol_file.write_text(text)
    few = run("--slurm", "gpus=a100:2")
    assert few.returncode == 2
    assert "gpus=a100:2: a run of this protocol takes 4 GPUs" in few.stderr
    enough = run("--slurm", "gpus=4")
    assert enough.returncode == 0, enough.stderr


def test_without_slurm_the_message_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run("--slurm", "time=10", path=str(tmp_path / "empty"))
    assert done.returncode == 2
    assert "there is no sbatch or srun or squeue on this machine" in done.stderr
    assert not (tmp_path / "results").exists()


def test_without_submitit_the_message_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from rigorkd.launch.backends.slurm.cluster import slurm_executor

    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InputError, match=re.escape("pip install 'rigorkd[slurm]'")):
        slurm_executor(tmp_path)


def test_a_damaged_note_is_named(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "20260101T000000-abcd"
    folder.mkdir()
    path = folder / "submission.json"
    for content in ("{", "[]", json.dumps({"schema": "other/1"}), json.dumps({"schema": "rigorkd.slurm/1"})):
        path.write_text(content)
        with pytest.raises(StoreError, match="cannot be read"):
            read_submission(folder)
