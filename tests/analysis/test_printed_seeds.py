"""How many seeds a printed table says are behind its means."""

from __future__ import annotations

import pytest
from rigorkd_analysis import Printed, audit
from rigorkd_analysis.published.printed_cells import caption_of
from rigorkd_analysis.published.printed_seeds import mark_of, seeds_said
from rigorkd_analysis.table_error import TableError


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("Accuracy averaged over 5 seeds.", 5),
        (r"Mean $\pm$ std over $5$ random seeds", 5),
        ("mean over three independent runs", 3),
        ("Acc (5 runs)", 5),
        ("mean ± std (n = 5)", 5),
        ("mean of 3 trials", 3),
        ("Each experiment is repeated five times", 5),
        ("best in bold, mean of 5 runs", 5),
        ("Top-1 accuracy over 5 runs", 5),
        ("10-fold cross validation with 3 repeats", 3),
    ],
)
def test_words_that_say_it(text, n):
    assert [many for many, _ in seeds_said(text)] == [n]


@pytest.mark.parametrize(
    "text",
    [
        "best of 5 runs",
        "the maximum over 3 seeds",
        "median of 5 runs",
        "We train over 5 seeds and report the best one",
        "5-shot accuracy over 600 episodes",
        "average of the last 10 epochs",
        "n = 10000 test images",
        "ResNet 8 runs at 3 fps",
        "within 1.5 runs",
        "over 10,000 runs",
    ],
)
def test_words_that_do_not(text):
    assert seeds_said(text) == []


ROWS = [
    {"method": "ce", "Acc": "72.50", "Acc_std": "0.21"},
    {"method": "kd", "Acc": "73.33", "Acc_std": "0.25"},
]


def test_the_caption_tells_n_and_the_option_and_a_column_win():
    found = audit(Printed(ROWS, caption="Averaged over 5 seeds."))
    assert found.seeds == 5
    assert "n = 5 by the caption (“over 5 seeds”); --seeds K changes it" in found.notes
    found = audit(Printed(ROWS, caption="Averaged over 5 seeds.", seeds=3))
    assert (found.seeds, [note for note in found.notes if "caption" in note]) == (3, [])
    assert audit(Printed([{**row, "n": "4"} for row in ROWS], caption="Over 5 seeds.")).seeds == 4


def test_two_numbers_settle_nothing():
    with pytest.raises(TableError, match="no number of seeds") as raised:
        audit(
            Printed(ROWS, caption="3 runs on CIFAR and 5 runs on ImageNet, mean over 3 runs and over 5 runs")
        )
    assert "several numbers of seeds" in raised.value.hint


def test_a_note_below_a_table_in_latex_is_read():
    text = "\\begin{table}\n\\caption{KD.}\n\\begin{tabular}{lc}\nce & 1 \\\\\n\\end{tabular}\n"
    text += "\\footnotesize Mean of three runs.\n\\label{t}\n\\end{table}\n"
    assert [many for many, _ in seeds_said(caption_of(text, [4]))] == [3]


def test_no_test_images_are_counted_for_a_validation_accuracy():
    rows = [{"method": "ce", "val_acc": "72.5"}, {"method": "kd", "val_acc": "73.4"}]
    found = audit(Printed(rows, n_test=10_000, metric="val_acc"))
    assert found.n_test is None
    assert any("val_acc is of validation images" in note for note in found.notes)
    (pair,) = found.comparisons
    assert "images of" not in pair.says
    rows = [{**row, "n": "5", "val_acc_std": "0.2"} for row in rows]
    (pair,) = audit(Printed(rows, metric="val_acc")).comparisons
    assert "on validation images, which may have chosen epochs and settings" in pair.says


@pytest.mark.parametrize(
    "note",
    ["*\\* means 2 times average scores*", "\\* mean of 2 runs", "† over 2 seeds", "$^*$ average of 2 runs"],
)
def test_a_footnote_is_about_what_it_marks_and_not_about_the_table(note):
    assert seeds_said(f"- scores are calculated by averaging 3 times results\n\n{note}") == [
        (3, "averaging 3 times")
    ]
    assert seeds_said(f"Accuracies.\n{note}") == []


def test_a_line_of_a_list_is_no_footnote():
    assert seeds_said("Results:\n* all are means of 4 runs") == [(4, "of 4 runs")]


@pytest.mark.parametrize(
    ("cell", "note"),
    [
        ("72.50 ± 0.10*", "\\* over 2 seeds only"),
        ("*72.50 ± 0.10", "*\\* means 2 times average scores*"),
        ("72.50 ± 0.10†", "† 2 seeds."),
        ("$72.50 \\pm 0.10^{\\dagger}$", "{\\footnotesize $^\\dagger$ mean of 2 seeds}"),
        ("**72.50** ± 0.10<sup>*</sup>", "<sup>*</sup> averaged over 2 runs"),
    ],
)
def test_a_number_with_a_mark_has_the_seeds_of_its_footnote(cell: str, note: str) -> None:
    rows = [{"method": "base", "acc": "71.60 ± 0.10"}, {"method": "ours", "acc": cell}]
    found = audit(Printed(rows, caption=f"Mean ± std over 3 seeds.\n{note}", metric="acc"))
    assert [one.n for one in found.cells] == [3, 2]
    assert any(text.startswith("ours: 2 seeds, by its mark ") for text in found.notes)
    assert not any(" survives" in text and "No difference" not in text for text in found.survives)
    plain = audit(
        Printed([rows[0], {**rows[1], "acc": "72.50 ± 0.10"}], caption=f"Over 3 seeds.\n{note}", metric="acc")
    )
    assert [one.n for one in plain.cells] == [3, 3], "no number has the mark"


def test_what_is_bold_or_in_italics_has_no_mark() -> None:
    assert [
        mark_of(text) for text in ("**72.5**", "*72.5*", "72.5", "**72.5**\\*", "$72.5^*$", "72.5\\%")
    ] == [
        *([""] * 3),
        "*",
        "*",
        "",
    ]


def test_a_footnote_of_two_numbers_settles_nothing_and_says_so() -> None:
    rows = [{"method": "base", "acc": "71.60 ± 0.10"}, {"method": "ours", "acc": "72.50 ± 0.10*"}]
    note = "\\* 2 seeds for VGG, and mean of 5 runs for ResNet"
    found = audit(Printed(rows, caption=f"Mean ± std over 3 seeds.\n{note}", metric="acc"))
    assert [one.n for one in found.cells] == [3, 3]
    (told,) = [text for text in found.notes if "its mark" in text]
    assert told.startswith("ours: its mark * settles no number of seeds, as the footnote names several (“")
    assert "“of 5 runs”" in told
    assert "taken as 3 seeds (a column n says it row by row)" in told
    plain = Printed([rows[0], {**rows[1], "acc": "72.50 ± 0.10"}], caption=note, metric="acc", seeds=3)
    assert not any("its mark" in text for text in audit(plain).notes)


@pytest.mark.parametrize(
    ("rows", "metric", "why"),
    [
        (("71.2 ± 0.3", "70.1 ± 0.2"), "acc", "a claim over several seeds rests on their spread"),
        (("71.2 ± 0.3", "70.1 ± 0.2"), "val_acc", "val_acc is not of test images"),
        (("71.2", "70.1"), "acc", ""),
    ],
)
def test_a_number_of_test_images_that_changes_nothing_is_said(rows, metric, why):
    table = [{"method": name, metric: value} for name, value in zip(("kd", "ce"), rows, strict=True)]
    seeds = 3 if "±" in rows[0] else 1
    found = audit(Printed(table, n_test=10_000, seeds=seeds))
    told = [note for note in found.notes if note.startswith("the number of test images changes no claim")]
    assert told == ([f"the number of test images changes no claim here: {why}"] if why else [])
