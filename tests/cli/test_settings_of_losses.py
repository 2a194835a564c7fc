"""Settings whose headings have the word loss: they tell runs apart, and are averaged over like any other."""

from __future__ import annotations

import json

import pytest
from rigorkd_analysis.metric_names import is_metric, sets_a_loss

ASKED = ("--seed", "seed", "--baseline", "none", "--metric", "acc", "--format", "json")


def runs(heading: str) -> str:
    rows = [f"method,{heading},T,seed,acc"]
    for method, weights, temperatures in (("none", [""], [""]), ("kd", [0.5, 1], [1, 4]), ("crd", [1], [""])):
        for k, weight in enumerate(weights):
            for T in temperatures:
                for seed in range(5):
                    luck = seed / 3 + seed * k / 40
                    rows.append(
                        f"{method},{weight},{T},{seed},{60 + luck + len(method) + k + len(str(T)):.2f}"
                    )
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("heading", ["loss_weight", "w_loss", "lambda_loss", "kd_loss_scale"])
@pytest.mark.parametrize("over", ["{}", "T,{}", "{},T"])
def test_a_weight_of_a_loss_is_averaged_over_as_any_setting(rigorkd, tmp_path, heading, over):
    found = []
    for name in (heading, "beta_2"):
        path = tmp_path / f"{name}.csv"
        path.write_text(runs(name))
        averages = [word for one in over.format(name).split(",") for word in ("--average", one)]
        done = rigorkd("analyze", path, *ASKED, "--cell", f"method,T,{name}", *averages)
        assert done.returncode == 0, done.stderr
        families = json.loads(done.stdout)["families"]
        found.append([c["mean_diff"] for family in families for c in family["comparisons"]])
    assert found[0] == found[1]
    assert found[0]


def test_rows_that_differ_in_it_are_not_advised_to_be_left_out(rigorkd, tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(runs("loss_weight"))
    done = rigorkd("analyze", path, *ASKED)
    assert done.returncode == 2
    assert "these rows differ in loss_weight: give --cell method,T,loss_weight" in " ".join(
        done.stderr.split()
    )


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *(("loss_fn", True), ("ce_weight", True), ("kl_coef", True), ("loss_w", True)),
        *(("loss", False), ("test_loss", False), ("weighted_loss", False), ("loss w/ KD", False)),
        *(("loss w KD", False), ("acc w KD", False), ("error_type_1", False), ("f1_weighted", False)),
    ],
)
def test_which_names_are_settings_of_a_loss(name, setting):
    assert sets_a_loss(name) == setting
    assert is_metric(name) == (not setting)
