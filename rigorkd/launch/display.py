"""What `rigorkd run` shows: data being got ready, a panel or plain lines while it trains, the summary."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import fmean, median, stdev
from types import TracebackType
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rigorkd.data.dataset import Dataset
from rigorkd.launch.progress import Progress
from rigorkd.launch.worker import Message
from rigorkd.metrics import BY_NAME
from rigorkd.records.changes import cell_of, is_of_student
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import DIVERGED, read_records
from rigorkd.text import count, duration, printable, some_of
from rigorkd.train.events import EpochDone, Noted, RunDone, RunFailed

LINE_EVERY = 10.0
"""Seconds between two progress lines when standard output is not a terminal."""


class PlainConsole(Console):
    """A console for text with names and paths of the user's own.

    Brackets are no markup and words between colons no emoji there, numbers have no colours, and a long line
    is left to the terminal. What steers a terminal is left out.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, soft_wrap=True, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(printable(text), **how)


class SteadyConsole(PlainConsole):
    """Goes on in silence when whoever read its output has gone (`rigorkd run … | head`), and says so once."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _silence(sys.stdout)
        try:
            print("standard output was closed; training goes on (see `rigorkd status`)", file=sys.stderr)
            sys.stderr.flush()
        except BrokenPipeError:  # of `2>&1 | head`
            _silence(sys.stderr)


def _silence(stream: TextIO) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, stream.fileno())
    os.close(silence)


def prepare_data(dataset: Dataset, console: Console) -> None:
    """Download and decode what is missing of a data set, showing how far it is.

    Raises:
        InputError: see `Dataset.prepare`.
    """
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"{dataset.name}: decoding", total=None, visible=False)

        def watch(done: int, total: int) -> None:
            if done == 1:
                images = count(total, "image")
                console.print(f"{dataset.name}: decoding {images}, this once", highlight=False)
            bar.update(task, completed=done, total=total, visible=True)

        dataset.prepare(watch)


class Display:
    """Shows a launch. Use as a context manager and call it after every message of the pool.

    `seen` are the seeds of students whose numbers it has printed.
    """

    def __init__(
        self, console: Console, progress: Progress, *, verbose: bool = False, commands: bool = False
    ) -> None:
        self.console, self.progress, self.verbose = console, progress, verbose
        self.commands = commands
        self.seen: set[int] = set()
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self._shown = time.monotonic()
        self._told: set[str] = set()

    def __enter__(self) -> Display:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, message: Message | None) -> None:
        """Show what a message changed; None only refreshes."""
        if isinstance(message, RunFailed):
            self.console.print(
                Text.assemble(("failed ", "red"), printable(f"{message.run}: {message.reason}"))
            )
        elif isinstance(message, RunDone) and message.status == "diverged":
            self.console.print(Text.assemble(("diverged ", "yellow"), message.run))
        elif isinstance(message, RunDone) and (
            self.verbose or (message.run.split("/")[0] == "teacher" and not self._live)
        ):
            top1 = "" if message.top1 is None else f", test top-1 {message.top1:.2f} %"
            self._line(f"{message.run} done{top1}")
            seed = message.run.rpartition("/seed-")[2]
            if top1 and seed.isdecimal() and is_of_student(message.run):
                self.seen |= set() if self.console.quiet else {int(seed)}
        elif isinstance(message, Noted) and message.text not in self._told:
            self._told |= {message.text} if message.once else set()
            self.console.print(f"note {message.run}: {message.text}", highlight=False, markup=False)
        now = time.monotonic()
        if self._live:
            if message is not None or now - self._shown > 0.5:
                self._live.update(self._panel(), refresh=True)
                self._shown = now
        elif now - self._shown >= LINE_EVERY and (isinstance(message, EpochDone) or not self.progress.slots):
            self._shown = now
            parts = [f"{self.progress.done}/{self.progress.runs} runs"]
            parts += [f"{slot.label}, {slot.says}" for slot in self.progress.slots.values() if slot.epoch]
            parts += [self.progress.says_remote] * bool(self.progress.remote)
            self._line("; ".join(parts) + self._left())

    def stopping(self) -> None:
        """Say that Ctrl-C was heard."""
        how, then = "every run ends at its next epoch", "Both resume."
        if self.commands:
            how = "every command gets a TERM signal, and 30 seconds to save"
            then = "The same `rigorkd run` goes on with what is missing."
        self.console.print(f"stopping: {how}; Ctrl-C again stops now. {then}", highlight=False)

    def _line(self, text: str) -> None:
        elapsed = duration(self.progress.elapsed)
        self.console.print(f"[{elapsed:>7}] {text}", highlight=False, markup=False, soft_wrap=True)

    def _left(self) -> str:
        left = self.progress.seconds_left
        return f"; about {duration(left)} left" if left is not None else ""

    def _panel(self) -> Table:
        """One line for the whole launch, one for each worker: what, a bar, how far."""
        progress = self.progress
        head = Text(f"{progress.done}/{progress.runs} runs")
        if progress.failed:
            head.append(f", {progress.failed} failed", style="red")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(width=30)
        grid.add_column(no_wrap=True)
        spent = duration(progress.elapsed)
        grid.add_row(head, _bar(progress.worked, progress.work), f"{spent}{self._left()}")
        for slot in progress.slots.values():
            grid.add_row(slot.label, _bar(slot.epoch, slot.epochs), slot.says)
        if progress.remote:
            grid.add_row(progress.says_remote)
        return grid


def _bar(completed: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=completed, width=30)


def print_summary(
    study: StudyFolder, console: Console, metric: str = "test_top1", failed: Iterable[str] = ()
) -> set[int]:
    """Print n and mean ± standard deviation of a metric per cell; verdicts are the analysis's.

    `failed` are runs that have no record: their cell has its row, whatever is left of it. The seeds of
    students whose numbers are in a mean that was printed are returned.
    """
    from rigorkd_analysis.metric_names import unit_of
    from rigorkd_analysis.wording import decimals_for, number_text

    values: defaultdict[str, list[float]] = defaultdict(list)
    diverged: defaultdict[str, int] = defaultdict(int)
    bare: defaultdict[str, int] = defaultdict(int)
    others: defaultdict[str, dict[str, None]] = defaultdict(dict)
    seen: set[int] = set()
    for record in read_records(study):
        cell = str(record.fields["cell"])
        top1 = record.metrics.get(metric)
        if record.fields["status"] == DIVERGED or top1 is None:
            lost = diverged if record.fields["status"] == DIVERGED else bare
            lost[cell] += 1
            told = (name for name, value in record.metrics.items() if value is not None)
            others[cell] |= dict.fromkeys(name for name in told if name != "train_seconds")
            values[cell] += []
        else:
            values[cell].append(top1)
            if record.fields.get("role", "student") == "student" and record.fields["seed"] is not None:
                seen.add(int(record.fields["seed"]))
    fallen = Counter(map(cell_of, failed))
    for cell in fallen:
        values[cell] += []
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cell", no_wrap=True)
    table.add_column("n", justify="right")
    heading = BY_NAME[metric].heading if metric in BY_NAME else metric
    table.add_column(heading, justify="right")
    spreads = [stdev(top1s) for top1s in values.values() if len(top1s) > 1]
    largest = max((abs(top1) for top1s in values.values() for top1 in top1s), default=0.0)
    digits = decimals_for(unit_of(metric, largest), median(spreads or [0.0]), largest)
    for cell, top1s in values.items():
        spread = f" ± {number_text(stdev(top1s), digits)}" if len(top1s) > 1 else ""
        mean = f"{number_text(fmean(top1s), digits)}{spread}" if top1s else "–"
        note = f"  {count(diverged[cell], 'run')} diverged" if diverged[cell] else ""
        if fallen[cell]:
            note += f"  {count(fallen[cell], 'run')} failed"
        if bare[cell]:  # such as a teacher that a command trains, of which no number is asked, or another
            own = some_of(list(others[cell]), 3)
            lack = f"without {heading} (but with {own})" if own else "without a number"
            note += f"  {count(bare[cell], 'finished run')} {lack}"
        table.add_row(cell, "–" if bare[cell] and not top1s else str(len(top1s)), mean + note)
    console.print(table)
    console.print("mean ± standard deviation over seeds", style="dim")
    return set() if console.quiet else seen
