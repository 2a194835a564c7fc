"""A chain of teachers, their mean, and a distilled start, trained from the command line in order."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: chain
dataset: {name: digits, split: {train: 160, val: 100, test: 200, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 2}
teachers:
  second: {model: {name: cnn, channels: [4, 8]}, teacher: first, dist: true}
  first: {model: {name: cnn, channels: [4, 8]}, teacher: big, feature: {layers: [pool1]}}
  big: {model: {name: cnn, channels: [16, 16], hidden: 32}, epochs: 10, per_seed: false}
  both: {mean_of: {big: 3, second: 1}}
starts: {warm: {teacher: both, kd: {T: 4, alpha: 0.5}, epochs: 3}}
students: {plain: {model: {name: cnn, channels: [4, 8]}}}
groups:
  main: {teacher: [second, both], start: [random, warm], baseline: true, kd: {T: 4, alpha: 0.5}}
seeds: 2
keep_logits: true
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, command_line: Rigorkd) -> Path:
    """The folder in which the protocol has been run."""
    folder = tmp_path_factory.mktemp("chain")
    (folder / "chain.yaml").write_text(PROTOCOL)
    done = command_line("run", "chain.yaml", "--jobs", "2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def records_of(study: Path) -> dict[str, dict[str, Any]]:
    return {
        str(path.parent.relative_to(study)): json.loads(path.read_text())
        for path in study.rglob("record.json")
    }


def test_every_link_is_trained_once_per_seed_from_the_one_before(trained: Path) -> None:
    found = records_of(trained / "results/chain")
    assert len(found) == 1 + 2 * (3 + 1 + 6)
    for seed in (0, 1):
        first, second, both, warm = (
            found[f"{name}/seed-{seed}"]
            for name in ("teacher/first", "teacher/second", "teacher/both", "start/warm/plain")
        )
        big = found["teacher/big/seed-fixed"]
        assert first["teacher_run_hash"] == big["run_hash"]
        assert second["teacher_run_hash"] == first["run_hash"]
        assert both["member_run_hashes"] == [big["run_hash"], second["run_hash"]]
        assert warm["teacher_run_hash"] == both["run_hash"]
        assert (second["method"], second["teacher"]) == ("dist", "teacher/first")
        assert first["metrics"]["teacher_agreement"] > 0
        for taught_by in ("second", "both"):
            student = found[f"main/plain/kd-T4-a0.5-warm-{taught_by}/seed-{seed}"]
            assert student["start_run_hash"] == warm["run_hash"]
            assert student["teacher_run_hash"] == found[f"teacher/{taught_by}/seed-{seed}"]["run_hash"]
    assert (both["mean_of"], both["epochs_run"]) == ('{"teacher/big":0.75,"teacher/second":0.25}', 0)


def test_links_of_one_architecture_start_apart(trained: Path) -> None:
    """The next generation is another draw of weights and batches, not the same one with another loss."""
    rows = [
        (trained / f"results/chain/teacher/{name}/seed-0/history.csv").read_text().splitlines()[1]
        for name in ("first", "second")
    ]
    ce = [float(row.split(",")[3]) for row in rows]
    assert ce[0] != ce[1]


def test_a_mean_says_the_mean_of_the_logits(trained: Path, command_line: Rigorkd) -> None:
    """Against the students' own file: a mean keeps predictions of the averaged logits, and no weights."""
    from safetensors.torch import load_file

    from rigorkd.data.loading import load
    from rigorkd.data.views import build_view
    from rigorkd.models.build import build
    from rigorkd.protocol.load import load_protocol

    study = trained / "results/chain"
    protocol = load_protocol(trained / "chain.yaml")
    data = load(protocol.spec.dataset, 0)
    view = build_view(protocol.spec.views, data.shape, train=False)
    images = view(data.test.images, None)
    mean = np.zeros((200, 10))
    for member in protocol.cell("teacher/both").members:
        cell = protocol.cell(member.cell)
        run = f"{member.cell}/seed-{'0' if cell.per_seed else 'fixed'}"
        model = build(cell.model, classes=10, channels=1, size=view.size, seed=0)
        model.load_state_dict(load_file(study / run / "model.safetensors"))
        mean += member.weight * model.eval()(images).detach().double().numpy()
    kept = np.load(study / "teacher/both/seed-0/predictions.npz")
    assert np.array_equal(kept["prediction"], mean.argmax(axis=1))
    softmax = np.exp(mean - mean.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(kept["confidence"], softmax.max(axis=1), rtol=1e-5)
    assert not (study / "teacher/both/seed-0/model.safetensors").exists()
    assert "all as committed" in command_line("verify", study, cwd=trained).stdout


def test_a_lost_link_is_trained_again_alone(trained: Path, command_line: Rigorkd, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(trained, folder)
    study = folder / "results/chain"
    before = records_of(study)["teacher/first/seed-1"]
    shutil.rmtree(study / "teacher/first/seed-1")
    assert "21 runs: 20 done, 1 missing" in command_line("status", study, cwd=folder).stdout
    done = command_line("run", "chain.yaml", cwd=folder)
    assert "1 run to train" in done.stdout
    after = records_of(study)["teacher/first/seed-1"]
    assert after["weights_sha256"] == before["weights_sha256"]


def test_a_changed_link_makes_what_comes_from_it_stale(
    trained: Path, command_line: Rigorkd, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(trained, folder)
    text = PROTOCOL.replace("teacher: first, dist: true", "teacher: first, dist: {tau: 1}")
    (folder / "chain.yaml").write_text(text)
    done = command_line("run", "chain.yaml", cwd=folder)
    assert done.returncode == 2
    assert "teacher/second/seed-0: tau: 4 → 1" in done.stderr
    assert "teacher/both/seed-0: a teacher of its mean changed" in done.stderr
    assert "teacher/first" not in done.stderr
    assert "baseline-random" not in done.stderr


def test_kept_logits_of_one_order_are_not_those_of_another(
    trained: Path, command_line: Rigorkd, tmp_path: Path
) -> None:
    """The mean teaches a start and students of one seed, who see the images in orders of their own."""
    (tmp_path / "chain.yaml").write_text(PROTOCOL)
    done = command_line("run", "chain.yaml", "--seeds", "1", "--replay", "0.1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = tmp_path / "results/chain"
    assert len({path.parent for path in kept.rglob("epoch-1.safetensors")}) > 3
    before = records_of(trained / "results/chain")
    for name, record in records_of(kept).items():
        assert record["weights_sha256"] == before[name]["weights_sha256"], name


def test_one_cell_takes_along_all_that_it_comes_from(command_line: Rigorkd, trained: Path) -> None:
    planned = command_line(
        *("plan", "chain.yaml", "--only", "*kd-T4-a0.5-random-second", "--results", "other"), cwd=trained
    )
    assert "4 cells × 2 seeds = 7 runs" in planned.stdout
    assert "teacher/second: distilled from teacher/first (dist)" in planned.stdout
    assert "both" not in planned.stdout


def test_the_report_says_where_teachers_come_from(trained: Path, command_line: Rigorkd) -> None:
    done = command_line("report", trained / "results/chain", cwd=trained)
    assert done.returncode == 0, done.stderr
    page = (trained / "results/chain/report.html").read_text()
    assert "distilled from teacher/big (feature)" in page
    assert "mean of teacher/big (0.75), teacher/second (0.25)" in page
