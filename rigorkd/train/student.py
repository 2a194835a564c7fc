"""One student of a cohort: its model, optimiser, scaler, clipping, average, history and best checkpoint.

Nothing here is shared with another student, so that one student's overflow, divergence or dropout changes
nobody else's bits.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.forward_hooks import ForwardHooks
from rigorkd.methods.objective import Objective, Terms
from rigorkd.models.weights import put_state
from rigorkd.protocol.cells import Run
from rigorkd.protocol.schema import (
    SGD,
    Adam,
    LinearSchedule,
    Optimizer,
    PolynomialSchedule,
    StepSchedule,
    Training,
)
from rigorkd.train.runtime import Runtime, generators_of

HISTORY = (
    *("epoch", "lr", "train_loss", "ce_loss", "kd_loss", "train_top1"),
    *("val_loss", "val_top1", "clipped_fraction"),
)

SMALLEST_SCALE = 1e-4
"""A loss scale that has been halved down to this has met nothing but overflows: fairseq's bound as well."""


class Batch(NamedTuple):
    """One batch of a cohort, shared by all its students.

    `rows` (B,) of the training set are shown from position `start` of the epoch on.

    `images` (B, C, S, S) is the training view, `strong` the strong view of the same images where a student
    needs one.
    """

    rows: Tensor
    start: int
    images: Tensor
    strong: Tensor | None
    targets: Targets


@dataclass(frozen=True)
class BestFile:
    """The file that holds the weights of an epoch, by its hash; see `rigorkd.train.checkpoint`."""

    epoch: int
    sha256: str


class Student:
    """A run in progress. `epoch` counts finished epochs; the cohort drives `step` and `end_epoch`."""

    def __init__(
        self, run: Run, run_hash: str, model: nn.Module, objective: Objective, runtime: Runtime
    ) -> None:
        self.run, self.run_hash = run, run_hash
        self.training: Training = run.cell.training
        self.objective = objective.to(runtime.device)
        self.accelerator = runtime.accelerator(self.training.precision)
        self.distributed = runtime.distributed
        self.raw_model = runtime.lay_out(self.distributed.prepare(model))
        # A copy before anything hooks or wraps the model; None where the trained weights are evaluated.
        self.average = Average(self.raw_model, self.training.ema.decay) if self.training.ema else None
        self.parameters = [
            parameter
            for module in (self.raw_model, self.objective)
            for parameter in module.parameters()
            if parameter.requires_grad
        ]
        own = () if run.cell.method.clips_its_own else {id(one) for one in self.objective.parameters()}
        self.clipped = [parameter for parameter in self.parameters if id(parameter) not in own]
        # In evaluation mode a model is not wrapped for several processes: see `rigorkd.train.distributed`.
        unwrapped = self.distributed.count > 1
        self.model = self.accelerator.prepare_model(self.raw_model, evaluation_mode=unwrapped)
        self.evaluated = self.model
        if self.average is not None:
            self.evaluated = self.accelerator.prepare_model(self.average.network, evaluation_mode=True)
        self.optimizer = self.accelerator.prepare_optimizer(
            build_optimizer(self.training.optimizer, self.parameters)
        )
        # Without what torch wraps around it: the label of a profiler, hooks, and marks for a compiler.
        self._plain_step = inspect.unwrap(type(self.optimizer.optimizer).step)
        self.hooks = ForwardHooks(self.raw_model, objective.student_layers)
        # Hooks that hand activations out would break a compiled graph where they stand.
        self.step_model = self.model if objective.student_layers else runtime.step_model(self.model)
        self.generators = generators_of(runtime.device)
        self.epoch = 0
        self.history: list[dict[str, float | int | None]] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch = 0
        self.best_file: BestFile | None = None
        self.seconds = 0.0
        self.diverged = False
        self.stopped = False
        # loss, ce, kd, correct, clipped steps, images: summed on the device, read once an epoch
        self._sums = torch.zeros(6, dtype=torch.float64, device=runtime.device)
        self._steps = 0

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        trains = self.run.cell.train
        return not trains or self.diverged or self.stopped or self.epoch >= self.training.epochs

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rate of `epoch` (from 1) and clear the sums."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.training, epoch)
        self._sums.zero_()
        self._steps = 0
        self.objective.begin_epoch(epoch, self.training.epochs)
        self.model.train()

    def step(self, batch: Batch, teacher: Outputs | None) -> None:
        """One optimiser step; never waits for the device in full precision."""
        # Dropout draws from the default generators. Seeded per step, it is a function of
        # (seed, epoch, step) alone: the same for every student, alone or in a cohort, resumed or not.
        for generator in self.generators:
            generator.manual_seed(self.distributed.step_seed(batch.targets.seed))
        outputs = self._forward(batch)
        terms: Terms = self.objective(outputs, batch.targets, teacher)
        self._backward(terms.total)
        own = self.objective.parameters()
        self.distributed.add_gradients(self.raw_model.parameters(), own, len(batch.rows))
        clipped = self._clip()
        self._update()
        if self.average is not None:
            self.average.update()
        for parameter in self.parameters:
            parameter.grad = None
        self._tally(terms, outputs.logits, batch.targets.labels, clipped)

    def _forward(self, batch: Batch) -> Outputs:
        """What the student says of a batch, as far as its objective asks."""
        share, rows = self.distributed.share, len(batch.rows)
        self.hooks.open()
        logits = self.step_model(share(batch.images))
        features = self.hooks.take()
        strong = None
        if self.objective.needs_strong:
            assert batch.strong is not None, "the cohort shows what its objectives need"
            strong = self.step_model(share(batch.strong))
        return self.distributed.gather_outputs(Outputs(logits, strong, features), rows)

    # Accelerate decides and prepares: device, precision, scaling, clipping. What it does around every step
    # (dividing the loss by 1, inspecting a signature, looking up a package that is not installed) changes no
    # bit and costs a tiny student an eighth of its step, so it is done without.

    def _backward(self, loss: Tensor) -> None:
        """The gradients of the loss, scaled where half precision needs it."""
        scaler = self.accelerator.scaler
        (loss if scaler is None else scaler.scale(loss)).backward()

    def _update(self) -> None:
        """One step of the optimiser; the scaler decides whether it is taken."""
        if self.accelerator.scaler is not None:
            self.optimizer.step()
        else:
            with torch.no_grad():
                self._plain_step(self.optimizer.optimizer)

    @torch.no_grad()
    def _tally(self, terms: Terms, logits: Tensor, labels: Tensor, clipped: Tensor | None) -> None:
        zero, one, scale = self._tally_constants(len(labels), logits.device)
        said = (
            terms.total,
            terms.ce,
            zero if terms.kd is None else terms.kd,
            (logits.argmax(dim=1) == labels).sum(),
            zero if clipped is None else clipped,
            one,
        )
        values = torch.stack([value.float() for value in said]).mul_(scale)
        if self.accelerator.scaler is not None:
            # The scaler skips the step of a loss that overflowed in half precision; the mean does as well.
            values = torch.where(terms.total.isfinite(), values, 0)
        self._sums += values
        self._steps += 1

    @staticmethod
    @functools.cache
    def _tally_constants(size: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """0, 1, and what makes sums of a batch's six figures: three are means over its images."""
        zero, one = (torch.tensor(value, device=device) for value in (0.0, 1.0))
        return zero, one, torch.tensor([size, size, size, 1.0, 1.0, size], device=device)

    def _clip(self) -> Tensor | None:
        """Clip the gradients; a 0/1 tensor says whether this step was clipped, None if clipping is off."""
        clip = self.training.clip_norm
        if clip is None:
            return None
        self.accelerator.unscale_gradients(self.optimizer)
        if clip.per == "layer":
            return clip_per_layer(self.clipped, clip.max)
        norm = nn.utils.clip_grad_norm_(self.clipped, clip.max)
        return (norm > clip.max) & norm.isfinite()  # an overflow is skipped by the scaler, not clipped

    def end_epoch(
        self,
        epoch: int,
        val_logits: Tensor | None,
        val_targets: Tensor,
        val_objective: float | None,
    ) -> None:
        """Close `epoch`: add its history row, keep the best checkpoint, notice divergence and early stop.

        Without validation images there are no `val_logits`.
        """
        loss, ce, kd, correct, clipped, images = self._sums.tolist()
        images = images or math.nan  # every step overflowed
        val_loss, val_top1 = None, None
        if val_logits is not None:
            val_loss = float(F.cross_entropy(val_logits, val_targets))
            val_top1 = 100 * float((val_logits.argmax(dim=1) == val_targets).double().mean())
        self.epoch = epoch
        self.history.append(
            {
                "epoch": epoch,
                "lr": learning_rate(self.training, epoch),
                "train_loss": loss / images,
                "ce_loss": ce / images,
                "kd_loss": kd / images if self.objective.needs_teacher else None,
                "train_top1": 100 * correct / images,
                "val_loss": val_loss,
                "val_top1": val_top1,
                "clipped_fraction": clipped / self._steps,
                **self.objective.columns(),
                **({} if val_objective is None else {"val_objective": val_objective}),
            }
        )
        known = [loss / images, *([] if val_loss is None else [val_loss])]
        self.diverged = not all(map(math.isfinite, known)) or self._overflows()
        if not self.diverged:
            self._keep_best()
            self.stopped = self._stops_early()

    def _overflows(self) -> bool:
        """Whether half precision overflows whatever the loss scale: then no step is taken any more."""
        scaler = self.accelerator.scaler
        return scaler is not None and scaler.get_scale() < SMALLEST_SCALE

    def _keep_best(self) -> None:
        """Keep this epoch's weights if the validation metric improved; of equals the earliest stays."""
        rows, select = self.history, self.training.select
        if select == "best_val_top1":
            best = max(range(len(rows)), key=lambda i: (_number(rows[i]["val_top1"]), -i))
        elif select in ("best_val_loss", "best_val_objective"):
            column = select.removeprefix("best_")
            best = min(range(len(rows)), key=lambda i: (_number(rows[i][column]), i))
        else:
            best = len(rows) - 1
        if best == len(rows) - 1:
            self.best_epoch = self.epoch
            self.best = self._weights()

    def _weights(self) -> dict[str, Tensor]:
        """A copy of the weights and buffers that are evaluated: the model's, or their average."""
        network = self.raw_model if self.average is None else self.average.network
        return {key: value.clone() for key, value in network.state_dict().items()}

    def _stops_early(self) -> bool:
        rule = self.training.early_stopping
        if rule is None:
            return False
        column = {"objective": "val_objective", "ce": "val_loss", "top1": "val_top1"}[rule.monitor]
        sign = -1 if rule.monitor == "top1" else 1
        values = [sign * _number(row.get(column, row["val_loss"])) for row in self.history]
        return len(values) - 1 - values.index(min(values)) >= rule.patience

    def load_best(self) -> None:
        """Put the selected checkpoint into the model (a teacher used as it is keeps its weights)."""
        if self.best:
            put_state(self.raw_model, self.best)

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs but the best weights, as tensors and plain values."""
        scaler = self.accelerator.scaler
        return {
            "run_hash": self.run_hash,
            "epoch": self.epoch,
            "model": self.raw_model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
            "history": self.history,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "diverged": self.diverged,
            "stopped": self.stopped,
            **({} if self.average is None else {"average": self.average.network.state_dict()}),
        }

    def load_state(self, state: dict[str, Any], best: dict[str, Tensor] | None) -> None:
        """Continue from what `state` gave; `best` are the best weights, None if they are the newest."""
        put_state(self.raw_model, state["model"])
        if self.average is not None:
            put_state(self.average.network, state["average"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.best = self._weights() if best is None else best
        for key in ("epoch", "history", "best_epoch", "seconds", "diverged", "stopped"):
            setattr(self, key, state[key])


class Average:
    """The exponential moving average of a network's weights and float buffers; others are copied.

    It begins as the network itself, so that no step weighs more than its share.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._of, self._share = network, 1 - decay

    @torch.no_grad()
    def update(self) -> None:
        """Take one step of the network in."""
        averages, now = [], []
        for kept, new in zip(_tensors(self.network), _tensors(self._of), strict=True):
            if kept.is_floating_point():
                averages.append(kept)
                now.append(new.detach())
            else:
                kept.copy_(new)
        torch._foreach_lerp_(averages, now, self._share)


def _tensors(network: nn.Module) -> list[Tensor]:
    """Parameters and buffers, in a fixed order; found anew, since a module may replace a buffer."""
    return [*network.parameters(), *network.buffers()]


def learning_rate(training: Training, epoch: int) -> float:
    """The learning rate during `epoch` (from 1): linear warm-up, then the schedule's own way.

    In closed form: a function of the epoch, never of what ran before.
    """
    lr, schedule = training.optimizer.lr, training.schedule
    warmup = schedule.warmup_epochs
    if epoch <= warmup:
        return lr * epoch / (warmup + 1)
    if isinstance(schedule, StepSchedule):
        return lr * math.pow(schedule.factor, sum(at < epoch for at in schedule.at))
    if schedule.name == "constant":
        return lr
    progress = (epoch - 1 - warmup) / max(training.epochs - warmup, 1)
    if isinstance(schedule, LinearSchedule | PolynomialSchedule):
        power = 1.0 if isinstance(schedule, LinearSchedule) else schedule.power
        return schedule.min_lr + (lr - schedule.min_lr) * math.pow(1 - progress, power)
    return schedule.min_lr + (lr - schedule.min_lr) * (1 + math.cos(math.pi * progress)) / 2


def build_optimizer(optimizer: Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser over `parameters`; the fused forms do one pass over memory."""
    if isinstance(optimizer, SGD):
        sgd = torch.optim.SGD(
            parameters,
            lr=optimizer.lr,
            weight_decay=optimizer.weight_decay,
            momentum=optimizer.momentum,
            nesterov=optimizer.nesterov,
            fused=True,
        )
        if optimizer.momentum:
            # The fused form makes the buffers in its first step and fills them there, unless an overflow
            # makes it skip that step: then it reads memory never written. From zeros its steps are the same.
            for parameter in parameters:
                sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return sgd
    kind = torch.optim.Adam if isinstance(optimizer, Adam) else torch.optim.AdamW
    return kind(
        parameters,
        lr=optimizer.lr,
        weight_decay=optimizer.weight_decay,
        betas=optimizer.betas,
        fused=True,
    )


@torch.no_grad()
def clip_per_layer(parameters: list[nn.Parameter], max_norm: float) -> Tensor:
    """Clip each parameter tensor's gradient to the L2 norm `max_norm`; whether any was clipped, on device.

    An infinite gradient counts as an overflow, not as clipped.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients))
    scales = torch.clamp(max_norm / (norms + 1e-6), max=1.0)
    torch._foreach_mul_(gradients, list(scales.unbind()))
    return (norms > max_norm).any() & norms.isfinite().all()


def history_csv(history: list[dict[str, float | int | None]]) -> bytes:
    """The bytes of `history.csv`: the fixed columns, then the method's own; shortest exact decimals."""
    own = sorted({key for row in history for key in row} - set(HISTORY))
    columns = [*HISTORY, *own]
    lines = [",".join(columns)]
    lines += [",".join("" if row.get(key) is None else repr(row[key]) for key in columns) for row in history]
    return ("\n".join(lines) + "\n").encode()


def _number(value: float | int | None) -> float:
    return math.nan if value is None else float(value)
