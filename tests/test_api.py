"""The public API: what Python is told of a study is what the command line prints of it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import pydoc
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Pair, Plan

import rigorkd
from rigorkd.api import Asked, AsRead, Findings, Study
from rigorkd.readers.raw import Reading

ROOT = Path(__file__).parents[1]
LEGACY = ROOT / "tests" / "records" / "study_0_1"
KD = "main/plain/kd-T4-a0.5"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of results with a copy of the study of version 0.1."""
    shutil.copytree(LEGACY / "results", tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def study(folder: Path) -> Study:
    return rigorkd.load(folder / "legacy")


@pytest.fixture(scope="module")
def found() -> Findings:
    """A table from elsewhere: published runs of eight distilled cells."""
    runs = pd.read_csv(ROOT / "analysis" / "published" / "kd_capacity_gap_runs.csv")
    return rigorkd.analyze(runs, sesoi=0.2, name="capacity")


def test_importing_is_instant_and_help_is_enough_to_start(study: Study) -> None:
    code = """if True:
        import sys
        import rigorkd
        assert not {"numpy", "click", "rigorkd.api"} & set(sys.modules)
        found = rigorkd.load(sys.argv[1]).analyze()
        assert found._repr_html_() and found.plot("gains")._repr_svg_()
        assert not {"torch", "sklearn"} & set(sys.modules)
    """
    command = [sys.executable, "-c", code, str(study.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = pydoc.render_doc(rigorkd, renderer=pydoc.plaintext)
    for name in rigorkd.__all__:
        assert name in dir(rigorkd)
        assert f"rigorkd.{name}(" in text or f"class {name}" in text or f" {name}(" in text, name
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        rigorkd.lod  # noqa: B018


def test_every_public_name_is_typed_and_explained() -> None:
    for name in ("analyze", "load", "run", "Study", "Findings", "Picture"):
        thing = getattr(rigorkd, name)
        members = [thing] if callable(thing) and not isinstance(thing, type) else []
        if isinstance(thing, type):
            assert thing.__doc__
            members = [item for key, item in vars(thing).items() if not key.startswith("_")]
        for member in members:
            member = getattr(member, "fget", member)
            if inspect.isfunction(member):
                assert member.__doc__ or member.__name__ in ("name", "caption"), member
                assert "return" in inspect.get_annotations(member), member
    keywords = {
        key
        for key, item in inspect.signature(rigorkd.analyze).parameters.items()
        if item.kind == item.KEYWORD_ONLY
    }
    assert keywords == set(Asked.__annotations__) | {"name"}
    read = [one.name for one in dataclasses.fields(Reading)]
    assert [*AsRead.__annotations__, "goal"] == read, "the goal is a keyword of the question, too"
    assert "goal" in keywords


def test_a_study_holds_what_the_table_prints(study: Study) -> None:
    then = pd.read_csv(LEGACY / "table.csv")
    assert len(study.runs) == len(then) == 36
    assert study.runs["test_top1"].tolist() == pytest.approx(then["test_top1"].tolist())
    assert len(study.missing) == 0
    assert study.plan.planned
    assert study.plan.sesoi == 2.0
    assert len(study.plan.contrasts) == 2
    assert repr(study) == f"<rigorkd.Study '{study.folder}': 36 student runs>"
    del study.runs["test_top1"]  # of a copy
    assert "test_top1" in study.runs


def test_a_run_by_epochs_and_by_images(study: Study) -> None:
    history = study.history(KD, seed=1)
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    written = pd.read_csv(study.folder / KD / "seed-1" / "history.csv")
    pd.testing.assert_frame_equal(history[list(written.columns)], written, check_dtype=False)
    assert len(study.history("teacher", seed=0)) == 12
    predicted = study.predictions(KD, seed=1)
    top1 = 100 * np.mean(predicted["prediction"] == predicted["target"])
    row = study.runs.query(f"cell == '{KD}' and seed == 1").iloc[0]
    assert top1 == pytest.approx(row["test_top1"])


def test_the_analysis_is_the_command_lines(study: Study) -> None:
    then = json.loads((LEGACY / "analysis.json").read_text())
    found = study.analyze()
    frame = found.to_frame()
    frame = frame[frame["family"] != "overall"]  # which 0.1 did not have
    comparisons = [(family, one) for family in then["families"] for one in family["comparisons"]]
    assert frame["name"].tolist() == [one["name"] for _, one in comparisons]
    assert frame["family"].tolist() == [family["name"] for family, _ in comparisons]
    assert frame["planned"].all()
    assert frame["mean_diff"].tolist() == pytest.approx([one["mean_diff"] for _, one in comparisons])
    assert frame["verdict"].tolist() == [one["verdict"] for _, one in comparisons]
    own = "group methods with epochs 4 instead of 6; its baseline too"  # which 0.1 did not say
    assert own in found.conditions
    noise = "10 % of the training labels replaced by wrong ones"  # nor this
    assert noise in found.conditions
    assert [one for one in found.conditions if one not in (own, noise)] == then["conditioned_on"]
    # each of the two students has a baseline of its own, and warnings may say since then what to do
    warnings = [text.replace("its baseline at one", "baselines at one") for text in then["warnings"]]
    for warning in warnings:
        assert any(now.startswith(warning) for now in found.warnings), warning
    assert found.cells["cell"].tolist() == [cell["cell"] for cell in then["cells"]]
    assert "no gain was shown, of 8 tested" in found.says
    assert str(found) == found.says


def test_what_is_asked_otherwise_is_exploratory(study: Study) -> None:
    pair = (KD, "main/plain/kd-T1-a0.5")
    found = study.analyze(sesoi=50.0, compare=[pair])
    frame = found.to_frame()
    assert not frame["planned"].any()
    assert pair in set(zip(frame["a"], frame["b"], strict=True))
    assert "equivalent" in set(frame["verdict"])
    late = Plan(sesoi=2.0, planned=True, contrasts=(Pair(*pair, planned=True),))
    found = study.analyze(plan=late)
    assert (found.to_frame()["family"] != "overall").sum() == 9
    assert not found.to_frame()["planned"].any()
    assert found.conditions == study.plan.conditioned_on
    own = rigorkd.analyze(study.runs, plan=late).to_frame()
    assert own["planned"].all()  # of a table of one's own, one knows it oneself
    with pytest.raises(TypeError, match="unexpected keyword argument 'seosi'; did you mean sesoi"):
        study.analyze(seosi=1.0)  # type: ignore[call-arg]


def test_an_analysis_is_noted_as_a_look(study: Study) -> None:
    looks = study.folder / "looks.jsonl"
    looks.unlink()
    study.analyze()
    (look,) = [json.loads(line) for line in looks.read_text().splitlines()]
    assert look["metric"] == "test_top1"
    looks.unlink()
    looks.mkdir()  # nothing can be noted here
    assert "this look is not noted there" in study.analyze().warnings[-1]


class Texts(HTMLParser):
    """The text of a page, and the tags that it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", set[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_a_notebook_shows_verdicts(found: Findings) -> None:
    page = Texts(found._repr_html_())
    for row in found.to_frame().itertuples():
        assert (row.name if row.family == "overall" else row.a) in page.text
    assert page.text.count("inconclusive\n") == (found.to_frame()["verdict"] == "inconclusive").sum()
    assert "exploratory" in page.text
    for text in found.says.splitlines():
        assert text in page.text


def test_hostile_names_stay_text() -> None:
    names = ["<script>alert(1)</script>", "a\x1b[31mb", "‮evil", "x&y"]
    rows = [
        {"cell": name, "seed": seed, "acc": seed + at + seed * at / 7}
        for at, name in enumerate(names)
        for seed in range(3)
    ]
    found = rigorkd.analyze(pd.DataFrame(rows), goal="max", all_pairs=True, name="<b>table</b>")
    text = found._repr_html_()
    page = Texts(text)
    made = "div p strong h4 table thead tbody tr th td details summary ul li"
    assert page.tags <= set(made.split())
    assert "<script>alert(1)</script>" in page.text
    assert not {"\x1b", "‮"} & set(text)


def test_figures_by_name(study: Study, found: Findings, tmp_path: Path) -> None:
    assert {"gains", "contrasts", "training"} <= set(study.analyze().figures)
    picture = found.plot("gains")
    assert picture._repr_svg_().startswith("<svg")
    for form, start in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        path = picture.save(tmp_path / f"gains.{form}")
        assert path.read_bytes().startswith(start)
    for wrong, message in (("gainz", "did you mean 'gains'"), ("qqq", "it has gains, seeds")):
        with pytest.raises(rigorkd.RigorkdError, match=message):
            found.plot(wrong)
    with pytest.raises(rigorkd.RigorkdError, match=r"\.svg or \.pdf"):
        picture.save(tmp_path / "gains.png")


def test_seeds_are_said_as_everywhere_and_a_named_index_is_columns() -> None:
    runs = pd.read_csv(ROOT / "analysis" / "published" / "kd_capacity_gap_runs.csv").set_index(
        ["cell", "seed"]
    )
    given: list[Any] = [3, "0:3", [0, 1, 2], np.arange(3).tolist()]
    frames = [rigorkd.analyze(runs, seeds=seeds).to_frame() for seeds in given]
    assert set(frames[0]["n"]) == {3}
    assert all(frame.equals(frames[0]) for frame in frames)


def test_any_table_by_its_path_or_as_a_frame(found: Findings) -> None:
    path = ROOT / "analysis" / "published" / "kd_capacity_gap_runs.csv"
    by_path = rigorkd.analyze(path, sesoi=0.2)
    pd.testing.assert_frame_equal(by_path.to_frame(), found.to_frame())
    assert found.conditions[0] == "the test images"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"goal": "up"}, r"goal = 'up' has no meaning\n.*max, min"),
    ({"correction": "tukey"}, r"correction = 'tukey' has no meaning\n.*holm"),
    ({"sesoi": "0.3"}, "sesoi = '0.3' is not a number"),
    ({"alpha": True}, "alpha = True is not a number"),
    ({"metric": 3}, "3 is not the name of a column"),
    ({"baselines": [3]}, "3 is not the name of a column or cell"),
    ({"baselines": "zz"}, "no cell 'zz'"),
    ({"compare": ("a", "b")}, r"compare is \('a', 'b'\)\n.*pairs of cells"),
    ({"compare": "ab"}, "pairs of cells"),
    ({"compare": [("a",)]}, "pairs of cells"),
    ({"seeds": [0.5]}, "0.5"),
    ({"seeds": "x"}, "seeds"),
    ({"plan": {"sesoi": 1}}, r"no plan\n.*rigorkd_analysis.Plan"),
    ({"sheet": "runs"}, "sheet says how files are read"),
]
"""Arguments of `analyze`, and the message: none may fail without one, or mean what nobody said."""
NO_TABLES: list[Any] = [{"cell": ["a"]}, [{"cell": "a"}], [], None, 3, np.ones((2, 2)), pd.Series(["a"])]


def test_what_cannot_be_used_is_one_message(folder: Path) -> None:
    once = pd.DataFrame({"cell": ["a", "b"], "seed": [0, 0], "acc": [1.0, 2.0]})
    twice = pd.DataFrame({"cell": ["a", "a"], "seed": [0, 0], "acc": [1.0, 2.0]})
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: rigorkd.load("legcy", results=folder), "did you mean .*legacy"),
        (lambda: rigorkd.load(results=folder / "none"), "no study in this folder"),
        (lambda: rigorkd.load("legacy", results=folder).history(KD, 7), f"no finished run {KD}/seed-7"),
        (lambda: rigorkd.load(results=folder).predictions(f"../legacy/{KD}"), "no finished run"),
        (lambda: rigorkd.analyze(folder / "none.csv"), "there is no such file or study"),
        (lambda: rigorkd.analyze(pd.DataFrame({"cell": ["a"], "acc": [1.0]}), name="mine"), "mine: .*seed"),
        (lambda: rigorkd.analyze(twice, name="mine"), "mine, row 1"),
        (lambda: rigorkd.run(folder / "none.yaml"), "none.yaml"),
        *((partial(rigorkd.analyze, once, **asked), message) for asked, message in WRONG),
        *((partial(rigorkd.analyze, data), "no table and no path") for data in NO_TABLES),
    ]
    for call, message in calls:
        with pytest.raises(rigorkd.RigorkdError, match=message):
            call()


@pytest.mark.slow
def test_running_trains_what_is_missing(
    tmp_path: Path, protocol_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A process of its own trains; the study is opened; wrong input is the command line's message."""
    results = tmp_path / "results"
    asked: dict[str, Any] = {"results": results, "only": ["short/*/baseline"], "jobs": 1}
    asked |= {"set": {"groups.short.epochs": 1, "training.schedule": "constant"}, "study": "variant"}
    study = rigorkd.run(protocol_file, seeds=[1], **asked)
    assert study.name == "variant"
    assert study.runs[["cell", "seed", "epochs"]].to_numpy().tolist() == [["short/plain/baseline", 1, 1]]
    assert "1 run to train" in capfd.readouterr().out
    again = rigorkd.run(protocol_file, seeds=[1], quiet=True, **asked)
    assert len(again.runs) == 1
    assert capfd.readouterr().out == ""
    with pytest.raises(rigorkd.RigorkdError, match="has no name"):
        rigorkd.run(protocol_file, set={"groups.short.epochs": 1}, results=results)
    with pytest.raises(rigorkd.RigorkdError, match="'gpu' is none of auto, cpu"):
        rigorkd.run(protocol_file, device="gpu", results=results, quiet=True)


@pytest.mark.slow
def test_an_interrupted_run_ends(tmp_path: Path, protocol_file: Path) -> None:
    """An interruption is passed on: the run stops at its next epoch, and no launcher is left behind."""
    protocol_file.write_text(protocol_file.read_text().replace("epochs: 20", "epochs: 4000"))
    code = "import rigorkd; rigorkd.run('tiny.yaml', seeds=1, only=['teacher*'], jobs=1)"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    study = tmp_path / "results" / "tiny"
    while not list(study.glob(".work/**/*checkpoint*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT, (out, err)
    assert "KeyboardInterrupt" in err
    assert not list(study.glob(".launchers/*/*"))


def test_results_from_elsewhere_are_read_as_the_command_reads_them(tmp_path: Path) -> None:
    rows = [
        {"net": "r8", "how": how, "trial": seed, "epoch": epoch, "val_acc": epoch, "score": value + seed % 3}
        for how, value in (("plain", 70.0), ("mixup", 72.0))
        for seed in range(4)
        for epoch in (1, 2)
    ]
    frame = pd.DataFrame(rows)
    reading: dict[str, Any] = {"cell": "net,how", "seed": "trial", "select": "best:val_acc"}
    frame.to_csv(tmp_path / "runs.csv", index=False)
    asked: dict[str, Any] = {"metric": "score", "goal": "max", "baselines": ["r8/plain"]}
    of_file, of_frame = (
        rigorkd.analyze(data, **asked, **reading) for data in ([tmp_path / "runs.csv"], frame)
    )
    (gain,) = of_file.to_frame().query("family == 'gains'").itertuples()
    assert (gain.a, gain.n, gain.mean_diff) == ("r8/mixup", 4, 2.0)
    assert of_file.to_frame().equals(of_frame.to_frame())
    with pytest.raises(rigorkd.RigorkdError, match="no such column"):
        rigorkd.analyze(frame, metric="score", goal="max", cell="nett", seed="trial")
    unpaired = rigorkd.analyze(frame, **asked, **reading, unpaired=True, seeds=(0, 1, 2))
    assert set(unpaired.to_frame()["test"]) == {"unpaired"}
    assert set(unpaired.to_frame()["n"]) == {3}
