"""What a protocol may say whose runs a command trains: the same words, without those of rigorkd's engine.

Keys that are none of the schema's are axes of a group, or values of a student, teacher or start, and so are
those of a method's grid: what they mean is the command's affair.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from rigorkd.data.dataset import Dataset, DatasetInfo, SourceArrays, Split
from rigorkd.data.operations import Views
from rigorkd.errors import InputError
from rigorkd.fields import Frozen, Name, as_tuple
from rigorkd.problems import Problem, unknown
from rigorkd.protocol.schema import SGD, Analysis, Spec, Training
from rigorkd.protocol.trainer import RESERVED, TrainerField
from rigorkd.text import in_yaml

ENGINE_ONLY = ("dataset", "views", "training", "keep_logits")
"""Sections of rigorkd's engine: a command has its own data and its own way to train."""
SECTIONS = ("groups", "teachers", "starts")


class NoData(Dataset):
    """What the engine would be told of data that only the command knows."""

    name: Literal["none"] = "none"
    split: Split = Split(val=1)
    in_files = False

    @property
    def info(self) -> DatasetInfo | None:
        return None

    @property
    def side(self) -> int:
        return 1

    def checksum_at_hand(self) -> str | None:
        return ""

    def read(self) -> tuple[SourceArrays, str]:
        raise InputError("the data of a command are not rigorkd's to read")


UNSAID = Training(optimizer=SGD(name="sgd", lr=1.0), epochs=1)
"""The engine's training of a cell that it does not train: one piece of work."""


class _Open(Frozen):
    """A section whose further keys are the user's own."""

    model_config = ConfigDict(extra="allow")

    @property
    def own(self) -> dict[str, Any]:
        """The keys that the schema does not know, as written."""
        return dict(self.model_extra or {})


class CommandTeacher(_Open):
    """A teacher: trained per seed, or once for all, by its own command or the study's."""

    trainer: TrainerField | None = None
    per_seed: bool = True


class CommandStart(_Open):
    """A start that is itself a run of the student, by its own command or the study's."""

    trainer: TrainerField | None = None
    start: Annotated[str, Field(alias="from")] = "random"


class CommandStudent(_Open):
    """A student: a name, its start, and values for placeholders."""

    start: str = "random"


class CommandGroup(_Open):
    """Cells that belong together: students × axes × method grids."""

    students: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)] | None = None
    teacher: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)] | None = None
    start: Any = None
    trainer: TrainerField | None = None


def _mappings(value: Any) -> Any:
    """`small:` and the list of names alone, for students without values of their own."""
    if isinstance(value, (tuple, list)) and all(isinstance(item, str) for item in value):
        return {name: {} for name in value}
    if isinstance(value, str):
        raise ValueError(f"students is a list of names: write students: [{in_yaml(value)}]")
    if isinstance(value, (tuple, list)) and value:
        number = next(item for item in value if not isinstance(item, str))
        raise ValueError(
            f"a student's name is text, and {number} is a number: give each a name and its values, such as "
            f"{{small: {{size: {number}}}}}, and write {{size}} in the command"
        )
    if isinstance(value, dict):
        return {name: {} if item is None else item for name, item in value.items()}
    return value


class CommandSpec(Spec):
    """A whole protocol whose runs commands train."""

    trainer: TrainerField | None = None
    dataset: NoData = NoData()
    views: Views = Views()
    training: Training = UNSAID
    teacher: CommandTeacher | None = None  # type: ignore[assignment]
    teachers: Annotated[dict[Name, CommandTeacher], Field(min_length=1)] | None = None  # type: ignore[assignment]
    starts: dict[Name, CommandStart] = Field(default={})  # type: ignore[assignment]
    students: Annotated[  # type: ignore[assignment]
        dict[Name, CommandStudent], Field(min_length=1), BeforeValidator(_mappings)
    ]
    groups: Annotated[dict[Name, CommandGroup], Field(min_length=1)]  # type: ignore[assignment]

    @model_validator(mode="after")
    def _asks_of_its_metrics(self) -> CommandSpec:
        """The question is about the first metric that the trainer declares, unless it says of which."""
        goals = self.metric_goals()
        changes: dict[str, Any] = {}
        metric = self.analysis.metric
        if "metric" not in self.analysis.model_fields_set and goals and metric not in goals:
            metric = changes["metric"] = next(iter(goals))
        if self.analysis.goal is None and metric in goals:
            changes["goal"] = goals[metric]
        if changes:
            written = {name: getattr(self.analysis, name) for name in Analysis.model_fields}
            object.__setattr__(self, "analysis", Analysis.model_construct(**{**written, **changes}))
        return self

    def metric_goals(self) -> dict[str, Literal["max", "min"]]:
        """The metrics that the trainers of students declare, with what is better."""
        goals: dict[str, Literal["max", "min"]] = {}
        for trainer in (self.trainer, *(group.trainer for group in self.groups.values())):
            goals |= {} if trainer is None else trainer.metrics
        return goals


def is_by_command(plain: Any) -> bool:
    """Whether a protocol's data names a trainer anywhere."""
    if not isinstance(plain, dict):
        return False
    parts = [plain, plain.get("teacher")]
    for section in SECTIONS:
        inside = plain.get(section)
        parts += inside.values() if isinstance(inside, dict) else ()
    return any(isinstance(part, dict) and "trainer" in part for part in parts)


def engine_keys(plain: dict[str, Any]) -> list[Problem]:
    """Sections of the engine in a protocol whose runs commands train."""
    return [
        Problem(
            (key,),
            f"{key} is for rigorkd's own training, and a trainer's command has its own",
            "remove it; what the command is to be told are axes, such as epochs: 30 in a group",
            at_key=True,
        )
        for key in ENGINE_ONLY
        if key in plain
    ]


def own_key_problem(path: tuple[str | int, ...], key: str, fields: tuple[str, ...]) -> Problem | None:
    """What is wrong with calling a value `key`: it is the name of something else, or cannot be filled in."""
    if key in RESERVED:
        hint = f"choose another here and in the command: --{key} {{my_{key}}}"
        message = f"{key!r} names something else already, in records and tables"
        return Problem((*path, key), message, hint, at_key=True)
    if not key.isidentifier():
        message, hint = unknown("key", key, fields)
        hint = hint or "a placeholder's name has letters, digits and _"
        return Problem((*path, key), message, hint, at_key=True)
    return None
