"""`study.json`: what was planned when the study began, which protocol texts it has seen, which seeds.

The analysis section is kept as it was at the first run, so that whatever is added to it later can be told
apart as exploratory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rigorkd import __version__
from rigorkd.data.decoded import USUAL_RESOLUTION
from rigorkd.data.own_images import SMALLEST
from rigorkd.errors import InputError, StoreError
from rigorkd.files import sha256_of, timestamp, write_atomically
from rigorkd.models.model import is_own_model
from rigorkd.models.own_code import own_modules, read_code
from rigorkd.protocol.hashes import NEWEST, Numerics, newer
from rigorkd.protocol.load import Protocol, Settle, by_the_files
from rigorkd.protocol.schema import Analysis, Spec
from rigorkd.protocol.seed_grammar import MOST_SEEDS
from rigorkd.records.changes import last_retrained, note_fewer, note_in_vain
from rigorkd.records.expected import StartFile
from rigorkd.records.interim import note_shown, read_interim_analyses
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import digest_of, to_json
from rigorkd.records.untrusted import (
    PROTOCOL,
    RECORD,
    STUDY,
    is_digest,
    is_number,
    is_plain_name,
    is_plain_path,
    is_there,
    read_json,
    refuse_links_inside,
)
from rigorkd.text import first_line

SCHEMA = "rigorkd.study/1"
KEYS = frozenset(
    {"schema", "study", "smoke", "mode", "created", "version", "numerics", "planned", "protocols", "seeds"}
    | {"start_files", "planned_seeds", "settled"}
)
"""The keys of `study.json`. What others a newer version has written is kept, and named."""
MODES = ("reference", "fast")
MOST_RUNS = 100_000
"""What the analysis of a study would be asked to hold, not what anybody can train."""


@dataclass(frozen=True)
class StudyInfo:
    """`study.json` as read. `protocols` are the hashes of the texts run into the study, oldest first, and
    `protocol_times` when each was. `planned_time` is when the plan was written: when the study was `created`,
    or later where nothing had come of an earlier one.

    `planned_seeds` are those that the latest `run` before any look asked for; version 0.1 noted none, and all
    of `seeds` were. `numerics` are those that the study began with; version 0.1 noted none, and all were 1.
    `version` is that of the rigorkd that wrote the file last; a file without the key `numerics` was planned
    under 0.1, whatever went on with it. `settled` is the side of the stored images where the protocol left it
    to the files; `shape` are the classes and channels of a user's own images in a smoke study. And `unknown`
    are keys that this one does not know.
    """

    study: str
    smoke: bool
    mode: str
    created: str
    planned: Analysis
    protocols: tuple[str, ...]
    seeds: tuple[int, ...]
    start_files: dict[str, StartFile]
    numerics: Numerics = field(default_factory=dict)
    version: str = "0.1.0"
    planned_seeds: tuple[int, ...] = ()
    planned_under_0_1: bool = False
    unknown: tuple[str, ...] = ()
    plan_noted: bool = True
    settled: int | None = None
    shape: tuple[int, int] | None = None
    protocol_times: tuple[str, ...] = ()
    planned_time: str = ""

    @property
    def newer(self) -> str:
        """What only a newer rigorkd can have written, in words; empty if there is nothing."""
        found = [f"the key {key}" for key in self.unknown] + [
            f"numerics {part}" for part in newer(self.numerics)
        ]
        return (
            f"written by rigorkd {self.version}, this is {__version__}: {', '.join(found)}" if found else ""
        )


def folder_name(protocol: Protocol, mode: str) -> str:
    """The study's name and folder: `<study>`, with `.smoke` and `.fast` where they apply."""
    return _folder_name(protocol.study, mode)


def _folder_name(study: str, mode: str) -> str:
    return study if mode == "reference" else f"{study}.{mode}"


def is_study(folder: Path) -> bool:
    """Whether the folder holds a study."""
    return StudyFolder(folder).study_json.is_file()


def studies_in(results: Path) -> list[Path]:
    """The studies below a folder, by name; not what a command that was killed left half made, and hidden."""
    if not results.is_dir():
        return []
    return sorted(path for path in results.iterdir() if path.name[0] != "." and is_study(path))


def where_studies_lie(folder: Path) -> str:
    """The hint for a folder that is no study, though it holds some; empty if it holds none."""
    try:
        found = studies_in(folder)
    except OSError:
        return ""
    return f"there are studies in {folder}: give one, such as {found[0]}" if found else ""


def read_info(folder: Path) -> StudyInfo:
    """Read `study.json`. Raises InputError if the folder is no study, StoreError if the file is damaged."""
    path = StudyFolder(folder).study_json
    if not is_there(path, folder):
        raise InputError(
            f"{folder}: not a study (there is no study.json in it)",
            hint=where_studies_lie(folder)
            or "give the folder that `rigorkd run` made, such as results/digits",
        )
    try:
        document = read_json(path, folder, STUDY)
        _refuse_newer(path, document)
        if wrong := next(_wrong(document), None):
            raise ValueError(wrong)
        settled = document.get("settled", {})
        return StudyInfo(
            plan_noted=sha256_of(json.dumps(document["planned"]["analysis"], sort_keys=True))
            == document["planned"].get("sha256"),
            study=document["study"],
            smoke=document["smoke"],
            mode=document["mode"],
            created=document["created"],
            planned=Analysis.model_validate(_tuples(document["planned"]["analysis"])),
            protocols=tuple(entry["sha256"] for entry in document["protocols"]),
            planned_time=document["planned"].get("time") or document["created"],
            protocol_times=tuple(str(entry.get("time", "")) for entry in document["protocols"]),
            seeds=tuple(document["seeds"]),
            start_files={path: StartFile(None, sha256) for path, sha256 in document["start_files"].items()},
            numerics=document.get("numerics", {}),
            version=document.get("version", "0.1.0"),
            planned_seeds=tuple(document.get("planned_seeds", document["seeds"])),
            planned_under_0_1="numerics" not in document,
            unknown=tuple(sorted(document.keys() - KEYS)),
            settled=settled.get("resolution"),
            shape=(settled["classes"], settled["channels"]) if "classes" in settled else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}: the file is damaged ({first_line(error)})",
            hint="restore it from a copy; the records beside it are untouched",
        ) from None


PLAN_EDITED = "the planned analysis is not the one that the first run noted"


def _wrong(document: Mapping[str, Any]) -> Iterator[str]:
    """What no rigorkd could have written into a study.json of its schema."""
    if not is_plain_name(document["study"]):
        yield "study is no name"
    if not isinstance(document["smoke"], bool):
        yield "smoke is neither true nor false"
    if document["mode"] not in MODES:
        yield f"mode is none of {', '.join(MODES)}"
    if not all(isinstance(document.get(name, ""), str) for name in ("created", "version")):
        yield "created or version is no text"
    if not isinstance(document["planned"].get("time", ""), str):
        yield "the time of the plan is no text"
    protocols, seeds = document["protocols"], document["seeds"]
    planned = document.get("planned_seeds", [])
    if not protocols or not all(is_digest(entry["sha256"]) for entry in protocols):
        yield "protocols names no texts by their hashes"
    if not all(isinstance(seed, int) and is_number(seed) and seed >= 0 for seed in (*seeds, *planned)):
        yield "seeds holds something else than seeds"
    if len(seeds) > MOST_SEEDS:
        yield f"it has {len(seeds):,} seeds, more than {MOST_SEEDS:,}"
    if not all(isinstance(sha256, str) for sha256 in document["start_files"].values()):
        yield "start_files holds something else than hashes"
    numbers = document.get("numerics", {}).values()
    if not all(isinstance(number, int) and is_number(number) for number in numbers):
        yield "numerics holds something else than whole numbers"
    settled = document.get("settled", {})
    sides = {"resolution": SMALLEST, "classes": 2, "channels": 1, **settled}
    if not all(isinstance(value, int) and is_number(value) for value in sides.values()):
        yield "settled holds something else than whole numbers"
    elif (
        sides["resolution"] < SMALLEST
        or not 2 <= sides["classes"] <= 100_000
        or sides["channels"] not in (1, 3)
    ):
        yield "settled holds a shape that no images have"
    if ("classes" in settled) != ("channels" in settled):
        yield "settled has classes or channels alone"


def settled_in(folder: Path) -> Settle:
    """What a protocol leaves open as the study in the folder began with; one that is yet to begin looks."""

    def settle(spec: Spec) -> int | None:
        info = read_info(folder) if is_study(folder) else None
        return by_the_files(spec) if info is None else _remembered(info, spec) or by_the_files(spec)

    return settle


def settled_under(results: Path, mode: str, *, smoke: bool) -> Settle:
    """The same of the study that a protocol's own name leads to."""

    def settle(spec: Spec) -> int | None:
        return settled_in(place_of(results, spec.study, mode, smoke=smoke))(spec)

    return settle


def place_of(results: Path, study: str, mode: str, *, smoke: bool) -> Path:
    """The folder of the study that a protocol's own name leads to, begun or not."""
    return results / _folder_name(study + ".smoke" * smoke, mode)


def remembered_by(info: StudyInfo) -> Settle:
    """As the study remembers it, whatever lies where its data was."""
    return lambda spec: _remembered(info, spec)


def _remembered(info: StudyInfo, spec: Spec) -> int | None:
    """Version 0.1 had a default for what the files decide since."""
    old = info.planned_under_0_1 and spec.dataset.name == "image_folder"
    return USUAL_RESOLUTION if old else info.settled


def refuse_too_many(protocol: Protocol, seeds: Collection[int], where: Path) -> None:
    """InputError for more runs, or seeds, than a study can have."""
    if len(seeds) > MOST_SEEDS:
        raise InputError(
            f"{where}: {len(seeds):,} seeds, and a study has at most {MOST_SEEDS:,}",
            hint="take fewer seeds, or make several studies of it",
        )
    if (runs := len(protocol.cells) * len(seeds)) > MOST_RUNS:
        raise InputError(
            f"{where}: {len(protocol.cells):,} cells at {len(seeds):,} seeds are {runs:,} runs, and a study "
            f"has at most {MOST_RUNS:,}",
            hint="take fewer seeds, or make several studies of it",
        )


def _refuse_newer(path: Path, document: Mapping[str, Any]) -> None:
    """StoreError if a newer version wrote what the plan cannot do without; ValueError if it is no study."""
    schema = document["schema"]
    if schema != SCHEMA and not str(schema).startswith("rigorkd.study/"):
        raise ValueError(f"schema {schema!r} is not {SCHEMA!r}")
    analysis = document["planned"]["analysis"] if schema == SCHEMA else {}
    unknown = sorted(analysis.keys() - Analysis.model_fields.keys())
    if schema != SCHEMA or unknown:
        what = f"its plan has {', '.join(unknown)}" if unknown else f"its schema is {schema}"
        version = document.get("version", "of another version")
        raise StoreError(
            f"{path}: written by a newer rigorkd ({version}; this is {__version__}): {what}",
            hint="read it with that version: pip install --upgrade rigorkd",
        )


def is_smoke(folder: Path) -> bool:
    """Whether a study was run with --smoke; one that cannot be read is taken for a real one."""
    try:
        return read_info(folder).smoke
    except (InputError, StoreError):
        return False


def newest_study(results: Path, runs_now: Callable[[Path], bool] = lambda _: False) -> Path:
    """The study under `results` with the latest finish time inside its records.

    One that `runs_now` comes before all others, and a smoke study after all.
    """
    studies = studies_in(results)
    if not studies:
        raise InputError(
            f"{results}: no study in this folder",
            hint="run a protocol first (rigorkd run protocols/digits.yaml), or name a study or a CSV",
        )
    if len(studies) == 1:  # its records need not be read, however many there are
        return studies[0]
    running = [folder for folder in studies if runs_now(folder)]
    real = [folder for folder in running or studies if not is_smoke(folder)]
    asked = real or running or studies
    return asked[0] if len(asked) == 1 else max((_last_finish(folder), folder) for folder in asked)[1]


def register(
    folder: Path,
    protocol: Protocol,
    seeds: tuple[int, ...],
    mode: str,
    files: Mapping[str, StartFile],
    numerics: Numerics = NEWEST,
) -> None:
    """Note that this protocol text and these seeds are run into the study; the first run fixes the plan.

    While nothing has come of any run, as after a mistake in the first protocol, a later text takes its place.

    A new study is to be trained under `numerics`. Of the files that runs start from, the hashes are kept, so
    that the study can be read without them; of the user's own code a copy, so that its runs can be repeated.
    """
    layout = StudyFolder(folder)
    refuse_links_inside(layout.protocols, folder, PROTOCOL)
    now = timestamp()
    if is_study(folder):
        if newer := read_info(folder).newer:  # refuse a damaged file, too, before anything is changed
            raise StoreError(
                f"{layout.study_json}: {newer}", hint="go on with that version, or begin another study"
            )
        document = read_json(layout.study_json, folder, STUDY)
    else:
        document = {}
    refuse_too_many(protocol, {*document.get("seeds", ()), *seeds}, folder)
    analysis = protocol.spec.analysis.model_dump(mode="json")
    planned = {
        "time": now,
        "sha256": sha256_of(json.dumps(analysis, sort_keys=True)),
        "analysis": analysis,
    }
    if not document:
        document = {
            "schema": SCHEMA,
            "study": folder_name(protocol, mode),
            "smoke": protocol.smoke,
            "mode": mode,
            "created": now,
            "version": __version__,
            "numerics": dict(numerics),
            "planned": planned,
            "protocols": [],
            "seeds": [],
            "start_files": {},
        }
    before = json.dumps(document)
    known = [entry["sha256"] for entry in document["protocols"]]
    if known and known[-1] != protocol.text_hash and not has_begun(layout):
        document |= {"planned": planned, "protocols": []}
        known = []
    if digest_of(layout.protocol(protocol.text_hash), folder) != protocol.text_hash:
        write_atomically(layout.protocol(protocol.text_hash), protocol.text.encode())
    _keep_code(layout, files)
    if known and known[-1] != protocol.text_hash:
        note_in_vain(folder, {cell.name for cell in protocol.cells})
    if not known or known[-1] != protocol.text_hash:
        document["protocols"].append({"sha256": protocol.text_hash, "time": now})
    if not read_interim_analyses(folder):  # what was looked at was planned before
        note_fewer(folder, set(document.get("planned_seeds", ())) - set(seeds))
        document["planned_seeds"] = sorted(seeds)
    document["seeds"] = sorted({*document["seeds"], *seeds})
    document["start_files"] |= {path: file.sha256 for path, file in files.items()}
    if found := _settled(protocol) if "numerics" in document else {}:  # 0.1 had a default instead
        document["settled"] = {**found, **document.get("settled", {})}
    if json.dumps(document) != before or not is_study(folder):
        document["version"] = __version__
        write_atomically(layout.study_json, to_json(document))


def note_summary(folder: Path, protocol: Protocol, metric: str, seen: Collection[int]) -> None:
    """Note that a command which judges nothing has shown means, of the seeds that were `seen`.

    As in progress of an analysis: who is asked for seeds that are not there yet may have seen enough by now.
    """
    selection = protocol.spec.analysis.selection
    chosen_on = set(selection.seeds) if selection else set()
    if n := len(set(seen) - chosen_on):
        note_shown(folder, set(read_info(folder).seeds) - chosen_on, metric, n, summary=True)


def looks_since(folder: Path) -> str:
    """From when on an analysis that is noted has met what the study holds now, "" for ever.

    Since then no run was trained otherwise, and no cell was added by another protocol.
    """
    times = read_info(folder).protocol_times
    return max(last_retrained(folder), times[-1] if len(times) > 1 else "")


def plan_there(folder: Path, protocol: Protocol) -> StudyInfo | None:
    """What a study has noted, as it stands once this protocol is run into it; None where that begins anew.

    So it does where there is no study yet, and where nothing has come of the plan that another text fixed.
    """
    info = read_info(folder) if is_study(folder) else None
    if info is None or info.protocols[-1:] == (protocol.text_hash,) or has_begun(StudyFolder(folder)):
        return info
    return None


def has_begun(layout: StudyFolder) -> bool:
    """Whether anything has come of a run, or may: a record, a checkpoint, what was removed, a job."""
    if (
        is_there(layout.changes_jsonl, layout.path)
        or read_interim_analyses(layout.path)
        or layout.slurm.is_dir()
    ):
        return True
    left = {"record.json", "checkpoint.pt"}
    return any(not left.isdisjoint(names) for _, _, names in os.walk(layout.path))


def ask_for(folder: Path, seeds: Collection[int]) -> None:
    """Note that the study is now asked for these seeds, after some were removed or put back.

    Before any look they are the planned ones, too; what was looked at was planned before.
    """
    path = StudyFolder(folder).study_json
    document = read_json(path, folder, STUDY)
    document.setdefault("planned_seeds", document["seeds"])
    document["seeds"] = sorted(seeds)
    if not read_interim_analyses(folder):
        document["planned_seeds"] = sorted(seeds)
    document["version"] = __version__
    write_atomically(path, to_json(document))


def _keep_code(layout: StudyFolder, files: Mapping[str, StartFile]) -> None:
    """Copy the newest source of models, terms and commands to where the protocol's text lies.

    There they are found. Of a command's code that is only what lies below the protocol's folder.
    """
    wanted: dict[Path, bytes] = {}
    for name, file in files.items():
        if is_own_model(name) and file.path is not None:
            for module in own_modules(name, file.path).values():
                wanted[layout.protocols / module.file.relative_to(module.root)] = module.source
        elif file.command is not None and file.path is not None:
            for part in file.command.code:
                path = file.path / part
                if is_plain_path(part) and path.stat().st_size <= PROTOCOL:
                    wanted[layout.protocols / part] = read_code(path)
    for path in [*layout.protocols.rglob("*.py")]:
        if path not in wanted:
            path.unlink()
    for path, content in wanted.items():
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)


def _settled(protocol: Protocol) -> dict[str, int]:
    """What files have said of images, and who only reads the study cannot know without."""
    found = {} if protocol.settled is None else {"resolution": protocol.settled}
    drawn = protocol.spec.dataset.info if protocol.smoke and protocol.own_images else None
    return found if drawn is None else {**found, "classes": drawn.classes, "channels": drawn.channels}


def is_registered(
    folder: Path, protocol: Protocol, seeds: tuple[int, ...], mode: str, files: Mapping[str, StartFile]
) -> bool:
    """Whether `register` would change nothing."""
    if not is_study(folder):
        return False
    info = read_info(folder)
    known = {path: file.sha256 for path, file in info.start_files.items()}
    return (
        info.mode == mode
        and info.protocols[-1:] == (protocol.text_hash,)
        and digest_of(StudyFolder(folder).protocol(protocol.text_hash), folder) == protocol.text_hash
        and (protocol.settled is None or info.settled is not None or info.planned_under_0_1)
        and (not (protocol.smoke and protocol.own_images) or info.shape is not None or info.planned_under_0_1)
        and set(seeds) <= set(info.seeds)
        and (set(seeds) == set(info.planned_seeds) or bool(read_interim_analyses(folder)))
        and all(known.get(path) == file.sha256 for path, file in files.items())
    )


def _tuples(value: Any) -> Any:
    """Lists as tuples, all the way down: the schema's models are strict."""
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


def _last_finish(folder: Path) -> str:
    try:
        return max((_finish_time(path, folder) for path in StudyFolder(folder).records()), default="")
    except StoreError:  # one that cannot be read is not in the way of the others
        return ""


def _finish_time(record_json: Path, folder: Path) -> str:
    try:
        return str(read_json(record_json, folder, RECORD).get("finished") or "")
    except (ValueError, OSError):
        return ""
