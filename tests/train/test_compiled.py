"""`fast` mode compiles the students' steps on CUDA; here the same is asked of a CPU."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.fx import GraphModule

from rigorkd.records.layout import StudyFolder
from rigorkd.train.cohort import train_cohort
from rigorkd.train.runtime import Runtime
from rigorkd.train.task import Task

from .conftest import COLD, TEACHER, WARM, wanted


@pytest.fixture
def compiling(runtime: Runtime) -> Iterator[Runtime]:
    """A runtime that compiles, and leaves no compiled graph behind."""
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.reset()
    yield replace(runtime, compiles=True)
    torch._dynamo.reset()
    torch._dynamo.config.recompile_limit = limit


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[GraphModule]:
    """The graphs that are found; they run as they are, so that no compiler is waited for."""
    found: list[GraphModule] = []
    compile_with = torch.compile

    def eagerly(graph: GraphModule, examples: list[Any]) -> Callable[..., Any]:
        found.append(graph)
        run: Callable[..., Any] = graph.forward
        return run

    def compile_eagerly(module: nn.Module, **settings: Any) -> Any:
        return compile_with(module, backend=eagerly, **settings)

    monkeypatch.setattr(torch, "compile", compile_eagerly)
    return found


def losses(study: StudyFolder, runtime: Runtime) -> list[float]:
    """The training and validation losses of two students and of their teacher."""
    teacher = wanted(TEACHER)
    train_cohort(Task((teacher,), None), study, runtime, lambda event: None)
    runs = (wanted(COLD), wanted(WARM))
    train_cohort(Task(runs, teacher), study, runtime, lambda event: None)
    found = []
    for want in (teacher, *runs):
        with (study.run(want.run.name) / "history.csv").open() as file:
            found += [float(row[key]) for row in csv.DictReader(file) for key in ("train_loss", "val_loss")]
    return found


def test_an_architecture_has_one_graph_per_size_of_batch(
    study: StudyFolder, compiling: Runtime, graphs: list[GraphModule]
) -> None:
    """Neither another temperature nor another learning rate, student or epoch is compiled anew."""
    losses(study, compiling)
    assert len(graphs) == 2 * 2  # teacher and students; batches of 32 and the last one


def test_many_architectures_are_compiled_in_one_process(
    compiling: Runtime, graphs: list[GraphModule]
) -> None:
    for width in range(1, 8):
        model = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Flatten())
        step = compiling.step_model(compiling.accelerator("bf16").prepare_model(model))
        for images in (4, 2):
            step(torch.zeros(images, 1, 4, 4)).sum().backward()
    assert len(graphs) == 2 * 7


def test_synchronised_batchnorm_is_not_compiled(compiling: Runtime) -> None:
    """torch would break the graph at each of them."""
    model = nn.Sequential(nn.Linear(2, 2), nn.SyncBatchNorm(2))
    assert compiling.step_model(model) is model


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU with g++")
def test_compiled_steps_train_as_eager_ones_do(
    study: StudyFolder, compiling: Runtime, runtime: Runtime
) -> None:
    compiled = losses(StudyFolder(study.path / "compiled"), compiling)
    assert compiled == pytest.approx(losses(StudyFolder(study.path / "eager"), runtime), rel=1e-4)
