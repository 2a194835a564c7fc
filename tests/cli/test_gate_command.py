"""`rigorkd gate` as a script meets it: exit codes, the line for people, the document, the ledger.

After a change that is meant: `python tests/cli/test_gate_command.py` writes the golden documents anew.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rigorkd.cli import main

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]
GOLDEN = Path(__file__).parent / "golden"

BASE = (70.0, 70.6, 69.7, 70.2, 69.9, 70.4, 70.1, 69.8, 70.3, 70.0, 70.5, 69.6)
GAINS = {
    "better": (1.4, 1.9, 1.1, 1.6, 1.5, 1.3, 1.8, 1.2, 1.7, 1.4, 1.6, 1.5),
    "second": (3.1, 2.6, 3.3, 2.9, 3.0, 2.8, 3.2, 2.7, 3.1, 2.9, 3.0, 3.2),
    "worse": (-1.4, -1.9, -1.1, -1.6, -1.5, -1.3, -1.8, -1.2, -1.7, -1.4, -1.6, -1.5),
    "same": (0.02, -0.03, 0.01, 0.0, -0.02, 0.03, -0.01, 0.02, 0.0, -0.02, 0.01, 0.01),
    "noisy": (0.9, -1.1, 1.6, -0.2, 0.8, -0.9, 1.2, 0.3, -0.4, 0.7, -0.6, 0.5),
}


def rows(cell: str, seeds: range) -> list[str]:
    gains = GAINS.get(cell, (0.0,) * 12)
    return [f"{cell},{seed},{BASE[seed] + gains[seed]:.2f}" for seed in seeds]


def write(folder: Path, n: int = 12, *cells: str, first: int = 0) -> Path:
    """A table of these cells (all by default) and the base at seeds `first` to `first + n − 1`."""
    lines = [line for cell in ("base", *(cells or GAINS)) for line in rows(cell, range(first, first + n))]
    path = folder / "runs.csv"
    path.write_text("cell,seed,accuracy\n" + "\n".join(lines) + "\n")
    return path


def plain(text: str) -> str:
    """A document without what each run has anew, and without the digits that processors differ in."""
    text = re.sub(r"-?\d+\.\d{9,}", lambda found: f"{float(found[0]):.9f}", text)
    return re.sub(r'"head": "[0-9a-f]{64}"', '"head": "…"', text)


# -------------------------------------------------------------------------------------------- one comparison

SAYS = {
    ("better",): (0, "better: better against base, +1.50 points over 4 seeds, at least +0.64 (error 0.05)."),
    ("worse",): (1, "worse: worse against base, −1.50 points over 4 seeds, at most −0.64 (error 0.05)."),
    ("same", "--margin", "0.5"): (
        *(1, "equivalent: same against base, 0.00 points over 3 seeds, within ±0.50 points (error 0.05)."),
    ),
    ("noisy",): (
        3,
        "undecided whether better: noisy against base, +0.23 points over 12 seeds; "
        "probably at least 20 more seeds.",
    ),
    ("noisy", "--max-seeds", "12"): (
        3,
        "undecided whether better: noisy against base, +0.23 points over 12 seeds; stopped at 12 seeds.",
    ),
    ("better", "--margin", "1"): (
        0,
        "better by more than 1.00 points: better against base, +1.47 points over 6 seeds, "
        "at least +1.02 (error 0.05).",
    ),
    ("worse", "--goal", "min"): (
        *(0, "better: worse against base, +1.50 points over 4 seeds, at least +0.64 (error 0.05)."),
    ),
}


@pytest.mark.parametrize("words", SAYS, ids=" ".join)
def test_exit_codes_and_one_line(tmp_path: Path, rigorkd: Rigorkd, words: tuple[str, ...]) -> None:
    write(tmp_path)
    done = rigorkd("gate", "base", *words, "--in", "runs.csv")
    assert (done.returncode, done.stdout) == (SAYS[words][0], SAYS[words][1] + "\n"), done.stderr


def documents(folder: Path, rigorkd: Rigorkd) -> dict[str, str]:
    """What `--format json` prints, by the name of its golden file."""
    write(folder)
    ledger = ("--ledger", "search.jsonl", "--margin", "0.3", "--max-seeds", 30, "--format", "json")
    return {
        "gate-better.json": rigorkd(
            *("gate", "base", "better", "--in", "runs.csv", "--format", "json")
        ).stdout,
        "gate-undecided.json": rigorkd(*("gate", "base", "noisy", "--in", "runs.csv", *ledger)).stdout,
        "gate-search.json": rigorkd("gate", *ledger[:2], "--format", "json").stdout,
    }


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory, command_line: Rigorkd) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("gate")
    return documents(folder, lambda *words: command_line(*words, cwd=folder))


@pytest.mark.parametrize("name", ["gate-better.json", "gate-undecided.json", "gate-search.json"])
def test_documents_are_as_stored(printed: dict[str, str], name: str) -> None:
    assert plain(printed[name]) == (GOLDEN / name).read_text(encoding="utf-8")


def test_the_document_says_what_it_rests_on(printed: dict[str, str]) -> None:
    found = json.loads(printed["gate-undecided.json"])
    assert found["schema"] == "rigorkd.gate/1"
    assert (found["verdict"], found["exit_code"]) == ("undecided", 3)
    assert len(found["seeds"]) == len(found["differences"]) == found["n"] == 12
    assert found["search"]["comparison"] == 1
    better = json.loads(printed["gate-better.json"])
    assert better["improvement_low"] > 0
    assert better["decided_at"] == better["n"] < 12


def test_other_formats_hold_the_same(tmp_path: Path, rigorkd: Rigorkd) -> None:
    write(tmp_path)
    words = ("gate", "base", "better", "--in", "runs.csv", "--format")
    (row,) = csv.DictReader(io.StringIO(rigorkd(*words, "csv").stdout))
    assert (row["verdict"], row["exit_code"], row["candidate"]) == ("better", "0", "better")
    for form in ("markdown", "latex"):
        done = rigorkd(*words, form)
        assert done.returncode == 0
        assert "better against base" in done.stdout


def test_two_files_of_seeds_and_values(tmp_path: Path, rigorkd: Rigorkd) -> None:
    for name, gain in (("old", 0.0), ("new", 1.5)):
        lines = [
            f"{seed},{value + gain + 0.1 * (-1) ** seed * (gain > 0):.2f}" for seed, value in enumerate(BASE)
        ]
        (tmp_path / f"{name}.csv").write_text("seed,accuracy\n" + "\n".join(lines) + "\n")
    done = rigorkd("gate", "old.csv", "new.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("better: new.csv against old.csv, +1.5")
    assert rigorkd("gate", "new.csv", "old.csv").returncode == 1


def test_a_margin_in_points_beside_fractions_is_named(tmp_path: Path, rigorkd: Rigorkd) -> None:
    text = write(tmp_path).read_text()
    (tmp_path / "runs.csv").write_text(
        re.sub(r"\d+\.\d+", lambda found: f"{float(found[0]) / 100:.4f}", text)
    )
    words = ("gate", "base", "better", "--in", "runs.csv", "--margin")
    done = rigorkd(*words, 0.3)
    assert "a margin of 0.3 is 30 points here: accuracy is in fractions of 1" in done.stderr
    assert "points here" not in rigorkd(*words, 0.003).stderr


def test_only_seeds_that_were_asked_for_are_missed(tmp_path: Path, rigorkd: Rigorkd) -> None:
    text = write(tmp_path, 8, "better").read_text()
    lines = [line for line in text.splitlines() if "better,7," not in line]
    (tmp_path / "runs.csv").write_text("\n".join(lines) + "\n")
    words = ("gate", "base", "better", "--in", "runs.csv")
    assert "1 seed of base alone: 7:8; only pairs count" in rigorkd(*words).stderr
    assert "only pairs count" not in rigorkd(*words, "--seeds", "0:6").stderr


def test_seeds_beyond_the_limit_are_counted(tmp_path: Path, rigorkd: Rigorkd) -> None:
    write(tmp_path)
    done = rigorkd("gate", "base", "noisy", "--in", "runs.csv", "--max-seeds", 5)
    assert "over 12 seeds; stopped at 12 seeds." in done.stdout


def test_it_is_the_same_however_often_it_was_looked_at(tmp_path: Path, rigorkd: Rigorkd) -> None:
    codes = []
    for n in range(2, 7):
        write(tmp_path, n, "better")
        words = ("gate", "base", "better", "--in", "runs.csv", "--ledger", "search.jsonl")
        codes.append(rigorkd(*words).returncode)
    assert codes == [3] * codes.index(0) + [0] * (5 - codes.index(0))
    found = json.loads(rigorkd("gate", "--ledger", "search.jsonl", "--format", "json").stdout)
    assert [one["n"] for one in found["comparisons"]] == [codes.index(0) + 2]


# -------------------------------------------------------------------------------------------------- refusals

REFUSED = {
    ("base",): "a gate compares two: BASE and CANDIDATE",
    ("base", "base", "--in", "runs.csv"): "base is compared with itself",
    ("base", "bettr", "--in", "runs.csv"): "did you mean better?",
    ("base", "better", "--in", "runs.csv", "--max-seeds", "2"): "at most 2 seeds can accept nothing",
    ("base", "better", "--in", "runs.csv", "--margin", "-1"): "a margin of -1",
    ("base", "better", "--in", "runs.csv", "--alpha", "0.7"): "alpha = 0.7",
    ("base", "better", "--in", "runs.csv", "--metric", "loss"): "no metric 'loss'",
    ("base", "better", "--in", "none.csv"): "none.csv",
    ("runs.csv", "none.csv"): "none.csv: no such file, and runs.csv is one",
    ("none.csv", "runs.csv"): "none.csv: no such file, and runs.csv is one",
    ("base", "better", "--in", "runs.csv", "--max-seeds", "1"): "at most 1 seed can accept nothing",
    ("--ledger", "none.jsonl"): "no search has begun there",
    ("--ledger", "runs.csv"): "no ledger of a gate",
    ("base", "better", "--in", "runs.csv", "--seeds", "40:42"): "no pair of runs to compare",
    ("base", "better", "--in", "runs.csv", "--seeds", "40:42", "--ledger", "a.jsonl"): "no pair of runs",
    ("base", "better", "--in", "runs.csv", "--max-seeds", "3", "--ledger", "a.jsonl"): "takes 4 seeds",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, rigorkd: Rigorkd, words: tuple[str, ...]) -> None:
    write(tmp_path)
    done = rigorkd("gate", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert REFUSED[words] in done.stderr
    assert not list(tmp_path.glob("*.jsonl"))  # nothing is spent


@pytest.mark.parametrize("error", [RuntimeError("a fault"), OSError(errno.EIO, "a bad disk")])
def test_a_fault_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fails(**_: object) -> None:
        raise error

    monkeypatch.setattr(main.cli, "main", fails)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == os.EX_SOFTWARE
    assert str(error) in capsys.readouterr().err


def test_a_lack_of_memory_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(main.cli, "main", fails)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: there is not enough memory")
    assert said.count("\n") == 1


# ---------------------------------------------------------------------------------------------- with a ledger


@pytest.fixture
def search(tmp_path: Path, rigorkd: Rigorkd) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Gate a candidate in one search: `search("base", "better", n=6)`."""

    def gate(base: str, candidate: str, *words: object, n: int = 6) -> subprocess.CompletedProcess[str]:
        write(tmp_path, n)
        return rigorkd("gate", base, candidate, "--in", "runs.csv", "--ledger", "search.jsonl", *words)

    return gate


Search = Callable[..., subprocess.CompletedProcess[str]]


def test_an_accepted_candidate_is_the_base_and_its_seeds_are_used_up(search: Search) -> None:
    assert search("base", "noisy").returncode == 3
    accepted = search("base", "better")
    assert accepted.returncode == 0
    assert "the base is now better" in accepted.stderr
    assert search("base", "better").returncode == 0  # asked again, the same answer
    old = search("base", "second")
    assert old.returncode == 2
    assert "the base is better, which was accepted in its place, not base" in old.stderr
    again = search("base", "noisy", n=8)
    assert again.returncode == 2
    used = search("better", "second")
    assert used.returncode == 2
    assert "0:6 do not count: they accepted better" in used.stderr
    assert "from 6 on" in used.stderr
    fresh = search("better", "second", n=12)
    assert fresh.returncode == 0, fresh.stdout
    assert "seeds 0:6 do not count: they accepted better, so they are its lucky ones" in fresh.stderr


def test_what_the_ledger_knows_need_not_be_said_again(tmp_path: Path, rigorkd: Rigorkd) -> None:
    text = write(tmp_path).read_text().replace("accuracy", "score,other").replace("\n", ",1\n")
    (tmp_path / "runs.csv").write_text(text.replace("score,other,1", "score,other"))
    words = ("--in", "runs.csv", "--ledger", "search.jsonl")
    assert rigorkd("gate", "base", "noisy", *words, "--metric", "score").returncode == 2
    assert rigorkd("gate", "base", "noisy", *words, "--metric", "score", "--goal", "min").returncode == 3
    done = rigorkd("gate", "base", "worse", *words)
    assert done.returncode == 0, done.stderr
    assert rigorkd("gate", "worse", "same", *words, "--goal", "max").returncode == 2


def test_values_that_were_seen_do_not_change(search: Search, tmp_path: Path, rigorkd: Rigorkd) -> None:
    assert search("base", "noisy").returncode == 3
    words = ("gate", "base", "noisy", "--in", "runs.csv", "--ledger", "search.jsonl")
    table = tmp_path / "runs.csv"
    write(tmp_path, 8)
    text = table.read_text()
    table.write_text(text.replace("noisy,1,69.50", "noisy,1,71.50"))
    changed = rigorkd(*words)
    assert changed.returncode == 2
    assert "noisy had 69.5 at seed 1, and now has 71.5" in changed.stderr
    table.write_text(text.replace("noisy,1,69.50\n", ""))
    gone = rigorkd(*words)
    assert gone.returncode == 2
    assert "at seed 1, which is gone" in gone.stderr
    table.write_text(text)
    assert rigorkd(*words).returncode == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--margin", 0.5), "this search asks with margin 0.0, not 0.5"),
        (("--alpha", 0.01), "this search asks with alpha 0.05, not 0.01"),
        (("--goal", "min"), "this search asks with goal max, not min"),
    ],
)
def test_another_question_is_another_search(search: Search, words: tuple[object, ...], told: str) -> None:
    assert search("base", "noisy").returncode == 3
    other = search("base", "worse", *words)
    assert other.returncode == 2
    assert told in other.stderr


def test_a_torn_line_is_named_and_costs_seeds(search: Search, tmp_path: Path) -> None:
    assert search("base", "noisy").returncode == 3
    with (tmp_path / "search.jsonl").open("a") as file:
        file.write('{"kind": "begin", "compar')
    done = search("base", "worse", "--format", "json")
    assert "search.jsonl:4: the line was torn; it spends 0.0083 of alpha" in done.stderr
    found = json.loads(done.stdout)
    assert found["search"]["comparison"] == 3
    assert found["level"] == pytest.approx(0.05 / 12)


def test_an_edited_ledger_decides_nothing(search: Search, tmp_path: Path) -> None:
    assert search("base", "noisy").returncode == 3
    ledger = tmp_path / "search.jsonl"
    ledger.write_text(ledger.read_text().replace('"alpha": 0.05', '"alpha": 0.5'))
    done = search("base", "better")
    assert (done.returncode, done.stdout) == (2, "")
    assert "search.jsonl:1: the line was edited" in done.stderr


def test_too_few_seeds_are_refused_before_anything_is_spent(search: Search, tmp_path: Path) -> None:
    for number in range(3):
        assert search("base", "noisy" if number else "worse").returncode in (1, 3)
    before = (tmp_path / "search.jsonl").read_bytes()
    done = search("base", "same", "--max-seeds", 4)
    assert done.returncode == 2
    assert "--max-seeds 4: at most 4 seeds can accept nothing" in done.stderr
    assert "a decision takes 5 seeds at least" in done.stderr
    assert (tmp_path / "search.jsonl").read_bytes() == before


if __name__ == "__main__":
    import tempfile

    from tests.conftest import run_command

    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        made = documents(Path(name), lambda *words: run_command(*words, cwd=Path(name)))
    for file, text in made.items():
        (GOLDEN / file).write_text(plain(text), encoding="utf-8")
