"""How far a study is, read from its folder alone."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rigorkd.launch.backends.slurm.submission import submissions
from rigorkd.launch.failures import by_reason, once_mended, shows_log
from rigorkd.launch.heartbeat import Holder, Liveness, is_starting, trains
from rigorkd.launch.progress import Progress, read_progress
from rigorkd.launch.removal import Taken, taken
from rigorkd.launch.run_states import RunStates, State, find_run_states
from rigorkd.protocol.load import Protocol
from rigorkd.records.changes import looked_at
from rigorkd.records.expected import has_own_code
from rigorkd.records.interim import listed_seeds, read_interim_analyses, seeds_for_run
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_protocol
from rigorkd.records.study import (
    MODES,
    StudyInfo,
    is_smoke,
    is_study,
    newest_study,
    read_info,
    studies_in,
)
from rigorkd.text import count, duration, one_line


@dataclass(frozen=True)
class Launcher:
    """A launcher of the study, and what it last said of its progress: None before it trains anything.

    One that `trains` is starting until then; others hold the study for a moment.
    """

    holder: Holder
    written: Progress | None
    trains: bool = False

    @property
    def state(self) -> str:
        """What it does: `starting`, `training`, or `holding` the study."""
        return "training" if self.written is not None else "starting" if self.trains else "holding"

    @property
    def progress(self) -> Progress:
        return self.written or Progress(runs=0, work=0)

    def entry(self) -> dict[str, Any]:
        """Its part of the JSON."""
        shown = ("done", "runs", "elsewhere", "running", "elapsed", "seconds_left")
        known = {**vars(self.progress), "elsewhere": self.progress.remote}
        told = {"launcher": self.holder.says, "state": self.state}
        return told | {key: known[key] for key in shown}

    def lines(self) -> list[str]:
        """Its part of the text."""
        if self.written is None:
            doing = "starting: it trains nothing yet" if self.trains else "here, and trains nothing yet"
            return [f"  {self.holder.says}: {doing}"]
        progress = self.progress
        left = "" if progress.seconds_left is None else f", about {duration(progress.seconds_left)} left"
        done = f"{progress.done}/{progress.runs} runs in {duration(progress.elapsed)}"
        lines = [f"  {self.holder.says}: {done}{left}"]
        lines += [f"  running {slot.label}, {slot.says}" for slot in progress.slots.values()]
        return lines + [f"  {progress.says_remote}"] * bool(progress.remote)


@dataclass(frozen=True)
class Status:
    """Counts of runs by state; `failed`, `stale` and `damaged` map runs to reasons.

    `submitted` maps missing runs to the Slurm job that is to train them; whether it still waits, Slurm knows.
    `checkpoints` maps runs that have begun to the seconds since their last checkpoint. `removed` says what
    was taken out of the study and is not back. `resume` is the command that trains what is missing, and
    `seeds_left` are the missing ones that the latest `run` did not ask for, which `give_up` removes;
    `seeds_ahead` are those of the protocol that no run has asked for yet. With `own_code` a change of code
    makes finished runs stale.
    """

    study: str
    folder: Path
    seeds: tuple[int, ...]
    runs: dict[str, int]
    failed: dict[str, str]
    stale: dict[str, str]
    damaged: dict[str, str]
    diverged: tuple[str, ...]
    launchers: tuple[Launcher, ...]
    submitted: dict[str, str]
    checkpoints: dict[str, float]
    removed: tuple[Taken, ...] = ()
    resume: str = ""
    seeds_left: tuple[int, ...] = ()
    seeds_ahead: tuple[int, ...] = ()
    give_up: str = ""
    own_code: bool = False

    @property
    def seconds_left(self) -> float | None:
        """When the last launcher expects to end; None where none can tell yet."""
        known = [one.progress.seconds_left for one in self.launchers if one.progress.seconds_left is not None]
        return max(known, default=None)

    def document(self) -> dict[str, Any]:
        """The JSON of `status --format json`, schema rigorkd.status/1."""
        return {
            "schema": "rigorkd.status/1",
            "study": self.study,
            "seeds": list(self.seeds),
            "runs": self.runs,
            "failed": self.failed,
            "stale": self.stale,
            "damaged": self.damaged,
            "diverged": list(self.diverged),
            "running": [vars(slot) for one in self.launchers for slot in one.progress.slots.values()],
            "launchers": [one.entry() for one in self.launchers],
            "submitted": self.submitted,
            "checkpoints": self.checkpoints,
            "removed": [one.entry() for one in self.removed],
            "resume": self.resume or None,
            "seeds_left": list(self.seeds_left),
            "seeds_ahead": list(self.seeds_ahead),
            "seconds_left": self.seconds_left,
        }

    def text(self) -> str:
        """A few lines for a terminal."""
        parts = [f"{number} {state}" for state, number in self.runs.items() if state != "total" and number]
        known = f"{count(self.runs['total'], 'run')}: {', '.join(parts)}"
        lines = [f"{self.folder}: {known if self.runs['total'] else 'no run is noted yet'}"]
        for one in self.launchers:
            lines += one.lines()
        running = [run for one in self.launchers for run in one.progress.running]
        if running:
            lines.append(f"  last checkpoint {self._ago(running) or 'not written yet'}")
        lines += [f"  failed {runs}: {reason}" for runs, reason in by_reason(self.failed)]
        lines += [f"  stale {run}: {reason}" for run, reason in self.stale.items()]
        lines += [f"  damaged {run}: {reason}" for run, reason in self.damaged.items()]
        lines += [f"  diverged {run}" for run in self.diverged]
        lines += [f"  {one.says}" for one in self.removed]
        if any(one.aside for one in self.removed):
            lines.append(f"  back with: rigorkd remove {self.folder} --restore (--list shows all)")
        if self.failed:
            lines.append(f"  {shows_log(self.folder)} shows why; {self._again()}")
        if self.submitted:
            jobs = sorted({job.split("_")[0] for job in self.submitted.values()}, key=int)
            runs = count(len(self.submitted), "run")
            lines.append(f"  {runs} handed to Slurm, not begun: job {', '.join(jobs)} (`squeue` shows them)")
        elif self.runs["missing"] and not self.launchers:
            since = self._ago(self.checkpoints)
            how = f"`{self.resume}`" if self.resume else "`rigorkd run` with the same protocol"
            said = [f"last checkpoint {since}"] * bool(since) + [_AS_MADE] * bool(self.resume)
            lines.append(f"  nothing is running; {how} resumes" + f" ({'; '.join(said)})" * bool(said))
            if self.seeds_left:
                left = listed_seeds(self.seeds_left)
                lines.append(
                    f"  what is missing at seeds {left} the latest `rigorkd run` did not ask for: "
                    f"`{self.give_up}` gives these seeds up{then_exploratory(self.give_up)}"
                )
        if self.seeds_ahead and not self.launchers:
            ahead = count(len(self.seeds_ahead), "seed")
            lines.append(
                f"  {ahead} of the protocol ({listed_seeds(self.seeds_ahead)}) no run has asked for yet: "
                "`rigorkd run` without --seeds trains all of them"
            )
        return "\n".join(map(one_line, lines))

    def _again(self) -> str:
        """How failed runs are tried again: `run` refuses while finished ones are stale."""
        retry = f"`{self.resume or 'rigorkd run …'} --retry-failed"
        if self.stale:
            both = f"{retry} --retrain-stale` tries them again, and trains again what is stale"
            return both + f" ({_AS_MADE})" * bool(self.resume)
        mended = once_mended(self.runs["done"] if self.own_code else 0)
        told = [f"{retry}` tries them again" + f" ({_AS_MADE})" * bool(self.resume)]
        return "; ".join([*told, mended] if mended else told)

    def _ago(self, runs: Iterable[str]) -> str:
        """`12 s ago`, or `5 s to 48 s ago` where runs differ; empty without any checkpoint."""
        ages = [self.checkpoints[run] for run in runs if run in self.checkpoints]
        said = dict.fromkeys((duration(min(ages)), duration(max(ages)))) if ages else {}
        return " to ".join(said) + " ago" * bool(ages)


def begins(folder: Path) -> list[Holder]:
    """The launchers that start in a folder which is no study yet."""
    return [] if is_study(folder) else Liveness(StudyFolder(folder)).launchers()


def default_study(results: Path, *, begun: bool = True) -> tuple[Path, str]:
    """The study that is meant where none is named, and what is to be said of the choice, if anything is.

    It is the one that runs now, else the newest real one, and a smoke study only if there is no other. Unless
    it must have `begun`, the folder of a launch that is starting may be meant, with nothing in it yet.
    Raises InputError if there is none.
    """
    if not begun:
        places = {path.parents[2] for path in results.glob("*/.launchers/*/holder.json")}
        new = sorted(place for place in places if begins(place))
        real = [place for place in new if ".smoke" not in place.suffixes]
        runs = [place for place in studies_in(results) if Liveness(StudyFolder(place)).launchers()]
        if new and (real or not runs):
            found = (real or new)[-1]
            return found, f"it starts now ({begins(found)[0].says})"
    found = newest_study(results, lambda folder: bool(Liveness(StudyFolder(folder)).launchers()))
    studies = studies_in(results)
    others = studies != [found]
    if is_smoke(found):
        return found, "a smoke study, on synthetic data: there is no real one here"
    study = StudyFolder(found)
    if others and (holders := Liveness(study).launchers()):
        verb = "starts" if is_starting(study, holders[0]) else "runs"
        return found, f"it {verb} now ({holders[0].says})"
    real = [one for one in studies if not is_smoke(one)]
    apart = ", smoke studies apart" * (len(real) < len(studies))
    return found, f"the newest of {len(real)} studies{apart}" if len(real) > 1 else ""


def study_status(folder: Path, liveness: Liveness | None = None) -> Status:
    """The status of a study, against the newest protocol and all seeds that were run into it.

    A `liveness` that has watched for a while can tell launchers on other hosts that have died; a new one
    believes them. Of a folder in which a launch is starting only that is known.
    """
    study = StudyFolder(folder)
    liveness = liveness or Liveness(study)
    holders = liveness.launchers()
    launchers = tuple(
        Launcher(holder, read_progress(study, holder.id), trains(study, holder)) for holder in holders
    )
    if launchers and not is_study(folder):
        none = {"total": 0, **dict.fromkeys(map(str, State), 0)}
        return Status(folder.name, folder, (), none, {}, {}, {}, (), launchers, {}, {})
    info, protocol = read_info(folder), read_protocol(folder)
    states = find_run_states(protocol, info.seeds, study, info.mode, info.start_files, liveness=liveness)
    taken_out = taken(folder)
    never = {seed for one in taken_out for seed in one.seeds}.union(info.seeds)
    missing = {run.seed for run in states.missing() if states.state[run.name] is State.MISSING} - {None}
    looked = bool(read_interim_analyses(folder))  # since then seeds are a question of their own
    left = () if looked else tuple(seed for seed in info.seeds if seed in missing - {*info.planned_seeds})
    return Status(
        study=info.study,
        folder=folder,
        seeds=info.seeds,
        runs=states.counts(),
        failed={run: failure.reason for run, failure in states.failures.items()},
        stale={entry.run: entry.reason for entry in states.stale},
        damaged={entry.run: entry.reason for entry in states.damaged},
        diverged=tuple(run for run in states.records if states.diverged(run)),
        launchers=launchers,
        submitted=_submitted(study, states),
        checkpoints=_checkpoints(study, states),
        removed=taken_out,
        resume=_resume(info, protocol, folder),
        seeds_left=left,
        give_up=gives_up(folder, left) if left else "",
        own_code=has_own_code(protocol),
        seeds_ahead=()
        if looked or info.smoke
        else tuple(seed for seed in protocol.seeds if seed not in never),
    )


def _resume(info: StudyInfo, protocol: Protocol, folder: Path) -> str:
    """The command that trains what the study misses and no more; empty where it needs no option.

    It is followed by somebody who has the protocol: what it leaves out would lead to another study.
    """
    options = " --smoke" * info.smoke
    options += "" if info.mode == MODES[0] else f" --mode {info.mode}"
    parent = folder.parent if folder.name else folder.absolute().parent
    if parent.absolute() != Path("results").absolute():
        options += f" --results {shlex.quote(str(parent))}"
    if set(info.seeds) != set(protocol.seeds):
        options += f" --seeds {seeds_for_run(info.seeds)}"
    return f"rigorkd run PROTOCOL{options}" if options else ""


def gives_up(folder: Path, seeds: tuple[int, ...]) -> str:
    """The command that takes these seeds out of the study, with its reason where they have been seen."""
    why = _WITH_REASON if looked_at(folder, (), seeds) is not None else ""
    return f"rigorkd remove {shlex.quote(str(folder))} --seeds {listed_seeds(seeds)}{why}"


def then_exploratory(command: str) -> str:
    """What a command that gives seeds up does to verdicts, where it takes a reason."""
    return ", after which every verdict is exploratory" * command.endswith(_WITH_REASON)


_WITH_REASON = " --because WHY"
_AS_MADE = "with the --set and --study that made this study, if any did"
"""What a study cannot tell of itself: without them a variant's seeds would go to another study."""


def _checkpoints(study: StudyFolder, states: RunStates) -> dict[str, float]:
    """Seconds since the last checkpoint of every run that has one and no record yet."""
    ages = {}
    for run, state in states.state.items():
        if state in (State.MISSING, State.RUNNING):
            with contextlib.suppress(OSError):
                ages[run] = max(0.0, time.time() - study.checkpoint(run).lstat().st_mtime)
    return ages


def _submitted(study: StudyFolder, states: RunStates) -> dict[str, str]:
    """The missing runs that were handed to Slurm, with the job of the newest submission."""
    jobs: dict[str, str] = {}
    for _, submission in submissions(study):
        for job, runs in submission.runs_by_job().items():
            jobs |= dict.fromkeys(runs, job)
    return {run: job for run, job in jobs.items() if states.state.get(run) is State.MISSING}
