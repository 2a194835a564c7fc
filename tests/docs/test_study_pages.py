"""The pages of published studies: their settings are the protocols', their layouts and questions exist."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rigorkd.protocol.tree import parse
from rigorkd.report.layouts.layout_spec import find_layouts
from rigorkd.report.layouts.wanted_cells import alternatives
from rigorkd.report.publications import find_mapping

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "studies").glob("*.md"))
PROTOCOLS = {
    path.relative_to(ROOT / "protocols").with_suffix("").as_posix(): path
    for path in sorted((ROOT / "protocols").rglob("*.yaml"))
}
TREES = {name: parse(path.read_text(encoding="utf-8")).plain() for name, path in PROTOCOLS.items()}
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@dataclass(frozen=True)
class Setting:
    """A row of a page's table of settings: in which protocols, by which path, and the value in YAML."""

    files: str
    path: str
    value: str

    def read(self) -> Iterator[tuple[str, str, Any]]:
        """Every file, path and value that the row is of."""
        for name in (one for pattern in alternatives(self.files) for one in fnmatch.filter(TREES, pattern)):
            for parts, value in _at(TREES[name], self.path.split(".")):
                yield name, ".".join(parts), value


def settings(page: Path) -> list[Setting]:
    """The rows of the table of settings that name a key; a row that is written otherwise is no row."""
    section = page.read_text(encoding="utf-8").split("## Settings")[1].split("\n## ")[0]
    rows = [line.strip()[1:-1].split("|") for line in section.splitlines() if line.startswith("|")]
    found = []
    for row in rows[2:]:
        cells = [cell.strip() for cell in row]
        assert len(cells) == 5, row
        if not cells[2]:
            continue
        key = re.fullmatch(r"`([\w/*{},-]+): ([\w.*{},-]+)`", cells[2])
        value = re.fullmatch(r"`([^`]+)`", cells[3])
        assert key is not None, row
        assert value is not None, row
        found.append(Setting(key[1], key[2], value[1]))
    return found


def _at(value: Any, path: Sequence[str]) -> Iterator[tuple[list[str], Any]]:
    """Paths and values below a value that the parts of a path, which may be patterns, lead to."""
    if not path:
        yield [], value
        return
    items = _items(value)
    for pattern in alternatives(path[0]):
        for name in fnmatch.filter(items, pattern):
            yield from (([name, *rest], found) for rest, found in _at(items[name], path[1:]))


def _items(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return {str(at): one for at, one in enumerate(value)} if isinstance(value, tuple) else {}


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all values; a list of plain values is one."""
    plain = not any(isinstance(one, dict | tuple) for one in _items(value).values())
    if not _items(value) or (isinstance(value, tuple) and plain):
        yield path
    else:
        for name, one in _items(value).items():
            yield from _leaves(one, f"{path}.{name}".lstrip("."))


def numbers(value: Any) -> Any:
    """Numbers as floats, so that 1 and 1.0 are one value."""
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(map(numbers, value))
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def different(found: Sequence[Setting]) -> list[str]:
    """Where a protocol has another value than a row, or none of its name."""
    wrong = []
    for row in found:
        read = list(row.read())
        wrong += [] if read else [f"{row.files}: {row.path} is nowhere"]
        written = numbers(parse(f"value: {row.value}").plain()["value"])
        wrong += [f"{name}: {path}" for name, path, value in read if numbers(value) != written]
    return wrong


@pages
def test_the_protocols_have_the_values_of_the_page(page: Path) -> None:
    found = settings(page)
    assert len(found) >= 15
    assert different(found) == []


@pages
def test_no_value_of_the_protocols_is_left_out_of_the_page(page: Path) -> None:
    """But for what says nothing of how a cell is trained."""
    covered: dict[str, set[str]] = {}
    for row in settings(page):
        for name, path, _ in row.read():
            covered.setdefault(name, set()).add(path)
    for name, paths in covered.items():
        told = {key: one for key, one in TREES[name].items() if key not in ("rigorkd", "study", "analysis")}
        left = [
            leaf
            for leaf in _leaves(told)
            if not leaf.endswith((".baseline", ".download", ".students"))
            and not any(f"{leaf}.".startswith(f"{path}.") for path in paths)
        ]
        assert left == [], name


def test_every_protocol_of_a_published_study_is_on_a_page() -> None:
    """Those of digits and of the calibration are of nobody else; the standard table has a page of its own."""
    told = {name for page in PAGES for row in settings(page) for name, _, _ in row.read()}
    own = {name for name in TREES if name.startswith(("digits", "calibration", "crd/"))}
    assert told | own == TREES.keys()
    assert not told & own


@pytest.mark.parametrize("file", ["training_pets", "training_cifar100", "granularity_cars"])
def test_another_value_in_one_of_many_protocols_is_found(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = settings(ROOT / "docs" / "studies" / "001.md")
    name = f"temperature/{file}"
    training = {**TREES[name]["training"], "clip_norm": {"max": 2.0, "per": "layer"}}
    monkeypatch.setitem(TREES, name, {**TREES[name], "training": training})
    assert different(rows) == [f"{name}: training.clip_norm"]


@pages
def test_its_layouts_are_there(page: Path) -> None:
    named = re.findall(r"--layout (\d{3}(?:/[\w-]+)?)", page.read_text(encoding="utf-8"))
    assert named
    for name in named:
        assert find_layouts(name)
    known = {name.replace("-", "/", 1) for name in find_layouts(page.stem)}
    shown = {name for name in named if "/" in name}
    assert page.stem in named or known - shown <= {"001/figure-3-t2"}


@pages
def test_its_questions_are_asked(page: Path) -> None:
    """What the table of claims names in quotes is a contrast of a protocol, or begins one."""
    mapped, _ = find_mapping(page.stem)
    asked = {claim.shown_by for claim in mapped.claims if claim.shown_by}
    asked |= {
        one["name"]
        for tree in TREES.values()
        for one in tree["analysis"].get("contrasts", ())
        if "name" in one
    }
    claims = page.read_text(encoding="utf-8").split("## Claims")[-1].split("## Study B")[0]
    claims = claims.split("| claim |")[-1]
    for line in claims.splitlines():
        for name in re.findall(r"`([^`]+)`", line.rsplit("| ", 1)[-1]):
            if " " in name and not name.startswith(("rigorkd", "figures", "…")):
                assert any(one and one.startswith(name.rstrip("…, ")) for one in asked), name
