"""Columns whose headings name several things: only what was measured on the same is compared."""

from __future__ import annotations

import pytest

from rigorkd.report.judging import Question, analysis_of

CELLS = [
    (data, model, method, 52 + 30 * (data == "Flowers") + 9 * (model == "DINOv2") + at)
    for data, model in (("DTD", "ResNet-18"), ("Flowers", "ResNet-18"), ("Flowers", "DINOv2"))
    for at, method in enumerate(("probe", "S1", "S2"))
]


def by_seed(heading: str, form: str) -> str:
    """A table with a column per seed, whose first column holds all of a cell in one form."""
    rows = [
        f"| {form.format(data, model, method)} | {score} | {score + 0.4} | {score + 0.9 + at / 10:.1f} |"
        for at, (data, model, method, score) in enumerate(CELLS)
    ]
    return "\n".join([f"| {heading} | Seed 0 | Seed 1 | Seed 2 |", "|---|---|---|---|", *rows]) + "\n"


def same_data(cells: list[tuple[str, str]]) -> bool:
    return all(a.split("/")[:2] == b.split("/")[:2] for a, b in cells)


@pytest.mark.parametrize(
    ("heading", "form"),
    [
        ("Dataset/Encoder", "{}/{}, {}"),
        ("Dataset / Encoder", "{} / {} / {}"),
        ("Data set, model", "{}, {}, {}"),
        ("Dataset x Net", "{} x {} | {}"),
        ("Data | Backbone | Method", "{}/{}/{}"),
        ("Dataset; network; variant", "{}; {}; {}"),
        ("Task + Arch + Approach", "{}+{}+{}"),
    ],
)
def test_only_what_was_measured_on_the_same_is_compared(folder, heading, form) -> None:
    if " | " in heading or "|" in form:  # which would end a field of a table with bars
        cells = [(form.format(*own[:3]) if "/" not in form else " | ".join(own[:3]), own[3]) for own in CELLS]
        rows = [f"{cell};{seed};{score + seed * 0.4}" for cell, score in cells for seed in range(3)]
        folder.write("t.csv", "\n".join([f"{heading};seed;acc", *rows]) + "\n")
        name = "t.csv"
    else:
        name = "t.md"
        folder.write(name, by_seed(heading, form))
    found = analysis_of(folder.open(name), Question())
    pairs = [(c.a, c.b) for family in found.families for c in family.comparisons]
    assert len(pairs) == 9
    assert same_data(pairs)
    found = analysis_of(folder.open(name), Question(baselines=("probe",)))
    gains = [(c.a, c.b) for c in found.family("gains").comparisons]
    assert len(gains) == 6
    assert same_data(gains)
    each = tuple(f"{data}/{model}/probe" for data, model in dict.fromkeys((own[:2]) for own in CELLS))
    again = analysis_of(folder.open(name), Question(baselines=each))
    assert [(c.a, c.b) for c in again.family("gains").comparisons] == gains


def test_what_a_heading_was_read_as_is_said_and_can_be_refused(folder) -> None:
    folder.write("t.md", by_seed("Dataset/Encoder", "{}/{}, {}"))
    source = folder.open("t.md")
    assert source.tidy is not None
    said = "'Dataset/Encoder' read as Dataset, Encoder and what stands behind ',' as method"
    assert said in source.tidy.understood[0]
    whole = folder.open("t.md", cell="Dataset/Encoder")
    assert set(whole.table["cell"]) == {f"{data}/{model}, {method}" for data, model, method, _ in CELLS}


def test_a_heading_that_the_values_do_not_follow_is_asked_about(folder) -> None:
    folder.write("t.md", by_seed("Dataset/Encoder", "{}-{}-{}"))
    asked = folder.refusal("t.md")
    assert "t.md:3: column 'Dataset/Encoder': the heading names Dataset, Encoder" in asked
    assert "'DTD-ResNet-18-probe'" in asked
    assert "--cell Dataset/Encoder" in asked
    assert len(folder.open("t.md", cell="Dataset/Encoder").table["cell"].unique()) == 9


@pytest.mark.parametrize("heading", ["model/name", "config/dataset", "Model (a/b)", "Method"])
def test_other_headings_with_a_slash_name_one_thing(folder, heading) -> None:
    folder.write("t.md", by_seed(heading, "{}/{}-{}"))
    assert len(folder.open("t.md", cell=heading).table["cell"].unique()) == 9
    source = folder.open("t.md")
    assert source.tidy is not None
    assert " read as " not in source.tidy.understood[0]
