"""What is in the files that check.sh and measure.sh write, read once, so that nothing later need doubt it.

Keys that are not named here are left alone; those without which an older script wrote have a default.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from table import Table, Value

CHECK_SCHEMA, BENCHMARK_SCHEMA = "rigorkd.gpu-check/1", "rigorkd.benchmark/1"
Scalar = int | Annotated[float, Field(allow_inf_nan=True)] | bool | str | None
Named = Annotated[str, Field(pattern=r"\S")]


class Model(BaseModel):
    """Strict: a number that stands where a text should is no text."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


# ------------------------------------------------------ what the goals read of the values, and of the planned


class Sized(Model):
    student: str
    size: int


class Case(Model):
    case: str


class SharingCase(Case):
    n_students: str


class Sharing(SharingCase):
    share: float


class OverheadCase(Sized):
    kind: str


class Overhead(OverheadCase):
    ratio: float


class Peer(Model):
    variant: str
    ratio: float | None
    training_ratio: float | None = None

    @model_validator(mode="after")
    def _trained(self) -> Self:
        if self.ratio is not None and self.training_ratio is None:
            raise ValueError("training_ratio is missing")
        return self


class Pipeline(Sized):
    share: float


class Hours(Model):
    part: str
    hours: float


class Memory(Model):
    n_students: int
    unexplained_growth_bytes: float


class Idle(Sized):
    idle: float


class Slots(Case):
    throughput: float


class Checkpoints(Case):
    ratio: float


class Fused(Model):
    ratio: float


class Compiled(Sized):
    choose: str


VALUES: dict[str, tuple[type[Model], type[Model]]] = {
    "sharing": (SharingCase, Sharing),
    "overhead": (OverheadCase, Overhead),
    "peers": (Model, Peer),
    "pipeline": (Sized, Pipeline),
    "grid": (Model, Hours),
    "memory": (Model, Memory),
    "idle": (Sized, Idle),
    "slots": (Case, Slots),
    "checkpoints": (Case, Checkpoints),
    "fused": (Model, Fused),
    "compiled": (Sized, Compiled),
}
"""By table: what is planned of a value, and what there is once it is measured."""


# ------------------------------------------------------------------------------------------------- the files


class Measured(Model):
    """A table."""

    name: Named
    title: str
    columns: list[str] = Field(min_length=1)
    rows: list[list[str]]
    values: list[dict[str, Scalar]]
    notes: list[str]
    planned: list[dict[str, Scalar]] = []

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"rows[{index}] has {len(row)} cells for {len(self.columns)} columns")
        for key, kind in zip(("planned", "values"), VALUES.get(self.name, (Model, Model)), strict=True):
            for index, value in enumerate(getattr(self, key)):
                try:
                    kind.model_validate(value)
                except ValidationError as error:
                    raise ValueError(f"{key}[{index}].{_first(error)}") from None
        return self

    def table(self) -> Table:
        """As the benchmark made it."""
        values, planned = tuple[Value, ...](self.values), tuple[Value, ...](self.planned)
        rows = tuple(map(tuple, self.rows))
        return Table(self.name, self.title, tuple(self.columns), rows, values, tuple(self.notes), planned)


class Machine(Model):
    """What a part was measured on."""

    hardware: Named
    date: Named
    torch: Named
    precision: str = ""
    cuda: str | None = None
    driver: str | None = None
    torchvision: str | None = None
    accelerate: str | None = None
    python: str | None = None
    clock: str | None = None
    rigorkd: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None


class Gap(Model):
    """What is missing, and why."""

    what: Named
    why: str


class Benchmark(Model):
    """What measure.sh writes."""

    quick: bool
    part: Literal["reference", "fast"]
    took: float
    complete: bool
    machine: Machine
    tables: list[Measured]
    cut: list[Gap]
    failed: list[Gap]


class Test(Model):
    """How a test of the check ended."""

    name: Named
    outcome: Named
    reason: str = ""


class Check(Model):
    """What check.sh writes."""

    quick: bool
    device: Named
    seconds: float
    tests: list[Test] = Field(min_length=1)
    machine: Machine
    expected: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_machine(cls, document: dict[str, Any]) -> dict[str, Any]:
        """The machine's keys lie beside the others, and the hardware is called the device."""
        known = {key: document[key] for key in Machine.model_fields if key in document}
        return {**document, "machine": {**known, "hardware": document.get("device")}}


@dataclass(frozen=True)
class Result:
    """A file, and what it holds."""

    name: str
    """`check`, `reference` or `fast`."""
    document: Check | Benchmark
    content: bytes


class BadResultError(Exception):
    """A file that is no result; its message names the file and the key."""


def read(file: Path) -> Result:
    """The result that a file holds.

    Raises:
        BadResultError: it holds none.
    """
    try:
        content = file.read_bytes()
        document = json.loads(content)
    except (ValueError, OSError, RecursionError) as error:
        raise BadResultError(f"{file} is no JSON file: {error}") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema not in (CHECK_SCHEMA, BENCHMARK_SCHEMA):
        raise BadResultError(f"{file}: its schema is {schema}, not {CHECK_SCHEMA} or {BENCHMARK_SCHEMA}")
    kind = Check if schema == CHECK_SCHEMA else Benchmark
    if kind is Benchmark and document.get("part", "") is None:
        raise BadResultError(f"{file}: part: it is none; publish what scripts/gpu/measure.sh writes")
    try:
        found = kind.model_validate(document)
    except ValidationError as error:
        said = _first(error)
        raise BadResultError(f"{file}: {said.removeprefix('machine.') if kind is Check else said}") from None
    return Result(found.part if isinstance(found, Benchmark) else "check", found, content)


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, in one line: its place, and what should be there."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in found[0]["loc"]).lstrip(".")
    said = found[0]["msg"].removeprefix("Value error, ")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{place}: {said}{more}"
