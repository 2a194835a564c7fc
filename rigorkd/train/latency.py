"""Single-image inference latency: measured once per architecture and device, shared by all its cells.

Distillation cannot change the latency of an unchanged architecture; one shared figure makes it impossible to
say so by noise. A worker measures before it trains, while nothing else of rigorkd works on the device; where
that cannot be had, the figure says so (`shared`) and no table for a paper shows it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from rigorkd.data.loading import load
from rigorkd.data.views import build_view
from rigorkd.files import write_atomically
from rigorkd.models.build import build
from rigorkd.models.inputs import resize_inputs
from rigorkd.records.expected import Expected
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import read_note
from rigorkd.train.runtime import Runtime
from rigorkd.train.task import architecture_key

REPEATS, WARMUP = 30, 3
ATTEMPTS = 2
"""How often in a launch an architecture is tried of which a worker died, or that failed."""
ENOUGH_SECONDS, FEWEST = 0.2, 5
"""About 0.3 s for an architecture: a slow one is warmed up less, and timed five times at least."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one image over `n` timed forwards after a warm-up.

    `sd` is the standard deviation of the forwards. `shared` says whether other work of rigorkd may have been
    on the device meanwhile. Version 0.1 noted neither: None.
    """

    median: float
    q25: float
    q75: float
    n: int
    mean: float | None = None
    sd: float | None = None
    shared: bool | None = None


def noted_latency(want: Expected, study: StudyFolder, runtime: Runtime) -> Latency | None:
    """What is noted of a run's architecture on this kind of device."""
    return _noted(study, architecture_key(want, runtime.hardware()))


def _noted(study: StudyFolder, key: str) -> Latency | None:
    return read_note(study.latency(key), study.path, Latency)


def measure_latencies(
    wants: Iterable[Expected],
    study: StudyFolder,
    runtime: Runtime,
    *,
    patience: float = 0.0,
    beside_others: bool = False,
    enough: float | None = None,
) -> None:
    """Note the latency of every architecture of these runs that was not measured alone on such a device yet.

    Waits `patience` seconds for the workers that are on the device to pause, at the end of their epochs. If
    they do not, only what is noted nowhere is measured, and marked, and only with `beside_others`. An
    architecture that cannot be measured, or of which workers died, is left out: its runs will say why.
    `enough` is how many seconds of forwards are, where the usual ones would be wasted.
    """
    networks = (want for want in wants if not want.run.cell.members)  # nobody deploys a mean of teachers
    kinds = {architecture_key(want, runtime.hardware()): want for want in networks}

    def lacks(key: str, *, alone: bool) -> bool:
        noted = _noted(study, key)
        return noted is None or (alone and noted.shared is not False)

    def measure_missing(*, alone: bool) -> None:
        for key, want in kinds.items():
            attempt = study.latency_attempt(key)
            if not lacks(key, alone=alone) or _attempts(attempt) >= ATTEMPTS:  # or whoever was alone before
                continue
            _note_attempt(attempt)
            try:
                latency = _measured(want, runtime, shared=not alone, enough=enough)
            except Exception as error:
                print(f"latency of {want.run.cell.model.name}: {type(error).__name__}: {error}", flush=True)
                continue
            write_atomically(study.latency(key), json.dumps(asdict(latency)).encode())
            attempt.unlink(missing_ok=True)

    if not any(lacks(key, alone=True) for key in kinds):
        return
    with runtime.device_lock.alone(patience) as alone:
        if alone:
            measure_missing(alone=True)
    if not alone and beside_others:
        with runtime.device_lock.busy():  # beside training, never beside somebody who measures alone
            measure_missing(alone=False)


def _attempts(path: Path) -> int:
    """How often a measurement was begun that did not end."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _note_attempt(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b".")


def _measured(want: Expected, runtime: Runtime, *, shared: bool, enough: float | None) -> Latency:
    """The latency of an architecture with random weights, which cost what trained ones do."""
    cell = want.run.cell
    data = load(cell.dataset, want.run.seed or 0)
    view = build_view(cell.views, data.shape, train=False)
    model = build(
        cell.model,
        classes=data.classes,
        channels=view.channels,
        size=cell.size or view.size,
        seed=0,
        source=want.model_source,
    )
    if cell.size is not None:
        model = resize_inputs(model, cell.size)
    image = view(data.test.images[:1].to(runtime.device), None)
    precision = cell.training.precision
    network, image = runtime.lay_out(model), runtime.lay_out_images(image)
    return measure(network, image, precision, shared=shared, enough=enough)


@torch.no_grad()
def measure(
    model: nn.Module,
    image: Tensor,
    precision: str = "fp32",
    *,
    shared: bool,
    enough: float | None = None,
) -> Latency:
    """Time a forward pass of one image (1, C, H, W) in evaluation mode; the model's mode is restored.

    Forwards are timed until they took `enough` seconds, as many as usual by default, after a warm-up of half
    of that at most.
    """
    enough = ENOUGH_SECONDS if enough is None else enough
    was_training = model.training
    model.eval()
    seconds: list[float] = []
    with _autocast(image.device, precision):
        begun, warmed = clock(image.device), 0
        while warmed < WARMUP and (not warmed or clock(image.device) - begun < enough / 2):
            model(image)
            warmed += 1
        while len(seconds) < REPEATS and (len(seconds) < FEWEST or sum(seconds) < enough):
            # Timer.timeit would warm up again for every figure: three forwards for one that is timed.
            begun = clock(image.device)
            model(image)
            seconds.append(clock(image.device) - begun)
    model.train(was_training)
    times = torch.tensor(seconds, dtype=torch.float64) * 1e3
    q25, median, q75 = torch.quantile(times, torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)).tolist()
    mean, sd = float(times.mean()), float(times.std())
    return Latency(median=median, q25=q25, q75=q75, n=len(seconds), mean=mean, sd=sd, shared=shared)


def clock(device: torch.device) -> float:
    """Seconds, when the device has done all that it was given.

    torch.utils.benchmark has the same, and imports a compiler's tool chain for it.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _autocast(device: torch.device, precision: str) -> torch.autocast:
    """What Accelerate puts around a forward pass; it allows one precision per process, and this any."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    return torch.autocast(device.type, dtype=dtype, enabled=precision != "fp32")
