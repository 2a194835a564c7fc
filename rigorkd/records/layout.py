"""Where things lie inside a study's folder.

results/<study>/
  study.json                    what was planned when the study began, and which seeds were asked for
  looks.jsonl                   which seed sets an analysis has already seen
  <cell>/seed-<k>/record.json   … with history.csv, predictions.npz, model.safetensors
  .protocols/<sha256>.yaml      every protocol text that was run into this study
  .work/<run>/                  checkpoint of a run in progress, or the note of its failure
  .work/latency/                one latency measurement per architecture
  .work/replay/                 teacher logits of whole epochs, a cache
  .work/progress.json           what the launcher is doing now, for `rigorkd status`
  .logs/                        one log per run and per worker
  .stale/                       records set aside by --retrain-stale
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LEAF = re.compile(r"seed-(\d+|fixed)")


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study; only computes paths."""

    path: Path

    @property
    def study_json(self) -> Path:
        return self.path / "study.json"

    @property
    def lock(self) -> Path:
        return self.path / ".lock"

    @property
    def progress_json(self) -> Path:
        return self.path / ".work" / "progress.json"

    def protocol(self, text_hash: str) -> Path:
        return self.path / ".protocols" / f"{text_hash}.yaml"

    def run(self, run_name: str) -> Path:
        """The folder of a run's record."""
        return self.path / run_name

    def checkpoint(self, run_name: str) -> Path:
        return self.path / ".work" / run_name / "checkpoint.pt"

    def failure(self, run_name: str) -> Path:
        return self.path / ".work" / run_name / "failed.json"

    def latency(self, architecture: str) -> Path:
        return self.path / ".work" / "latency" / f"{architecture}.json"

    @property
    def replay(self) -> Path:
        return self.path / ".work" / "replay"

    def run_log(self, run_name: str) -> Path:
        return self.path / ".logs" / f"{run_name}.log"

    def worker_log(self, slot: int) -> Path:
        return self.path / ".logs" / f"worker-{slot}.log"

    def stale(self, run_name: str, stamp: str) -> Path:
        return self.path / ".stale" / stamp / run_name

    def records(self) -> Iterator[Path]:
        """Every record.json of the study, in the order of names; hidden folders are not searched."""
        stack = [self.path]
        while stack:
            folder = stack.pop()
            record = folder / "record.json"
            if _LEAF.fullmatch(folder.name) and record.is_file():
                yield record
                continue
            try:
                children = [child for child in folder.iterdir() if child.name[0] != "." and child.is_dir()]
            except FileNotFoundError:
                continue
            stack.extend(sorted(children, reverse=True))
