"""The same runs through torchdistill (PyPI), an optional peer: its boxes do the steps, on the same data."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import io
import logging
from typing import Any

import torch
from feeds import Feeds, PILSets
from peer_loops import PlainLoop, new_model
from torch import nn
from torch.utils.data import RandomSampler, SequentialSampler

from rigorkd.methods.kd import KD
from rigorkd.protocol.cells import Cell


def why_missing() -> str | None:
    """Why this peer cannot run here, None if it can."""
    if importlib.util.find_spec("torchdistill") is None:
        return "torchdistill is not installed (pip install torchdistill)"
    try:
        _boxes()
    except Exception as error:
        return f"torchdistill cannot be imported: {type(error).__name__}: {error}"
    return None


def _boxes() -> tuple[Any, Any]:
    with contextlib.redirect_stdout(io.StringIO()):
        from torchdistill.core.distillation import get_distillation_box  # type: ignore[import-not-found]
        from torchdistill.core.training import get_training_box  # type: ignore[import-not-found]
    logging.getLogger("torchdistill").setLevel(logging.ERROR)
    return get_distillation_box, get_training_box


class TorchdistillLoop(PlainLoop):
    """One box per run. Without its accelerator a box has no mixed precision: this peer is float32."""

    def __init__(self, sets: PILSets, feeds: Feeds, batch: int, device: torch.device) -> None:
        super().__init__(feeds, device, "fp32")
        self.sets, self.batch = sets, batch

    def train(self, cell: Cell, teacher: nn.Module | None) -> nn.Module:
        """One run."""
        make_distillation, make_training = _boxes()
        model = new_model(cell, self.device)
        data = {"train": self.sets.train, "val": self.sets.val}
        common = {"device": self.device, "device_ids": None, "distributed": False, "lr_factor": 1}
        config = self._config(cell, teacher is not None)
        if teacher is None:
            box = make_training(model, data, config, **common)
        else:
            box = make_distillation(teacher, model, data, config, **common)
        best, best_weights = -1.0, copy.deepcopy(model.state_dict())
        for epoch in range(box.num_epochs):
            with self.training():
                box.pre_epoch_process(epoch=epoch)
                for images, targets, extra in box.train_data_loader:
                    images, targets = images.to(self.device), targets.to(self.device)
                    box.pre_forward_process()
                    loss = box.forward_process(images, targets=targets, supp_dict=extra)
                    box.post_forward_process(loss=loss)
                box.post_epoch_process()
                accuracy = self.accuracy(model, self.feeds.val)
            if accuracy > best:
                best, best_weights = accuracy, copy.deepcopy(model.state_dict())
        box.clean_modules()
        if teacher is not None:
            teacher.eval().requires_grad_(False)
        model.load_state_dict(best_weights)
        self.accuracy(model, self.feeds.test)
        return model

    def _config(self, cell: Cell, distils: bool) -> dict[str, Any]:
        def loader(name: str, sampler: type) -> dict[str, Any]:
            return {
                "dataset_id": name,
                "sampler": {"class_or_func": sampler, "kwargs": {}},
                "kwargs": {"batch_size": self.batch, "num_workers": 0},
            }

        forward = {"forward_proc": "forward_batch_only"}
        wanted = cell.training
        config = {
            "num_epochs": wanted.epochs,
            "train_data_loader": loader("train", RandomSampler),
            "val_data_loader": loader("val", SequentialSampler),
            "optimizer": {
                "key": "AdamW",
                "kwargs": {"lr": wanted.optimizer.lr, "weight_decay": wanted.optimizer.weight_decay},
                **({} if wanted.clip_norm is None else {"max_grad_norm": 1.0}),
            },
            "scheduler": {"key": "CosineAnnealingLR", "kwargs": {"T_max": wanted.epochs}},
            "criterion": {
                "key": "WeightedSumLoss",
                "kwargs": {"sub_terms": {"loss": _term(cell, distils)}},
            },
        }
        if distils:
            return {
                **config,
                "teacher": {**forward, "requires_grad": False},
                "student": {**forward, "requires_grad": True},
            }
        return {**config, "model": {**forward, "requires_grad": True}}


def _term(cell: Cell, distils: bool) -> dict[str, Any]:
    if distils and isinstance(cell.method, KD):
        output = {"module_path": ".", "module_io": "output"}
        paths = {f"{side}_{key}": value for side in ("student", "teacher") for key, value in output.items()}
        kwargs = {**paths, "temperature": cell.method.T, "alpha": cell.method.ce_weight}
        return {"criterion": {"key": "KDLoss", "kwargs": kwargs}, "weight": 1.0}
    return {
        "criterion": {"key": "CrossEntropyLoss", "kwargs": {}},
        "criterion_wrapper": {
            "key": "SimpleLossWrapper",
            "kwargs": {
                "input": {"is_from_teacher": False, "module_path": ".", "io": "output"},
                "target": {"uses_label": True},
            },
        },
        "weight": 1.0,
    }
