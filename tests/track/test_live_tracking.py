"""A launch that is followed: what arrives, and that a bad tracker changes nothing but one warning."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rigorkd.errors import RigorkdError
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records
from rigorkd.track import live
from rigorkd.track.follower import Taken
from rigorkd.track.in_memory import MemoryTracker
from rigorkd.track.ledger import Ledger
from rigorkd.track.live import LiveTracking
from rigorkd.track.tracker import MakeTracker, card_of_record, history_of, summary_of
from rigorkd.train.events import EpochDone, RunDone, RunFailed

Launched = Callable[[Path, MakeTracker | None], tuple[Path, str]]

TIMES = ("finished", "train_seconds", "latency_ms", "record_sha256", "git_commit", "git_dirty")
"""What differs between two equal runs: when they ran, and the hash of a record that says so."""


def contents(study: Path) -> dict[str, bytes | str]:
    """The bytes of every file of every record; of `record.json` all but times."""
    found: dict[str, bytes | str] = {}
    for path in StudyFolder(study).records():
        for file in sorted(path.parent.iterdir()):
            found[str(file.relative_to(study))] = file.read_bytes()
        fields = json.loads(path.read_bytes())
        fields["metrics"] = {k: v for k, v in fields["metrics"].items() if k not in TIMES}
        found[str(path.relative_to(study))] = json.dumps({k: v for k, v in fields.items() if k not in TIMES})
    return found


@pytest.fixture(scope="module")
def untracked(plain_study: Path) -> dict[str, bytes | str]:
    return contents(plain_study)


def test_a_followed_launch_arrives_whole(
    tmp_path: Path, untracked: dict[str, bytes | str], launched: Launched
) -> None:
    study, said = launched(tmp_path, partial(MemoryTracker, tmp_path / "seen.json"))
    assert "4 runs sent to memory" in said
    assert contents(study) == untracked
    seen = {entry["card"]["name"]: entry for entry in json.loads((tmp_path / "seen.json").read_text())}
    records = read_records(StudyFolder(study))
    assert set(seen) == {record.run for record in records}
    for record in records:
        entry, card = seen[record.run], card_of_record(record)
        assert (entry["card"]["id"], entry["card"]["group"], entry["card"]["job_type"]) == (
            record.run_hash,
            record.fields["cell"],
            record.fields["role"],
        )
        assert entry["state"] == "finished"
        assert entry["opened"] == 1
        assert entry["rows"] == history_of(record)
        assert entry["config"] == dict(card.config)
        assert entry["summary"] == summary_of(record)
        assert (record.run_hash, "memory") in Ledger(study)


TROUBLES = ("raise on open", "raise on log", "raise on finish", "hang on open", "hang on finish", "die")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_bad_tracker_changes_no_byte(
    tmp_path: Path,
    untracked: dict[str, bytes | str],
    trouble: str,
    launched: Launched,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "LONGEST_CLOSE", 1.0)
    study, said = launched(tmp_path, partial(MemoryTracker, trouble=trouble))
    assert said.count("warning: tracking stopped") == 1, said
    assert f"rigorkd publish {study}" in said.replace("\n", "")
    assert contents(study) == untracked


class Following:
    """A `LiveTracking` of a study that has no runs, with what it says."""

    def __init__(self, folder: Path, make: MakeTracker, patience: float = 60.0) -> None:
        self.said: list[str] = []
        self.tracking = LiveTracking(
            make,
            StudyFolder(folder),
            {},
            mode="reference",
            smoke=False,
            say=self.said.append,
            patience=patience,
        )


def wait_for(tracking: LiveTracking, condition: object) -> None:
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:  # type: ignore[operator]
        tracking(None)
        time.sleep(0.01)


def test_a_tracker_that_hangs_is_dropped_while_training_goes_on(plain_study: Path) -> None:
    make = partial(MemoryTracker, trouble="hang on open")
    following = Following(plain_study, make, patience=0.5)
    with following.tracking as tracking:
        began = time.monotonic()
        for _ in range(1000):
            tracking(RunDone("teacher/seed-0", "done", 90.0))
        assert time.monotonic() - began < 5, "telling must not wait"
        wait_for(tracking, lambda: following.said)
        for _ in range(1000):
            tracking(RunDone("teacher/seed-0", "done", 90.0))
    assert len(following.said) == 1
    assert "no answer for" in following.said[0]


def test_a_tracker_that_raises_is_dropped_with_its_words(plain_study: Path) -> None:
    following = Following(plain_study, partial(MemoryTracker, trouble="raise on finish", destination="x"))
    with following.tracking as tracking:
        tracking(RunDone("teacher/seed-0", "done", 90.0))
        wait_for(tracking, lambda: following.said)
        tracking(RunDone("teacher/seed-0", "done", 90.0))
    assert len(following.said) == 1
    assert "ConnectionError: no answer to finish" in following.said[0]


def test_a_queue_that_fills_up_drops_the_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST_QUEUE", 10)
    following = Following(tmp_path / "s", partial(MemoryTracker, trouble="hang on open"))
    with following.tracking as tracking:
        for epoch in range(100_000):
            tracking(EpochDone(epoch, 9, 1, 1, 1.0, {"r": {"epoch": epoch, "note": "x" * 1000}}))  # type: ignore[dict-item]
            if following.said:
                break
    assert following.said == [following.said[0]]
    assert "keep up" in following.said[0]


def test_an_interrupted_launch_does_not_wait_for_its_tracker(
    plain_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_CLOSE_INTERRUPTED", 0.2)
    following = Following(plain_study, partial(MemoryTracker, trouble="hang on open"))
    following.tracking.__enter__()
    following.tracking(RunDone("teacher/seed-0", "done", 90.0))
    following.tracking.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert following.said == []
    assert not following.tracking._process.is_alive()


def test_runs_that_fail_or_begin_in_the_middle_are_not_shown_as_whole(tmp_path: Path) -> None:
    """A run resumed at epoch 2 is sent when its record is there, not before."""
    from rigorkd.track.follower import Committed, EpochRow, Lost, _take
    from rigorkd.track.tracker import Card, TrackedRun

    tracker, running = MemoryTracker(), dict[str, TrackedRun]()
    ledger = Ledger(tmp_path)

    def take(item: Committed | EpochRow | Lost) -> bool:
        return _take(item, tracker, tmp_path, ledger, running)

    def card(name: str) -> Card:
        return Card(id=name, name=name, group="g", job_type="student", study="s")

    assert not take(EpochRow("resumed", {"epoch": 2}, card("resumed")))
    assert not take(EpochRow("failing", {"epoch": 1}, card("failing")))
    assert not take(EpochRow("failing", {"epoch": 2}))
    assert not take(Lost("failing"))
    assert not take(Lost("never-started"))
    assert list(tracker.runs) == ["failing"]
    assert tracker.runs["failing"].state == "abandoned"
    assert [row["epoch"] for row in tracker.runs["failing"].rows] == [1, 2]


def test_events_without_a_meaning_for_trackers_are_passed_over(tmp_path: Path) -> None:
    following = Following(tmp_path / "s", MemoryTracker)
    with following.tracking as tracking:
        tracking(Taken())
        tracking(RunFailed("r", "why"))
    assert following.said == []


def test_a_study_being_published_is_not_followed(tmp_path: Path) -> None:
    from rigorkd.track.ledger import sending

    with sending(tmp_path / "s", alone=True):
        following = Following(tmp_path / "s", MemoryTracker)
        with following.tracking as tracking:
            tracking(RunFailed("r", "why"))
            wait_for(tracking, lambda: following.said)
        with pytest.raises(RigorkdError, match="another process"), sending(tmp_path / "s", alone=False):
            pass
    assert "another process is sending" in following.said[0]
