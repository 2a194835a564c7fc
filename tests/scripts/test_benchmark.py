"""The benchmark script runs whole, and prints and writes every row that the documentation promises.

The two parts for a GPU run on the CPU, to the end; what their deadlines do is shown on benchmarks that sleep.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import math
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest
import torch
from click.testing import CliRunner

from rigorkd import __version__
from rigorkd.train.runtime import Runtime

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts" / "benchmark"
SCRIPT = FOLDER / "run.py"
MEASURE = ROOT / "scripts" / "gpu" / "measure.sh"
NAMES = (
    *("sharing", "overhead", "peers", "pipeline", "fused", "grid", "memory"),
    *("idle", "slots", "checkpoints", "compiled"),
)


def run(*arguments: str, script: Path = SCRIPT, **environment: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable] if script.suffix == ".py" else []
    return subprocess.run(
        [*program, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable, **environment},
    )


@pytest.fixture(scope="module")
def benchmark() -> Iterator[dict[str, ModuleType]]:
    """Modules of scripts/benchmark, which import each other by their short names: gone again afterwards."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in ("clock", "idle", "plan", "settings", "suite")}
    finally:
        sys.path.remove(str(FOLDER))
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(str(FOLDER)):
                del sys.modules[name]


def test_help_teaches(benchmark: dict[str, ModuleType]) -> None:
    done = CliRunner().invoke(importlib.import_module("run").main, ["--help"])
    assert done.exit_code == 0
    assert all(word in done.output for word in ("--only", "--quick", "--part", "docs/benchmarks.md", *NAMES))


@pytest.mark.slow
def test_commands_that_read_are_timed() -> None:
    study = ROOT / "tests" / "records" / "study_0_1" / "results" / "legacy"
    done = run(str(study), "--rounds", "3", "--cells", "30", script=FOLDER / "reading.py")
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if "this version" in line]
    assert [row.split("|")[1].split(",")[0].strip() for row in rows] == [
        *("analyze", "report", "figures"),
        "analyze",
    ]
    assert all("(" in row for row in rows)


def test_half_precision_on_a_cpu_is_refused(benchmark: dict[str, ModuleType]) -> None:
    asked = ["--device", "cpu", "--precision", "fp16"]
    done = CliRunner().invoke(importlib.import_module("run").main, asked)
    assert done.exit_code == 2
    assert "use fp32 or bf16" in done.output
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say which part"),
        (("fast", "--device", "tpu"), "cuda, cuda:N or cpu"),
        (("fast", "--seconds", "soon"), "whole number"),
        (("fast", "--out"), "needs a value"),
        (("fast", "--out", ""), "needs a value"),
        (("fast", "--seconds", "0"), "whole number"),
        (("slow",), "unknown argument slow"),
        (("reference", "fast"), "one part at a time, not reference and fast"),
    ],
)
def test_wrong_use_of_measure_is_one_message(arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments, script=MEASURE)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_the_measurement_says_so(benchmark: dict[str, ModuleType], tmp_path: Path) -> None:
    file = tmp_path / "out" / "fast.json"
    arguments = ["--part", "fast", "--device", "cuda:9", "--seconds", "150", "--json", str(file)]
    done = CliRunner().invoke(importlib.import_module("run").main, arguments)
    assert done.exit_code == 2
    assert "--device cuda:9: no such CUDA device can be used here" in " ".join(done.output.split())
    assert isinstance(done.exception, SystemExit)
    assert not list(tmp_path.iterdir())


def test_a_result_that_cannot_be_written_is_one_message(
    benchmark: dict[str, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    file = tmp_path / "file" / "fast.json"
    arguments = ["--only", "fused", "--device", "cpu", "--json", str(file)]
    done = CliRunner().invoke(importlib.import_module("run").main, arguments)
    assert done.exit_code == 2
    assert f"--json {file} cannot be written" in done.output
    assert isinstance(done.exception, SystemExit)
    assert (tmp_path / "file").read_text() == "mine"


# -------------------------------------------------------------------------------------------- interrupts


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Until it has; the process is still running then."""
    while not happened():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def workers_of(pid: int) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            found += [each] if "spawn_main" in " ".join(each.cmdline()) else []
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "number", "code"), [("reference", signal.SIGINT, 130), ("fast", signal.SIGTERM, 143)]
)
def test_an_interrupt_ends_the_measurement_and_leaves_its_file_alone(
    part: str, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """^C typed at a terminal, after a table; a kill of the script itself, while it has a worker."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    file = tmp_path / "out" / f"{part}.json"
    terminal, inside = pty.openpty()
    line = [MEASURE, part, "--device", "cpu", "--quick", "--out", file.parent]
    with subprocess.Popen(
        # Of a session whose terminal this is.
        [sys.executable, "-c", LOGIN, *map(str, line)],
        stdin=inside,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable, "TMPDIR": str(scratch)},
    ) as process:
        os.close(inside)
        try:
            if number == signal.SIGINT:
                wait_for(lambda: file.exists() and bool(json.loads(file.read_text())["tables"]), process)
                os.write(terminal, b"\x03")
                started = psutil.Process(process.pid).children(recursive=True)
            else:
                wait_for(lambda: bool(workers_of(process.pid)), process)
                started = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(number)
            errors = process.communicate()[1].decode()
        finally:
            os.close(terminal)
            process.kill()
    assert process.returncode == code, errors
    assert f"interrupted by {number.name}; {file} has what was measured" in errors
    assert "Traceback" not in errors
    document = json.loads(file.read_text())
    assert document["complete"] is False
    assert bool(document["tables"]) is (number == signal.SIGINT)
    assert not psutil.wait_procs(started, timeout=60)[1]  # the tracker of the workers ends after them
    assert list(scratch.iterdir()) == []
    assert list(file.parent.iterdir()) == [file]


LOGIN = """\
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background of a shell have it ignored
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_second_interrupt_does_not_wait_for_the_first() -> None:
    """One that is the same Ctrl-C passed on is none."""
    program = (
        "import os, signal, sys, time\n"
        f"sys.path.insert(0, {str(FOLDER)!r})\n"
        "from interrupts import Interrupted, interruptible\n"
        "with interruptible():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except Interrupted:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        print('closing', flush=True)\n"
        "        time.sleep(1.1)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "print('not reached')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "closing\n"), done.stderr


def test_temporary_files_go_with_their_folder_but_not_compiled_code(
    benchmark: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    before = dict(os.environ)
    with contextlib.suppress(KeyError), benchmark["suite"].scratch():
        tempfile.mkdtemp()
        child = "import tempfile; print(tempfile.mkdtemp())"
        made = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
        assert Path(made.stdout.strip()).is_relative_to(tmp_path)
        assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).parent == tmp_path
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == before
    assert tempfile.gettempdir() == str(tmp_path)


# ---------------------------------------------------------------------------------- the parts for a GPU


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Both parts on the CPU. Without a C++ compiler: what it would compile, the slow test of --quick does."""
    folder = tmp_path_factory.mktemp("gpu-results")
    scratch = folder / "scratch"
    scratch.mkdir()
    for part in ("reference", "fast"):
        done = run(
            *(part, "--device", "cpu", "--quick", "--out", str(folder / "out")),
            script=MEASURE,
            CXX="no-such-compiler",
            TMPDIR=str(scratch),
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"written: {folder / 'out' / part}.json"
        assert list(scratch.iterdir()) == [], "temporary files are left"
    return {part: json.loads((folder / "out" / f"{part}.json").read_text()) for part in ("reference", "fast")}


@pytest.mark.slow
def test_both_parts_run_to_their_end_and_say_what_they_cut(
    parts: dict[str, dict[str, Any]], benchmark: dict[str, ModuleType]
) -> None:
    for name, document in parts.items():
        plan = benchmark["plan"].PARTS[name]
        assert document["schema"] == "rigorkd.benchmark/1"
        assert (document["part"], document["machine"]["mode"], document["quick"]) == (name, name, True)
        assert document["complete"]
        assert document["failed"] == []
        assert [table["name"] for table in document["tables"]] == [
            *(planned.table for planned in plan.tables),
            "summary",
        ]
        assert document["cut"] == [{"what": cut.what, "why": cut.why} for cut in plan.cut]
        for table in document["tables"]:
            assert table["rows"], table["name"]
            assert all(len(row) == len(table["columns"]) for row in table["rows"])
            assert len(table["values"]) == len(table["rows"])


@pytest.mark.slow
def test_what_is_planned_names_every_value_and_every_result_can_be_read(
    parts: dict[str, dict[str, Any]], benchmark: dict[str, ModuleType]
) -> None:
    results = importlib.import_module("results")
    for document in parts.values():
        measured = results.Benchmark.model_validate(document)
        assert measured.machine.rigorkd == __version__
        by_case = {table.name: table for table in measured.tables if table.planned}
        for table in by_case.values():
            assert [
                {key: value[key] for key in due}
                for due, value in zip(table.planned, table.values, strict=True)
            ] == table.planned
        named = {name for name, (case, _) in results.VALUES.items() if case is not results.Model}
        assert by_case.keys() == named & {table.name for table in measured.tables}
        found = next(table for table in measured.tables if table.name == "summary")
        assert all(value["cases"] == value["cases_due"] or value["goal"] in SHRUNK for value in found.values)


SHRUNK = {"S / formula, N = 2, 4, 8"}
"""Goals of more than --quick tries."""


@pytest.mark.slow
def test_the_tables_of_the_parts_agree_with_themselves(parts: dict[str, dict[str, Any]]) -> None:
    tables = {table["name"]: table for table in parts["reference"]["tables"]}
    assert [value["kind"] for value in tables["overhead"]["values"]] == ["baseline", "kd", "replay"]
    assert [row[0].split(",")[0].split(":")[0] for row in tables["peers"]["rows"]] == [
        "rigorkd",
        "plain PyTorch",
        "well-fed PyTorch",
    ]
    engine = tables["peers"]["values"][0]
    assert engine["ratio"] == engine["training_ratio"] == 1
    assert 0 < engine["training_seconds"] < engine["seconds"]
    assert [value["students"] for value in tables["idle"]["values"]] == [1, 2]
    assert all(value["busy_ms"] > 0 for value in tables["idle"]["values"])
    assert tables["slots"]["values"][0]["throughput"] > 0
    assert tables["checkpoints"]["values"][0]["blocked_ms"] > 0
    fast = {table["name"]: table for table in parts["fast"]["tables"]}
    assert fast["compiling"]["values"][0]["seconds"] > 0
    assert fast["compiling"]["values"][0]["failed"] is None
    assert fast["compiled"]["rows"][0][2:4] == ["skipped: no C++ compiler", "skipped: needs CUDA"]


def test_the_page_gives_the_estimates_of_the_plan(benchmark: dict[str, ModuleType]) -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    for name, part in benchmark["plan"].PARTS.items():
        spent = ", ".join(f"{planned.table} {planned.seconds:g}" for planned in part.tables)
        assert f"- `{name}`: {spent}\n" in page
        assert sum(planned.seconds for planned in part.tables) <= 150


# ------------------------------------------------------------------------------------------- deadlines


def measured(
    benchmark: dict[str, ModuleType], file: Path, seconds: float | None, **functions: Any
) -> dict[str, Any]:
    """The document that benchmarks leave behind when they are measured in `seconds`."""
    settings, suite = benchmark["settings"], benchmark["suite"]
    case = settings.Case("cnn", "cnn", 8, 4)
    runtime = Runtime(torch.device("cpu"), "reference", 1)
    machine = importlib.import_module("machine").describe(runtime, "fp32", "2001-02-03")
    results = suite.Results(machine, False, None, seconds, file, time.monotonic())
    suite.measure(
        [settings.Planned(name, 10.0, (case, case, case)) for name in functions],
        functions,
        lambda planned: settings.settings_for(planned, runtime, precision="fp32", quick=False),
        results,
    )
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def table(benchmark: dict[str, ModuleType], name: str, rows: int) -> Any:
    return benchmark["suite"].Table(name, "", ("a",), (("1",),) * rows, ({"a": 1},) * rows)


def test_a_table_that_takes_too_long_is_cut_and_the_next_one_runs(
    benchmark: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark["suite"], "LEAST_SECONDS", -100.0)
    monkeypatch.setattr(benchmark["suite"], "PATIENCE", 0.05)

    def sleeps(settings: Any) -> Iterator[Any]:
        yield table(benchmark, "sleeps", 1)
        try:
            time.sleep(60)
        except Exception:  # an interrupt passes what engines catch
            yield table(benchmark, "sleeps", 2)

    def runs(settings: Any) -> Iterator[Any]:
        yield table(benchmark, "runs", 3)

    document = measured(benchmark, tmp_path / "a.json", 20, sleeps=sleeps, runs=runs)
    assert [(each["name"], len(each["rows"])) for each in document["tables"]] == [
        ("sleeps", 1),
        ("runs", 3),
        ("summary", 0),
    ]
    (cut,) = document["cut"]
    assert cut["what"] == "sleeps"
    assert "stopped after" in cut["why"]
    assert "1 rows were done" in cut["why"]
    assert document["failed"] == []


def test_a_table_that_raises_is_named_and_the_next_one_runs(
    benchmark: dict[str, ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(settings: Any) -> Iterator[Any]:
        yield table(benchmark, "breaks", 1)
        raise ValueError("no kernel image\nand a page of more")

    def runs(settings: Any) -> Iterator[Any]:
        yield table(benchmark, "runs", 1)

    document = measured(benchmark, tmp_path / "a.json", None, breaks=breaks, runs=runs)
    assert document["failed"] == [{"what": "breaks", "why": "ValueError: no kernel image"}]
    assert [each["name"] for each in document["tables"]] == ["breaks", "runs", "summary"]
    assert document["cut"] == []
    assert "Traceback" in capsys.readouterr().err


def test_the_exit_code_tells_failed_from_cut(
    benchmark: dict[str, ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = importlib.import_module("run")

    def breaks(settings: Any) -> Iterator[Any]:
        raise ValueError("no kernel image")
        yield

    monkeypatch.setitem(program.BENCHMARKS, "fused", breaks)
    asked = ["--only", "fused", "--device", "cpu", "--json", str(tmp_path / "a.json")]
    done = CliRunner().invoke(program.main, asked)
    assert done.exit_code == 1
    assert "failed: fused: ValueError: no kernel image" in done.output
    done = CliRunner().invoke(program.main, [*asked, "--minutes", "0.0001"])
    assert done.exit_code == 0
    assert "not measured: fused: no time was left" in done.output


def test_what_begins_after_the_end_is_named(benchmark: dict[str, ModuleType], tmp_path: Path) -> None:
    document = measured(benchmark, tmp_path / "a.json", 1e-9, late=lambda settings: iter(()))
    assert document["cut"] == [{"what": "late", "why": "no time was left"}]
    assert document["complete"]


def test_the_file_holds_every_case_as_soon_as_it_is_done(
    benchmark: dict[str, ModuleType], tmp_path: Path
) -> None:
    file = tmp_path / "a.json"
    seen = []

    def slow(settings: Any) -> Iterator[Any]:
        for rows in (1, 2):
            yield table(benchmark, "slow", rows)
            document = json.loads(file.read_text())
            seen.append((len(document["tables"][0]["rows"]), document["complete"]))

    measured(benchmark, file, None, slow=slow)
    assert seen == [(1, False), (2, False)]


def test_cases_that_have_not_begun_are_cut_but_never_the_first(benchmark: dict[str, ModuleType]) -> None:
    settings, clock, cut = benchmark["settings"], benchmark["clock"], []
    cases = tuple(settings.Case("cnn", "cnn", size, 4) for size in (8, 16, 32))
    runtime = Runtime(torch.device("cpu"), "reference", 1)
    planned = settings.Planned("any", cases=cases)
    base = settings.settings_for(planned, runtime, precision="fp32", quick=False)

    def begun(until: float) -> list[tuple[int, float]]:
        paced = replace(base, cut=cut.append, rounds=clock.Rounds(5, 3, until))
        return [(case.size, own.rounds.until) for case, own in paced.each_case()]

    assert [size for size, _ in begun(time.monotonic() - 1)] == [8]
    assert cut == ["cnn / cnn, 16²", "cnn / cnn, 32²"]
    cut.clear()
    end = time.monotonic() + 300
    untils = [until for _, until in begun(end)]
    assert cut == []
    # Each gets an equal part of what is left; nothing was used here, so the last has all of it.
    assert end - 205 < untils[0] < untils[1] < end - 100 < untils[2] <= end + 0.001


def test_rounds_end_with_the_time_but_never_below_their_minimum(benchmark: dict[str, ModuleType]) -> None:
    clock = benchmark["clock"]
    turns = []

    def variant() -> float:
        turns.append(len(turns))
        return 1.0

    for rounds, made in (
        (clock.Rounds(5, 3), 5),
        (clock.Rounds(5, 3, until=-math.inf), 3),
        (clock.Rounds(1, 3), 3),
        (clock.Rounds(2).times(2), 4),
        (clock.Rounds(7, 2, until=time.monotonic()).part(4), 2),
    ):
        assert {key: len(found) for key, found in clock.interleave({0: variant}, rounds).items()} == {0: made}
    # A round that would not fit any more is not begun.
    assert not clock.Rounds(9, 1, until=time.monotonic() + 50).more(1, 100.0)
    assert clock.Rounds(9, 1, until=time.monotonic() + 50).more(1, 1.0)


def test_every_round_starts_with_another_variant(benchmark: dict[str, ModuleType]) -> None:
    clock, order = benchmark["clock"], []
    variants = {name: (lambda name=name: order.append(name) or 0.0) for name in "abc"}
    clock.interleave(variants, clock.Rounds(3))
    assert "".join(order) == "abcbcacab"


def test_a_limit_leaves_no_alarm_behind(benchmark: dict[str, ModuleType]) -> None:
    clock = benchmark["clock"]
    with pytest.raises(clock.OutOfTime), clock.limit(0.01):
        time.sleep(30)
    with clock.limit(0.05):
        pass
    time.sleep(0.1)
    assert not issubclass(clock.OutOfTime, Exception)


# ------------------------------------------------------------------------------------------------ idle


def test_the_union_of_intervals_counts_overlaps_once(benchmark: dict[str, ModuleType]) -> None:
    covered = benchmark["idle"].covered
    assert covered([]) == 0
    assert covered([(1, 3)]) == 2
    assert covered([(5, 6), (1, 3)]) == 3
    assert covered([(1, 4), (2, 3), (3, 6)]) == 5
    assert covered([(1, 2), (2, 3), (1, 2)]) == 2
    assert covered([(3, 3)]) == 0


def test_only_what_runs_on_the_device_is_busy(benchmark: dict[str, ModuleType]) -> None:
    events = [
        {"ph": "X", "cat": "kernel", "ts": 10, "dur": 5},
        {"ph": "X", "cat": "gpu_memcpy", "ts": 12.5, "dur": 5},
        {"ph": "X", "cat": "gpu_memset", "ts": 30, "dur": 1},
        {"ph": "X", "cat": "cpu_op", "ts": 0, "dur": 100},
        {"ph": "X", "cat": "cuda_runtime", "ts": 0, "dur": 100},
        {"ph": "i", "cat": "kernel", "ts": 50},
        {"ph": "M", "name": "process_name"},
    ]
    idle = benchmark["idle"]
    assert idle.busy_seconds(events, idle.ON_GPU) == pytest.approx(8.5e-6)


# ------------------------------------------------------------------------------------ the whole suite


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """The output and the JSON of `--quick` on the CPU."""
    file = tmp_path_factory.mktemp("benchmark") / "figures.json"
    done = run("--quick", "--device", "cpu", "--date", "2001-02-03", "--json", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text())


@pytest.mark.slow
def test_every_table_has_its_rows(quick: tuple[str, dict[str, Any]]) -> None:
    text, document = quick
    tables = {table["name"]: table for table in document["tables"]}
    assert tuple(tables) == (*NAMES, "summary")
    firsts = {name: [row[0] for row in table["rows"]] for name, table in tables.items()}
    assert [row[1] for row in tables["sharing"]["rows"]] == ["1", "2"]
    assert [first.split(", ")[-1] for first in firsts["overhead"]] == ["baseline", "kd", "replay"]
    assert [first.split(",")[0].split(":")[0] for first in firsts["peers"]] == [
        "rigorkd",
        "plain PyTorch",
        "Accelerate",
        "torchdistill",
        "well-fed PyTorch",
    ]
    assert len(firsts["pipeline"]) == 2
    assert [row[1] for row in tables["fused"]["rows"]] == [
        "geometry alone",
        "with colours and normalisation",
    ] * 2
    assert firsts["memory"] == ["1", "2"]
    assert firsts["grid"][-3:] == ["one seed", "one seed without sharing", "5 seeds, one worker"]
    for name, table in tables.items():
        assert f"## {name}: " in text
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
        assert len(table["values"]) == len(table["rows"])


@pytest.mark.slow
def test_the_machine_and_the_date_are_named(quick: tuple[str, dict[str, Any]]) -> None:
    text, document = quick
    machine = document["machine"]
    assert machine["date"] == "2001-02-03"
    assert machine["threads"] == 1
    assert machine["clock"] == "process time"
    assert text.count(machine["hardware"]) == len(NAMES) + 1
    assert document["quick"] is True


@pytest.mark.slow
def test_figures_agree_with_each_other(quick: tuple[str, dict[str, Any]]) -> None:
    tables = {table["name"]: table for table in quick[1]["tables"]}
    for value in tables["sharing"]["values"]:
        n, r = float(value["n_students"]), value["r"]
        assert value["formula"] == pytest.approx(n * (1 + r) / (n + r))
        assert value["share"] == pytest.approx(value["S"] / value["formula"])
    *parts, seed, unshared, seeds = [value["hours"] for value in tables["grid"]["values"]]
    assert sum(parts) == pytest.approx(seed)
    assert seeds == pytest.approx(5 * seed)
    assert unshared > seed
    small, large = tables["memory"]["values"]
    assert large["peak_bytes"] > small["peak_bytes"]


@pytest.mark.slow
def test_an_optional_peer_is_measured_or_skipped_with_its_reason(
    quick: tuple[str, dict[str, Any]],
) -> None:
    peers = next(table for table in quick[1]["tables"] if table["name"] == "peers")
    row = next(value for value in peers["values"] if value["variant"].startswith("torchdistill"))
    if importlib.util.find_spec("torchdistill") is None:
        assert row["seconds"] is None
        assert "pip install torchdistill" in row["skipped"]
    else:
        assert row["seconds"] > 0
