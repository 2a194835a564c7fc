"""Where the tests of an accelerator run, in which order, and what `scripts/gpu/check.sh` learns of them.

RIGORKD_GPU_DEVICE   cuda:0 unless it says cpu, where the same tests show that they themselves are right
RIGORKD_GPU_QUICK    1 for smaller trainings
RIGORKD_GPU_RESULT   the file that is rewritten after every test
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from rigorkd.files import write_atomically
from rigorkd.train.provenance import git_state, settings, versions
from rigorkd.train.runtime import Runtime, start_runtime

from ..train.conftest import one_precision_per_test, study, train

__all__ = ["one_precision_per_test", "study", "train"]

HERE = Path(__file__).parent
DEVICE = os.environ.get("RIGORKD_GPU_DEVICE", "cuda:0")
ON_CUDA = DEVICE.startswith("cuda")
QUICK = os.environ.get("RIGORKD_GPU_QUICK") == "1"
SCHEMA = "rigorkd.gpu-check/1"

PATIENCE = 170 if ON_CUDA else 1800
"""Seconds for one process of a test: one that hangs is not to take a lent GPU's whole time."""
STUDY_PATIENCE = 300 if ON_CUDA else 1800
"""For a whole study, which runs beside others on the same device and has workers of its own."""

cuda_only = pytest.mark.skipif(not ON_CUDA, reason="a CPU has nothing of the kind")
no_fp16 = pytest.mark.skipif(not ON_CUDA, reason="fp16 is not trained on a CPU")

PRECISIONS = [
    pytest.param("fp32"),
    pytest.param("bf16"),
    pytest.param("fp16", marks=no_fp16),
]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip everything here without a device: before any fixture trains something."""
    if ON_CUDA and not torch.cuda.is_available():
        pytest.skip("no CUDA device (scripts/gpu/check.sh --device cpu runs these on the CPU)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, each with a short one behind it: pytest-xdist deals two tests to every process."""
    mine = [item for item in items if HERE in item.path.parents]
    places = [index for index, item in enumerate(items) if HERE in item.path.parents]
    marks = ((item, item.get_closest_marker("cuda")) for item in mine)
    seconds = {item: mark.kwargs.get("seconds", 0) if mark else 0 for item, mark in marks}
    long = sorted((item for item in mine if seconds[item]), key=lambda item: -seconds[item])
    short = [item for item in mine if not seconds[item]]
    pairs = [item for pair in zip(long, short, strict=False) for item in pair]
    ordered = [*pairs, *long[len(short) :], *short[len(long) :]]
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


@pytest.fixture
def runtime() -> Runtime:
    """This process on the device, in reference mode; also what `train` of tests/train uses."""
    return start_runtime(DEVICE, "reference")


# ------------------------------------------------------------------------------ the result of a whole check


class Result:
    """The file that says how every test ended; written anew after each, so that a killed check leaves it."""

    def __init__(self, path: Path) -> None:
        self.path, self.begun = path, time.monotonic()
        found, git = versions(), git_state(HERE.parents[1])
        self.head: dict[str, Any] = {
            "schema": SCHEMA,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "device": Runtime(torch.device(DEVICE), "reference", 1).hardware(),
            **{key: found.get(key) for key in ("rigorkd", "torch", "cuda", "cudnn", "python")},
            "git_commit": git.commit,
            "git_dirty": git.dirty,
            "driver": settings()["driver"],
            "platform": platform.platform(),
            "quick": QUICK,
        }
        self.tests: dict[str, dict[str, Any]] = {}
        self.write()

    def write(self) -> None:
        seconds = round(time.monotonic() - self.begun, 1)
        document = {**self.head, "seconds": seconds, "tests": list(self.tests.values())}
        write_atomically(self.path, json.dumps(document, indent=1).encode() + b"\n", durable=False)

    def expect(self, nodeids: Iterable[str]) -> None:
        """Note all tests beforehand: what a check that is broken off did not come to has not passed."""
        for nodeid in nodeids:
            fields = {"name": _name(nodeid), "outcome": "not run", "seconds": 0.0, "reason": "broken off"}
            self.tests.setdefault(nodeid, fields)
        self.write()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """With pytest-xdist other processes collect, and this one never does."""
        self.expect(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported has no tests to fail."""
        if report.failed:
            self.expect([report.nodeid])
            self.tests[report.nodeid] |= {"outcome": "failed", "reason": _reason(report)}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the phases of a test; the worst of their outcomes is the test's."""
        test = self.tests[report.nodeid]
        test["seconds"] = round(test["seconds"] + report.duration, 2)
        if report.outcome != "passed" and test["outcome"] != "failed":
            test["outcome"], test["reason"] = report.outcome, _reason(report)
        elif report.when == "call":
            test["outcome"], test["reason"] = "passed", ""
        if report.when == "teardown" or report.outcome == "failed":
            self.write()

    def pytest_sessionfinish(self) -> None:
        self.write()


def _name(nodeid: str) -> str:
    return nodeid.partition("tests/gpu/")[2] or nodeid


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """In one line why a test was skipped, or what it met."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longrepr).strip()
    return next(iter(text.splitlines()), "")[:300]


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("RIGORKD_GPU_RESULT")
    if path and not hasattr(config, "workerinput"):  # a process of pytest-xdist reports to the first one
        config.pluginmanager.register(Result(Path(path)), "rigorkd-gpu-result")
