"""The ledger of a search: append-only, hashed line by line, whole after a crash, shared by processes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rigorkd_analysis.stats.gating import GateVerdict, Pairs, share

from rigorkd.errors import InputError, StoreError
from rigorkd.records.gate_ledger import Asked, Search, known_search, opened_ledger, read_ledger

ASKED = Asked(0.05, 0.0, "accuracy", "max")


def pairs(candidate: str, n: int, base: str = "base") -> Pairs:
    values = tuple(float(seed) for seed in range(n))
    return Pairs(base, candidate, tuple(range(n)), values, tuple(value + 0.5 for value in values))


def begun(path: Path, *verdicts: str) -> Search:
    """A ledger of comparisons a, b, c … with these verdicts, each of two seeds."""
    with opened_ledger(path) as ledger:
        search = ledger.start(ASKED, "base")
        for name, verdict in zip("abcdefgh", verdicts, strict=False):
            one = ledger.begin(search.base, name)
            ledger.look(one, pairs(name, 2, search.base), GateVerdict(verdict))
            assert ledger.search is not None
            search = ledger.search
    return search


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "search.jsonl"


def test_what_was_written_is_read(path: Path) -> None:
    written = begun(path, "undecided", "better", "worse")
    read = read_ledger(path)
    assert read == written
    assert read is not None
    assert (read.base, read.accepted, read.lines) == ("b", ("b",), 7)
    assert [one.verdict for one in read.comparisons] == ["undecided", "better", "worse"]
    assert [one.base for one in read.comparisons] == ["base", "base", "b"]
    passed = read.comparisons[1].level
    assert passed == pytest.approx(0.05 * share(2))
    assert read.comparisons[2].level == pytest.approx(0.05 * share(3) + passed)
    assert read.budget.left == pytest.approx(0.05 / 4)


def test_a_line_can_be_read_by_anybody(path: Path) -> None:
    begun(path, "undecided")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["search", "begin", "look"]
    assert [line["previous"] for line in lines[1:]] == [line["sha256"] for line in lines[:-1]]
    assert lines[2]["candidate_values"] == [0.5, 1.5]


def test_looking_again_notes_what_is_new_alone(path: Path) -> None:
    begun(path, "undecided")
    with opened_ledger(path) as ledger:
        assert ledger.search is not None
        one = ledger.search.find("base", "a")
        assert one is not None
        one = ledger.look(one, pairs("a", 2), GateVerdict.UNDECIDED)
        one = ledger.look(one, pairs("a", 4), GateVerdict.UNDECIDED)
    assert one.seeds == (0, 1, 2, 3)
    lines = path.read_text().splitlines()
    assert len(lines) == 4
    assert json.loads(lines[-1])["seeds"] == [2, 3]


def test_only_ever_appended(path: Path) -> None:
    before = b""
    for _ in range(3):
        with opened_ledger(path) as ledger:
            if ledger.search is None:
                ledger.start(ASKED, "base")
            one = ledger.begin("base", f"c{len(before)}")
            ledger.look(one, pairs("c", 2), GateVerdict.WORSE)
        now = path.read_bytes()
        assert now.startswith(before)
        before = now


@pytest.mark.parametrize("line", range(1, 8))
def test_an_edited_line_is_named(path: Path, line: int) -> None:
    begun(path, "undecided", "better", "worse")
    lines = path.read_text().splitlines()
    entry = json.loads(lines[line - 1])
    entry["time"] = "2026-01-01T00:00:00+00:00"
    lines[line - 1] = json.dumps(entry)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match=rf"search.jsonl:{line}: the line was edited"):
        read_ledger(path)


@pytest.mark.parametrize("line", range(2, 7))
def test_a_missing_line_is_named_by_the_next(path: Path, line: int) -> None:
    begun(path, "undecided", "better", "worse")
    lines = path.read_text().splitlines()
    del lines[line - 1]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match=rf"search.jsonl:{line}: .*lines were removed"):
        read_ledger(path)


def test_a_line_that_is_edited_with_its_hash_breaks_the_chain(path: Path) -> None:
    """Cheaper alpha, with a hash that fits: the line does not spend its share."""
    from rigorkd.records.gate_ledger import _hash

    begun(path, "undecided")
    lines = path.read_text().splitlines()
    entry = json.loads(lines[1])
    del entry["sha256"]
    entry["level"] = 0.0001
    lines[1] = json.dumps({**entry, "sha256": _hash(entry)})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match=r"search.jsonl:2: the line was edited"):
        read_ledger(path)


def test_a_last_line_torn_anywhere_spends_its_alpha_and_the_rest_stands(path: Path) -> None:
    begun(path, "undecided", "undecided")
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rindex(b"\n") + 1
    for cut in range(start + 1, len(whole) - 2, 7):
        path.write_bytes(whole[:cut])
        search = read_ledger(path)
        assert search is not None
        assert search.torn == ((5, pytest.approx(0.05 * share(3))),)
        assert search.budget.begun == 3
        with opened_ledger(path) as ledger:
            one = ledger.begin("base", "next")
        assert (one.number, one.level) == (4, pytest.approx(0.05 * share(4)))
        assert path.read_bytes().startswith(whole[:cut])
        again = read_ledger(path)
        assert again is not None
        assert (again.torn, again.budget.begun, again.lines) == (search.torn, 4, 7)


def test_a_line_torn_in_the_middle_is_not_believed(path: Path) -> None:
    begun(path, "undecided", "undecided")
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:30]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match=r"search.jsonl:3: the line was edited: it cannot be read"):
        read_ledger(path)


@pytest.mark.parametrize("seed", range(3))
def test_no_harm_to_a_ledger_goes_unseen(path: Path, seed: int) -> None:
    """A byte that is changed, lost or added is named, or tears the last line; nothing else than that."""
    written = begun(path, "undecided", "better", "worse")
    whole, last = path.read_bytes(), path.read_bytes().rstrip(b"\n").rindex(b"\n") + 1
    rng = random.Random(seed)
    for _ in range(60):
        at, byte = rng.randrange(len(whole) - 1), bytes([rng.randrange(32, 127)])
        harmed = rng.choice((whole[:at] + byte, whole[:at], whole[:at] + byte + whole[at:][:1]))
        harmed += whole[at + 1 :]
        path.write_bytes(harmed)
        try:
            read = read_ledger(path)
        except StoreError:
            continue
        assert read is not None
        same = [json.loads(line) for line in harmed.splitlines()] if not read.torn else []
        assert same == [json.loads(line) for line in whole.splitlines()] or at >= last
        assert read.budget.begun >= written.budget.begun


def test_two_crashes_in_a_row(path: Path) -> None:
    begun(path, "undecided")
    with path.open("ab") as file:
        file.write(b'{"kind": "beg\n{"kind": "to')
    with opened_ledger(path) as ledger:
        one = ledger.begin("base", "next")
    assert one.number == 4
    search = read_ledger(path)
    assert search is not None
    assert [line for line, _ in search.torn] == [4, 5]


def test_a_search_that_never_began(path: Path) -> None:
    begun(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError, match="the search had not begun and nothing is spent"):
        read_ledger(path)
    path.write_bytes(b"")
    assert read_ledger(path) is None


@pytest.mark.parametrize("content", ["cell,seed\n", '{"schema": "rigorkd.record/1"}\n', "[1]\n"])
def test_another_file_is_no_ledger(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(StoreError, match="no ledger"), opened_ledger(path):
        pass
    assert path.read_text() == content


def test_a_newer_ledger_is_named_as_newer(path: Path) -> None:
    path.write_text('{"schema": "rigorkd.gate-ledger/2"}\n')
    with pytest.raises(StoreError, match="newer rigorkd"):
        read_ledger(path)


def test_no_folder_and_no_link(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"), opened_ledger(tmp_path / "no" / "l.jsonl"):
        pass
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(StoreError, match="a link") as refused, opened_ledger(tmp_path / "link.jsonl"):
        pass
    assert "elsewhere.jsonl" in refused.value.hint
    with pytest.raises(StoreError, match="a link"):
        known_search(tmp_path / "link.jsonl")


def test_without_locks_there_is_no_ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(descriptor: int, lock: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(StoreError, match="cannot lock it"), opened_ledger(path):
        pass


def test_a_ledger_that_may_be_read_alone_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is opened to be written, whoever asks: root may write what others may not."""
    search, really = begun(path, "undecided"), os.open

    def read_only(name: Path, flags: int, mode: int = 0o777) -> int:
        assert not flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT)
        return really(name, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    assert known_search(path) == search
    assert known_search(path.with_name("none.jsonl")) is None


def test_a_comparison_is_found_while_its_base_is_the_base(path: Path) -> None:
    search = begun(path, "undecided", "better", "worse")
    assert search.find("base", "a") is None  # the base is b by now
    made = search.find("base", "b")
    assert made is not None
    assert made.verdict == "better"
    assert search.find("b", "c") is not None
    assert search.used_up("b", "d") == {"they accepted b, so they are its lucky ones": (0, 1)}
    assert search.used_up("x", "y") == {}


def test_a_candidate_that_is_back_is_compared_where_it_was_not_seen(path: Path) -> None:
    """Which of many losers comes back may rest on the values that they were seen to have."""
    search = begun(path, "undecided", "better")
    assert search.used_up("b", "a") == {
        "a was seen there before, in comparison 1": (0, 1),
        "they accepted b, so they are its lucky ones": (0, 1),
    }
    assert "a was seen" not in str(search.used_up("b", "c"))


def test_who_is_accepted_twice_has_used_up_both_times(path: Path) -> None:
    begun(path, "better", "better")
    with opened_ledger(path) as ledger:
        both = Pairs("b", "a", (8, 9), (0.0, 1.0), (0.5, 1.5))
        ledger.look(ledger.begin("b", "a"), both, GateVerdict.BETTER)
        assert ledger.search is not None
        used = ledger.search.used_up("a", "c")
    assert {seed for seeds in used.values() for seed in seeds} == {0, 1, 8, 9}


COMPARES = """
import sys
from pathlib import Path
from rigorkd_analysis.stats.gating import GateVerdict, Pairs
from rigorkd.records.gate_ledger import opened_ledger

for number in range(20):
    name = f"{sys.argv[2]}-{number}"
    with opened_ledger(Path(sys.argv[1])) as ledger:
        one = ledger.begin("base", name)
        ledger.look(one, Pairs("base", name, (0, 1), (1.0, 2.0), (0.5, 1.0)), GateVerdict("worse"))
"""


def _whole(path: Path, groups: int) -> None:
    search = read_ledger(path)
    assert search is not None
    names = {f"{group}-{number}" for group in range(groups) for number in range(20)}
    assert {one.candidate for one in search.comparisons} == names
    assert [one.number for one in search.comparisons] == list(range(1, 20 * groups + 1))
    assert all(one.verdict == "worse" for one in search.comparisons)
    assert search.budget.left == pytest.approx(0.05 / (20 * groups + 1))


def test_several_that_write_at_once_lose_nothing(path: Path) -> None:
    """The lock belongs to who has opened the file, be it in one process or in several."""

    def compare(group: int) -> None:
        for number in range(20):
            with opened_ledger(path) as ledger:
                one = ledger.begin("base", f"{group}-{number}")
                ledger.look(one, pairs(one.candidate, 2), GateVerdict.WORSE)

    begun(path)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(compare, range(3)))
    _whole(path, 3)


@pytest.mark.slow
def test_two_processes_lose_nothing(path: Path) -> None:
    begun(path)
    workers = [subprocess.Popen([sys.executable, "-c", COMPARES, path, str(who)]) for who in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    _whole(path, 2)


def test_what_no_crash_can_leave_is_no_ledger(path: Path) -> None:
    begun(path, "undecided")
    with path.open("ab") as file:
        file.write(b"\n" * 2**20 + b"x\n")
    with pytest.raises(StoreError, match=r"search.jsonl:104: .* it and 100 before it cannot be read"):
        read_ledger(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("alpha", 0), ("alpha", 0.5), ("alpha", True), ("alpha", "inf"), ("margin", -1), ("margin", None)],
)
def test_a_search_that_nobody_can_have_asked(path: Path, key: str, value: object) -> None:
    from rigorkd.records.gate_ledger import _hash

    begun(path)
    entry = json.loads(path.read_text()) | {key: value}
    del entry["sha256"]
    path.write_text(json.dumps(entry | {"sha256": _hash(entry)}) + "\n")
    with pytest.raises(StoreError, match=r"search.jsonl:1: the line was edited: it asks nothing"):
        read_ledger(path)
