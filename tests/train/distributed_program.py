"""Runs of one process and of two: three steps in double precision with every kind of objective, in files.

python distributed_program.py FOLDER
"""

from __future__ import annotations

import multiprocessing as mp
import sys
from dataclasses import replace

import torch
from torch import Tensor, nn

from rigorkd.data.dataset import Split
from rigorkd.data.digits import Digits
from rigorkd.data.operations import Views
from rigorkd.methods.base import Method, Outputs, Shapes, Targets
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.ctkd import CTKD
from rigorkd.methods.dist import DIST
from rigorkd.methods.feature import Feature
from rigorkd.methods.kd import KD
from rigorkd.methods.objective import Objective
from rigorkd.models.model import Model
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.schema import SGD, Clip, Training
from rigorkd.train.distributed import join
from rigorkd.train.runtime import Runtime, start_runtime
from rigorkd.train.student import Batch, Student

METHODS: dict[str, Method] = {
    "baseline": Baseline(),
    "kd": KD(T=4.0, alpha=0.5),
    "learned temperature": CTKD(),
    "relations within the batch": DIST(),
    "projected features": Feature(layers=("0",)),
}
SIZES = (7, 4, 1)
"""Rows of the three batches: shares of different size, of one size, and fewer rows than processes."""


def network() -> nn.Sequential:
    """Four classes from one-channel images of 6×6; no BatchNorm, no dropout."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 4)
    ).double()


def batch(step: int, generator: torch.Generator) -> Batch:
    """Random images with random labels."""
    rows = SIZES[step]
    images = torch.randn(rows, 1, 6, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (rows,), generator=generator)
    return Batch(torch.arange(rows), 0, images, None, Targets(labels, seed=step))


def train(method: Method, runtime: Runtime) -> dict[str, Tensor]:
    """Losses and gradients of every step, and the weights after the last."""
    torch.manual_seed(0)
    student_network, teacher = network(), network()
    cell = Cell(
        name="main/s/cell",
        role="student",
        group="main",
        student="s",
        model=Model(name="cnn"),
        start="random",
        method=method,
        training=Training(optimizer=SGD(name="sgd", lr=0.1), batch_size=7, epochs=2, clip_norm=Clip(max=0.5)),
        views=Views(),
        dataset=Digits(name="digits", split=Split(train=100, val=50, test=50, seed=1)),
        teacher="teacher",
    )
    shapes = Shapes(student={"0": (3, 6, 6)}, teacher={"0": (3, 6, 6)}, seed=5)
    objective = Objective(method, 0.0, shapes if method.needs_features else None).double()
    student = Student(Run(cell, 0), "hash", student_network, objective, runtime)
    found: dict[str, Tensor] = {}
    clip = student._clip

    def watched() -> Tensor | None:
        step = student._steps
        for index, parameter in enumerate(student.parameters):
            assert parameter.grad is not None
            found[f"gradient {index} of step {step}"] = parameter.grad.clone()
        return clip()

    student._clip = watched  # type: ignore[method-assign]
    generator = torch.Generator().manual_seed(1)
    student.begin_epoch(1)
    for step in range(len(SIZES)):
        shown = batch(step, generator)
        with torch.no_grad():
            features = {"0": teacher[0](shown.images)}
            taught = Outputs(teacher(shown.images), None, features)
        student.step(shown, taught)
        found[f"sums of step {step}"] = student._sums.clone()
    for index, parameter in enumerate(student.parameters):
        found[f"weights {index}"] = parameter.detach().clone()
    return found


def main(rank: int, processes: int, meeting: str, out: str) -> None:
    """Train with every method, alone or with others."""
    runtime = start_runtime("cpu", "reference")
    if processes > 1:
        runtime = replace(runtime, distributed=join(rank, ("cpu",) * processes, meeting))
    torch.save({name: train(method, runtime) for name, method in METHODS.items()}, out)


if __name__ == "__main__":
    folder = sys.argv[1]
    running = [  # forked: what they import is imported once
        mp.get_context("fork").Process(
            target=main, args=(rank, count, f"{folder}/meeting-{count}", f"{folder}/{count}-{rank}.pt")
        )
        for count in (1, 2)
        for rank in range(count)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    sys.exit(any(process.exitcode for process in running))
