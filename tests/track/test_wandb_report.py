"""The W&B Report of a study: its blocks and filters as an object, its saving against a fake network."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rigorkd_analysis import Analysis, Plan, analyze

from rigorkd.errors import TrackingError
from rigorkd.report import wandb_report
from rigorkd.report.analysis_page import analysis_page

from ..conftest import Rigorkd


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(5):
        base = 78 + rng.normal(0, 0.3)
        for method, t, gain in (("baseline", None, 0.0), ("kd", 2, 1.0), ("kd", 4, 0.0)):
            cell = "main/s/baseline" if t is None else f"main/s/kd-T{t}-a0.5"
            value = base + gain + rng.normal(0, 0.1)
            rows.append(
                {"cell": cell, "student": "s", "method": method, "T": t, "seed": seed, "test_top1": value}
            )
    return analyze(pd.DataFrame(rows), Plan(sesoi=0.5, planned=True), study="shown")


@dataclass
class FakeNetwork:
    """What W&B's server answers; it remembers what it was asked."""

    default_entity: str = "team"
    known: tuple[str, ...] = ()
    down: bool = False
    created: list[tuple[str, str]] = field(default_factory=list)
    saved: list[dict[str, Any]] = field(default_factory=list)

    @property
    def api(self) -> Any:
        service = SimpleNamespace(execute_graphql=self.execute_graphql, app_url="https://wandb.example")
        return SimpleNamespace(
            _service_api=service,
            default_entity=self.default_entity,
            projects=lambda entity: [SimpleNamespace(name=name) for name in self.known],
            create_project=lambda name, entity: self.created.append((name, entity)),
        )

    def execute_graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if self.down:
            raise ConnectionError("no route to host")
        if "upsertView" not in query:
            return {"project": {"internalId": "UHJvamVjdA=="}}
        self.saved.append(variables)
        view = {
            "id": "VmlldzoxMjM=",
            "name": variables["name"],
            "displayName": variables["displayName"],
            "description": variables["description"],
            "project": {"name": variables["projectName"], "entityName": variables["entityName"]},
            "spec": variables["spec"],
            "createdAt": "2026-01-01T00:00:00",
            "updatedAt": "2026-01-01T00:00:00",
        }
        return {"upsertView": {"view": view, "inserted": True}}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> FakeNetwork:
    fake = FakeNetwork()
    interface = wandb_report._library_interface()
    monkeypatch.setattr(interface, "_get_api", lambda: fake.api)
    return fake


def spec(analysis: Analysis) -> dict[str, Any]:
    """The document of the report that would be sent, ids that are drawn at random replaced."""
    report = wandb_report.build(analysis, project="kd", entity="")
    document: dict[str, Any] = json.loads(
        report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    )
    return _normal(document)  # type: ignore[no-any-return]


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "id" if key in ("id", "__id__") else _normal(item) for key, item in value.items()}
    return [_normal(item) for item in value] if isinstance(value, list) else value


def text(block: dict[str, Any]) -> str:
    found = block.get("content", "")
    for child in block.get("children", ()):
        found += child.get("text", "") + text(child)
    return str(found)


def test_the_verdicts_come_first_and_are_those_of_the_analysis(analysis: Analysis) -> None:
    blocks = spec(analysis)["blocks"]
    page = analysis_page(analysis)
    kinds = [block["type"] for block in blocks]
    assert kinds.index("heading") < kinds.index("markdown-block") < kinds.index("panel-grid")
    shown = [text(block) for block in blocks]
    for line in page.headline:
        assert line in shown
    tables = [text(block) for block in blocks if block["type"] == "markdown-block"]
    assert len(tables) == len(page.tables)
    gains = next(table for table in tables if "Gains over the baseline" in table)
    for comparison in analysis.family("gains").comparisons:
        assert comparison.a is not None
        (row,) = [line for line in gains.splitlines() if comparison.a in line.replace("\\", "")]
        assert f"{comparison.mean_diff:+.2f}".replace("-", "−") in row
        assert comparison.verdict.split("_")[0] in row


def test_panels_show_the_runs_of_this_study_by_role(analysis: Analysis) -> None:
    grids = [block["metadata"] for block in spec(analysis)["blocks"] if block["type"] == "panel-grid"]
    runsets = {runset["name"]: runset for grid in grids for runset in grid["runSets"]}
    assert list(runsets) == ["students", "teachers", "starts"]
    for name, role in (("students", "student"), ("teachers", "teacher"), ("starts", "start")):
        filters = runsets[name]["filters"]["filters"]
        assert [(one["key"]["section"], one["key"]["name"], one["op"], one["value"]) for one in filters] == [
            ("config", "study", "=", "shown"),
            ("config", "role", "=", role),
        ]
    assert runsets["students"]["grouping"] == [{"section": "run", "name": "group"}]
    panels = grids[0]["panelBankSectionConfig"]["panels"]
    lines = [panel["config"] for panel in panels if panel["viewType"] == "Run History Line Plot"]
    assert [line["metrics"] for line in lines] == [["val_top1"], ["train_loss"], ["kd_loss"]]
    assert {line["xAxis"] for line in lines} == {"epoch"}
    assert {line["groupArea"] for line in lines} == {"stddev"}
    scatter = [panel["config"]["xAxis"] for panel in panels if panel["viewType"] == "Scatter Plot"]
    assert scatter == ["summary:latency_ms", "summary:params_millions"]
    places = [(panel["layout"]["x"], panel["layout"]["y"]) for panel in panels]
    assert len(set(places)) == len(places) == 6


def test_the_same_analysis_gives_the_same_report(analysis: Analysis) -> None:
    assert spec(analysis) == spec(analysis)


def test_a_smoke_report_says_so_before_all_else(analysis: Analysis) -> None:
    from dataclasses import replace

    smoke = replace(analysis, warnings=("SMOKE RUNS: these numbers say nothing",), study="shown.smoke")
    blocks = [block for block in spec(smoke)["blocks"] if block["type"] != "paragraph"]
    assert blocks[0]["type"] == "callout-block"
    assert "SMOKE" in text(blocks[0])


def test_saving_makes_the_project_and_sends_one_report(analysis: Analysis, network: FakeNetwork) -> None:
    report = wandb_report.build(analysis, project="kd", entity="team")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        url = wandb_report.save(report)
    assert url.startswith("https://wandb.example/team/kd/reports/")
    assert network.created == [("kd", "team")]
    (saved,) = network.saved
    assert saved["entityName"] == "team"
    assert saved["displayName"] == "shown: which gains are real?"
    sent = json.loads(saved["spec"])
    runset = next(block for block in sent["blocks"] if block["type"] == "panel-grid")["metadata"]["runSets"][
        0
    ]
    assert runset["project"]["name"] == "kd"


def test_a_network_that_is_down_is_one_message(analysis: Analysis, network: FakeNetwork) -> None:
    network.down = True
    with pytest.raises(TrackingError, match="no route to host"):
        wandb_report.save(wandb_report.build(analysis, project="kd", entity="team"))


def test_who_is_logged_in(network: FakeNetwork) -> None:
    assert wandb_report.default_entity() == "team"


def test_without_the_library_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['wandb_workspaces'] = None\n"
        "from rigorkd.errors import InputError\n"
        "from rigorkd.report.wandb_report import _library\n"
        "try: _library()\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "rigorkd[wandb-report]" in done.stdout


def test_the_command_saves_and_prints_the_address(
    network: FakeNetwork, plain_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rigorkd.cli.main import main

    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    out = io.StringIO()
    monkeypatch.setattr(sys, "argv", ["rigorkd", "report", str(plain_study), "--wandb"])
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        main()
    assert out.getvalue().strip().startswith("https://wandb.example/team/followed/reports/")
    assert len(network.saved) == 1
    assert not (plain_study / "report.html").exists()


def test_a_report_needs_a_login_and_a_study(plain_study: Path, tmp_path: Path, command_line: Rigorkd) -> None:
    (tmp_path / "runs.csv").write_text("cell,seed,test_top1\na,0,1\na,1,2\nb,0,1\nb,1,2.5\n")
    for source, message, key in ((plain_study, "logged in", ""), (tmp_path / "runs.csv", "study", "a" * 40)):
        done = command_line(
            *("report", source, "--wandb"),
            cwd=tmp_path,
            environ={"PATH": "/usr/bin", "HOME": str(tmp_path), **({"WANDB_API_KEY": key} if key else {})},
        )
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr
