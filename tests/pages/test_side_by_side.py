"""Figures drawn by several processes: what a loop gives, whatever becomes of the processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from rigorkd.report.figures import side_by_side as module
from rigorkd.report.figures.side_by_side import cores, side_by_side

ITEMS = 21


def drawings(draw: Callable[[int], object]) -> list[Callable[[], object]]:
    return [partial(draw, item) for item in range(ITEMS)]


def who(item: int) -> tuple[int, int]:
    return item, os.getpid()


def test_results_come_in_order_from_several_processes_and_none_is_left() -> None:
    made = side_by_side([partial(who, item) for item in range(ITEMS)], 3)
    assert [item for item, _ in made] == list(range(ITEMS))
    others = {pid for _, pid in made} - {os.getpid()}
    assert len(others) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in others)


@pytest.mark.parametrize("processes", [0, 1])
def test_with_one_process_it_is_a_loop(processes: int) -> None:
    made = side_by_side([partial(who, item) for item in range(ITEMS)], processes)
    assert made == [(item, os.getpid()) for item in range(ITEMS)]
    assert side_by_side([], 4) == []


def test_few_drawings_are_worth_no_process() -> None:
    made = side_by_side([partial(who, item) for item in range(module.FEWEST)], 3)
    assert {pid for _, pid in made} == {os.getpid()}


def test_what_a_killed_process_does_not_bring_is_drawn_here() -> None:
    ours = os.getpid()

    def fatal(item: int) -> int:
        if os.getpid() != ours and item > ITEMS // 2:
            os.kill(os.getpid(), 9)
        return item

    assert side_by_side(drawings(fatal), 3) == list(range(ITEMS))


def test_an_error_is_that_of_a_loop() -> None:
    def refuses(item: int) -> int:
        if item == ITEMS - 2:
            raise ValueError(f"item {item}")
        return item

    with pytest.raises(ValueError, match="item 19"):
        side_by_side(drawings(refuses), 3)


def test_an_interrupt_ends_the_other_processes(tmp_path: Path) -> None:
    ours = os.getpid()

    def interrupted(item: int) -> None:
        if item and os.getpid() != ours:
            (tmp_path / str(os.getpid())).touch()
            time.sleep(600)
        while item and len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.01)
        if item:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(drawings(interrupted), 3)
    children = list(tmp_path.iterdir())
    assert len(children) == 2
    assert not any(Path(f"/proc/{child.name}").exists() for child in children)


def test_where_no_process_can_be_had_it_is_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    made = side_by_side([partial(who, item) for item in range(ITEMS)], 3)
    assert made == [(item, os.getpid()) for item in range(ITEMS)]


def test_a_process_with_threads_or_another_system_does_not_fork(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert cores() == len(os.sched_getaffinity(0))
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert cores() == 1
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cores() == 1
