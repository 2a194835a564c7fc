"""The frozen teacher of a cohort: what it says of a batch, computed once, replayed, or looked up."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rigorkd.methods.base import Outputs
from rigorkd.methods.forward_hooks import ForwardHooks
from rigorkd.train.batch import Batch
from rigorkd.train.evaluate import EvaluationSet
from rigorkd.train.peers import ALONE, Peers
from rigorkd.train.replay import Replay


class Teaching:
    """What the students of a cohort are taught.

    With `clean` None the teacher sees the students' own batch, and whole epochs are kept in `replay` where
    there is one. Otherwise it saw every training image once through the evaluation view, and its logits are
    looked up by the image's row, whatever the order and augmentation of the epoch. `layers` are those whose
    outputs some student imitates; `peers` are the processes that share a batch.
    """

    def __init__(
        self,
        model: nn.Module,
        clean: EvaluationSet | None,
        replay: Replay | None,
        layers: tuple[str, ...] = (),
        peers: Peers = ALONE,
    ) -> None:
        self.model, self.replay, self.layers, self.peers = model, replay, layers, peers
        self.hooks = ForwardHooks(model, layers)
        self._table = None if clean is None else clean.logits(model)
        self._subsets: dict[str, Tensor] = {}
        self._known: Tensor | None = None
        self._heard: list[Tensor] = []
        self.computed = 0
        """Images of the epoch whose logits were computed, by all processes together, not fetched."""

    def begin_epoch(self, epoch: int, images: int) -> None:
        """Fetch the kept logits of an epoch that shows `images` images, if there are any."""
        self._heard = []
        self._known = None
        self.computed = 0
        if self._table is None and self.replay is not None:
            self._known = self.replay.load(epoch, images, next(self.model.parameters()).device)

    def outputs(self, batch: Batch, *, features: bool = False) -> Outputs:
        """What the teacher says of a batch, of its strong view too if there is one; features where wanted."""
        rows = len(batch.rows)
        strong = None if batch.strong is None else self.peers.gather(self._hear(batch.strong), rows)
        if self._table is not None:
            return Outputs(self._table[batch.rows], strong)
        if self._known is not None and not features:
            return Outputs(self._known[batch.start : batch.start + len(batch.rows)], strong)
        if features:
            self.hooks.open()
        said = self._hear(batch.images)
        taught = self.peers.gather_outputs(Outputs(said, None, self.hooks.take()), rows)
        if self.replay is not None and self._known is None:
            self._heard.append(taught.logits)
        return taught._replace(strong=strong)

    def _hear(self, images: Tensor) -> Tensor:
        """What the teacher says of this process's share of a batch."""
        self.computed += len(images)
        return self.forward(self.peers.share(images))

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
