"""Measures tables one after another within a time, and writes what it has after every case of each.

A table has a soft time, after which no round is added and no case begun, and a hard one, at which it is cut.
One that fails or is cut is named with the reason; the others go on. What a table leaves unused of its time
goes to those after it.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import click
import torch
from clock import OutOfTime, limit
from machine import Machine
from plan import Cut
from settings import Planned, Settings
from summary import summary
from table import Table
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from rigorkd.files import write_atomically

SCHEMA = "rigorkd.benchmark/1"
Benchmark = Callable[[Settings], Iterator[Table]]
"""Measures case after case; every table that it gives is the whole one so far."""

PATIENCE = 2.0
LEAST_SECONDS = 15.0
"""A table is cut when it has taken PATIENCE times its share, and at least LEAST_SECONDS more than it."""


@dataclass
class Results:
    """What has been measured, and what has not. `file` always holds the present state."""

    machine: Machine
    quick: bool
    part: str | None
    seconds: float | None
    """The time that the whole was given; None: as long as it takes."""
    file: Path | None
    begun: float
    """When the process began, in the time of `time.monotonic()`."""
    tables: dict[str, Table] = field(default_factory=dict)
    cut: list[Cut] = field(default_factory=list)
    failed: list[Cut] = field(default_factory=list)
    complete: bool = False

    def write(self) -> None:
        """Write the file whole or not at all."""
        if self.file is None:
            return
        document = {
            "schema": SCHEMA,
            "quick": self.quick,
            "part": self.part,
            "seconds": self.seconds,
            "took": round(time.monotonic() - self.begun, 1),
            "complete": self.complete,
            "machine": asdict(self.machine),
            "tables": [asdict(table) for table in self.tables.values()],
            "cut": [asdict(cut) for cut in self.cut],
            "failed": [asdict(cut) for cut in self.failed],
        }
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        write_atomically(self.file, text.encode(), durable=False)

    def conclude(self) -> None:
        """Add the goals, say that nothing is to come, and write."""
        goals = summary(list(self.tables.values()), gpu=bool(self.machine.cuda))
        self.tables[goals.name] = goals
        self.complete = True
        self.write()


@contextmanager
def scratch() -> Iterator[None]:
    """Temporary files of the block, and of the processes it starts, lie in one folder that goes with it.

    But for compiled code, which the next measurement on the machine is to find.
    """
    variables = ("TMPDIR", "TORCHINDUCTOR_CACHE_DIR")
    before, folder = {name: os.environ.get(name) for name in variables}, tempfile.tempdir
    compiled = Path(default_cache_dir())
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(compiled))
    with tempfile.TemporaryDirectory(prefix="rigorkd-benchmark-", ignore_cleanup_errors=True) as name:
        os.environ["TMPDIR"] = tempfile.tempdir = name
        try:
            yield
        finally:
            tempfile.tempdir = folder
            for variable, value in before.items():
                os.environ.pop(variable, None)
                if value is not None:
                    os.environ[variable] = value
            with suppress(OSError):
                compiled.rmdir()  # made when PyTorch is imported; empty where nothing was compiled


def measure(
    planned: Sequence[Planned],
    benchmarks: Mapping[str, Benchmark],
    settings_of: Callable[[Planned], Settings],
    results: Results,
    *,
    starts_until: float = math.inf,
) -> None:
    """Measure the planned tables in their order; nothing begins after `starts_until` (monotonic)."""
    end = math.inf if results.seconds is None else results.begun + results.seconds
    for index, each in enumerate(planned):
        now = time.monotonic()
        if now >= min(end, starts_until):
            results.cut.append(Cut(each.table, "no time was left"))
            continue
        left = end - now
        share = left * each.seconds / sum(other.seconds for other in planned[index:])
        hard = min(left, max(PATIENCE * share, share + LEAST_SECONDS))
        _table(each, benchmarks[each.table], settings_of(each), share, hard, results)
        results.write()
    results.conclude()


def _table(
    planned: Planned, benchmark: Benchmark, settings: Settings, share: float, hard: float, results: Results
) -> None:
    name, begun = planned.table, time.monotonic()

    def cut(what: str) -> None:
        results.cut.append(Cut(f"{name}: {what}", f"no time was left of its {share:.0f} s"))

    paced = replace(settings, cut=cut, rounds=replace(settings.rounds, until=begun + share))
    try:
        with limit(hard):
            for table in benchmark(paced):
                results.tables[name] = table
                results.write()
    except OutOfTime:
        rows = len(results.tables[name].rows) if name in results.tables else 0
        had = f"; {rows} rows were done" if rows else ""
        results.cut.append(Cut(name, f"stopped after {hard:.0f} s{had}"))
        _forget_compiled(settings)
    except Exception as error:
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0][:200]
        results.failed.append(Cut(name, f"{type(error).__name__}: {first}"))
        _forget_compiled(settings)
    try:
        settings.runtime.release()
    except Exception as error:  # a device that an error has left unusable: what follows will say so too
        click.echo(f"{name}: {error}", err=True)
    of = "" if math.isinf(share) else f" of {share:.0f}"
    click.echo(f"{name}: {time.monotonic() - begun:.1f} s{of}", err=True)


def _forget_compiled(settings: Settings) -> None:
    """A table was stopped anywhere, perhaps while it compiled: what is half done must not be used."""
    if settings.runtime.compiles:
        torch._dynamo.reset()
