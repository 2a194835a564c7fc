"""Several processes for one run: each sees its share of every batch, together they take one step.

Every process holds the same weights and runs its own rows through the networks. What these say is gathered,
so each process computes the loss of the whole batch, whatever the loss relates within it. Its gradient
reaches the weights through the process's own rows only; summed over the processes it is the gradient of one
process that had seen all rows. Shares may differ in size, and nothing is weighted or dropped.

Accelerate brings the processes together and moves the tensors. Its wrapping of a model (DDP) is not used: it
averages gradients, which weighs a row of a small share more, splits losses that relate the rows of a batch,
and leaves out parameters that belong to the objective.

A task whose runs take several processes each starts them together, hears and ends them together. A process
that fails or dies takes the others with it, since they would wait for it for ever. After a failure the runs
of a task are trained one by one, each from its last checkpoint, so that the one at fault fails alone; after a
death the launcher sees to that.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch
from accelerate import PartialState, utils
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.errors import RigorkdError
from rigorkd.methods.base import Outputs
from rigorkd.records.layout import StudyFolder
from rigorkd.train.events import Event, RunFailed, Stopping
from rigorkd.train.task import Task

PATIENCE = timedelta(days=1)
"""How long a process waits for the others, which may be evaluating; whoever started them notices a death."""


_GOLDEN = 0x9E3779B97F4A7C15
"""Weyl's odd step: a seed and its neighbours' never meet in one study."""


@dataclass(frozen=True)
class Distributed:
    """The processes of a run: this one is `rank` of `count`. Alone, every method is the identity."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes what the run leaves behind."""
        return self.rank == 0

    def prepare(self, model: nn.Module) -> nn.Module:
        """The model with BatchNorm that takes the statistics of the whole batch; weights keep their names."""
        return model if self.count == 1 else nn.SyncBatchNorm.convert_sync_batchnorm(model)

    def step_seed(self, seed: int) -> int:
        """The seed of this process's dropout in a step: shares must not be dropped alike."""
        return (seed + self.rank * _GOLDEN) % 2**63

    def share(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch (B, …). With fewer rows than processes, everybody takes all."""
        if self.count == 1 or len(batch) < self.count:
            return batch
        return batch.tensor_split(self.count)[self.rank]

    def gather(self, own: Tensor, rows: int) -> Tensor:
        """What the processes made of their shares of `rows` rows, in the batch's order: (rows, …).

        Gradients flow through this process's part.
        """
        if self.count == 1 or rows < self.count:
            return own
        sizes = [rows // self.count + (rank < rows % self.count) for rank in range(self.count)]
        padding = [0, 0] * (own.dim() - 1) + [0, sizes[0] - len(own)]
        everybody = utils.gather(F.pad(own.detach(), padding)).split(sizes[0])
        parts = [part[:size] for part, size in zip(everybody, sizes, strict=True)]
        parts[self.rank] = own
        return torch.cat(parts)

    def gather_outputs(self, own: Outputs, rows: int) -> Outputs:
        """What a network says of the whole batch, from what each process heard of its share."""
        if self.count == 1:
            return own
        strong = None if own.strong is None else self.gather(own.strong, rows)
        features = {layer: self.gather(output, rows) for layer, output in own.features.items()}
        return Outputs(self.gather(own.logits, rows), strong, features)

    def add_gradients(self, model: Iterable[nn.Parameter], own: Iterable[nn.Parameter], rows: int) -> None:
        """After backward: give every process the gradients of the whole batch of `rows` rows.

        The `model`'s are the sum over the processes. The objective's `own` parameters have seen the gathered
        batch: their gradients are equal already, and their mean keeps them so to the last bit.
        """
        if self.count == 1:
            return
        together = 1.0 if rows < self.count else float(self.count)  # with few rows, each saw them all
        self._average(model, together)
        self._average(own, 1.0)

    def agree(self, tensor: Tensor) -> Tensor:
        """The first process's tensor, for everybody: what is decided by it is decided alike."""
        if self.count == 1:
            return tensor
        told: Tensor = utils.broadcast(tensor.contiguous())
        return told

    def _average(self, parameters: Iterable[nn.Parameter], factor: float) -> None:
        """Replace gradients by their mean over the processes, times `factor`, in one message."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        summed = utils.reduce(flat, "sum") * (factor / self.count)
        for gradient, part in zip(gradients, summed.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


ALONE = Distributed()


def join(rank: int, devices: tuple[str, ...], meeting: str) -> Distributed:
    """Meet the other processes, one per device, at the file `meeting`; returns when all have come.

    Raises RuntimeError if Accelerate does not see them all: without its environment variables it would take
    this process for the only one, and train on a share of the data without a word.
    """
    count, device = len(devices), torch.device(devices[rank])
    on_cpu = device.type == "cpu"
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        # On GPUs Accelerate takes the local rank for the number of the device.
        "LOCAL_RANK": str(rank if on_cpu else device.index or 0),
    }
    if on_cpu:
        os.environ["OMP_NUM_THREADS"] = "1"  # unset, Accelerate would choose the number of threads
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    state = PartialState(
        cpu=on_cpu,
        backend="nccl" if not on_cpu and len(set(devices)) == count else "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=count,
        timeout=PATIENCE,
    )
    if (state.num_processes, state.process_index) != (count, rank):
        raise RuntimeError(f"process {rank + 1} of {count} met {state.num_processes - 1} others")
    return Distributed(rank, count)


@dataclass(frozen=True)
class Place:
    """Where one process of a run computes: on the device of its rank; all meet at a file."""

    rank: int
    devices: tuple[str, ...]
    mode: str
    meeting: str


@dataclass(frozen=True)
class _Ended:
    """A process has trained the task, or broke off with an error."""

    error: Exception | None = None


class ProcessDiedError(Exception):
    """A process of a run died without a word."""


def train_in_processes(
    task: Task, study: StudyFolder, devices: tuple[str, ...], mode: str, report: Callable[[Event], None]
) -> None:
    """Train the task with one process per device. A run that raises an exception is reported as failed.

    Raises RigorkdError and OSError as `train_cohort` does, ProcessDiedError for a death without a word.
    Whatever `report` raises ends the processes; before that, if it is `Stopping`, they write checkpoints.
    """
    try:
        _train_together(task, study, devices, mode, report)
    except (RigorkdError, OSError, ProcessDiedError):
        raise
    except Exception as error:
        if len(task.runs) == 1:
            report(RunFailed(task.runs[0].run.name, f"{type(error).__name__}: {error}"))
            return
        for want in task.runs:
            if not (study.run(want.run.name) / "record.json").is_file():
                train_in_processes(replace(task, runs=(want,)), study, devices, mode, report)


def _train_together(
    task: Task, study: StudyFolder, devices: tuple[str, ...], mode: str, report: Callable[[Event], None]
) -> None:
    context = mp.get_context("spawn")
    folder = tempfile.mkdtemp(prefix="rigorkd-")
    processes = []
    lines: dict[Connection, int] = {}
    try:
        for rank in range(len(devices)):
            place = Place(rank, devices, mode, f"{folder}/meeting")
            ours, theirs = context.Pipe()
            process = context.Process(target=_train_share, args=(place, task, study.path, theirs))
            process.start()
            theirs.close()
            processes.append(process)
            lines[ours] = rank
        while lines:
            for line in wait(list(lines)):
                assert isinstance(line, Connection)
                try:
                    message: Event | _Ended = line.recv()
                except EOFError:
                    process = processes[lines[line]]
                    process.join()
                    who = f"process {lines[line] + 1} of {len(devices)}"
                    raise ProcessDiedError(f"{who} ended with exit code {process.exitcode}") from None
                if not isinstance(message, _Ended):
                    _tell(message, line, report)
                elif message.error is not None:
                    raise message.error
                else:
                    del lines[line]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        shutil.rmtree(folder, ignore_errors=True)


def _tell(event: Event, line: Connection, report: Callable[[Event], None]) -> None:
    """Report an event of the first process, which waits to hear whether to go on; it is left time to stop."""
    try:
        report(event)
    except Stopping:
        with contextlib.suppress(OSError, EOFError):
            line.send(False)
            last = line.recv()  # it has stopped, or what has kept it from writing a checkpoint
            if isinstance(last, _Ended) and last.error is not None:
                raise last.error from None
        raise
    with contextlib.suppress(OSError):  # it has died: the next message, which never comes, says so
        line.send(True)


def _train_share(place: Place, task: Task, study: Path, line: Connection) -> None:
    """Process entry point: join the others and train. Only the first process tells what happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        from rigorkd.train.cohort import train_cohort
        from rigorkd.train.runtime import start_runtime

        alone = start_runtime(place.devices[place.rank], place.mode, task.runs[0].numerics)
        runtime = replace(alone, distributed=join(place.rank, place.devices, place.meeting))
        report = partial(_report, line) if place.rank == 0 else _ignore
        train_cohort(task, StudyFolder(study), runtime, report)
        PartialState().destroy_process_group()
        line.send(_Ended())
    except Stopping:
        line.send(_Ended())
        os._exit(0)  # without waiting for the others, which are on their way into the next epoch
    except Exception as error:
        traceback.print_exc()
        line.send(_Ended(_as_sent(error)))
        os._exit(1)  # without waiting for those that wait for this one


def _report(line: Connection, event: Event) -> None:
    """Tell an event to whoever started the processes, and go on if that is wanted."""
    line.send(event)
    if not line.recv():
        raise Stopping


def _ignore(event: Event) -> None:
    """What every process finds out is told once."""


def _as_sent(error: Exception) -> Exception:
    """The error itself if it survives the way to another process, else its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _die_with_parent() -> None:
    """End this process when the one that started it has died, however it died."""
    parent = mp.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
