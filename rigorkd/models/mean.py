"""Several teachers at once: a network that gives the weighted mean of the logits of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn


class MeanOfLogits(nn.Module):
    """Σ_i w_i · logits_i in float32, in the order of the networks; `weights` sum to 1."""

    def __init__(self, networks: Iterable[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.networks, self.weights = nn.ModuleList(networks), tuple(weights)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C) of images (B, channels, size, size)."""
        mean: Tensor | None = None
        for weight, network in zip(self.weights, self.networks, strict=True):
            share = weight * network(images).float()
            mean = share if mean is None else mean + share
        assert mean is not None, "a mean is of two or more"
        return mean
