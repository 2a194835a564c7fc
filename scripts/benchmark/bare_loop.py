"""A bare, careful PyTorch loop of the step that the engine does, for one student."""

from __future__ import annotations

import copy

import torch
from cohorts import OpenCohort
from settings import Settings
from torch import Tensor
from torch.nn import functional as F

from rigorkd.methods.kd import KD
from rigorkd.train.student import Student

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class BareLoop:
    """A student of an open cohort, copied, with its own optimiser and its own random order."""

    def __init__(
        self, opened: OpenCohort, student: Student, settings: Settings, *, with_teacher: bool
    ) -> None:
        bench = opened.context
        cell = student.run.cell
        self.data, self.view, self.device = bench.data.train, bench.view, bench.device
        self.batch = cell.training.batch_size
        self.method = cell.method if with_teacher and isinstance(cell.method, KD) else None
        self.model = copy.deepcopy(student.raw_model)
        # The engine's wrapping of a model casts its forward; a copy of the plain module is what people train.
        self.model.__dict__.pop("forward", None)
        self.model.__dict__.pop("_original_forward", None)
        # In `fast` mode the bare loop is compiled and channels-last too: the step is the same.
        self.runtime = bench.runtime
        self.step_model = self.runtime.step_model(self.model)
        self.teacher = copy.deepcopy(bench.teacher_outputs.model) if self.method else None
        if self.teacher is not None:
            self.teacher.__dict__.pop("forward", None)
            self.teacher.__dict__.pop("_original_forward", None)
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-3, weight_decay=1e-4, fused=True)
        self.dtype = DTYPES[settings.precision]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.precision == "fp16")
        self.loss = torch.zeros((), device=self.device)

    def epoch(self) -> None:
        """One pass over the training images."""
        self.model.train()
        self.loss.zero_()
        order = torch.randperm(len(self.data), device=self.device)
        draws = torch.rand(len(self.data), self.view.columns, device=self.device)
        for rows in order.split(self.batch):
            images = self.runtime.lay_out_images(self.view(self.data.images[rows], draws[rows]))
            self.step(images, self.data.labels[rows])

    def step(self, images: Tensor, targets: Tensor) -> None:
        """One optimiser step."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            taught = None
            if self.teacher is not None:
                with torch.no_grad():
                    taught = self.teacher(images).float()
            logits = self.step_model(images)
        logits = logits.float()
        loss = F.cross_entropy(logits, targets)
        if taught is not None and self.method is not None and self.method.ce_weight is not None:
            T = float(self.method.T)  # type: ignore[arg-type]
            divergence = F.kl_div(
                F.log_softmax(logits / T, dim=1),
                F.log_softmax(taught / T, dim=1),
                reduction="batchmean",
                log_target=True,
            )
            loss = self.method.ce_weight * loss + (1 - self.method.ce_weight) * divergence * T**2
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.loss += loss.detach()
