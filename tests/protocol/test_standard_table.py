"""The standard table: each of its thirteen pairs is a protocol of protocols/crd/, but for two words."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from rigorkd.protocol.load import load_protocol

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "standard-table.md").read_text()
TABLE = ROOT / "analysis" / "published" / "crd2020_cifar100.csv"
CHANGES = [
    (file, teacher, student)
    for file, pairs in re.findall(r"^\| `([\w-]+\.yaml)` \(.*?\) \| (.*) \|$", PAGE, flags=re.MULTILINE)
    for teacher, student in re.findall(r"`(\w+)` → `(\w+)`", pairs)
]
SHIPPED = re.findall(r"^\| `([\w-]+\.yaml)` \| `(\w+)` \| `(\w+)` \|", PAGE, flags=re.MULTILINE)


def as_printed(model: str) -> str:
    """A network by the name that the table has for it."""
    name = re.sub(r"^ShuffleV", "ShuffleNetV", model.removesuffix("_cifar"))
    return name.replace("_", "-")


def test_the_page_has_the_pairs_of_the_table() -> None:
    with TABLE.open() as file:
        printed = {(row["teacher"], row["student"].split(" from ")[0]) for row in csv.DictReader(file)}
    named = [(teacher, student) for _, teacher, student in (*SHIPPED, *CHANGES)]
    assert len(named) == len(set(named)) == 13
    assert {(as_printed(teacher), as_printed(student)) for teacher, student in named} == printed


@pytest.mark.parametrize(("file", "teacher", "student"), [*SHIPPED, *CHANGES])
def test_a_pair_is_a_change_of_two_words(tmp_path: Path, file: str, teacher: str, student: str) -> None:
    text = (ROOT / "protocols" / "crd" / file).read_text()
    ((_, old_teacher, old_student),) = (one for one in SHIPPED if one[0] == file)
    for old, new in ((old_teacher, teacher), (old_student, student)):
        assert text.count(f"model: {old}") == (2 if old == "resnet32x4" else 1)  # one is in a comment
        text = text.replace(f"model: {old}", f"model: {new}")
    path = tmp_path / file
    path.write_text(text)
    protocol = load_protocol(path)
    assert len(protocol.cells) == 1 + 11
    rates = {cell.name: cell.training.optimizer.lr for cell in protocol.cells}
    slow = {"MobileNetV2", "ShuffleV1", "ShuffleV2"}
    assert rates["main/student/baseline"] == (0.01 if student in slow else 0.05)
    assert rates["teacher"] == 0.05
    assert len(protocol.cell("main/student/at-stages").method.pairs()) in (3, 4)


def test_the_table_is_that_of_its_source() -> None:
    """A few numbers of RepDistiller's README, its corners among them, and who is behind each."""
    with TABLE.open() as file:
        rows = list(csv.DictReader(file))
    found = {(row["student"], row["method"]): (row["test_top1"], row["n"]) for row in rows}
    assert len(rows) == len(found) == 7 * 15 - 1 + 6 * 14
    assert found["wrn-16-2 from wrn-40-2", "teacher"] == ("75.61", "1")
    assert found["wrn-16-2 from wrn-40-2", "crd"] == ("75.48", "5")
    assert found["vgg8 from vgg13", "crd"] == ("73.94", "5")
    assert found["MobileNetV2 from vgg13", "kd"] == ("67.37", "3")
    assert found["MobileNetV2 from ResNet50", "at"] == ("58.58", "3")
    assert found["ShuffleNetV1 from wrn-40-2", "nst"] == ("74.89", "3")
    assert ("wrn-40-1 from wrn-40-2", "fsp") not in found  # printed as 0.00: it did not run


def test_the_spreads_are_of_seven_methods() -> None:
    """Those that Zheng & Yang 2024 reprint of the paper's Tables 10 and 11."""
    with TABLE.open() as file:
        sds = {(row["student"], row["method"]): row["test_top1_std"] for row in csv.DictReader(file)}
    known = {key: float(sd) for key, sd in sds.items() if sd}
    assert {method for _, method in known} == {"kd", "fitnet", "at", "vid", "rkd", "pkt", "crd"}
    assert len(known) == 7 * 13
    assert (min(known.values()), median(known.values()), max(known.values())) == (0.04, 0.2, 0.54)
    assert known["resnet8x4 from resnet32x4", "kd"] == 0.25
    assert known["resnet8x4 from resnet32x4", "crd"] == 0.18


def is_of(comparison: dict[str, Any], *methods: str) -> bool:
    return {comparison[side].rsplit("/", 1)[1] for side in ("a", "b")} == set(methods)


def test_what_the_page_says_of_the_audit(command_line: Rigorkd) -> None:
    done = command_line("audit", TABLE, "--n-test", "10000", "--format", "json", cwd=ROOT)
    document = json.loads(done.stdout)
    tested = [one for one in document["comparisons"] if one["p_high"] is not None]
    alone = [one for one in tested if one["p_high"] < 0.05]
    held = [one for one in tested if one["p_adjusted"] < 0.05]
    assert (len(tested), len(alone), len(held), len(document["comparisons"])) == (273, 165, 5, 1267)
    assert sum(line.startswith("That ") for line in document["survives"]) == len(held)
    assert sum(is_of(one, "crd", "kd") for one in tested) == 13
    assert sum(is_of(one, "crd", "kd") for one in alone) == 7
    assert not any(is_of(one, "crd", "kd") for one in held)
    sds: dict[str, list[float]] = {"baseline": [], "kd": [], "crd": [], "all": []}
    above = 0
    for one in document["comparisons"]:
        methods = {one[side].rsplit("/", 1)[1] for side in ("a", "b")}
        if "teacher" in methods:
            continue
        sds["all"].append(one["break_even_seed_sd"])
        if "baseline" in methods:
            sds["baseline"].append(one["break_even_seed_sd"])
        elif methods == {"kd", "crd"}:
            assert one["b"].endswith("/crd")
            sds["crd"].append(one["break_even_seed_sd"])
        elif "kd" in methods and "crd" not in methods:
            sds["kd"].append(one["break_even_seed_sd"])
            above += one["difference"] > 0 and not one["b"].endswith("/kd")
    counted = {
        family: (len(found), *(sum(sd < bound for sd in found) for bound in (0.3, 0.5)))
        for family, found in sds.items()
    }
    assert counted["baseline"] == (162, 30, 50)
    assert counted["all"] == (1092, 236, 376)
    assert counted["crd"] == (13, 0, 5)
    assert (counted["kd"][0], above) == (136, 11)
    for said in (
        "273 pairs of numbers",
        "165 have p < .05 alone",
        "1,267 pairs, corrected together, five",
        "of 162 printed",
        "30 are explained",
        "eleven of the 136",
        "all 1,092 pairs",
        "236 are",
        "376 by",
    ):
        assert said in PAGE
