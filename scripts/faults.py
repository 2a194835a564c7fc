#!/usr/bin/env python
"""A fault campaign: studies are killed again and again, and must come out as if nothing had happened.

    scripts/faults.py --kills 60 --seed 0

Workers, launchers, or both are killed (SIGKILL) at random times and inside the writing of files, with one
launcher or two on a study. Every study is then finished undisturbed, and must have the bytes of a reference
study, one whole record of each run, no run committed twice, and nothing left lying about. Exit code 1 and the
list of what is wrong otherwise.

Launchers and workers are forks of this process, which has loaded torch once: so a launch takes parts of a
second to start, and most kills hit training, evaluation and writing rather than imports.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch.utils.benchmark  # noqa: F401

import rigorkd.cli.run
import rigorkd.launch.display
import rigorkd.train.cohort  # noqa: F401
from rigorkd.cli.main import main as rigorkd_command
from rigorkd.launch import pool, processes
from rigorkd.records.integrity import verify_study
from rigorkd.train import finish as finishing

PROTOCOL = """\
rigorkd: 1
study: faults
dataset: {name: digits, split: {train: 320, val: 100, test: 200, seed: 3}}
views: {normalize: dataset, train: [{random_crop: {padding: 1}}]}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 4}
teacher: {model: {name: cnn, channels: [16, 16], hidden: 32}, epochs: 6}
students:
  dropping: {model: {name: cnn, channels: [4, 8], hidden: 16, dropout: 0.2}}
groups:
  main: {baseline: true, kd: {T: [1, 4], alpha: 0.5}}
seeds: 2
"""
PRODUCT = ("history.csv", "predictions.npz", "model.safetensors")
VICTIMS = ("worker", "launcher", "both")
STEPS = 90
"""About as many steps of writing (flushes and renames) does one worker do in a study of this size."""


@dataclass(frozen=True)
class Mishap:
    """Who is killed, and when: after some seconds, or before a step of writing (counted in each worker)."""

    victim: str
    seconds: float | None = None
    step: int | None = None


def main() -> int:
    """Run the campaign; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=60, help="kills at least (default 60)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the plan (default 0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rigorkd-faults-") as folder:
        report = campaign(Path(folder), options.kills, random.Random(options.seed))
    print(json.dumps(report, indent=1))
    return 1 if report["wrong"] else 0


def campaign(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    """Kill at least `kills` processes over as many studies as that takes; what was done and what is wrong."""
    (folder / "faults.yaml").write_text(PROTOCOL)
    begun = time.monotonic()
    wait(start(folder, "reference"))
    usual = time.monotonic() - begun
    reference = product_bytes(folder / "reference" / "faults")
    wrong = [] if reference else ["the undisturbed study has no files"]
    killed: Counter[str] = Counter()
    studies: list[str] = []
    launches = 0
    while sum(killed.values()) < kills:
        if not studies or is_complete(folder / studies[-1] / "faults", reference):
            studies.append(f"study-{len(studies)}")
        mishap = draw(rng, usual)
        together = 1 + (rng.random() < 0.4)
        launches += together
        every = rng.choice(("0", "0", "0.3", ""))
        killed.update(disturb(folder, studies[-1], mishap, together, every))
        if launches > 12 * kills:
            wrong.append("the kills do not hit")
            break
    for name in studies:
        code = wait(start(folder, name))
        if code:
            wrong.append(f"{name}: the last launch ended with {code}")
        wrong += [f"{name}: {what}" for what in faults(folder / name / "faults", reference)]
    return {
        "studies": len(studies),
        "launches": launches,
        "kills": dict(killed),
        "seconds": round(time.monotonic() - begun),
        "wrong": wrong,
    }


def draw(rng: random.Random, usual: float) -> Mishap:
    """A mishap: half at a random time of a launch that usually takes `usual` seconds, half while writing."""
    victim = rng.choice(VICTIMS)
    if rng.random() < 0.5:
        return Mishap(victim, seconds=rng.uniform(0.0, usual))
    return Mishap(victim, step=rng.randrange(1, STEPS))


def disturb(folder: Path, results: str, mishap: Mishap, together: int, every: str) -> list[str]:
    """Launch once, or twice at the same time, with a mishap; the kinds of kills that came to pass."""
    token = folder / "token"
    token.touch()
    launchers = [start(folder, results, mishap, every) for _ in range(together)]
    kinds: list[str] = []
    if mishap.seconds is not None:
        time.sleep(mishap.seconds)
        kinds += kill_now(launchers[0], mishap.victim)
    for pid in launchers:
        wait(pid)
    if mishap.step is not None and not token.exists():
        kinds.append(f"{mishap.victim} while writing")
    token.unlink(missing_ok=True)
    return kinds


def kill_now(launcher: int, victim: str) -> list[str]:
    """Kill a launcher, one of its workers, or all of them; nothing if there is none."""
    workers = children(launcher)
    if victim == "worker":
        targets = workers[:1]
    else:
        targets = [launcher] if victim == "launcher" else [launcher, *workers]
    for pid in targets:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return []
    return [f"{victim} at any time"] if targets else []


def start(folder: Path, results: str, mishap: Mishap | None = None, every: str = "") -> int:
    """Fork a launcher on the study under `results`; its process number.

    `every` are the seconds between checkpoints, the product's own by default.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        os.chdir(folder)
        log = os.open(folder / "launchers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        forking = SimpleNamespace(get_context=lambda _: multiprocessing.get_context("fork"))
        vars(processes)["mp"] = forking
        vars(processes)["forkserver"] = SimpleNamespace(ensure_running=lambda: None)
        if mishap is not None and mishap.step is not None:
            vars(pool)["work"] = accident_prone(vars(pool)["work"], folder / "token", mishap)
        # Seldom enough that a kill may find a checkpoint of long ago, or none; or after every epoch.
        os.environ["RIGORKD_CHECKPOINT_EVERY"] = every
        count_commits(folder / f"{results}.commits")
        sys.argv = ["rigorkd", "run", "faults.yaml", "--results", results, "--jobs", "2", "--device", "cpu"]
        rigorkd_command()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0
    finally:
        os._exit(code)


def accident_prone(work: Callable[..., None], token: Path, mishap: Mishap) -> Callable[..., None]:
    """A worker's entry point in which the mishap comes to pass once, by whoever takes the token first."""

    def changed(*arguments: Any) -> None:
        step = 0

        def perhaps() -> None:
            nonlocal step
            step += 1
            if step != mishap.step:
                return
            try:
                token.unlink()
            except FileNotFoundError:
                return
            if mishap.victim in ("launcher", "both"):
                os.kill(os.getppid(), signal.SIGKILL)
            if mishap.victim in ("worker", "both"):
                os.kill(os.getpid(), signal.SIGKILL)

        def before(real: Callable[..., Any]) -> Callable[..., Any]:
            def step_of_writing(*given: Any, **named: Any) -> Any:
                perhaps()
                return real(*given, **named)

            return step_of_writing

        os.fsync = before(os.fsync)
        Path.replace = before(Path.replace)  # type: ignore[method-assign]
        Path.rename = before(Path.rename)  # type: ignore[method-assign]
        work(*arguments)

    return changed


def count_commits(path: Path) -> None:
    """Have every commit that was made, and every one that came second, noted in a file."""
    real: Callable[..., bool] = vars(finishing)["commit"]

    def noted(folder: Path, *given: Any) -> bool:
        first = real(folder, *given)
        with path.open("a") as file:
            file.write(f"{'first' if first else 'second'} {folder}\n")
        return first

    vars(finishing)["commit"] = noted


def faults(study: Path, reference: dict[str, bytes]) -> Iterator[str]:
    """What is wrong with a study that should be as if nothing had happened."""
    product = product_bytes(study)
    for name in sorted(reference.keys() | product.keys()):
        if reference.get(name) != product.get(name):
            yield f"{name} has other bytes, or is missing, or is too many"
    for damage in verify_study(study).damaged:
        yield f"{damage.run}: {damage.reason}"
    for pattern in ("*.tmp", "checkpoint.pt", "failed.json"):
        for path in study.rglob(pattern):
            yield f"{path.relative_to(study)} was left behind"
    for place in (".launchers", ".damaged"):
        for path in (study / place).glob("*"):
            yield f"{path.relative_to(study)} was left behind"
    commits = Path(f"{study.parent}.commits").read_text().splitlines()
    for line, times in Counter(commits).items():
        if line.startswith("second") or times > 1:
            yield f"{line}: {times} times"


def is_complete(study: Path, reference: dict[str, bytes]) -> bool:
    return len(product_bytes(study)) == len(reference)


def product_bytes(study: Path) -> dict[str, bytes]:
    """Every file of every record whose bytes must not depend on how the study was run."""
    while True:
        try:
            return {
                str(path.relative_to(study)): path.read_bytes()
                for name in PRODUCT
                for path in study.rglob(name)
                if not any(part.startswith(".") for part in path.relative_to(study).parts)
            }
        except FileNotFoundError:  # a worker that outlives its launcher for a moment has just moved it
            time.sleep(0.05)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still live."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return []


def wait(pid: int) -> int:
    """Wait for a process to end; its exit code, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
