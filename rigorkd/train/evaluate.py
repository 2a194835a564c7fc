"""Evaluation: logits of a subset, per-example results, their metrics, the softness of teachers."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.data.image_data import StoredImages

BATCH = 500
"""Images per evaluation batch: fixed, since the batch size can change the last bits of a convolution."""

CACHE_BYTES = 256 * 2**20
"""An evaluation view up to this size is computed once and kept on the device."""

TEMPERATURES = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 40.0)
"""Those of the temperature study: fixed, so that any two teachers can be compared."""

EXAMPLES = 8
"""Images whose softened outputs are kept: the first test image of each of the first classes."""

SOFT_TRAIN_IMAGES = 10_000
"""Training images at most over which softness is averaged: this takes no longer than the usual test set."""


class EvaluationSet:
    """One subset seen through the evaluation view: `(images, targets)` batches on the device, in order.

    The view of a batch is computed once for all models that are evaluated on it, and kept for later epochs
    if the whole subset is small.
    """

    def __init__(
        self, images: Tensor | StoredImages, labels: Tensor, view: Callable[[Tensor, Tensor | None], Tensor]
    ) -> None:
        self.images, self.labels, self.view = images, labels, view
        self._kept: list[Tensor] | None = None

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        targets = self.labels.split(BATCH)
        if self._kept is not None:
            yield from zip(self._kept, targets, strict=True)
            return
        kept: list[Tensor] | None = []
        used = 0
        for raw, target in zip(self.images.split(BATCH), targets, strict=True):
            batch = self.view(raw, None)
            used += batch.nbytes
            if kept is not None and used <= CACHE_BYTES:
                kept.append(batch)
            else:
                kept = None
            yield batch, target
        self._kept = kept

    @torch.no_grad()
    def logits(self, model: nn.Module) -> Tensor:
        """Float32 logits of the whole subset, shape (n, C). The model's mode is restored afterwards."""
        return self.logits_of([model])[0]

    @torch.no_grad()
    def logits_of(self, models: list[nn.Module]) -> list[Tensor]:
        """Float32 logits of several models, each (n, C), with one view per batch for all of them."""
        was_training = [model.training for model in models]
        for model in models:
            model.eval()
        parts: list[list[Tensor]] = [[] for _ in models]
        for images, _ in self:
            for model, part in zip(models, parts, strict=True):
                part.append(model(images).float())
        for model, training in zip(models, was_training, strict=True):
            model.train(training)
        return [torch.cat(part) for part in parts]


@dataclass(frozen=True)
class Predictions:
    """Per-example results on a subset, each array of shape (n,), in the subset's order."""

    target: np.ndarray
    prediction: np.ndarray
    loss: np.ndarray
    confidence: np.ndarray
    top5_hit: np.ndarray

    def to_npz(self, logits: np.ndarray | None = None) -> bytes:
        """The bytes of `predictions.npz`; equal arrays give equal bytes (no clock inside)."""
        arrays = dict(vars(self))
        if logits is not None:
            arrays["logits"] = logits
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    def metrics(self) -> dict[str, float]:
        """Test metrics; accuracies in percent, the loss is the mean cross-entropy."""
        correct = self.prediction == self.target
        return {
            "test_top1": 100 * float(correct.mean()),
            "test_top5": 100 * float(self.top5_hit.mean()),
            "test_loss": float(self.loss.astype(np.float64).mean()),
            "ece": expected_calibration_error(self.confidence, correct),
        }


def predict(logits: Tensor, targets: Tensor) -> Predictions:
    """Per-example results from logits (n, C) and targets (n,). Top-5 is top-C where C is less than 5."""
    prediction = logits.argmax(dim=1)  # of the logits: a saturated softmax has ties
    confidence = logits.softmax(dim=1).amax(dim=1)
    top5 = logits.topk(min(5, logits.shape[1]), dim=1).indices
    loss = F.cross_entropy(logits, targets, reduction="none")
    return Predictions(
        target=targets.to(torch.int32).cpu().numpy(),
        prediction=prediction.to(torch.int32).cpu().numpy(),
        loss=loss.cpu().numpy(),
        confidence=confidence.cpu().numpy(),
        top5_hit=(top5 == targets[:, None]).any(dim=1).cpu().numpy(),
    )


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error over equal-width bins (Guo et al. 2017), in [0, 1]."""
    which = np.clip(np.ceil(confidence.astype(np.float64) * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(which, weights=correct.astype(np.float64) - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def fidelity(student: Tensor, teacher: Tensor) -> dict[str, float]:
    """How closely a student follows its teacher: agreement of the arg-max in percent, mean KL at T = 1."""
    agreement = (student.argmax(dim=1) == teacher.argmax(dim=1)).double().mean()
    divergence = F.kl_div(
        student.double().log_softmax(dim=1),
        teacher.double().log_softmax(dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return {"teacher_agreement": 100 * float(agreement), "teacher_kl": float(divergence)}


@dataclass(frozen=True)
class Softness:
    """How soft a teacher is: measures of its softened output on test or training images, at k temperatures.

    The relative entropy H(p) / log C of p = softmax(z / T) is 0 for a one-hot output and 1 for a uniform one.
    It also comes without the arg-max class, renormalised: the structure of the other classes (Frank & Davis
    2026, arXiv 2603.02430). Means over images; `rest` leaves the arg-max class out (NaN for two classes).

    entropy, rest: (k,); sorted_softmax: (k, C), descending; image: (m,) positions among these images;
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
        """The bytes of `softness.npz` or `softness_train.npz`; equal arrays give equal bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, **vars(self))
        return buffer.getvalue()


def softness(logits: Tensor, targets: Tensor) -> Softness:
    """The softness of a teacher from its logits (n, C) of images with targets (n,), in float64."""
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
