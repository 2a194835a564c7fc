"""`remove`, `gc` and `merge` are killed before every step that touches the disk: nothing is lost."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rigorkd.errors import InputError
from rigorkd.launch.cleaning import KINDS, clear
from rigorkd.launch.merging import merge
from rigorkd.launch.removal import Wanted, remove, restore, set_aside_in
from rigorkd.records.integrity import verify_study
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import read_info
from tests.launch.made_study import PROTOCOL, at, make

STEPS = ("fsync", "link", "mkdir", "rename", "replace", "rmdir", "unlink")
SMALL = PROTOCOL.replace("  wide: {model: {name: cnn, channels: [6]}}\n", "").replace("seeds: 4", "seeds: 2")
pytestmark = pytest.mark.slow
PRODUCT = ("record.json", "history.csv", "predictions.npz", "model.safetensors")


def product(folder: Path) -> dict[str, bytes]:
    """The files of all records below a folder, by their run, wherever they were set aside."""
    found = {}
    for path in folder.rglob("seed-*/*"):
        parts = path.relative_to(folder).parts
        if path.name in PRODUCT and not any(part.endswith(".tmp") for part in parts):
            found["/".join(parts[2:] if parts[0] == ".removed" else parts)] = path.read_bytes()
    return found


def dying(real: Callable[..., object], now: Callable[[], bool]) -> Callable[..., object]:
    """A function that ends its process instead where it is `now` to do so."""

    def call(*arguments: object, **named: object) -> object:
        if now():
            os._exit(9)
        return real(*arguments, **named)

    return call


def killed_before(step: int, act: Callable[[], object]) -> bool:
    """Do something in another process that dies before its step so-and-so; whether it did."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            steps = itertools.count(1)
            for name in STEPS:
                setattr(os, name, dying(getattr(os, name), lambda: next(steps) == step))
            act()
            code = 0
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 9)
    return code == 9


def every_step(act: Callable[[], object], fresh: Callable[[], object], most: int = 400) -> Iterator[int]:
    """A fresh study and the act, killed before its first step, its second, and so on; the last time not."""
    for step in range(1, most):
        fresh()
        died = killed_before(step, act)
        yield step
        if not died:
            assert step > 3, "no step was met"
            return
    raise AssertionError("it never came to its end")


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return make(tmp_path / "original", seeds=(0, 1), text=SMALL)


def test_remove_loses_nothing(tmp_path: Path, original: Path) -> None:
    study, whole, wanted = tmp_path / "made", product(original), Wanted(seeds=(1,))

    def fresh() -> None:
        shutil.rmtree(study, ignore_errors=True)
        shutil.copytree(original, study)

    for _ in every_step(lambda: remove(study, wanted), fresh):
        assert product(study) == whole
        verify_study(study)
        with contextlib.suppress(InputError):  # all was done
            remove(study, wanted)
        assert read_info(study).seeds == (0,)
        assert product(study) == whole
        while set_aside_in(StudyFolder(study)):
            restore(study)
        assert read_info(study).seeds == (0, 1)
        found = verify_study(study)
        assert (found.records, found.damaged) == (6, ())
        assert product(study) == whole


def test_restore_loses_nothing(tmp_path: Path, original: Path) -> None:
    study, whole = tmp_path / "made", product(original)
    remove(original, Wanted(seeds=(1,)))

    def fresh() -> None:
        shutil.rmtree(study, ignore_errors=True)
        shutil.copytree(original, study)

    for _ in every_step(lambda: restore(study), fresh):
        assert product(study) == whole
        while set_aside_in(StudyFolder(study)):
            restore(study)
        assert read_info(study).seeds == (0, 1)
        assert verify_study(study).records == 6


def test_gc_loses_nothing(tmp_path: Path, original: Path) -> None:
    study = tmp_path / "made"
    (original / ".logs").mkdir()
    (original / ".logs" / "worker-0.log").touch()
    checkpoint = StudyFolder(original).checkpoint("main/plain/baseline/seed-0")
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    remove(original, Wanted(seeds=(1,)))
    digest = verify_study(original).digest

    def fresh() -> None:
        shutil.rmtree(study, ignore_errors=True)
        shutil.copytree(original, study)

    for _ in every_step(lambda: clear(study, tuple(KINDS)), fresh):
        for aside in (study / ".removed").glob("*/*/**/record.json"):
            assert len(list(aside.parent.iterdir())) == 4, "half of a record is set aside"
        assert verify_study(study).digest == digest
        clear(study, tuple(KINDS))
        assert verify_study(study).digest == digest
        assert not [*(study / ".removed").glob("*"), *(study / ".work").glob(".*")]


@pytest.mark.parametrize("into", ["new", "there"])
def test_merge_loses_nothing(tmp_path: Path, original: Path, into: str) -> None:
    parts = [
        make(tmp_path / name, seeds=(0, 1), text=SMALL, train=at(seed)) for seed, name in enumerate("ab")
    ]
    whole, before = product(original), [product(part) for part in parts]
    target = tmp_path / "results" / "made"

    def fresh() -> None:
        shutil.rmtree(target.parent, ignore_errors=True)
        if into == "there":
            shutil.copytree(parts[0], target)

    for _ in every_step(lambda: merge(parts, target), fresh):
        assert [product(part) for part in parts] == before
        if target.exists():
            found = verify_study(target)
            assert found.damaged == ()
            assert into == "there" or found.records == 6, "a new study appears whole"
        merge(parts, target)
        assert product(target).keys() == whole.keys()
        assert verify_study(target).damaged == ()
        assert [path.name for path in target.parent.iterdir()] == ["made"], "a killed merge leaves nothing"
