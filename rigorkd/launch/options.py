"""What a launch is asked for, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rigorkd.protocol.hashes import NEWEST, Numerics
from rigorkd.records.layout import StudyFolder

if TYPE_CHECKING:
    from rigorkd.track.tracker import MakeTracker


@dataclass(frozen=True)
class LaunchOptions:
    """What the command line of `rigorkd run` decides.

    `only` are globs of cells. `only_runs` are names of runs, for a launcher that does a part of a study
    beside others: it trains these and whatever they need that no one else is training. `label` names it to
    people. `slots` are the workers of each GPU, `jobs` those in all. `numerics` are for a study that begins
    with this launch.
    """

    seeds: tuple[int, ...]
    results: Path
    device: str = "auto"
    mode: str = "reference"
    jobs: int | None = None
    only: tuple[str, ...] = ()
    memory_bytes: int | None = None
    save_weights: bool = True
    replay_bytes: int = 0
    retrain_stale: bool = False
    retry_failed: bool = False
    slots: int | None = None
    only_runs: frozenset[str] | None = None
    label: str = ""
    tracker: MakeTracker | None = None
    numerics: Numerics = field(default_factory=lambda: NEWEST)


@dataclass(frozen=True)
class Outcome:
    """How a launch ended. `failed` maps runs to reasons; `failed_before` are those of earlier launches."""

    study: StudyFolder
    trained: int
    already_done: int
    failed: dict[str, str]
    failed_before: frozenset[str] = frozenset()
