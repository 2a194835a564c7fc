"""All processors are held to the same instructions, in studies that began with that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rigorkd.train import processor
from rigorkd.train.processor import FIXED, FIXED_EVERYWHERE, UNSET, dispatch, fix_dispatch, has_avx2

FRESH = {name: value for name, value in os.environ.items() if name not in {*FIXED, *FIXED_EVERYWHERE, *UNSET}}

STARTED = """
import json, os, sys
import rigorkd.train.cohort
from rigorkd.train.runtime import start_runtime
import torch
for mode, engine in json.loads(sys.argv[1]):
    if not os.fork():
        runtime = start_runtime("cpu", mode, {"engine": engine})
        said = [dict(os.environ), runtime.dispatch, torch.backends.cpu.get_cpu_capability()]
        print(json.dumps(said), flush=True)
        os._exit(0)
    os.wait()
"""


def started(environment: dict[str, str], *asked: tuple[str, int]) -> list[tuple[dict[str, str], str, str]]:
    """What new processes are after they have imported everything and started in this mode under this engine:
    environment, dispatch, torch's.
    """
    done = subprocess.run(
        [sys.executable, "-c", STARTED, json.dumps(asked)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(asked)
    return [(environ, used, capability) for environ, used, capability in found]


def test_a_new_study_is_held_to_what_all_processors_share() -> None:
    theirs = {**FRESH, "MKL_CBWR": "AVX2", UNSET[0]: "SSE4_2"}
    ((found, used, capability),) = started(theirs, ("reference", 2))
    assert UNSET[0] not in found
    assert {name: found.get(name) for name in FIXED_EVERYWHERE} == FIXED_EVERYWHERE
    if has_avx2():
        assert {name: found.get(name) for name in FIXED} == FIXED
        assert (used, capability) == ("AVX2", "AVX2")
    else:
        assert not found.keys() & FIXED.keys()
        assert used == f"{capability}, less than AVX2"


@pytest.mark.slow
def test_elsewhere_the_environment_is_the_users() -> None:
    """A study of 0.1 goes on with its own bits, and `fast` promises none."""
    theirs = {**FRESH, "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "AUTO"}
    for found, used, capability in started(theirs, ("reference", 1), ("fast", 2)):
        assert {name: found.get(name) for name in theirs} == theirs
        assert (used, capability) == ("DEFAULT, not fixed", "DEFAULT")


def test_a_gpu_keeps_its_host_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "AUTO")
    before = dict(os.environ)
    fix_dispatch("cuda:0", "reference", {"engine": 2})
    assert dict(os.environ) == before


def test_a_processor_with_less_is_not_told_to_do_what_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "has_avx2", lambda: False)
    for name in (*FIXED, *FIXED_EVERYWHERE, *UNSET):  # so that all of them are put back
        monkeypatch.setenv(name, "avx2")
    fix_dispatch("cpu", "reference", {"engine": 2})
    assert not os.environ.keys() & {*FIXED, *UNSET}
    assert os.environ["MKL_CBWR"] == "COMPATIBLE"
    assert dispatch("DEFAULT", fixed=True) == "DEFAULT, less than AVX2"


def test_what_was_fixed_too_late_is_not_called_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "has_avx2", lambda: True)
    assert dispatch("AVX512", fixed=True) == "AVX512, not fixed"
    assert dispatch("AVX2", fixed=False) == "AVX2, not fixed"
    assert dispatch("AVX2", fixed=True) == "AVX2"


def test_the_processors_are_those_that_the_documents_name() -> None:
    root = Path(__file__).parents[2]
    for page in ("README.md", "docs/running.md"):
        text = " ".join((root / page).read_text().split())
        assert all(name in text for name in processor.SEEN_EQUAL), page
