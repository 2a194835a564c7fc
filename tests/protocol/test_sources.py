"""The identity of a user's own model: every module that makes it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.errors import InputError, ProtocolError
from rigorkd.models.own_code import has_source, own_modules, read_source
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.records.expected import StartFile, expected_hashes, start_files

Load = Callable[..., Protocol]

FILES = {
    "nets.py": "import math, torch\nfrom parts import stem\nfrom parts.head import head\n\ndef make(): ...\n",
    "parts/__init__.py": "",
    "parts/stem.py": "from . import act\n",
    "parts/act.py": "def lazily():\n    import late\n",
    "parts/head.py": "from ..nets import nothing\n",
    "late.py": "if True:\n    import torch.nn\n",
    "unused.py": "raise RuntimeError\n",
    "parts/unused.py": "",
}


def sources(own: str, folder: Path) -> dict[str, bytes]:
    return {name: module.source for name, module in own_modules(own, folder).items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A module with helpers beside it, some of them used."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_every_module_that_is_imported_belongs_to_the_model(folder: Path) -> None:
    found = sources("nets:make", folder)
    assert next(iter(found)) == "nets"
    assert set(found) == {"nets", "parts", "parts.stem", "parts.head", "parts.act", "late"}


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_edit_changes_the_identity_exactly_if_the_module_is_used(folder: Path, name: str) -> None:
    before = read_source("nets:make", folder)
    (folder / name).write_text(FILES[name] + "\n# edited\n")
    assert (read_source("nets:make", folder) != before) == ("unused" not in name)


def test_the_identity_does_not_depend_on_the_place(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name, text in FILES.items():
        (elsewhere / name).parent.mkdir(exist_ok=True)
        (elsewhere / name).write_text(text)
    assert read_source("nets:make", folder).sha256 == read_source("nets:make", elsewhere).sha256
    assert read_source("nets:make", folder) != read_source("nets:make", elsewhere)


def test_an_installed_module_counts_with_its_own_package_only() -> None:
    found = sources("rigorkd.models.zoo:cnn", Path("nowhere"))
    assert {"rigorkd.models.zoo", "rigorkd.models", "rigorkd"} <= set(found)
    assert all(name == "rigorkd" or name.startswith("rigorkd.") for name in found)


def test_the_protocols_folder_comes_before_what_is_installed(folder: Path) -> None:
    (folder / "rigorkd.py").write_text("def make(): ...\n")
    assert sources("rigorkd:make", folder) == {"rigorkd": b"def make(): ...\n"}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("net:make", "there is no module net"),
        ("parts.nothing:make", "there is no module parts.nothing"),
        ("nets:maek", "has no function 'maek'"),
        ("nets:classes", "has no function 'classes'"),
        ("broken:make", "broken.py:2: not valid Python"),
        ("sys:exit", "there is no module sys"),
        ("hf/./parts", "no config.json"),
    ],
)
def test_what_is_not_there(folder: Path, model: str, words: str) -> None:
    (folder / "broken.py").write_text("x = 1\ndef make(:\n")
    with pytest.raises(InputError) as caught:
        read_source(model, folder)
    assert words in str(caught.value)


def test_names_that_are_assigned_or_imported_count(folder: Path) -> None:
    (folder / "names.py").write_text(
        "from nets import make as built\ntry:\n    other = built\nfinally: pass\n"
    )
    assert "names" in own_modules("names:built", folder)
    assert "names" in own_modules("names:other", folder)


def test_a_folder_of_transformers_counts_with_its_weights(tmp_path: Path) -> None:
    assert has_source("hf/./vit")
    assert not has_source("hf/google/vit")
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text("{}")
    first = read_source("hf/./vit", tmp_path)
    (tmp_path / "vit" / "notes.md").write_text("not part of the model")
    assert read_source("hf/./vit", tmp_path) == first
    (tmp_path / "vit" / "model.safetensors").write_bytes(b"weights")
    assert read_source("hf/./vit", tmp_path) != first


# ------------------------------------------------------------------------------------- in the hashes of runs


def with_own_model(load: Load, folder: Path) -> Protocol:
    protocol = load(("small: {model: {name: cnn, channels: [8]}}", 'small: {model: "nets:make"}'))
    assert protocol.path.parent == folder
    return protocol


def test_edited_code_changes_the_hashes_of_its_runs_alone(load: Load, folder: Path) -> None:
    protocol = with_own_model(load, folder)
    before = expected_hashes(protocol, (0,), "reference", start_files(protocol))
    (folder / "late.py").write_text("x = 2\n")
    after = expected_hashes(protocol, (0,), "reference", start_files(protocol))
    for name, want in after.items():
        own = want.run.cell.model.name == "nets:make"
        assert (want.run_hash != before[name].run_hash) == own
        assert (want.model_source is not None) == own


def test_a_remembered_source_gives_the_same_hashes_without_the_files(load: Load, folder: Path) -> None:
    protocol = with_own_model(load, folder)
    files = start_files(protocol)
    before = expected_hashes(protocol, (0,), "reference", files)
    (folder / "nets.py").unlink()
    remembered = {name: StartFile(None, file.sha256) for name, file in files.items()}
    after = expected_hashes(protocol, (0,), "reference", remembered)
    assert {n: w.run_hash for n, w in after.items()} == {n: w.run_hash for n, w in before.items()}
    assert all(want.model_source is None for want in after.values())


def test_missing_code_is_told_at_the_models_line(load: Load, folder: Path) -> None:
    protocol = with_own_model(load, folder)
    (folder / "nets.py").unlink()
    with pytest.raises(
        ProtocolError, match=r"tiny\.yaml:11:18: the model nets:make: there is no module nets"
    ):
        start_files(protocol)


# ------------------------------------------------------------------------------ one architecture, one value


@pytest.mark.parametrize(
    ("spelt", "otherwise"),
    [
        ("cnn", "{name: cnn, channels: [16, 32]}"),
        ("{name: cnn, hidden: 9}", "{name: cnn, channels: [16, 32], hidden: 9, dropout: 0}"),
    ],
)
def test_defaults_written_out_change_no_hash(load: Load, spelt: str, otherwise: str) -> None:
    hashes = []
    for model in (spelt, otherwise):
        protocol = load(("small: {model: {name: cnn, channels: [8]}}", f"small: {{model: {model}}}"))
        hashes.append({n: w.run_hash for n, w in expected_hashes(protocol, (0,), "reference", {}).items()})
        assert load_protocol(protocol.path).spec.students["small"].model.channels == (16, 32)
    assert hashes[0] == hashes[1]
