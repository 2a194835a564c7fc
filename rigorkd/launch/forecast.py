"""What a launch will cost, said before it is spent: hours, disk and memory.

The rates that earlier runs left behind tell it. Where there are none, a few steps of every kind of training
are timed first, for at most LIMIT seconds; what is trained in no time needs no forecast.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import signal
import tempfile
from collections.abc import Iterable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from rigorkd.launch.cost import cost, images_of
from rigorkd.launch.measure import Footprint, measure
from rigorkd.launch.run_states import RunStates
from rigorkd.protocol.cells import Run
from rigorkd.protocol.load import Protocol
from rigorkd.records.rates import RateBook
from rigorkd.text import count, duration

if TYPE_CHECKING:
    from rigorkd.launch.session import Session

LIMIT = 20.0
"""Seconds that measuring may take before a launch."""

LITTLE = 5e8
"""Pixels, of all images of all epochs, that any machine trains on sooner than it could be measured."""

BESIDE_WEIGHTS = 20_000
"""Bytes of a record and its history; predictions have 17 an image."""


def foresee(session: Session, states: RunStates, workers: int) -> None:
    """Say what the missing runs will cost, measured if need be."""
    protocol, options = session.protocol, session.options
    book, left = RateBook.of(options.results), states.missing()
    found = cost(protocol, states, options.seeds, book, options.mode)
    seen: Footprint | None = None
    if found.seconds is None and not protocol.smoke and _pixels(left) > LITTLE:
        session.say(f"no rates of this machine yet: timing a few steps, for at most {LIMIT:.0f} s")
        seen = _in_time(protocol, states, options.seeds, book, options.mode, options.device)
        found = cost(protocol, states, options.seeds, book, options.mode)
        if found.seconds is None:
            session.say(
                f"cost: not known after {LIMIT:.0f} s; the first runs tell it, and `rigorkd plan --measure` "
                "takes the time that it needs"
            )
    if found.seconds is None:
        return
    parts = [f"about {duration(found.seconds)} for one worker"]
    if workers > 1:
        parts.append(f"{duration(found.seconds / workers)} at best for {workers}")
    disk = found.disk_bytes if seen is None else _disk(left, seen, weights=options.save_weights)
    if disk is not None:
        parts.append(f"{_size(disk)} on disk")
    if seen is not None:
        parts.append(f"{_size(seen.memory)} of memory a worker, at least")
    session.say(f"cost: {', '.join(parts)}")


def _pixels(runs: Iterable[Run]) -> float:
    """Pixels that these runs train on; of images that nobody has counted yet there are many."""
    total = 0.0
    for cell in (run.cell for run in runs if run.cell.train):
        if (images := images_of(cell.dataset)) is None:
            return float("inf")
        side = cell.size or cell.views.size or cell.dataset.side
        total += images.train * cell.training.epochs * side**2
    return total


def _disk(runs: Iterable[Run], seen: Footprint, *, weights: bool) -> int | None:
    """Bytes of the records of these runs."""
    total = 0
    for cell in (run.cell for run in runs):
        images = images_of(cell.dataset)
        kept = weights or cell.role != "student"
        if images is None or (kept and cell.model not in seen.weights):
            return None
        total += BESIDE_WEIGHTS + 17 * images.test + (seen.weights[cell.model] if kept else 0)
    return total


def _size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{count(round(number / 1e6), 'MB', 'MB')}"


def _in_time(
    protocol: Protocol, states: RunStates, seeds: tuple[int, ...], book: RateBook, mode: str, device: str
) -> Footprint | None:
    """Measure in processes of their own, which end when the time is up; rates that were found stay."""
    context = mp.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="rigorkd-forecast-", ignore_cleanup_errors=True) as scratch:
        given = (theirs, scratch, protocol, states, seeds, book, mode, device)
        process = context.Process(target=_measure, args=given)
        process.start()
        theirs.close()
        try:
            if ours.poll(LIMIT):
                found: Footprint | None = ours.recv()
                return found
        except EOFError:  # it could not be measured; what is wrong is told when it is trained
            return None
        finally:
            _end(process)
    return None


def _end(process: BaseProcess) -> None:
    """End a process and all that it has started, if it has come so far as to lead them."""
    pid = process.pid
    with contextlib.suppress(ProcessLookupError):
        if pid is not None and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
    process.kill()
    process.join()


def _measure(
    connection: Connection,
    scratch: str,
    protocol: Protocol,
    states: RunStates,
    seeds: tuple[int, ...],
    book: RateBook,
    mode: str,
    device: str,
) -> None:
    """The process that measures, at the head of a group that can be ended as a whole."""
    os.setsid()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    tempfile.tempdir = scratch  # whoever ends this process removes it
    connection.send(measure(protocol, states, seeds, book, mode, lambda text: None, device))
