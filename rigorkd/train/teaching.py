"""The frozen teacher of a cohort: its logits of a batch, computed once, replayed, or looked up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rigorkd.train.evaluate import EvaluationSet
from rigorkd.train.replay import Replay


class Teaching:
    """What the students of a cohort are taught.

    With `clean` None the teacher sees the students' own batch, and whole epochs are kept in `replay` where
    there is one. Otherwise it saw every training image once through the evaluation view, and its logits are
    looked up by the image's row, whatever the order and augmentation of the epoch.
    """

    def __init__(self, model: nn.Module, clean: EvaluationSet | None, replay: Replay | None) -> None:
        self.model, self.replay = model, replay
        self._table = None if clean is None else clean.logits(model)
        self._subsets: dict[str, Tensor] = {}
        self._known: Tensor | None = None
        self._heard: list[Tensor] = []

    def begin_epoch(self, epoch: int, images: int) -> None:
        """Fetch the kept logits of an epoch that shows `images` images, if there are any."""
        self._heard = []
        self._known = None
        if self._table is None and self.replay is not None:
            self._known = self.replay.load(epoch, images, next(self.model.parameters()).device)

    @torch.no_grad()
    def logits(self, rows: Tensor, start: int, images: Tensor) -> Tensor:
        """Logits (B, C) of the images of `rows` (B,), shown from position `start` of the epoch on."""
        if self._table is not None:
            return self._table[rows]
        if self._known is not None:
            return self._known[start : start + len(rows)]
        logits = self.forward(images)
        if self.replay is not None:
            self._heard.append(logits)
        return logits

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The teacher's logits (B, C) of the viewed images (B, C, S, S)."""
        logits: Tensor = self.model(images)
        return logits

    def end_epoch(self, epoch: int) -> None:
        """Keep the logits of the epoch for whoever comes later."""
        if self.replay is not None and self._heard:
            self.replay.keep(epoch, torch.cat(self._heard))
        self._heard = []
        self._known = None

    def of(self, name: str, subset: EvaluationSet) -> Tensor:
        """The teacher's logits (n, C) of a named subset in its evaluation view, computed once."""
        if name not in self._subsets:
            self._subsets[name] = subset.logits(self.model)
        return self._subsets[name]
