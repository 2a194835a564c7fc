"""Tables and logs that somebody made to do harm: each is one message within a moment, and nothing happens."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from rigorkd_analysis.published.printed_cells import pasted_rows
from rigorkd_analysis.runs import seed_of

from rigorkd.errors import RigorkdError
from rigorkd.readers.delimited import read_delimited
from rigorkd.readers.grid import is_number
from rigorkd.readers.hydra import read_yaml
from rigorkd.readers.json_records import json_document
from rigorkd.readers.kinds import read_sources
from rigorkd.readers.known_names import canonical, seed_in, size_in
from rigorkd.readers.raw import RawTable, Reading
from rigorkd.report.rows import read_rows

pytestmark = pytest.mark.usefixtures("nothing_hangs")


def read(path: Path, **asked: Any) -> list[RawTable]:
    return read_sources([str(path)], Reading(**asked))


def refusal(path: Path, **asked: Any) -> str:
    """The one message with which reading ends."""
    with pytest.raises(RigorkdError) as caught:
        read(path, **asked)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    return caught.value.message


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
)
MERGED = "a: &a {x: 1}\nb: &b {<<: [*a, *a]}\n"
DEEP = "[" * 5_000 + "]" * 5_000


@pytest.mark.parametrize(
    "text", [LAUGHS, MERGED, "a: &a\n  b: *a\n", "[" * 5_000, "a: !!python/name:os.system\n"]
)
def test_yaml_that_grows_or_makes_things(text: str) -> None:
    with pytest.raises(RigorkdError, match=r"x\.yaml: not plain YAML"):
        read_yaml("x.yaml", text.encode())


def test_yaml_of_logs_keeps_what_they_write() -> None:
    text = "a: [1, x]\nb: .inf\nc: &c {d: 1e-3}\ne: *c\nf: null\ng: -.INF\nh: " + "0" * 32 + "\ni: 1e999\n"
    found = read_yaml("x.yaml", text.encode())
    assert found == {
        "a": [1, "x"],
        "b": float("inf"),
        "c": {"d": 0.001},
        "e": {"d": 0.001},
        "f": None,
        "g": float("-inf"),
        "h": "0" * 32,
        "i": "1e999",
    }
    assert read_yaml("x.yaml", b" \n") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DEEP, "nested too deeply"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "nested too deeply"),
        ('{"a": 1' + "0" * 400 + "}", "too large a number"),
        (r'{"a": "\ud800"}', "surrogates not allowed"),
        ('{"a"', "not JSON"),
    ],
)
def test_json_that_nobody_logs(text: str, says: str) -> None:
    with pytest.raises(RigorkdError, match=says):
        json_document("x.json", text.encode())


def test_json_of_logs_keeps_what_they_write() -> None:
    text = '{"a": NaN, "b": -Infinity, "c": 2147483648000, "d": "\\ud83d\\ude00", "e": 1' + "0" * 38 + "}"
    found = json_document("x.json", text.encode())
    assert found["a"] != found["a"]
    assert list(found.values())[1:] == [float("-inf"), 2147483648000, "😀", 10**38]


ODD: tuple[Any, ...] = (None, True, 5, 1.5, "x", [], [1], {}, {"a": [{}]}, [[{}]], {"a": None})
"""Values of every kind, to stand where a log has another one."""


def replaced(document: Any, by: Any) -> list[Any]:
    """The document with each of its values replaced in turn, at every depth."""
    out = [by]
    if not isinstance(document, dict | list):
        return out
    for key, value in document.items() if isinstance(document, dict) else enumerate(document):
        for made in replaced(value, by):
            copy = dict(document) if isinstance(document, dict) else list(document)
            copy[key] = made
            out.append(copy)
    return out


INSPECT = {
    "status": "success",
    "eval": {"eval_id": "x", "task": "toy", "metadata": {"method": "kd", "seed": 1}},
    "results": {"scores": [{"name": "match", "metrics": {"accuracy": {"value": 0.5}}}]},
    "samples": [{"id": 1, "scores": {"match": {"value": "C"}}}],
}
TRAINER = {
    "global_step": 5,
    "max_steps": 5,
    "num_train_epochs": 1,
    "log_history": [{"epoch": 1, "acc": 0.5}],
    "stateful_callbacks": {"TrainerControl": {"args": {"should_training_stop": False}}},
}
SAMPLE = {"doc_id": 0, "filter": "none", "metrics": ["acc"], "doc_hash": "f", "acc": 1.0}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("2026-10-01T10-00-00-00-00_toy_x.json", INSPECT),
        ("checkpoint-5/trainer_state.json", TRAINER),
        ("samples_arc_2026-10-01T10-00-00.jsonl", SAMPLE),
    ],
    ids=["inspect", "trainer", "lm-eval"],
)
def test_logs_of_other_types_are_read_or_refused(tmp_path: Path, name: str, document: Any) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    for odd in ODD:
        for made in replaced(document, odd):
            path.write_text(json.dumps(made))
            with contextlib.suppress(RigorkdError):
                read(tmp_path)


def test_samples_with_and_without_a_filter(tmp_path: Path) -> None:
    rows = [SAMPLE, {**SAMPLE, "doc_hash": "g", "filter": "strict"}, {"doc_id": 2, "acc": 0.0}]
    (tmp_path / "samples_arc_x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (table,) = read(tmp_path)
    assert {"acc,none", "acc,strict"} <= set(table.frame.columns)


@pytest.mark.parametrize(
    "meta", ["[1]", "5", "run_id: [1]\nstatus: [2]\n", "run_id: {a: 1}\nstatus: x\n", LAUGHS]
)
def test_file_stores_of_mlflow(tmp_path: Path, meta: str) -> None:
    run = tmp_path / "1" / "r"
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text(meta)
    (run / "metrics" / "acc").write_text("1700 0.5 0\n")
    with contextlib.suppress(RigorkdError):
        read(tmp_path)


TABLES = """
CREATE TABLE experiments (experiment_id, name);
CREATE TABLE runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, experiment_id);
CREATE TABLE params (key, value, run_uuid);
CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan);
CREATE TABLE latest_metrics (key, value, timestamp, step, is_nan, run_uuid);
INSERT INTO runs VALUES ('r', 'n', 'FINISHED', 0, 0, 'active', 0);
"""


def database(path: Path, script: str) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as made, made:
        made.executescript(script)
    return path


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("INSERT INTO latest_metrics VALUES ('acc', 'x', 0, 0, 0, 'r')", "is no metric of MLflow"),
        ("INSERT INTO latest_metrics VALUES ('acc', 1, 0, 'x', 0, 'r')", "is no metric of MLflow"),
        ("INSERT INTO latest_metrics VALUES ('acc', x'00', 0, 0, 0, 'r')", "is no metric of MLflow"),
        (
            "DROP TABLE params; CREATE TABLE params (key, run_uuid, value AS (hex(zeroblob(400000000))));"
            "INSERT INTO params (key, run_uuid) VALUES ('a', 'r')",
            "no database of MLflow",
        ),
        ("DROP TABLE params; CREATE VIRTUAL TABLE params USING fts5(key, value, run_uuid)", "no database"),
        ("INSERT INTO params VALUES ('a', hex(zeroblob(1000000)), 'r')", "cannot be read"),
    ],
)
def test_databases_that_compute_or_hold_other_things(tmp_path: Path, harm: str, says: str) -> None:
    assert says in refusal(database(tmp_path / "x.db", TABLES + harm + ";"))


def test_a_database_with_names_of_other_types(tmp_path: Path) -> None:
    odd = "INSERT INTO latest_metrics VALUES (NULL, 1, 0, 0, 0, 'r');"
    odd += "INSERT INTO params VALUES (5, x'ff', 'r');"
    (table,) = read(database(tmp_path / "x.db", TABLES + odd))
    assert len(table.frame) == 1


def test_reading_a_database_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = database(tmp_path / "x.db", "PRAGMA journal_mode = WAL;" + TABLES)
    before = sorted(tmp_path.iterdir())
    with contextlib.suppress(RigorkdError):
        read(path)
    assert sorted(tmp_path.iterdir()) == before


# ---------------------------------------------------------------------------------- archives and workbooks


def workbook(path: Path, sheet: str) -> Path:
    """A workbook as openpyxl writes it, with the XML of its sheet in place of its own."""
    openpyxl = pytest.importorskip("openpyxl")
    made, out = io.BytesIO(), io.BytesIO()
    book = openpyxl.Workbook()
    book.active.append(["cell", "seed", "acc"])
    book.active.append(["a", 0, 1.0])
    book.save(made)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("sheet1.xml"):
                content = content.replace(b"</worksheet>", sheet.encode() + b"</worksheet>")
            new.writestr(name, content)
    path.write_bytes(out.getvalue())
    return path


MERGE = '<mergeCells count="1"><mergeCell ref="{}"/></mergeCells>'
LINKED = '<hyperlinks><hyperlink ref="A1:XFD1048576"/></hyperlinks>'


@pytest.mark.parametrize(
    ("sheet", "says"),
    [
        (MERGE.format("A1:XFD1048576"), "reaches over more than"),
        (MERGE.format("A:XFD"), "over whole rows"),
        (MERGE.format("nonsense"), "not a workbook"),
        (LINKED, "reaches over more than"),
        ("<!-- " + "x" * 40_000_000 + " -->", "bytes unpacked"),
        ("<x/>" * 10 + "<broken", "not a workbook"),
    ],
    ids=["merged", "columns", "nonsense", "linked", "large", "broken"],
)
def test_workbooks_that_fill_the_memory(tmp_path: Path, sheet: str, says: str) -> None:
    assert says in refusal(workbook(tmp_path / "x.xlsx", sheet))


def test_a_cell_far_out(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "cell", 1
    book.save(tmp_path / "x.xlsx")
    assert "reaches over more than" in refusal(tmp_path / "x.xlsx")


def test_a_workbook_whose_xml_defines_entities(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", "")
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            kind = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' if name.endswith("sheet1.xml") else b""
            new.writestr(name, kind + old.read(name))
    path.write_bytes(out.getvalue())
    assert "declares a document type" in refusal(path)


def test_a_log_of_inspect_that_is_larger_than_it_says(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "[" + " " * 40_000_000 + "]")
    (tmp_path / "x.eval").write_bytes(out.getvalue())
    assert "bytes unpacked" in refusal(tmp_path)
    content = bytearray(out.getvalue())
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")  # the directory says that it has ten
    (tmp_path / "x.eval").write_bytes(content)
    assert "no log of Inspect" in refusal(tmp_path)


# ----------------------------------------------------------------------------------------- files and names


def test_what_is_no_file_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "x.csv").symlink_to("/dev/zero")
    assert "larger than" in refusal(tmp_path / "x.csv")
    assert "no table or log" in refusal(tmp_path), "and inside a folder no link is followed"


def test_a_published_table_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "x.csv").symlink_to("/dev/zero")
    with pytest.raises(RigorkdError, match="larger than"):
        read_rows(tmp_path / "x.csv")


def test_a_pattern_names_no_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.csv")
    assert "not a regular file" in refusal(tmp_path / "*.csv")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"\xff\x1b.csv"), "w") as file:  # noqa: PTH118, PTH123
        file.write("cell,seed,acc\na,0,1\n")
    assert "is no name in UTF-8" in refusal(tmp_path)


LONG = 200_000


@pytest.mark.parametrize(
    "text",
    [
        "a|b\n" + " " * LONG + "x",
        "a|b\n-" + " " * LONG + "x",
        "cell,acc\n" + "1" * LONG + "x,1\n",
        "cell,acc\na,1" + " " * LONG + "x\n",
        "cell,acc\na,± 1" + " " * LONG + "x\n",
        "config." * (LONG // 7) + ",acc\na,1\n",
        ",".join(f"c{n}" for n in range(10_000)) + "\n" + ",".join(["1"] * 10_000) + "\n",
    ],
    ids=["rule", "dashes", "digits", "spaces", "spread", "prefix", "columns"],
)
def test_texts_on_which_a_pattern_would_take_for_ever(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with contextlib.suppress(RigorkdError):
        read_delimited("x.csv", text.encode(), Reading())
    from rigorkd.report.sources import from_sources

    with contextlib.suppress(RigorkdError):
        from_sources([str(tmp_path / "x.csv")], Reading(), None)


@pytest.mark.parametrize("rising", [True, False])
def test_lists_of_very_many_numbers_are_asked_about_at_once(tmp_path: Path, rising: bool) -> None:
    """Each value is not compared with each of 200,000."""
    values = list(range(LONG)) if rising else [at * 7919 % 1009 for at in range(LONG)]
    (tmp_path / "x.json").write_text(json.dumps({"kd": values, "plain": values}))
    if rising:
        with pytest.raises(RigorkdError, match="rise or fall with their place"):
            read_sources([str(tmp_path / "x.json")], Reading())
    else:
        with contextlib.suppress(RigorkdError):
            read_sources([str(tmp_path / "x.json")], Reading())


def test_long_names_hold_nothing_known() -> None:
    assert canonical("config." * LONG) is None
    assert seed_in("s1-" * LONG) is None
    assert size_in("s1-" * LONG) is None
    assert not is_number("1" * LONG)
    assert [is_number(text) for text in ("1", "+1.5", "−2", "x1", "e5", "12%")] == [
        *[True] * 3,
        *[False] * 2,
        True,
    ]


def test_a_seed_of_very_many_digits() -> None:
    assert seed_of("9" * LONG) is None
    assert [seed_of(text) for text in ("7", "007", "-1", "9" * 20)] == [7, 7, -1, None]


def test_a_log_of_mdistiller_with_a_long_line(tmp_path: Path) -> None:
    (tmp_path / "worklog.txt").write_text("a" + " " * LONG + "x\nepoch: 1\ntest_acc: 70\n")
    (table,) = read(tmp_path)
    assert table.frame["test_acc"].tolist() == ["70"]


@pytest.mark.parametrize(
    "text",
    [
        "\\begin{tabular}" * (LONG // 15) + "a & 1 \\\\",
        "\\cline{" * (LONG // 7) + "a & 1 \\\\",
        "a & \\cite[" + "\\cite[" * (LONG // 6) + " \\\\",
        "\\multicolumn{" + "9" * 5_000 + "}{c}{a} & 1 \\\\",
        "\\multirow{" + "9" * 5_000 + "}{*}{a} & 1 \\\\",
        " & ".join(map(str, range(20_000))) + " \\\\" + " & ".join(["1"] * 20_000) + " \\\\",
    ],
    ids=["begin", "cline", "cite", "multicolumn", "multirow", "columns"],
)
def test_latex_on_which_a_pattern_would_take_for_ever(text: str) -> None:
    pasted_rows(text)
