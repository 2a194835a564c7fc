"""`run --shard` and `rigorkd merge`: parts of one study become it, and nothing else does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from rigorkd.cli.gc import gc
from rigorkd.errors import InputError, StoreError
from rigorkd.launch.heartbeat import Heartbeat
from rigorkd.launch.merging import merge
from rigorkd.launch.run_states import Shard
from rigorkd.protocol.load import load_protocol
from rigorkd.records.changes import MERGED, read_changes
from rigorkd.records.integrity import verify_study
from rigorkd.records.interim import SHOWN, note_interim_analysis, note_shown, read_interim_analyses
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records, seal
from rigorkd.records.study import newest_study, read_info
from rigorkd.report.judging import Question, analysis_of
from rigorkd.report.sources import from_study
from tests.conftest import Rigorkd
from tests.launch.made_study import PROTOCOL, RUNS, at, make


def files(study: Path) -> dict[str, bytes]:
    """What was trained; the seconds that it took are another machine's."""
    found = {}
    for record in read_records(StudyFolder(study)):
        for name in record.files:
            found[f"{record.run}/{name}"] = (record.folder / name).read_bytes()
    return found


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    """What two machines leave that were asked for one half each."""
    return [make(tmp_path / name, train=at(*seeds)) for name, seeds in (("a", (0, 2)), ("b", (1, 3)))]


def test_shards_are_all_runs_and_none_twice(tmp_path: Path) -> None:
    make(tmp_path, train=at())
    protocol = load_protocol(tmp_path / "made.yaml")
    parts = [Shard(number, 3).runs(protocol, range(4)) for number in (1, 2, 3)]
    assert [len(part) for part in parts] == [10, 5, 5]
    assert len(frozenset().union(*parts)) == RUNS
    assert Shard(2, 3).seeds((5, 7, 9, 11)) == (7,)
    assert Shard(1, 2).runs(protocol, range(4), ["*/baseline"]) == {
        f"main/{student}/baseline/seed-{seed}" for student in ("plain", "wide") for seed in (0, 2)
    }


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "a/4", "1/0", "1/2/3", "-1/4"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--shard"):
        Shard.parse(text)


def test_more_shards_than_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="only 4 seeds"):
        Shard.parse("1/5").seeds(range(4))


def test_merged_shards_are_the_study_of_one_machine(shards: list[Path], tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    before = [verify_study(part).digest for part in shards]
    target = tmp_path / "results" / "made"
    found = merge(shards, target)
    assert (len(found.new), found.records, found.missing, found.warnings) == (RUNS, RUNS, 0, ())
    assert files(target) == files(whole)
    assert verify_study(target).damaged == ()
    assert [verify_study(part).digest for part in shards] == before, "sources are only read"
    info = read_info(target)
    assert (info.seeds, info.planned_seeds) == ((0, 1, 2, 3), (0, 1, 2, 3))
    (change,) = read_changes(target)
    assert (change.what, list(change.sources)) == (MERGED, before)
    one, other = (
        analysis_of(from_study(study), Question(), images=False).families for study in (target, whole)
    )
    assert one == other
    again = verify_study(target).digest
    assert merge(shards, target).new == ()
    assert verify_study(target).digest == again, "merged again, nothing changes"


def test_a_part_is_merged_into_a_study_that_is_there(shards: list[Path], tmp_path: Path) -> None:
    found = merge([shards[1]], shards[0])
    assert (len(found.new), found.records, found.missing) == (RUNS // 2, RUNS, 0)
    assert files(shards[0]) == files(make(tmp_path / "whole"))


def test_what_is_missing_is_counted_and_a_dry_run_writes_nothing(shards: list[Path], tmp_path: Path) -> None:
    shutil.rmtree(shards[1] / "main" / "wide")
    target = tmp_path / "results" / "made"
    found = merge(shards, target, dry=True)
    assert (found.records, found.missing) == (RUNS - 4, 4)
    assert not target.exists()


Harm = Callable[[Path], object]


def edited(name: str, **changes: object) -> Harm:
    def edit(study: Path) -> None:
        document = json.loads((study / name).read_text())
        (study / name).write_text(json.dumps(document | changes))

    return edit


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PROTOCOL.replace("lr: 1e-2", "lr: 1e-3"), "newest protocol is another text: line 4"),
        (PROTOCOL.replace("sesoi: 1.0", "sesoi: 2.0"), "another analysis was planned .*analysis: sesoi"),
        (PROTOCOL.replace("study: made", "study: other"), "its name is other"),
    ],
)
def test_another_protocol_is_refused(shards: list[Path], tmp_path: Path, text: str, says: str) -> None:
    foreign = make(tmp_path / "foreign", train=at(1), text=text)
    if "other" in text:
        foreign = tmp_path / "foreign" / "results" / "other"
        foreign.mkdir(exist_ok=True)
    other = next((tmp_path / "foreign" / "results").glob("*/study.json")).parent
    with pytest.raises(InputError, match=says):
        merge([shards[0], other], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (edited("study.json", numerics={"engine": 1}), "numerics"),
        (edited("study.json", mode="fast"), "mode is fast"),
        (edited("study.json", later=1), "the key later"),
        (edited("main/wide/baseline/seed-1/record.json", run_hash="0"), "damaged"),
        (lambda study: (study / "teacher/seed-1/predictions.npz").unlink(), "predictions.npz is missing"),
        (lambda study: (study / "study.json").unlink(), "not a study"),
    ],
)
def test_what_is_no_part_is_refused(shards: list[Path], tmp_path: Path, harm: Harm, says: str) -> None:
    harm(shards[1])
    with pytest.raises((InputError, StoreError), match=says):
        merge(shards, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("to", ["elsewhere", "nowhere", "/dev/zero"])
def test_a_link_where_a_record_belongs_is_refused(shards: list[Path], tmp_path: Path, to: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(shards[0] / "main/wide")
    (shards[0] / "main/wide").symlink_to(tmp_path / to)
    with pytest.raises(StoreError, match="link"):
        merge(shards[1:], shards[0])
    assert not [*(tmp_path / "elsewhere").iterdir()]


def test_one_run_of_a_command_with_two_results_is_refused(shards: list[Path], tmp_path: Path) -> None:
    """Its record need not name a version of torch."""
    other = make(tmp_path / "c", train=at(1, 3), luck="other", hardware="GPU")
    for path in other.rglob("record.json"):
        document = json.loads(path.read_bytes())
        document["versions"] = {"python": "3.11"}
        path.write_text(json.dumps(document | {"record_sha256": seal(document)}))
    with pytest.raises(InputError, match=r"trained twice, to different results.*\(GPU\)"):
        merge([*shards, other], tmp_path / "merged")


def test_one_run_with_two_results_is_refused(shards: list[Path], tmp_path: Path) -> None:
    other = make(tmp_path / "c", train=at(1, 3), luck="other", hardware="GPU")
    with pytest.raises(InputError, match=r"trained twice, to different results.*GPU"):
        merge([*shards, other], tmp_path / "merged")
    same = make(tmp_path / "d", train=at(1), hardware="GPU")
    found = merge([*shards, same], tmp_path / "merged")
    assert found.records == RUNS
    assert [text for text in found.warnings if "hardware differ" in text]


def test_looks_and_what_was_planned_come_along(shards: list[Path], tmp_path: Path) -> None:
    """Two seeds were run and judged on one machine, then two more elsewhere: that is one repeated look."""
    first = make(tmp_path / "first", seeds=(0, 1))
    note_interim_analysis(first, (0, 1), "test_top1")
    second = make(tmp_path / "second", seeds=(2, 3))
    target = tmp_path / "merged"
    found = merge([second, first], target)
    assert found.looks == 1
    assert [text for text in found.warnings if "repeated look" in text]
    assert read_info(target).seeds == (0, 1, 2, 3)
    assert read_info(target).planned_seeds == (0, 1)
    assert [look.n for look in read_interim_analyses(target)] == [2]
    result = analysis_of(from_study(target), Question(), images=False)
    said = [warning for family in result.families for one in family.comparisons for warning in one.warnings]
    assert [text for text in said if "repeated look" in text]
    assert merge([second, first], target).warnings == ()  # which adds nothing, and had been told


def test_that_means_were_shown_comes_along(shards: list[Path], tmp_path: Path) -> None:
    note_shown(shards[0], range(4), "test_top1", 2, summary=True)
    target = tmp_path / "merged"
    for _ in range(2):
        merge(shards, target)
    (shown,) = read_interim_analyses(target, SHOWN)
    assert (shown.n, shown.summary) == (2, True)


def test_what_was_removed_comes_along(shards: list[Path], tmp_path: Path) -> None:
    from rigorkd.launch.removal import Wanted, remove

    note_interim_analysis(shards[0], (0,), "test_top1", 1)
    remove(shards[0], Wanted(seeds=(0,)), "too low")
    remove(shards[1], Wanted(only=("main/wide/baseline",), seeds=(1,)))
    merge(shards, target := tmp_path / "merged")
    whats = [(change.what, change.place) for change in read_changes(target)]
    assert whats == [("removed", ""), ("removed", ""), ("merged", "")]


def test_what_a_killed_merge_left_goes_with_the_next_one_or_by_gc(shards: list[Path], tmp_path: Path) -> None:
    """But not what another merge still writes."""
    results = tmp_path / "results"
    dead, other, living, foreign = (
        results / name for name in (".made.7-0.tmp", ".else.7-0.tmp", ".made.8-0.tmp", ".made.9-0.tmp")
    )
    for folder in (dead, other):
        (folder / ".launchers").mkdir(parents=True)
        (folder / "study.json").write_text("{}")
    foreign.mkdir()
    (foreign / "of_something_else").touch()
    with Heartbeat(StudyFolder(living), "rigorkd merge"):
        merge(shards, results / "made")
        assert newest_study(results) == results / "made"
        assert {path.name for path in results.iterdir()} == {"made", other.name, living.name, foreign.name}
        shown = CliRunner().invoke(gc, ["--results", str(results), "--dry-run"]).output
        assert f"{other}: 2 bytes to delete: a merge that was killed" in shown
        assert str(living) not in shown
        done = CliRunner().invoke(gc, ["--results", str(results), "--yes"])
        assert f"{other}: deleted" in done.output
    assert {path.name for path in results.iterdir()} == {"made", living.name, foreign.name}


def test_a_target_that_is_at_work_or_no_study_is_refused(shards: list[Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="no study"):
        merge(shards, tmp_path / "other")
    with pytest.raises(InputError, match="nothing to merge"):
        merge([shards[0], shards[0]], tmp_path / "merged")
    with Heartbeat(StudyFolder(shards[0])) as me:
        me.begin_work()
        with pytest.raises(StoreError, match="while a launcher is at work"):
            merge([shards[1]], shards[0])
    assert len(read_records(StudyFolder(shards[0]))) == RUNS // 2


@pytest.mark.slow
def test_real_shards_are_the_study_of_one_machine_to_the_last_bit(
    finished: Path, tmp_path: Path, command_line: Rigorkd
) -> None:
    shutil.copy(finished / "tiny.yaml", tmp_path)
    for number in (1, 2):
        part = ["--shard", f"{number}/2", "--results", f"machine-{number}"]
        done = command_line("run", "tiny.yaml", *part, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"shard {number}/2: seeds {number - 1} of 2 seeds" in done.stdout
        assert "9 runs to train" in done.stdout
    done = command_line("merge", "machine-1/tiny", "machine-2/tiny", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "has 18 runs, 18 of them new" in done.stdout
    assert files(tmp_path / "results" / "tiny") == files(finished / "results" / "tiny")
    done = command_line("run", "tiny.yaml", cwd=tmp_path)
    assert "nothing to train: all 18 runs have their record" in done.stdout


SCRIPT = """
import json, pathlib, random, sys
out, name = pathlib.Path(sys.argv[1]), " ".join(sys.argv[2:4])
(out / "weights.bin").write_bytes(random.Random(name).randbytes(100))
(out / "metrics.json").write_text(json.dumps({"accuracy": random.Random(name).random()}))
"""
BY_COMMAND = """\
rigorkd: 1
study: made
trainer:
  command: python train.py {out} {seed} {method} [{teacher}]
  metrics: {accuracy: max}
  keep: weights.bin
teacher: {trainer: "python train.py {out} {seed} teacher"}
students: [small]
groups: {main: {baseline: true, kd: true}}
seeds: 4
"""


@pytest.mark.slow
def test_shards_of_commands_are_merged_with_their_code(tmp_path: Path, command_line: Rigorkd) -> None:
    (tmp_path / "made.yaml").write_text(BY_COMMAND)
    (tmp_path / "train.py").write_text(SCRIPT)
    for number in (1, 2):
        part = ["--shard", f"{number}/2", "--results", f"machine-{number}"]
        assert command_line("run", "made.yaml", *part, cwd=tmp_path).returncode == 0
    (tmp_path / "machine-2" / "made" / ".protocols" / "train.py").write_text(SCRIPT + "# other\n")
    refused = command_line("merge", "machine-1/made", "machine-2/made", cwd=tmp_path)
    assert refused.returncode == 2
    assert "other code" in refused.stderr
    (tmp_path / "machine-2" / "made" / ".protocols" / "train.py").write_text(SCRIPT)
    done = command_line("merge", "machine-1/made", "machine-2/made", cwd=tmp_path)
    assert "has 12 runs, 12 of them new" in done.stdout, done.stderr
    assert verify_study(tmp_path / "results" / "made").damaged == ()
    assert "nothing to train: all 12" in command_line("run", "made.yaml", cwd=tmp_path).stdout


def test_what_all_seeds_share_is_trained_by_no_shard(tmp_path: Path, rigorkd: Rigorkd) -> None:
    study = make(
        tmp_path, train=lambda run: False, text=PROTOCOL.replace("hidden: 8}", "hidden: 8}, per_seed: false")
    )
    done = rigorkd("run", "made.yaml", "--shard", "1/2")
    assert done.returncode == 2
    assert "teacher/seed-fixed is shared by all seeds" in done.stderr
    assert "--only teacher" in done.stderr
    assert not read_records(StudyFolder(study))
