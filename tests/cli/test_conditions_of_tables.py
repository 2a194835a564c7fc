"""Tables of others through the command line: what captions and sentences say that all numbers rest on."""

from __future__ import annotations

import json
import shlex

import pytest

PAIRS = {"ResNet34": "MobileNetV2", "WRN-40-2": "WRN-16-2"}
OWN = {"scratch": ("",), "Hinton": ("1", "4"), "OurRel": ("",)}


def book(pairs: list[tuple[str, str]]) -> str:
    rows = [
        f"{data},{big},{small},{loss},{tau},{seed},{70 + seed / 3 + 2 * k + len(tau) + seed * k / 50:.3f}"
        for data in ("CIFAR-100", "Tiny")
        for big, small in pairs
        for k, (loss, own) in enumerate(OWN.items())
        for tau in own
        for seed in (11, 22, 33, 44)
    ]
    return "\n".join(["corpus,big_net,small_net,loss_used,tau,init,acc@1", *rows]) + "\n"


ASKED = ("--metric", "acc@1", "--cell", "corpus,big_net,small_net,loss_used,tau", "--seed", "init")
OVER_PAIRS = "every result is a mean over big_net and small_net (ResNet34/MobileNetV2 and WRN-40-2/WRN-16-2)"


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "book.csv"
    path.write_text(book(list(PAIRS.items())))
    return path


@pytest.mark.parametrize("order", [("small_net", "big_net"), ("big_net", "small_net")])
@pytest.mark.parametrize("form", ["markdown", "latex", "json"])
def test_a_mean_over_teachers_and_students_in_pairs_names_both(rigorkd, kept, form, order):
    """The second column that was averaged over alone had been named, and by no sentence."""
    average = [word for name in ("tau", *order) for word in ("--average", name)]
    said = rigorkd("analyze", kept, *ASKED, *average, "--baseline", "scratch", "--format", form).stdout
    if form == "json":
        (family,) = json.loads(said)["families"]
        assert all(c["says"].endswith(f"; {OVER_PAIRS}.") for c in family["comparisons"])
        return
    told = said.replace("\\_", "_")
    captions = [line for line in told.splitlines() if "Note: " in line]
    assert len(captions) == 2
    assert all(line.count(OVER_PAIRS) == 1 for line in captions)
    if form == "markdown":
        sentences = [line for line in told.splitlines() if line.startswith("- exploratory: ")]
        assert len(sentences) == 4
        assert all(line.endswith(f"; {OVER_PAIRS}.") for line in sentences)
        assert "raised the top-1 accuracy by" in told


def test_so_do_a_page_and_a_layout(rigorkd, kept, tmp_path):
    average = ("--average", "tau", "--average", "big_net", "--average", "small_net", "--baseline", "scratch")
    rigorkd("report", kept, *ASKED, *average, "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text().count(OVER_PAIRS) > 6
    table = rigorkd("table", kept, *ASKED, *average, "--layout", "gains", "--format", "markdown").stdout
    assert OVER_PAIRS in table.replace("\\_", "_")


def test_columns_that_are_crossed_are_named_each_with_its_words(rigorkd, tmp_path):
    path = tmp_path / "book.csv"
    path.write_text(book([(big, small) for big in PAIRS for small in PAIRS.values()]))
    average = ("--average", "tau", "--average", "small_net", "--average", "big_net")
    said = rigorkd("analyze", path, *ASKED, *average, "--baseline", "scratch", "--format", "markdown").stdout
    both = "a mean over big_net (ResNet34 and WRN-40-2) and small_net (MobileNetV2 and WRN-16-2)"
    assert said.replace("\\_", "_").count(both) == 2 + 4 + 1  # captions, sentences, warning


def test_who_averages_over_one_of_a_pair_is_told_of_the_other(rigorkd, kept):
    average = ("--average", "tau", "--average", "small_net")
    told = rigorkd("analyze", kept, *ASKED, *average, "--baseline", "scratch")
    assert told.returncode == 2
    refused = told.stderr
    advice = "--average tau --average small_net --average big_net"
    assert f"small_net goes with big_net: average over both ({advice})" in refused
    assert "--without" not in refused
    assert rigorkd("analyze", kept, *ASKED, *shlex.split(advice), "--baseline", "scratch").returncode == 0


def names(*columns: str) -> str:
    gains = {"r8_plain": 0, "r8_kd": 1, "r8_fitnet": 0.1}
    rows = [
        ",".join([name, str(seed), f"{70 + seed / 3 + gain + seed * gain / 50:.3f}", *columns])
        for name, gain in gains.items()
        for seed in range(5)
    ]
    return "\n".join(["run,seed,test_acc", *rows]) + "\n"


@pytest.mark.parametrize("cell", [(), ("--cell", "run")])
def test_names_that_nothing_calls_settings_have_no_average(rigorkd, tmp_path, cell):
    """KD and FitNet had been two settings of the cells, and their mean the headline."""
    path = tmp_path / "names.csv"
    path.write_text(names())
    asked = ("--baseline", "r8_plain", "--sesoi", "0.3", "--format")
    found = json.loads(rigorkd("analyze", path, *cell, *asked, "json").stdout)
    assert [family["name"] for family in found["families"]] == ["gains"]
    said = rigorkd("analyze", path, *cell, *asked, "markdown").stdout
    assert "averag" not in said.casefold()
    assert "of 2 gains" in said


def test_nor_have_files_that_are_called_so(rigorkd, tmp_path):
    for line in names().splitlines()[1:]:
        name, seed, value = line.split(",")
        log = [f"{epoch},{float(value) - 9 + epoch},{value}" for epoch in range(3)]
        text = "\n".join(["epoch,val_acc,test_acc", *log])
        (tmp_path / f"{name}_seed{seed}.csv").write_text(text + "\n")
    asked = (
        "--select",
        "best:test_acc",
        "--metric",
        "test_acc",
        "--baseline",
        "r8_plain",
        "--format",
        "json",
    )
    found = json.loads(rigorkd("analyze", tmp_path, *asked).stdout)
    assert [family["name"] for family in found["families"]] == ["gains"]
    says = [c["says"] for family in found["families"] for c in family["comparisons"]]
    caution = "; caution: the epoch of every run was chosen on test data."
    assert all(text.endswith(caution) for text in says)
    # and what is said of the best: such a number is nothing that validation picked
    text = rigorkd("analyze", tmp_path, *asked[:-1], "markdown").stdout
    notes = text.partition("### Notes")[2].partition("### ")[0].strip().splitlines()
    assert any(line.startswith("- Validation picks ") for line in notes)
    assert all(line.endswith(caution) for line in notes)


def test_a_history_beside_final_numbers_is_said_to_be_left_out(rigorkd, tmp_path):
    for method in ("plain", "kd"):
        for seed in range(3):
            history = [{"epoch": epoch, "val_acc": 60 + epoch, "test_acc": 59 + epoch} for epoch in range(3)]
            run = {"args": {"method": method, "seed": seed}, "history": history, "final_test_acc": 70 + seed}
            (tmp_path / f"{method}{seed}.json").write_text(json.dumps(run))
    said = " ".join(rigorkd("analyze", tmp_path, "--dry-run").stdout.split())
    assert "left out: lists of objects, as of epochs, beside the single values: history" in said
    refused = rigorkd("analyze", tmp_path, "--select", "best:val_acc")
    assert refused.returncode == 2
    assert "write a row for each epoch, as CSV or JSON Lines" in refused.stderr


@pytest.mark.parametrize(("word", "asked"), [("plain", ("--baseline",)), ("kd", ("--compare", "fitnet"))])
def test_a_word_of_one_name_is_told_that_name(rigorkd, tmp_path, word, asked):
    path = tmp_path / "names.csv"
    path.write_text(names())
    option, *rest = asked
    refused = rigorkd("analyze", path, "--cell", "run", option, word, *rest).stderr
    assert f"did you mean 'r8_{word}'?" in refused


@pytest.fixture
def students(tmp_path):
    folder = tmp_path / "students"
    for method, gain in {"vanilla": 0, "at": 0.5, "kd": 1}.items():
        for trial in range(1, 5):
            at = folder / f"S:r8_{method}_{trial}" / "result.json"
            at.parent.mkdir(parents=True)
            best = 70 + trial / 3 + gain + trial * gain / 50
            result = {"model_s": "r8", "distill": method, "trial": trial, "best_acc": best}
            at.write_text(json.dumps({**result, "last_acc": best - 0.2 - trial / 90}))
    return folder


PEAK = "best_acc is chosen on test data (the best of many epochs, by its name)"


@pytest.mark.parametrize("layout", ["gains", "overall"])
def test_a_metric_that_is_chosen_on_test_data_says_so_in_a_table_that_goes_on(rigorkd, students, layout):
    asked = ("--seed", "trial", "--metric", "best_acc", "--baseline", "vanilla", "--layout", layout)
    made = rigorkd("table", students, *asked, "--format", "latex").stdout.replace("\\_", "_")
    (caption,) = (line for line in made.splitlines() if "\\caption" in line)
    assert caption.count(PEAK) == 1


def test_so_it_does_in_captions_and_in_sentences(rigorkd, students):
    asked = ("--seed", "trial", "--baseline", "vanilla", "--format", "markdown")
    said = rigorkd("analyze", students, *asked, "--metric", "best_acc").stdout.replace("\\_", "_")
    captions = [line for line in said.splitlines() if "Note: " in line]
    assert len(captions) == 2
    assert all(PEAK in line for line in captions)
    sentences = [line for line in said.splitlines() if line.startswith("- exploratory: ")]
    assert len(sentences) == 2
    assert all(line.endswith(f"; caution: {PEAK}.") for line in sentences)
    last = rigorkd("analyze", students, *asked, "--metric", "last_acc").stdout
    assert "chosen on test data" not in last
    assert "caution" not in last


def test_the_advice_for_a_folder_may_be_typed_and_offers_no_peak(rigorkd, students):
    for path in students.glob("*/result.json"):  # a name that nobody knows, as `trial` is
        path.write_text(path.read_text().replace('"trial"', '"copy"'))
    refused = rigorkd("analyze", students).stderr
    advice = refused.partition("perhaps: rigorkd ")[2].partition(" (judge")[0]
    assert shlex.split(advice) == ["analyze", str(students), "--seed", "copy", "--metric", "last_acc"]
    assert rigorkd(*shlex.split(advice)).returncode == 0
