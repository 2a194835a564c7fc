"""The process that trains: device, determinism, one Accelerator per student."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psutil
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rigorkd.errors import InputError
from rigorkd.models.compiler import keep_compiler_out
from rigorkd.protocol.hashes import NEWEST, Numerics
from rigorkd.records.rates import cpu_name
from rigorkd.train.distributed import ALONE, Distributed
from rigorkd.train.processor import dispatch, fix_dispatch, fixes_dispatch

POLL_SECONDS = 0.01
GRAPHS = 256
"""How many graphs a process may compile: one per architecture and size of batch, a last one included."""


@dataclass(frozen=True)
class DeviceLock:
    """Who works on a device: many workers may train there, or one measures there alone.

    Locks of the kernel, on two files per device in a folder of this user's under /tmp (RIGORKD_GATES names
    another), so that the workers of every launcher and study on this host meet, and nothing is left behind by
    one that dies. Whoever wants to be alone closes the gate first, so that nobody new comes in. Programs
    other than rigorkd, other users, and containers or jobs with a /tmp of their own are not seen.
    """

    folder: Path
    device: str

    @classmethod
    def of(cls, device: torch.device) -> DeviceLock:
        """The lock of a device of this process; a GPU is known by what it is, not by its number here."""
        chosen = os.environ.get("RIGORKD_GATES")  # not TMPDIR, of which every job may have its own
        folder = Path(chosen) if chosen else Path("/tmp") / f"rigorkd-{os.getuid()}"
        if device.type != "cuda":
            return cls(folder, device.type)
        properties = torch.cuda.get_device_properties(device)
        return cls(folder, f"cuda-{getattr(properties, 'uuid', device.index)}")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """At work beside others; waits while somebody measures. Where no lock can be had, at once."""
        with contextlib.ExitStack() as held:
            with self._lock("gate", fcntl.LOCK_SH, None):
                held.enter_context(self._lock("inside", fcntl.LOCK_SH, None))
            yield

    @contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Nobody else at work; says after at most `patience` seconds whether that was reached."""
        until = time.monotonic() + patience
        with contextlib.ExitStack() as held:
            yield all(
                held.enter_context(self._lock(name, fcntl.LOCK_EX, until)) for name in ("gate", "inside")
            )

    def _open(self, name: str) -> int | None:
        """The file of a lock; None where somebody else could have put it there, or there can be none."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            found = self.folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
                path = self.folder / f"{self.device}.{name}"
                return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        return None

    @contextmanager
    def _lock(self, name: str, kind: int, until: float | None) -> Iterator[bool]:
        """Hold a lock and yield True; False where there is none, or not by `until` on the monotonic clock."""
        descriptor = self._open(name)
        if descriptor is None:
            yield False
            return
        try:
            yield _locked(descriptor, kind, until)
        finally:
            os.close(descriptor)


def _locked(descriptor: int, kind: int, until: float | None) -> bool:
    """Whether the lock could be had; without a time to give up at, it is waited for."""
    while True:
        try:
            fcntl.flock(descriptor, kind if until is None else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if until is None or time.monotonic() >= until:
                return False
            time.sleep(POLL_SECONDS)
        except OSError:  # a file system without locks
            return False
        else:
            return True


@dataclass(frozen=True)
class Runtime:
    """Where and how this process computes. `device` is torch's name: `cpu`, `cuda:0`.

    `compiles` says whether training steps go through torch.compile; `distributed` are the processes that
    train each run together; `dispatch` is what a CPU computes with, None on a GPU.
    """

    device: torch.device
    mode: str
    threads: int
    compiles: bool = False
    distributed: Distributed = ALONE
    dispatch: str | None = None

    @cached_property
    def device_lock(self) -> DeviceLock:
        """What keeps measuring and training on this device apart."""
        return DeviceLock.of(self.device)

    def lay_out(self, module: nn.Module) -> nn.Module:
        """The module on the device, in the memory format of the mode."""
        module = module.to(self.device)
        return module.to(memory_format=torch.channels_last) if self.mode == "fast" else module

    def lay_out_images(self, images: Tensor) -> Tensor:
        """Viewed images (B, C, S, S) in the memory format of the mode."""
        return images.contiguous(memory_format=torch.channels_last) if self.mode == "fast" else images

    def step_model(self, module: nn.Module) -> nn.Module:
        """What a training step calls: the module itself, or its compiled form, which shares its weights."""
        if not self.compiles or any(isinstance(part, nn.SyncBatchNorm) for part in module.modules()):
            return module  # a graph would break at every synchronised BatchNorm
        # Graphs are counted per Python function, and in half precision Accelerate sends all networks through
        # the same one: with the usual limit of 8, the fifth architecture would go on eagerly, without a word.
        torch._dynamo.config.recompile_limit = GRAPHS
        return torch.compile(module, dynamic=False)  # type: ignore[return-value]

    def accelerator(self, precision: str) -> Accelerator:
        """A new Accelerator with its own gradient scaler, so that one student's overflow is its own.

        Everything is passed explicitly: a user's own accelerate configuration must not change results.
        """
        return Accelerator(
            device_placement=False,
            mixed_precision={"fp32": "no"}.get(precision, precision),
            cpu=self.device.type == "cpu",
            gradient_accumulation_steps=1,
            step_scheduler_with_optimizer=False,
        )

    def hardware(self) -> str:
        """The name of the device, for the record: `CPU, 1 thread (model name)` or the GPU's name."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return cpu_name(self.threads)

    def memory_bytes(self) -> int:
        """Memory that can be had on the device now; on a CPU what the system keeps of files counts too."""
        if self.device.type == "cuda":
            return torch.cuda.mem_get_info(self.device)[0]
        available: int = psutil.virtual_memory().available
        return available

    def release(self) -> None:
        """Give the memory of finished models back: prepared models are held by reference cycles."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def start_runtime(device: str, mode: str, numerics: Numerics = NEWEST) -> Runtime:
    """Set this process up for a mode, under the numerics of a study, before it computes anything.

    `reference`: eager, deterministic algorithms, and on a CPU one thread: the thread count changes the order
    of sums and so the bits, hence more workers instead; and instructions that all processors share, see
    `rigorkd.train.processor`. `fast`: channels-last, cuDNN's own choice of
    algorithm, and compiled steps on CUDA (on a CPU, compiling costs more than a study of this size gains).
    Neither changes the precision.

    Raises:
        InputError: CUDA cannot be used here, or nothing can be compiled.
    """
    _forget_accelerate_settings()
    fix_dispatch(device, mode, numerics)
    # cuBLAS reads this when it is first used; without it, deterministic algorithms raise on CUDA.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    where = torch.device(device)
    if where.type == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device can be used here", hint="use --device cpu")
    reference = mode == "reference"
    compiles = not reference and where.type == "cuda"
    if compiles and not any(map(shutil.which, (os.environ.get("CC", "gcc"), "clang"))):
        raise InputError(
            "--mode fast: torch compiles steps with the help of a C compiler, and there is none",
            hint="install gcc, or use --mode reference, which compiles nothing",
        )
    if reference:
        os.environ["TORCHINDUCTOR_DETERMINISTIC"] = "1"
        keep_compiler_out()
    # As use_deterministic_algorithms does, which imports torch's compiler to tell it the same. One that is
    # imported later learns it from its variable.
    torch.set_deterministic_debug_mode("error" if reference else "default")
    # Deterministic algorithms would also fill every new tensor, to expose reads of memory never written; that
    # is a debugging aid, and costs a pass over memory for each activation.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not reference
    torch.backends.cudnn.deterministic = reference
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if where.type == "cpu":
        torch.set_num_threads(1)
    else:
        torch.cuda.set_device(where)
    used = None
    if where.type == "cpu":
        fixed = fixes_dispatch(device, mode, numerics)
        used = dispatch(torch.backends.cpu.get_cpu_capability(), fixed=fixed)
    return Runtime(where, mode, torch.get_num_threads(), compiles, dispatch=used)


def _forget_accelerate_settings() -> None:
    """Drop the environment that Accelerate would obey over our arguments, and that of a process launcher.

    A variable left over from another project must not change results, nor make a worker wait for others.
    """
    launcher = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
    for name in list(os.environ):
        if name.startswith("ACCELERATE_") or name in (*launcher, "MV2_COMM_WORLD_SIZE"):
            del os.environ[name]


def generators_of(device: torch.device) -> tuple[torch.Generator, ...]:
    """The default generators that a model may draw from: the device's, and with some libraries the host's."""
    if device.type == "cuda":
        index = device.index if device.index is not None else torch.cuda.current_device()
        return torch.cuda.default_generators[index], torch.default_generator
    return (torch.default_generator,)
