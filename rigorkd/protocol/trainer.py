"""`trainer:` of a protocol: a command, or a function, that trains a run in place of rigorkd's engine.

    command: "python train.py --student {student} [--T {T}] --seed {seed} --out {out}"

The command is split once, as a shell would split it, before anything is filled in; no shell ever sees it, so
a value stays one argument whatever is in it. `{name}` is a placeholder. A part in square brackets is dropped
where one of its placeholders has no value in a cell; outside of brackets, such a placeholder is an empty
argument. `{{` `}}` `[[` `]]` are the characters themselves, and inside of quotes brackets are none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rigorkd.fields import Count, Frozen, Positive, added, short_form
from rigorkd.models.model import is_own_model
from rigorkd.problems import Path, shown

Scalar = str | bool | int | float
"""What an axis of a trainer's study may hold."""

FILLED = ("out", "device", "teacher", "start")
"""Placeholders that say where a run happens to be, filled when it is called. A hash has their names, and of
teacher and start the run hashes."""
OF_A_RUN = ("student", "method", "seed", "cell", *FILLED)
"""Placeholders that every command has, beside the axes of the grid."""

RESERVED = frozenset(
    {"study", "role", "group", "status", "metrics", "latency_ms", "files", "versions", "device", "hardware"}
    | {"mode", "smoke", "finished", "run_hash", "training_key", "views_key", "views", "trainer", "axes"}
    | {"teacher_view", "ce_weight", "kd_weight", "start_cell", "epochs_run", "code", "inputs", "command"}
    | {"precision_used", "weights_sha256", "dispatch", "cpu_capability", "numerics", "schema"}
    | {"numerics_of_parts", "record_sha256", "per_seed", "training", "run", "keep_logits", "uncovered_files"}
    | {*OF_A_RUN}
)
"""What a record calls something else, so that no axis can be called so."""


class TemplateError(ValueError):
    """A command that means nothing; `near` is the part of its text that is wrong."""

    def __init__(self, message: str, near: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.near, self.hint = message, near, hint


@dataclass(frozen=True)
class Atom:
    """A part of a command: literal text (and that a word begins), a placeholder, a gap, an optional part."""

    kind: Literal["text", "name", "gap", "open", "close"]
    text: str = ""


@dataclass(frozen=True)
class Template:
    """A command, split into words whose placeholders are not filled yet."""

    atoms: tuple[Atom, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """Raises TemplateError."""
        return cls(tuple(_atoms(text)))

    @property
    def names(self) -> tuple[str, ...]:
        """The placeholders, each once."""
        return tuple(dict.fromkeys(atom.text for atom in self.atoms if atom.kind == "name"))

    def asks(self, known: Collection[str]) -> frozenset[str]:
        """The placeholders that are left of a cell that has values of these names."""
        return frozenset(atom.text for atom in self._kept(known) if atom.kind == "name")

    def words(self, values: Mapping[str, str]) -> list[str]:
        """The arguments, with the placeholders filled; a name without a value is one that the cell lacks."""
        words: list[str] = []
        word: str | None = None
        for atom in self._kept(values):
            if atom.kind == "gap":
                words += [] if word is None else [word]
                word = None
            elif atom.kind in ("text", "name"):
                word = (word or "") + (atom.text if atom.kind == "text" else values.get(atom.text, ""))
        return words + ([] if word is None else [word])

    def halves(self, known: Collection[str]) -> Iterator[tuple[int, str]]:
        """The words that are half a path, as `{teacher}/model.pt` without a teacher: which, and of what."""
        atoms = [Atom("gap"), *self._kept(known)]
        index = 0
        for before, atom, after in zip(atoms, atoms[1:], atoms[2:], strict=False):
            if atom.kind == "gap":
                index += before.kind != "gap"
            elif atom.kind == "name" and atom.text not in known and after == Atom("text", "/"):
                begins = before.kind == "text" and before.text in ("", "=", ":", ",")
                if begins or before.kind == "gap":
                    yield index, atom.text

    def text(self, values: Mapping[str, str]) -> str:
        """The same as one text."""
        return "".join(
            " " if atom.kind == "gap" else atom.text if atom.kind == "text" else values.get(atom.text, "")
            for atom in self._kept(values)
        )

    def _kept(self, values: Collection[str]) -> Iterator[Atom]:
        """The atoms without the optional parts of which a placeholder has no value."""
        part: list[Atom] | None = None
        for atom in self.atoms:
            if atom.kind == "open":
                part = []
            elif atom.kind == "close":
                assert part is not None
                if all(each.kind != "name" or each.text in values for each in part):
                    yield from part
                part = None
            elif part is not None:
                part.append(atom)
            else:
                yield atom


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def _atoms(text: str) -> Iterator[Atom]:
    if "\0" in text:
        raise TemplateError("a null character, which no argument can hold", "\0")
    at, quote, optional = 0, "", -1
    while at < len(text):
        char, pair = text[at], text[at : at + 2]
        if char == "\\" and quote != "'" and at + 1 < len(text):
            yield Atom("text", text[at + 1])
            at += 2
        elif char == quote:
            quote = ""
            at += 1
        elif char in "'\"" and not quote:
            quote = char
            yield Atom("text")  # a word begins, even if nothing is in it
            at += 1
        elif pair in ("{{", "}}") or (pair in ("[[", "]]") and not quote and optional < 0):
            yield Atom("text", char)
            at += 2
        elif char == "{":
            end = text.find("}", at)
            name = text[at + 1 : end] if end > 0 else ""
            if not _NAME.fullmatch(name):
                hint = "a placeholder is {name}; a brace itself is written twice: {{"
                if _NAME.fullmatch(name.strip()):
                    hint = f"did you mean {{{name.strip()}}}? {hint}"
                raise TemplateError("a brace that opens no placeholder", text[at : at + 12], hint)
            yield Atom("name", name)
            at = end + 1
        elif char == "}":
            raise TemplateError("a brace that closes nothing", text[at:], "a brace itself is written }}")
        elif char == "[" and not quote:
            if optional >= 0:
                raise TemplateError("an optional part inside another", text[at : at + 12])
            optional = at
            yield Atom("open")
            at += 1
        elif char == "]" and not quote:
            if optional < 0:
                raise TemplateError("a bracket that closes nothing", text[at:], "a bracket itself is ]]")
            if not re.search(r"\{[^{]", text[optional:at]):
                hint = "a part in brackets is dropped where its placeholder has no value; a bracket is [["
                raise TemplateError("a part in brackets without a placeholder", text[optional:at], hint)
            optional = -1
            yield Atom("close")
            at += 1
        elif char.isspace() and not quote:
            yield Atom("gap")
            at += 1
        else:
            yield Atom("text", char)
            at += 1
    if quote:
        raise TemplateError(f"the quote {quote} is not closed", quote)
    if optional >= 0:
        raise TemplateError("the bracket is not closed", text[optional : optional + 12])


def as_text(value: Scalar) -> str:
    """A value as a command gets it: `4` for 4.0, `0.001`, `true`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def program_file(words: Iterable[str]) -> tuple[str, bool] | None:
    """The file of `python FILE`, or the module of `python -m MODULE` (and True); None for other commands."""
    first, *rest = [*words, ""]
    if not re.fullmatch(r"python[0-9.]*(\.exe)?", first.rpartition("/")[2]):
        return None
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag == "-m" and rest:
            return rest[0], True
        if not re.fullmatch(r"-[bBdEiIOPqsSuvx]+", flag):
            if flag not in ("-W", "-X") or not rest:
                return None
            rest.pop(0)
    return (rest[0], False) if rest and rest[0].endswith(".py") else None


def program_of(command: str) -> tuple[str, bool] | None:
    """The same of a command that is not filled; None too where a placeholder is part of it."""
    template = Template.of(command)
    found = program_file(template.words(dict.fromkeys(template.names, "\0")))
    return None if found is None or "\0" in found[0] else found


# ------------------------------------------------------------------------------------------- the section


def _as_tuple(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value,)


def _texts(value: Any) -> Any:
    """The values of environment variables as text: `1` in YAML is a number."""
    if not isinstance(value, dict):
        return value
    return {name: as_text(item) if isinstance(item, int | float) else item for name, item in value.items()}


def _variable(name: str) -> str:
    if not name or "=" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name of an environment variable")
    return name


def _function(value: str) -> str:
    if not is_own_model(value):
        raise ValueError("function must be module:function, as in train:run for a function of train.py")
    return value


_BRACED = re.compile(r"\{[A-Za-z_.]+\}")


def _relative(value: str) -> str:
    if value.startswith(("/", "~")) or ".." in value.split("/") or not value:
        own = value.rstrip("/").rpartition("/")[2] or "metrics.json"
        raise ValueError(
            f"{value!r} must lie below {{out}}, the folder that each run writes into: let the command write"
            f" there (--out {{out}}), and name it from there, such as {own}"
        )
    if braced := _BRACED.search(value):
        raise ValueError(
            f"{value!r}: {braced[0]} is filled in the command alone. Each run writes into a folder {{out}} of"
            " its own, so its file has one name in all: let the command write there, as in --out"
            " {out}/metrics.json, and say metrics.json here"
        )
    return value


Relative = Annotated[str, AfterValidator(_relative)]


class Input(Frozen):
    """A file (or glob) that runs read: identified by its content, or by a checksum that is given."""

    path: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(min_length=8)] | None = None


class Result(Frozen):
    """Where a run leaves its numbers: a file below `{out}`, or the last line of its standard output.

    `keys` takes numbers under other names: of JSON the value at a dotted key (in a log of JSON lines, the
    last one), of any other text the number after the last place where the key stands. Of a table with rows
    of several folds, `average` names the column that counts them.
    """

    file: Relative = "metrics.json"
    keys: dict[str, Annotated[str, Field(min_length=1)]] = Field(default={})
    average: Annotated[str, Field(min_length=1)] | None = added("0.2", None)

    @model_validator(mode="after")
    def _of_a_table(self) -> Result:
        if self.average is not None and not self.file.endswith((".csv", ".tsv")):
            raise ValueError(
                f"average: {self.average} is the column of a CSV or TSV, and file is {self.file}: leave"
                " average out, and let the script write the mean"
            )
        return self

    def __hash__(self) -> int:
        return hash((self.file, *sorted(self.keys.items()), self.average))


STDOUT = "stdout"


class Trainer(Frozen):
    """A command (or `module:function`) that trains one run, what it reads, and what it leaves.

    `code` are globs of the files whose change changes results, from the protocol's folder; `keep` those of
    files below `{out}` that a record keeps (all, for a teacher or a start). A run that was interrupted is
    called again with what it had left in `{out}` if it can `resume`, else with an empty folder.
    """

    command: Annotated[str, Field(min_length=1)] | None = None
    function: Annotated[str, AfterValidator(_function)] | None = None
    smoke: Annotated[str, Field(min_length=1)] | None = None
    code: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_as_tuple)] | None = None
    inputs: Annotated[tuple[Annotated[Input, short_form("path")], ...], BeforeValidator(_as_tuple)] = ()
    env: Annotated[dict[Annotated[str, AfterValidator(_variable)], str], BeforeValidator(_texts)] = Field(
        default={}
    )
    metrics: dict[str, Literal["max", "min"]] = Field(default={})
    result: Annotated[Result, short_form("file")] = Result()
    keep: Annotated[tuple[Relative, ...], BeforeValidator(_as_tuple)] | None = None
    resume: bool = False
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    devices: Count = 1
    time_limit: Positive | None = None
    output_limit: Positive = 64
    disk_limit: Positive | None = None

    def __hash__(self) -> int:
        return hash((self.command, self.function, self.code, self.inputs, self.result))

    @model_validator(mode="after")
    def _one_of_both(self) -> Trainer:
        if (self.command is None) == (self.function is None):
            raise ValueError("give exactly one of command and function")
        return self

    @property
    def text(self) -> str:
        """The command; for a function, its name."""
        return self.command or self.function or ""

    def templates(self) -> dict[str, Template]:
        """The command and what else may have placeholders, by where they stand. Raises TemplateError."""
        found = {} if self.command is None else {"command": Template.of(self.command)}
        return found | {f"env.{name}": Template.of(text) for name, text in self.env.items()}


TrainerField = Annotated[Trainer, short_form("command")]
"""A bare text is the command."""


@dataclass(frozen=True)
class CellTrainer:
    """The trainer of a cell and the values of its placeholders.

    `axes` are those of the group, and of the grid where its baseline is tuned over them too: what a gain
    holds equal. `place` is where the protocol writes the trainer.
    """

    trainer: Trainer
    values: tuple[tuple[str, Scalar], ...]
    axes: tuple[tuple[str, Scalar], ...]
    place: Path = field(default=(), compare=False)

    def filled(self, more: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """The arguments (none for a function) and the environment of a call; `more` beside the cell's own."""
        values = {name: as_text(value) for name, value in self.values} | dict(more)
        templates = self.trainer.templates()
        words = templates["command"].words(values) if "command" in templates else []
        names = self.trainer.env
        return words, {name: templates[f"env.{name}"].text(values) for name in names}

    def config(self) -> dict[str, Scalar]:
        """What a function gets of the cell."""
        return dict(self.values)


def scalar(value: Any) -> Scalar:
    """A value of an axis; ValueError for anything that is not one number or text."""
    if isinstance(value, str) and len(value) > 100:
        raise ValueError("text on an axis is part of cells' names, so it has at most 100 characters")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a null character, which no argument can hold")
    if not isinstance(value, str | bool | int | float) or value != value:
        nothing = (
            "; for nothing leave the key out, with its part of the command in brackets, [--key {key}], or"
            " write the text 'null' in quotes, if the command takes that"
        )
        raise ValueError(
            f"an axis holds numbers, text, true or false, not {shown(value)}" + nothing * (value is None)
        )
    return value
