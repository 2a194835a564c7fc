"""What publish.py makes of results: the whole section, what it refuses, and that it touches nothing else."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner, Result

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts" / "benchmark"
GOLDEN = Path(__file__).parent / "golden" / "gpu_section.md"

MACHINE = {
    "hardware": "Some GPU 80GB",
    "threads": 16,
    "mode": "reference",
    "precision": "fp16",
    "clock": "device events",
    "python": "3.12.1",
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "accelerate": "1.12.0",
    "rigorkd": "0.2",
    "date": "2001-02-03",
    "cuda": "12.8",
}
OVERHEAD = {
    "name": "overhead",
    "title": "N = 1 against a bare loop",
    "columns": ["student", "engine / bare loop (quartiles)", "n"],
    "rows": [["mobilenet_v2, kd", "1.010 (1.000–1.020)", "5"], ["mobilenet_v2, replay", "1.071", "5"]],
    "values": [{"kind": "kd", "size": 64, "ratio": 1.01}, {"kind": "replay", "size": 64, "ratio": 1.071}],
    "notes": ["10 steps"],
}
SUMMARY = {
    "name": "summary",
    "title": "every goal at once",
    "columns": ["goal"],
    "rows": [["mine"]],
    "values": [],
    "notes": [],
}
REFERENCE = {
    "schema": "rigorkd.benchmark/1",
    "quick": False,
    "part": "reference",
    "seconds": 150.0,
    "took": 149.2,
    "complete": True,
    "machine": MACHINE,
    "tables": [OVERHEAD, SUMMARY],
    "cut": [{"what": "memory", "why": "takes half a minute"}],
    "failed": [{"what": "idle", "why": "RuntimeError: the profiler saw nothing on the device"}],
}
FAST = {
    **REFERENCE,
    "part": "fast",
    "complete": False,
    "machine": {**MACHINE, "mode": "fast"},
    "tables": [],
    "cut": [],
    "failed": [],
}
CHECK = {
    "schema": "rigorkd.gpu-check/1",
    "date": "2001-02-03",
    "device": "Some GPU 80GB",
    "torch": "2.11.0",
    "cuda": "12.8",
    "driver": "570.1",
    "python": "3.12.1",
    "quick": False,
    "expected": 4,
    "seconds": 101.2,
    "tests": [
        {"name": "test_bits.py::test_alone[fp32]", "outcome": "passed", "seconds": 3.0, "reason": ""},
        {
            "name": "test_bits.py::test_alone[fp16]",
            "outcome": "failed",
            "seconds": 3.0,
            "reason": "bits differ",
        },
        {"name": "test_studies.py::test_more", "outcome": "skipped", "seconds": 0.0, "reason": "one GPU"},
    ],
}


@pytest.fixture(scope="module")
def publish() -> Iterator[ModuleType]:
    """The script as a module, which imports its neighbours by their short names."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("publish")
    finally:
        sys.path.remove(str(FOLDER))
        for name in ("publish", "summary", "table"):
            sys.modules.pop(name, None)


@pytest.fixture
def page(tmp_path: Path, publish: ModuleType) -> Path:
    """A page with text of people's own around the section."""
    file = tmp_path / "page.md"
    file.write_text(f"# Mine\n\nbefore\n\n{publish.BEGIN}\nold\n{publish.END}\n\nafter\n")
    return file


def call(publish: ModuleType, page: Path, *arguments: str | Path) -> Result:
    kept = page.parent / "measured"
    return CliRunner().invoke(publish.main, [*map(str, arguments), "--page", str(page), "--kept", str(kept)])


def written(folder: Path, **documents: dict[str, Any]) -> list[Path]:
    files = []
    for name, document in documents.items():
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps(document))
    return files


def test_the_page_of_the_documentation_is_what_the_script_writes(publish: ModuleType) -> None:
    done = CliRunner().invoke(publish.main, ["--check"])
    assert done.exit_code == 0, done.output


def test_without_results_all_goals_are_open_and_the_commands_are_named(
    publish: ModuleType, page: Path
) -> None:
    assert call(publish, page).exit_code == 0
    text = page.read_text()
    for command in publish.COMMANDS.values():
        assert f"`{command}` has not been run" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(publish.GOALS)
    assert all("open" in row for row in rows[1:])


def test_a_whole_section(publish: ModuleType, page: Path, tmp_path: Path) -> None:
    files = written(tmp_path, a=CHECK, b=REFERENCE, c=FAST)
    done = call(publish, page, *files)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert text.startswith(f"# Mine\n\nbefore\n\n{publish.BEGIN}\n")
    assert text.endswith(f"{publish.END}\n\nafter\n")
    assert text.split(publish.BEGIN)[1].split(publish.END)[0] == GOLDEN.read_text()


def test_what_was_published_makes_the_same_page_again(
    publish: ModuleType, page: Path, tmp_path: Path
) -> None:
    call(publish, page, *written(tmp_path, a=CHECK, b=REFERENCE))
    first = page.read_text()
    assert sorted(file.name for file in (tmp_path / "measured").iterdir()) == ["check.json", "reference.json"]
    for _ in range(2):
        assert call(publish, page).exit_code == 0
        assert page.read_text() == first
    assert call(publish, page, "--check").exit_code == 0
    page.write_text(first.replace("1.010", "0.910"))
    done = call(publish, page, "--check")
    assert done.exit_code == 1
    assert "run publish.py" in done.output
    # Published anew, only what was given counts: results of two days, or machines, are not mixed.
    call(publish, page, *written(tmp_path, c=FAST))
    assert [file.name for file in (tmp_path / "measured").iterdir()] == ["fast.json"]
    assert "Some GPU" in page.read_text()
    assert "1.010" not in page.read_text()


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ({"a": {**REFERENCE, "quick": True}}, "--quick"),
        ({"a": {**CHECK, "quick": True}}, "--quick"),
        ({"a": {**REFERENCE, "schema": "rigorkd.analysis/1"}}, "its schema is rigorkd.analysis/1"),
        ({"a": []}, "its schema is None"),
        ({"a": {**REFERENCE, "part": None}}, "is no part"),
        ({"a": {**REFERENCE, "machine": {**MACHINE, "hardware": "CPU, 1 thread (X)"}}}, "on a CPU"),
        ({"a": REFERENCE, "b": REFERENCE}, "two results of reference"),
    ],
)
def test_what_must_not_be_published_is_one_message_and_changes_nothing(
    publish: ModuleType, page: Path, tmp_path: Path, documents: dict[str, Any], says: str
) -> None:
    before = page.read_text()
    done = call(publish, page, *written(tmp_path, **documents))
    assert done.exit_code == 2
    assert says in done.output
    assert page.read_text() == before
    assert not (tmp_path / "measured").exists()


@pytest.mark.parametrize("marks", ["", "{begin} {begin} {end}", "{end} {begin}"])
def test_a_page_without_its_marks_is_left_alone(publish: ModuleType, page: Path, marks: str) -> None:
    text = f"mine\n{marks.format(begin=publish.BEGIN, end=publish.END)}\n"
    page.write_text(text)
    done = call(publish, page)
    assert done.exit_code == 2
    assert "must hold these two lines" in done.output
    assert page.read_text() == text


def test_a_torn_file_is_named(publish: ModuleType, page: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.json"
    torn.write_text('{"schema": ')
    done = call(publish, page, torn)
    assert done.exit_code == 2
    assert "torn.json is no JSON file" in done.output


def test_every_goal_reads_a_table_of_the_suite(publish: ModuleType) -> None:
    names = {goal.table for goal in publish.GOALS}
    assert all((FOLDER / f"{name}.py").exists() for name in names)
