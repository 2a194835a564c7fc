"""An experiment on an MLflow tracking server, by its REST API: `mlflow:URL/EXPERIMENT`, name or number."""

from __future__ import annotations

import base64
import os
import urllib.parse
from collections.abc import Mapping
from typing import Any

from rigorkd.errors import InputError
from rigorkd.readers.mlflow_store import Metrics, rows_of
from rigorkd.readers.raw import RawTable, Reading, table_of
from rigorkd.readers.server import ask

PAGE = 1000


def read(place: str, asked: Reading) -> list[RawTable]:
    """One row per run with the last value of each metric; with --select, their histories.

    Raises:
        TrackingError: the server does not answer, or refuses.
    """
    server, name = server_and_name(place)
    experiment = experiment_id(server, name)
    rows, places = [], []
    for run in runs_of(server, experiment):
        info, data = run["info"], run.get("data", {})
        head: dict[str, object] = {
            "run": info.get("run_name", ""),
            "run_id": info["run_id"],
            "status": str(info.get("status", "")),
            "start_time": info.get("start_time", ""),
        }
        for item in data.get("params", ()):
            head.setdefault(item["key"], item["value"])
        metrics: Metrics = {}
        for item in data.get("metrics", ()):
            if not item["key"].startswith("rigorkd/"):  # what publish wrote there
                metrics[item["key"]] = (
                    _history(server, info["run_id"], item["key"]) if asked.select else [_value(item)]
                )
        for row in rows_of(head, metrics, asked):
            rows.append(row)
            places.append(f"mlflow:{server}/#/runs/{info['run_id']}")
    if not rows:
        raise InputError(f"mlflow:{place}: no run in it", hint="name an experiment that has runs")
    kind = "MLflow server" + ("" if asked.select else ", the last value of each metric")
    return [table_of(rows, places, kind)]


def server_and_name(place: str) -> tuple[str, str]:
    """`http://localhost:5000/kd` is a server and the name of an experiment."""
    server, slash, name = place.rstrip("/").rpartition("/")
    if not slash or "://" not in server or not name:
        raise InputError(f"mlflow:{place}: not understood", hint="give mlflow:http://HOST:PORT/EXPERIMENT")
    return server, urllib.parse.unquote(name)


def experiment_id(server: str, name: str) -> str:
    """The number of an experiment, by its name or as it is."""
    if name.isdecimal():
        return name
    query = urllib.parse.urlencode({"experiment_name": name})
    found = call(server, f"experiments/get-by-name?{query}")
    return str(found["experiment"]["experiment_id"])


def runs_of(server: str, experiment: str) -> list[dict[str, Any]]:
    """Every active run of an experiment."""
    out: list[dict[str, Any]] = []
    token = ""
    while True:
        body = {"experiment_ids": [experiment], "max_results": PAGE, "run_view_type": "ACTIVE_ONLY"}
        answer = call(server, "runs/search", {**body, **({"page_token": token} if token else {})})
        out += answer.get("runs", [])
        token = answer.get("next_page_token", "")
        if not token:
            return out


def _history(server: str, run: str, metric: str) -> list[tuple[int, int, str]]:
    values: list[tuple[int, int, str]] = []
    token = ""
    while True:
        told = {"run_id": run, "metric_key": metric, "max_results": 25000}
        query = urllib.parse.urlencode({**told, **({"page_token": token} if token else {})})
        answer = call(server, f"metrics/get-history?{query}")
        values += [_value(item) for item in answer.get("metrics", ())]
        token = answer.get("next_page_token", "")
        if not token:
            return values


def _value(item: Mapping[str, Any]) -> tuple[int, int, str]:
    return int(item.get("step", 0)), int(item.get("timestamp", 0)), str(item["value"])


def call(server: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One call of the API, with the login that MLflow's own variables hold."""
    headers = {}
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    elif user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        secret = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    return ask(f"{server}/api/2.0/mlflow/{path}", body, headers, what=f"the MLflow server {server}")
