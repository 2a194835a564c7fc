"""Divergences and entropies of rows of logits: the pieces that several methods share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from rigorkd.methods.base import Targets

if TYPE_CHECKING:
    from torch import Tensor


def full(tensor: Tensor) -> Tensor:
    """At least float32: losses are computed in full precision whatever the compute dtype."""
    import torch

    return tensor if tensor.dtype == torch.float64 else tensor.float()


def standardized(logits: Tensor) -> Tensor:
    """Each row of logits (B, C), to mean 0 and standard deviation 1 (ddof 1); nothing is detached.

    Sun et al. 2024, "Logit Standardization in Knowledge Distillation".
    """
    logits = full(logits)
    centred = logits - logits.mean(dim=1, keepdim=True)
    return centred / (1e-7 + logits.std(dim=1, keepdim=True))


def log_probabilities(logits: Tensor, temperature: float | Tensor) -> Tensor:
    """log softmax(logits / temperature) of logits (B, C), in float32 at least."""
    return (full(logits) / temperature).log_softmax(dim=1)


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p ‖ q) of every row, (B,), in nats. Both are log-probabilities (B, C)."""
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def kl_of_pair(log_p: tuple[Tensor, Tensor], log_q: tuple[Tensor, Tensor]) -> Tensor:
    """KL of every row's two-way distribution, (B,): each is (log p, log(1 − p)), both (B,)."""
    import torch

    return kl(torch.stack(log_p, dim=1), torch.stack(log_q, dim=1))


def kl_among(teacher_logits: Tensor, logits: Tensor, among: Tensor) -> Tensor:
    """KL(teacher ‖ student) of the softmaxes over the classes where `among` (B, C) is true, (B,).

    Logits are those divided by T already. A row without any such class gives 0, and no gradient.
    """
    found = among.any(dim=1, keepdim=True)
    left_out = ~(among | ~found)  # an empty row is computed over all classes, then dropped

    def log_softmax(rows: Tensor) -> Tensor:
        return rows.masked_fill(left_out, -math.inf).log_softmax(dim=1)

    # −inf − (−inf) is not a number, and neither is its gradient: what is left out is 0 on both sides.
    log_p = log_softmax(teacher_logits)
    difference = log_p.masked_fill(left_out, 0.0) - log_softmax(logits).masked_fill(left_out, 0.0)
    return (log_p.exp() * difference).sum(dim=1) * found.squeeze(1)


def split_off(log_p: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """(log p_c, log(1 − p_c)) of every row's class c: two (B,). log_p: (B, C); classes: (B,) int64.

    The second is a sum over the other classes, so that it does not cancel when p_c is nearly 1.
    """
    chosen = is_class(classes, log_p.shape[1])
    return (
        log_p.masked_fill(~chosen, 0.0).sum(dim=1),
        log_p.masked_fill(chosen, -math.inf).logsumexp(dim=1),
    )


def is_class(classes: Tensor, of: int) -> Tensor:
    """(B, of) bool: true at every row's class. classes: (B,) int64."""
    import torch

    return classes[:, None] == torch.arange(of, device=classes.device)


def entropy(log_p: Tensor) -> Tensor:
    """Entropy of every row, (B,), in nats. log_p: (B, C) log-probabilities."""
    return -(log_p.exp() * log_p).sum(dim=1)


def over_labels(targets: Targets, term: Callable[[Tensor], Tensor]) -> Tensor:
    """A term that depends on the labels; for mixed images weighted over both labels, as cross-entropy is."""
    own = term(targets.labels)
    if targets.partners is None or targets.weight is None:
        return own
    return targets.weight * own + (1 - targets.weight) * term(targets.partners)
