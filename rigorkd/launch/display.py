"""What `rigorkd run` shows while it trains: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rigorkd.launch.progress import Progress
from rigorkd.launch.worker import Message
from rigorkd.text import duration
from rigorkd.train.events import EpochDone, RunDone, RunFailed

LINE_EVERY = 10.0
"""Seconds between two progress lines when standard output is not a terminal."""


class Display:
    """Shows a launch. Use as a context manager and call it after every message of the pool."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self.console, self.progress = console, progress
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )
        self._shown = time.monotonic()

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
            self.console.print(Text.assemble(("failed ", "red"), f"{message.run}: {message.reason}"))
        elif isinstance(message, RunDone) and message.status == "diverged":
            self.console.print(Text.assemble(("diverged ", "yellow"), message.run))
        elif isinstance(message, RunDone) and message.run.split("/")[0] == "teacher" and not self._live:
            self._line(f"{message.run} done, test top-1 {message.top1:.2f} %")
        now = time.monotonic()
        if self._live:
            if message is not None or now - self._shown > 0.5:
                self._live.update(self._panel(), refresh=True)
                self._shown = now
        elif now - self._shown >= LINE_EVERY and (isinstance(message, EpochDone) or not self.progress.slots):
            self._shown = now
            parts = [f"{self.progress.done}/{self.progress.runs} runs"]
            parts += [f"{slot.label}, {slot.says}" for slot in self.progress.slots.values() if slot.epoch]
            parts += [self.progress.says_elsewhere] * bool(self.progress.elsewhere)
            self._line("; ".join(parts) + self._left())

    def stopping(self) -> None:
        """Say that Ctrl-C was heard."""
        self.console.print(
            "stopping: every run ends at its next epoch; Ctrl-C again stops now. Both resume.",
            highlight=False,
        )

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
        if progress.elsewhere:
            grid.add_row(progress.says_elsewhere)
        return grid


def _bar(completed: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=completed, width=30)
