"""How soft a teacher is: measures of its softened output on the test images, per temperature.

The relative entropy H(p) / log C of p = softmax(z / T) is 0 for a one-hot output and 1 for a uniform one. It
also comes without the arg-max class, renormalised: the structure of the other classes (Frank & Davis 2026,
arXiv 2603.02430). Means over images.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TEMPERATURES = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 40.0)
"""Those of the temperature study: fixed, so that any two teachers can be compared."""

EXAMPLES = 8
"""Images whose softened outputs are kept: the first test image of each of the first classes."""


@dataclass(frozen=True)
class Softness:
    """Measures at k temperatures; `rest` leaves the arg-max class out (NaN for two classes).

    entropy, rest: (k,); sorted_softmax: (k, C), descending; image: (m,) positions in the test set;
    target: (m,); softened: (m, k, C).
    """

    temperature: np.ndarray
    entropy: np.ndarray
    rest: np.ndarray
    sorted_softmax: np.ndarray
    image: np.ndarray
    target: np.ndarray
    softened: np.ndarray

    def metrics(self) -> dict[str, float | None]:
        """`softness_T4` and `softness_rest_T4` for every temperature, for the record."""
        found: dict[str, float | None] = {}
        for T, entropy, rest in zip(self.temperature, self.entropy, self.rest, strict=True):
            found[f"softness_T{T:g}"] = float(entropy)
            found[f"softness_rest_T{T:g}"] = None if math.isnan(rest) else float(rest)
        return found

    def to_npz(self) -> bytes:
        """The bytes of `softness.npz`; equal arrays give equal bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, **vars(self))
        return buffer.getvalue()


def softness(logits: Tensor, targets: Tensor) -> Softness:
    """The softness of a teacher from its logits (n, C) of the test images with targets (n,), in float64."""
    logits = logits.double().cpu()
    targets = targets.cpu()
    chosen = _first_of_each_class(targets)
    entropies, rests, profiles, softened = [], [], [], []
    top = torch.nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1]).bool()
    for temperature in TEMPERATURES:
        log_p = (logits / temperature).log_softmax(dim=1)
        entropies.append(_relative_entropy(log_p).mean())
        others = (logits / temperature)[~top].view(len(logits), -1).log_softmax(dim=1)
        rests.append(_relative_entropy(others).mean())
        profiles.append(log_p.exp().sort(dim=1, descending=True).values.mean(dim=0))
        softened.append(log_p[chosen].exp())
    return Softness(
        temperature=np.array(TEMPERATURES),
        entropy=torch.stack(entropies).numpy(),
        rest=torch.stack(rests).numpy(),
        sorted_softmax=torch.stack(profiles).float().numpy(),
        image=chosen.to(torch.int32).numpy(),
        target=targets[chosen].to(torch.int32).numpy(),
        softened=torch.stack(softened, dim=1).float().numpy(),
    )


def _relative_entropy(log_p: Tensor) -> Tensor:
    """H(p) / log C of every row of log-probabilities (n, C); NaN for a single class."""
    if log_p.shape[1] == 1:
        return torch.full((len(log_p),), math.nan, dtype=log_p.dtype)
    return -(log_p.exp() * log_p).sum(dim=1) / math.log(log_p.shape[1])


def _first_of_each_class(targets: Tensor) -> Tensor:
    """Positions of the first image of each of the first `EXAMPLES` classes that occur, by class."""
    classes = targets.unique()[:EXAMPLES]
    return torch.stack([(targets == label).nonzero()[0, 0] for label in classes])
