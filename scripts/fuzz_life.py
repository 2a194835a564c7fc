"""What the fuzzer harms of a study's life and of a search: changes, what was set aside, notes, ledgers."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

from fuzz_harm import harm_kind_of_file, harmed_bytes, harmed_json, harmed_text
from rigorkd_analysis.stats.gating import Budget, GateVerdict, Pairs

from rigorkd.files import sha256_of, timestamp
from rigorkd.launch.failures import Failure, note_failure
from rigorkd.launch.heartbeat import Heartbeat
from rigorkd.launch.progress import Progress, ProgressFile, SlotProgress
from rigorkd.launch.removal import Wanted, remove, restore
from rigorkd.records.changes import MERGED, Change, note_change
from rigorkd.records.gate_ledger import Asked, opened_ledger
from rigorkd.records.layout import StudyFolder

METRIC = "test_top1"
VALUES = {
    "base.csv": (70.0, 70.4, 69.8, 70.1, 70.3),
    "kd.csv": (75.0, 75.3, 74.9, 75.2, 75.4),
    "other.csv": (70.1, 70.2, 69.9, 70.0, 70.6),
}
LEDGER_ROWS = 20_000
"""Rows of a ledger that somebody has made long: a few megabytes."""


def lived_study(whole: Path, place: Path) -> Path:
    """A copy of a study of which runs were removed, restored and merged, that failed and is being trained."""
    shutil.copytree(whole, place)
    remove(place, Wanted(only=("methods/*",)), "they were too many")
    remove(place, Wanted(seeds=(2,)), "asked for by mistake")
    restore(place)
    note_change(place, Change(MERGED, timestamp(), sources=("0" * 64,)))
    study, run = StudyFolder(place), "main/plain/baseline/seed-7"
    for log in (study.run_log(run), study.worker_log("1-0")):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("2026-11-01T10:00:00+00:00 started\n2026-11-01T10:09:00+00:00 failed: no\n")
    note_failure(study, Failure(run, "0" * 64, "ValueError: no", log=".logs/worker-1-0.log"))
    with Heartbeat(study, "slurm job 12_3") as me:
        progress = Progress.of({run: 3})
        progress.slots[0] = SlotProgress(run, 1, 3, 100.0)
        ProgressFile(me.folder).write(progress, force=True)
        me.begin_work()
        shutil.copytree(me.folder, study.launcher("0123456789ab"))
    path = study.launcher("0123456789ab") / "holder.json"
    path.write_text(path.read_text().replace(me.holder.id, "0123456789ab"))
    return place


NOTES = (
    *("changes.jsonl", "changes.jsonl", ".removed/1", ".work/main/plain/baseline/seed-7/failed.json"),
    *(".logs/main/plain/baseline/seed-7.log", ".launchers/0123456789ab/holder.json"),
    *(".launchers/0123456789ab/progress.json", ".launchers/0123456789ab", ".logs/worker-1-0.log"),
)
"""What such a study has beside the others."""


def searched(folder: Path) -> Path:
    """A ledger of every kind of line, and the tables that it was asked of: where they lie."""
    folder.mkdir()
    for name, values in VALUES.items():
        rows = "".join(f"{seed},{value}\n" for seed, value in enumerate(values))
        (folder / name).write_text(f"seed,{METRIC}\n{rows}")
    path = folder / "ledger.jsonl"
    with opened_ledger(path) as book:
        book.start(Asked(0.05, 0.5, METRIC, "max"), "base.csv")
        for name, verdict in (("other.csv", GateVerdict.UNDECIDED), ("lost.csv", GateVerdict.WORSE)):
            one = book.begin("base.csv", name)
            pairs = Pairs("base.csv", name, (0, 1, 2), VALUES["base.csv"][:3], VALUES["other.csv"][:3])
            book.look(one, pairs, verdict)
    with path.open("a") as file:
        file.write('{"kind": "beg')  # a crash tore it
    with opened_ledger(path) as book:
        one = book.begin("base.csv", "kd.csv")
        pairs = Pairs("base.csv", "kd.csv", (0, 1, 2), VALUES["base.csv"][:3], VALUES["kd.csv"][:3])
        book.look(one, pairs, GateVerdict.UNDECIDED)
    return folder


def harm_ledger(path: Path, outside: Path, rng: random.Random) -> str:
    """Harm a ledger; what was done."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 2**24:
        return "nothing"
    content, how = path.read_bytes(), rng.random()
    if how < 0.1:
        return f"{harm_kind_of_file(path, outside, rng)} for {path.name}"
    if how < 0.2:
        path.write_bytes(harmed_bytes(content, rng))
        return f"bytes of {path.name}"
    lines = content.decode(errors="replace").splitlines() or [""]
    at = rng.randrange(len(lines))
    what = rng.choice(("json", "json", "json", "text", "line", "many", "empty"))
    if what == "json":
        with contextlib.suppress(ValueError, RecursionError):
            lines[at] = harmed_json(lines[at], rng)
    elif what == "text":
        lines = harmed_text(content.decode(errors="replace"), rng).splitlines()
    elif what == "line":
        lines.insert(at, lines.pop(rng.randrange(len(lines))))
    elif what == "many":
        lines[at:at] = lines[at : at + 1] * min(LEDGER_ROWS, 2**23 // (len(lines[at]) + 1))
    else:
        lines[at:at] = [""] * rng.choice((1, LEDGER_ROWS, 2**20))
    if rng.random() < 0.8:
        lines = chained(lines)
    path.write_text("\n".join(lines) + "\n", errors="replace")
    return f"{what} of {path.name}"


def chained(lines: Sequence[str]) -> list[str]:
    """Lines whose hashes, numbers and levels are those that follow from what they say now."""
    head, found, budget = "", [], Budget(0.05)
    for line in lines:
        try:
            entry = json.loads(line)
            entry["previous"] = head
            if entry.get("kind") == "begin":
                entry |= {"comparison": budget.begun + 1, "level": budget.next_level}
                budget = budget.begin()
            rest = {key: value for key, value in entry.items() if key != "sha256"}
            entry["sha256"] = head = sha256_of(json.dumps(rest, sort_keys=True, ensure_ascii=False))
            line = json.dumps(entry, ensure_ascii=False)
        except (ValueError, TypeError, AttributeError, RecursionError):
            budget = budget.begin()
        found.append(line)
    return found
