"""Where `rigorkd audit` finds its numbers: JSON, and tables that spaces alone hold in columns."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from rigorkd.errors import InputError
from rigorkd.report.rows import printed_rows

ROWS = [{"method": "base", "test_acc": 91.2}, {"method": "ours", "test_acc": 93.45}]


@pytest.mark.parametrize("ending", ["json", "jsonl", "columns.json", "parquet"])
def test_json_and_parquet_are_read_as_analyze_reads_them(rigorkd, tmp_path, ending: str):
    path = tmp_path / f"t.{ending}"
    frame = pd.DataFrame(ROWS)
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    else:
        lines = "\n".join(map(json.dumps, ROWS))
        path.write_text({"json": json.dumps(ROWS), "jsonl": lines}.get(ending, frame.to_json()))
    assert [row["test_acc"] for row in printed_rows(path).mappings()] == ["91.20", "93.45"]
    done = rigorkd("audit", path, "--n-test", 10000)
    assert "93.45 (ours) against 91.20 (base) is 225 images" in " ".join(done.stdout.split())


def test_a_wrong_value_in_json_is_named_by_its_row(rigorkd, tmp_path):
    (tmp_path / "t.json").write_text(json.dumps([*ROWS, {"method": "kd", "test_acc": None}]))
    asked = rigorkd("audit", tmp_path / "t.json", "--metric", "test_acc", "--n-test", 10000)
    assert "t.json, row 3: column 'test_acc': no value" in asked.stderr
    (tmp_path / "t.jsonl").write_text('{"method": "a", "test_acc": 91.2}\n{"method"\n')
    assert "t.jsonl:2: not JSON" in rigorkd("audit", tmp_path / "t.jsonl").stderr


def runs() -> pd.DataFrame:
    return pd.DataFrame(
        [
            (data, name, acc + seed / 10, seed)
            for data, first in (("mrpc", 88), ("rte", 1067))
            for name, acc in (("bert", first), ("bert large", first + 1))
            for seed in range(5)
        ],
        columns=["Dataset", "Model", "acc", "seed"],
    )


def test_a_printed_data_frame_is_read_where_its_columns_stand(tmp_path):
    path = tmp_path / "notebook.txt"
    summed = runs().groupby(["Dataset", "Model"])["acc"].agg(["mean", "std", "count"])
    path.write_text(str(summed))
    read = printed_rows(path)
    assert read.columns == ("Dataset", "Model", "mean", "std", "count")
    assert [row[:3] for row in read.rows] == [
        ("mrpc", "bert", "88.2"),
        ("mrpc", "bert large", "89.2"),
        ("rte", "bert", "1067.2"),
        ("rte", "bert large", "1068.2"),
    ]
    assert read.lines == (3, 4, 5, 6)
    flat = summed.reset_index()
    path.write_text(f"{flat}\n\n[4 rows x 5 columns]")
    assert printed_rows(path).rows == read.rows  # without the index, which counts
    path.write_text(f"Out[3]:\n{flat}\n")
    assert printed_rows(path).rows == read.rows
    path.write_text(flat.replace("bert large", "bert-large").to_string(index=False))  # one blank apart
    assert [row[1:3] for row in printed_rows(path).rows][:2] == [("bert", "88.2"), ("bert-large", "89.2")]
    path.write_text(flat.to_string(index=False))
    with pytest.raises(InputError, match="no commas"):  # the blank of a name may part columns
        printed_rows(path)
    path.write_text(f"{summed}\n\n{summed}")
    with pytest.raises(InputError, match="2 tables, from lines 1, 8"):
        printed_rows(path)
    assert printed_rows(path, 8).rows == read.rows


PAPER = """\
Table 3: Test accuracy (%) on CIFAR-10, mean ± standard error over 5 seeds.

Method        CIFAR-10              F1
Baseline      93.41 ± 0.12   71.20 ± 0.31
KD (ours)     93.60 ± 0.10   72.05 ± 0.28
"""


def test_a_table_copied_from_a_page_has_its_caption(rigorkd, tmp_path):
    path = tmp_path / "paper.txt"
    path.write_text(PAPER)
    read = printed_rows(path)
    assert read.columns == ("Method", "CIFAR-10", "F1")
    assert read.rows[1] == ("KD (ours)", "93.60 ± 0.10", "72.05 ± 0.28")
    assert read.lines == (4, 5)
    done = rigorkd("audit", path, "--metric", "F1", "--seeds", 5)
    assert "± is read as standard errors" in " ".join(done.stdout.split())
    path.write_text(PAPER.replace("\n\n", "\n"))  # the caption right above
    assert printed_rows(path).rows == read.rows


@pytest.mark.parametrize(
    "text",
    [
        "Method  Acc  F1\nA       91.2 88.1\nB       92.0 89.5\n",  # 91.2 and 88.1 stand in one column
        "        CIFAR-10\nA       91.2   88.1\nB       92.0   89.5\n",  # a column without a heading
        "epoch 1  loss 0.5\nepoch 2  loss 0.4\nepoch 3  loss 0.3\n",
        "Method  Acc  \\\nA       91.2\nB       92.0\n",  # a frame too wide for the screen, in pieces
        "A sentence of words.\nIt goes on, and on;\nand on it goes.\n",
    ],
)
def test_where_columns_are_in_doubt_none_is_read(tmp_path, text: str):
    path = tmp_path / "t.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"no commas|fields, but the header"):
        printed_rows(path)


def test_a_printed_data_frame_in_a_csv_and_what_analyze_says(rigorkd, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(str(runs()))
    assert printed_rows(path).columns == ("Dataset", "Model", "acc", "seed")
    path.write_text("Results, of mine\n\nmethod acc\nbase 91.2\nours 93.0\n")
    for command in ("audit", "analyze"):
        said = " ".join(rigorkd(command, path).stderr.split())
        assert "t.csv:3: no commas, semicolons, tabs or bars between the fields" in said
        assert "df.to_csv" in said
    path.write_text("method , acc\nbase   , 91.2\nours   , 93.0\n")
    assert printed_rows(path).columns == ("method", "acc")


def test_a_caption_that_is_read_as_the_header_is_named(rigorkd, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("Accuracy on our data set, in percent\nmethod,seed,acc\nbase,0,91.2\nbase,1,91.4\n")
    for command in ("audit", "analyze"):
        said = " ".join(rigorkd(command, path).stderr.split())
        assert (
            "t.csv:2: 3 fields, but the header has 2 (line 1: 'Accuracy on our data set, in percent')" in said
        )
        assert "leave line 1 out, if it is a caption" in said
