"""Settings that `--cell` or `--average` leave: mixtures within cells, and what differs between them."""

from __future__ import annotations

import json

from click.testing import CliRunner

from rigorkd.cli.main import cli

HEAD = "method,lr,seed,test_acc"


def rows(**settings: tuple[str, ...]) -> str:
    out = [
        f"{method},{own[seed % len(own)]},{seed},{70 + len(method) + seed / 7:.2f}"
        for method, own in settings.items()
        for seed in range(4)
    ]
    return "\n".join([HEAD, *out]) + "\n"


MIXED = "runs of one cell differ in lr (0.1, 0.05), which --cell leaves out: they count as one configuration"


def test_cells_that_are_mixtures_alike(folder):
    folder.write("runs.csv", rows(baseline=("0.1", "0.05"), kd=("0.1", "0.05")))
    told = folder.open("runs.csv", cell="method").warnings
    assert MIXED in told
    assert not any("confounded" in text for text in told)


def test_a_mixture_is_said_where_its_numbers_are_pasted(folder):
    text = rows(baseline=("0.1", "0.05"), kd=("0.1", "0.05"))
    folder.write("runs.csv", text.replace("kd,0.1,2,72", "kd,0.1,2,73"))  # or the gain has no spread
    asked = [str(folder.path / "runs.csv"), "--cell", "method", "--baseline", "baseline"]
    short = "runs of one cell differ in lr (0.1, 0.05)"
    for words in (["analyze"], ["table", "--layout", "gains"]):
        for form in ("latex", "markdown"):
            done = CliRunner().invoke(cli, [words[0], *asked, *words[1:], "--format", form])
            assert done.exit_code == 0, done.output
            kept = [line for line in done.stdout.splitlines() if not line.startswith(("%", "-"))]
            assert short in " ".join(kept), (words, form, done.stdout)
    found = json.loads(CliRunner().invoke(cli, ["analyze", *asked, "--format", "json"]).stdout)
    assert all(short in one["says"] for family in found["families"] for one in family["comparisons"])


def test_cells_that_differ_in_what_some_of_them_mix(folder):
    folder.write("runs.csv", rows(baseline=("0.1",), kd=("0.1", "0.05"), dkd=("0.050",)))
    told = folder.open("runs.csv", cell="method").warnings
    assert MIXED in told or MIXED.replace("0.05)", "0.05, 0.050)") in told
    assert (
        "cells differ in lr, too (baseline 0.1, kd 0.05 and 0.1, dkd 0.05): a difference between them is "
        "confounded with it"
    ) in told


def test_a_setting_that_goes_with_the_method_is_confounded_where_it_should_be_averaged(folder):
    folder.write("runs.csv", rows(baseline=("0.1",), kd=("0.05",)))
    told = folder.open("runs.csv", average="lr").warnings
    assert "cells differ in lr: a difference between cells of different lr is confounded with it" in told
    folder.write("runs.csv", rows(baseline=("0.1",), kd=("0.1",)))
    assert not any("confounded" in text for text in folder.open("runs.csv", average="lr").warnings)


def test_a_combination_of_two_averaged_settings_that_never_ran_is_refused(folder):
    lines = [f"{m},{t},{lr},{s},{70 + s / 7:.2f}" for m, t, lr in SETTINGS for s in range(3)]
    folder.write("runs.csv", "\n".join(["method,T,lr,seed,test_acc", *lines]))
    assert "has all of T 2, 4 at each lr" in folder.refusal("runs.csv", average="T,lr")


SETTINGS = [("baseline", "", "0.1"), ("kd", "2", "0.1"), ("kd", "4", "0.05")]
