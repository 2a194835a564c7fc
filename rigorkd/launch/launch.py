"""One launch: refuse what cannot run, see what is missing, train it, say how it ended.

Several launchers may work on one study, on one host or on several: each claims the runs that it trains, and
waits for those that others hold. What all of them share is changed by one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console

from rigorkd.errors import InputError, StoreError
from rigorkd.launch.claims import Claims
from rigorkd.launch.devices import device_slots, grouped
from rigorkd.launch.elsewhere import Elsewhere
from rigorkd.launch.inventory import Inventory, State
from rigorkd.launch.opening import Opening
from rigorkd.launch.options import LaunchOptions, Outcome
from rigorkd.launch.preparing import prepare_data, prepare_images
from rigorkd.launch.presence import Presence, Witness
from rigorkd.launch.progress import Progress, ProgressFile
from rigorkd.launch.queue import TaskQueue, build_queue
from rigorkd.launch.stop import StopRequest
from rigorkd.launch.worker import Message, WorkerSettings
from rigorkd.protocol.cells import Run
from rigorkd.protocol.cohorts import cohorts
from rigorkd.protocol.load import Protocol, protocol_error
from rigorkd.protocol.requirements import comes_from_outside, needs_preflight
from rigorkd.records.damage import Intact
from rigorkd.records.expected import start_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read
from rigorkd.records.study import folder_name, is_registered, is_study, read_info
from rigorkd.text import count
from rigorkd.train.events import RunDone
from rigorkd.train.task import Task, one_of_each

__all__ = ["LaunchOptions", "Outcome", "launch"]


def launch(protocol: Protocol, options: LaunchOptions, console: Console) -> Outcome:
    """Train what is missing of the protocol. Raises before training anything if something cannot run."""
    prepare_images(protocol.spec.dataset, console)
    files = start_files(protocol)
    study = StudyFolder(options.results / folder_name(protocol, options.mode))
    refuse_foreign(study, protocol, options.mode)
    opening = Opening(protocol, options, study, files, Intact(study))
    inventory = opening.inventory()
    devices: list[tuple[str, ...]] = []
    if opening.is_complete(inventory):
        if opening.is_swept() and is_registered(study.path, protocol, options.seeds, options.mode, files):
            opening.intact.save()
            return Outcome(study, 0, len(inventory.expected), {})
    else:
        opening.refuse_stale(inventory)
        devices = _ready(opening, inventory, console)
    study.path.mkdir(parents=True, exist_ok=True)
    with Presence(study, options.label) as me:
        claims = Claims(study, me, Witness(study))
        inventory = opening.open(claims, console)
        before = {name: failure.reason for name, failure in inventory.failures.items() if not failure.behind}
        todo = {run.name for run in inventory.missing()} - before.keys()
        failed: dict[str, str] = {}
        try:
            if todo:
                devices = devices or _ready(opening, inventory, console)
                failed = _train(opening, inventory, todo, devices, claims, console)
        finally:
            opening.close(claims, todo)
    done = inventory.count(State.DONE)
    return Outcome(study, len(todo) - len(failed), done, before | failed, frozenset(before))


def _ready(opening: Opening, inventory: Inventory, console: Console) -> list[tuple[str, ...]]:
    """Each worker's devices, with the data at hand. Raises while the study is still as it was."""
    protocol, options, missing = opening.protocol, opening.options, inventory.missing()
    devices = device_slots(options.device, options.jobs, options.slots)
    _refuse_precision(missing, devices[0])
    cells = [run.cell for run in missing]
    processes = max((cell.training.processes_per_run for cell in cells), default=1)
    workers = grouped(devices, processes)
    check_runnable(protocol, inventory, console)
    if processes > 1 and devices[0] == "cpu":
        from rigorkd.train.several import batchnorm_problems

        if problems := batchnorm_problems(protocol, cells):
            raise protocol_error(problems, protocol.path, protocol.tree)
    return workers


def check_runnable(protocol: Protocol, inventory: Inventory, console: Console) -> None:
    """Have the data at hand, and try what a protocol alone cannot tell: models and layers from outside."""
    wanted = [run.cell for run in inventory.missing()]
    if any(comes_from_outside(cell) for cell in wanted):
        from rigorkd.train.model_check import check_models

        check_models(protocol, wanted)
    prepare_data(protocol.spec.dataset, console)
    if any(map(needs_preflight, wanted)):
        from rigorkd.train.preflight import preflight

        if problems := preflight(protocol, wanted):
            raise protocol_error(problems, protocol.path, protocol.tree)


def _train(
    opening: Opening,
    inventory: Inventory,
    todo: set[str],
    devices: list[tuple[str, ...]],
    claims: Claims,
    console: Console,
) -> dict[str, str]:
    """Train the runs named in `todo`; the reasons of those that failed."""
    protocol, options, study = opening.protocol, opening.options, opening.study
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
    for name, failure in inventory.failures.items():
        if not failure.behind:
            lost += queue.fail_behind(name, "which failed")
    progress = Progress.of({name: inventory.expected[name].run.cell.training.epochs for name in todo})
    for name in lost:
        progress.fail(name)
    me = claims.me
    measured = one_of_each(inventory.expected[name] for name in sorted(todo))
    for attempt in study.latency_attempts():  # what failed in an earlier launch may go well now
        attempt.unlink(missing_ok=True)
    settings = [
        WorkerSettings(
            study=study.path,
            slot=slot,
            device=together[0],
            mode=options.mode,
            memory_bytes=options.memory_bytes,
            sharing=sum(together[0] in other for other in devices) if together[0] != "cpu" else 1,
            log=study.worker_log(f"{me.holder.id}-{slot}"),
            devices=together,
            measured=measured,
        )
        for slot, together in enumerate(devices)
    ]
    console.print(
        f"{study.path.name}: {count(len(todo), 'run')} to train on {_describe(devices)}"
        + (f", {done} already done" if (done := inventory.count(State.DONE)) else ""),
        highlight=False,
    )
    from rigorkd.launch.display import Display
    from rigorkd.launch.pool import Pool

    with _tracking(opening, inventory, console) as track, Display(console, progress) as show:

        def changed(message: Message | None) -> None:
            if isinstance(message, RunDone):
                opening.intact.committed(read(study.run(message.run) / "record.json"))
            track(message)
            show(message)

        elsewhere = Elsewhere(study, claims)
        file = ProgressFile(me.folder)
        with StopRequest() as stop:
            Pool(queue, study, settings, progress, file, elsewhere, changed, me.note_worker).run(
                stop, show.stopping
            )
    return queue.failed


def _tracking(
    opening: Opening, inventory: Inventory, console: Console
) -> AbstractContextManager[Callable[[Message | None], None]]:
    """What follows the launch for the tracker that was asked for, or nothing."""
    options = opening.options
    if options.tracker is None:
        return nullcontext(lambda message: None)
    from rigorkd.track.live import LiveTracking

    return LiveTracking(
        options.tracker,
        opening.study,
        inventory.expected,
        mode=options.mode,
        smoke=opening.protocol.smoke,
        say=lambda text: console.print(text, highlight=False, markup=False),
    )


def _fail_behind_diverged(inventory: Inventory, queue: TaskQueue) -> list[str]:
    """Fail the runs whose teacher or start has already diverged: there is nothing to learn from."""
    lost = []
    for name, want in inventory.expected.items():
        if want.run.cell.role != "student" and inventory.diverged(name):
            lost += queue.fail_behind(name, "which diverged")
    return lost


def _describe(devices: list[tuple[str, ...]]) -> str:
    workers = count(len(devices), "worker")
    if len(devices[0]) > 1:
        workers += f" of {len(devices[0])} processes"
    on_cpu = devices[0][0] == "cpu"
    return workers + (" (CPU, one thread each)" if on_cpu else f" on {', '.join(map('+'.join, devices))}")


def _refuse_precision(missing: Sequence[Run], device: str) -> None:
    half = sorted(run.name for run in missing if run.cell.training.precision == "fp16")
    if half and device == "cpu":
        raise InputError(
            f"{half[0]}: precision fp16 cannot be trained on a CPU",
            hint="run on a GPU, set precision: bf16 or fp32 in the protocol, or try it with --smoke",
        )


def refuse_foreign(study: StudyFolder, protocol: Protocol, mode: str) -> None:
    """A results folder holds one study of one mode; anything else there is left alone."""
    if not is_study(study.path):
        return
    info = read_info(study.path)
    if (info.study, info.smoke, info.mode) != (folder_name(protocol, mode), protocol.smoke, mode):
        raise StoreError(
            f"{study.path}: the folder holds another study ({info.study}, mode {info.mode})",
            hint="choose another folder with --results, or another name under `study:`",
        )
