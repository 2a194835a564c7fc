#!/usr/bin/env python
"""Whole processes on the digits protocol: this version, an earlier one, and loops that people write.

    mkdir /tmp/before && git archive 006a409 | tar x -C /tmp/before     # version 0.1
    scripts/benchmark/whole.py --before /tmp/before             # 7 rounds; --rounds for others

Every variant trains the same cells of `protocols/digits.yaml` at two seeds, on two cores, from the start of
the first process to the end of the last: rigorkd by `rigorkd run --jobs 2`, with its records, checkpoints and
latencies; a loop by a script for each seed, side by side, one thread each. The plain loop transforms images
one by one in a DataLoader, which costs more than training networks as small as these; the well-fed loop takes
its batches from the engine's own views of images in memory and keeps no records, so what it lacks is the
sharing among cells alone. Variants take turns; ratios are taken within a round. Seconds by the wall mean
something on an idle machine alone; processor time, of all processes together, on any.

`--ready` times instead how soon two workers are ready, and what memory they take (proportional set size).
"""

from __future__ import annotations

import argparse
import compileall
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "protocols" / "digits.yaml"
SEEDS = 2
OURS, BEFORE = "this version", "before"
PLAIN, FED, TORCHDISTILL = "plain loop", "well-fed loop", "torchdistill"
_PR_SET_CHILD_SUBREAPER = 36

READY = """
import multiprocessing, os, tempfile, time
from pathlib import Path
import psutil
from rigorkd.launch import worker
from rigorkd.launch.worker import WorkerSettings

if __name__ == "__main__":
    begun = time.perf_counter()
    folder = Path(tempfile.mkdtemp())
    fixed = (None, 1)
    wanted = [WorkerSettings(folder, slot, "cpu", "reference", *fixed, folder / str(slot)) for slot in (0, 1)]
    try:
        from rigorkd.launch.processes import begin_server, start_process
    except ImportError:
        context = multiprocessing.get_context("spawn")
        started = []
        for settings in wanted:
            ours, theirs = context.Pipe()
            process = context.Process(target=worker.work, args=(theirs, settings))
            process.start()
            theirs.close()
            started.append((process, ours))
    else:
        begin_server("cpu")
        started = [start_process(worker.work, "cpu", settings, name="worker") for settings in wanted]
    try:
        for _, line in started:
            line.recv()
        seconds = time.perf_counter() - begun
        memory = sum(child.memory_full_info().pss for child in psutil.Process().children(recursive=True))
    finally:
        for process, _ in started:
            process.kill()
            process.join()
    print(seconds, memory / 2**20)
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="the folder of an earlier version's source")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    parser.add_argument(
        "--epochs", type=int, help="fewer epochs: shows that all of it runs, measures nothing"
    )
    parser.add_argument(
        "--without-loops", action="store_true", help="only versions of rigorkd: a fifth of the time"
    )
    parser.add_argument("--ready", action="store_true", help="only until two workers are ready")
    parser.add_argument("--loop", choices=[PLAIN, FED, TORCHDISTILL], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.loop:
        train_by_loop(options.loop, options.seed, options.epochs)
        return
    versions = {OURS: ROOT, **({BEFORE: options.before.absolute()} if options.before else {})}
    for source in versions.values():
        compiled(source)
    if options.ready:
        show_ready(versions, options.rounds)
    else:
        show_whole(versions, options.rounds, options.epochs, loops=not options.without_loops)


def show_whole(versions: dict[str, Path], rounds: int, epochs: int | None, *, loops: bool) -> None:
    """The table of whole processes."""
    from clock import Rounds, interleave, ratios
    from peer_torchdistill import why_missing

    # What a launcher leaves behind when it ends becomes ours, so that its processor time is counted.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    spent: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="rigorkd-whole-") as name:
        folder = Path(name)
        protocol = folder / "digits.yaml"
        text = PROTOCOL.read_text()
        protocol.write_text(text if epochs is None else text.replace("epochs: 30", f"epochs: {epochs}"))

        def variant(label: str, commands: Callable[[], list[list[str]]], source: Path) -> Callable[[], float]:
            def measured() -> float:
                wall, processor = seconds_of(commands(), source, folder)
                spent.setdefault(label, []).append(processor)
                return wall

            return measured

        def study() -> list[list[str]]:
            results = tempfile.mkdtemp(dir=folder)
            words = ["run", str(protocol), "--seeds", str(SEEDS), "--jobs", "2", "--device", "cpu"]
            return [[sys.executable, "-m", "rigorkd", *words, "--results", results]]

        def loop(kind: str) -> Callable[[], list[list[str]]]:
            more = [] if epochs is None else ["--epochs", str(epochs)]
            return lambda: [
                [sys.executable, __file__, "--loop", kind, "--seed", str(seed), *more]
                for seed in range(SEEDS)
            ]

        variants = {label: variant(label, study, source) for label, source in versions.items()}
        for kind in (PLAIN, FED) if loops else ():
            variants[kind] = variant(kind, loop(kind), ROOT)
        missing = why_missing() if loops else None
        if loops and missing is None:
            variants[TORCHDISTILL] = variant(TORCHDISTILL, loop(TORCHDISTILL), ROOT)
        walls = interleave(variants, Rounds(rounds), lambda text: print(text, file=sys.stderr, flush=True))
    rows = [
        [
            label,
            f"{sorted(walls[label])[len(walls[label]) // 2]:.1f}",
            ratios(walls[label], walls[OURS]).text(2),
            f"{sorted(spent[label])[len(spent[label]) // 2]:.1f}",
            ratios(spent[label], spent[OURS]).text(2),
            str(len(walls[label])),
        ]
        for label in variants
    ]
    show(
        ["variant", "seconds", "times ours (quartiles)", "processor seconds", "times ours (quartiles)", "n"],
        rows,
    )
    if missing:
        print(f"- {missing}")


def show_ready(versions: dict[str, Path], rounds: int) -> None:
    """The table of workers that begin."""
    from clock import Rounds, interleave, quartiles, ratios

    memory: dict[str, list[float]] = {label: [] for label in versions}
    with tempfile.TemporaryDirectory(prefix="rigorkd-ready-") as name:
        program = Path(name) / "ready.py"
        program.write_text(READY)

        def variant(label: str, source: Path) -> Callable[[], float]:
            def measured() -> float:
                done = subprocess.run(
                    [sys.executable, str(program)],
                    env=environment(source),
                    capture_output=True,
                    text=True,
                    check=True,
                )
                seconds, megabytes = map(float, done.stdout.split())
                memory[label].append(megabytes)
                return seconds

            return measured

        variants = {label: variant(label, source) for label, source in versions.items()}
        walls = interleave(variants, Rounds(rounds))
    rows = [
        [
            label,
            quartiles(walls[label]).text(2),
            ratios(walls[label], walls[OURS]).text(2),
            f"{quartiles(memory[label]).median:.0f}",
            str(len(walls[label])),
        ]
        for label in versions
    ]
    show(["variant", "seconds (quartiles)", "times ours (quartiles)", "MiB of both workers", "n"], rows)


def show(columns: list[str], rows: Sequence[list[str]]) -> None:
    """A table in Markdown."""
    from table import Table

    print(Table("", "", tuple(columns), tuple(map(tuple, rows)), ()).markdown())


def environment(source: Path) -> dict[str, str]:
    """The environment of a process that imports rigorkd from a folder, where it may keep its bytecode.

    An installed rigorkd has bytecode; without, every process would compile a hundred files first.
    """
    places = [str(source), str(source / "analysis"), *filter(None, [os.environ.get("PYTHONPATH")])]
    words = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**words, "PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"}


def compiled(source: Path) -> None:
    """Write the bytecode of a folder's rigorkd."""
    for part in (source / "rigorkd", source / "analysis"):
        compileall.compile_dir(part, quiet=2)


def seconds_of(commands: list[list[str]], source: Path, folder: Path) -> tuple[float, float]:
    """Seconds by the wall until all commands have ended, and of processors, with all that they started."""
    begun = time.perf_counter()
    running = [
        subprocess.Popen(words, cwd=folder, env=environment(source), stdout=subprocess.DEVNULL)
        for words in commands
    ]
    processor, codes = 0.0, []
    wall = 0.0
    ours = {process.pid for process in running}
    while True:
        try:
            pid, status, used = os.wait4(-1, 0)
        except ChildProcessError:
            break
        processor += used.ru_utime + used.ru_stime
        if pid in ours:
            codes.append(os.waitstatus_to_exitcode(status))
            wall = time.perf_counter() - begun
    for process in running:
        process.returncode = 0
    if any(codes):
        raise RuntimeError(f"{commands[0]}: exit codes {codes}")
    return wall, processor


def train_by_loop(kind: str, seed: int, epochs: int | None) -> None:
    """The teacher and all students of a seed, one after another, as a script would."""
    import torch
    from feeds import PILImages, PILSets, device_feeds, loader_feeds
    from paper_grid import Grid
    from peer_loops import PlainLoop, train_grid
    from peer_torchdistill import TorchdistillLoop
    from torchvision import transforms

    from rigorkd.data.loading import load
    from rigorkd.protocol.load import load_protocol

    torch.set_num_threads(1)
    cells = load_protocol(PROTOCOL).cells
    if epochs is not None:
        cells = [
            replace(cell, training=cell.training.model_copy(update={"epochs": epochs})) for cell in cells
        ]
    teacher = next(cell for cell in cells if cell.role == "teacher")
    data = load(teacher.dataset, seed)
    finish = [transforms.ToTensor(), transforms.Normalize(data.shape.mean, data.shape.std)]
    shown = transforms.Compose(finish)
    sets = PILSets(
        PILImages(data.train, transforms.Compose([transforms.RandomCrop(8, padding=1), *finish])),
        PILImages(data.val, shown),
        PILImages(data.test, shown),
    )
    batch, device = teacher.training.batch_size, torch.device("cpu")
    grid = Grid(teacher, tuple(cell for cell in cells if cell.role == "student"))
    feeds = device_feeds(grid, batch, device) if kind == FED else loader_feeds(sets, batch, device)
    torch.manual_seed(seed)
    if kind == TORCHDISTILL:
        train_grid(grid, TorchdistillLoop(sets, feeds, batch, device).train)
    else:
        train_grid(grid, PlainLoop(feeds, device, "fp32").train)


if __name__ == "__main__":
    main()
