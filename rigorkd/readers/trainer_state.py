"""Hugging Face's Trainer (`trainer_state.json`, at the end of a run or in its checkpoints)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rigorkd.errors import InputError
from rigorkd.readers.json_records import json_document, scalars
from rigorkd.readers.listing import Listing
from rigorkd.readers.raw import RawTable, Reading, as_mapping, as_number, table_of


def read(found: Listing, files: Sequence[Path], asked: Reading) -> list[RawTable]:
    """The history of each run: of a run's several files the last one, which repeats the others."""
    by_run: dict[Path, list[tuple[int, Path]]] = {}
    for path in files:
        step = re.fullmatch(r"checkpoint-(\d+)", path.parent.name)
        folder = path.parent.parent if step else path.parent
        by_run.setdefault(folder, []).append((int(step[1]) if step else 2**62, path))
    rows, places, dropped = [], [], []
    for folder, own in sorted(by_run.items()):
        order, path = max(own)
        state = json_document(str(path), found.read(path))
        if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
            raise InputError(f"{path}: no state of a Trainer", hint="leave it out")
        status = "finished" if order == 2**62 or _ended(state) else "running"
        if len(own) > 1:
            dropped.append(f"{folder}: {len(own) - 1} earlier checkpoints, which {path.parent.name} repeats")
        name = folder.relative_to(found.root).as_posix()
        head: dict[str, object] = {
            "run": name if name != "." else folder.name,
            "status": status,
            "num_train_epochs": state.get("num_train_epochs"),
        }
        for entry in state["log_history"]:
            if isinstance(entry, dict):
                rows.append({**head, **scalars(entry)})
                places.append(str(path))
    if not rows:
        raise InputError(f"{found.root}: the Trainer's histories are empty", hint="log at least once a run")
    return [table_of(rows, places, "Hugging Face Trainer", dropped=dropped)]


def _ended(state: dict[str, Any]) -> bool:
    """Whether a checkpoint is the last of its run: all steps are done, or early stopping has said stop."""
    control = as_mapping(as_mapping(state.get("stateful_callbacks")).get("TrainerControl"))
    stopped = bool(as_mapping(control.get("args")).get("should_training_stop"))
    done, wanted = as_number(state.get("global_step")), as_number(state.get("max_steps"))
    return stopped or (done or 0) >= (wanted or 1)
