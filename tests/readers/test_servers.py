"""Trackers' servers over HTTP: local ones that speak as they do."""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rigorkd.errors import InputError, TrackingError
from rigorkd.readers.raw import Reading
from rigorkd.report.sources import from_sources

from ..conftest import run_command
from .conftest import gains_of

VALUES = {"baseline": (72.5, 72.9, 72.3), "kd": (73.5, 73.2, 73.9)}
GAIN = {"kd": (0.966667, 3)}
RUNS = [
    (f"{method}{seed}", method, seed, value)
    for method, values in VALUES.items()
    for seed, value in enumerate(values)
]


class Handler(BaseHTTPRequestHandler):
    """Answers with JSON what a server's `answer(path, body)` gives; None is 404."""

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._say(None)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        self._say(json.loads(content) if content.startswith(b"{") else None)

    def _say(self, body: Any) -> None:
        answer = self.server.answer(self.path, body)  # type: ignore[attr-defined]
        data = json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(tracker: Any) -> Iterator[str]:
    """The address of a server, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answer = tracker.answer  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class MLflow:
    """As much of MLflow's REST API as is asked of it, with pages of two runs."""

    def __init__(self) -> None:
        self.tags: dict[tuple[str, str], str] = {}
        self.writes = 0

    def answer(self, path: str, body: Any) -> Any:
        place, _, query = path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        match place.removeprefix("/api/2.0/mlflow/"):
            case "experiments/get-by-name" if asked["experiment_name"] == "kd study":
                return {"experiment": {"experiment_id": "7", "name": "kd study"}}
            case "runs/search" if body["experiment_ids"] == ["7"]:
                begin = int(body.get("page_token") or 0)
                more = {"next_page_token": str(begin + 2)} if begin + 2 < len(RUNS) + 1 else {}
                every = [self._run(*run) for run in [*RUNS, ("x", "kd", 2, 10.0)]]
                return {"runs": every[begin : begin + 2], **more}
            case "metrics/get-history":
                value = next((run[3] for run in RUNS if run[0] == asked["run_id"]), 10.0)
                values = (
                    [(0, value - 5), (1, value)] if asked["metric_key"] == "test_acc" else [(0, 9), (1, 8)]
                )
                return {"metrics": [{"key": "m", "value": v, "timestamp": 17, "step": s} for s, v in values]}
            case "runs/set-tag":
                self.tags[body["run_id"], body["key"]] = body["value"]
                self.writes += 1
                return {}
        return None

    def _run(self, name: str, method: str, seed: int, value: float) -> dict[str, Any]:
        status = "FAILED" if name == "x" else "FINISHED"
        metrics = [{"key": "test_acc", "value": value, "timestamp": 17, "step": 1}]
        metrics += [{"key": "val_loss", "value": 8, "timestamp": 17, "step": 1}]
        tags = [{"key": key, "value": told} for (run, key), told in self.tags.items() if run == name]
        params = [{"key": "method", "value": method}, {"key": "seed", "value": str(seed)}]
        return {
            "info": {"run_id": name, "run_name": name, "status": status, "start_time": 17},
            "data": {"metrics": metrics, "params": params, "tags": tags},
        }


def test_an_experiment_of_mlflow() -> None:
    with serving(MLflow()) as address:
        source = from_sources([f"mlflow:{address}/kd%20study"], Reading(), "test_acc")
        assert gains_of(source, metric="test_acc") == GAIN
        assert source.name == "kd study"
        assert source.tidy is not None
        assert source.tidy.dropped[0].endswith("x (FAILED): did not finish; another try of this seed did")
        first = from_sources([f"mlflow:{address}/7"], Reading(select="best:val_loss"), "test_acc")
        assert gains_of(first, metric="test_acc") == GAIN


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("mlflow:{}/another", TrackingError, "refused \\(404"),
        ("mlflow:localhost", InputError, "not understood"),
        ("mlflow:file:///etc/passwd", InputError, "not an address of http"),
        ("wandb:one", InputError, "ENTITY/PROJECT"),
    ],
)
def test_what_a_server_does_not_have(source: str, error: type[Exception], message: str) -> None:
    with serving(MLflow()) as address, pytest.raises(error) as caught:
        from_sources([source.format(address)], Reading())
    import re

    assert re.search(message, str(caught.value))


def test_a_server_that_is_not_there() -> None:
    with serving(MLflow()) as address:
        pass
    with pytest.raises(TrackingError, match="does not answer"):
        from_sources([f"mlflow:{address}/7"], Reading())


class Wandb:
    """As much of W&B's GraphQL as wandb's own client asks of it."""

    def __init__(self) -> None:
        self.summaries = {name: {"test/acc": value, "_step": 1} for name, _, _, value in RUNS}
        self.writes = 0

    def answer(self, path: str, body: Any) -> Any:
        if body is None:
            return {}
        query, told = body.get("query", ""), body.get("variables") or {}
        me = {"id": "1", "entity": "me", "username": "me", "email": "", "flags": "{}", "teams": {"edges": []}}
        if "viewer" in query:
            return {"data": {"viewer": me}}
        if "upsertBucket" in query:
            self.writes += 1
            name = next(run[0] for run in RUNS if told["id"] == f"id-{run[0]}")
            self.summaries[name] = json.loads(told["summaryMetrics"])
            return {"data": {"upsertBucket": {"bucket": self._node(name), "inserted": False}}}
        name = told.get("name") or told.get("runName") or told.get("run")
        run = {**self._node(name), **self._history(name)} if name else None
        edges = [{"node": self._node(each), "cursor": each} for each in self.summaries]
        page = {"edges": edges, "pageInfo": {"endCursor": "z", "hasNextPage": False}}
        project = {"internalId": "1", "readOnly": False, "runCount": len(edges), "runs": page, "run": run}
        return {"data": {"project": project}}

    def _node(self, name: str) -> dict[str, Any]:
        _, method, seed, _ = next(run for run in RUNS if run[0] == name)
        config = {"seed": {"value": seed}, "method": {"value": method}}
        empty = dict.fromkeys(
            ("sweepName", "group", "jobType", "commit", "description", "notes", "historyKeys"), None
        )
        moment = "2026-10-01T10:00:00Z"
        return {
            **empty, "id": f"id-{name}", "name": name, "displayName": name, "state": "finished", "tags": [],
            "config": json.dumps(config), "readOnly": False,
            "summaryMetrics": json.dumps(self.summaries[name]),
            "systemMetrics": "{}", "createdAt": moment, "heartbeatAt": moment, "historyLineCount": 2,
            "projectId": "1", "user": {"name": "me", "username": "me"},
        }  # fmt: skip

    def _history(self, name: str) -> dict[str, Any]:
        value = self.summaries[name]["test/acc"]
        rows = [
            {"_step": 0, "test/acc": value - 3, "val/acc": 61},
            {"_step": 1, "test/acc": value, "val/acc": 60},
        ]
        return {
            "parquetHistory": {"parquetUrls": [], "liveData": rows},
            "history": [json.dumps(row) for row in rows],
            "historyKeys": {"lastStep": 1, "keys": {"test/acc": {}, "val/acc": {}}},
        }


def command(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`rigorkd` in a process of its own, since wandb's client keeps its server."""
    told = {
        "WANDB_BASE_URL": address,
        "WANDB_API_KEY": "a" * 40,
        "WANDB_SILENT": "true",
        "WANDB_MODE": "online",
    }
    return run_command(*arguments, cwd=Path.cwd(), **told)


def test_a_project_of_wandb() -> None:
    pytest.importorskip("wandb")
    with serving(Wandb()) as address:
        done = command(address, "analyze", "wandb:me/kd", "--format", "json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        (gain,) = document["families"][-1]["comparisons"]
        assert (round(gain["mean_diff"], 6), gain["n"]) == GAIN["kd"]
        assert "6 runs, 2 cells, 3 seeds (0 to 2)" in done.stderr


class NoHistory(Wandb):
    """A project whose runs have no history that the server gives."""

    def answer(self, path: str, body: Any) -> Any:
        if body is not None and "HistoryPage" in body.get("query", ""):
            return {"data": {"project": {"run": None}}}
        return super().answer(path, body)


def test_a_history_that_the_server_does_not_give_is_one_message() -> None:
    pytest.importorskip("wandb")
    with serving(NoHistory()) as address:
        done = command(address, "analyze", "wandb:me/kd", "--metric", "test/acc", "--select", "last")
    assert done.returncode == 2, done.stderr
    assert "W&B does not give the history of" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("select", "below"), [("last", 0.0), ("best:val/acc", 3.0)])
def test_the_histories_of_a_project_of_wandb(select: str, below: float) -> None:
    pytest.importorskip("wandb")
    words = ("--metric", "test/acc", "--select", select, "--format", "json")
    with serving(Wandb()) as address:
        done = command(address, "analyze", "wandb:me/kd", *words)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    means = {cell["cell"]: cell["mean"] for cell in document["cells"]}
    expected = {method: pytest.approx(sum(values) / 3 - below) for method, values in VALUES.items()}
    assert means == expected
    (gain,) = document["families"][-1]["comparisons"]
    assert (round(gain["mean_diff"], 6), gain["n"]) == GAIN["kd"]


def test_verdicts_go_back_to_wandb_once() -> None:
    pytest.importorskip("wandb")
    tracker = Wandb()
    with serving(tracker) as address:
        first = command(address, "publish", "wandb:me/kd", "--verdicts", "--sesoi", "0.2")
        assert first.stdout == "wandb:me/kd: 6 runs got the verdict of their cell\n", first.stderr
        writes, kd = tracker.writes, dict(tracker.summaries["kd0"])
        again = command(address, "publish", "wandb:me/kd", "--verdicts", "--sesoi", "0.2")
        assert again.stdout == "wandb:me/kd: 0 runs got the verdict of their cell, 6 have it already\n"
    assert (tracker.writes, tracker.summaries["kd0"]) == (writes, kd)
    assert kd["test/acc"] == 73.5
    assert (kd["rigorkd/against"], kd["rigorkd/n"], kd["rigorkd/metric"]) == ("baseline", 3, "test/acc")
    assert round(kd["rigorkd/difference"], 6) == GAIN["kd"][0]
    assert kd["rigorkd/verdict"] == "inconclusive"
    assert "rigorkd/verdict" not in tracker.summaries["baseline0"]


def test_verdicts_go_back_to_mlflow_once() -> None:
    tracker = MLflow()
    with serving(tracker) as address:
        arguments = ["publish", f"mlflow:{address}/7", "--verdicts", "--metric", "test_acc"]
        assert "6 runs got the verdict" in command(address, *arguments).stdout
        writes = tracker.writes
        assert "6 have it already" in command(address, *arguments).stdout
    assert tracker.writes == writes
    assert tracker.tags["kd0", "rigorkd.verdict"] == "inconclusive"
    assert tracker.tags["kd0", "rigorkd.mean"] == repr(sum(VALUES["kd"]) / 3)
    assert ("x", "rigorkd.mean") not in tracker.tags


def test_verdicts_need_a_project_and_records_a_study() -> None:
    told = command("http://127.0.0.1:9", "publish", "results/digits", "--verdicts")
    assert (told.returncode, "--verdicts needs a tracker's project" in told.stderr) == (2, True)
    told = command("http://127.0.0.1:9", "publish", "wandb:me/kd")
    assert (told.returncode, "give --verdicts" in told.stderr) == (2, True)
