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
device, mode, engine = sys.argv[1:]
if engine == "2":
    import rigorkd.train.cohort
from rigorkd.train.runtime import start_runtime
runtime = start_runtime(device, mode, {"engine": int(engine)})
import torch
print(json.dumps([dict(os.environ), runtime.dispatch, torch.backends.cpu.get_cpu_capability()]))
"""


def started(mode: str, engine: int, environment: dict[str, str]) -> tuple[dict[str, str], str, str]:
    """What a new process is after it has imported everything and started: environment, dispatch, torch's."""
    done = subprocess.run(
        [sys.executable, "-c", STARTED, "cpu", mode, str(engine)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found, used, capability = json.loads(done.stdout)
    return found, used, capability


def test_a_new_study_is_held_to_what_all_processors_share() -> None:
    found, used, capability = started("reference", 2, {**FRESH, "MKL_CBWR": "AVX2", UNSET[0]: "SSE4_2"})
    assert UNSET[0] not in found
    assert {name: found.get(name) for name in FIXED_EVERYWHERE} == FIXED_EVERYWHERE
    if has_avx2():
        assert {name: found.get(name) for name in FIXED} == FIXED
        assert (used, capability) == ("AVX2", "AVX2")
    else:
        assert not found.keys() & FIXED.keys()
        assert used == f"{capability}, less than AVX2"


@pytest.mark.parametrize(("mode", "engine"), [("reference", 1), ("fast", 2)])
def test_elsewhere_the_environment_is_the_users(mode: str, engine: int) -> None:
    """A study of 0.1 goes on with its own bits, and `fast` promises none."""
    theirs = {**FRESH, "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "AUTO"}
    found, used, capability = started(mode, engine, theirs)
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
