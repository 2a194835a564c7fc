"""What makes two cells, runs or records the same: canonical forms and sha256 hashes.

A canonical form is JSON with sorted keys in which 1 and 1.0 are equal and every default is written out, so
it depends neither on how the file spelt a value nor on the order of its keys. Keys that a version after 0.1
added count only where they are not at their default: records outlive the version that wrote them.

So do the numbers of the parts of rigorkd that shape bits, raised when a change of our own code changes
results. A part whose number is 1 computes what it computed in version 0.1, and its number enters no hash. A
study keeps the numbers that it began with and goes on under them; new studies get the newest. Who raises a
number keeps the old path beside the new one, and chooses by `number`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rigorkd.data.dataset import LOCATION_KEYS
from rigorkd.fields import HASHED
from rigorkd.models.model import PathStart, architecture_of
from rigorkd.protocol.cells import Cell, Run
from rigorkd.protocol.schema import Training
from rigorkd.protocol.trainer import FILLED, CellTrainer

Numerics = Mapping[str, int]
"""A number by part, as far as it is above 1: `engine`, `method/<key>`, `model/<name>`, `view/<operation>`."""

NEWEST: dict[str, int] = {"engine": 2}
"""What new studies get: the numbers above 1.

`engine` 2 (version 0.2): in `reference` mode on a CPU, all processors are held to the same instructions.
"""


def number(numerics: Numerics, part: str) -> int:
    """The number of a part."""
    return numerics.get(part, 1)


def numbers_of(cell: Cell, numerics: Numerics) -> dict[str, int]:
    """The numbers above 1 of the parts that shape a cell's own bits. Its teacher's hash has the teacher's."""
    views = cell.views
    shown = views.train if cell.train else ()
    operations = [*shown, *views.eval, *(views.strong if cell.method.needs_strong else ())]
    parts = {
        "engine",
        f"method/{cell.method.key}",
        f"model/{architecture_of(cell.model.name)}",
        *(f"view/{operation.op}" for operation in operations),
        *(["view/mix"] if views.mix and cell.train else []),
    }
    return {part: numerics[part] for part in sorted(parts & numerics.keys()) if numerics[part] > 1}


def newer(numerics: Numerics) -> list[str]:
    """The parts whose number this version does not know yet, as `engine 3 (here: 2)`."""
    return [
        f"{part} {found} (here: {number(NEWEST, part)})"
        for part, found in sorted(numerics.items())
        if found > number(NEWEST, part)
    ]


# ------------------------------------------------------------------------------------- forms and hashes


def canonical(value: Any) -> str:
    """Canonical JSON of plain data."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def digest(value: Any) -> str:
    """sha256 of the canonical form, in hex."""
    return _sha256(canonical(value))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run_hash(
    run: Run,
    *,
    data_checksum: str,
    teacher_hash: str | None,
    start_hash: str | None,
    mode: str,
    precision: str,
    model_code: str | None = None,
    method_code: str | None = None,
    shape: str | None = None,
    members: Sequence[tuple[str, float]] = (),
    numerics: Numerics = NEWEST,
) -> str:
    """The run's identity: sha256 hex over everything that shapes its bits.

    `teacher_hash` is the teacher's run hash and is ignored for a cell that does not distil; `start_hash` is
    the start's run hash, or the sha256 of the file that a `PathStart` names; `precision` is the one really
    used; `model_code` and `method_code` identify the source of a model and of a distillation term given as
    `module:function`; `numerics` are those of its study. Names, groups and the analysis are left out. `shape`
    is `cell_shape(run.cell)` where it is known: it serves all seeds of a cell. `members` are the run hashes
    of the teachers whose mean a teacher is, with their shares.
    """
    raised = numbers_of(run.cell, numerics) if numerics else {}
    rest = canonical(
        {
            "numerics": 1,  # of version 0.1, for all parts together
            "seed": run.seed,
            "data": data_checksum,
            "teacher": teacher_hash if run.cell.method.distils else None,
            "start": start_hash,
            "mode": mode,
            "precision": precision,
            "model_code": model_code,
            **({} if method_code is None else {"method_code": method_code}),
            **({"parts": raised} if raised else {}),
            **({"mean_of": members} if members else {}),
        }
    )
    # The canonical form of all of it: "cell" is the first of its keys.
    return _sha256(f'{{"cell":{shape or cell_shape(run.cell)},{rest[1:]}')


def cell_shape(cell: Cell) -> str:
    """The canonical form of everything inside a cell that shapes its runs' bits."""
    return canonical(_shape(cell))


def identity(cell: Cell) -> str:
    """Equal for two cells exactly if they resolve to the same configuration in the same role."""
    return canonical(
        {
            "cell": _shape(cell),
            "precision": cell.training.precision,
            "teacher": cell.teacher if cell.method.distils else None,
            "start": cell.start_cell or _dump(cell.start),
            "per_seed": cell.per_seed,
            "mean_of": [[member.cell, member.weight] for member in cell.members],
        }
    )


def _shape(cell: Cell) -> dict[str, Any]:
    """Everything inside a cell that shapes bits, but for what a hash takes from outside.

    Of a cell that a command trains: the command, filled as far as it is the same wherever the run is.

    Left out: names; where files lie; the teacher (its hash stands for it); the path or cell of a start (its
    hash); precision (the one really used counts); for a model used as it is, how it would be trained.
    """
    if cell.trainer is not None:
        return _command_shape(cell, cell.trainer)
    views = _views(cell)
    training = cell.training.model_dump(exclude={"precision"}, context=HASHED)
    if not cell.train:
        training, views = {}, {key: views[key] for key in ("size", "normalize", "eval")}
    from_run_or_file = cell.start_cell is not None or isinstance(cell.start, PathStart)
    return {
        "role": cell.role,
        "model": cell.model.model_dump(context=HASHED),
        "size": cell.size,
        "train": cell.train,
        "start": "given" if from_run_or_file else cell.start,
        "method": {"key": cell.method.key, **cell.method.model_dump(context=HASHED)},
        "training": training,
        "views": views,
        "dataset": cell.dataset.model_dump(exclude=set(LOCATION_KEYS), context=HASHED),
    }


def unfilled(cell: Cell) -> dict[str, str]:
    """The placeholders of a cell's command that only a call fills, standing for themselves."""
    lacking = {
        *([] if cell.teacher is not None and cell.method.distils else ["teacher"]),
        *([] if cell.start_cell is not None else ["start"]),
    }
    return {name: f"{{{name}}}" for name in (*FILLED, "seed") if name not in lacking}


def _command_shape(cell: Cell, by: CellTrainer) -> dict[str, Any]:
    words, environment = by.filled({**unfilled(cell), "cell": cell.name})
    function = by.trainer.function
    return {
        "role": cell.role,
        "command": words,
        "env": environment,
        **({} if function is None else {"function": function, "config": by.config()}),
        "result": by.trainer.result.model_dump(context=HASHED),
        **({} if by.trainer.devices == 1 else {"devices": by.trainer.devices}),
    }


def command_hash(
    run: Run, *, code: str, teacher_hash: str | None, start_hash: str | None, shape: str | None = None
) -> str:
    """The identity of a run that a command trains: sha256 hex over the command and all that it is given.

    `code` identifies the files that shape its results, and what it reads.
    """
    return digest(
        {
            "cell": json.loads(shape or cell_shape(run.cell)),
            "seed": run.seed,
            "code": code,
            "teacher": teacher_hash if run.cell.method.distils else None,
            "start": start_hash,
        }
    )


def _views(cell: Cell, context: str | None = HASHED) -> dict[str, Any]:
    """The views that the cell's own bits depend on: a teacher's and a strong one only where needed."""
    needed = {"teacher": cell.method.distils, "strong": cell.method.needs_strong}
    unused = {view for view, needs in needed.items() if not needs}
    return cell.views.model_dump(exclude=unused, context=context)


def _dump(start: PathStart | str) -> Any:
    return start.model_dump() if isinstance(start, PathStart) else start


# ------------------------------------------------------------------------------- for records and analysis


def training_key(cell: Cell) -> str:
    """Equal for cells trained alike, epochs apart: what a baseline shares with the cell it is for."""
    if cell.trainer is not None:
        return canonical(dict(cell.trainer.axes))
    return canonical(cell.training.model_dump(exclude={"epochs"}, context=HASHED))


def views_key(cell: Cell) -> str:
    """Equal for cells that see the same views, whatever their teacher sees: of one stream, then.

    What a command shows its networks is not known.
    """
    if cell.trainer is not None:
        return ""
    seen = cell.views.model_dump(exclude={"teacher", "strong"}, context=HASHED)
    return canonical({**seen, "stream": cell.stream} if cell.stream else seen)


def resolved(cell: Cell, context: str | None = None) -> dict[str, Any]:
    """The configuration as one flat, readable mapping of scalars, for records, tables and plans.

    Nested leftovers (views, data set, early stopping, a ramp, a list) are canonical JSON text. The teacher is
    None for a cell that does not distil. Names (cell, group, student) are not part of it. With the context
    `HASHED`, keys that a version after 0.1 added are left out where they are at their default.
    """
    if cell.trainer is not None:
        return _command_columns(cell, cell.trainer)
    flat: dict[str, Any] = {
        "method": cell.method.name,
        **cell.method.model_dump(context=context),
        "model": cell.model.name,
        "model_args": canonical(cell.model.model_dump(exclude={"name"}, exclude_defaults=True)),
        "start": cell.start.path if isinstance(cell.start, PathStart) else cell.start,
        "start_cell": cell.start_cell,
        "teacher": cell.teacher if cell.method.distils else None,
        "teacher_view": cell.views.teacher if cell.method.distils else None,
        "train": cell.train,
        "per_seed": cell.per_seed,
        "size": cell.size,
        **_training_columns(cell.training, context),
        "views": canonical(_views(cell, context)),
        "dataset": canonical(
            {
                **cell.dataset.model_dump(exclude=set(LOCATION_KEYS), context=context),
                # told whole where anything in it differs: what a later version added is not that
                "split": cell.dataset.split.model_dump(context=HASHED),
            }
        ),
        **({"mean_of": {member.cell: member.weight for member in cell.members}} if cell.members else {}),
    }
    return {
        key: canonical(value) if isinstance(value, dict | tuple) else value for key, value in flat.items()
    }


def _command_columns(cell: Cell, by: CellTrainer) -> dict[str, Any]:
    """The same of a cell that a command trains: what the protocol says of it, and the command, unfilled."""
    filled = {**unfilled(cell), "cell": cell.name}
    words, environment = by.filled(filled)
    shown = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return {
        "model": None,  # the engine's word
        "epochs": None,
        **{name: value for name, value in by.values if name != "student"},
        "start": cell.start,
        "start_cell": cell.start_cell,
        "teacher": cell.teacher if cell.method.distils else None,
        "per_seed": cell.per_seed,
        "command": " ".join([*shown, *map(_quoted, words)]) or by.trainer.text,
    }


def _quoted(word: str) -> str:
    """A word as a shell would take it; braces of placeholders stay."""
    return word if re.fullmatch(r"[\w@%+=:,./{}-]+", word) else shlex.quote(word)


_COLUMNS = {"at": "lr_at", "factor": "lr_factor", "power": "lr_power"}
"""Columns of the keys of a schedule, where the key alone does not say what it is of."""


def _training_columns(training: Training, context: str | None) -> dict[str, Any]:
    """Every key of a training: what has a name is laid flat, a clip is two columns, an average one, other
    nesting is text."""
    written = training.model_dump(context=context)
    columns: dict[str, Any] = {}
    for key in ("epochs", "batch_size", *written):
        value = written[key]
        if key == "clip_norm":
            clip = value or {"max": None, "per": None}
            columns |= {"clip_norm": clip["max"], "clip_per": clip["per"]}
        elif key == "ema":
            columns["ema_decay"] = value and value["decay"]
        elif isinstance(value, dict) and "name" in value:
            columns[key] = value["name"]
            columns |= {str(_COLUMNS.get(each, each)): item for each, item in value.items() if each != "name"}
        else:
            columns[key] = canonical(value) if isinstance(value, dict) else value
    return columns


def explain_difference(before: Mapping[str, Any], cell: Cell) -> str:
    """What changed between a record's configuration and a cell's, as `epochs: 30 → 40; lr: 0.001 → 0.01`.

    Empty if nothing did. A key that the record's version did not have yet was at its default.
    """
    now, without_defaults = resolved(cell), _opened(resolved(cell, HASHED))
    old, new = _opened({key: before[key] for key in now if key in before}), _opened(now)
    changes = [
        f"{key}: {_said(old[key]) if key in old else 'its default'} → {_said(new.get(key))}"
        for key in dict.fromkeys([*new, *old])
        if (key in old or key in without_defaults)
        and (key not in old or canonical(old[key]) != canonical(new.get(key)))
    ]
    return "; ".join(changes)


def laid_flat(cell: Cell) -> dict[str, Any]:
    """The resolved cell with every nested key dotted: `views.train`."""
    return _opened(resolved(cell))


def _opened(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The nested leftovers laid flat again under dotted keys."""
    opened: dict[str, Any] = {}
    for key, value in flat.items():
        nested = None
        if isinstance(value, str) and value.startswith("{"):
            try:
                nested = json.loads(value)
            except ValueError:
                nested = None
        if isinstance(nested, dict):
            opened.update({f"{key}.{inner}": item for inner, item in nested.items()})
        else:
            opened[key] = value
    return opened


def _said(value: Any) -> str:
    if value is None:
        return "none"
    return canonical(value) if isinstance(value, dict | list | bool | float) else str(value)
