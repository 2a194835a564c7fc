"""Cells in a table in Markdown are called by their words, without links, emphasis and tags."""

from __future__ import annotations

ROWS = {
    "*baseline*": (72.5, 72.9, 72.3),
    "[KD](https://arxiv.org/abs/1503.02531)": (73.5, 73.2, 73.9),
    "**[DKD](https://a.b/c_d 'title')**": (73.6, 73.1, 73.4),
    "<b>CRD</b>[^1]": (73.0, 73.1, 73.9),
}


def test_a_row_per_run(folder):
    lines = [f"| {name} | {seed} | {own[seed]} |" for name, own in ROWS.items() for seed in range(3)]
    head = ["| [method](x.md) | seed | test_acc |", "|---|---|---|"]
    folder.write("runs.md", "\n".join([*head, *lines]) + "\n")
    assert {*folder.gains("runs.md", metric="test_acc")} == {"KD", "DKD", "CRD"}


def test_a_column_per_seed(folder):
    lines = [f"| {name} | {' | '.join(map(str, own))} |" for name, own in ROWS.items()]
    text = "\n".join(["| Method | Seed 0 | **Seed 1** | [Seed 2](log.txt) |", "|---|---|---|---|", *lines])
    folder.write("runs.md", text + "\n")
    assert {*folder.gains("runs.md", metric="test_acc")} == {"KD", "DKD", "CRD"}
