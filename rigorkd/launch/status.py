"""How far a study is, read from its folder alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rigorkd.launch.inventory import State, failure_reason, take_inventory
from rigorkd.launch.lock import is_locked
from rigorkd.launch.progress import Progress, read_progress
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_protocol
from rigorkd.records.study import read_info
from rigorkd.text import count, duration


@dataclass(frozen=True)
class Status:
    """Counts of runs by state; `failed` and `stale` map runs to reasons; `progress` is a live launcher's."""

    study: str
    folder: Path
    seeds: tuple[int, ...]
    runs: dict[str, int]
    failed: dict[str, str]
    stale: dict[str, str]
    diverged: tuple[str, ...]
    progress: Progress | None

    def document(self) -> dict[str, Any]:
        """The JSON of `status --format json`, schema rigorkd.status/1."""
        slots = [vars(slot) for slot in self.progress.slots.values()] if self.progress else []
        return {
            "schema": "rigorkd.status/1",
            "study": self.study,
            "seeds": list(self.seeds),
            "runs": self.runs,
            "failed": self.failed,
            "stale": self.stale,
            "diverged": list(self.diverged),
            "running": slots,
            "seconds_left": self.progress.seconds_left if self.progress else None,
        }

    def text(self) -> str:
        """A few lines for a terminal."""
        parts = [f"{number} {state}" for state, number in self.runs.items() if state != "total" and number]
        lines = [f"{self.folder}: {count(self.runs['total'], 'run')}: {', '.join(parts)}"]
        if self.progress is not None:
            for slot in self.progress.slots.values():
                epoch = f"epoch {slot.epoch}/{slot.epochs}" if slot.epoch else "starting"
                lines.append(f"  running {slot.label}, {epoch}, {slot.images_per_second:,.0f} images/s")
            if self.progress.seconds_left is not None:
                lines.append(f"  about {duration(self.progress.seconds_left)} left")
        lines += [f"  failed {run}: {reason}" for run, reason in self.failed.items()]
        lines += [f"  stale {run}: {reason}" for run, reason in self.stale.items()]
        lines += [f"  diverged {run}" for run in self.diverged]
        if self.runs["missing"] and self.progress is None:
            lines.append("  nothing is running; `rigorkd run` with the same protocol resumes")
        return "\n".join(lines)


def study_status(folder: Path) -> Status:
    """The status of a study, against the newest protocol and all seeds that were run into it."""
    study = StudyFolder(folder)
    info = read_info(folder)
    inventory = take_inventory(read_protocol(folder), info.seeds, study, info.mode, info.start_files)
    failed = {
        run: failure_reason(study, run) for run, state in inventory.states.items() if state is State.FAILED
    }
    return Status(
        study=info.study,
        folder=folder,
        seeds=info.seeds,
        runs={
            "total": len(inventory.expected),
            **{str(state): inventory.count(state) for state in State},
        },
        failed=failed,
        stale={entry.run: entry.reason for entry in inventory.stale},
        diverged=tuple(run for run in inventory.records if inventory.diverged(run)),
        progress=read_progress(study) if is_locked(study) else None,
    )
