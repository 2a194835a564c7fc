"""The study that is meant where none is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.errors import InputError
from rigorkd.launch.heartbeat import Heartbeat, starting
from rigorkd.launch.removal import Wanted, remove
from rigorkd.launch.study_status import default_study, study_status
from rigorkd.protocol.load import load_protocol
from rigorkd.protocol.smoke import smoke
from rigorkd.records.interim import note_shown
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import register
from tests.launch.made_study import PROTOCOL, at, make

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]
Made = Callable[..., Path]


@pytest.fixture
def made(protocol_file: Path) -> Made:
    """Begins a study of the small protocol; `finished` is when its one record says that it ended."""

    def begun(name: str, finished: str = "", *, smoked: bool = False) -> Path:
        loaded = load_protocol(protocol_file)
        loaded = smoke(loaded) if smoked else loaded
        folder = protocol_file.parent / "results" / name
        register(folder, loaded, (0,), "reference", {})
        if finished:
            record = StudyFolder(folder).record("main/plain/baseline/seed-0")
            record.parent.mkdir(parents=True)
            record.write_text(json.dumps({"finished": finished}))
        return folder

    return begun


def test_a_smoke_study_is_taken_only_if_there_is_no_other(made: Made, rigorkd: Rigorkd) -> None:
    trial = made("tiny.smoke", "2026-03-01", smoked=True)
    found, why = default_study(trial.parent)
    assert found == trial
    assert why == "a smoke study, on synthetic data: there is no real one here"
    assert f"note: results/tiny.smoke: {why}" in rigorkd("status").stderr
    old = made("old", "2026-01-01")
    made("broken").joinpath("study.json").write_text("{}")
    assert default_study(trial.parent) == (old, "the newest of 2 studies, smoke studies apart")
    new = made("new", "2026-02-01")
    assert default_study(trial.parent) == (new, "the newest of 3 studies, smoke studies apart")


def test_a_study_that_runs_now_comes_first(made: Made) -> None:
    running, done = made("running"), made("done", "2026-03-01")
    trial = made("tiny.smoke", smoked=True)
    assert default_study(done.parent)[0] == done
    with Heartbeat(StudyFolder(running)) as me:
        assert default_study(done.parent) == (running, f"it runs now ({me.holder.says})")
        with Heartbeat(StudyFolder(trial)):
            assert default_study(done.parent)[0] == running, "a real one before one that is tried out"
    with Heartbeat(StudyFolder(trial)):
        assert default_study(done.parent)[0] == trial
    assert default_study(done.parent) == (done, "the newest of 2 studies, smoke studies apart")


@pytest.mark.parametrize("command", [("status",), ("analyze",), ("merge", "other")])
def test_a_folder_of_studies_is_no_study_and_one_of_them_is_proposed(
    made: Made, rigorkd: Rigorkd, command: tuple[str, ...]
) -> None:
    results = made("first").parent
    done = rigorkd(command[0], str(results), *command[1:], cwd=results.parent)
    assert done.returncode == 2
    assert f"there are studies in {results}: give one, such as" in done.stderr
    assert "first" in done.stderr


def test_a_protocol_is_no_result(protocol_file: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("analyze", protocol_file.name, cwd=protocol_file.parent)
    assert done.returncode == 2
    assert "a protocol, or another file in YAML, and no results" in done.stderr


def test_a_launcher_that_is_starting_is_no_study_at_which_nothing_runs(made: Made) -> None:
    folder = made("tiny")
    assert "nothing is running" in study_status(folder).text()
    with Heartbeat(StudyFolder(folder)) as me:
        starting = study_status(folder)
        assert f"{me.holder.says}: here, and trains nothing yet" in starting.text()
        assert "nothing is running" not in starting.text()
        (entry,) = starting.document()["launchers"]
        assert (entry["launcher"], entry["done"], entry["running"]) == (me.holder.says, 0, [])
        assert starting.launchers, "so `--watch` stays"
    assert "nothing is running" in study_status(folder).text()


def test_a_launch_is_seen_before_there_is_a_study(made: Made, tmp_path: Path, rigorkd: Rigorkd) -> None:
    """Libraries are imported and data are read first, which may take minutes, or end it all."""
    done = made("done", "2026-03-01")
    new = done.parent / "new"
    with starting(StudyFolder(new), "slurm job 12") as me:
        assert me is not None
        assert default_study(done.parent, begun=False) == (new, f"it starts now ({me.holder.says})")
        assert default_study(done.parent) == (done, ""), "what judges results needs a study"
        found = study_status(new)
        assert found.text().splitlines() == [
            f"{new}: no run is noted yet",
            f"  {me.holder.says}: starting: it trains nothing yet",
        ]
        assert found.document()["launchers"][0]["state"] == "starting"
        assert found.document()["runs"]["total"] == 0
        for named in ([], ["new"], [new]):
            said = rigorkd("status", *named)
            assert "starting: it trains nothing yet" in said.stdout, said.stderr
        assert rigorkd("analyze", "new").returncode == 2
        me.begin_work()
        assert found.document()["launchers"][0]["state"] == "starting", "workers are not there yet"
    assert not new.exists(), "what came to nothing leaves nothing"
    assert default_study(done.parent, begun=False) == (done, "")
    alone = StudyFolder(tmp_path / "elsewhere" / "results" / "new")
    with starting(alone):
        assert default_study(alone.path.parent, begun=False)[0] == alone.path
    assert not (tmp_path / "elsewhere").exists()
    with pytest.raises(InputError, match="no study"):
        default_study(tmp_path / "elsewhere", begun=False)


def test_a_launch_that_starts_again_in_a_study_is_told_from_one_that_trains(made: Made) -> None:
    again, other = made("again"), made("other", "2026-03-01")
    with starting(StudyFolder(again)) as me:
        assert me is not None
        assert default_study(other.parent) == (again, f"it starts now ({me.holder.says})")
        assert "starting" in study_status(again).text()
        me.begin_work()
        assert default_study(other.parent) == (again, f"it runs now ({me.holder.says})")
    assert again.joinpath("study.json").exists()


def test_a_smoke_launch_that_starts_comes_after_a_study_that_runs(made: Made) -> None:
    running = made("running")
    trial = running.parent / "tiny.smoke"
    with starting(StudyFolder(trial)):
        assert default_study(running.parent, begun=False)[0] == trial
        with Heartbeat(StudyFolder(running)):
            assert default_study(running.parent, begun=False)[0] == running


AS_MADE = "with the --set and --study that made this study, if any did"


def test_missing_runs_are_said_with_the_command_that_trains_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial at seed 0, of a protocol that asks for others or for more."""
    monkeypatch.chdir(tmp_path)
    text = PROTOCOL.replace("seeds: 4", "seeds: [1, 2, 3]")
    study = make(tmp_path, seeds=(0,), text=text, train=lambda run: "baseline" in run or "teacher" in run)
    lines = study_status(study).text().splitlines()
    assert lines[1:] == [
        f"  nothing is running; `rigorkd run PROTOCOL --seeds 1` resumes ({AS_MADE})",
        "  3 seeds of the protocol (1:4) no run has asked for yet: `rigorkd run` without --seeds trains all"
        " of them",
    ]
    make(tmp_path, seeds=(1, 2, 3), text=text)
    assert study_status(study).document()["seeds_left"] == [0]
    lines = study_status(study).text().splitlines()
    assert lines[1:] == [
        f"  nothing is running; `rigorkd run PROTOCOL --seeds 4` resumes ({AS_MADE})",
        "  what is missing at seeds 0:1 the latest `rigorkd run` did not ask for: `rigorkd remove "
        f"{study} --seeds 0:1` gives these seeds up",
    ]
    note_shown(study, range(4), "test_top1", 1, summary=True)
    assert "--seeds 0:1 --because WHY`" in study_status(study).text(), "what was shown takes a reason"
    assert "gives these seeds up, after which every verdict is exploratory" in study_status(study).text()
    remove(study, Wanted(seeds=(0,)), "a trial")
    assert study_status(study).runs["missing"] == 0


def test_a_finished_trial_misses_nothing_and_says_what_its_protocol_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    study = make(tmp_path, seeds=(0,))
    found = study_status(study)
    assert (found.resume, found.seeds_left, found.seeds_ahead) == (
        "rigorkd run PROTOCOL --seeds 1",
        (),
        (1, 2, 3),
    )
    assert "nothing is running" not in found.text()
    assert "3 seeds of the protocol (1:4) no run has asked for yet" in found.text()
    make(tmp_path, train=at())
    assert (
        study_status(study)
        .text()
        .endswith("  nothing is running; `rigorkd run` with the same protocol resumes")
    )
    remove(study, Wanted(seeds=(1, 2, 3)))
    assert not study_status(study).seeds_ahead, "they were given up"
