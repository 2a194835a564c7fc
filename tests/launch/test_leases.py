"""Launchers that share a study: who lives, who holds what, and that only one ever does."""

from __future__ import annotations

import json
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rigorkd.errors import InputError
from rigorkd.launch import heartbeat, leases
from rigorkd.launch.heartbeat import Heartbeat, Holder, Liveness, ProcessId, expiry, read_holder
from rigorkd.launch.leases import Leases
from rigorkd.launch.progress import Progress, ProgressFile
from rigorkd.launch.run_states import State, find_run_states
from rigorkd.protocol.load import load_protocol
from rigorkd.records.layout import StudyFolder

RUN = "main/plain/baseline/seed-0"


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "study")


class Clock:
    """A monotonic clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def leases_of(study: StudyFolder, me: Heartbeat) -> Leases:
    return Leases(study, me, Liveness(study))


def remote(study: StudyFolder, identity: str, beat: int) -> Holder:
    """The entry of a launcher on another host, with its counter at `beat`."""
    holder = Holder(identity, ProcessId("another place", 1, "1"), "")
    folder = study.launcher(identity)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "holder.json").write_text(json.dumps(asdict(holder)))
    (folder / "beat").write_text(f"{beat:020d}\n")
    return holder


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    me = ProcessId.of(os.getpid())
    assert me.lives()
    assert not replace(me, started="0").lives(), "another process had this number once"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = heartbeat._start_time(child.pid)
    assert started is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not ProcessId(me.place, child.pid, started).lives(), "it is dead, though nobody has reaped it"
    child.communicate()


def test_one_holder_at_a_time(study: StudyFolder) -> None:
    with Heartbeat(study) as a, Heartbeat(study) as b:
        first, second = leases_of(study, a), leases_of(study, b)
        assert first.take(RUN)
        assert first.take(RUN), "it holds it already"
        assert not second.take(RUN)
        assert second.take("main/plain/baseline/seed-1")
        holder = second.holder(RUN)
        assert holder is not None
        assert holder.id == a.holder.id


def test_what_a_launcher_held_is_free_when_it_has_left(study: StudyFolder) -> None:
    with Heartbeat(study) as b:
        second = leases_of(study, b)
        with Heartbeat(study) as a:
            assert leases_of(study, a).take(RUN)
        assert second.holder(RUN) is None
        assert second.take(RUN)
    assert list(study.launchers.iterdir()) == []


def test_a_killed_launcher_of_this_host_holds_nothing(study: StudyFolder) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from rigorkd.launch.leases import Leases\n"
        "from rigorkd.launch.heartbeat import Heartbeat, Liveness\n"
        "from rigorkd.records.layout import StudyFolder\n"
        f"study = StudyFolder(pathlib.Path({str(study.path)!r}))\n"
        "with Heartbeat(study) as me:\n"
        f"    assert Leases(study, me, Liveness(study)).take({RUN!r})\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(list(study.launchers.iterdir())) == 1
    with Heartbeat(study) as me:
        mine = leases_of(study, me)
        assert mine.liveness.launchers() == [me.holder]
        assert mine.take(RUN)
        mine.liveness.reap()
        assert [path.name for path in study.launchers.iterdir()] == [me.holder.id]


def test_a_launcher_is_not_dead_before_its_workers_are(study: StudyFolder) -> None:
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    dead = Holder("gone", replace(ProcessId.of(os.getpid()), started="0"), "")
    folder = study.launcher("gone")
    folder.mkdir(parents=True)
    (folder / "holder.json").write_text(json.dumps(asdict(dead)))
    assert not Liveness(study).alive(dead)
    (folder / "worker-0.json").write_text(json.dumps(asdict(ProcessId.of(worker.pid))))
    (folder / "worker-1.json").write_text("{")
    assert Liveness(study).alive(dead)
    worker.kill()
    worker.communicate()
    assert not Liveness(study).alive(dead)


def test_a_launcher_on_another_host_is_dead_when_its_counter_stands_still(study: StudyFolder) -> None:
    clock = Clock()
    liveness = Liveness(study, after=90, now=clock)
    holder = remote(study, "other", beat=1)
    assert liveness.alive(holder)
    clock.seconds = 89
    assert liveness.alive(holder)
    remote(study, "other", beat=2)
    clock.seconds = 100
    assert liveness.alive(holder), "the counter moved"
    clock.seconds = 189
    assert liveness.alive(holder)
    clock.seconds = 191
    assert not liveness.alive(holder)


def test_before_records_are_pulled_away_a_launcher_on_another_host_is_watched(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    liveness = Liveness(study, after=90, now=clock)
    holder = remote(study, "other", beat=1)

    def sleep(seconds: float) -> None:
        clock.seconds += seconds
        if beats:
            remote(study, "third", beats.pop())

    monkeypatch.setattr("rigorkd.launch.heartbeat.time.sleep", sleep)
    beats: list[int] = []
    assert liveness.proven([holder]) == []
    assert clock.seconds == 90
    beats.append(2)
    third = remote(study, "third", beat=1)
    assert liveness.proven([third]) == [third]
    assert clock.seconds < 92


def test_launchers_are_watched_all_at_once(study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    liveness = Liveness(study, after=90, now=clock)
    dead = [remote(study, f"dead-{n}", beat=1) for n in range(3)]
    living = remote(study, "living", beat=1)

    def sleep(seconds: float) -> None:
        clock.seconds += seconds
        remote(study, "living", beat=1 + int(clock.seconds))

    monkeypatch.setattr("rigorkd.launch.heartbeat.time.sleep", sleep)
    with Heartbeat(study) as here:
        assert liveness.proven([*dead, living, here.holder]) == [here.holder, living]
    assert clock.seconds == 90
    assert liveness.launchers() == [living]


def test_what_a_dead_launcher_on_another_host_trained_runs_no_more(
    study: StudyFolder, protocol_file: Path
) -> None:
    protocol = load_protocol(protocol_file)
    remote(study, "other", beat=1)
    progress = Progress.of({RUN: 3})
    progress.running.append(RUN)
    ProgressFile(study.launcher("other")).write(progress, force=True)
    clock = Clock()
    liveness = Liveness(study, after=90, now=clock)
    found = find_run_states(protocol, (0,), study, "reference", {}, liveness=liveness)
    assert found.state[RUN] is State.RUNNING
    clock.seconds = 91
    found = find_run_states(protocol, (0,), study, "reference", {}, liveness=liveness)
    assert found.state[RUN] is State.MISSING


def test_file_times_and_the_wall_clock_decide_nothing(study: StudyFolder) -> None:
    clock = Clock()
    liveness = Liveness(study, after=90, now=clock)
    holder = remote(study, "other", beat=1)
    assert liveness.alive(holder)
    os.utime(study.launcher("other") / "beat", (0, 0))
    assert liveness.alive(holder), "a file of 1970"
    os.utime(study.launcher("other") / "beat", (2**32, 2**32))
    clock.seconds = 91
    assert not liveness.alive(holder), "a file of the future"


def test_a_lease_of_an_expired_launcher_is_taken_over_once(study: StudyFolder) -> None:
    other = remote(study, "other", beat=1)
    folder = study.leases(RUN)
    folder.mkdir(parents=True)
    os.link(study.launcher("other") / "holder.json", folder / "1")
    clock = Clock()
    with Heartbeat(study) as a, Heartbeat(study) as b:
        liveness = Liveness(study, after=90, now=clock)
        first, second = Leases(study, a, liveness), Leases(study, b, liveness)
        assert not first.take(RUN)
        assert first.holder(RUN) == other
        clock.seconds = 91
        assert [first.take(RUN), second.take(RUN)] == [True, False]
        # The other was only asleep: it comes back, and finds that it holds the run no longer.
        remote(study, "other", beat=2)
        assert first.holder(RUN) == a.holder


def test_a_launcher_that_was_reaped_alive_appears_again(study: StudyFolder) -> None:
    with Heartbeat(study) as a, Heartbeat(study) as b:
        (a.folder / "holder.json").unlink()
        a._raise_counter()
        assert {holder.id for holder in Liveness(study).launchers()} == {a.holder.id, b.holder.id}
        (a.folder / "holder.json").unlink()
        assert leases_of(study, a).take(RUN)
        assert not leases_of(study, b).take(RUN)


def test_a_torn_lease_holds_nothing(study: StudyFolder) -> None:
    study.leases(RUN).mkdir(parents=True)
    (study.leases(RUN) / "1").write_bytes(b'{"id"')
    with Heartbeat(study) as me:
        assert leases_of(study, me).take(RUN)
    (study.path / "holder.json").write_bytes(b"[]")
    assert read_holder(study.path / "holder.json", study) is None


def test_without_hard_links(study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    with Heartbeat(study) as a, Heartbeat(study) as b:
        assert leases_of(study, a).take(RUN)
        assert not leases_of(study, b).take(RUN)


def _take_all(path: Path, names: list[str], barrier: threading.Barrier, won: list[list[str]]) -> None:
    study = StudyFolder(path)
    with Heartbeat(study) as me:
        mine = leases_of(study, me)
        barrier.wait()
        won.append([name for name in names if mine.take(name)])
        barrier.wait()


def test_many_at_once_each_run_has_one_holder(study: StudyFolder) -> None:
    names = [f"main/x/baseline/seed-{seed}" for seed in range(40)]
    for name in names[::2]:  # half of them were held by the dead
        study.leases(name).mkdir(parents=True)
        dead = Holder("gone", ProcessId.of(os.getpid()), "")
        (study.leases(name) / "1").write_text(json.dumps(asdict(dead)))
    barrier = threading.Barrier(6)
    won: list[list[str]] = []
    threads = [threading.Thread(target=_take_all, args=(study.path, names, barrier, won)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for part in won for name in part) == sorted(names)


def _count_up(path: Path, times: int) -> None:
    study = StudyFolder(path)
    with Heartbeat(study) as me:
        mine = leases_of(study, me)
        for _ in range(times):
            with mine.whole_study():
                counter = path / "counter"
                counter.write_text(str(int(counter.read_text()) + 1))


def test_the_study_is_changed_by_one_at_a_time(study: StudyFolder) -> None:
    study.path.mkdir()
    (study.path / "counter").write_text("0")
    context = mp.get_context("spawn")
    processes = [context.Process(target=_count_up, args=(study.path, 25)) for _ in range(3)]
    for one in processes:
        one.start()
    for one in processes:
        one.join()
    assert (study.path / "counter").read_text() == "75"
    assert len(list(study.leases(".study").iterdir())) == 2, "old leases are not kept"


def test_a_lease_given_back_is_not_taken_for_held_while_it_is_removed(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two steps of a removal its holder, who had listed the leases before, looks at them."""
    with Heartbeat(study) as a, Heartbeat(study) as b:
        holder, remover = leases_of(study, a), leases_of(study, b)
        with holder.whole_study():
            pass
        folder = study.leases(".study")
        unlink = Path.unlink
        looked = []

        def look_and_unlink(path: Path, missing_ok: bool = False) -> None:
            unlink(path, missing_ok)
            if path.parent == folder:
                monkeypatch.setattr(leases, "_highest", lambda folder: 1)
                looked.append(holder._take(folder))
                monkeypatch.undo()
                monkeypatch.setattr(Path, "unlink", look_and_unlink)

        monkeypatch.setattr(Path, "unlink", look_and_unlink)
        with remover.whole_study():
            monkeypatch.undo()
            assert looked == [None, None]


@given(st.lists(st.sampled_from(["a takes", "b takes", "a leaves", "b leaves"]), max_size=12))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_there_is_never_more_than_one_living_holder(tmp_path_factory: object, moves: list[str]) -> None:
    assert isinstance(tmp_path_factory, pytest.TempPathFactory)
    study = StudyFolder(tmp_path_factory.mktemp("study"))
    here = {"a": Heartbeat(study), "b": Heartbeat(study)}
    held = dict.fromkeys(here, False)
    for one in here.values():
        one.appear()
    for move in moves:
        name = move[0]
        if move.endswith("takes"):
            held[name] = leases_of(study, here[name]).take(RUN)
        else:
            (here[name].folder / "holder.json").unlink(missing_ok=True)
            here[name] = Heartbeat(study)
            here[name].appear()
            held[name] = False
        assert sum(held.values()) <= 1
        holder = leases_of(study, here["a"]).holder(RUN)
        assert {key for key, is_held in held.items() if is_held} == (
            set() if holder is None else {key for key, one in here.items() if one.holder == holder}
        )


def test_the_expiry_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert expiry() == 90
    monkeypatch.setenv("RIGORKD_LAUNCHER_EXPIRY", "5")
    assert expiry() == 5
    for wrong in ("soon", "0", "-1", "nan"):
        monkeypatch.setenv("RIGORKD_LAUNCHER_EXPIRY", wrong)
        with pytest.raises(InputError, match="RIGORKD_LAUNCHER_EXPIRY"):
            expiry()
