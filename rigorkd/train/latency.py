"""Single-image inference latency of an architecture: measured once per study, shared by all its cells.

Distillation cannot change the latency of an unchanged architecture; one shared figure makes it impossible to
say so by noise.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.benchmark import timer as clock

from rigorkd.protocol.schema import Model
from rigorkd.records.atomic import write_atomically

REPEATS, WARMUP = 30, 3
ENOUGH_SECONDS, FEWEST = 1.0, 5
"""A slow model is timed less often: after a second, five repeats are enough."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image: quartiles over `n` timed forwards after a warm-up."""

    median: float
    q25: float
    q75: float
    n: int


def architecture_key(
    model: Model,
    shape: tuple[int, ...],
    classes: int,
    hardware: str,
    *,
    precision: str,
    size: int | None = None,
    code: str | None = None,
) -> str:
    """A file-safe key of what determines latency: architecture, input shape, classes, hardware, precision.

    `size` is a model's own image size, to which it resizes its input; `code` identifies a user's own model.
    """
    text = json.dumps(
        [model.model_dump(mode="json"), shape, classes, hardware, precision, size, code], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@torch.no_grad()
def measure(model: nn.Module, image: Tensor) -> Latency:
    """Time a forward pass of one image (1, C, H, W) in evaluation mode; the model's mode is restored."""
    was_training = model.training
    model.eval()
    for _ in range(WARMUP):
        model(image)
    seconds: list[float] = []
    while len(seconds) < REPEATS and (len(seconds) < FEWEST or sum(seconds) < ENOUGH_SECONDS):
        # Timer.timeit would warm up again for every figure: three forwards for one that is timed.
        begun = clock()  # waits for a GPU
        model(image)
        seconds.append(clock() - begun)
    model.train(was_training)
    times = torch.tensor(seconds, dtype=torch.float64) * 1e3
    q25, median, q75 = torch.quantile(times, torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)).tolist()
    return Latency(median=median, q25=q25, q75=q75, n=len(seconds))


def shared_latency(cache: Path, model: nn.Module, image: Tensor) -> Latency:
    """The latency noted in `cache`, or measured now; of two measured at once the first counts."""
    noted = _noted(cache)
    if noted is not None:
        return noted
    latency = measure(model, image)
    mine = cache.with_name(f"{cache.name}.{uuid.uuid4().hex}")
    write_atomically(mine, json.dumps(asdict(latency)).encode())
    try:
        if _noted(cache) is None:
            cache.unlink(missing_ok=True)  # damaged
        cache.hardlink_to(mine)  # fails if another worker was first
    except FileExistsError:
        return _noted(cache) or latency
    finally:
        mine.unlink(missing_ok=True)
    return latency


def _noted(cache: Path) -> Latency | None:
    """What the cache holds, None if it holds nothing, or nothing readable."""
    try:
        return Latency(**json.loads(cache.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
