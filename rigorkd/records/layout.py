"""Where things lie inside a study's folder.

results/<study>/
  study.json                    what was planned when the study began, and which seeds were asked for
  looks.jsonl                   which seed sets an analysis has already seen
  shown.jsonl                   which of them it has shown before they were complete
  changes.jsonl                 what was removed, put back, trained otherwise, or merged; what befell runs
  data.json                     what of the images verdicts may hang on, if anything
  <cell>/seed-<k>/record.json   … with history.csv, predictions.npz, model.safetensors
  .protocols/<sha256>.yaml      every protocol text that was run into this study
  .protocols/<module>.py        the newest source of the user's own models and terms
  .work/<run>/                  checkpoint of a run in progress, or the note of its failure
  .work/latency/                one latency measurement per architecture; what a worker died of measuring
  .work/replay/                 teacher logits of whole epochs, a cache
  .work/weights/                of a smoke study: weights until what needs them has been trained
  .work/intact.json             which files had the bytes of their records when they were last hashed
  .out/<run>/                   where the command of a run in progress leaves its results
  .launchers/<id>/              a living launcher: who it is, its counter, what it is doing now
  .launchers/unswept            a worker has died: something unfinished may lie about
  .claims/<run>/<n>             which launcher trains a run
  .logs/                        one log per run and per worker
  .slurm/<time>/                what was handed to Slurm: runs by job, batch scripts, the jobs' logs
  .stale/                       records set aside by --retrain-stale
  .damaged/                     what was found damaged and set aside
  .removed/<n>/                 records set aside by `rigorkd remove`
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rigorkd.records.untrusted import refuse_links

LEAF = re.compile(r"seed-(\d+|fixed)")
"""The last part of a run's name, and of its folder's."""


@dataclass(frozen=True)
class StudyFolder:
    """The folder of one study: where everything lies in it."""

    path: Path

    @property
    def study_json(self) -> Path:
        return self.path / "study.json"

    @property
    def changes_jsonl(self) -> Path:
        return self.path / "changes.jsonl"

    @property
    def data_json(self) -> Path:
        return self.path / "data.json"

    @property
    def launchers(self) -> Path:
        return self.path / ".launchers"

    def launcher(self, launcher_id: str) -> Path:
        return self.launchers / launcher_id

    @property
    def unswept(self) -> Path:
        """There if a worker has died: it may have left something unfinished."""
        return self.launchers / "unswept"

    def leases(self, run_name: str) -> Path:
        """The folder of the leases of a run; folders do not nest there, so that one goes without a trace."""
        return self.path / ".claims" / run_name.replace("/", ",")

    @property
    def intact_json(self) -> Path:
        return self.path / ".work" / "intact.json"

    @property
    def protocols(self) -> Path:
        return self.path / ".protocols"

    def protocol(self, text_hash: str) -> Path:
        return self.protocols / f"{text_hash}.yaml"

    def run(self, run_name: str) -> Path:
        """The folder of a run's record."""
        return self.path / run_name

    def record(self, run_name: str) -> Path:
        return self.run(run_name) / "record.json"

    def checkpoint(self, run_name: str) -> Path:
        return self.path / ".work" / run_name / "checkpoint.pt"

    def out(self, run_name: str) -> Path:
        """Where the command that trains a run leaves its results until they are committed."""
        return self.path / ".out" / run_name

    def failed_runs(self) -> int:
        """How many runs failed and were not trained again since."""
        return len(self.failures())

    def failures(self) -> list[Path]:
        """The notes of their failures."""
        return sorted((self.path / ".work").rglob("failed.json"))

    def failure(self, run_name: str) -> Path:
        return self.path / ".work" / run_name / "failed.json"

    def latency(self, architecture: str) -> Path:
        return self.path / ".work" / "latency" / f"{architecture}.json"

    def latency_attempt(self, architecture: str) -> Path:
        """There while an architecture is being measured, and after a worker died or failed of it."""
        return self.path / ".work" / "latency" / f"{architecture}.trying"

    def latency_attempts(self) -> list[Path]:
        """All that are there."""
        return list((self.path / ".work" / "latency").glob("*.trying"))

    @property
    def replay(self) -> Path:
        return self.path / ".work" / "replay"

    @property
    def passing(self) -> Path:
        """Where the weights of a smoke study lie until they have served."""
        return self.path / ".work" / "weights"

    def passing_weights(self, run_name: str) -> Path:
        """The weights of a smoke run, which are no part of its record."""
        return self.passing / f"{run_name}.safetensors"

    @property
    def logs(self) -> Path:
        return self.path / ".logs"

    def run_log(self, run_name: str) -> Path:
        return self.logs / f"{run_name}.log"

    def worker_log(self, worker: str) -> Path:
        return self.logs / f"worker-{worker}.log"

    @property
    def slurm(self) -> Path:
        """Where submissions to Slurm lie, one folder each."""
        return self.path / ".slurm"

    @property
    def stale(self) -> Path:
        """Where records that no longer fit the protocol are set aside."""
        return self.path / ".stale"

    @property
    def damaged(self) -> Path:
        """Where damaged records are set aside."""
        return self.path / ".damaged"

    @property
    def removed(self) -> Path:
        """Where records are set aside that somebody removed."""
        return self.path / ".removed"

    def refuse_links(self) -> None:
        """StoreError for a link among what is written to: a folder right below, anything in a hidden one.

        Passed over are a tracker's own runs, which link to the latest of them, and a batch script's link to
        the file beside it that it became when it was submitted.
        """
        waiting = [(str(self.path), False)]
        while waiting:
            folder, hidden = waiting.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_symlink():
                            if hidden and folder.startswith(f"{self.slurm}/") and _is_beside(entry):
                                continue
                            if hidden or entry.is_dir():
                                refuse_links(Path(entry.path), self.path)
                        elif (
                            (hidden or entry.name[0] == ".") and entry.name != ".tracking" and entry.is_dir()
                        ):
                            waiting.append((entry.path, True))
            except (FileNotFoundError, NotADirectoryError):  # another launcher has just removed it
                continue

    def records(self, below: str = "") -> Iterator[Path]:
        """Every record.json of the study, or of the cells `below` a part of their name, by name.

        Hidden folders are not searched. StoreError for a link to a folder: what it leads to might be missed.
        """
        stack = [str(self.path / below)]
        while stack:
            folder = stack.pop()
            if LEAF.fullmatch(folder.rpartition("/")[2]) and os.path.lexists(f"{folder}/record.json"):
                yield Path(folder, "record.json")
                continue
            try:
                with os.scandir(folder) as entries:
                    children = [entry for entry in entries if entry.name[0] != "." and entry.is_dir()]
            except (FileNotFoundError, NotADirectoryError):
                continue
            for child in children:
                if child.is_symlink():
                    refuse_links(Path(child.path), self.path)
            stack.extend(sorted((child.path for child in children), reverse=True))


def _is_beside(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a regular file in its own folder, and through no other link."""
    link = Path(entry.path)
    try:
        target = link.parent / link.readlink()
        return target.parent.samefile(link.parent) and stat.S_ISREG(target.lstat().st_mode)
    except OSError:
        return False
