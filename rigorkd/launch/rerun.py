"""Repeat finished runs in a scratch folder and compare what comes out, bit by bit."""

from __future__ import annotations

import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rigorkd.launch.launch import launch
from rigorkd.launch.run_states import State, find_run_states, with_needs
from rigorkd.launch.session import LaunchOptions
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_protocol
from rigorkd.records.record import Record, copy_record, read_record
from rigorkd.records.study import read_info


@dataclass(frozen=True)
class Rerun:
    """One repeated run: the files that came out otherwise, and why that may be (empty: it must not be)."""

    run: str
    differs: tuple[str, ...]
    excuse: str

    @property
    def is_wrong(self) -> bool:
        return bool(self.differs) and not self.excuse


def rerun(
    folder: Path, n: int, console: Console, *, choice: int, device: str, jobs: int | None
) -> list[Rerun]:
    """Train `n` finished runs again, drawn with the seed `choice`, from the teachers and starts on record.

    The scratch folder goes when this returns. Raises what `launch` raises.
    """
    study = StudyFolder(folder)
    info = read_info(folder)
    protocol = read_protocol(folder)
    states = find_run_states(protocol, info.seeds, study, info.mode, info.start_files)
    done = sorted(name for name, state in states.state.items() if state is State.DONE)
    chosen = sorted(random.Random(choice).sample(done, min(n, len(done))))
    found = []
    with tempfile.TemporaryDirectory(prefix="rigorkd-rerun-") as scratch:
        for name in chosen:
            # Each in a study of its own: what one needs may be another one that is repeated.
            again = StudyFolder(Path(scratch) / name.replace("/", ",") / info.study)
            for need in sorted(with_needs(states.expected, {name}).keys() - {name}):
                copy_record(study, need, again)
            options = LaunchOptions(
                seeds=info.seeds,
                results=again.path.parent,
                device=device,
                mode=info.mode,
                jobs=jobs or 1,
                only_runs=frozenset({name}),
                numerics=info.numerics,
            )
            outcome = launch(protocol, options, console)
            if name in outcome.failed:
                found.append(Rerun(name, (f"it failed: {outcome.failed[name]}",), ""))
            else:
                found.append(compare(states.records[name], read_record(again, name)))
            shutil.rmtree(again.path)
    return found


def compare(before: Record, after: Record) -> Rerun:
    """What differs between a record and its repetition; files that only one of them keeps are no matter."""
    names = sorted(before.files.keys() & after.files.keys())
    differs = [name for name in names if before.files[name] != after.files[name]]
    for key in ("status", "weights_sha256"):
        if before.fields.get(key) != after.fields.get(key):
            differs.append(key)
    return Rerun(before.run, tuple(differs), _excuse(before, after) if differs else "")


def _excuse(before: Record, after: Record) -> str:
    """Why equal bits are not promised, empty where they are."""
    if before.fields.get("mode") != "reference":
        return "only the reference mode promises equal bits"
    for key in ("hardware", "versions"):
        then, now = before.fields.get(key), after.fields.get(key)
        if then != now:
            return f"other {key}: {then} then, {now} now"
    if before.dispatch != after.dispatch:
        return f"other dispatch: {before.dispatch} then, {after.dispatch} now"
    return ""
