"""Other processors give the same bits: a small study is trained here and on emulated ones.

QEMU's user mode runs the same Python on a processor of another maker or kind: other features, other caches,
and approximate instructions that really are exact. Debian has it as qemu-user; RIGORKD_QEMU names another.
"""

from __future__ import annotations

import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rigorkd.train.processor import FIXED, FIXED_EVERYWHERE, SEEN_EQUAL, UNSET, has_avx2

PROGRAM = Path(__file__).parent / "processors_program.py"
OLDEST = 8
"""Versions of QEMU before that break off in gathers of AVX2."""
EMULATED = {
    "Intel Haswell, emulated": "Haswell",
    "Intel Skylake, emulated": "Skylake-Client",
    "AMD EPYC-Rome, emulated": "EPYC-Rome",
}
LESS = "Nehalem"
PATIENCE = 3600


@pytest.fixture(scope="module")
def qemu() -> str:
    """The emulator, where there is one and this processor has what all are held to."""
    if platform.machine() != "x86_64" or not has_avx2():
        pytest.skip("only a processor with AVX2 knows what the others must give")
    for name in (os.environ.get("RIGORKD_QEMU", ""), "qemu-x86_64", "qemu-x86_64-static"):
        if name and (found := shutil.which(name)):
            said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
            version = re.search(r"version (\d+)", said)
            if version and int(version[1]) >= OLDEST:
                return found
            pytest.skip(f"{found} is older than QEMU {OLDEST}: it breaks off in gathers of AVX2")
    pytest.skip("no QEMU for programs of x86-64 (Debian: qemu-user); RIGORKD_QEMU names one elsewhere")


def train(folder: Path, *emulator: str) -> str:
    """Train the study of the program into a folder; what it printed."""
    clean = {k: v for k, v in os.environ.items() if k not in {*FIXED, *FIXED_EVERYWHERE, *UNSET}}
    done = subprocess.run(
        [*emulator, sys.executable, PROGRAM, folder],
        env=clean | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def here(qemu: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study as this processor trains it."""
    folder = tmp_path_factory.mktemp("processors") / "here"
    train(folder)
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    """What must be equal of every run: all of its record but record.json."""
    paths = sorted((folder / "study").rglob("seed-*/*"))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.suffix != ".json"
    }


def first_difference(here: Path, there: Path) -> str:
    """The first operation of which other bits came out, with the task and what came before; else empty."""
    task, before = "", ""
    for number, (ours, theirs) in enumerate(itertools.zip_longest(lines(here), lines(there)), start=1):
        if ours != theirs:
            return f"operation {number} in {task}: {ours} here, {theirs} there, after {before}"
        task, before = (ours, before) if ours.startswith("task ") else (task, ours)
    return ""


def lines(folder: Path) -> Iterator[str]:
    with (folder / "operations").open() as file:
        yield from map(str.rstrip, file)


@pytest.mark.slow
@pytest.mark.parametrize("name", EMULATED)
def test_an_emulated_processor_gives_the_same_bits(name: str, qemu: str, here: Path, tmp_path: Path) -> None:
    assert name in SEEN_EQUAL
    there = tmp_path / "there"
    train(there, qemu, "-cpu", EMULATED[name])
    assert not first_difference(here, there)
    ours, theirs = outputs(here), outputs(there)
    assert len([path for path in ours if path.endswith("model.safetensors")]) == 8
    assert ours.keys() == theirs.keys()
    assert not [path for path in ours if ours[path] != theirs[path]]


@pytest.mark.slow
def test_a_processor_with_less_trains_and_says_so(qemu: str, tmp_path: Path) -> None:
    assert train(tmp_path / "less", qemu, "-cpu", LESS).strip() == "DEFAULT, less than AVX2"


def test_a_difference_is_named(tmp_path: Path) -> None:
    same = "task teacher/seed-0\naten.mm.default 3x3 aa\naten.sqrt.default 3x3 bb\n"
    shorter = same.rpartition("aten.sqrt")[0]
    for name, text in {"here": same, "there": same.replace("bb", "cc"), "shorter": shorter}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "operations").write_text(text)
    assert not first_difference(tmp_path / "here", tmp_path / "here")
    said = first_difference(tmp_path / "here", tmp_path / "there")
    assert said == (
        "operation 3 in task teacher/seed-0: aten.sqrt.default 3x3 bb here, aten.sqrt.default 3x3 cc there, "
        "after aten.mm.default 3x3 aa"
    )
    assert "None there" in first_difference(tmp_path / "here", tmp_path / "shorter")
