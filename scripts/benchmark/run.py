"""Benchmarks of rigorkd on this machine.

\b
    python scripts/benchmark/run.py                      everything
    python scripts/benchmark/run.py --only sharing       one of them
    python scripts/benchmark/run.py --quick              that all of it runs, in about a minute
    python scripts/benchmark/run.py --part reference     what scripts/gpu/measure.sh runs

Variants are interleaved in one process and ratios are taken within a round; the tables give medians and
quartiles over the rounds. A CPU uses one thread and process time, CUDA uses device events. The tables are
printed last, in Markdown, and a summary of all goals after them: docs/benchmarks.md is made of them. What was
not measured is named. Exit code 1: a table failed; the others are there. Ctrl-C (exit code 130) and TERM
(143) end it at once; the file of --json then has what was measured, and says that it is not complete.
"""

from __future__ import annotations

import datetime
import math
import re
import time
from pathlib import Path

import click
import psutil
import torch
from checkpoints import checkpoints
from compiled import compiled
from compiling import compiling
from fused import fused
from grid import grid
from idle import idle
from interrupts import Interrupted, interruptible
from machine import describe
from memory import memory
from overhead import overhead
from peers import peers
from pipeline import pipeline
from plan import PARTS, Cut, everything
from settings import Planned, Settings, settings_for
from sharing import sharing
from slots import slots
from suite import Benchmark, Results, measure, scratch
from torch.nn import functional as F

from rigorkd.errors import InputError
from rigorkd.train.runtime import Runtime, start_runtime

BENCHMARKS: dict[str, Benchmark] = {
    "sharing": sharing,
    "overhead": overhead,
    "peers": peers,
    "pipeline": pipeline,
    "fused": fused,
    "grid": grid,
    "memory": memory,
    "idle": idle,
    "slots": slots,
    "checkpoints": checkpoints,
    "compiled": compiled,
    "compiling": compiling,
}
SUITE = [planned.table for planned in everything(gpu=True)]


PART_SECONDS = 150.0
"""The time of a part: two of them and scripts/gpu/check.sh fit into a quarter of an hour."""


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(SUITE), help="Repeatable; default: all.")
@click.option("--device", default=None, help="cpu or cuda; default: cuda where there is one.")
@click.option(
    "--part",
    type=click.Choice(list(PARTS)),
    default=None,
    help="What fits into --seconds on a GPU, the most important first; sets the mode of that name.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Time for all of it, from the start of the process; default: 150 for a part, else no limit.",
)
@click.option("--mode", default="reference", show_default=True, help="The engine's mode.")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default=None,
    help="Default: the paper's fp16 on CUDA, fp32 on a CPU.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=None,
    help="Rounds per benchmark; default: 5, on CUDA 3.",
)
@click.option(
    "--quick", is_flag=True, help="Tiny sizes and one round: shows that all of it runs, measures nothing."
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Start no further benchmark after so many minutes; what was left out is named.",
)
@click.option("--date", default=None, help="The date to print; default: today.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the figures here.",
)
def main(
    only: tuple[str, ...],
    device: str | None,
    part: str | None,
    seconds: float | None,
    mode: str,
    precision: str | None,
    rounds: int | None,
    quick: bool,
    minutes: float | None,
    date: str | None,
    json_file: Path | None,
) -> None:
    begun = time.monotonic() - (time.time() - psutil.Process().create_time())
    if part and only:
        raise click.UsageError("--part and --only: a part has its own tables; give one of the two")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    named = re.fullmatch(r"cpu|cuda(?::(\d+))?", device)
    if named is None:
        raise click.UsageError(f"--device {device}: use cuda, cuda:N or cpu")
    if device != "cpu" and int(named[1] or 0) >= torch.cuda.device_count():
        raise click.UsageError(f"--device {device}: no such CUDA device can be used here; use --device cpu")
    try:
        runtime = start_runtime("cuda:0" if device == "cuda" else device, part or mode)
    except InputError as error:
        raise click.UsageError(str(error)) from None
    gpu = runtime.device.type == "cuda"
    precision = precision or ("fp16" if gpu else "fp32")
    if precision == "fp16" and not gpu:
        raise click.UsageError("--precision fp16 cannot be trained on a CPU: use fp32 or bf16")
    machine = describe(runtime, precision, date or datetime.date.today().isoformat())
    if part and seconds is None:
        seconds = PART_SECONDS
    results = Results(machine, quick, part, seconds, json_file, begun)
    if part:
        planned = PARTS[part].tables
        results.cut.extend(PARTS[part].cut)
    else:
        planned = tuple(each for each in everything(gpu=gpu) if not only or each.table in only)

    def settings_of(each: Planned) -> Settings:
        def note(text: str) -> None:
            click.echo(f"{each.table}: {text}", err=True)

        return settings_for(each, runtime, precision=precision, quick=quick, rounds=rounds, note=note)

    try:
        results.write()
    except OSError as error:
        raise click.UsageError(f"--json {json_file} cannot be written: {error.strerror}") from None
    until = math.inf if minutes is None else begun + 60 * minutes
    with interruptible():
        try:
            with scratch():
                start_device(runtime)
                measure(planned, BENCHMARKS, settings_of, results, starts_until=until)
        except Interrupted as interrupt:
            results.write()
            kept = f"; {json_file} has what was measured" if json_file else ""
            click.echo(f"error: interrupted by {interrupt}{kept}", err=True)
            raise SystemExit(128 + interrupt.number) from None
    for table in results.tables.values():
        click.echo(table.text(machine))
    say("not measured", results.cut)
    say("failed", results.failed)
    if json_file:
        click.echo(f"written: {json_file}")
    raise SystemExit(1 if results.failed else 0)


def start_device(runtime: Runtime) -> None:
    """The device's context and its libraries, which nobody's clock should meet."""
    images = torch.randn(8, 3, 16, 16, device=runtime.device)
    kernel = torch.randn(8, 3, 3, 3, device=runtime.device, requires_grad=True)
    features = F.conv2d(images, kernel).flatten(1)
    (features @ features.T).sum().backward()
    if runtime.device.type == "cuda":
        torch.cuda.synchronize(runtime.device)


def say(word: str, cuts: list[Cut]) -> None:
    """What is missing, and why, a line each."""
    for cut in cuts:
        click.echo(f"{word}: {cut.what}: {cut.why}")


if __name__ == "__main__":
    main()
