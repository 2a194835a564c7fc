"""A user's own `module:function`: imported from the protocol's folder, exactly as it was planned."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rigorkd.errors import InputError
from rigorkd.models import custom
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.own_code import Source, read_source

DOUBLE = "def double(**_):\n    torch.set_default_dtype(torch.float64)\n\n\n"

NETS = """\
from torch import nn

from helper import WIDTH


def small(classes, channels, size, width=WIDTH):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, width), nn.Linear(width, classes))


def lazy(classes, channels, size):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(WIDTH), nn.LazyBatchNorm1d(), nn.LazyLinear(classes))


def failing(classes, channels, size):
    raise KeyError("no luck")


def other_classes(classes, channels, size):
    return small(classes + 2, channels, size)


def nothing(**_):
    return 3


def of_five(classes, channels, size):
    assert classes == 5
    return small(classes, channels, size)


def lazy(classes, channels, size):
    from helper import WIDTH as width

    return small(classes, channels, size, width)
"""


@pytest.fixture(autouse=True)
def as_a_new_process() -> Iterator[None]:
    """Forget what the tests import, and prove that nothing is left of it."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    custom._forget()
    custom._functions.clear()
    assert sys.path == path
    assert not {"nets", "helper"} & (set(sys.modules) - modules)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A module with a helper beside it."""
    return write(tmp_path)


def write(folder: Path, *, width: int = 8, nets: str = NETS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "nets.py").write_text(nets)
    (folder / "helper.py").write_text(f"WIDTH = {width}\n")
    return folder


def make(source: Source, name: str = "nets:small", *, classes: int = 5, **values: Any) -> nn.Module:
    options = {"weights": values.pop("weights", "random"), "seed": values.pop("seed", 0)}
    return build(Model(name=name, **values), classes=classes, channels=1, size=8, source=source, **options)


def width(model: nn.Module) -> int:
    return len(model.state_dict()["1.weight"])


def test_it_is_called_with_the_shape_and_the_protocols_args(folder: Path) -> None:
    source = read_source("nets:small", folder)
    assert width(make(source)) == 8
    assert width(make(source, args={"width": 3})) == 3
    assert make(source)(torch.zeros(2, 1, 8, 8)).shape == (2, 5)
    assert not (folder / "__pycache__").exists()


@pytest.mark.parametrize("function", ["small", "lazy"])
def test_the_seed_decides_its_weights(folder: Path, function: str) -> None:
    source = read_source(f"nets:{function}", folder)
    first, again, other = (make(source, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(first["1.weight"], again["1.weight"])
    assert not torch.equal(first["1.weight"], other["1.weight"])


def test_weights_of_a_file_get_a_new_head_for_other_classes(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    source = read_source("nets:small", folder)
    saved = make(source, classes=7, seed=1).state_dict()
    save_file(saved, tmp_path / "model.safetensors")
    loaded = make(source, classes=5, weights=tmp_path / "model.safetensors").state_dict()
    assert torch.equal(loaded["1.weight"], saved["1.weight"])
    assert torch.equal(loaded["2.weight"], make(source, classes=5).state_dict()["2.weight"])


def test_code_that_changed_since_it_was_planned_is_refused(folder: Path) -> None:
    planned = read_source("nets:small", folder)
    write(folder, width=9)
    with pytest.raises(InputError, match="its code changed since this run was planned"):
        make(planned)
    assert width(make(read_source("nets:small", folder))) == 9


def test_an_edit_under_a_running_study_changes_nothing(folder: Path) -> None:
    planned = read_source("nets:small", folder)
    assert width(make(planned)) == 8
    write(folder, width=9)
    assert width(make(planned)) == 8
    assert width(make(read_source("nets:small", folder))) == 9


@pytest.mark.parametrize("name", ["nets:small", "nets:lazy"])
def test_two_studies_with_modules_of_one_name(folder: Path, tmp_path: Path, name: str) -> None:
    other = write(tmp_path / "other", width=11)
    for _ in range(2):
        custom._functions.clear()
        assert width(make(read_source(name, folder), name)) == 8
        assert width(make(read_source(name, other), name)) == 11


def test_the_protocols_folder_counts_not_the_current_one(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path / "current", width=12))
    monkeypatch.syspath_prepend("")
    assert width(make(read_source("nets:small", folder))) == 8
    custom._forget()


def test_the_same_code_serves_from_another_folder_when_the_first_is_gone(tmp_path: Path) -> None:
    first = write(tmp_path / "first")
    assert width(make(read_source("nets:small", first))) == 8
    assert width(make(read_source("nets:small", first.rename(tmp_path / "second")))) == 8


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("nets:failing", {}, "classes=5, channels=1, size=8 it raised KeyError: 'no luck'"),
        ("nets:failing", {}, f"nets.py:{NETS[: NETS.index('raise')].count(chr(10)) + 1})"),
        ("nets:nothing", {}, "returned int, not a torch.nn.Module"),
        ("nets:WIDTH", {}, "WIDTH is no function of nets"),
        ("nets:small", {"args": {"wings": 2}}, "wings"),
        ("nets:small", {"dropout": 0.1}, "takes no dropout"),
        ("nets:other_classes", {}, "not with the logits of 5 classes"),
        ("broken:make", {}, "importing broken raised ZeroDivisionError"),
        ("random:make", {}, "the name random is taken by a module of Python itself"),
        ("pytest:make", {}, "the name pytest is taken by"),
        ("leaves:make", {}, "importing leaves raised SystemExit: 3"),
        ("exits:later", {}, "classes=5, channels=1, size=8 it raised SystemExit: 4"),
        ("threads:make", {}, "importing threads changes the number of threads"),
        ("exits:double", {}, "changes the default dtype"),
    ],
)
def test_what_is_wrong_with_it_is_one_message(
    folder: Path, name: str, values: dict[str, Any], words: str
) -> None:
    (folder / "broken.py").write_text("def make(): ...\n1 / 0\n")
    (folder / "random.py").write_text("def make(): ...\n")
    (folder / "pytest.py").write_text("def make(): ...\n")
    (folder / "threads.py").write_text("import torch\n\ntorch.set_num_threads(7)\n\n\ndef make(): ...\n")
    (folder / "leaves.py").write_text("import sys\n\n\ndef make(): ...\n\n\nsys.exit(3)\n")
    later = "import sys\n\nimport torch\n\n\ndef later(**_):\n    sys.exit(4)\n\n\n"
    (folder / "exits.py").write_text(later + DOUBLE)
    threads = torch.get_num_threads()
    with pytest.raises(InputError) as caught:
        make(read_source(name, folder), name, **values)
    assert words in str(caught.value)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, torch.float32)


@pytest.mark.parametrize("file", ["uuid.py", "rigorkd/__init__.py", "scipy.py", "helper2.py"])
def test_other_files_beside_the_protocol_stand_in_for_nothing(folder: Path, file: str) -> None:
    """Neither here nor in a worker, which starts with the Python path of its launcher."""
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise RuntimeError('imported')\n")
    make(read_source("nets:small", folder))
    assert str(folder) not in sys.path
    assert PathFinder.find_spec("helper2") is None
    found = importlib.util.find_spec(path.stem if path.parent == folder else "rigorkd")
    assert found is None or found.origin != str(path)


def test_what_is_imported_later_is_what_was_hashed(folder: Path) -> None:
    planned = read_source("nets:lazy", folder)
    custom.own_function("nets:lazy", planned)
    (folder / "helper.py").write_text("WIDTH = 12\n")
    assert width(make(planned, "nets:lazy")) == 8


def test_packages_with_and_without_init(folder: Path) -> None:
    for package, init in (("with_init", True), ("without", False)):
        place = folder / package / "inner"
        place.mkdir(parents=True)
        if init:
            (folder / package / "__init__.py").touch()
            (place / "__init__.py").touch()
        (place / "nets.py").write_text(NETS.replace("from helper", "from .helper"))
        (place / "helper.py").write_text("WIDTH = 10\n")
        name = f"{package}.inner.nets:small"
        assert width(make(read_source(name, folder), name)) == 10


def test_trained_weights_are_loaded_into_the_model_asked_for_alone(folder: Path, tmp_path: Path) -> None:
    """A function may know its own number of classes only: a teacher is then still a teacher."""
    source = read_source("nets:of_five", folder)
    trained = make(source, "nets:of_five", seed=1)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    found = make(source, "nets:of_five", weights=tmp_path / "weights.safetensors")
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in trained.state_dict().items())
