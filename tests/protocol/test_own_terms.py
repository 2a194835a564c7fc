"""A group's `own` grid: a term from a file beside the protocol, its arguments, its name, its identity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.errors import ProtocolError
from rigorkd.methods.base import Ramp
from rigorkd.methods.own import Own
from rigorkd.protocol.hashes import resolved
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.smoke import smoke
from rigorkd.records.expected import expected_hashes, start_files

from .conftest import VALID

Load = Callable[..., Protocol]
GRID = "    kd: {T: [1, 4], alpha: [0.1, 0.5]}\n"
LOSSES = "from helper import SCALE\n\n\ndef matching(student, teacher, scale=SCALE):\n    ...\n"


@pytest.fixture
def own(load: Load, tmp_path: Path) -> Load:
    """Load the valid protocol with one `own` grid in the place of `kd`, beside losses.py and its helper."""
    (tmp_path / "losses.py").write_text(LOSSES)
    (tmp_path / "other.py").write_text("def matching(student, teacher): ...\n")
    (tmp_path / "helper.py").write_text("SCALE = 1\n")
    return lambda grid: load(text=VALID.replace(GRID, f"    own: {grid}\n"))


def names(protocol: Protocol) -> list[str]:
    return [cell.name for cell in protocol.cells if cell.student == "small" and cell.method.distils]


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("{term: 'losses:matching'}", ["matching-a0.5"]),
        ("{term: 'losses:matching', alpha: [0.1, 0.5]}", ["matching-a0.1", "matching-a0.5"]),
        ("{term: 'losses:matching', T: {linear: [1, 4]}}", ["matching-T1to4-a0.5"]),
        (
            "{term: 'losses:matching', ce_weight: 1, kd_weight: 3, scale: [1, 2]}",
            ["matching-ce1-kd3-scale1", "matching-ce1-kd3-scale2"],
        ),
        (
            "{term: 'losses:matching', width: 3, mode: soft, bias: false}",
            ["matching-a0.5-no-bias-mode-soft-width3"],
        ),
        ("{term: 'losses:matching', scale: 2, lr: 1e-2}", ["matching-a0.5-scale2-lr0.01"]),
    ],
)
def test_names_say_the_function_and_every_argument(own: Load, grid: str, expected: list[str]) -> None:
    assert names(own(grid)) == [f"main/small/{name}" for name in expected]


def test_the_method_is_what_was_written(own: Load) -> None:
    protocol = own("{term: 'losses:matching', T: {linear: [1, 4]}, scale: 2, mode: soft}")
    cell = protocol.cell("main/small/matching-T1to4-a0.5-mode-soft-scale2")
    assert cell.method == Own(
        term="losses:matching", T=Ramp(linear=(1.0, 4.0)), args={"mode": "soft", "scale": 2}
    )
    flat = resolved(cell)
    assert (flat["method"], flat["term"]) == ("matching", "losses:matching")
    assert json.loads(flat["args"]) == {"mode": "soft", "scale": 2}


def test_the_order_of_arguments_is_no_difference(own: Load) -> None:
    grid = "[{term: 'losses:matching', a: 1, b: 2}, {b: 2, a: 1, term: 'losses:matching'}]"
    assert names(own(grid)) == ["main/small/matching-a0.5-a1-b2"]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("true", "the key 'term' is missing"),
        ("{term: matching}", "term must be module:function"),
        ("{term: 3}", "term must be text, not 3"),
        ("{term: 'losses:matching', scale: {a: 1}}", "an argument of a term of one's own is a number, text"),
        ("{term: 'losses:matching', args: {a: 1}}", "an argument of a term of one's own is a number, text"),
        ("{term: 'losses:matching', mode: " + 41 * "x" + "}", "at most 40 characters"),
        ("{term: 'losses:matching', alpha: 2}", "alpha must be at most 1, not 2"),
        ("{term: 'losses:matching', T: -1}", "T must be greater than 0, not -1"),
        ("{term: 'losses:matching', epoch: 3}", "'epoch' is what rigorkd passes to every term"),
        ("{term: 'losses:matching', " + 180 * "x" + ": 3}", "the name of a cell has 206"),
        ("{term: 'losses:kd'}", "kd is the name of a method of rigorkd's own"),
        ("{term: 'losses:baseline'}", "baseline is the name of a method of rigorkd's own"),
        (
            "{term: ['losses:matching', 'other:matching']}",
            "losses:matching and other:matching would both be called matching",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_line(own: Load, grid: str, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        own(grid)
    assert message in caught.value.message
    assert caught.value.line == VALID[: VALID.index(GRID)].count("\n") + 1


def hashes(protocol: Protocol) -> dict[str, str]:
    found = expected_hashes(protocol, (0,), "reference", start_files(protocol))
    return {name: want.run_hash for name, want in found.items()}


@pytest.mark.parametrize("file", ["losses.py", "helper.py"])
def test_the_code_is_part_of_the_identity_of_its_runs_alone(own: Load, tmp_path: Path, file: str) -> None:
    grid = "{term: 'losses:matching', scale: [1, 2]}"
    before = hashes(own(grid))
    (tmp_path / file).write_text((tmp_path / file).read_text() + "\n# a word\n")
    after = hashes(own(grid))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name in before if "/matching-" in name}
    assert len(changed) == 4


def test_two_spellings_of_a_number_are_one_argument(own: Load) -> None:
    assert names(own("{term: 'losses:matching', scale: [1, 1.0, 1e0]}")) == [
        "main/small/matching-a0.5-scale1"
    ]
    (cell,) = (
        each
        for each in own("{term: 'losses:matching', scale: 2.0}").cells
        if "scale2" in each.name and "small" in each.name
    )
    assert isinstance(cell.method, Own)
    assert type(cell.method.args["scale"]) is int


def test_arguments_are_part_of_the_identity(own: Load) -> None:
    found = hashes(own("{term: 'losses:matching', scale: [1, 2]}"))
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("{term: 'lossses:matching'}", "the term lossses:matching: there is no module lossses"),
        ("{alpha: 1, term: 'losses:matchin'}", "has no function 'matchin'"),
    ],
)
def test_code_that_is_not_there_is_told_at_its_line(own: Load, grid: str, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        start_files(own(grid))
    assert message in caught.value.message
    assert caught.value.line == VALID[: VALID.index(GRID)].count("\n") + 1


def test_the_smoked_cells_have_the_same_names(own: Load) -> None:
    protocol = own("{term: 'losses:matching', scale: [1, 2, 3]}")
    assert names(smoke(protocol)) == [f"main/small/matching-a0.5-scale{scale}" for scale in (1, 3)]
