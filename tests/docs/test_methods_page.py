"""docs/methods.md has every method with its parameters and defaults, and its snippet is valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rigorkd.methods.base import Method, Weighted
from rigorkd.methods.registry import METHODS
from rigorkd.protocol.load import load_protocol

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` .*?\|(.*)\|$", PAGE, flags=re.MULTILINE))
BEFORE = """\
rigorkd: 1
study: page
dataset: {name: digits, split: {train: 100, val: 50, test: 100, seed: 1}}
views: {strong: [{random_crop: 1}]}
training: {optimizer: {name: adamw, lr: 1e-3}, epochs: 30}
teacher: {model: cnn}
students: {a: cnn}
groups:
  main:
"""
EVERYWHERE = ("alpha", "ce_weight", "kd_weight", "t_squared")


def test_every_method_has_a_row() -> None:
    assert set(ROWS) == set(METHODS)


def written(value: Any) -> str:
    """A default as the page writes it."""
    return ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_parameters_and_defaults_are_those_of_the_schema(method: type[Method]) -> None:
    settings = ROWS[method.key].rsplit("|", 1)[-1]
    for name, info in method.model_fields.items():
        if name in EVERYWHERE:
            continue
        assert f"`{name}`" in settings, name
        if isinstance(info.default, float | int) and not isinstance(info.default, bool):
            assert f"`{name}` {written(info.default)}" in settings, name
        elif isinstance(info.default, str):
            assert f"`{name}` ({info.default};" in settings or f"`{name}` ({info.default})" in settings, name
        elif name == "temperatures":
            assert f"`{name}` {written(info.default)}" in settings


@pytest.mark.parametrize("preset", [name for method in METHODS.values() for name in method.presets])
def test_every_preset_is_named(preset: str) -> None:
    assert f"`{preset}`" in PAGE or f"`preset: {preset}`" in PAGE


NAMED = [
    (grid, name)
    for grids, names in re.findall(r"^\| (`\w+: \{.*?\}`) \| (`.*?`) \|$", PAGE, flags=re.MULTILINE)
    for grid, name in zip(re.findall(r"`(.*?)`", grids), re.findall(r"`(.*?)`", names), strict=True)
]


def names_of(tmp_path: Path, groups: str) -> set[str]:
    """What the distilled cells of some groups are called, by themselves."""
    path = tmp_path / "methods.yaml"
    path.write_text(BEFORE + groups)
    cells = load_protocol(path).cells
    return {cell.name.rpartition("/")[2] for cell in cells if cell.role == "student"}


@pytest.mark.parametrize(("grid", "name"), NAMED)
def test_cells_are_called_as_the_page_says(tmp_path: Path, grid: str, name: str) -> None:
    assert names_of(tmp_path, f"    {grid}\n") == {name}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_key_that_names_call_otherwise_is_shown(method: type[Method]) -> None:
    shown = " ".join(grid for grid, _ in NAMED if grid.startswith(f"{method.key}:"))
    called = method.labels | {key: word for key, word in method.short.items() if key not in Weighted.short}
    assert [key for key, word in called.items() if key != word and f"{key}:" not in shown] == []


def test_every_key_that_names_of_all_methods_call_otherwise_is_shown() -> None:
    assert [key for key in Weighted.short if not any(f"{key}:" in grid for grid, _ in NAMED)] == []


def test_the_snippet_is_valid(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    path = tmp_path / "methods.yaml"
    path.write_text(BEFORE + snippet)
    assert len(load_protocol(path).cells) == 1 + 2 + 1 + 1 + 2
