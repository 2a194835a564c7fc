"""What publish.py makes of results: the whole section, what it refuses, and that it touches nothing else."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
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
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "git_dirty": True,
}
OVERHEAD = {
    "name": "overhead",
    "title": "N = 1 against a bare loop",
    "columns": ["student", "engine / bare loop (quartiles)", "n"],
    "rows": [["mobilenet_v2, kd", "1.010 (1.000–1.020)", "5"], ["mobilenet_v2, replay", "1.071", "5"]],
    "values": [
        {"student": "mobilenet_v2", "kind": "kd", "size": 64, "ratio": 1.01},
        {"student": "mobilenet_v2", "kind": "replay", "size": 64, "ratio": 1.071},
    ],
    "notes": ["10 steps"],
    "planned": [
        {"kind": kind, "size": size, "student": "mobilenet_v2"}
        for size in (64, 128)
        for kind in ("kd", "replay")
    ],
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
    "rigorkd": "0.2",
    "git_commit": MACHINE["git_commit"],
    "git_dirty": True,
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
        for name in ("publish", "results", "summary", "table"):
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


def kept(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "measured").iterdir()}


def test_a_part_takes_its_own_place_and_leaves_the_others(
    publish: ModuleType, page: Path, tmp_path: Path
) -> None:
    call(publish, page, *written(tmp_path, check=CHECK, reference=REFERENCE, fast=FAST))
    before = kept(tmp_path)
    (again,) = written(tmp_path, reference={**REFERENCE, "took": 77.0})
    assert call(publish, page, again).exit_code == 0
    after = kept(tmp_path)
    assert after == {**before, "reference.json": again.read_bytes()}
    assert "measure.sh reference`, 77 s" in page.read_text()
    assert "has not been run" not in page.read_text()
    assert "do not belong together" not in page.read_text()
    assert call(publish, page, "--check").exit_code == 0

    assert call(publish, page, again, "--replace").exit_code == 0
    assert kept(tmp_path) == {"reference.json": again.read_bytes()}
    assert page.read_text().count("has not been run") == 2
    done = call(publish, page, "--replace")
    assert done.exit_code == 2
    assert "--replace: give the files" in done.output


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"hardware": "Other GPU"},
            "- hardware: check Some GPU 80GB; reference Other GPU; fast Some GPU 80GB",
        ),
        ({"torch": "2.12.0"}, "- PyTorch: check 2.11.0; reference 2.12.0; fast 2.11.0"),
        ({"rigorkd": "0.3"}, "reference rigorkd 0.3 at 0123456789ab, with uncommitted changes; fast"),
        ({"git_commit": "f" * 40}, "reference rigorkd 0.2 at ffffffffffff, with uncommitted changes; fast"),
        ({"git_commit": None}, "reference rigorkd 0.2 at an unknown commit, with uncommitted changes; fast"),
        ({"git_dirty": False}, "reference rigorkd 0.2 at 0123456789ab; fast"),
        ({"torch": "2.11.0+cu128"}, None),
    ],
)
def test_parts_that_do_not_belong_together_say_so_above_the_goals(
    publish: ModuleType, page: Path, tmp_path: Path, changed: dict[str, Any], says: str | None
) -> None:
    other = {**REFERENCE, "machine": {**MACHINE, **changed}}
    assert call(publish, page, *written(tmp_path, a=CHECK, b=other, c=FAST)).exit_code == 0
    above = page.read_text().partition("| goal")[0]
    assert ("**These parts do not belong together**" in above) is (says is not None)
    assert says is None or says in above


def goals(publish: ModuleType, table: dict[str, Any]) -> dict[str, str]:
    """What the page says of each goal that these values of a table answer."""
    measured = publish.Benchmark.model_validate({**REFERENCE, "tables": [table]})
    found = publish.goals_table({"reference": publish.Result("reference", measured, b"")})
    return {row[0]: row[2] for row in found.rows if row[2] != "open"}


def sharing(shares: dict[tuple[str, str], float], planned: list[tuple[str, str]]) -> dict[str, Any]:
    def case(key: tuple[str, str]) -> dict[str, Any]:
        return {"case": key[0], "n_students": key[1]}

    values = [{**case(key), "share": share} for key, share in shares.items()]
    due = [case(key) for key in planned]
    return {**OVERHEAD, "name": "sharing", "rows": [], "values": values, "planned": due}


SIZES = [(case, n) for case in "ab" for n in ("1", "2", "4", "8")]


@pytest.mark.parametrize(
    ("measured", "planned", "share", "says"),
    [
        (SIZES, SIZES, 0.97, "0.970 (6 of 6 cases): yes"),
        (SIZES[:4], SIZES, 0.97, "0.970 (3 of 6 cases): open"),
        (SIZES[:2], SIZES, 0.97, "0.970 (1 of 6 cases): open"),
        (SIZES[:2], SIZES, 0.90, "0.900 (1 of 6 cases): no"),
        # A plan of N = 2 alone is not what the goal names.
        (SIZES[:2], SIZES[:2], 0.97, "0.970 (1 of 3 cases): open"),
        (SIZES, [], 0.97, "0.970 (6 of unknown cases): open"),
        (SIZES[:1], SIZES, 0.97, None),
    ],
)
def test_a_goal_holds_only_with_all_that_it_names(
    publish: ModuleType,
    measured: list[tuple[str, str]],
    planned: list[tuple[str, str]],
    share: float,
    says: str | None,
) -> None:
    found = goals(publish, sharing(dict.fromkeys(measured, share), planned))
    assert found.get("S / formula, N = 2, 4, 8") == says


def test_a_table_that_is_measured_whole_or_not_at_all_counts_as_one(publish: ModuleType) -> None:
    parts = [{"part": part, "hours": 0.1} for part in ("one seed", "5 seeds, one worker")]
    grid = {**OVERHEAD, "name": "grid", "rows": [], "values": parts, "planned": []}
    assert goals(publish, grid) == {"the paper's grid, 5 seeds, extrapolated": "6 min: yes"}
    assert goals(publish, {**grid, "values": parts[:1]}) == {}


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        ({"a": {**REFERENCE, "quick": True}}, "--quick"),
        ({"a": {**CHECK, "quick": True}}, "--quick"),
        ({"a": {**REFERENCE, "schema": "rigorkd.analysis/1"}}, "its schema is rigorkd.analysis/1"),
        ({"a": []}, "its schema is None"),
        ({"a": {**REFERENCE, "part": None}}, "part: it is none"),
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


def edited(document: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(document))
    change(copy)
    return copy


@pytest.mark.parametrize(
    ("document", "change", "says"),
    [
        (REFERENCE, lambda d: d.pop("quick"), "quick: Field required"),
        (REFERENCE, lambda d: d.pop("part"), "part: Field required"),
        (REFERENCE, lambda d: d.update(part=["fast"]), "part: Input should be 'reference' or 'fast'"),
        (REFERENCE, lambda d: d.update(machine="a GPU"), "machine: Input should be"),
        (REFERENCE, lambda d: d["machine"].update(hardware=" "), "machine.hardware: "),
        (REFERENCE, lambda d: d.update(took=None), "took: Input should be a valid number"),
        (REFERENCE, lambda d: d.update(took="5"), "took: Input should be a valid number"),
        (REFERENCE, lambda d: d["tables"][0].pop("notes"), "tables[0].notes: Field required"),
        (REFERENCE, lambda d: d["tables"][0]["rows"][1].pop(), "rows[1] has 2 cells for 3 columns"),
        (REFERENCE, lambda d: d["tables"][0]["values"][1].pop("ratio"), "values[1].ratio: Field required"),
        (REFERENCE, lambda d: d["tables"][0]["values"][0].update(ratio=float("nan")), "values[0].ratio: "),
        (REFERENCE, lambda d: d["tables"][0]["planned"][2].pop("kind"), "planned[2].kind: Field required"),
        (REFERENCE, lambda d: d["cut"][0].pop("why"), "cut[0].why: Field required"),
        (CHECK, lambda d: d.pop("tests"), "tests: Field required"),
        (CHECK, lambda d: d.update(tests=[]), "tests: List should have at least 1 item"),
        (
            CHECK,
            lambda d: d["tests"][1].update(outcome=3),
            "tests[1].outcome: Input should be a valid string",
        ),
        (CHECK, lambda d: d.update(device=""), "torn.json: device: "),
        (CHECK, lambda d: d.pop("torch"), "torn.json: torch: Field required"),
        (CHECK, lambda d: d.update(seconds=None), "seconds: "),
    ],
)
def test_a_broken_or_foreign_file_is_one_message_with_its_key(
    publish: ModuleType,
    page: Path,
    tmp_path: Path,
    document: dict[str, Any],
    change: Callable[[dict[str, Any]], object],
    says: str,
) -> None:
    before = page.read_text()
    done = call(publish, page, *written(tmp_path, torn=edited(document, change)))
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    (message,) = [line for line in done.output.splitlines() if line.startswith("Error: ")]
    assert "torn.json: " in message
    assert says in message
    assert page.read_text() == before
    assert not (tmp_path / "measured").exists()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' * 100_000, "\xff", ""])
def test_what_is_no_json_is_one_message(publish: ModuleType, page: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "torn.json"
    file.write_bytes(text.encode("latin-1"))
    done = call(publish, page, file)
    assert done.exit_code == 2
    assert "torn.json is no JSON file" in done.output


def test_what_a_file_says_stays_in_its_cell(publish: ModuleType, page: Path, tmp_path: Path) -> None:
    nasty = f"a | b\n\n{publish.END}\r\n## mine"
    measured = edited(REFERENCE, lambda d: d["tables"][0]["rows"][0].__setitem__(0, nasty))
    measured["tables"][0]["title"] = measured["failed"][0]["why"] = measured["machine"]["hardware"] = nasty
    measured["tables"][0]["notes"] = measured["tables"][0]["columns"][:1] = [nasty]
    checked = edited(CHECK, lambda d: d["tests"][1].update(reason=nasty, name=nasty))
    assert call(publish, page, *written(tmp_path, a=checked, b=measured)).exit_code == 0
    text = page.read_text()
    assert text.count(publish.END) == 1
    assert "\n## mine" not in text
    rows = [line for line in text.splitlines() if line.startswith("| a ")]
    assert len(rows) == 2
    assert all(row.replace("\\|", "").count("|") == 4 for row in rows)
    assert call(publish, page, "--check").exit_code == 0


def test_the_line_ends_of_the_page_are_kept(publish: ModuleType, page: Path, tmp_path: Path) -> None:
    files = written(tmp_path, a=CHECK, b=REFERENCE)
    call(publish, page, *files)
    unix = page.read_bytes()
    page.write_bytes(unix.replace(b"\n", b"\r\n"))
    assert call(publish, page, *files).exit_code == 0
    assert page.read_bytes() == unix.replace(b"\n", b"\r\n")


def test_a_folder_that_cannot_be_made_is_one_message(publish: ModuleType, page: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    before = page.read_text()
    arguments = [*map(str, written(tmp_path, a=CHECK)), "--page", str(page), "--kept"]
    done = CliRunner().invoke(publish.main, [*arguments, str(tmp_path / "file" / "measured")])
    assert done.exit_code == 2
    assert "cannot be written" in done.output
    assert isinstance(done.exception, SystemExit)
    assert page.read_text() == before


def test_every_goal_reads_a_table_of_the_suite(publish: ModuleType) -> None:
    names = {goal.table for goal in publish.GOALS}
    assert all((FOLDER / f"{name}.py").exists() for name in names)
