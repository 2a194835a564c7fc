"""The worker process of a study whose runs commands train: takes tasks, calls, commits. Imports no torch.

To the launcher it is a worker like any other: the same tasks, the same words, the same leases behind it.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

from rigorkd.errors import RigorkdError
from rigorkd.files import send_output_to, write_atomically
from rigorkd.launch.command_files import ResultError, may_name
from rigorkd.launch.command_process import (
    MARK,
    Ended,
    Limits,
    call,
    end_those_of,
    is_held_outside,
    says_children,
    start_guard,
)
from rigorkd.launch.command_results import Results, UnreadError, read_results
from rigorkd.launch.failures import PRINTED
from rigorkd.launch.processes import FIXED, die_with_parent
from rigorkd.launch.worker import Message, Stop, StopAll, TaskEnded, WorkerSettings, serve
from rigorkd.methods.baseline import Baseline
from rigorkd.problems import ExpansionError
from rigorkd.protocol.cells import FIXED as SHARED
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.hashes import resolved, training_key
from rigorkd.protocol.trainer import STDOUT, CellTrainer
from rigorkd.records.attempts import CALLED_AGAIN, ENDED
from rigorkd.records.changes import note_met, says_beside, says_met
from rigorkd.records.command_code import as_they_are, as_they_stayed, code_files, uncovered
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.rates import cpu_name, hardware_here
from rigorkd.records.record import DONE, commit, to_json
from rigorkd.records.untrusted import read_bytes
from rigorkd.text import printable
from rigorkd.train.events import EpochDone, Noted, RunDone, RunFailed
from rigorkd.train.provenance import git_state, own_versions
from rigorkd.train.task import Task

CONFIG = ".rigorkd-config.json"
"""What a function is told, below `{out}`; a hidden file is never kept."""
LONGEST_REASON = 300


def work_by_command(
    connection: Connection, environment: Mapping[str, str] | None, settings: WorkerSettings
) -> None:
    """Process entry point: call commands as tasks come until the launcher closes the connection or dies."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Ctrl-C is the launcher's: it asks its workers to stop. Ignored, a command would ignore it too.
        signal.signal(number, lambda *_: None)
    mark = secrets.token_hex(8)
    start_guard(mark)
    die_with_parent()
    send_output_to(settings.log)
    # A forked process has the environment of the server that it was forked from, not the launcher's.
    inherited = {**(os.environ if environment is None else environment), MARK: mark}
    serve(connection, _Worker(connection, inherited, settings).train)


class _Worker:
    """One slot: its devices, and the environment that commands get there."""

    def __init__(
        self, connection: Connection, inherited: Mapping[str, str], settings: WorkerSettings
    ) -> None:
        self.connection, self.settings = connection, settings
        self.study = StudyFolder(settings.study.absolute())
        self.gpus = [name.removeprefix("cuda:") for name in settings.devices if name != "cpu"]
        threads = {name: str(settings.threads) for name in FIXED if name not in inherited}
        self.environment = {
            "PYTHONUNBUFFERED": "1",
            **threads,
            **inherited,
            "CUDA_VISIBLE_DEVICES": ",".join(self.gpus),
        }
        self._stop = False
        self._written: dict[str, Expected] | None = {}
        self._uncovered: dict[str, list[Path]] = {}

    def train(self, task: Task) -> Message:
        """Call the commands of a task's runs; how it ended as a whole."""
        self._stop = False
        try:
            for want in task.runs:
                self._train(want, task)
                if self._asked_to_stop():
                    break
        except RigorkdError as error:
            return StopAll(str(error))
        except OSError as error:
            traceback.print_exc()
            place = error.filename or self.study.path
            return StopAll(
                f"{place}: {error.strerror or error}; nothing half-written is left, and the same command "
                "resumes"
            )
        except Exception as error:
            traceback.print_exc()
            return TaskEnded(f"{type(error).__name__}: {error}")
        return TaskEnded()

    def _asked_to_stop(self) -> bool:
        while self.connection.poll():
            self._stop |= isinstance(self.connection.recv(), Stop)
        return self._stop

    def _train(self, want: Expected, task: Task) -> None:
        run, by = want.run, want.run.cell.trainer
        assert by is not None
        out, log = self.study.out(run.name), self.study.run_log(run.name)
        folder = want.working
        assert folder is not None, "a launch reads the files of its commands"
        beside = as_they_are(self._uncovered_by(run.cell, folder), folder)
        if out.exists():
            end_those_of(out)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            for attempt in range(by.trainer.retries + 1):
                if not by.trainer.resume:
                    shutil.rmtree(out, ignore_errors=True)
                out.mkdir(parents=True, exist_ok=True)
                begun = time.time()
                ended = self._call(want, by, out, file)
                if ended.stopped:
                    return
                self._note_shared(want, begun)
                if not ended.why or attempt == by.trainer.retries:
                    break
                _say(file, ENDED.format(seconds=ended.seconds))
                again = {"attempt": attempt + 1, "retries": by.trainer.retries}
                _say(file, CALLED_AGAIN.format(why=ended.why, **again))
            reason = ended.why
            if reason and ended.error_line:
                reason = f"{reason}: {printable(ended.error_line)[:LONGEST_REASON]}"
            if reason.startswith("exit code"):
                reason += _empty_options(by.filled(self._filled(want, out))[0])
            results: Results | None = None
            unread = False
            if not reason:
                try:
                    keep_all = run.cell.role != "student"
                    results = read_results(by.trainer, out, ended.stdout, ended.stderr, keep_all=keep_all)
                except ResultError as error:
                    reason, unread = str(error), isinstance(error, UnreadError)
                    reason += _printed(ended, reason)
            if results is not None and (named := [key for key in results.left_out if key != "seed"]):
                text = f"left out of its results, as names of something else of a run: {', '.join(named)}"
                _say(file, text)
                self.connection.send(Noted(run.name, text, once=True))
            if ended.children:
                _say(file, says_children(ended.children))
                self.connection.send(Noted(run.name, says_children(ended.children)))
            if results is None:
                _say(file, ENDED.format(seconds=ended.seconds))
                _say(file, f"failed: {reason}")
                self.connection.send(RunFailed(run.name, reason, unread))
                return
            self._commit(want, task, results, ended, as_they_stayed(beside, folder))
            _say(file, f"done after {ended.seconds:.1f} s")
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(self.study.checkpoint(run.name).parent, ignore_errors=True)
        self.connection.send(EpochDone(1, 1, 1, 0, ended.seconds, {run.name: {}}))
        self.connection.send(RunDone(run.name, DONE, None))

    def _uncovered_by(self, cell: Cell, folder: Path) -> list[Path]:
        """The files that runs of a cell may read and no hash covers, looked for once: it parses the code."""
        if cell.name not in self._uncovered:
            found: list[Path] = []
            with contextlib.suppress(OSError, RigorkdError, ExpansionError):  # a note, for which no run fails
                found = uncovered([cell], folder)
            self._uncovered[cell.name] = found
        return self._uncovered[cell.name]

    def _call(self, want: Expected, by: CellTrainer, out: Path, log: BinaryIO) -> Ended:
        trainer = by.trainer
        folder = want.working
        assert folder is not None, "a launch reads the files of its commands"
        filled = self._filled(want, out)
        words, more = by.filled(filled)
        if trainer.function is not None:
            config = {**by.config(), **filled, "seed": int(filled["seed"])}
            write_atomically(out / CONFIG, to_json(config), durable=False)
            words = [
                sys.executable,
                "-m",
                "rigorkd.launch.call_function",
                trainer.function,
                str(out / CONFIG),
            ]
        environment = {**self.environment, **more}
        words[0] = program(words[0], folder, environment.get("PATH", "")) or words[0]
        _say(log, f"$ {json.dumps(words)}")
        ended = call(
            words,
            folder=folder,
            environment=environment,
            log=log,
            out=out,
            limits=Limits(
                trainer.time_limit,
                int(trainer.output_limit * 1e6),
                None if trainer.disk_limit is None else int(trainer.disk_limit * 1e9),
            ),
            connection=self.connection,
            asked_to_stop=self._asked_to_stop,
            apart=trainer.result.file == STDOUT,
        )
        with contextlib.suppress(OSError):
            (out / CONFIG).unlink()
        return ended

    def _note_shared(self, want: Expected, begun: float) -> None:
        """Say once that runs write one file where all are called: side by side they meet there.

        The study keeps it, since whoever judges its numbers has to know. What something outside of the runs
        holds open, such as the output of `rigorkd run` itself, is not theirs; nor is, as far as one can tell,
        what no code of theirs names, such as a paper that is being written there.
        """
        if self.settings.workers == 1 or self._written is None or want.working is None:
            return
        for name in _changed_since(begun, want.working, self.study.path.parent):
            other = self._written.setdefault(name, want)
            if other is not want and not is_held_outside(want.working / name):
                if not any(self._may_write(each, name) for each in (want, other)):
                    self.connection.send(Noted(want.run.name, says_beside(name), once=True))
                    continue
                self.connection.send(Noted(want.run.name, says_met(name, self.study.path), once=True))
                note_met(self.study.path, name, other.run.name, other.run_hash)
                self._written = None
                return

    def _may_write(self, want: Expected, name: str) -> bool:
        """Whether a run's command, its code or its small inputs may name a file; also where none is known."""
        by, folder = want.run.cell.trainer, want.working
        if by is None or folder is None or by.trainer.code == ():
            return True
        try:
            code = code_files(by, folder)
        except (OSError, RigorkdError, ExpansionError):
            return True
        words, more = by.filled(self._filled(want, self.study.out(want.run.name)))
        said = [word.encode(errors="replace") for word in (*words, *more.values())]
        for each in want.command.inputs if want.command else ():
            with contextlib.suppress(OSError, RigorkdError):  # of what is larger, too
                said.append(read_bytes(folder / each, folder, _SETTINGS))
        return may_name([*code.values(), *said], name)

    def _filled(self, want: Expected, out: Path) -> dict[str, str]:
        """The placeholders that a call fills; those that the run lacks are left out."""
        run = want.run
        filled = {
            "out": str(out),
            "device": "cuda" if self.gpus else "cpu",
            "seed": str(run.seed or 0),
            "cell": run.cell.name,
        }
        if run.cell.teacher is not None and run.cell.method.distils:
            filled["teacher"] = self._folder_of(run.cell.teacher, run)
        if run.cell.start_cell is not None:
            filled["start"] = self._folder_of(run.cell.start_cell, run)
        return filled

    def _folder_of(self, cell: str, run: Run) -> str:
        """What the command of a teacher or start left for this run's seed."""
        fixed = self.study.run(f"{cell}/seed-{SHARED}")
        return str(fixed if fixed.exists() else self.study.run(f"{cell}/seed-{run.seed}"))

    def _commit(
        self, want: Expected, task: Task, results: Results, ended: Ended, beside: Mapping[str, str]
    ) -> None:
        run, cell = want.run, want.run.cell
        assert cell.trainer is not None
        assert want.command is not None
        engine = resolved(replace(cell, trainer=None, method=Baseline()))
        hardware = sorted(hardware_here())[0] if self.gpus else cpu_name(self.settings.threads)
        fields: dict[str, Any] = {
            **dict.fromkeys(engine),
            **dict.fromkeys(_ENGINE_ONLY),
            "study": self.study.path.name,
            "cell": cell.name,
            "role": cell.role,
            "group": cell.group,
            "student": cell.student,
            "seed": run.seed,
            **resolved(cell),
            "axes": [name for name, _ in cell.trainer.values if name not in ("student", "method")],
            "training_key": training_key(cell),
            "status": DONE,
            "metrics": {"train_seconds": ended.seconds, **results.metrics},
            "run_hash": want.run_hash,
            "teacher_run_hash": want.teacher_hash,
            "start_run_hash": want.start_hash,
            "code": dict(want.command.code),
            "inputs": dict(want.command.inputs),
            "uncovered_files": dict(beside),  # of none, too: one that comes later is new
            "smoke": task.smoke,
            "finished": datetime.datetime.now(datetime.UTC).isoformat(),
            "hardware": hardware,
            "device": "cuda" if self.gpus else "cpu",
            "versions": own_versions(),
            **{f"git_{key}": value for key, value in asdict(git_state(want.working or Path.cwd())).items()},
        }
        commit(self.study.run(run.name), fields, results.files)


_SETTINGS = 100_000
"""Bytes of an input that may be settings, and name files."""
_LOOKED_AT = 2_000
"""Files of a protocol's folder that are looked at after a run."""


def _changed_since(begun: float, folder: Path, results: Path) -> list[str]:
    """The files below a folder that were written since, but for hidden ones, caches and results."""
    found: list[str] = []
    looked = 0
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "__pycache__")) and (here / name).absolute() != results
        )
        for name in sorted(files):
            looked += 1
            if looked > _LOOKED_AT:
                return found
            with contextlib.suppress(OSError):
                if not name.startswith(".") and (here / name).stat().st_mtime > begun:
                    found.append((here / name).relative_to(folder).as_posix())
    return found


def _empty_options(words: Sequence[str]) -> str:
    """What to write where a command that failed got an option without a value."""
    option = re.compile(r"--?[A-Za-z][\w-]*")
    empty = [before for before, word in pairwise(words) if not word and option.fullmatch(before)]
    if not empty:
        return ""
    return (
        f" ({', '.join(empty)} got no value, since the cell has none: in brackets, [{empty[0]} {{…}}], it is"
        " left out there)"
    )


def _printed(ended: Ended, reason: str) -> str:
    """What a command printed last that ended well and left no result, unless the reason says enough."""
    last = printable(ended.last_line)[:LONGEST_REASON]
    told = "keys: {" in reason or last[:40] in reason
    return f"{PRINTED}{last!r}" if last and not told else ""


_ENGINE_ONLY = (
    *("ce_weight", "kd_weight", "t_squared", "views_key", "epochs_run", "latency_ms", "model_code"),
    *("method_code", "weights_sha256", "data_checksum", "numerics", "numerics_of_parts", "mode"),
    *("precision_used", "dispatch", "equal_bits_seen_on"),
)
"""Fields of a record that only rigorkd's engine can fill, beside those of its configuration."""


def program(name: str, folder: Path, path: str) -> str | None:
    """Where a command's program is: below its folder, or on the path; `python` is where rigorkd is."""
    if "/" in name:
        found = shutil.which(folder / name)
        return None if found is None else name
    found = shutil.which(name, path=path)
    return sys.executable if found is None and name in ("python", "python3") else found


def _say(log: BinaryIO, text: str) -> None:
    """A line of rigorkd's own in a run's log; a full disk is for the records to report."""
    with contextlib.suppress(OSError):
        log.write(f"[rigorkd] {text}\n".encode())
        log.flush()
