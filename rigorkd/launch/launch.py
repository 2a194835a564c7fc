"""One launch: refuse what cannot run, see what is missing, train it, say how it ended."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rigorkd.errors import InputError, NotBuiltError, StoreError
from rigorkd.launch.devices import device_slots
from rigorkd.launch.inventory import Inventory, State, take_inventory
from rigorkd.launch.lock import locked
from rigorkd.launch.progress import Progress
from rigorkd.launch.queue import TaskQueue, build_queue
from rigorkd.launch.worker import Message, WorkerSettings
from rigorkd.protocol.built import unbuilt
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.load import Protocol
from rigorkd.records.expected import start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import folder_name, is_study, read_info, register
from rigorkd.text import count
from rigorkd.track.tracker import MakeTracker
from rigorkd.train.task import Task


@dataclass(frozen=True)
class LaunchOptions:
    """What the command line of `rigorkd run` decides."""

    seeds: tuple[int, ...]
    results: Path
    device: str = "auto"
    mode: str = "reference"
    jobs: int | None = None
    only: tuple[str, ...] = ()
    memory_bytes: int | None = None
    save_weights: bool = True
    replay_bytes: int = 0
    retrain_stale: bool = False
    tracker: MakeTracker | None = None


@dataclass(frozen=True)
class Outcome:
    """How a launch ended. `failed` maps runs to reasons."""

    study: StudyFolder
    trained: int
    already_done: int
    failed: dict[str, str]


def launch(protocol: Protocol, options: LaunchOptions, console: Console) -> Outcome:
    """Train what is missing of the protocol. Raises before training anything if something cannot run."""
    refuse_unbuilt(protocol)
    files = start_files(protocol)
    study = StudyFolder(options.results / folder_name(protocol, options.mode))
    _refuse_foreign(study, protocol, options.mode)
    with locked(study):
        inventory = take_inventory(protocol, options.seeds, study, options.mode, files, options.only)
        if inventory.stale:
            if not options.retrain_stale:
                raise StoreError(_stale_message(study, inventory))
            _set_aside(study, inventory)
            inventory = take_inventory(protocol, options.seeds, study, options.mode, files, options.only)
        todo = {name for name, state in inventory.states.items() if state is not State.DONE}
        devices = _ready(protocol, options, inventory, todo) if todo else []
        register(study.path, protocol, options.seeds, options.mode, files)
        failed = _train(protocol, options, study, inventory, todo, devices, console) if todo else {}
    return Outcome(study, len(todo) - len(failed), len(inventory.expected) - len(todo), failed)


def refuse_unbuilt(protocol: Protocol) -> None:
    """NotBuiltError naming every value of the protocol that this version cannot run."""
    found = unbuilt(protocol)
    if found:
        lines = "\n".join(f"  {_place(protocol, location)}: {what}" for location, what in found)
        raise NotBuiltError(
            f"this version cannot run {count(len(found), 'value')} of the protocol yet:\n{lines}",
            hint="`rigorkd plan` works on this protocol; `run` refuses rather than ignore a value",
        )


def _place(protocol: Protocol, location: tuple[str | int, ...]) -> str:
    place = protocol.place(location)
    return f"{protocol.path}:{place.line}:{place.column}"


def _ready(protocol: Protocol, options: LaunchOptions, inventory: Inventory, todo: set[str]) -> list[str]:
    """The devices to train on, with the data at hand. Raises while the study is still as it was."""
    devices = device_slots(options.device, options.jobs)
    _refuse_precision(inventory, todo, devices[0])
    from rigorkd.data.sources import prepare

    prepare(protocol.spec.dataset)
    return devices


def _train(
    protocol: Protocol,
    options: LaunchOptions,
    study: StudyFolder,
    inventory: Inventory,
    todo: set[str],
    devices: list[str],
    console: Console,
) -> dict[str, str]:
    """Train the runs named in `todo`; the reasons of those that failed."""
    for name in inventory.records:  # a launcher may have died between a record and its checkpoint's removal
        shutil.rmtree(study.checkpoint(name).parent, ignore_errors=True)
    queue = build_queue(
        inventory.expected,
        todo,
        cohorts(protocol.cells, options.seeds),
        like=Task(
            runs=(),
            teacher=None,
            keep_logits=protocol.spec.keep_logits,
            save_weights=options.save_weights,
            replay_bytes=options.replay_bytes,
            smoke=protocol.smoke,
        ),
    )
    lost = _fail_behind_diverged(inventory, queue)
    epochs = {name: inventory.expected[name].run.cell.training.epochs for name in todo}
    progress = Progress(runs=len(todo), work=sum(epochs.values()), failed=len(lost))
    settings = [
        WorkerSettings(study.path, slot, device, options.mode, options.memory_bytes)
        for slot, device in enumerate(devices)
    ]
    console.print(
        f"{study.path.name}: {count(len(todo), 'run')} to train on {_describe(devices)}"
        + (
            f", {len(inventory.expected) - len(todo)} already done"
            if len(todo) < len(inventory.expected)
            else ""
        ),
        highlight=False,
    )
    from rigorkd.launch.display import Display
    from rigorkd.launch.pool import Pool

    with _tracking(protocol, options, study, inventory, console) as track, Display(console, progress) as show:

        def changed(message: Message | None) -> None:
            track(message)
            show(message)

        Pool(queue, study, settings, progress, changed).run()
    return queue.failed


def _tracking(
    protocol: Protocol, options: LaunchOptions, study: StudyFolder, inventory: Inventory, console: Console
) -> AbstractContextManager[Callable[[Message | None], None]]:
    """What follows the launch for the tracker that was asked for, or nothing."""
    if options.tracker is None:
        return nullcontext(lambda message: None)
    from rigorkd.track.live import LiveTracking

    return LiveTracking(
        options.tracker,
        study,
        inventory.expected,
        mode=options.mode,
        smoke=protocol.smoke,
        say=lambda text: console.print(text, highlight=False, markup=False),
    )


def _fail_behind_diverged(inventory: Inventory, queue: TaskQueue) -> list[str]:
    """Fail the runs whose teacher or start has already diverged: there is nothing to learn from."""
    lost = []
    for name, want in inventory.expected.items():
        if want.run.cell.role != "student" and inventory.diverged(name):
            lost += queue.fail_behind(name, "which diverged")
    return lost


def _describe(devices: list[str]) -> str:
    workers = count(len(devices), "worker")
    return (
        f"{workers} (CPU, one thread each)" if devices[0] == "cpu" else f"{workers} on {', '.join(devices)}"
    )


def _refuse_precision(inventory: Inventory, todo: set[str], device: str) -> None:
    if device != "cpu":
        return
    for name in sorted(todo):
        if inventory.expected[name].run.cell.training.precision == "fp16":
            raise InputError(
                f"{name}: precision fp16 cannot be trained on a CPU",
                hint="run on a GPU, set precision: bf16 or fp32 in the protocol, or try it with --smoke",
            )


def _refuse_foreign(study: StudyFolder, protocol: Protocol, mode: str) -> None:
    """A results folder holds one study of one mode; anything else there is left alone."""
    if not is_study(study.path):
        return
    info = read_info(study.path)
    if (info.study, info.smoke, info.mode) != (folder_name(protocol, mode), protocol.smoke, mode):
        raise StoreError(
            f"{study.path}: the folder holds another study ({info.study}, mode {info.mode})",
            hint="choose another folder with --results, or another name under `study:`",
        )


def _stale_message(study: StudyFolder, inventory: Inventory) -> str:
    verb = "fits" if len(inventory.stale) == 1 else "fit"
    shown = [f"  {entry.run}: {entry.reason}" for entry in inventory.stale[:5]]
    if len(inventory.stale) > 5:
        shown.append(f"  … and {len(inventory.stale) - 5} more")
    return (
        f"{study.path}: {count(len(inventory.stale), 'record')} no longer {verb} the protocol:\n"
        + "\n".join(shown)
        + "\n  change the protocol back, give the study another name, or set these records aside and train"
        + " again with --retrain-stale"
    )


def _set_aside(study: StudyFolder, inventory: Inventory) -> None:
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
    for entry in inventory.stale:
        aside = study.stale(entry.run, stamp)
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(study.run(entry.run), aside)
