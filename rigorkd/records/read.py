"""Reading a study back: its runs as one table, its plan, its per-example predictions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rigorkd_analysis.analysis_plan import COMMANDS_CONDITION, FIXED_TEACHER, LABEL_NOISE, POOL

from rigorkd import __version__
from rigorkd.data.examined import Examined
from rigorkd.errors import DamagedError, ProtocolError, StoreError
from rigorkd.files import SECOND, sha256_of
from rigorkd.protocol.group_training import own_training
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.protocol.schema import Analysis
from rigorkd.protocol.smoke import smoke
from rigorkd.protocol.trainer_spec import CommandSpec
from rigorkd.records.changes import Removal, cell_of, met, read_changes, removals, tried_in_vain
from rigorkd.records.command_notes import Doubts, command_doubts, command_notes, shared_inputs
from rigorkd.records.data_note import read_examined
from rigorkd.records.expected import Stale, expected_hashes, has_own_code, stale_runs
from rigorkd.records.interim import first_shown, read_interim_analyses, seeds_for_run
from rigorkd.records.layout import StudyFolder
from rigorkd.records.left_out import (
    HOW_TO_KEEP,
    NOT_THE_PLANNED_CONTRASTS,
    NOT_THE_PLANNED_GAINS,
    Foreseen,
    LeftOut,
    dropped_contrasts,
    says_dropped,
)
from rigorkd.records.planned_looks import LooksAsked, PlannedLooks
from rigorkd.records.record import AGAIN, Record, read_record, read_records
from rigorkd.records.study import (
    PLAN_EDITED,
    StudyInfo,
    is_study,
    newest_study,
    plan_there,
    read_info,
    refuse_too_many,
    remembered_by,
)
from rigorkd.records.tidy import declared, teacher_results, teacher_seeds, tidy
from rigorkd.records.untrusted import (
    PROTOCOL,
    is_there,
    parse_arrays,
    read_bytes,
    refuse_links_inside,
    unreadable,
)
from rigorkd.text import count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "StudyTable",
    "is_study",
    "newest_study",
    "read_predictions",
    "read_protocol",
    "read_study",
]

_FIXED = (
    *("metric", "goal", "alpha", "correction", "joint", "sesoi", "selection"),
    *("primary", "test", "inference", "looks"),
)
"""Keys of the analysis that every verdict uses."""

SAMPLED, SAMPLED_BYTES = 16, 32 * 2**20
"""Of so many records, evenly among all, every reading computes the metrics again; what it reads for that."""


@dataclass(frozen=True)
class StudyTable:
    """A study as the analysis needs it.

    `planned` is the analysis section that the first run fixed, `current` that of the newest protocol text,
    `when_shown` as it stood when results were first shown, None where that is not known.
    `missing` has a row for every student run that the newest protocol declares, at the seeds asked for so
    far, and that has no record: families keep the size that the protocol gave them. `left_out` are the cells
    that the newest protocol no longer has, `added` those that the first one did not have.
    `planned_seeds` are those that the latest `run` before any look asked for. `classes` is None for a
    user's own images of which all classes are tested; `teachers` have their test top-1 by name.
    `removals` are still in effect: results that somebody took away, or had trained again otherwise.
    `metrics` are those that the protocol asks of its commands, with their goals. `doubts` say why numbers may
    be those of other runs, which every comparison says; `of_runs` tells it of those that are judged.
    `examined` is what is noted of a user's own images.
    `looks_asked` are the looks that its protocols planned, with when. `of_own_code` is how many finished runs
    a change of the user's own code may make stale.
    `notes` say what the next `run` would refuse, and what a newer rigorkd has written that this one ignores.
    """

    study: str
    folder: Path
    runs: pd.DataFrame
    planned: Analysis | None
    current: Analysis | None
    smoke: bool
    mode: str
    conditioned_on: tuple[str, ...]
    missing: pd.DataFrame
    left_out: LeftOut
    added: tuple[str, ...]
    notes: tuple[str, ...] = ()
    classes: int | None = None
    teachers: tuple[tuple[str, tuple[float, ...]], ...] = ()
    teacher_seeds: tuple[tuple[str, tuple[int, ...]], ...] = ()
    planned_seeds: tuple[int, ...] = ()
    planned_under_0_1: bool = False
    removals: tuple[Removal, ...] = ()
    doubts: tuple[str, ...] = ()
    of_runs: Doubts | None = None
    metrics: tuple[tuple[str, Literal["max", "min"]], ...] = ()
    examined: Examined | None = None
    images_per_seed: bool = False
    appeared: tuple[tuple[str, str], ...] = ()
    when_shown: Analysis | None = None
    looks_asked: LooksAsked | None = None
    of_own_code: int = 0


def read_study(folder: Path) -> StudyTable:
    """Read a study's records.

    Raises:
        InputError: it is no study.
        StoreError: a record is damaged, or a cell has records of several configurations.
    """
    info = read_info(folder)
    protocol = _protocol(folder, info, info.protocols[-1])
    spec, records = protocol.spec, read_records(StudyFolder(folder))
    names = {cell.name for cell in protocol.cells}
    kept = [record for record in records if record.fields["cell"] in names]
    expected = expected_hashes(protocol, info.seeds, info.mode, info.start_files, info.numerics)
    there = {record.run for record in kept}
    stale = stale_runs(kept, expected)
    _refuse_mixed(folder, kept, stale, _beyond(protocol, info))
    if not info.plan_noted:
        raise DamagedError(
            f"{StudyFolder(folder).study_json}: edited: {PLAN_EDITED}", hint="restore the file from a copy"
        )
    _refuse_edited(kept)
    hashes = {name: want.run_hash for name, want in expected.items()}
    removed = removals(folder, records, hashes, info.seeds, info.planned_seeds)
    examined = read_examined(folder)
    stood = _when_shown(folder, info, protocol, records)
    left_out = _left_out(folder, info, stood, records, removed, names)
    return StudyTable(
        study=info.study,
        folder=folder,
        runs=tidy(kept),
        planned=info.planned,
        current=protocol.spec.analysis,
        when_shown=(stood or protocol).spec.analysis,
        smoke=info.smoke,
        mode=info.mode,
        conditioned_on=_conditions(protocol, kept),
        missing=declared(
            want.run
            for name, want in expected.items()
            if want.run.cell.role == "student" and name not in there
        ),
        left_out=left_out,
        added=(added := added_to(folder, protocol)),
        appeared=_appeared(folder, info, added),
        looks_asked=_looks_asked(folder, info, protocol),
        of_own_code=len(kept) if has_own_code(protocol) else 0,
        classes=_classes(protocol, examined),
        teachers=teacher_results(records),
        teacher_seeds=teacher_seeds(records, [cell.name for cell in protocol.cells if cell.per_seed]),
        planned_seeds=info.planned_seeds,
        planned_under_0_1=info.planned_under_0_1,
        removals=removed,
        doubts=tuple(met(folder, kept)),
        of_runs=command_doubts(protocol, kept),
        metrics=tuple(spec.metric_goals().items()) if isinstance(spec, CommandSpec) else (),
        examined=examined,
        images_per_seed=not isinstance(spec, CommandSpec) and spec.dataset.split.tests_per_seed,
        notes=(
            *_notes(stale),
            *_less(kept),
            *command_notes(protocol, kept),
            *([f"study.json: {info.newer}; ignored here"] if info.newer else []),
        ),
    )


def still_asked(folder: Path, seeds: Collection[int]) -> tuple[int, ...]:
    """Seeds beside these that an analysis waits for: the study was asked for them, and then looked at."""
    if not read_interim_analyses(folder):
        return ()
    study = read_study(folder)
    waits = {int(seed) for seed in study.missing["seed"]} if len(study.missing) else set[int]()
    if set(study.runs["seed"]) <= set(study.planned_seeds):  # nothing has come of the others
        waits &= set(study.planned_seeds)
    return tuple(sorted(waits - set(seeds)))


def _classes(protocol: Protocol, examined: Examined | None) -> int | None:
    """Among how many classes networks choose, None where what they are tested on tells it."""
    known = protocol.spec.dataset.info
    if known is not None:
        return known.classes
    return None if examined is None else examined.classes


def _refuse_edited(records: list[Record]) -> None:
    """DamagedError for records that are not what was committed, as far as they or a sample of files tell."""
    edited = [record for record in records if not record.sealed or record.unnamed]
    if edited:
        path = edited[0].folder / "record.json"
        raise DamagedError(
            f"{path}: edited after it was committed ({count(len(edited), 'record')} in all)",
            hint=AGAIN,
        )
    left = SAMPLED_BYTES
    for record in records[:: -(-len(records) // SAMPLED) or 1]:
        try:
            left -= (record.folder / "predictions.npz").lstat().st_size
            wrong = misreported(record) if left >= 0 else []
        except (OSError, StoreError):  # what needs predictions says itself that they are gone
            continue
        if wrong:
            raise DamagedError(f"{record.folder / 'record.json'}: {', '.join(wrong)}", hint=AGAIN)


def misreported(record: Record) -> list[str]:
    """Which metrics of a record are not those of its predictions; StoreError if these cannot be read."""
    if "predictions.npz" not in record.files or record.is_by_command:
        return []
    arrays = _predictions(record, ("target", "prediction", "loss", "top5_hit"))
    again = {"test_top1": 100 * float((arrays["prediction"] == arrays["target"]).mean())}
    if "top5_hit" in arrays:
        again["test_top5"] = 100 * float(arrays["top5_hit"].mean())
    if "loss" in arrays:
        again["test_loss"] = float(arrays["loss"].astype("f8").mean())
    return [
        f"{name} is {said:.10g}, and {value:.10g} by predictions.npz"
        for name, value in again.items()
        if (said := record.metrics.get(name)) is not None
        and not math.isclose(said, value, rel_tol=1e-6, abs_tol=1e-9)
    ]


def _notes(stale: list[Stale]) -> list[str]:
    """Records that the newest protocol would not make again are still what they are; only `run` minds."""
    if not stale:
        return []
    records = count(len(stale), "record")
    first = f"{stale[0].run}: {stale[0].reason}"
    return [f"{records} differ from what the newest protocol says ({first}); `rigorkd run` would refuse"]


def _less(records: list[Record]) -> list[str]:
    """Records of processors that lack the instructions to which all are held."""
    less = [record for record in records if "less than" in record.dispatch]
    if not less:
        return []
    return [
        f"{count(len(less), 'record')} of {len(records)} come from a processor with less than AVX2 "
        f"({less[0].run}: {less[0].dispatch}): their bits are not those of other processors"
    ]


def _beyond(protocol: Protocol, info: StudyInfo) -> str:
    """How `run` is asked for all seeds of a study, where the newest protocol itself asks for fewer."""
    asked = protocol.spec.seeds
    if not isinstance(asked, tuple) or set(info.seeds) <= set(asked):
        return ""
    return f" --seeds {seeds_for_run(info.seeds)}"


def _refuse_mixed(folder: Path, records: list[Record], stale: list[Stale], seeds: str) -> None:
    """A cell whose runs were made under different configurations has no mean; `seeds` ask for all of them."""
    old = {entry.run: entry.reason for entry in stale}
    for cell in dict.fromkeys(str(record.fields["cell"]) for record in records if record.run in old):
        mine = [record.run for record in records if record.fields["cell"] == cell]
        if fresh := [run for run in mine if run not in old]:
            other = next(run for run in mine if run in old)
            raise StoreError(
                f"{folder}: {cell} has runs of different configurations: {fresh[0]} fits the newest "
                f"protocol, {other} does not ({old[other]})",
                hint=f"run the protocol again with --retrain-stale{seeds}, or analyze a copy of the older"
                " study",
            )


def added_to(folder: Path, protocol: Protocol) -> tuple[str, ...]:
    """Student cells of a protocol that the first one of its study, if there is one yet, did not declare."""
    info = plan_there(folder, protocol)
    if info is None or info.protocols[0] == protocol.text_hash:
        return ()
    known = {cell.name for cell in _protocol(folder, info, info.protocols[0]).cells}
    return tuple(cell.name for cell in protocol.cells if cell.role == "student" and cell.name not in known)


def changed_keys(first: Analysis, stood: Analysis, asked: Analysis) -> tuple[str, ...]:
    """Which keys of an analysis that every verdict uses are not those that were planned.

    A margin says what would matter: it may be mended as long as nobody has seen a result, so it is compared
    with that of the analysis that `stood` when results were first shown. Looks that are not in force change
    nothing: whoever asks gives `asked` those that are (`planned_looks`).
    """
    then = {name: stood if name == "sesoi" else first for name in _FIXED}
    return tuple(name for name in _FIXED if getattr(then[name], name) != getattr(asked, name))


CHANGED = "changed after the first run: "
"""How it begins what is said of keys that are not those that were planned."""


def says_changed(keys: Sequence[str]) -> str:
    """What it means that keys were changed, "" where none were."""
    if not keys:
        return ""
    return f"{CHANGED}{', '.join(keys)}; every verdict that uses it is exploratory"


def changed_since(folder: Path, protocol: Protocol) -> str:
    """The same of a protocol that is to run into a study, which may not have it yet; "" of a new study."""
    info = plan_there(folder, protocol)
    if info is None or info.protocols[-1:] == (protocol.text_hash,):
        return ""
    return says_changed(_changed_by(folder, info, protocol))


def _changed_by(folder: Path, info: StudyInfo, protocol: Protocol) -> tuple[str, ...]:
    first, asked = info.planned, protocol.spec.analysis
    asked = asked.model_copy(update={"looks": looks_ahead(folder, protocol).looks})
    if first is None or not (keys := changed_keys(first, first, asked)):
        return ()
    stood = None
    if "sesoi" in keys:
        stood = _when_shown(folder, info, protocol, read_records(StudyFolder(folder)))
    return changed_keys(first, (stood or protocol).spec.analysis, asked)


def foreseen(folder: Path, protocol: Protocol) -> Foreseen:
    """What `analyze` will say of the plan of a study once this protocol has been run into it."""
    info = plan_there(folder, protocol)
    if info is None or info.planned is None:
        return Foreseen()
    notes = [changed_since(folder, protocol), looks_ahead(folder, protocol).says]
    as_asked = not _changed_by(folder, info, protocol)
    names = {cell.name for cell in protocol.cells}
    others = set(info.protocols) - {protocol.text_hash}  # its own text, if it was lost, this run puts back
    known = {cell.name for text in others for cell in _protocol(folder, info, text).cells}
    looked = any(change.looked is not None for change in read_changes(folder))
    asked = protocol.spec.analysis
    later = tuple(one.called for one in asked.contrasts if one not in info.planned.contrasts)
    if known <= names and not looked and set(info.planned.contrasts) <= set(asked.contrasts):
        return Foreseen(tuple(filter(None, notes)), as_asked, later, as_asked)  # without reading every record
    try:
        records = read_records(StudyFolder(folder))
    except DamagedError:  # which the run itself will name, and what becomes of it is not known yet
        return Foreseen(tuple(filter(None, notes)), apart=None)
    removed = removals(folder, records, {}, info.seeds, info.planned_seeds)
    looked = any(removal.looked is not None for removal in removed)
    stood = _when_shown(folder, info, protocol, records)
    left_out = _left_out(folder, info, stood, records, removed, names)
    planned = as_asked and not looked
    if told := left_out.says:
        if planned and left_out.of_families:
            told += NOT_THE_PLANNED_GAINS + HOW_TO_KEEP
        notes.append(told)
    shown = None if stood is None else stood.spec.analysis
    dropped = dropped_contrasts(info.planned, shown, asked)
    if told := says_dropped(dropped):
        notes.append(told + NOT_THE_PLANNED_CONTRASTS * planned)
    apart = False if left_out.of_families or not as_asked else None if looked else True
    return Foreseen(tuple(filter(None, notes)), apart, later, planned and not dropped)


def _when_shown(folder: Path, info: StudyInfo, protocol: Protocol, records: list[Record]) -> Protocol | None:
    """The protocol as it stood when results were first shown; None where there is one alone, or none were.

    Versions that did not note it showed means, too, once all that a protocol planned had run.
    """
    if info.protocols == (protocol.text_hash,):
        return None
    chosen = protocol.spec.analysis.selection.seeds if protocol.spec.analysis.selection else ()
    finished = {record.run: str(record.fields.get("finished") or "")[:SECOND] for record in records}
    noted = (first_shown(folder, chosen) or "")[:SECOND]
    seeds = [seed for seed in info.planned_seeds if seed not in chosen]
    stood, planned = None, set[str]()
    ends = [*(time[:SECOND] for time in info.protocol_times[1:]), ""]
    for at, (text, end) in enumerate(zip(info.protocols, ends, strict=True)):
        begun = info.protocol_times[at][:SECOND]
        if at and noted and not begun < noted:
            return stood
        if at and not begun:  # nobody noted when: it may have been later
            continue
        stood = _protocol(folder, info, text)
        planned = _students(stood) if not at else planned
        runs = [f"{cell}/seed-{seed}" for cell in planned & _students(stood) for seed in seeds]
        if runs and finished.keys() >= set(runs) and (not end or max(finished[run] for run in runs) < end):
            return stood
    return stood if noted else None


def _students(protocol: Protocol) -> set[str]:
    return {cell.name for cell in protocol.cells if cell.role == "student"}


def _left_out(
    folder: Path,
    info: StudyInfo,
    stood: Protocol | None,
    records: list[Record],
    removed: Sequence[Removal],
    names: set[str],
) -> LeftOut:
    """Cells of a study that a protocol, which has these, has no more.

    They have records, or had; or their runs all failed; or they were of the first protocol, still planned
    when results were first shown (as `stood`), and never had a run.
    """
    cells = {str(record.fields["cell"]) for record in records}
    cells |= {cell_of(run) for removal in removed for run in removal.runs}
    in_vain = _in_vain(folder, info, names | cells)
    dropped: set[str] = set()
    if stood is not None:
        first = _students(_protocol(folder, info, info.protocols[0]))
        dropped = (_students(stood) & first) - names - cells - in_vain
    every = tuple(sorted((cells | in_vain | dropped) - names))
    planned = {cell.name for cell in _protocol(folder, info, info.protocols[0]).cells} if every else set()
    added = tuple(name for name in every if name not in planned)
    return LeftOut(every, tuple(sorted(in_vain)), tuple(sorted(dropped)), added)


def _appeared(folder: Path, info: StudyInfo, added: Collection[str]) -> tuple[tuple[str, str], ...]:
    """When the first protocol that has them was run into the study, by the names of cells added since."""
    found: dict[str, str] = {}
    for text, time in zip(info.protocols[1:], info.protocol_times[1:], strict=True):
        if len(found) < len(added):
            names = {cell.name for cell in _protocol(folder, info, text).cells}
            found |= {name: time for name in added if name in names and name not in found}
    return tuple(found.items())


def looks_ahead(folder: Path, protocol: Protocol) -> PlannedLooks:
    """The looks that are planned once this protocol has been run into a study, if there is one yet."""
    if not is_study(folder):
        return PlannedLooks(protocol.spec.analysis.looks)
    selection = protocol.spec.analysis.selection
    chosen_on = tuple(selection.seeds) if selection else ()
    looks = [look.without(chosen_on) for look in read_interim_analyses(folder)]
    asked = _looks_asked(folder, read_info(folder), protocol)
    return asked.planned(looks, {seed for look in looks for seed in look.seeds}, protocol.spec.analysis)


def _looks_asked(folder: Path, info: StudyInfo, protocol: Protocol) -> LooksAsked:
    """The looks of all texts that were run into the study, and then of this protocol."""
    history = []
    for at, (text, time) in enumerate(zip(info.protocols, info.protocol_times, strict=True)):
        if not at and info.planned is not None:
            history.append((time, info.planned.looks))
        elif text == protocol.text_hash or not read_interim_analyses(folder):
            history.append((time, protocol.spec.analysis.looks))
        else:
            with contextlib.suppress(ProtocolError, StoreError):  # a study is read without every old text
                history.append((time, _protocol(folder, info, text).spec.analysis.looks))
    return LooksAsked((*history, ("", protocol.spec.analysis.looks)))


def _in_vain(folder: Path, info: StudyInfo, there: Collection[str]) -> set[str]:
    """Cells that an earlier protocol planned and of which runs failed, but that are not there any more."""
    lost = tried_in_vain(folder).difference(there)
    if not lost:
        return lost
    texts = dict.fromkeys(info.protocols)
    return lost & {cell.name for text in texts for cell in _protocol(folder, info, text).cells}


def read_protocol(folder: Path) -> Protocol:
    """The newest protocol that was run into the study, shrunk if it is a smoke study."""
    info = read_info(folder)
    return _protocol(folder, info, info.protocols[-1])


def is_by_command(folder: Path) -> bool:
    """Whether commands train the runs of a study."""
    return any(cell.trainer is not None for cell in read_protocol(folder).cells)


def _protocol(folder: Path, info: StudyInfo, text_hash: str) -> Protocol:
    """A protocol text that was run into the study, as it was run."""
    study = StudyFolder(folder)
    path = study.protocol(text_hash)
    refuse_links_inside(study.protocols, folder, PROTOCOL)  # its own code lies there too
    content = read_bytes(path, folder, PROTOCOL) if is_there(path, folder) else None
    if content is not None and sha256_of(content) != text_hash:
        raise DamagedError(f"{path}: not the protocol's text that was run", hint="restore it from a copy")
    try:
        protocol = load_protocol(path, content, remembered_by(info))
    except ProtocolError as error:
        if info.version == __version__:
            raise
        raise StoreError(
            f"{folder}: its protocol was run by rigorkd {info.version}; this one, {__version__}, cannot "
            f"read it: {error.message}",
            hint="read the study with that version",
        ) from None
    protocol = smoke(protocol, look=False, shape=info.shape) if info.smoke else protocol
    refuse_too_many(protocol, info.seeds, study.study_json)
    return protocol


_PREDICTIONS = {
    "target": ("i", 1),
    "prediction": ("i", 1),
    "loss": ("f", 1),
    "confidence": ("f", 1),
    "top5_hit": ("b", 1),
    "logits": ("f", 2),
}


def read_predictions(folder: Path, cell: str, seed: int) -> dict[str, np.ndarray]:
    """Arrays of one run, each (n_test,): target, prediction, loss, confidence, top5_hit; logits where kept.

    Raises DamagedError if the file is not the one that was committed.
    """
    return _predictions(read_record(StudyFolder(folder), f"{cell}/seed-{seed}"), tuple(_PREDICTIONS))


def _predictions(record: Record, wanted: tuple[str, ...]) -> dict[str, np.ndarray]:
    content = record.content("predictions.npz")
    with unreadable(record.folder / "predictions.npz", AGAIN):
        found = parse_arrays(content, {name: _PREDICTIONS[name] for name in wanted})
        if lost := [name for name in ("target", "prediction") if name not in found]:
            raise ValueError(f"it lacks {', '.join(lost)}")
        if not len(found["target"]):
            raise ValueError("it has no examples")
        return found


def _conditions(protocol: Protocol, records: list[Record]) -> tuple[str, ...]:
    """What every verdict of this study holds fixed."""
    teachers = [cell for cell in protocol.cells if cell.role == "teacher"]
    conditions = []
    if teachers:
        per_seed = all(cell.per_seed for cell in teachers)
        conditions.append("teacher per seed" if per_seed else FIXED_TEACHER)
    if any(cell.role == "start" and cell.trainer is not None for cell in protocol.cells):
        conditions.append("start per seed")
    starts = {str(cell.start) for cell in protocol.cells if cell.role == "student"}
    if starts - {"random"} and not any(cell.trainer is not None for cell in protocol.cells):
        conditions.append("pretrained student weights: a seed varies head, order, views and dropout only")
    if any(cell.trainer is not None for cell in protocol.cells):
        return (*conditions, COMMANDS_CONDITION, *shared_inputs(protocol, records), *_hardware(records))
    split = protocol.spec.dataset.split
    if split.tests_per_seed:
        conditions += ["a new split per seed, other test images at each", POOL]
    elif split.seed == "per_seed":
        conditions += ["a new split per seed", POOL, "these test images"]
    else:
        conditions += [f"split seed {split.seed}", "these test images"]
    if noise := protocol.spec.dataset.label_noise:
        conditions.append(f"{100 * noise:.4g} %{LABEL_NOISE}")
    if split.val == 0:
        conditions.append("nothing was validated: the last epoch is tested")
    averaged = [cell.training.ema is not None for cell in protocol.cells if cell.role == "student"]
    if any(averaged):
        whose = "" if all(averaged) else ", where a cell has one"
        conditions.append(f"tested is the moving average of the weights{whose}")
    return (*conditions, *_own_trainings(protocol), *_hardware(records))


def _own_trainings(protocol: Protocol) -> list[str]:
    """What groups train otherwise than the protocol's `training:`, the longest list of a caption cut."""
    found = [one.says.replace(",", ";") for one in own_training(protocol.spec, protocol.cells)]
    more = [f"{len(found) - MOST_GROUPS} more groups trained in ways of their own (`rigorkd plan` has them)"]
    return found[:MOST_GROUPS] + more * (len(found) > MOST_GROUPS)


MOST_GROUPS = 3
"""So many groups that train in a way of their own are spelt out with every verdict."""


def _hardware(records: list[Record]) -> list[str]:
    hardware = sorted({str(record.fields.get("hardware")) for record in records})
    return [f"hardware: {', '.join(hardware)}"] if hardware else []
