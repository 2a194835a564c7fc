"""`rigorkd logs`: a run's log, its failed worker's since that task, and a log that grows."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.logs import logs
from rigorkd.errors import InputError
from rigorkd.launch.failures import (
    BEFORE,
    AllAlike,
    Failure,
    advice,
    by_reason,
    follow,
    is_out_of_memory,
    note_failure,
    read_failure,
    read_log,
)
from rigorkd.records.layout import StudyFolder

RUN = "main/plain/baseline/seed-0"


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    """A study with the log of one run, which failed after another task of its worker."""
    study = StudyFolder(tmp_path / "tiny")
    study.path.mkdir()
    study.study_json.write_text("{}")
    study.run_log(RUN).parent.mkdir(parents=True)
    study.run_log(RUN).write_text("2026 started\n2026 epoch 1/3 trained\n")
    before = "of another task\n"
    study.worker_log("ab-0").write_text(before + "Traceback\n")
    log = study.worker_log("ab-0").relative_to(study.path).as_posix()
    note_failure(study, Failure(RUN, "h", "ValueError: no", log=log, log_start=len(before)))
    return study


def test_a_failed_run_shows_its_worker_since_the_task_began(study: StudyFolder) -> None:
    found = read_log(study, RUN)
    assert found.text == "2026 started\n2026 epoch 1/3 trained\nfailed: ValueError: no\n"
    assert found.worker_text == "Traceback\n"
    shown = CliRunner().invoke(logs, [str(study.run(RUN)), "--lines", "1"])
    assert shown.exit_code == 0
    assert shown.output.startswith("failed: ValueError: no\n--- its worker's log")
    assert shown.output.endswith("Traceback\n")
    by_name = CliRunner().invoke(logs, [RUN, "--study", str(study.path)])
    assert by_name.output.startswith("2026 started\n")


def test_an_unknown_run_offers_the_nearest(study: StudyFolder) -> None:
    with pytest.raises(InputError, match="no log of such a run") as caught:
        read_log(study, "main/plain/basline/seed-0")
    assert f"did you mean {RUN}?" in str(caught.value)


def test_a_log_is_followed_by_whole_lines_until_its_run_has_ended(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study.run_log(RUN)
    added = iter(["2026 epo", "ch 2/3 trained\n2026 epoch 3/3", " trained\n"])
    looks = 0

    def ended() -> bool:
        nonlocal looks
        looks += 1
        with path.open("a") as file:
            file.write(next(added, ""))
        return looks > 4

    monkeypatch.setattr("rigorkd.launch.failures.POLL", 0.0)
    shown = list(follow(path, path.stat().st_size, ended))
    assert shown == ["2026 epoch 2/3 trained\n", "2026 epoch 3/3 trained\n"]


def test_nothing_is_lost_between_what_was_read_and_what_is_followed(study: StudyFolder) -> None:
    found = read_log(study, RUN)
    with found.path.open("a") as file:
        file.write("2026 written in between\n")
    assert list(follow(found.path, found.size, lambda: True)) == ["2026 written in between\n"]


def test_a_note_is_read_back_and_a_damaged_one_is_none(study: StudyFolder) -> None:
    failure = read_failure(study, RUN)
    assert failure is not None
    assert failure.reason == "ValueError: no"
    for content in ("", "[]", "{}", '{"time": 1, "colour": "red"}'):
        study.failure(RUN).write_text(content)
        assert read_failure(study, RUN) is None


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "--memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory", "batch_size"),
        ("its worker died 3 times, last with exit code -9 (log: x)", "killed"),
        ("exit code 1: torch.OutOfMemoryError: CUDA out of memory.", "a smaller batch in the command"),
        ("exit code 1: EOFError: EOF when reading a line", "no input"),
        ("ValueError: no", ""),
    ],
)
def test_advice(reason: str, says: str) -> None:
    assert says in advice(reason)
    assert bool(advice(reason)) == bool(says)
    assert is_out_of_memory(reason) == ("--slots or" in advice(reason))


def test_runs_that_failed_for_one_reason_are_one_line_and_causes_come_first() -> None:
    behind = {f"main/{cell}/seed-0": "it needs teacher/seed-0, which failed" for cell in "abcdefgh"}
    failed = {"teacher/seed-1": "ValueError: x", **behind, "teacher/seed-0": "ValueError: x"}
    assert list(by_reason(failed)) == [
        ("teacher/seed-1, teacher/seed-0", "ValueError: x"),
        (
            ", ".join(f"main/{cell}/seed-0" for cell in "abcdef") + " and 2 more",
            "it needs teacher/seed-0, which failed",
        ),
    ]


def test_reasons_that_differ_in_numbers_or_in_what_was_printed_are_one() -> None:
    failed = {
        "a/seed-0": "accuracy is 653, too large; it printed last: 'fold 1'",
        "a/seed-1": 'accuracy is 66.5, too large; it printed last: "done"',
        "a/seed-2": f"accuracy is 7, too large; it printed last: 'x'{BEFORE}",
        "b/seed-0": "exit code 1: no file run-0",
        "b/seed-1": "exit code 12: no file run-1",
    }
    assert [names for names, _ in by_reason(failed)] == [
        "a/seed-0, a/seed-1",
        "a/seed-2",
        "b/seed-0",
        "b/seed-1",
    ]
    assert next(by_reason(failed))[1] == f"{failed['a/seed-0']} (so the first; the others alike)"


def test_tasks_that_all_fail_alike_hold_the_others_back() -> None:
    watch = AllAlike(2)
    watch.failed("main/a/seed-0", "main/a", "ResultError: it left no m.json in run-0")
    watch.failed("main/a/seed-1", "main/a", "ResultError: it left no m.json in run-1")
    assert not watch.reason({"main/b"})  # it may be a's alone
    assert watch.reason({"main/a"}) == "not started, since the first ones failed alike"
    watch.failed("main/b/seed-0", "main/b", "ResultError: it left no m.json in run-0")
    assert watch.reason({"main/c"}).endswith("the first ones failed alike")
    watch.succeeded()
    assert not watch.reason({"main/c"})


def test_the_name_of_a_cell_makes_no_reason_another() -> None:
    watch = AllAlike(2)
    for method in ("baseline", "kd-T4"):
        name = method.partition("-")[0]
        watch.failed(
            f"main/a/{method}/seed-0", f"main/a/{method}", f"unrecognized arguments: --method {name}"
        )
    assert watch.reason({"main/a/dkd"})


def test_one_run_whose_number_is_not_found_holds_the_others_back() -> None:
    watch = AllAlike(8)
    watch.failed("main/a/seed-0", "main/a", "it left no m.json", unread=True)
    assert watch.reason({"main/b"}) == "not started, since no number was found of the first one that ended"
    for told in (AllAlike(0), watch):  # --keep-going; a run that has its record
        told.succeeded()
        told.failed("main/b/seed-0", "main/b", "it left no m.json", unread=True)
        assert not told.reason({"main/b"})


def test_a_teacher_of_which_no_number_is_asked_ends_no_watch_for_numbers() -> None:
    watch = AllAlike(2)
    watch.succeeded(student=False)
    watch.failed("main/a/seed-0", "main/a", "it left no m.json", unread=True)
    assert watch.reason({"main/b"})
    watch = AllAlike(0, numbers=True)  # a job, which has few of the study's tasks
    watch.failed("main/a/seed-0", "main/a", "KeyError: x")
    watch.failed("main/b/seed-0", "main/b", "KeyError: x")
    assert not watch.reason({"main/c"})
    watch.failed("main/c/seed-0", "main/c", "it left no m.json", unread=True)
    assert watch.reason({"main/d"})
    watch.succeeded()
    assert not watch.reason({"main/d"})


def test_one_task_or_two_reasons_hold_nothing_back() -> None:
    watch = AllAlike(2)
    watch.failed("main/a/seed-0", "main/a", "ValueError: x")
    watch.failed("main/a/seed-0", "main/b", "ValueError: x")  # another run of one cohort
    assert not watch.reason({"main/c"})
    watch.failed("main/c/seed-0", "main/c", "KeyError: x")
    assert not watch.reason({"main/d"})
