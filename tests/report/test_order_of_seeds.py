"""In what order seeds count in the sequential test: whatever came later undoes nothing that was decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from rigorkd.cli.main import cli
from rigorkd.launch.growth import Growth, way_on
from rigorkd.records.interim import FILE

from .conftest import PROTOCOL
from .test_looks_added import LOOK

NARROW = PROTOCOL.partition("  contrasts")[0]
BASE = (70.0, 70.5, 69.5, 70.25, 69.75, 70.0, 70.25, 70.5)
GAINS = {
    "main/plain/kd-T1-a0.5": (0.0, 3.0, -3.0, 1.0, 1.1, 1.05, 0.95, 1.02),
    "main/plain/kd-T4-a0.5": (0.0, -3.0, 3.0, 2.0, 2.1, 2.05, 1.95, 2.02),
}
ROWS = {"main/plain/baseline": BASE} | {
    cell: tuple(b + gain for b, gain in zip(BASE, gains, strict=True)) for cell, gains in GAINS.items()
}


def said(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(
        cli, ["analyze", *words, "--sequential", "--format", "json"], catch_exceptions=False
    )
    found: dict[str, Any] = json.loads(done.stdout)["sequential"]
    return found


def text_of(*words: str) -> str:
    done = CliRunner().invoke(cli, list(words), catch_exceptions=False)
    return " ".join(done.output.split())


def test_seeds_of_an_earlier_look_count_first(made: Callable[..., Path], tmp_path: Path) -> None:
    """Seeds 3 to 7 were judged; 0 to 2, which say the contrary, came later."""
    study = made(tmp_path, ROWS, text=NARROW)
    line = {"n": 5, "seeds": [3, 4, 5, 6, 7], "metric": "test_top1", "time": LOOK}
    before = said(str(study), "--seeds", "3:8")
    (study / FILE).write_text(json.dumps(line) + "\n")
    after = said(str(study))
    assert after["order"] == [3, 4, 5, 6, 7, 0, 1, 2]
    decided = [(c["name"], c["verdict"], c["decided_at"]) for c in before["comparisons"]]
    assert {verdict for _, verdict, _ in decided} != {"inconclusive"}
    assert [(c["name"], c["verdict"], c["decided_at"]) for c in after["comparisons"]] == decided
    for layout in ((), ("--format", "latex")):
        caption = text_of("table", str(study), "--layout", "sequential", *layout)
        told = "in the order of the analyses that met them (seeds 3, 4, 5, 6, 7, 0, 1, 2)"
        assert told in caption


def test_without_looks_they_count_by_their_numbers(made: Callable[..., Path], tmp_path: Path) -> None:
    study = made(tmp_path, ROWS, text=NARROW)
    found = said(str(study))
    assert found["order"] == [*range(8)]
    assert {c["verdict"] for c in found["comparisons"]} == {"inconclusive"}
    assert "one by one, in the order of their numbers, and frozen" in text_of(
        "table", str(study), "--layout", "sequential"
    )


def table(folder: Path, seeds: tuple[int, ...]) -> str:
    rows = [
        f"{method},{seed},{value}"
        for at, seed in enumerate(seeds)
        for method, value in (("baseline", BASE[at]), ("kd", BASE[at] + (at % 3 - 0.9)))
    ]
    path = folder / "runs.csv"
    path.write_text("\n".join(["method,seed,test_acc", *rows]) + "\n")
    return str(path)


def test_a_table_out_of_order_is_told_so(tmp_path: Path) -> None:
    """Of a table no look is known: where lower numbers stand behind higher ones, they may have come later."""
    note = "seeds count in the order of their numbers, not in that of the file, where 4 stands behind 777"
    path = table(tmp_path, (1, 2, 3, 42, 777, 4, 5))
    assert note in text_of("analyze", path, "--sequential")
    assert note not in text_of("analyze", path)
    assert note not in text_of("analyze", table(tmp_path, (1, 2, 3, 42, 777, 800, 801)), "--sequential")


def test_seeds_to_add_to_a_table_are_numbered_above(tmp_path: Path) -> None:
    path = table(tmp_path, (1, 2, 3, 42, 777))
    text = text_of("analyze", path, "--sesoi", "0.5")
    assert "seeds, numbered above these, are added under `analyze --sequential`" in text


def test_a_diverged_run_left_out_says_what_seeds_are_fresh(tmp_path: Path) -> None:
    path = table(tmp_path, (1, 2, 3, 42, 777, 4, 5, 6))
    lines = Path(path).read_text().splitlines()
    lines = [f"{line},done" for line in lines[1:]]
    lines = [line.replace(",done", ",diverged") if line.startswith("kd,42,") else line for line in lines]
    Path(path).write_text("\n".join(["method,seed,test_acc,status", *lines]) + "\n")
    told = "also where its seed is left out: fresh are seeds numbered above all of these, three or more"
    assert told in text_of("analyze", path, "--seeds", "4:7")
    Path(path).write_text(Path(path).read_text().replace(",4,", ",804,").replace(",5,", ",805,"))
    Path(path).write_text(Path(path).read_text().replace(",6,", ",806,"))
    assert "no comparison that misses one" not in text_of("analyze", path, "--seeds", "804:807")


def test_two_fresh_seeds_are_no_first_advice(tmp_path: Path) -> None:
    few, more = (Growth(tmp_path, (6,), tuple(range(6, end)), end, False).ways() for end in (8, 9))
    assert few.startswith("`rigorkd analyze --sequential`, at any time; or the new seeds alone")
    assert few.endswith("(two seeds show little)")
    assert more.startswith(
        "the new seeds alone, `rigorkd analyze --seeds 6:9`, as the first look at them; or"
    )


def test_after_looks_the_next_command_is_one_whose_verdicts_hold(
    made: Callable[..., Path], tmp_path: Path
) -> None:
    """Also where just these seeds were looked at: a plain analysis judges the others, too."""
    study = made(tmp_path, ROWS, text=NARROW)
    ways = partial(way_on, study, analysis=None, planned=(), study="S")
    assert ways(range(8)) == ""
    lines = [
        {"n": n, "seeds": [*seeds], "metric": "test_top1", "time": LOOK}
        for n, seeds in ((5, range(5)), (3, range(5, 8)))
    ]
    (study / FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    sequential = "rigorkd analyze S --sequential"
    assert ways(range(8)) == sequential
    alone = "rigorkd analyze S --seeds 5:8, as they were looked at alone; or " + sequential
    assert ways(range(5, 8)) == alone
    overlapping = [*lines[:1], lines[1] | {"seeds": [4, 5, 6], "n": 3}]
    (study / FILE).write_text("".join(json.dumps(line) + "\n" for line in overlapping))
    assert ways([4, 5, 6]) == sequential
