"""Smoke versions keep names and structure and shrink everything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations, product
from pathlib import Path

import pytest

from rigorkd.data.synthetic import Synthetic
from rigorkd.models.model import min_size
from rigorkd.protocol.cohorts import gain_pairs
from rigorkd.protocol.load import Protocol
from rigorkd.protocol.smoke import smoke
from tests.conftest import SHIPPED, shipped

Load = Callable[..., Protocol]

FILES = sorted(SHIPPED.rglob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_any_protocol_shrinks(file: Path) -> None:
    full = shipped(file)
    small = smoke(full)
    assert small.study == small.spec.study == f"{full.study}.smoke"
    assert small.smoke
    assert not full.smoke
    assert {cell.name for cell in small.cells} <= {cell.name for cell in full.cells}
    names = {cell.name for cell in small.cells}
    for cell in small.cells:
        assert set(cell.needs) <= names
        assert isinstance(cell.dataset, Synthetic)
        known = full.spec.dataset.info
        assert cell.dataset.classes == (known.classes if known else 10)
        side = cell.size or cell.views.size or cell.dataset.size
        assert min_size(cell.model.name) <= side
        assert side <= max(32, *(min_size(other.model.name) for other in small.cells))
        assert cell.training.epochs <= 2
        assert cell.training.schedule.warmup_epochs < cell.training.epochs
        assert cell.training.precision != "fp16"
        assert cell.start == "random" or cell.start_cell is not None
        assert cell.role == full.cell(cell.name).role
        assert cell.train == full.cell(cell.name).train
    assert {name for contrast in small.spec.analysis.contrasts for name in contrast.cells()} <= names
    assert {cell.role for cell in small.cells} == {cell.role for cell in full.cells}
    gains = [(cell, baseline) for cell, baseline in gain_pairs(full.cells, full.cells) if cell in names]
    assert gain_pairs(small.cells, small.cells) == gains
    assert smoke(small) is small


def test_the_paper(load: Load) -> None:
    small = smoke(shipped(SHIPPED / "paper.yaml"))
    assert [cell.name for cell in small.cells if cell.group == "ablation"] == [
        "ablation/mobilenetv2/baseline",
        "ablation/mobilenetv2/kd-T2-a0.5",
        "ablation/mobilenetv2/kd-T6-a0.5",
        "ablation/mobilenetv2/kd-T4-a0.3",
        "ablation/mobilenetv2/kd-T4-a0.7",
    ]
    assert {cell.training.epochs for cell in small.cells if cell.group == "main"} == {2}
    assert {cell.training.epochs for cell in small.cells if cell.group == "ablation"} == {1}
    assert [contrast.name for contrast in small.spec.analysis.contrasts] == [
        "both students gain",
        "the gain depends on the student",
        "accuracy changes with T",
        "accuracy falls as alpha rises",
    ]


def test_first_and_last_of_every_axis(load: Load) -> None:
    protocol = load(
        ("    baseline: true", "    epochs: [2, 4, 8]\n    batch_size: [8, 16, 32]\n    baseline: true"),
        ("T: [1, 4], alpha: [0.1, 0.5]", "T: [1, 2, 4], alpha: 0.1"),
    )
    small = smoke(protocol)
    cells = [cell for cell in small.cells if cell.student == "small"]
    assert len(cells) == 2 * 2 * (1 + 2)
    assert "main/small/kd-T1-a0.1-bs8-e2" in [cell.name for cell in cells]
    assert {(cell.training.batch_size, cell.training.epochs) for cell in cells} == {
        (2, 1),
        (2, 2),
        (4, 1),
        (4, 2),
    }


AXES = {"optimizer": [{"name": "adamw", "lr": 1e-3}, {"name": "sgd", "lr": 0.1}], "batch_size": [8, 16, 32]}


def test_of_many_cells_every_pair_of_values(load: Load) -> None:
    """Two students, three axes, two methods at two temperatures each: 80 cells by first and last values."""
    axes = "".join(f"    {key}: {json.dumps(values)}\n" for key, values in AXES.items())
    last = "main/small/dkd-T4-tckd1-nckd8-adamw-bs32-e8"
    protocol = load(
        ("    baseline: true", f"{axes}    epochs: [2, 4, 8]\n    baseline: true"),
        ("T: [1, 4], alpha: [0.1, 0.5]}", "T: [1, 2, 4]}\n    dkd: {T: [1, 2, 4]}"),
        ("seeds: 3", f"seeds: 3\nanalysis: {{primary: {last}}}"),
    )
    cells = [cell for cell in smoke(protocol).cells if cell.role == "student"]
    students = {cell.student for cell in cells}
    kinds = {
        cell.name: (
            cell.student,
            (cell.method.key, getattr(cell.method, "T", None)),
            cell.training.optimizer.name,
            cell.training.batch_size,
            cell.training.epochs,
        )
        for cell in cells
    }
    assert len(kinds) < 30
    assert last in kinds
    methods = {("baseline", None), *((key, T) for key in ("kd", "dkd") for T in (1, 4))}
    axes_of = (students, methods, {"adamw", "sgd"}, {2, 4}, {1, 2})
    for one, other in combinations(range(5), 2):
        found = {(kind[one], kind[other]) for kind in kinds.values()}
        assert found == set(product(axes_of[one], axes_of[other]))


@pytest.mark.parametrize(("size", "side"), [(8, 8), (12, 12), (64, 32)])
def test_a_model_of_ones_own_sees_what_its_protocol_shows_it(load: Load, size: int, side: int) -> None:
    protocol = load(
        ("students:", f"views: {{size: {size}}}\nstudents:"),
        ("small: {model: {name: cnn, channels: [8]}}", 'small: {model: "nets:make"}'),
        ("teacher: {model: {name: cnn, channels: [16, 32]}}", 'teacher: {model: "nets:make", size: 24}'),
    )
    small = smoke(protocol)
    assert {cell.views.size for cell in small.cells} == {side}
    assert small.cell("teacher").size == 24


def test_small_grey_images_stay_small_and_grey(load: Load) -> None:
    data = smoke(load()).cells[0].dataset
    assert isinstance(data, Synthetic)
    assert (data.size, data.channels, data.classes, data.split.seed) == (8, 1, 10, 7)
