"""What compared cells differ in of their training: confounded with the method, or a mixture on both sides."""

from __future__ import annotations

import pandas as pd
import pytest
from rigorkd_analysis import Pair, Plan, analyze


def runs(cells: dict[str, dict[str, str]]) -> pd.DataFrame:
    rows = [
        {
            "cell": name,
            "seed": str(seed),
            "test_acc": f"{70 + len(name) + ((seed * 7 + len(name)) % 5) / 7:.3f}",
        }
        | settings
        for name, settings in cells.items()
        for seed in range(6)
    ]
    return pd.DataFrame(rows).fillna("")


@pytest.mark.parametrize("column", ["lr", "batch_size", "weight_decay", "optimizer", "Warmup epochs"])
def test_a_pair_that_differs_in_its_training_is_warned_of(column: str):
    frame = runs({"plain": {column: "a1"}, "distilled": {column: "b2"}, "other": {column: "a1"}})
    found = analyze(frame, Plan(contrasts=(Pair("distilled", "plain"), Pair("plain", "other"))))
    told = f"{column} differs (distilled b2, plain a1): the difference is confounded with it"
    first, second = found.family("contrasts").comparisons
    assert told in first.warnings
    assert not any("confounded" in text for text in second.warnings)


def test_what_names_tell_is_no_warning():
    frame = runs({"kd-lr0.1": {"lr": "0.1"}, "kd-lr0.05": {"lr": "0.05"}})
    (one,) = analyze(frame, Plan(contrasts=(Pair("kd-lr0.1", "kd-lr0.05"),))).family("contrasts").comparisons
    assert not any("confounded" in text for text in one.warnings)


def test_an_average_over_lengths_of_equal_sides_is_a_mixture_and_not_confounded():
    cells = {
        f"{method}-e{epochs}": {"method": method, "epochs": epochs}
        for method in ("baseline", "kd")
        for epochs in ("100", "200")
    }
    (one,) = analyze(runs(cells)).family("overall").comparisons
    (told,) = (text for text in one.warnings if "different lengths" in text)
    assert told.endswith("on both sides alike: a mixture, of no one length")
    assert "confounded" not in told
    del cells["baseline-e200"]
    (one,) = analyze(runs(cells), Plan(baselines=("baseline-e100",))).family("overall").comparisons
    assert any("different lengths" in text and "confounded with length" in text for text in one.warnings)


def test_of_which_cells_of_an_average_a_difference_is():
    cells = {
        "baseline": {"method": "baseline", "lr": "0.1", "T": ""},
        "kd-T2": {"method": "kd", "lr": "0.1", "T": "2"},
        "kd-T4": {"method": "kd", "lr": "0.05", "T": "4"},
    }
    (one,) = analyze(runs(cells)).family("overall").comparisons
    (told,) = (text for text in one.warnings if "confounded" in text)
    assert told.startswith("lr is 0.05, and 0.1 in its baseline baseline: ")
    assert told.endswith("(of its cells: kd-T4)")
