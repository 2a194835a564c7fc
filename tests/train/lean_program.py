"""Trains a small network for two steps in reference mode on a CPU, and prints what was imported for it."""

from __future__ import annotations

import sys

import torch

from rigorkd.data.dataset import Split
from rigorkd.data.digits import Digits
from rigorkd.data.loading import load
from rigorkd.data.operations import Views
from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.kd import KD
from rigorkd.methods.objective import Objective
from rigorkd.models.build import build
from rigorkd.models.model import Model
from rigorkd.models.sizes import macs_millions
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.schema import AdamW, Clip, Training
from rigorkd.train import cohort  # noqa: F401  all that a worker imports
from rigorkd.train.runtime import start_runtime
from rigorkd.train.student import Batch, Student

HEAVY = ("torch._dynamo", "torch._inductor", "sympy", "torchvision", "sklearn", "scipy", "pandas", "timm")

if __name__ == "__main__":
    runtime = start_runtime("cpu", "reference")
    cell = Cell(
        name="main/s/kd",
        role="student",
        group="main",
        student="s",
        model=Model(name="cnn", channels=(4, 4)),
        start="random",
        method=KD(T=4.0, alpha=0.5),
        training=Training(
            optimizer=AdamW(name="adamw", lr=1e-3), batch_size=32, epochs=2, clip_norm=Clip(max=1.0)
        ),
        views=Views(),
        dataset=Digits(name="digits", split=Split(train=100, val=50, test=50, seed=1)),
        teacher="teacher",
    )
    model = build(cell.model, classes=10, channels=1, size=8, seed=0)
    data = load(cell.dataset, 0)
    images, labels = data.train.images[:32].float() / 255, data.train.labels[:32]
    student = Student(Run(cell, 0), "hash", model, Objective(cell.method), runtime)
    student.begin_epoch(1)
    for seed in range(2):
        student.step(
            Batch(torch.arange(32), 0, images, None, Targets(labels, seed=seed)), Outputs(torch.zeros(32, 10))
        )
    student.state()
    macs_millions(model, images[:1])
    assert torch.are_deterministic_algorithms_enabled()
    print([name for name in HEAVY if name in sys.modules])
