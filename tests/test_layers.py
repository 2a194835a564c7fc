"""The house: imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = (
    "errors",
    "text",
    "extras",
    "protocol",
    "data",
    "models",
    "distill",
    "records",
    "train",
    "track",
    "launch",
    "report",
    "cli",
    "api",
)
"""Lowest first: a layer may import itself and any layer before it; `__init__` is everybody's."""

WITHOUT_TORCH = ("protocol", "records", "track", "launch", "report", "cli")
"""Layers that never import torch at module level, nor anything of train, models, or distill that does."""


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT / "rigorkd").parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, bool]]:
    """Every imported module with whether it is imported lazily (inside a function or for types only)."""
    found = []

    def visit(node: ast.AST, lazy: bool) -> None:
        for child in ast.iter_child_nodes(node):
            inside = lazy or isinstance(child, ast.FunctionDef | ast.If)
            if isinstance(child, ast.Import):
                found.extend((alias.name, lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module:
                found.append((child.module, lazy))
            visit(child, inside)

    visit(ast.parse(path.read_text()), lazy=False)
    return found


FILES = sorted((ROOT / "rigorkd").rglob("*.py"))


def test_every_module_belongs_to_a_layer() -> None:
    known = {*LAYERS, "__init__", "__main__"}
    assert {layer_of(path) for path in FILES} <= known


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    layer = layer_of(path)
    if layer.startswith("__"):
        return
    allowed = set(LAYERS[: LAYERS.index(layer) + 1])
    for module, _ in imports(path):
        parts = module.split(".")
        if parts[0] == "rigorkd" and len(parts) > 1:
            assert parts[1] in allowed, f"{module} lies above {layer}"


def test_the_statistics_know_nothing_of_the_framework() -> None:
    forbidden = {"rigorkd", "torch", "pathlib", "os", "time", "datetime", "socket", "random"}
    files = sorted((ROOT / "analysis" / "rigorkd_analysis").rglob("*.py"))
    assert len(files) > 5
    for path in files:
        found = {module.split(".")[0] for module, _ in imports(path)} & forbidden
        assert not found, f"{path.name} imports {found}"


@pytest.mark.parametrize("layer", WITHOUT_TORCH)
def test_layers_that_start_fast_import_no_torch(layer: str) -> None:
    heavy = {"torch", "torchvision", "accelerate", "timm"}
    for path in (ROOT / "rigorkd" / layer).rglob("*.py"):
        eager = {module.split(".")[0] for module, lazy in imports(path) if not lazy}
        assert not eager & heavy, path.name
