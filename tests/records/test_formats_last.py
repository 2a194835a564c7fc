"""A study outlives the version that wrote it: a small study of version 0.1, made before any later change.

`study_0_1/` holds its protocol, its records (the weights of teachers and starts alone), what version 0.1's
`analyze --format json` and `table --format csv` said of it, the hashes of its runs, and five protocols of 0.1
with a digest over the hashes of all their runs.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rigorkd import __version__
from rigorkd.errors import StoreError
from rigorkd.fields import HASHED, added
from rigorkd.launch.run_states import State, find_run_states
from rigorkd.protocol import hashes as numerics
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.hashes import explain_difference, resolved, run_hash, training_key
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.protocol.schema import Training
from rigorkd.records.expected import StartFile, expected_hashes, start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import read_study
from rigorkd.records.record import read_record, seal
from rigorkd.records.study import read_info, register

HERE = Path(__file__).parent / "study_0_1"
PINNED = json.loads((HERE / "hashes.json").read_text())
Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A copy of the study, its protocol two folders above."""
    shutil.copytree(HERE / "results", tmp_path / "results")
    shutil.copy(HERE / "legacy.yaml", tmp_path)
    return tmp_path / "results" / "legacy"


def hashes(path: Path, seeds: tuple[int, ...]) -> dict[str, str]:
    """The hash of every run in a study of 0.1; data sets that are not at hand have a checksum of zeros."""
    protocol = load_protocol(path)
    files = {
        name: StartFile(file.path, "0" * 64) if name.startswith("data set") else file
        for name, file in start_files(protocol, planning=True).items()
    }
    found = expected_hashes(protocol, seeds, "reference", files, {})
    return {name: want.run_hash for name, want in found.items()}


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_run_hashes_are_those_of_version_0_1() -> None:
    assert hashes(HERE / "legacy.yaml", (0, 1, 2, 3)) == PINNED["legacy"]
    assert len(PINNED["legacy"]) == 56


@pytest.mark.parametrize("name", sorted(PINNED["all_runs_of"]))
def test_published_protocols_of_0_1_expand_to_the_same_runs(name: str) -> None:
    count, digest = PINNED["all_runs_of"][name]
    found = hashes(HERE / "protocols" / name, (0,))
    assert len(found) == count
    text = "".join(f"{run} {run_hash}\n" for run, run_hash in sorted(found.items()))
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def numbers(document: Any, path: str = "") -> dict[str, float]:
    """Every number of a JSON document by its place."""
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)  # type: ignore[assignment]
    else:
        is_number = isinstance(document, int | float) and not isinstance(document, bool)
        return {path: document} if is_number else {}
    return {key: value for name, item in items for key, value in numbers(item, f"{path}/{name}").items()}


def test_the_analysis_says_what_0_1_said(study: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("analyze", study, "--format", "json")
    assert done.returncode == 0, done.stderr
    documents = [json.loads(text) for text in ((HERE / "analysis.json").read_text(), done.stdout)]
    for document in documents:  # 0.1 did not have the family of average gains, which is exploratory here
        document["families"] = [one for one in document["families"] if one["name"] != "overall"]
        # the interval over new images is no longer narrower than that over seeds
        document["images"] = {f"{one['a']} {one['b']}": one["mean_diff"] for one in document["images"]}
    then, now = map(numbers, documents)
    assert len(then) > 300
    crossed = {place for place in then if re.fullmatch(r"/images/\d+/(ci_low|ci_high|df)", place)}
    same = {place: value for place, value in then.items() if place not in crossed}
    assert {place: now.get(place) for place in same} == pytest.approx(same, rel=1e-9)
    for place in crossed:  # since 0.2 never narrower than the interval over seeds alone
        if place.endswith("low"):
            seeds = now[place.replace("ci_low", "seeds_only_ci_low")]
            assert now[place] == pytest.approx(min(then[place], seeds))


def test_the_table_has_what_0_1_had(study: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("table", study, "--format", "csv")
    now = list(csv.DictReader(io.StringIO(done.stdout)))
    then = list(csv.DictReader(io.StringIO((HERE / "table.csv").read_text())))
    assert len(then) == 36
    assert [{name: row[name] for name in then[0]} for row in now] == then


def test_what_its_processor_was_held_to_is_known(study: Path) -> None:
    """0.1 fixed nothing, and noted what torch had chosen."""
    records = StudyFolder(study)
    record = read_record(records, "main/plain/baseline/seed-0")
    assert "dispatch" not in record.fields
    assert record.dispatch == f"{record.fields['cpu_capability']}, not fixed"
    table = read_study(study)
    assert set(table.runs["dispatch"]) == {record.dispatch}
    assert not table.notes
    fixed = replace(record, fields={**record.fields, "dispatch": "AVX2"})
    assert fixed.dispatch == "AVX2"
    assert replace(record, fields={**record.fields, "device": "cuda"}).dispatch == ""


def test_a_processor_with_less_is_warned_about(study: Path, rigorkd: Rigorkd) -> None:
    for seed in (0, 1):
        path = study / f"main/plain/baseline/seed-{seed}/record.json"
        edit(path, lambda d: (d.update(dispatch="DEFAULT, less than AVX2"), d.update(record_sha256=seal(d))))
    warnings = json.loads(rigorkd("analyze", study, "--format", "json").stdout)["warnings"]
    less = "main/plain/baseline/seed-0: DEFAULT, less than AVX2"
    said = f"2 records of 42 come from a processor with less than AVX2 ({less})"
    assert f"{said}: their bits are not those of other processors" in warnings
    assert any(text.startswith("runs of different dispatch are compared: ") for text in warnings)


def test_every_reading_command_takes_it(study: Path, rigorkd: Rigorkd) -> None:
    assert "42 records, 135 files, all as committed" in rigorkd("verify", study).stdout
    assert "42 runs: 42 done" in rigorkd("status", study).stdout
    for layout in ("overall", "gains"):
        done = rigorkd("table", study, "--layout", layout, "--group", "warm", "--format", "latex")
        assert done.returncode == 0, done.stderr
    done = rigorkd("report", study)
    assert done.returncode == 0, done.stderr
    page = (study / "report.html").read_text()
    assert "<h1>Does distillation" in page, "the question that it planned, as under 0.1"
    assert len(page) > 100_000


def test_it_is_continued(study: Path, rigorkd: Rigorkd) -> None:
    """One more seed, and one more cell at the seeds that are there: from its own teachers."""
    path = study.parents[1] / "legacy.yaml"
    before = {file: file.read_bytes() for file in study.rglob("seed-*/*")}
    assert "nothing to train" in rigorkd("run", path).stdout
    path.write_text(path.read_text().replace("T: [1, 4], alpha", "T: [1, 4, 8], alpha"))
    done = rigorkd("run", path, "--seeds", 4, "--only", "main/plain/*")
    assert done.returncode == 0, done.stderr
    names = (file.parent.relative_to(study) for file in study.rglob("record.json") if file not in before)
    new = {name.as_posix(): read_record(StudyFolder(study), name.as_posix()) for name in names}
    cells = ("baseline", "kd-T1-a0.5", "kd-T4-a0.5", "kd-T8-a0.5")
    assert set(new) == {
        *("teacher/seed-3", *(f"main/plain/{cell}/seed-3" for cell in cells)),
        *(f"main/plain/kd-T8-a0.5/seed-{seed}" for seed in range(3)),
    }
    for name, pinned in PINNED["legacy"].items():
        assert name not in new or new[name].run_hash == pinned
    assert all(file.read_bytes() == content for file, content in before.items())
    assert read_info(study).numerics == {}
    assert all(record.dispatch.endswith(", not fixed") for record in new.values()), (
        "as 0.1 would have gone on"
    )
    assert rigorkd("verify", study).returncode == 0
    said = rigorkd("analyze", study)
    assert said.returncode == 0, said.stderr


# ------------------------------------------------------------------------------------ keys of later versions


class Later(Training):
    """`training:` with a key that a later version has added."""

    stream: int = added("0.2", 0)


def with_stream(cell: Cell, stream: int) -> Cell:
    training = {name: getattr(cell.training, name) for name in Training.model_fields}
    return replace(cell, training=Later(**training, stream=stream))


def hashed(cell: Cell) -> str:
    return run_hash(
        Run(cell, 0), data_checksum="d", teacher_hash="t", start_hash=None, mode="reference", precision="fp32"
    )


@pytest.fixture(scope="module")
def legacy() -> Protocol:
    return load_protocol(HERE / "legacy.yaml")


def test_an_added_key_at_its_default_leaves_records_current(legacy: Protocol) -> None:
    for cell in legacy.cells:
        later = with_stream(cell, 0)
        assert hashed(later) == hashed(cell)
        assert training_key(later) == training_key(cell)
        assert later.training.model_dump()["stream"] == 0
        assert "stream" not in later.training.model_dump(context=HASHED)
        assert resolved(later) == {**resolved(cell), "stream": 0}, "records and tables show it"
        assert resolved(later, HASHED) == resolved(cell, HASHED)
        assert hashed(with_stream(cell, 1)) != hashed(cell)


def test_what_a_record_lacks_was_at_its_default(legacy: Protocol) -> None:
    cell = legacy.cell("main/plain/kd-T4-a0.5")
    record = json.loads((HERE / "results/legacy/main/plain/kd-T4-a0.5/seed-0/record.json").read_text())
    assert explain_difference(record, cell) == ""
    views = cell.views.model_copy(update={"size": 16})
    assert explain_difference(record, replace(cell, views=views)) == "views.size: none → 16"
    lacking = {key: value for key, value in record.items() if key not in ("lr", "label_smoothing")}
    method = type(cell.method)(T=2.0, alpha=0.5)
    assert explain_difference(lacking, replace(cell, method=method)) == (
        "T: 4 → 2; lr: its default → 0.01; label_smoothing: its default → 0"
    ), "a key of 0.1 is never missing; one that was added later is, without a word"
    assert explain_difference(record, with_stream(cell, 0)) == ""
    assert explain_difference(record, with_stream(cell, 1)) == "stream: its default → 1"


# ------------------------------------------------------------------------- what only a newer version can know


def test_an_unknown_key_of_study_json_is_named_as_newer(study: Path, rigorkd: Rigorkd) -> None:
    edit(study / "study.json", lambda d: d.update(version="7.0.0", planets=["mars"]))
    for command in ("analyze", "status", "table", "report", "verify"):
        done = rigorkd(command, study)
        assert done.returncode == 0, done.stderr
    said = rigorkd("analyze", study)
    words = " ".join((said.stdout + said.stderr).split())
    assert f"written by rigorkd 7.0.0, this is {__version__}: the key planets" in words
    path = study.parents[1] / "legacy.yaml"
    refused = rigorkd("run", path, "--seeds", 4)
    assert refused.returncode == 2
    assert f"written by rigorkd 7.0.0, this is {__version__}: the key planets" in refused.stderr
    assert "damaged" not in refused.stderr
    assert json.loads((study / "study.json").read_text())["planets"] == ["mars"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d["planned"]["analysis"].update(order="x"), "its plan has order"),
        (lambda d: d.update(schema="rigorkd.study/2"), "its schema is rigorkd.study/2"),
    ],
    ids=["analysis", "schema"],
)
def test_a_plan_that_cannot_be_understood_is_not_guessed(
    study: Path, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    edit(study / "study.json", change)
    with pytest.raises(StoreError, match="written by a newer rigorkd") as error:
        read_info(study)
    assert says in error.value.message
    assert "pip install --upgrade" in error.value.hint


def test_a_protocol_text_of_another_version_says_so(study: Path) -> None:
    info = json.loads((study / "study.json").read_text())
    text = (study / ".protocols" / f"{info['protocols'][0]['sha256']}.yaml").read_text()
    newer = text.replace("seeds: 3", "seeds: 3\norbit: true")
    digest = hashlib.sha256(newer.encode()).hexdigest()
    (study / ".protocols" / f"{digest}.yaml").write_text(newer)
    edit(
        study / "study.json",
        lambda d: (d.update(version="7.0.0"), d["protocols"].append({"sha256": digest, "time": "later"})),
    )
    with pytest.raises(StoreError, match=r"its protocol was run by rigorkd 7\.0\.0") as error:
        read_study(study)
    assert "orbit" in error.value.message


def test_a_record_of_a_newer_schema_is_no_damage(study: Path) -> None:
    path = study / "main/plain/baseline/seed-0/record.json"
    edit(path, lambda d: d.update(schema="rigorkd.record/2"))
    with pytest.raises(StoreError, match=r"of schema rigorkd\.record/2, of a newer rigorkd"):
        read_record(StudyFolder(study), "main/plain/baseline/seed-0")
    edit(path, lambda d: d.update(schema="something/1"))
    with pytest.raises(StoreError, match="not a record of schema"):
        read_record(StudyFolder(study), "main/plain/baseline/seed-0")


# ---------------------------------------------------------------------------------------------- numerics


def test_a_study_keeps_the_numerics_that_it_began_with(
    study: Path, tmp_path: Path, legacy: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(numerics.NEWEST, "engine", 3)
    monkeypatch.setitem(numerics.NEWEST, "method/dkd", 3)
    begun = find_run_states(legacy, (0, 1, 2), StudyFolder(study), "reference", {})
    assert begun.count(State.DONE) == 42  # 0.1 noted none: all were 1
    register(study, legacy, (0, 1, 2, 3), "reference", {})
    assert read_info(study).numerics == {}

    other = StudyFolder(tmp_path / "other")
    fresh = find_run_states(legacy, (0,), other, "reference", {})
    kd, dkd = "main/plain/kd-T4-a0.5/seed-0", "methods/plain/dkd-T4-tckd1-nckd8/seed-0"
    assert fresh.expected[kd].numerics == {"engine": 3}
    assert fresh.expected[dkd].numerics == {"engine": 3, "method/dkd": 3}
    assert not {want.run_hash for want in fresh.expected.values()} & set(PINNED["legacy"].values())
    register(other.path, legacy, (0,), "reference", {})
    assert read_info(other.path).numerics == {"engine": 3, "method/dkd": 3}

    monkeypatch.undo()
    again = find_run_states(legacy, (0,), other, "reference", {})
    assert again.expected[dkd].run_hash == fresh.expected[dkd].run_hash
    assert read_info(other.path).newer == (
        f"written by rigorkd {__version__}, this is {__version__}: "
        "numerics engine 3 (here: 2), numerics method/dkd 3 (here: 1)"
    )
    with pytest.raises(StoreError, match=r"numerics engine 3 \(here: 2\)"):
        register(other.path, legacy, (0, 1), "reference", {})


def test_only_the_parts_that_a_cell_uses_count(legacy: Protocol) -> None:
    cell = legacy.cell("main/plain/kd-T4-a0.5")
    some = {"method/kd": 2, "method/dkd": 2, "model/cnn": 2, "view/random_crop": 2, "view/rotation": 2}
    assert numerics.numbers_of(cell, some) == {"method/kd": 2, "model/cnn": 2, "view/random_crop": 2}
    assert numerics.numbers_of(replace(cell, train=False), some) == {"method/kd": 2, "model/cnn": 2}
    assert numerics.numbers_of(cell, {"method/kd": 1}) == {}
    assert numerics.number({}, "engine") == 1
