"""A method and a data set are one new file and one entry each, a key of training one line of the schema:
scratch ones are added, and the files counted.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

METHOD = '''\
"""A scratch method: the mean absolute difference of the logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rigorkd.fields import Positive
from rigorkd.methods.base import Outputs, Targets, Weighted
from rigorkd.methods.divergences import full

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


class Scratch(Weighted):
    """A scratch method."""

    key = "scratch"
    labels: ClassVar[dict[str, str]] = {"alpha": "a"}
    short: ClassVar[dict[str, str]] = {**Weighted.short, "sharpness": "sh"}
    sharpness: Positive = 1.0

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        return self.sharpness * (full(student.logits) - full(teacher.logits)).abs().mean()
'''

DATA = '''\
"""A scratch data set: grey images, brighter by class."""

from __future__ import annotations

from typing import ClassVar, Literal

from rigorkd.data.dataset import Dataset, DatasetInfo, SourceArrays, sha256_of
from rigorkd.fields import Count


class Shades(Dataset):
    """Grey images of 8×8 pixels in four shades."""

    in_files: ClassVar[bool] = False
    name: Literal["shades"]
    images: Count = 200

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo("shades", self.images, None, classes=4, channels=1, size=8)

    def checksum_at_hand(self) -> str:
        return sha256_of({"source": "shades", "images": self.images})

    def read(self) -> tuple[SourceArrays, str]:
        import numpy as np

        labels = np.arange(self.images) % 4
        images = np.repeat(labels * 60, 64).reshape(-1, 1, 8, 8).astype(np.uint8)
        return SourceArrays(images, labels, ("a", "b", "c", "d")), self.checksum()
'''

PROTOCOL = """\
rigorkd: 1
study: scratch
dataset: {name: shades, images: 240, split: {val: 60, test: 60}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 30, epochs: 2}
teacher: {model: cnn}
students: {plain: {model: {name: cnn, channels: [4]}}}
groups:
  main: {baseline: true, scratch: {alpha: [0.2, 0.5], sharpness: 2}}
seeds: 1
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of rigorkd with a scratch method and a scratch data set."""
    folder = tmp_path_factory.mktemp("scratch")
    package = folder / "rigorkd"
    shutil.copytree(ROOT / "rigorkd", package)  # with its bytecode: to compile it would take seconds
    (package / "methods" / "scratch.py").write_text(METHOD)
    (package / "data" / "shades.py").write_text(DATA)
    enter(package / "methods" / "registry.py", "methods.scratch", "Scratch", after="        PermutedTail,\n")
    enter(package / "data" / "datasets.py", "data.shades", "Shades", after="        ImageFolder,\n")
    (folder / "scratch.yaml").write_text(PROTOCOL)
    return package


def enter(registry: Path, module: str, name: str, *, after: str) -> None:
    """Import a class in a registry, and list it."""
    text = registry.read_text()
    assert text.count(after) == 1
    text = text.replace(after, f"{after}        {name},\n")
    first = "\nfrom rigorkd."
    registry.write_text(text.replace(first, f"{first}{module} import {name}{first}", 1))


def run(package: Path, *command: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=package.parent,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(package.parent), str(ROOT / "analysis")]),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(ours: Path, theirs: Path) -> set[str]:
    """The files that differ, and those that only one side has, below two folders."""
    found = {
        str(path.relative_to(side))
        for side in (ours, theirs)
        for path in side.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    _, different, missing = filecmp.cmpfiles(ours, theirs, sorted(found), shallow=False)
    return {*different, *missing}


def test_one_file_and_one_entry_are_all_that_changes(package: Path) -> None:
    assert changed(ROOT / "rigorkd", package) == {
        "methods/scratch.py",
        "methods/registry.py",
        "data/shades.py",
        "data/datasets.py",
    }


def test_a_plan_names_them_without_torch(package: Path) -> None:
    code = (
        "import sys; from rigorkd.protocol.load import load_protocol\n"
        "print(*(cell.name for cell in load_protocol('scratch.yaml').cells), 'torch' in sys.modules)"
    )
    cells = ["teacher", "main/plain/baseline", *(f"main/plain/scratch-a{a}-sh2" for a in (0.2, 0.5))]
    assert run(package, "-c", code).split() == [*cells, "False"]


def test_they_train_and_are_analysed(package: Path) -> None:
    run(package, "-m", "rigorkd", "run", "scratch.yaml", "--jobs", "1")
    (path,) = (package.parent / "results").rglob("scratch-a0.2-sh2/seed-0/record.json")
    record = json.loads(path.read_text())
    assert (record["method"], record["sharpness"], record["status"]) == ("scratch", 2.0, "done")
    analysis = json.loads(run(package, "-m", "rigorkd", "analyze", "--format", "json"))
    assert {cell["method"] for cell in analysis["cells"]} == {"baseline", "scratch"}


def test_the_reference_has_them(package: Path) -> None:
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from reference import protocol, protocol_schema\n"
        "print(protocol(), json.dumps(protocol_schema()))"
    )
    said = run(package, "-c", code, ROOT / "scripts")
    assert "### `scratch`" in said
    assert "## Shades" in said
    assert '"const": "shades"' in said


KEYS = """\
rigorkd: 1
study: keys
dataset: {name: digits, split: {train: 100, val: 50, test: 100}}
training: {optimizer: {name: adamw, lr: 1e-2}, epochs: 2}
teacher: {model: cnn, stretch: 2}
students: {plain: cnn}
groups:
  main: {baseline: true, kd: true, stretch: [1, 3]}
"""


def test_a_key_of_training_is_one_line(tmp_path: Path) -> None:
    """Groups, teachers, names, records and hashes have it; at its default it changes no hash."""
    package = tmp_path / "rigorkd"
    shutil.copytree(ROOT / "rigorkd", package)
    schema = package / "protocol" / "schema.py"
    last = "    processes_per_run: Count = 1\n"
    assert schema.read_text().count(last) == 1
    text = schema.read_text().replace(last, f'{last}    stretch: Count = added("0.2", 1)\n')
    schema.write_text(
        text.replace(
            "\nfrom rigorkd.fields import",
            "\nfrom rigorkd.fields import added\nfrom rigorkd.fields import",
            1,
        )
    )
    (tmp_path / "keys.yaml").write_text(KEYS)
    code = (
        "import json; from rigorkd.protocol.load import load_protocol\n"
        "from rigorkd.protocol.hashes import cell_shape, resolved\n"
        "print(json.dumps({cell.name: [resolved(cell)['stretch'], 'stretch' in cell_shape(cell)]"
        " for cell in load_protocol('keys.yaml').cells}))"
    )
    assert changed(ROOT / "rigorkd", package) == {"protocol/schema.py"}
    assert json.loads(run(package, "-c", code)) == {
        "teacher": [2, True],
        **{f"main/plain/{cell}-stretch1": [1, False] for cell in ("baseline", "kd-T4-a0.5")},
        **{f"main/plain/{cell}-stretch3": [3, True] for cell in ("baseline", "kd-T4-a0.5")},
    }
