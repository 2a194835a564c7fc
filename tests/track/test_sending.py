"""Publishing from records to a tracker in memory: each run once, whatever breaks in between."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rigorkd.errors import StoreError, TrackingError
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import Record, read_records
from rigorkd.track.in_memory import MemoryRun, MemoryTracker
from rigorkd.track.ledger import FILE, FOLDER, Ledger
from rigorkd.track.sending import Published, publish
from rigorkd.track.tracker import Card, card_of_record, history_of, summary_of
from rigorkd.track.wandb_tracker import WandbRun


@pytest.fixture
def study(plain_study: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plain_study, tmp_path / "study"))


def records(study: Path) -> list[Record]:
    return read_records(StudyFolder(study))


def test_every_run_once(study: Path) -> None:
    tracker, told = MemoryTracker(), list[str]()
    assert publish(study, tracker, told.append) == Published(sent=4, before=0)
    assert told == [record.run for record in records(study)]
    assert publish(study, tracker) == Published(sent=0, before=4)
    assert {run.opened for run in tracker.runs.values()} == {1}


def test_another_destination_gets_all_of_them(study: Path) -> None:
    publish(study, MemoryTracker())
    assert publish(study, MemoryTracker(destination="elsewhere")) == Published(sent=4, before=0)


@dataclass
class Failing(MemoryTracker):
    """Takes some runs, then none."""

    takes: int = 2

    def open(self, card: Card) -> MemoryRun:
        if len(self.runs) >= self.takes:
            raise TimeoutError("no answer")
        return super().open(card)


def test_a_failure_keeps_what_was_sent_and_the_next_time_sends_the_rest(study: Path) -> None:
    with pytest.raises(TrackingError, match="no answer") as caught:
        publish(study, Failing())
    assert "2 runs were sent" in str(caught.value)
    assert publish(study, MemoryTracker()) == Published(sent=2, before=2)


def test_a_torn_ledger_sends_again_what_it_does_not_know(study: Path) -> None:
    tracker = MemoryTracker()
    publish(study, tracker)
    path = study / FOLDER / FILE
    path.write_bytes(path.read_bytes()[:-30])
    assert publish(study, tracker) == Published(sent=1, before=3)
    assert len(Ledger(study)._sent) == 4
    assert all(json.loads(line) for line in path.read_text().splitlines() if line.endswith("}"))
    assert sorted(run.opened for run in tracker.runs.values()) == [1, 1, 1, 2]
    assert all(run.rows == history_of(record) for run, record in _pairs(tracker, study))


def _pairs(tracker: MemoryTracker, study: Path) -> list[tuple[MemoryRun, Record]]:
    return [(tracker.runs[record.run_hash], record) for record in records(study)]


def test_a_history_that_is_not_the_recorded_one_is_refused(study: Path) -> None:
    path = study / "teacher" / "seed-0" / "history.csv"
    path.write_text(path.read_text() + "3,0,0,0,0,0,0,0,0\n")
    with pytest.raises(StoreError, match=r"history\.csv: not the file"):
        publish(study, MemoryTracker())


def test_summaries_hold_results_and_configs_hold_none(study: Path) -> None:
    for record in records(study):
        config, summary = card_of_record(record).config, summary_of(record)
        assert summary["test_top1"] == record.metrics["test_top1"]
        assert summary["status"] == "done"
        assert not {"test_top1", "metrics", "files", "status"} & set(config)
        assert None not in summary.values()
        assert config["epochs"] == 2
        assert isinstance(history_of(record)[0]["epoch"], int)


@dataclass
class ServerRun:
    """A W&B run as far as `WandbRun` uses one; `step` is the next one, as W&B says of a resumed run."""

    step: int
    logged: list[tuple[int, dict[str, Any]]] = field(default_factory=list)

    def log(self, row: dict[str, Any], step: int) -> None:
        self.logged.append((step, row))


def test_a_resumed_run_gets_only_the_epochs_that_the_server_lacks() -> None:
    server = ServerRun(step=3)
    run = WandbRun(server, offline=False)
    for epoch in (1, 2, 3, 4, 4):
        run.log({"epoch": epoch, "train_loss": 1.0 / epoch, "kd_loss": None})
    assert [step for step, _ in server.logged] == [3, 4]
    assert server.logged[0][1] == {"epoch": 3, "train_loss": 1 / 3}
    fresh = ServerRun(step=0)
    WandbRun(fresh, offline=False).log({"epoch": 1})
    assert [step for step, _ in fresh.logged] == [1]


def test_publishing_reads_no_weights(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rigorkd.records.record.digest_of", lambda path, root: pytest.fail(f"{path} was hashed")
    )
    assert publish(study, MemoryTracker()) == Published(sent=4, before=0)
