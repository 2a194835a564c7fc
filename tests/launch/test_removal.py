"""`rigorkd remove`: results are set aside, come back, and nobody can take them away in silence."""

from __future__ import annotations

import io
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from rigorkd.cli.remove import remove as command
from rigorkd.cli.table import table
from rigorkd.errors import InputError, StoreError
from rigorkd.launch.cleaning import clear
from rigorkd.launch.display import print_summary
from rigorkd.launch.heartbeat import Heartbeat, Liveness
from rigorkd.launch.leases import Leases
from rigorkd.launch.planning import seeds_warnings
from rigorkd.launch.removal import Wanted, remove, restore
from rigorkd.launch.session import LaunchOptions, Session
from rigorkd.launch.study_status import study_status
from rigorkd.protocol.load import load_protocol
from rigorkd.records.changes import read_changes, says_met
from rigorkd.records.integrity import verify_study
from rigorkd.records.interim import SHOWN, read_interim_analyses
from rigorkd.records.layout import StudyFolder
from rigorkd.records.read import still_asked
from rigorkd.records.record import SEAL, read_records, seal
from rigorkd.records.study import note_summary, read_info
from rigorkd.report.judging import Question, analysis_of, note
from rigorkd.report.sources import from_study
from tests.launch.made_study import PROTOCOL, RUNS, at, make

WHY = "its labels were wrong"


def runs(study: Path) -> set[str]:
    return {record.run for record in read_records(StudyFolder(study))}


def look(study: Path) -> list[str]:
    """Analyse, which is a look; what the analysis warns of."""
    found = from_study(study)
    result = analysis_of(found, Question(), images=False)
    note(found, result)
    return list(result.warnings)


def planned(study: Path) -> set[bool]:
    return {family.planned for family in analysis_of(from_study(study), Question(), images=False).families}


def test_a_cell_goes_and_comes_back_byte_for_byte(tmp_path: Path) -> None:
    study = make(tmp_path)
    before, digest = runs(study), verify_study(study).digest
    found = remove(study, Wanted(only=("main/plain/kd-*",)))
    assert found.runs == tuple(f"main/plain/kd-T4-a0.5/seed-{seed}" for seed in range(4))
    assert (found.looked, found.again, found.seeds) == (None, 4, ())
    assert runs(study) == before - set(found.runs)
    assert verify_study(study).digest != digest
    back, kept = restore(study)
    assert (set(back), kept) == (set(found.runs), [])
    assert runs(study) == before
    assert not [*StudyFolder(study).removed.iterdir()]
    assert "removed" not in " ".join(look(study))


@pytest.mark.parametrize(
    ("wanted", "gone"),
    [
        (Wanted(student="wide"), 8),
        (Wanted(student="wide", seeds=(1,)), 2),
        (Wanted(only=("main/*/baseline", "*/kd-*"), seeds=(0, 1)), 8),
        (Wanted(seeds=(2, 3)), 10),
    ],
)
def test_what_is_named_goes(tmp_path: Path, wanted: Wanted, gone: int) -> None:
    study = make(tmp_path)
    assert len(remove(study, wanted, dry=True).runs) == gone
    assert len(runs(study)) == RUNS, "a dry run moves nothing"
    remove(study, wanted)
    assert len(runs(study)) == RUNS - gone


def test_seeds_are_asked_for_no_more_and_again(tmp_path: Path) -> None:
    study = make(tmp_path)
    remove(study, Wanted(seeds=(2, 3, 9)))
    info = read_info(study)
    assert (info.seeds, info.planned_seeds) == ((0, 1), (0, 1))
    assert not from_study(study).missing
    restore(study)
    assert read_info(study).seeds == (0, 1, 2, 3)
    assert not from_study(study).missing


def test_seeds_that_nobody_trained_leave_no_word(tmp_path: Path) -> None:
    study = make(tmp_path, train=at(0, 1))
    assert from_study(study).missing
    assert remove(study, Wanted(seeds=(2, 3))).runs == ()
    assert not [text for text in look(study) if "removed" in text]
    assert any(planned(study))


def test_what_an_analysis_has_met_needs_a_reason_and_is_told_ever_after(tmp_path: Path) -> None:
    study = make(tmp_path)
    look(study)
    assert any(planned(study))
    before = CliRunner().invoke(command, [str(study), "--only", "*/wide/kd-*", "--dry-run"])
    assert "it takes --because TEXT" in before.output, before.output
    with pytest.raises(InputError, match="analysis of 4 seeds has met"):
        remove(study, Wanted(seeds=(3,)))
    assert runs(study) == runs(make(tmp_path))
    remove(study, Wanted(seeds=(3,)), WHY)
    (told,) = [text for text in look(study) if text.startswith("removed")]
    assert "after an analysis of 4 seeds, so that every verdict is exploratory" in told
    assert WHY in told
    assert "seeds 3:4" in told
    assert "5 finished runs" in told
    assert planned(study) == {False}
    restore(study)
    assert any(planned(study))


def test_seeds_that_are_given_up_after_a_look_are_told(tmp_path: Path) -> None:
    """Planning four, looking at two, and stopping there is no study of two."""
    study = make(tmp_path, train=at(0, 1))
    found = from_study(study)
    note(found, analysis_of(found, Question(interim=True), images=False))
    remove(study, Wanted(seeds=(2, 3)), "no time")
    assert [text for text in look(study) if "seeds 2:4" in text and "no time" in text]
    assert planned(study) == {False}


def test_means_that_were_shown_in_progress_are_seen(tmp_path: Path) -> None:
    """An analysis of two seeds of four is no look; who gives up seeds after it has seen their means."""
    study = make(tmp_path, train=at(0, 1, 2))
    found = from_study(study)
    note(found, analysis_of(found, Question(), images=False))
    note(found, analysis_of(found, Question(), images=False))
    assert len((study / SHOWN).read_text().splitlines()) == 1
    assert not read_interim_analyses(study)
    with pytest.raises(InputError, match="analysis of 3 seeds has met"):
        remove(study, Wanted(seeds=(2,)))
    remove(study, Wanted(seeds=(2, 3)), WHY)
    assert [text for text in look(study) if "seeds 2:4" in text and "exploratory" in text]
    assert planned(study) == {False}


def test_the_means_at_the_end_of_a_run_are_seen(tmp_path: Path) -> None:
    """The summary of `run` shows every mean, and so does `table`, before anything is judged."""
    study = make(tmp_path, train=at(0, 1, 2))
    protocol = load_protocol(tmp_path / "made.yaml")
    console = Console(file=io.StringIO(), width=100)
    console.quiet = True
    assert print_summary(StudyFolder(study), console) == set(), "what `run -q` does not print nobody has seen"
    console.quiet = False
    seen = print_summary(StudyFolder(study), console)
    assert seen == {0, 1, 2}
    for _ in range(2):
        note_summary(study, protocol, "test_top1", seen)
    assert len((study / SHOWN).read_text().splitlines()) == 1
    assert not read_interim_analyses(study)
    assert remove(study, Wanted(seeds=(2,)), dry=True).seen == "a summary of 3 seeds"
    with pytest.raises(InputError, match="a summary of 3 seeds has met"):
        remove(study, Wanted(seeds=(2,)))
    remove(study, Wanted(seeds=(2, 3)), WHY)
    assert [
        text for text in look(study) if "after a summary of 3 seeds, so that every verdict is exp" in text
    ]
    assert planned(study) == {False}


def test_an_analysis_is_told_before_a_summary(tmp_path: Path) -> None:
    study = make(tmp_path, train=at(0, 1))
    note_summary(study, load_protocol(tmp_path / "made.yaml"), "test_top1", {0, 1})
    found = from_study(study)
    note(found, analysis_of(found, Question(), images=False))
    with pytest.raises(InputError, match="an analysis of 2 seeds has met"):
        remove(study, Wanted(seeds=(1,)))


def test_seeds_kept_for_choosing_are_no_means_that_were_shown(tmp_path: Path) -> None:
    text = PROTOCOL.replace("sesoi: 1.0", "sesoi: 1.0, selection: {seeds: [0, 1]}")
    study = make(tmp_path, train=at(0, 1), text=text)
    note_summary(study, load_protocol(tmp_path / "made.yaml"), "test_top1", {0, 1})
    assert not (study / SHOWN).exists()


def test_fewer_seeds_after_the_means_of_a_run_are_told(tmp_path: Path) -> None:
    study = make(tmp_path, train=at(0, 1))
    note_summary(study, load_protocol(tmp_path / "made.yaml"), "test_top1", {0, 1})
    make(tmp_path, train=at(), seeds=(0, 1))
    (told,) = [text for text in look(study) if text.startswith("fewer seeds than were planned")]
    assert "after a summary of 2 seeds, so that every verdict is exploratory: seeds 2:4" in told
    assert planned(study) == {False}


def test_a_table_of_runs_shows_them(tmp_path: Path) -> None:
    study = make(tmp_path)
    assert CliRunner().invoke(table, [str(study)]).exit_code == 0
    (line,) = (study / SHOWN).read_text().splitlines()
    assert json.loads(line)["summary"] is True
    with pytest.raises(InputError, match="a summary of 4 seeds has met"):
        remove(study, Wanted(seeds=(2,)))


def test_fewer_seeds_after_means_were_shown_are_told_until_all_are_there(tmp_path: Path) -> None:
    study = make(tmp_path, train=at(0, 1))
    make(tmp_path, train=at(), seeds=(0, 1))
    assert not [text for text in from_study(study).warnings if "fewer" in text]
    make(tmp_path, train=at(), seeds=range(4))
    found = from_study(study)
    note(found, analysis_of(found, Question(), images=False))
    make(tmp_path, train=at(), seeds=(0, 1))
    (told,) = [text for text in look(study) if text.startswith("fewer seeds than were planned")]
    assert "after an analysis of 2 seeds, so that every verdict is exploratory: seeds 2:4" in told
    assert planned(study) == {False}
    assert still_asked(study, (0, 1)) == ()
    make(tmp_path, train=lambda run: run == "main/wide/baseline/seed-2")
    assert still_asked(study, (0, 1)) == (2, 3)
    assert from_study(study).complete_seeds == 2
    remove(study, Wanted(seeds=(2, 3)), WHY)
    assert planned(study) == {False}
    restore(study)
    make(tmp_path, seeds=range(4))
    assert still_asked(study, range(4)) == ()
    assert not [text for text in from_study(study).warnings if "fewer" in text]


def test_one_by_one_is_offered_only_where_it_helps(tmp_path: Path) -> None:
    """Not for weights that a next run goes on from, nor for jobs of a cluster, which go side by side."""
    one_by_one = "rigorkd run PROTOCOL --jobs 1 --study NAME"
    assert one_by_one in says_met("results.txt", tmp_path)
    assert "side by side one may read another's number" in says_met("results.txt", tmp_path)
    resumed = says_met("ckpt/last.pt", tmp_path)
    assert "a run may go on from what another has left, side by side or one by one" in resumed
    assert "--jobs" not in resumed
    StudyFolder(tmp_path).slurm.mkdir(parents=True)
    assert "--jobs" not in says_met("results.txt", tmp_path)
    for text in (resumed, says_met("results.txt", tmp_path)):
        assert "--retrain-stale then trains again what is done" in text


def test_trained_again_to_the_same_bits_nothing_happened(tmp_path: Path) -> None:
    study = make(tmp_path)
    look(study)
    remove(study, Wanted(only=("main/wide/kd-*",)), WHY)
    make(tmp_path)
    assert any(planned(study))
    assert not [text for text in look(study) if "removed" in text]


def test_another_draw_is_told_however_often_it_is_drawn(tmp_path: Path) -> None:
    study = make(tmp_path)
    look(study)
    for luck in ("second", "third"):
        remove(study, Wanted(only=("main/wide/kd-*",), seeds=(0,)), WHY)
        make(tmp_path, luck=luck)
    assert [text for text in look(study) if "trained again since to other results" in text]
    assert planned(study) == {False}
    place = study / ".removed" / "1" / "main/wide/kd-T4-a0.5/seed-0/record.json"
    assert json.loads(place.read_text())["seed"] == 0


def retrain(folder: Path, text: str, luck: str) -> str:
    """As `run --retrain-stale` with another protocol; what it says beforehand."""
    (folder / "made.yaml").write_text(text)
    protocol = load_protocol(folder / "made.yaml")
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("rigorkd.launch").addHandler(handler)
    options = LaunchOptions(seeds=tuple(range(4)), results=folder / "results")
    for retrain_stale in (False, True):
        session = Session.of(protocol, replace(options, retrain_stale=retrain_stale), Console(file=said))
        try:
            session.refuse_stale(session.run_states())
        except StoreError as error:
            said.write(error.message)
    session.warn_of_looks(session.run_states())
    with Heartbeat(session.study, "test") as me:
        session.open(Leases(session.study, me, Liveness(session.study)))
    logging.getLogger("rigorkd.launch").removeHandler(handler)
    make(folder, text=text, luck=luck)
    return said.getvalue()


def longer(epochs: int) -> str:
    return PROTOCOL.replace("epochs: 2", f"epochs: {epochs}")


def test_results_that_a_look_has_met_are_not_trained_again_in_silence(tmp_path: Path) -> None:
    """A protocol may be tuned on the test set until a verdict comes: then none was planned."""
    study = make(tmp_path)
    assert "analysis" not in retrain(tmp_path, longer(3), "second"), "before any look it is an edit"
    assert any(planned(study))
    look(study)
    said = retrain(tmp_path, longer(4), "third")
    assert said.count("an analysis of 4 seeds has met results that --retrain-stale sets aside") == 2
    assert said.count("its verdicts are exploratory, unless they come out with the same bits") == 2
    (told,) = [text for text in look(study) if text.startswith("trained again")]
    assert "after an analysis of 4 seeds had met the results before" in told
    assert "so that every verdict is exploratory: 20 runs (" in told
    assert planned(study) == {False}
    assert len(read_interim_analyses(study)) == 2, "the second look met other results"
    retrain(tmp_path, longer(5), "fourth")
    (told,) = [text for text in look(study) if text.startswith("trained again")]
    assert "2 times, the last on" in told


def test_what_no_look_has_met_may_be_trained_again_and_a_return_is_no_change(tmp_path: Path) -> None:
    """By another protocol that nobody looked at, and then as it was: the same study."""
    study = make(tmp_path)
    look(study)
    retrain(tmp_path, longer(3), "second")
    for path in study.rglob("record.json"):  # a clock shows that these came after the look
        if ".stale" not in path.parts:
            record = {**json.loads(path.read_text()), "finished": "2999-01-01T00:00:00+00:00"}
            path.write_text(json.dumps({**record, SEAL: seal(record)}))
    assert "analysis" not in retrain(tmp_path, PROTOCOL, "")
    assert any(planned(study))
    assert not [text for text in look(study) if text.startswith("trained again")]


def test_removed_cells_that_the_protocol_drops_are_left_out_by_name(tmp_path: Path) -> None:
    study = make(tmp_path)
    remove(study, Wanted(student="wide"))
    make(tmp_path, text=PROTOCOL.replace("  wide: {model: {name: cnn, channels: [6]}}\n", ""))
    warnings = look(study)
    assert [text for text in warnings if "left out" in text and "main/wide/baseline" in text]
    assert planned(study) == {False}


def test_a_teacher_does_not_go_before_its_students(tmp_path: Path) -> None:
    study = make(tmp_path)
    with pytest.raises(InputError, match="was trained from teacher/seed-0, and would stay"):
        remove(study, Wanted(only=("teacher",)))
    assert len(runs(study)) == RUNS
    remove(study, Wanted(only=("teacher", "*/kd-*")))
    assert len(runs(study)) == RUNS - 12


def test_fewer_seeds_are_said_to_be_given_up_or_waited_for(tmp_path: Path) -> None:
    """By `plan` and `run` beforehand: after a look they stay planned, before it verdicts are exploratory."""
    study = make(tmp_path, train=at(0, 1))
    protocol = load_protocol(tmp_path / "made.yaml")

    def says() -> list[str]:
        return [text for text in seeds_warnings(study, protocol, (0, 1)) if "fewer than 5" not in text]

    assert says() == []
    found = from_study(study)
    note(found, analysis_of(found, Question(), images=False))  # means in progress
    (told,) = says()
    assert told.endswith(
        "seeds 2:4 are given up after an analysis of 2 seeds: every verdict will be exploratory"
    )
    note(found, analysis_of(found, Question(interim=True), images=False))
    (told,) = says()
    assert "seeds 2:4 were planned and stay so" in told
    assert told.endswith("`rigorkd analyze` judges them, too, and waits for those that are not there")
    assert still_asked(study, (0, 1)) == (2, 3)


def test_nothing_moves_while_a_launcher_is_at_work(tmp_path: Path) -> None:
    study = make(tmp_path)
    with Heartbeat(StudyFolder(study)) as me:
        me.begin_work()
        with pytest.raises(StoreError, match="while a launcher is at work"):
            remove(study, Wanted(seeds=(3,)))
    assert len(runs(study)) == RUNS
    assert read_changes(study) == ()
    assert not [*StudyFolder(study).launchers.iterdir()]


def test_a_run_that_is_there_again_is_not_overwritten(tmp_path: Path) -> None:
    study = make(tmp_path)
    remove(study, Wanted(only=("main/wide/kd-*",), seeds=(0, 1)))
    make(tmp_path, train=at(0), luck="second")
    back, kept = restore(study)
    assert back == ["main/wide/kd-T4-a0.5/seed-1"]
    assert kept == ["main/wide/kd-T4-a0.5/seed-0"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing is named"),
        (["--only", "main/palin/*"], "no cell matches"),
        (["--student", "wid"], "did you mean wide?"),
        (["--seeds", "9:10"], "no finished run"),
        (["--seeds", "0:4"], "all seeds"),
        (["--restore"], "nothing was set aside"),
        (["--seeds", "x"], "x"),
        (["--restore", "--seeds", "1"], "go alone"),
        (["--number", "1"], "--restore"),
    ],
)
def test_bad_input_is_one_message(tmp_path: Path, arguments: list[str], says: str) -> None:
    study = make(tmp_path)
    result = CliRunner().invoke(command, [str(study), *arguments])
    assert result.exit_code
    error = result.exception
    text = (str(error) if isinstance(error, InputError) else "") + result.output
    assert says in text
    assert len(runs(study)) == RUNS


def test_the_command_says_what_it_did_and_lists_it(tmp_path: Path) -> None:
    study = make(tmp_path)

    def invoke(*words: str) -> str:
        return CliRunner().invoke(command, [str(study), *words]).output

    assert "nothing was removed" in invoke("--list")
    said = invoke("--student", "wide", "--because", "two\nlines")
    assert "8 runs set aside" in said
    assert "trains them again" in said
    assert "--restore" in said
    assert "1: removed" in (listed := invoke("--list"))
    assert "8 records set aside; two lines" in listed
    assert "8 runs put back" in invoke("--restore")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"runs": []}',
        json.dumps({"what": "removed", "runs": {"../x": ["a", "b"]}}),
        *(
            json.dumps(
                {"what": "removed", "time": "now", "runs": {}, "seeds": [], "place": "1", "looked": None}
                | {"reason": "", "sources": []}
                | changes
            )
            for changes in (
                {"seeds": [-1]},
                {"seeds": ["1"]},
                {"seeds": [True]},
                {"place": "../.."},
                {"place": "9" * 5000},
                {"looked": -3},
                {"looked": "5"},
                {"runs": {"main/x/seed-0": ["a"]}},
                {"runs": {"/etc/seed-0": ["a", "b"]}},
                {"runs": {"a/../seed-0": ["a", "b"]}},
            )
        ),
    ],
)
def test_a_line_that_nobody_wrote_is_none(tmp_path: Path, line: str) -> None:
    study = make(tmp_path, seeds=(0, 1))
    (study / "changes.jsonl").write_text(line + "\n")
    assert read_changes(study) == ()
    assert remove(study, Wanted(seeds=(1,))).place == study / ".removed" / "1"
    assert len(read_changes(study)) == 1


def test_a_torn_line_was_noted_before_anything_moved(tmp_path: Path) -> None:
    study = make(tmp_path)
    remove(study, Wanted(student="wide"))
    with (study / "changes.jsonl").open("a") as file:
        file.write('{"what": "remo')
    assert len(read_changes(study)) == 1
    restore(study)
    assert [change.what for change in read_changes(study)] == ["removed", "restored"]
    assert len(runs(study)) == RUNS


@pytest.mark.parametrize("seeds", ["3", " 1 ", "0"])
def test_a_lone_number_of_seeds_is_not_guessed_at(tmp_path: Path, seeds: str) -> None:
    """Three seeds for `run`; one seed for many who remove it."""
    study = make(tmp_path)
    refused = CliRunner().invoke(command, [str(study), "--seeds", seeds])
    assert isinstance(refused.exception, InputError)
    assert f"--seeds {seeds.strip()}, with the comma for seed {seeds.strip()} alone" in refused.exception.hint
    assert ("--seeds 0:3 for the seeds 0 to 2" in refused.exception.hint) == (seeds == "3")
    assert len(runs(study)) == RUNS


def test_with_a_comma_it_is_one_seed(tmp_path: Path) -> None:
    study = make(tmp_path)
    done = CliRunner().invoke(command, [str(study), "--seeds", "3,"])
    assert done.exit_code == 0, done.output
    assert read_info(study).seeds == (0, 1, 2)


def test_status_says_what_was_removed(tmp_path: Path) -> None:
    study = make(tmp_path)
    assert "removed" not in study_status(study).text()
    remove(study, Wanted(seeds=(2, 3)), WHY)
    remove(study, Wanted(only=("main/wide/kd-*",)))
    text = study_status(study).text()
    assert "number 1: seeds 2:4, 10 runs (" in text
    assert f"10 set aside; {WHY}" in text
    assert "number 2: 2 runs (main/wide/kd-T4-a0.5/seed-0, main/wide/kd-T4-a0.5/seed-1); 2 set aside" in text
    assert f"back with: rigorkd remove {study} --restore" in text
    first, second = study_status(study).document()["removed"]
    assert (first["seeds"], first["reason"], first["aside"], len(second["runs"])) == ([2, 3], WHY, 10, 2)
    clear(study, ["aside"])
    assert "2 runs (main/wide/kd-T4-a0.5/seed-0, main/wide/kd-T4-a0.5/seed-1); nothing of it is kept" in (
        study_status(study).text()
    )
    make(tmp_path, train=at(0, 1))
    assert [one["number"] for one in study_status(study).document()["removed"]] == ["1"]


def test_what_comes_back_comes_back_through_no_link(tmp_path: Path) -> None:
    study = make(tmp_path)
    remove(study, Wanted(student="wide"))
    shutil.rmtree(study / "main/wide")
    (tmp_path / "elsewhere").mkdir()
    (study / "main/wide").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="main/wide: a link to a folder"):
        restore(study)
    assert not [*(tmp_path / "elsewhere").iterdir()]
    assert len(read_changes(study)) == 1


def test_more_seeds_than_a_study_can_have_are_not_asked_for_again(tmp_path: Path) -> None:
    study = make(tmp_path, seeds=(0, 1))
    remove(study, Wanted(seeds=(1,)))
    line = json.loads((study / "changes.jsonl").read_text())
    (study / "changes.jsonl").write_text(json.dumps(line | {"seeds": list(range(1, 12_000))}) + "\n")
    with pytest.raises(InputError, match="12,000 seeds, and a study has at most 10,000"):
        restore(study)
    assert read_info(study).seeds == (0,)
    assert len(read_changes(study)) == 1
