"""The house: imports point one way."""

from __future__ import annotations

import ast
import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = (
    "errors",
    "text",
    "files",
    "extras",
    "cores",
    "fields",
    "problems",
    "metrics",
    "data",
    "models",
    "methods",
    "protocol",
    "records",
    "train",
    "track",
    "launch",
    "readers",
    "report",
    "cli",
    "api",
)
"""Lowest first: a layer may import itself and any layer before it; `__init__` is everybody's."""

WITHOUT_TORCH = ("protocol", "records", "track", "launch", "readers", "report", "cli")
"""Layers that never import torch at module level, nor anything of train, data, models, methods that does."""


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


def test_a_file_name_has_one_meaning() -> None:
    packages = (ROOT / "rigorkd", ROOT / "analysis" / "rigorkd_analysis")
    names = Counter(path.name for package in packages for path in package.rglob("*.py"))
    assert [name for name, found in names.items() if found > 1] == ["__init__.py"]


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


def test_no_module_needs_itself_to_be_imported() -> None:
    """Within a layer too. Imports inside functions, and for types, come later and may lead back."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}
    graph = {
        name: {module for module, lazy in imports(path) if not lazy and module in names}
        for name, path in names.items()
        if path.name != "__init__.py"
    }
    assert sum(map(len, graph.values())) > 1000
    TopologicalSorter(graph).prepare()  # names the circle, if there is one


STATISTICS = sorted((ROOT / "analysis" / "rigorkd_analysis").rglob("*.py"))

STATISTICS_LAYERS = (
    "table_error",
    "metric_names",
    "analysis_plan",
    "axis_names",
    "columns",
    "runs",
    "outliers",
    "likeness",
    "axes",
    "verdicts",
    "short_names",
    "named_pairs",
    "offered_baselines",
    "wording",
    "rounding",
    "baseline_matching",
    "questions",
    "hypotheses",
    "stats",
    "paper_sentences",
    "published",
    "studies",
    "results",
    "omnibus",
    "plan_status",
    "sanity",
    "tuning",
    "declared",
    "families",
    "publication",
    "whole_analysis",
)
"""The same for `rigorkd_analysis`."""


def test_the_statistics_know_nothing_of_the_framework() -> None:
    forbidden = {"rigorkd", "torch", "pathlib", "os", "time", "datetime", "socket", "random"}
    assert len(STATISTICS) > 5
    for path in STATISTICS:
        found = {module.split(".")[0] for module, _ in imports(path)} & forbidden
        assert not found, f"{path.name} imports {found}"


def test_the_statistics_are_layers_without_circles() -> None:
    """Imports inside functions and for types count as well."""
    graph: dict[str, set[str]] = {}
    for path in STATISTICS:
        if path.name == "__init__.py":  # the public names, found lazily
            continue
        parts = path.relative_to(ROOT / "analysis").with_suffix("").parts
        allowed = set(STATISTICS_LAYERS[: STATISTICS_LAYERS.index(parts[1]) + 1])
        used = {tuple(module.split(".")) for module, _ in imports(path)}
        used = {names for names in used if names[0] == "rigorkd_analysis"}
        graph[".".join(parts)] = {".".join(names) for names in used}
        above = {names[1] for names in used} - allowed
        assert not above, f"{path.name} imports {above}, which lie above it"
    TopologicalSorter(graph).prepare()  # names the circle, if there is one


@pytest.mark.parametrize("layer", WITHOUT_TORCH)
def test_layers_that_start_fast_import_no_torch(layer: str) -> None:
    heavy = {"torch", "torchvision", "accelerate", "timm"}
    for path in (ROOT / "rigorkd" / layer).rglob("*.py"):
        eager = {module.split(".")[0] for module, lazy in imports(path) if not lazy}
        assert not eager & heavy, path.name


READS = re.compile(r"json\.loads?\(|np\.load\(|\.read_(bytes|text)\(\)|\.read_text\(|\.open\(\"r")
OWN_FILES = (
    '"/proc/',  # what the kernel says
    '"/sys/',
    "lines = path.read_text()",  # the driver's list of GPUs
    "json.loads(self.model)",  # a value, not a file
    "self.me.holder_json",  # this launcher's own entry
    "path.read_bytes() != content",  # below a folder that was looked through
    "path.read_bytes() for path in matching",  # the scripts of a command, below the protocol
    "(folder / name).read_text(",  # the templates of the page
)
"""Readings of something else than a study, each by a part of its line."""


@pytest.mark.parametrize("layer", ["records", "launch", "track", "report", "cli", "train"])
def test_a_study_is_read_through_one_door(layer: str) -> None:
    """`rigorkd.records.untrusted` follows no link, waits for no pipe and bounds what it reads."""
    found = []
    for path in (ROOT / "rigorkd" / layer).rglob("*.py"):
        if path.name != "untrusted.py":
            lines = [line.strip() for line in path.read_text().splitlines() if READS.search(line)]
            found += [f"{path.name}: {line}" for line in lines if not any(own in line for own in OWN_FILES)]
    assert found == []
