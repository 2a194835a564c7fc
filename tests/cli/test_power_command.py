"""`rigorkd power` as a user meets it."""

from __future__ import annotations

import json

import pytest
from rigorkd_analysis.stats.group_sequential import nominal_level
from rigorkd_analysis.stats.sample_size import detectable


def test_power_in_words_and_json(rigorkd):
    design = ("power", "--n", 5, "--sd", 0.2, "--comparisons", 9)
    assert "5 seeds detect a difference of 0.614 with 80 % power" in " ".join(rigorkd(*design).stdout.split())
    document = json.loads(rigorkd(*design, "--effect", 0.3, "--format", "json").stdout)
    keys = ["schema", "n", "sd", "alpha", "power", "comparisons", "mde", "seeds_needed"]
    assert list(document)[: len(keys)] == keys
    assert document["mde"] == pytest.approx(0.6139, abs=1e-4)
    assert document["seeds_needed"] == 10


def test_planned_looks_cost_power(rigorkd):
    design = ("power", "--sd", 0.2, "--comparisons", 9, "--effect", 0.3, "--format", "json")
    plain, looks = (
        json.loads(rigorkd(*design, *words).stdout) for words in (("--n", 12), ("--looks", "5,8,12"))
    )
    assert (looks["n"], looks["looks"], plain["looks"]) == (12, [5, 8, 12], [])
    assert looks["mde"] == pytest.approx(detectable(12, 0.2, nominal_level((5, 8, 12), 0.05 / 9)))
    assert looks["mde"] > plain["mde"]
    assert looks["seeds_needed"] > plain["seeds_needed"]
    assert [way["question"] for way in looks["designs"]] == ["overall", "primary", "gains"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--n", "1", "--sd", "1"],
        ["--sd", "0"],
        ["--sd", "1", "--power", "2"],
        ["--sd", "1", "--comparisons", "0"],
        ["--sd", "1", "--looks", "5,x"],
        ["--sd", "1", "--looks", "8,5"],
        ["--sd", "1", "--looks", "5,8", "--n", "7"],
        [],
    ],
)
def test_impossible_designs(rigorkd, arguments):
    done = rigorkd("power", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
