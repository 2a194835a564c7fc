"""Benchmarks of rigorkd on this machine.

\b
    python scripts/benchmark/run.py                      everything
    python scripts/benchmark/run.py --only sharing       one of them
    python scripts/benchmark/run.py --quick              that all of it runs, in well under a minute

Variants are interleaved in one process and ratios are taken within a round; the tables give medians and
quartiles over the rounds. A CPU uses one thread and process time, CUDA uses device events. The tables are
printed last, in Markdown, and a summary of all goals after them: docs/benchmarks.md is made of them.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
import torch
from compiled import compiled
from fused import fused
from grid import grid
from machine import describe
from memory import memory
from overhead import overhead
from peers import peers
from pipeline import pipeline
from settings import Settings, settings_for
from sharing import sharing
from summary import summary
from table import Table

from rigorkd.train.runtime import start_runtime

BENCHMARKS: dict[str, Callable[[Settings], Table]] = {
    "sharing": sharing,
    "overhead": overhead,
    "peers": peers,
    "pipeline": pipeline,
    "fused": fused,
    "grid": grid,
    "memory": memory,
    "compiled": compiled,
}


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(list(BENCHMARKS)), help="Repeatable; default: all.")
@click.option("--device", default=None, help="cpu or cuda; default: cuda where there is one.")
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
    mode: str,
    precision: str | None,
    rounds: int | None,
    quick: bool,
    minutes: float | None,
    date: str | None,
    json_file: Path | None,
) -> None:
    device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
    runtime = start_runtime("cuda:0" if device == "cuda" else device, mode)
    gpu = runtime.device.type == "cuda"
    precision = precision or ("fp16" if gpu else "fp32")
    if precision == "fp16" and not gpu:
        raise click.UsageError("--precision fp16 cannot be trained on a CPU: use fp32 or bf16")
    machine = describe(runtime, precision, date or datetime.date.today().isoformat())
    tables: list[Table] = []
    left_out = []
    begun = time.monotonic()

    def write() -> None:
        if json_file:
            document = {
                "schema": "rigorkd.benchmark/1",
                "quick": quick,
                "machine": asdict(machine),
                "tables": [asdict(table) for table in tables],
            }
            json_file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    for name in only or BENCHMARKS:
        if minutes is not None and time.monotonic() - begun > 60 * minutes:
            left_out.append(name)
            continue
        note = lambda text, name=name: click.echo(f"{name}: {text}", err=True)  # noqa: E731
        settings = settings_for(runtime, precision=precision, quick=quick, rounds=rounds, note=note)
        tables.append(BENCHMARKS[name](settings))
        runtime.release()
        write()  # after each: an interrupted command has what it measured
    tables.append(summary(tables, gpu=gpu))
    write()
    for table in tables:
        click.echo(table.text(machine))
    for name in left_out:
        click.echo(f"not measured within {minutes:g} minutes: --only {name}")


if __name__ == "__main__":
    main()
