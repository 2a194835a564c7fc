"""The loops that people write: one run after another, each with its own data loading and teacher forward.

`PlainLoop` is PyTorch with autocast; `AccelerateLoop` the same through Accelerate. Both validate after every
epoch, keep the best weights in memory and test them at the end, as the engine does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from accelerate import Accelerator
from bare_loop import DTYPES
from clock import watch_for
from cohorts import SEED
from feeds import Batches, Feeds
from paper_grid import Grid
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.methods.kd import KD
from rigorkd.models.build import build
from rigorkd.protocol.cells import Cell


def new_model(cell: Cell, device: torch.device) -> nn.Module:
    """The cell's architecture with random weights, on the device."""
    info = cell.dataset.info
    size = cell.views.size or info.size
    model = build(cell.model, classes=info.classes, channels=info.channels, size=size, seed=SEED)
    return model.to(device)


def new_optimizer(cell: Cell, model: nn.Module) -> torch.optim.Optimizer:
    """AdamW as people construct it: the default implementation."""
    wanted = cell.training.optimizer
    return torch.optim.AdamW(model.parameters(), lr=wanted.lr, weight_decay=wanted.weight_decay)


def distillation_loss(cell: Cell, logits: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
    """Cross-entropy, mixed with the divergence from the teacher where the cell distils."""
    loss = F.cross_entropy(logits, targets)
    if taught is None or not isinstance(cell.method, KD) or cell.method.ce_weight is None:
        return loss
    T = float(cell.method.T)  # type: ignore[arg-type]
    soft = F.kl_div(F.log_softmax(logits / T, dim=1), F.softmax(taught / T, dim=1), reduction="batchmean")
    return cell.method.ce_weight * loss + (1 - cell.method.ce_weight) * T * T * soft


Train = Callable[[Cell, nn.Module | None], nn.Module]
"""Trains one cell, with the finished teacher if it distils; the model with its best weights."""


def train_grid(grid: Grid, train: Train) -> None:
    """The teacher, then every student, one after another."""
    teacher = train(grid.teacher, None).eval().requires_grad_(False)
    for cell in grid.students:
        train(cell, teacher if cell.method.distils else None)


class PlainLoop:
    """A PyTorch training script."""

    def __init__(self, feeds: Feeds, device: torch.device, precision: str) -> None:
        self.feeds, self.device, self.precision = feeds, device, precision
        self._watch = watch_for(device)

    def training(self) -> AbstractContextManager[None]:
        """Counts an epoch and its validation: what grows with the images, unlike the building of models."""
        return self._watch.of("epochs")

    def trained_seconds(self) -> float:
        """Seconds of all epochs since the last reading."""
        return self._watch.read().get("epochs", 0.0)

    def autocast(self) -> torch.autocast:
        """Mixed precision as configured."""
        dtype = DTYPES[self.precision]
        return torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32)

    def train(self, cell: Cell, teacher: nn.Module | None) -> nn.Module:
        """One run."""
        model = new_model(cell, self.device)
        optimizer = new_optimizer(cell, model)
        epochs = cell.training.epochs
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        best, best_weights = -1.0, copy.deepcopy(model.state_dict())
        for _ in range(epochs):
            with self.training():
                model.train()
                for images, targets in self.feeds.train:
                    images = images.to(self.device, non_blocking=True)
                    targets = targets.to(self.device, non_blocking=True)
                    taught = None
                    with self.autocast():
                        if teacher is not None:
                            with torch.no_grad():
                                taught = teacher(images)
                        logits = model(images)
                        loss = distillation_loss(cell, logits, targets, taught)
                    optimizer.zero_grad()
                    scaler.scale(loss).backward()
                    if cell.training.clip_norm is not None:
                        scaler.unscale_(optimizer)
                        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                    scaler.step(optimizer)
                    scaler.update()
                schedule.step()
                accuracy = self.accuracy(model, self.feeds.val)
            if accuracy > best:
                best, best_weights = accuracy, copy.deepcopy(model.state_dict())
        model.load_state_dict(best_weights)
        self.accuracy(model, self.feeds.test)
        return model

    @torch.no_grad()
    def accuracy(self, model: nn.Module, feed: Batches) -> float:
        """Top-1 on a feed, in [0, 1]."""
        model.eval()
        correct = torch.zeros((), device=self.device)
        seen = 0
        for images, targets in feed:
            with self.autocast():
                logits = model(images.to(self.device, non_blocking=True))
            correct += (logits.argmax(dim=1) == targets.to(self.device)).sum()
            seen += len(targets)
        return float(correct) / seen


class AccelerateLoop(PlainLoop):
    """The same script through Accelerate with prepared DataLoaders."""

    def train(self, cell: Cell, teacher: nn.Module | None) -> nn.Module:
        """One run."""
        accelerator = Accelerator(
            mixed_precision={"fp32": "no"}.get(self.precision, self.precision),
            cpu=self.device.type == "cpu",
        )
        raw = new_model(cell, self.device)
        model, optimizer, loader = accelerator.prepare(raw, new_optimizer(cell, raw), self.feeds.train)
        epochs = cell.training.epochs
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer.optimizer, T_max=epochs)
        best, best_weights = -1.0, copy.deepcopy(raw.state_dict())
        for _ in range(epochs):
            with self.training():
                model.train()
                for images, targets in loader:
                    taught = None
                    if teacher is not None:
                        with torch.no_grad(), accelerator.autocast():
                            taught = teacher(images).float()
                    loss = distillation_loss(cell, model(images), targets, taught)
                    optimizer.zero_grad()
                    accelerator.backward(loss)
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    optimizer.step()
                schedule.step()
                accuracy = self.accuracy(model, self.feeds.val)
            if accuracy > best:
                best, best_weights = accuracy, copy.deepcopy(raw.state_dict())
        raw.load_state_dict(best_weights)
        self.accuracy(model, self.feeds.test)
        return raw
