"""Terms of one's own on the command line: from another folder, stale after an edit, readable without."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: own
dataset: {name: digits, split: {train: 64, val: 60, test: 100, seed: 3}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 16, epochs: 1}
teacher: {model: {name: cnn, channels: [8]}}
students: {small: {model: {name: cnn, channels: [4]}}}
groups:
  main:
    baseline: true
    own: {term: "losses:matching", scale: [1, 2]}
seeds: 1
"""

LOSSES = """\
from distances import distance


def matching(student, teacher, scale):
    return distance(student / scale, teacher / scale)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the protocol and its code; commands run elsewhere."""
    place = tmp_path / "protocols"
    place.mkdir()
    (place / "own.yaml").write_text(PROTOCOL)
    (place / "losses.py").write_text(LOSSES)
    (place / "distances.py").write_text("from torch.nn.functional import mse_loss as distance\n")
    for name in ("uuid.py", "accelerate.py", "rigorkd/__init__.py"):  # none of them is what these names mean
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("raise RuntimeError('imported from beside the protocol')\n")
    return place


def test_a_study_of_ones_own_term(folder: Path, rigorkd: Rigorkd, tmp_path: Path) -> None:
    done = rigorkd("run", folder / "own.yaml")
    assert done.returncode == 0, done.stderr
    baseline, one, two = (
        json.loads(
            (tmp_path / "results" / "own" / "main" / "small" / cell / "seed-0/record.json").read_text()
        )
        for cell in ("baseline", "matching-a0.5-scale1", "matching-a0.5-scale2")
    )
    assert one["method_code"] == two["method_code"] != baseline["method_code"] is None
    assert (one["method"], one["term"], one["args"]) == ("matching", "losses:matching", '{"scale":1}')
    assert len({each["weights_sha256"] for each in (baseline, one, two)}) == 3

    (folder / "distances.py").write_text("from torch.nn.functional import l1_loss as distance\n")
    stale = rigorkd("run", folder / "own.yaml")
    assert stale.returncode == 2
    assert (
        "main/small/matching-a0.5-scale1/seed-0: the code of its term losses:matching changed" in stale.stderr
    )
    assert "2 records no longer fit" in stale.stderr
    again = rigorkd("run", folder / "own.yaml", "--retrain-stale")
    assert again.returncode == 0, again.stderr
    assert "2 runs to train" in again.stdout

    kept = tmp_path / "results" / "own" / ".protocols"
    assert {path.name for path in kept.glob("*.py")} == {"losses.py", "distances.py"}
    assert (kept / "distances.py").read_bytes() == (folder / "distances.py").read_bytes()
    (folder / "losses.py").unlink()
    gone = rigorkd("plan", folder / "own.yaml")
    assert gone.returncode == 2
    assert "own.yaml:10:17: the term losses:matching: there is no module losses" in gone.stderr
    analysis = rigorkd("analyze", "--format", "json")
    assert analysis.returncode == 0
    assert {cell["method"] for cell in json.loads(analysis.stdout)["cells"]} == {"baseline", "matching"}

    # the study has a copy of the code, from which its runs can be repeated
    (folder / "distances.py").unlink()
    repeated = rigorkd("verify", tmp_path / "results" / "own", "--rerun", 1, "--choice", 1)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert "repeated main/small/matching-a0.5-scale" in repeated.stdout
    assert "the same bits" in repeated.stdout
    (kept / "distances.py").write_text("from torch.nn.functional import mse_loss as distance\n")
    damaged = rigorkd("verify", tmp_path / "results" / "own")
    assert damaged.returncode == 1
    assert "the copy of the code of losses:matching is not what was run" in damaged.stdout + damaged.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("scale: [1, 2]", "scal: [1, 2]"),
            "own.yaml:10:36: term losses:matching: it has no parameter 'scal'",
        ),
        ((", scale: [1, 2]", ""), "own.yaml:10:10: term losses:matching: it needs the key 'scale'"),
        (
            ("[1, 2]", "[1, word]"),
            "own.yaml:10:17: term losses:matching: called with 4 images, it raised Type",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(
    folder: Path, rigorkd: Rigorkd, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    (folder / "own.yaml").write_text(PROTOCOL.replace(*change))
    done = rigorkd("run", folder / "own.yaml")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow  # test_plan_cost.py measures what is ours
def test_the_cost_of_ones_own_term_is_measured(folder: Path, rigorkd: Rigorkd) -> None:
    done = rigorkd("plan", folder / "own.yaml", "--measure", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cost"]["seconds"] > 0
