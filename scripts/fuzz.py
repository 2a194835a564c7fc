#!/usr/bin/env python
"""A fuzzer of what strangers send: studies, protocols, tables, logs, layouts, ledgers; commands meet them.

    scripts/fuzz.py --inputs 2000 --seed 0

Each input is a real one, harmed at random one to four times: JSON of other values and types, torn, empty,
huge and binary files, arrays of other kinds, links, pipes, folders in a file's place, hostile names; mostly
with the hashes made again, so that what lies behind them is met. A study was trained by the engine or by a
command, or has a life behind it (runs removed, restored, merged, failed, in progress); a log is one of every
tracker's, with scores of items. Two commands read it, in this process, or take from it, pack and merge it.
Each must end with 0 or 2 (`verify` also with 1: damaged; `gate` with 1 and 3, its answers) without a
traceback, within 10 seconds of processor time and 2 GB of memory; it may write into the study and where it
was told to, open nothing outside through it, start no process, and run no pickle. Exit code 1 and the list of
what is wrong otherwise, each with the number that makes it again: `--only NUMBER`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from fuzz_harm import harm_kind_of_file, harmed_arrays, harmed_bytes, harmed_json, harmed_text
from fuzz_life import NOTES, VALUES, harm_ledger, lived_study, searched
from fuzz_logs import LOGS, PRINTED, called_study, inside_zip, write

from rigorkd.cli.main import main as rigorkd_command
from rigorkd.files import sha256_of
from rigorkd.records.record import SEAL, seal
from rigorkd.text import printable

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "tests" / "records" / "study_0_1"
SECONDS, MEMORY = 10, 2 * 2**30
HANG = 300
"""Seconds by the clock after which a command is taken to wait for ever."""


@dataclass
class Trial:
    """One input and what became of it."""

    number: int
    kind: str
    wrong: list[str] = field(default_factory=list)
    harms: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    seconds: float = 0.0


class Watch:
    """Sees every file that is opened or changed while it is on: Python tells of each before it happens."""

    WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate")
    CHANGES += ("os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.move", "shutil.copyfile")
    STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")
    STARTS += ("pickle.find_class",)

    def __init__(self, inside: Path) -> None:
        self.inside, self.on, self.seen = str(inside.resolve()), False, list[str]()
        sys.addaudithook(self._event)

    def _event(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.on:
            return
        self.on = False
        try:
            if event in self.STARTS:
                self.seen.append(f"{event} {str(given)[:200]}")
            elif event == "open" and isinstance(given[0], str | bytes):
                self._opened(os.fsdecode(given[0]), given[1], given[2])
            elif event in self.CHANGES:
                for path in (path for path in given if isinstance(path, str | bytes | Path)):
                    self._changed(event, str(Path(os.fsdecode(path)).absolute().parent))
        finally:
            self.on = True

    def _opened(self, path: str, mode: str | None, flags: int) -> None:
        if flags & self.WRITES and path != os.devnull:
            self._changed("write", path)
        elif (
            not flags & os.O_NOFOLLOW
            and self._is_inside(path)
            and not self._is_inside(os.path.realpath(path))
        ):
            self.seen.append(f"opened {os.path.realpath(path)} through {path}")

    def _changed(self, what: str, path: str) -> None:
        if not self._is_inside(os.path.realpath(path)):
            self.seen.append(f"{what} {path}")

    def _is_inside(self, path: str) -> bool:
        return path == self.inside or path.startswith(self.inside + "/")


def harm_study(study: Path, outside: Path, rng: random.Random) -> str:
    """Harm one thing of a study; what was done. What an earlier harm has left may be in the way."""
    try:
        return _harm_study(study, outside, rng)
    except (OSError, RuntimeError) as error:
        return f"none ({type(error).__name__})"


def _harm_study(study: Path, outside: Path, rng: random.Random) -> str:
    record = rng.choice(sorted(study.rglob("record.json")) or [study / "main/record.json"])
    protocol = rng.choice(sorted(path for path in study.glob(".protocols/*")) or [study / "study.json"])
    path = rng.choice(
        (
            *(record, record, study / "study.json", study / "study.json", protocol, study / "looks.jsonl"),
            *(record.with_name("predictions.npz"), record.with_name("history.csv")),
        )
    )
    if (study / "changes.jsonl").is_file() and rng.random() < 0.4:
        path = study / rng.choice(NOTES)
    how = rng.random()
    if how < 0.2:
        path = rng.choice((path, path.parent, study / ".protocols", study / ".work", record.parents[1]))
        if path in (study, outside) or not os.path.lexists(path):
            path = study / "looks.jsonl"
            if not os.path.lexists(path):
                path.touch()
        return f"{harm_kind_of_file(path, outside, rng)} for {path.relative_to(study)}"
    if how < 0.25:
        return strange_folders(study, rng)
    if path.resolve() != path.absolute() or not path.is_file() or path.stat().st_size > 2**24:
        return "nothing"
    content = path.read_bytes()
    if rng.random() < 0.15:
        path.write_bytes(harmed_bytes(content, rng))
    elif path.suffix == ".npz":
        with contextlib.suppress(ValueError, OSError):
            path.write_bytes(harmed_arrays(content, rng))
    elif path.suffix in (".json", ".jsonl"):
        text = content.decode(errors="replace")
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        at = rng.randrange(len(lines) or 1)
        with contextlib.suppress(ValueError, RecursionError, IndexError):
            lines[at] = harmed_json(lines[at], rng)
            path.write_text("".join(f"{line}\n" for line in lines), errors="replace")
    else:
        path.write_text(harmed_text(content.decode(errors="replace"), rng), errors="replace")
    if path.suffix in (".json", ".yaml", ".npz", ".csv") and rng.random() < 0.8:
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
            seal_again(study, path)
    return f"content of {path.relative_to(study)}"


_MOST_READ = 2**26


def seal_again(study: Path, path: Path) -> None:
    """Make the hashes that an edited file breaks."""
    holders = (path, path.with_name("record.json"), study / "study.json")
    if any(file.exists() and not (file.is_file() and file.stat().st_size <= _MOST_READ) for file in holders):
        return  # an earlier harm made a hole or a device of it
    if path.suffix in (".npz", ".csv"):
        record = path.with_name("record.json")
        document = json.loads(record.read_bytes())
        document["files"][path.name] = sha256_of(path.read_bytes())
        path = record
    elif path.suffix == ".yaml":
        digest = sha256_of(path.read_bytes())
        document = json.loads((study / "study.json").read_bytes())
        document["protocols"] = [{"sha256": digest, "time": "now"}]
        path.rename(path.with_name(f"{digest}.yaml"))
        path = study / "study.json"
    else:
        document = json.loads(path.read_bytes())
    if path.name == "record.json":
        document[SEAL] = seal(document)
    elif path.name == "study.json":
        document["planned"]["sha256"] = sha256_of(json.dumps(document["planned"]["analysis"], sort_keys=True))
    path.write_text(json.dumps(document))


def strange_folders(study: Path, rng: random.Random) -> str:
    """Folders that no study has: very many, very deep, of hostile names."""
    match rng.randrange(3):
        case 0:
            for number in range(2_000):
                (study / "main" / f"x{number}" / "seed-0").mkdir(parents=True)
            return "many folders"
        case 1:
            (study / "/".join(["d"] * 300)).mkdir(parents=True)
            return "deep folders"
        case _:
            for name in ("\x1b[31m", "seed-0", "=cmd()", "a" * 200, "深", "seed-99999999999999999999"):
                (study / "main" / name / "seed-0").mkdir(parents=True, exist_ok=True)
                (study / "main" / name / "seed-0" / "record.json").write_text("{}")
            return "hostile names"


# -------------------------------------------------------------------------------------------------- inputs

PROTOCOLS = [*sorted(ROOT.glob("protocols/*.yaml")), STUDY / "legacy.yaml"]
TABLES = [*sorted(ROOT.glob("analysis/published/*.csv")), STUDY / "table.csv"]


def made_study(place: Path, outside: Path, rng: random.Random, harms: list[str]) -> list[list[str]]:
    whole = rng.choice(STUDIES)
    study = place / "results" / whole.name
    shutil.copytree(whole, study)
    harms += [harm_study(study, outside, rng) for _ in range(rng.choice((1, 1, 2, 4)))]
    asked = [
        ["analyze"],
        ["analyze", "--format", "json"],
        ["analyze", "--interim", "--all-pairs", "--format", "latex"],
        ["status"],
        ["status", "--format", "json"],
        ["table", "--format", "csv"],
        ["table", "--layout", "overall", "--format", "markdown"],
        ["verify"],
        ["verify", "--against", "0" * 64],
        ["logs", "--results", str(study.parent), "main/plain/baseline/seed-0"],
        ["report", "--out", str(place / "page.html")],
        ["figures", "--out", str(place / "figures"), "--format", "svg"],
        ["compare", str(whole)],
    ]
    weights = (4, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 0.1, 1)
    return [
        [command, *([] if command == "logs" else [str(study)]), *rest]
        for command, *rest in rng.choices(asked, weights, k=2)
    ]


CELLS = {
    "legacy": ("main/plain/baseline", "main/plain/kd-T4-a0.5"),
    "called": ("main/small/baseline", "main/small/kd-T4"),
}


def made_life(place: Path, outside: Path, rng: random.Random, harms: list[str]) -> list[list[str]]:
    """A study from which is taken, which is packed, merged, or asked whether a cell is better."""
    whole = rng.choice(STUDIES)
    study = place / "results" / whole.name
    shutil.copytree(whole, study)
    harms += [harm_study(study, outside, rng) for _ in range(rng.choice((1, 1, 2, 4)))]
    name = str(study)
    asked = [
        ["remove", name, "--list"],
        ["remove", name, "--restore"],
        ["remove", name, "--only", "main/plain/*", "--because", "why"],
        ["remove", name, "--seeds", "2:3", "--because", "why"],
        ["remove", name, "--student", "plain", "--dry-run"],
        ["gc", name, "--dry-run"],
        ["gc", name, "--yes"],
        ["merge", name, str(whole), "--into", str(place / "merged")],
        ["merge", str(whole), "--into", name],
        ["export", name, "--out", str(place / "export.zip")],
        ["gate", *CELLS[whole.name], "--in", name],
        ["gate", *CELLS[whole.name], "--in", name, "--ledger", "ledger.jsonl", "--format", "json"],
    ]
    return rng.choices(asked, (2, 2, 2, 1, 1, 1, 1, 2, 1, 2, 1, 1), k=2)


def made_search(place: Path, outside: Path, rng: random.Random, harms: list[str]) -> list[list[str]]:
    """A ledger, and what it was asked of."""
    shutil.copytree(SEARCH[0], place, dirs_exist_ok=True)
    shutil.copytree(STUDIES[0], place / "legacy")
    ledger = place / "ledger.jsonl"
    harms += [harm_ledger(ledger, outside, rng) for _ in range(rng.choice((1, 1, 2, 4)))]
    if rng.random() < 0.2:
        table = place / rng.choice(sorted(VALUES))
        table.write_text(harmed_text(table.read_text(), rng), errors="replace")
        harms.append("table")
    asked = [
        ["gate", "--ledger", ledger.name],
        ["gate", "--ledger", ledger.name, "--format", rng.choice(("json", "csv", "markdown", "latex"))],
        ["gate", "base.csv", "kd.csv", "--ledger", ledger.name],
        ["gate", "base.csv", "other.csv", "--ledger", ledger.name, "--format", "json"],
        ["gate", *CELLS["legacy"], "--in", "legacy", "--ledger", ledger.name],
    ]
    return rng.choices(asked, (1, 2, 3, 2, 1), k=2)


def made_protocol(place: Path, outside: Path, rng: random.Random, harms: list[str]) -> list[list[str]]:
    text = rng.choice(PROTOCOLS).read_text()
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = harmed_text(text, rng)
        harms.append("text")
    (place / "protocol.yaml").write_bytes(
        harmed_bytes(text.encode(errors="replace"), rng)
        if rng.random() < 0.1
        else text.encode(errors="replace")
    )
    return [["plan", "protocol.yaml"], ["plan", "protocol.yaml", "--seeds", "3", "--format", "json"]]


def made_table(place: Path, outside: Path, rng: random.Random, harms: list[str]) -> list[list[str]]:
    text = rng.choice(TABLES).read_text()
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = harmed_text(text, rng)
        harms.append("text")
    content = text.encode(errors="replace")
    if rng.random() < 0.2:
        content = harmed_bytes(content, rng)
    name = "table" + rng.choice(
        (".csv",) * 6 + (".tsv", ".json", ".jsonl", ".xlsx", ".parquet", ".md", ".txt")
    )
    (place / name).write_bytes(content)
    asked = [
        ["analyze", name],
        ["analyze", name, "--metric", "test_top1", "--format", "json"],
        ["audit", name, "--n-test", "10000"],
        ["import", name, "--out", "tidy.csv"],
        ["report", name, "--out", "page.html"],
        ["compare", name, str(STUDY / "results" / "legacy")],
    ]
    return rng.choices(asked, (4, 2, 3, 2, 1, 1), k=2)


def made_logs(place: Path, outside: Path, rng: random.Random, harms: list[str]) -> list[list[str]]:
    folder = place / "logs"
    paths = write(rng.choice(LOGS)(), folder)
    for _ in range(rng.choice((1, 1, 2, 4))):
        path = rng.choice(paths)
        harms.append(harm_log(path, outside, rng))
    single = len(paths) == 1 and paths[0].is_file() and not paths[0].is_symlink() and rng.random() < 0.5
    source = str(paths[0] if single else folder)
    asked = [
        ["analyze", source],
        ["analyze", source, "--select", "last", "--format", "json"],
        ["import", source, "--out", "tidy.csv"],
        ["report", source, "--out", "page.html"],
        ["table", source, "--layout", "gains"],
    ]
    return rng.choices(asked, (4, 2, 2, 1, 1), k=2)


def harm_log(path: Path, outside: Path, rng: random.Random) -> str:
    """Harm a file of a tracker's; what was done."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > 2**24:
        return "nothing"
    content, how = path.read_bytes(), rng.random()
    if how < 0.1:
        return f"{harm_kind_of_file(path, outside, rng)} for {path.name}"
    if how < 0.15:
        name = rng.choice(("\x1b[31m", "=cmd()", "深", "\u202e", "](x)", "a\nb")) + path.name[:100]
        path.rename(path.with_name(name))
        return f"name of {path.name}"
    if how < 0.3:
        path.write_bytes(harmed_bytes(content, rng))
    elif content.startswith(b"PK\x03\x04"):
        with contextlib.suppress(ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
            path.write_bytes(inside_zip(content, harmed_text, rng))
    elif path.suffix == ".json" or (path.suffix == ".jsonl" and rng.random() < 0.7):
        lines = content.decode(errors="replace").splitlines() or [""]
        at = rng.randrange(len(lines))
        with contextlib.suppress(ValueError, RecursionError):
            lines[at] = harmed_json(lines[at], rng)
        path.write_text("\n".join(lines), errors="replace")
    elif path.suffix in (".db", ".wandb"):
        path.write_bytes(harmed_bytes(content, rng))
    else:
        path.write_text(harmed_text(content.decode(errors="replace"), rng), errors="replace")
    return f"content of {path.name}"


LAYOUTS = sorted(ROOT.glob("rigorkd/report/layouts/*.yaml"))
MAPPINGS = sorted(ROOT.glob("analysis/published/*.yaml"))


def made_layout(place: Path, outside: Path, rng: random.Random, harms: list[str]) -> list[list[str]]:
    """A file of layouts, a mapping to a publication, or a printed table."""
    kind = rng.choice(("layout", "mapping", "printed"))
    text = PRINTED[rng.randrange(len(PRINTED))]
    if kind != "printed":
        text = rng.choice(LAYOUTS if kind == "layout" else MAPPINGS).read_text()
    for _ in range(rng.choice((1, 1, 2, 4))):
        text = harmed_text(text, rng)
        harms.append(kind)
    name = "printed" + rng.choice((".tex", ".md", ".csv")) if kind == "printed" else f"{kind}.yaml"
    content = text.encode(errors="replace")
    (place / name).write_bytes(harmed_bytes(content, rng) if rng.random() < 0.1 else content)
    study = str(rng.choice(STUDIES))
    if kind == "printed":
        return [["audit", name, "--n-test", "10000"], ["audit", name, "--seeds", "3", "--format", "json"]]
    if kind == "mapping":
        return [["compare", study, "--published", name]]
    shape = rng.choice(("table-1", "table-2", "table-4", "table-6", "x", ""))
    return [
        ["table", study, "--layout", f"{name}/{shape}"],
        ["figures", study, "--layout", name, "--out", "f"],
    ]


STUDIES = [STUDY / "results" / "legacy"]
"""Whole ones, from which the harmed ones are made; others come when the campaign begins."""
SEARCH: list[Path] = []
"""Where a ledger lies with its tables, when the campaign has begun."""

MAKERS = {
    "study": (made_study, 5),
    "protocol": (made_protocol, 1.5),
    "table": (made_table, 1.5),
    "logs": (made_logs, 2.5),
    "layout": (made_layout, 1),
    "life": (made_life, 2.5),
    "search": (made_search, 1.5),
}
ANSWERS = {"verify": (0, 1, 2), "gate": (0, 1, 2, 3)}
"""Exit codes of commands that answer with them."""


# --------------------------------------------------------------------------------------------------- trials


class Screen(io.StringIO):
    """A terminal, on which all is shown as it is written; a dumb one, so that nothing is coloured."""

    def isatty(self) -> bool:
        return True


class TooLong(BaseException):
    """A command took its time."""


def too_long(*_: object) -> None:
    raise TooLong


def called(line: list[str], watch: Watch, trial: Trial) -> None:
    """Run one command in this process; what is wrong goes into the trial."""
    sys.argv = ["rigorkd", *line]
    shown, told = Screen(), Screen()
    watch.seen.clear()
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(HANG)
    code: Any = 0
    said = f"{' '.join(line)}: "
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(told), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            watch.on = True
            rigorkd_command()
    except SystemExit as stop:
        code = stop.code or 0
    except TooLong:
        trial.wrong.append(f"{said}takes more than {SECONDS} s, or waits")
    except BaseException:
        trial.wrong.append(said + traceback.format_exc(limit=-6))
    finally:
        watch.on = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    trial.seconds = max(trial.seconds, time.process_time() - begun)
    trial.codes.append(code)
    if code not in ANSWERS.get(line[0], (0, 2)):
        trial.wrong.append(f"{said}exit code {code}: {told.getvalue()[-300:]}")
    if code == 2 and "rror:" not in told.getvalue():  # a long path goes to the next line
        trial.wrong.append(f"{said}exit code 2 without a message")
    for text in (shown.getvalue(), told.getvalue()):
        if text != printable(text):
            trial.wrong.append(f"{said}what steers a terminal reached it")
    trial.wrong += [said + what for what in watch.seen]


def contents(folder: Path) -> dict[str, Any]:
    return {str(path): (path.lstat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*")}


def tried(number: int, seed: int, sandbox: Path, outside: Path, watch: Watch) -> Trial:
    """Make one input, and let commands read it."""
    rng = random.Random(f"{seed} {number}")
    (kind,) = rng.choices(list(MAKERS), [weight for _, weight in MAKERS.values()])
    trial = Trial(number, kind)
    place = sandbox / "input"
    place.mkdir()
    os.chdir(place)
    before = contents(outside)
    for line in MAKERS[kind][0](place, outside, rng, trial.harms):
        called(line, watch, trial)
    if contents(outside) != before:
        trial.wrong.append("a file outside was touched")
    os.chdir(sandbox)
    shutil.rmtree(place, ignore_errors=True)
    return trial


def campaign(folder: Path, inputs: int, seed: int, only: int | None = None) -> dict[str, Any]:
    """Try so many inputs; what was tried and what is wrong."""
    sandbox, outside = folder / "sandbox", folder / "outside"
    sandbox.mkdir()
    outside.mkdir()
    (outside / "secret.txt").write_text("secret\n")
    lived = lived_study(STUDIES[0], folder / "lived" / "legacy")
    STUDIES[1:] = [called_study(folder / "called"), lived]
    SEARCH[:] = [searched(folder / "search")]
    if hasattr(os, "sched_setaffinity"):  # figures are drawn by as many processes as there are cores
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    watch = Watch(sandbox)
    signal.signal(signal.SIGPROF, too_long)
    signal.signal(signal.SIGALRM, too_long)
    tempfile.tempdir = str(sandbox)
    os.environ["TMPDIR"] = str(sandbox)
    os.environ |= {"COLUMNS": "100", "TERM": "dumb"}
    first = Trial(-1, "")
    for line in (["analyze"], ["report", "--out", "page.html"], ["figures", "--out", "figures"]):
        place = sandbox / "input" / "legacy"  # what is imported, and cached, once
        shutil.copytree(STUDY / "results" / "legacy", place)
        os.chdir(place.parent)
        called([line[0], str(place), *line[1:]], watch, first)
        os.chdir(sandbox)
        shutil.rmtree(place.parent)
    pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (pages + MEMORY, -1))
    begun = time.monotonic()
    numbers = range(inputs) if only is None else (only,)
    trials = []
    for number in numbers:
        trials.append(trial := tried(number, seed, sandbox, outside, watch))
        for what in trial.wrong:
            print(f"{number} ({', '.join(trial.harms)}): {what}", file=sys.stderr, flush=True)
    return {
        "inputs": dict(Counter(trial.kind for trial in trials)),
        "exit codes": dict(sorted(Counter(code for trial in trials for code in trial.codes).items())),
        "slowest": round(max(trial.seconds for trial in trials), 2),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "seconds": round(time.monotonic() - begun),
        "wrong": [f"{trial.number} ({', '.join(trial.harms)}): {w}" for trial in trials for w in trial.wrong],
    }


def main() -> int:
    """Run the campaign; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default 0)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this one alone")
    options = parser.parse_args()
    sys.dont_write_bytecode = True  # it is watched what is written
    with tempfile.TemporaryDirectory(prefix="rigorkd-fuzz-") as folder:
        report = campaign(Path(folder), options.inputs, options.seed, options.only)
        os.chdir("/")
        tempfile.tempdir = None
    print(json.dumps(report, indent=1, ensure_ascii=False))
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
