"""Tables that are read right, or refused with one message that names place, column and option."""

from __future__ import annotations

import bz2
import gzip
import shlex

import pytest

from rigorkd.errors import InputError
from tests.readers.conftest import gains_of

GAIN = {"kd": (0.966667, 3)}
ROWS = ["baseline,0,72.5", "baseline,1,72.9", "baseline,2,72.3", "kd,0,73.5", "kd,1,73.2", "kd,2,73.9"]
PLAIN = "\n".join(["method,seed,test_acc", *ROWS]) + "\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a byte order mark", "\ufeff" + PLAIN),
        ("Unix and Windows", PLAIN.replace("\n", "\r\n")),
        ("capitals and spaces", PLAIN.replace("method,seed,test_acc", " Method , SEED ,test_acc")),
        ("an index", "\n".join([",method,seed,test_acc", *(f"{i},{row}" for i, row in enumerate(ROWS))])),
        (
            "pandas' index, read and written once more",
            "\n".join(["Unnamed: 0,method,seed,test_acc", *(f"{i},{row}" for i, row in enumerate(ROWS))]),
        ),
        ("comments", "# trained on Tuesday\n" + PLAIN.replace("kd,0", "# the distilled ones\nkd,0")),
        ("numpy's header", "# " + PLAIN),
        ("means below", PLAIN + "mean,,73.05\nstd,,0.6\n"),
        ("a mean among the seeds", PLAIN + "kd,mean,73.5\n"),
        ("an empty column", "\n".join(["method,seed,test_acc,", *(f"{row}," for row in ROWS)])),
        ("a title", "Results of our runs,,\n" + PLAIN),
        ("a note below a gap", PLAIN + "\nAll of one split.\n"),
        ("marked notes", PLAIN + "* three seeds each,,\nNote: of one split,,\n"),
        ("percent signs", "\n".join(["method,seed,test_acc", *(f"{row}%" for row in ROWS)])),
        (
            "with their type, as an f-string writes them",
            PLAIN.replace("72.5", "tensor(72.5)")
            .replace("73.5", "tensor(73.5, device='cuda:0')")
            .replace("73.2", "np.float64(73.2)")
            .replace("73.9", "[73.9]"),
        ),
        ("plus or minus", "\n".join(["method,seed,test_acc", *(f"{row} ± 0.2" for row in ROWS)])),
        ("seeds with a word", PLAIN.replace("baseline,", "baseline,seed_").replace("kd,", "kd,seed_")),
        ("bars", PLAIN.replace(",", "|")),
        (
            "a page in Markdown",
            "# Results\n\nWell, of three seeds.\n\n| method | seed 0 | seed 1 | seed 2 | Mean ± SD |\n"
            "|---|--:|--:|--:|---|\n| baseline | 72.5 | 72.9 | 72.3 | 72.6 ± 0.3 |\n"
            "| kd | 73.5 | 73.2 | 73.9 | **73.5 ± 0.4** |\n\nThat is all, or nearly.\n",
        ),
        (
            "Markdown with a column per seed",
            "| Method | Seed 0 | Seed 1 | Seed 2 |\n|:--|---|---|---|\n| Baseline | 72.5 | 72.9 | 72.3 |\n"
            "| **kd** | **73.5** | 73.2 | 73.9 |\n",
        ),
        (
            "merged headings, as a sheet saves them",
            "seed,baseline,,kd,\n,test_acc,n_steps,test_acc,n_steps\n".replace("\n,", "\nseed,", 1)
            + "0,72.5,9,73.5,9\n1,72.9,9,73.2,9\n2,72.3,9,73.9,9\n",
        ),
    ],
)
def test_read_right(folder, name: str, text: str):
    folder.write("runs.csv", text)
    assert folder.gains("runs.csv", metric="test_acc") == GAIN


def test_of_several_tables_in_a_text_the_one_of_seeds_is_read(folder):
    means = "\n## Means\n\n| Method | Seeds | test_acc |\n|---|---|---|\n| baseline | 3 | 72.6 |\n"
    wide = "| Method | Seed 0 | Seed 1 |\n|---|---|---|\n| baseline | 72.5 | 72.9 |\n| kd | 73.5 | 73.2 |\n"
    rows = [f"| {row.replace(',', ' | ')} |" for row in ROWS]
    long = "\n".join(["| Method | **Seed** | test_acc |", "|---|--:|---|", *rows]) + "\n"
    for table, gain in ((wide, (0.65, 2)), (long, GAIN["kd"])):
        folder.write("runs.md", means + "\nOf each seed:\n\n" + table + means)
        assert folder.gains("runs.md", metric="test_acc") == {"kd": pytest.approx(gain)}
    tidy = folder.open("runs.md", metric="test_acc").tidy
    assert tidy is not None
    assert [word for word in tidy.dropped if "2 tables without seeds (line 4, 21)" in word]
    folder.write("runs.md", means + "\n" + wide + "\n" + long)
    assert "3 tables, from lines 4, 8, 13" in folder.refusal("runs.md")


def test_tables_with_the_same_headings_are_one_of_groups(folder):
    means = "## Means\n\n| Method | acc |\n|---|---|\n| baseline | 72.6 |\n\n"
    one = "| Method | s0 | s1 |\n|---|---|---|\n| baseline | 70.1 | 70.5 |\n| kd | 71.1 | 71.9 |\n"
    other = "Method | s0 | s1\n---|---|---\nbaseline | 80.1 | 80.5\n`kd` | 79.1 | **79.9**\n"
    folder.write("runs.md", f"{means}### ResNet-18\n\n{one}\n**ResNet-34:**\n\n{other}\nSeeds 0 and 1.\n")
    assert folder.gains("runs.md", metric="acc") == {
        "ResNet-18/kd": pytest.approx((1.2, 2)),
        "ResNet-34/kd": pytest.approx((-0.8, 2)),
    }
    tidy = folder.open("runs.md", metric="acc").tidy
    assert tidy is not None
    assert "2 tables with the same headings, which are read as one" in tidy.dropped[0]
    folder.write("runs.md", f"### ResNet\n\n{one}\n### ResNet\n\n{other}")
    assert "2 tables, from lines 3, 10" in folder.refusal("runs.md")


def test_words_that_stand_once_for_the_rows_below_them(folder):
    head = "student,method,seed 0,seed 1\n"
    folder.write("merged.csv", head + "r8,ce,71,72\n,kd,73,74\nr20,ce,76,77\n,kd,77,78\n")
    told = folder.refusal("merged.csv", metric="acc")
    assert "seed 0 of kd is there 2 times (merged.csv:3 and merged.csv:5)" in told
    assert "student is empty in these rows: if it was a merged cell, write it in each row; else" in told
    folder.write("twice.csv", head + "r8,ce,71,72\nr8,kd,73,74\nr20,ce,76,77\nr8,kd,77,78\n")
    assert "is empty in these rows" not in folder.refusal("twice.csv", metric="acc")
    folder.write("one.csv", head + "r8,ce,71,72\n,kd,73,74\n")
    tidy = folder.open("one.csv", metric="acc").tidy
    assert tidy is not None
    assert [word for word in tidy.warnings if word.startswith("student is empty in rows below the first")]
    folder.write("teacher.csv", head + "r8,ce,71,72\nr8,kd,73,74\n,teacher,79,79\n")
    tidy = folder.open("teacher.csv", metric="acc").tidy
    assert tidy is not None
    assert not [word for word in tidy.warnings if "merged" in word]


def test_a_last_row_that_was_cut_off_is_no_note(folder):
    folder.write("runs.csv", PLAIN + "kd\n")
    assert "runs.csv:8: 1 fields" in folder.refusal("runs.csv")
    folder.write("runs.csv", PLAIN + "kd,,\n")
    tidy = folder.open("runs.csv", metric="test_acc").tidy
    assert tidy is not None
    assert [word for word in tidy.dropped if "no seed" in word]
    assert not [word for word in tidy.dropped if "a note below" in word]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_encodings_that_say_so(folder, encoding: str):
    folder.write("runs.csv", PLAIN.encode(encoding))
    assert folder.gains("runs.csv") == GAIN


def test_an_encoding_that_does_not_say_so_is_asked_for(folder):
    folder.write("runs.csv", PLAIN.replace("kd", "Lehrer–Schüler").encode("cp1252"))
    told = folder.refusal("runs.csv")
    assert told.startswith("runs.csv:5: not text in UTF-8")
    assert "--encoding, such as cp1252" in told
    assert list(folder.gains("runs.csv", encoding="cp1252")) == ["Lehrer–Schüler"]


def test_thousands_and_decimal_commas(folder):
    def reward(*values: str) -> str:
        return "cell,seed,reward\n" + "".join(f'a,{i},"{value}"\n' for i, value in enumerate(values))

    def means(**asked: object) -> float:
        return float(folder.open("runs.csv", metric="reward", **asked).table.reward.astype(float).mean())

    folder.write("runs.csv", reward("1,732.5", "1,751.5"))
    assert means() == 1742
    folder.write("runs.csv", reward("73,25", "74,75"))
    assert means() == 74
    folder.write("runs.csv", reward("1.732,5", "1.751,5"))
    assert means() == 1742
    folder.write("runs.csv", reward("1,732", "1,752"))
    told = folder.refusal("runs.csv", metric="reward")
    assert told.startswith("runs.csv:2: column 'reward': '1,732' may be thousands or decimals")
    assert "--decimal" in told
    assert (means(decimal="."), means(decimal=",")) == (1742, 1.742)


def test_percent_signs_in_some_rows_only(folder):
    folder.write("runs.csv", PLAIN.replace("73.5", "73.5%"))
    assert folder.refusal("runs.csv").startswith("runs.csv:5: column 'test_acc': '73.5%' has a percent sign")


def test_folds_are_no_metric_and_no_seeds(folder):
    rows = [f"{m},42,{fold},{acc}" for m, acc in (("baseline", 0.8), ("kd", 0.85)) for fold in range(3)]
    folder.write("runs.csv", "\n".join(["method,seed,fold,accuracy", *rows]))
    told = folder.refusal("runs.csv")
    assert "runs.csv:3: column 'seed': seed 42 of baseline is there 3 times" in told
    assert "--average fold" in told
    assert "are no seeds" in folder.refusal("runs.csv", seed="fold")
    assert folder.gains("runs.csv", average="fold") == {"kd": (0.05, 1)}


def test_rows_that_differ_in_a_setting_nobody_named(folder):
    rows = [f"{row},{lr}" for row in ROWS for lr in (0.1, 0.01)]
    folder.write("runs.csv", "\n".join(["method,seed,test_acc,warmup", *rows]))
    assert "give --cell method,warmup" in folder.refusal("runs.csv", metric="test_acc")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["runs.csv: the file is empty"]),
        ("method,seed,test_acc\nkd,0\n", ["runs.csv:2: 2 fields, but the header has 3"]),
        ("seed,kd,kd,baseline\n0,1,2,3\n", ["the column 'kd' is there twice", "name every column once"]),
        ("seed,test_acc,note\n0,1,a\n1,2,b\n", ["no column tells which configuration", "--cell COLUMNS"]),
        ("method,test_acc\nkd,1\nbaseline,2\n", ["tells the seed", "--seed COLUMN", "--seed PATTERN"]),
        ("method,Run 1,Run 2,Avg\nkd,1,2,1.5\n", ["tells the seed", "--seed 'Run {}'"]),
        (
            "method seed  acc\n  kd    0 72.5\n  kd    1 73.5\n",
            ["runs.csv:1: no commas", "write it with commas"],
        ),
        ("method,no,mean\nkd,1,2\n", ["tells the seed", "--seed 'run{}'"]),
        ("method,seed,\nkd,0,72.5\nkd,1,73.5\n", ["no metric column", "--metric 'column 3'"]),
        ("method,seed,acc\nkd,0,72.5\n,1,73.5\n", ["runs.csv:3: nothing stands in method", "merged cells"]),
        (
            "| | seed 0 | seed 1 |\n|---|---|---|\n| kd | 71 | 72 |\n| none | 70 | 71 |\n",
            ["which configuration", "--cell 'column 1'"],
        ),
        (
            "|method|seed|acc|\n|-|-|-|\n|kd|0|1|\n\n|method|seed|acc|\n|-|-|-|\n|kd|0|1|\n",
            ["2 tables, from lines 1, 5"],
        ),
        ("method,seed,note\nkd,0,a\n", ["no metric column; columns: method, seed, note\n"]),
        (
            "method,train_seed,rng_seed,acc\nkd,0,1,2\n",
            ["several columns may hold the seed", "--seed COLUMN"],
        ),
        (
            "method,seed,a_acc,b_acc\nkd,0,1,2\nkd,1,2,3\n",
            ["which metric?", "--metric, one of: a_acc, b_acc"],
        ),
        (
            "method,seed,status,acc\nkd,0,done,2\nkd,1,asleep,3\n",
            ["runs.csv:3: column 'status': 'asleep'", "finished, completed"],
        ),
        (
            "method,seed,acc\nkd,0,2\nkd,1,nan\nbaseline,0,1\n",
            ["runs.csv:3: column 'acc'", "status to diverged"],
        ),
    ],
)
def test_refused_with_place_and_option(folder, text: str, messages: list[str]):
    folder.write("runs.csv", text)
    told = folder.refusal("runs.csv")
    for message in messages:
        assert message in told


def test_pickles_are_never_opened(folder):
    folder.write("runs.pkl", b"\x80\x04.")
    assert "runs code when it is read" in folder.refusal("runs.pkl")


def test_links_inside_a_folder_are_not_followed(folder):
    folder.write("elsewhere/kd-s0.csv", "model,acc\nr8,1\n")
    folder.write("runs/kd-s1.csv", "model,acc\nr8,1\n")
    (folder.path / "runs" / "kd-s0.csv").symlink_to(folder.path / "elsewhere" / "kd-s0.csv")
    source = folder.open("runs", cell="model")
    assert len(source.table) == 1


def test_messages_name_columns_as_the_file_does_and_not_all_of_many(folder):
    many = [f"c{number}" for number in range(5000)]
    folder.write("runs.csv", ",".join(["learning_rate", "Timestamp", *many]) + "\n" + ",".join(["x"] * 5002))
    told = folder.refusal("runs.csv")
    assert "columns: learning_rate, Timestamp, c0, c1" in told
    assert "and 4,972 more" in told
    assert len(told) < 800


@pytest.mark.parametrize(
    ("asked", "messages"),
    [
        ({"average": "seed"}, ["--average seed: it tells the runs apart", "such as fold"]),
        ({"average": "test_acc", "metric": "test_acc"}, ["--average test_acc", "such as fold"]),
        ({"average": "fold"}, ["no such column", "there are: method, seed, test_acc"]),
        ({"kind": "wandb"}, ["nothing of the kind 'wandb'", "leave --from out"]),
        ({"kind": "wandbb"}, ["--from wandbb: no such kind", "did you mean --from wandb?"]),
        ({"kind": "nonsense"}, ["there are: wandb, mlflow"]),
        ({"sheet": "runs"}, ["--sheet runs, but it is no workbook"]),
        ({"wide": True}, ["--wide: there are no two columns of numbers", "leave --wide out"]),
        ({"decimal": ","}, ["runs.csv:2: column 'test_acc': '72.5' has a point", "leave --decimal out"]),
        ({"cell": "method,seed"}, ["--cell seed: it holds the seed", "leave it out"]),
        ({"cell": "method,test_acc", "metric": "test_acc"}, ["test_acc is the metric, and a part"]),
        ({"cell": ",,"}, ["--cell ,,: names no column", "there are: method, seed, test_acc"]),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_the_table(folder, asked: dict[str, object], messages: list[str]):
    folder.write("runs.csv", PLAIN)
    told = folder.refusal("runs.csv", **asked)
    for message in messages:
        assert message in told


def test_the_metric_is_no_part_of_a_cell(folder):
    folder.write("runs.csv", PLAIN)
    assert "no metric column" in folder.refusal("runs.csv", cell="test_acc")


def test_points_between_thousands_where_a_comma_stands_before_decimals(folder):
    folder.write("runs.csv", "cell,seed,reward\na,0,1.732\na,1,1.751\n")
    assert list(folder.open("runs.csv", metric="reward", decimal=",").table.reward) == ["1732", "1751"]


def test_a_file_named_twice_is_no_second_run(folder):
    folder.write("runs.csv", PLAIN)
    assert "runs.csv: named twice" in folder.refusal("runs.csv", "*.csv")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(PLAIN.encode(), mtime=0), "compressed by gzip"),
        (bz2.compress(PLAIN.encode()), "compressed by bzip2"),
        (b"\x80\x04\x95.", "a pickle"),
        (b"PK\x03\x04" + b"\0" * 60, "an archive"),
        (b"\x89PNG\r\n\x1a\n\0\0", "an image"),
        (bytes(range(256)), "not text (byte 0 in it)"),
    ],
)
def test_what_only_its_name_calls_a_table(folder, content: bytes, what: str):
    folder.write("runs.csv", content)
    told = folder.refusal("runs.csv")
    assert told.startswith(f"runs.csv: {what}")
    assert "cp1252" not in told


def test_long_cells_and_quotes(folder):
    rows = "".join(f'{row},"{"z" * 200_000}\nsaid ""so"", twice"\n' for row in ROWS)
    folder.write("runs.csv", "method,seed,test_acc,notes\n" + rows)
    assert folder.gains("runs.csv") == GAIN
    folder.write("runs.csv", PLAIN.replace("kd,0", '"kd" x,0'))
    assert folder.refusal("runs.csv").startswith("runs.csv:5: not a CSV")
    folder.write("runs.csv", "# a note\n\n" + PLAIN.replace("kd,1", '"kd,1'))
    told = folder.refusal("runs.csv")
    assert told.startswith("runs.csv:8: not a CSV")
    assert "close every quote" in told


def test_a_table_without_seeds_is_pointed_to_the_audit(folder):
    folder.write("runs.csv", "model,acc_mean,acc_std\nr18,72.5,0.2\nr34,73.1,0.3\n")
    told = folder.refusal("runs.csv")
    assert "--seed COLUMN" in told
    assert "`rigorkd audit` judges a table of one run each, or of means and spreads" in told


def test_one_configuration_is_called_so(folder):
    folder.write("runs.csv", "Model,seed,test_acc\nr18,0,72.5\nr18,1,72.9\n")
    told = folder.refusal("runs.csv")
    assert "all rows agree in Model: one configuration" in told
    assert "--cell COLUMNS" in told


def test_a_name_with_two_parts_that_may_be_the_seed(folder):
    folder.write("runs.csv", "run,acc\nr18-s2-s0,70\nkd-s0,73\n")
    told = folder.refusal("runs.csv")
    assert "runs.csv:2: no seed in 'r18-s2-s0', or several parts that may be it" in told
    assert "--seed PATTERN" in told


SHEET = """Menettely;Ajo;Osuvuus;Havio
ohne;1;71,2;0,91
ohne;2;71,9;0,90
ohne;3;70,8;0,93
KD;1;72,2;0,81
KD;2;72,7;0,82
KD;3;71,6;0,85
"""


@pytest.mark.parametrize(
    ("sheet", "options"),
    [
        (SHEET, "--seed Ajo --cell Menettely --metric Osuvuus --goal max"),
        (
            SHEET.replace("Osuvuus", "test acc").replace(";1;", ";41;").replace(";2;", ";7;"),
            "--seed Ajo --cell Menettely",
        ),
        (SHEET.replace("Ajo", "seed"), "--cell Menettely --metric Osuvuus --goal max"),
    ],
)
def test_all_that_a_foreign_sheet_leaves_open_is_asked_at_once(folder, sheet, options):
    """With a command that answers it, and works."""
    (folder.path / "sheet.csv").write_text(sheet)
    message = folder.refusal("sheet.csv")
    assert f"sheet.csv {options} (judge each guess" in message
    assert "which columns define a configuration" in message
    assert message.count("\n") == 1
    asked = dict(zip(*[iter(shlex.split(options))] * 2, strict=True))
    named = {"metric": asked.get("--metric"), "seed": asked.get("--seed"), "cell": asked["--cell"]}
    found = folder.open("sheet.csv", **named)
    assert sorted(found.table["cell"].unique()) == ["KD", "ohne"]


def test_what_was_said_already_stands_in_the_command_too(folder):
    (folder.path / "sheet.csv").write_text(SHEET)
    message = folder.refusal("sheet.csv", cell="Menettely")
    assert "analyze " in message
    assert "sheet.csv --cell Menettely --seed Ajo --metric Osuvuus --goal max (" in message


MEASURED = [
    f"{data},{setting},{seed},{0.6 + 0.031 * at + 0.0017 * seed},{0.7 + 0.011 * at + 0.001 * seed},"
    f"{40 + 7 * at + seed}"
    for at, (data, setting) in enumerate([("a", "on"), ("a", "off"), ("b", "on"), ("b", "off")])
    for seed in range(5)
]


def test_a_setting_by_its_name_may_be_what_a_run_came_to(folder):
    """TP / (TP + FP) is called precision as 16 bits are, and n_epochs may be where a run stopped early."""
    folder.write("runs.csv", "\n".join(["dataset,variant,seed,precision,recall,n_epochs", *MEASURED]))
    assert "give --metric, one of: precision, recall" in folder.refusal("runs.csv", cell="dataset,variant")
    source = folder.open("runs.csv", cell="dataset,variant", metric="precision")
    assert source.table["cell"].nunique() == 4
    assert "give --cell dataset,variant" in folder.refusal("runs.csv", metric="recall")  # not n_epochs
    bits = [row.replace("on,", "on,16,").replace("off,", "off,32,") for row in MEASURED]
    folder.write("runs.csv", "\n".join(["dataset,variant,precision,seed,p,recall,n", *bits]))
    assert "precision" not in folder.refusal("runs.csv", cell="dataset,variant").partition("one of")[2]


def test_one_column_that_tells_runs_apart_is_proposed_before_many(folder):
    rows = [f"run_{row.split(',')[0]}_{row.split(',')[1]},{row}" for row in MEASURED]
    folder.write("runs.csv", "\n".join(["experiment,dataset,variant,seed,acc,recall,n", *rows]))
    told = folder.refusal("runs.csv", metric="acc")
    assert "give --cell experiment" in told
    source = folder.open("runs.csv", metric="acc", cell="experiment")
    assert source.tidy.understood[1].startswith("cells: experiment (--cell)")


def test_a_column_of_seeds_is_no_metric_however_it_is_asked_for(folder):
    rows = [f"{row.split(',')[0]};{int(row.split(',')[1]) + 42};{row.split(',')[2]}" for row in ROWS]
    folder.write("runs.csv", "\n".join(["method;Draw Number;Score (%)", *rows]).replace(".", ","))
    assert folder.gains("runs.csv", seed="draw_number", goal="max") == GAIN
    told = folder.refusal("runs.csv", seed="draw_number", metric="Score")
    assert "no metric 'Score' in this table" in told
    assert "did you mean Score (%)?" in told
    assert "there are: Score (%)" in folder.refusal("runs.csv", seed="draw_number", metric="nothing")


@pytest.mark.parametrize(
    "header",
    [
        "Verfahren;Startwert;Genauigkeit",
        "Méthode;Graine;Exactitude",
        "Método;Semilla;Exactitud",
        "方法;随机种子;acc",
    ],
)
def test_headings_in_other_languages(folder, header: str):
    rows = [row.replace(",", ";").replace(".", ",") for row in ROWS]
    folder.write("runs.csv", "\n".join([header, *rows]))
    assert folder.gains("runs.csv") == GAIN


def test_a_table_without_headings_is_called_so(folder):
    folder.write("runs.csv", "\n".join(ROWS))
    told = folder.refusal("runs.csv")
    assert "the first line seems to be a row, not the headings of the columns: baseline, 0, 72.5" in told
    assert "such as model,seed,test_acc" in told
    for fold in (1, 2):
        folder.write(f"folds/cv{fold}.csv", f"0.9{fold},0.5\n0.8,0.6{fold}\n0.7,0.7\n")
    told = folder.refusal("folds")
    assert "folds/cv1.csv: the first line seems to be a row" in told
    folder.write("kinds/a.csv", PLAIN)
    folder.write("kinds/b.csv", "fold,loss\n1,0.5\n")
    assert "tables with different columns" in folder.refusal("kinds")


def test_seeds_in_the_runs_ids(folder):
    rows = [f"{row.split(',')[0]}_s{row.split(',')[1]},{row.split(',')[2]}" for row in ROWS]
    folder.write("runs.csv", "\n".join(["run_id,test_acc", *rows]))
    source = folder.open("runs.csv")
    assert set(source.table["cell"]) == {"baseline", "kd"}
    assert "seed: from the runs' ids" in source.tidy.understood[1]


def test_a_named_baseline_is_one_on_its_own_data(folder):
    """Models on several data sets: those of one are no rivals of another's baseline."""
    rows = [
        f"{data},{model},{seed},{base + gain + 0.1 * seed * (1 + len(model))}"
        for data, base in (("easy", 90), ("hard", 50))
        for model, gain in (("relu", 0), ("gelu", 1), ("tanh", -1))
        for seed in range(4)
    ]
    folder.write("runs.csv", "\n".join(["dataset,model,seed,test_acc", *rows]))
    source = folder.open("runs.csv")
    easy = {"easy/gelu", "easy/tanh"}
    assert {*gains_of(source, baselines=("easy/relu",))} == easy
    both = gains_of(source, baselines=("easy/relu", "hard/relu"))
    assert {*both} == easy | {"hard/gelu", "hard/tanh"}
    assert max(abs(mean) for mean, _ in both.values()) < 2  # not the 40 points between the data sets
    assert gains_of(source, baselines=("relu",)) == both
    with pytest.raises(InputError, match="two baselines of easy: easy/relu and easy/tanh"):
        gains_of(source, baselines=("easy/relu", "easy/tanh"))
    with pytest.raises(InputError, match="no cell 'elu'"):
        gains_of(source, baselines=("elu",))


@pytest.mark.parametrize("word", ["n/a", "-", ""])
def test_a_run_without_its_number_is_missing_and_named(folder, word: str):
    folder.write("runs.csv", PLAIN.replace("73.2", word))
    source = folder.open("runs.csv")
    assert gains_of(source) == {"kd": (1.3, 2)}
    assert any("runs.csv:6: kd seed 1: no test_acc" in left_out for left_out in source.tidy.dropped)
    assert "1 run has no test_acc, and counts as missing" in source.warnings
    folder.write("runs.csv", PLAIN.replace("73.2", "nan"))
    assert "set its status to diverged" in folder.refusal("runs.csv")


STOPPED = [
    f"{family},{variant},{seed},{87 + (7 * seed + at) % 11 if at % 3 else 3},{1.5 + at / 7 + seed / 90:.4f}"
    for at, (family, variant) in enumerate((f, v) for f in ("er", "ba") for v in ("plain", "gnn", "tree"))
    for seed in range(5)
]


def test_where_runs_stopped_early_is_no_setting(folder):
    """Numbers of epochs that come again by chance: neither offered as a part of a cell nor refused in one."""
    folder.write("runs.csv", "\n".join(["family,variant,seed,epochs,ratio", *STOPPED]))
    told = folder.refusal("runs.csv")
    assert "runs.csv --cell family,variant --goal max (judge each guess" in told
    source = folder.open("runs.csv", cell="family,variant")
    assert source.table["cell"].nunique() == 6
    assert folder.gains("runs.csv", cell="family,variant", goal="max")["er/gnn vs er/tree"][1] == 5
    lengths = [f"er,gnn,{seed},{length},1.{length}{seed}" for length in (30, 90) for seed in range(5)]
    folder.write("grid.csv", "\n".join(["family,variant,seed,epochs,ratio", *lengths]))
    assert folder.open("grid.csv", metric="ratio").table["cell"].nunique() == 2  # two lengths are settings


def test_rows_that_no_cell_tells_apart_are_told_with_every_column_that_does(folder):
    """Those in which other rows differ too, and the metric and its goal if they are open: one command."""
    grid = [(a, b, c) for a in ("x", "y") for b in (1, 2) for c in ("on", "off")]
    rows = [f"kd,{a},{b},{c},{s},{at}.{s}1,{s}.{at}7" for at, (a, b, c) in enumerate(grid) for s in (0, 1, 2)]
    rows = [row for row in rows if not row.startswith("kd,y,2,on")]
    folder.write("runs.csv", "\n".join(["method,where,size,flag,seed,reach,spread_of_it", *rows]))
    told = folder.refusal("runs.csv")
    assert "--metric reach --cell method,where,size,flag --goal max (judge each guess" in told
    assert "is there 2 times" in (told := folder.refusal("runs.csv", metric="reach", cell="where,flag"))
    assert told.endswith(
        "these rows differ in size: give --cell where,flag,size --goal max, or min if less is better"
    )
    assert folder.open("runs.csv", metric="reach", cell="where,flag,size").table["cell"].nunique() == 7


def test_names_of_runs_define_a_cell_without_their_seeds(folder):
    rows = [
        f"{m}-seed{s},{k},{s},{70 + s + (k == 'best')}.{s}"
        for m in "ab"
        for k in ("best", "last")
        for s in (1, 2)
    ]
    folder.write("runs.csv", "\n".join(["run_name,checkpoint,seed,acc", *rows]))
    assert folder.refusal("runs.csv").endswith("give --cell run_name,checkpoint")
    assert folder.gains("runs.csv", cell="run_name,checkpoint")["a/best vs a/last"] == (1.0, 2)
    folder.write("last.csv", "\n".join(["run_name,checkpoint,seed,acc", *(r for r in rows if "last" in r)]))
    assert folder.gains("last.csv") == {"a vs b": (0.0, 2)}


def test_repeats_are_no_seeds_unless_they_are_called_so(folder):
    rows = [f"{c},{k},6{k}" for c in ("zero", "few") for k in (0, 1, 2)]
    folder.write("runs.csv", "\n".join(["method,Repeat,acc", *rows]))
    for told in (folder.refusal("runs.csv"), folder.refusal("runs.csv", seed="Repeat")):
        assert "if each is a training of its own, call the column seed" in told
    assert "--seed Repeat," not in folder.refusal("runs.csv")


def test_names_that_are_each_of_one_run_define_no_cells(folder):
    rows = [
        f"run_{i},{k},{s},{12 + s}.{i}"
        for i, (k, s) in enumerate((k, s) for k in ("yes", "no") for s in (1, 2))
    ]
    folder.write("runs.csv", "\n".join(["name,use_it,seed,error_rate", *rows]))
    told = folder.refusal("runs.csv")
    assert "every run has a name of its own (run_0, …)" in told
    assert told.endswith("such as --cell use_it")
    named = [row.replace(f"run_{i}", f"r8_seed{row.split(',')[2]}") for i, row in enumerate(rows[:2])]
    folder.write("named.csv", "\n".join(["name,use_it,seed,error_rate", *named]))
    assert (
        folder.open("named.csv")
        .tidy.understood[1]
        .startswith("cells: from column 'name' without the seed (--")
    )


def test_rows_that_only_their_names_tell_apart(folder):
    rows = [
        f"{m}_224,{k},42,200,7{i}.{j}" for i, m in enumerate("ab") for j, k in enumerate(("best", "last"))
    ]
    folder.write(
        "runs.csv", "\n".join(["run_name,checkpoint,seed,epochs,acc", *rows, "c_224,best,42,100,70"])
    )
    told = folder.refusal("runs.csv")
    assert "; if a_224 and b_224 are configurations, give --cell run_name,checkpoint" in told
    assert folder.open("runs.csv", cell="run_name,checkpoint").table["cell"].nunique() == 5


def test_rows_that_are_the_same_are_called_so(folder):
    folder.write("runs.csv", "method,seed,acc\na,0,71\na,1,72\nb,0,70\nb,1,71\na,0,71\n")
    assert "runs.csv:6: column 'seed': seed 0 of a is there 2 times" in (told := folder.refusal("runs.csv"))
    assert told.endswith("these rows are the same, word for word: delete one of them")


def test_a_sheet_in_another_encoding_is_told_all_that_is_open_too(folder):
    rows = [row.replace("KD", "Prüfung") for row in SHEET.splitlines()]
    folder.write("sheet.csv", "\n".join(rows).encode("cp1252"))
    told = folder.refusal("sheet.csv")
    assert "sheet.csv:5: not text in UTF-8" in told
    options = "--encoding cp1252 --seed Ajo --cell Menettely --metric Osuvuus --goal max"
    assert f"sheet.csv {options} (judge each guess" in told
    assert options in folder.refusal("sheet.csv", encoding="cp1252")
    folder.write("plain.csv", "method,seed,acc\nfür,0,71\nfür,1,72\n".encode("cp1252"))
    assert folder.refusal("plain.csv").endswith("plain.csv --encoding cp1252")


def test_runs_that_are_counted_are_the_seeds(folder):
    """Run 1, 2, 3 of each method; a number of its own for each run is none."""
    rows = [f"{m},{s},{70 + s + (m == 'kd')}" for m in ("base", "kd") for s in (1, 2, 3)]
    folder.write("runs.csv", "\n".join(["Model,Run,Acc", *rows]))
    assert folder.gains("runs.csv") == {"base vs kd": (-1.0, 3)}
    assert "seed: column 'Run'" in folder.open("runs.csv").tidy.understood[1]
    numbered = [f"{row.split(',')[0]},{at},{row.split(',')[2]}" for at, row in enumerate(rows)]
    folder.write("own.csv", "\n".join(["Model,Run,Acc", *numbered]))
    assert "tells the seed" in folder.refusal("own.csv")


def test_a_method_without_chance_has_no_seed_and_is_left_out(folder):
    folder.write("runs.csv", "method,seed,acc\nrule,-,59\nce,0,61\nce,1,62\nla,0,65\nla,1,66\n")
    tidy = folder.open("runs.csv", cell="method").tidy
    assert tidy.dropped == ("1 row with '-' in place of a seed: rule",)
    assert tidy.warnings == ("rule: no seed, so compared with nothing",)
    assert folder.gains("runs.csv", cell="method") == {"ce vs la": (-4.0, 2)}
    folder.write("one.csv", "method,seed,acc\nce,-,59\nce,0,61\nce,1,62\nla,0,65\nla,1,66\n")
    assert "'-' is not a seed" in folder.refusal("one.csv", cell="method")


WIDE = """| Method | Seed 1 | Seed 2 | Seed 3 |
|---|---|---|---|
| baseline | 77.1% | 76.8% | 77.7% |
| kd | 81.3% | 81.2% | 81.4% |
| dkd | 79.5% | {} | {} |
"""


@pytest.mark.parametrize("word", ["pending", "🔶 pending", "*running*", "TBD", "OOM", "(failed)", "—"])
def test_a_word_for_no_result_is_no_number_without_a_percent_sign(folder, word):
    folder.write("wide.md", WIDE.format(word, word))
    source = folder.open("wide.md", metric="acc")
    assert source.tidy is not None
    assert any("2 fields with " in text and "in place of a number" in text for text in source.tidy.dropped)
    assert folder.gains("wide.md", metric="acc")["kd"] == (4.1, 3)
    for sign in ("%", ""):
        rows = [
            f"{m},{seed},{70 + seed + 2 * (m == 'kd')}{sign}" for m in ("baseline", "kd") for seed in (1, 2)
        ]
        folder.write(
            "runs.csv", "\n".join(["method,seed,test_acc", *rows, f"kd,3,{word}", "baseline,3,74" + sign])
        )
        assert folder.gains("runs.csv") == {"kd": (2.0, 2)}


def test_another_word_among_percentages_is_named(folder):
    folder.write("wide.md", WIDE.format("81.5%", "see text"))
    told = folder.refusal("wide.md", metric="acc")
    assert told.startswith("wide.md:5: column 'acc': 'see text' is no number, beside others such as '77.1%'")
    assert "leave the field empty" in told
    folder.write("wide.md", WIDE.format("81.5%", ""))
    assert folder.gains("wide.md", metric="acc")["kd"] == (4.1, 3)
