"""The pages of published studies: their settings are the protocols', their layouts and questions exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rigorkd.protocol.tree import parse
from rigorkd.report.layouts.layout_spec import find_layouts
from rigorkd.report.publications import find_mapping
from tests.conftest import SHIPPED, shipped

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "studies").glob("*.md"))
pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def settings(page: Path) -> list[tuple[str, str]]:
    """Key and value of every row of the table of settings that names a key."""
    found = []
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 5 and re.fullmatch(r"`[\w/-]+: [^`]+`", cells[2]):
            found.append((cells[2].strip("`"), cells[3].strip("`")))
    return found


def at(value: Any, path: str) -> Any:
    """The value at a path of keys and positions into a protocol's plain data."""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, tuple) else value[part]
    return value


def numbers(value: Any) -> Any:
    """Numbers as floats, so that 1 and 1.0 are one value."""
    if isinstance(value, dict):
        return {key: numbers(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(map(numbers, value))
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pages
def test_the_protocols_have_the_values_of_the_page(page: Path) -> None:
    found = settings(page)
    assert len(found) >= 15
    for key, value in found:
        file, path = key.split(": ")
        tree = parse((ROOT / "protocols" / f"{file}.yaml").read_text(encoding="utf-8")).plain()
        written = parse(f"value: {value}").plain()["value"]
        assert numbers(at(tree, path)) == numbers(written), key


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
    protocols = [shipped(path) for path in sorted(SHIPPED.rglob("*.yaml"))]
    asked |= {one.name for protocol in protocols for one in protocol.spec.analysis.contrasts if one.name}
    claims = page.read_text(encoding="utf-8").split("## Claims")[-1].split("## Study B")[0]
    claims = claims.split("| claim |")[-1]
    for line in claims.splitlines():
        for name in re.findall(r"`([^`]+)`", line.rsplit("| ", 1)[-1]):
            if " " in name and not name.startswith(("rigorkd", "…")):
                assert any(one and one.startswith(name.rstrip("…, ")) for one in asked), name
