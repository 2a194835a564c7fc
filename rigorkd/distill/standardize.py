"""Logit standardisation (Sun et al. 2024, "Logit Standardization in Knowledge Distillation")."""

from __future__ import annotations

from torch import Tensor

from rigorkd.distill.objective import full


def standardized(logits: Tensor) -> Tensor:
    """Each row of logits (B, C), to mean 0 and standard deviation 1 (ddof 1); nothing is detached."""
    logits = full(logits)
    centred = logits - logits.mean(dim=1, keepdim=True)
    return centred / (1e-7 + logits.std(dim=1, keepdim=True))
