"""`rigorkd power` as a user meets it."""

from __future__ import annotations

import json

import pytest


def test_power_in_words_and_json(rigorkd):
    design = ("power", "--n", 5, "--sd", 0.2, "--comparisons", 9)
    assert "5 seeds detect a difference of 0.614 with 80 % power" in " ".join(rigorkd(*design).stdout.split())
    document = json.loads(rigorkd(*design, "--effect", 0.3, "--format", "json").stdout)
    keys = ["schema", "n", "sd", "alpha", "power", "comparisons", "mde", "seeds_needed"]
    assert list(document)[: len(keys)] == keys
    assert document["mde"] == pytest.approx(0.6139, abs=1e-4)
    assert document["seeds_needed"] == 10


@pytest.mark.parametrize(
    "arguments",
    [
        ["--n", "1", "--sd", "1"],
        ["--sd", "0"],
        ["--sd", "1", "--power", "2"],
        ["--sd", "1", "--comparisons", "0"],
        [],
    ],
)
def test_impossible_designs(rigorkd, arguments):
    done = rigorkd("power", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
