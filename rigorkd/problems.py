"""What is wrong with a protocol, in words, at a path into the file.

`Problem`s are pure: `load` turns their paths into lines and columns. `from_validation` words the errors of
pydantic.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from rigorkd.text import count, in_yaml, is_float, nearest, some_of

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]
"""Keys and list indices from the file's root, as in ("groups", "main", "kd", "T", 0)."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (a path; `at_key` points at its last key), what, and how to mend it.

    `near` is the part of the text at that path which is meant.
    """

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False
    near: str = ""


class ExpansionError(Exception):
    """A protocol that parses but cannot be expanded to cells."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("; ".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in self.problems))


_ALSO_CALLED = {
    **dict.fromkeys(("temperature", "temp", "tau"), ("T",)),
    **dict.fromkeys(("learning_rate", "learning-rate", "learningrate"), ("lr",)),
    **dict.fromkeys(("wd", "l2"), ("weight_decay",)),
    **dict.fromkeys(("bs", "batch", "batchsize"), ("batch_size",)),
    **dict.fromkeys(("num_epochs", "n_epochs", "max_epochs"), ("epochs",)),
    **dict.fromkeys(("pretrained", "weights", "checkpoint", "ckpt"), ("start",)),
    **dict.fromkeys(("imagenet", "imagenet1k", "default"), ("pretrained", "image_folder")),
    **dict.fromkeys(("arch", "architecture", "network", "net", "backbone"), ("model", "name")),
    **dict.fromkeys(("data", "data_set"), ("dataset",)),
    **dict.fromkeys(("metric", "scores"), ("metrics",)),
    **dict.fromkeys(("transforms", "transform", "augmentation", "augmentations"), ("views",)),
    **dict.fromkeys(("data_dir", "dir", "path", "root", "file"), ("root", "path", "file")),
    "folder": ("root", "path", "file", "image_folder"),
    **dict.fromkeys(("resolution", "image_size", "img_size"), ("size", "resolution")),
    "size": ("resolution",),
    **dict.fromkeys(("npz", "npy", "numpy", "array"), ("arrays",)),
    **dict.fromkeys(("hf", "hub", "datasets"), ("huggingface",)),
    **dict.fromkeys(("custom", "own"), ("image_folder",)),
    **dict.fromkeys(("accuracy", "acc", "top1", "test_acc", "test_accuracy"), ("test_top1",)),
    **dict.fromkeys(("multisteplr", "multistep", "multi_step", "steplr", "step_lr"), ("step",)),
    **dict.fromkeys(("cosineannealinglr", "cosine_annealing", "cosine_decay"), ("cosine",)),
    **dict.fromkeys(("cosinelr", "cos"), ("cosine",)),
    **dict.fromkeys(("poly", "polynomiallr", "polynomial_decay"), ("polynomial",)),
    **dict.fromkeys(("warmup", "warmup_steps", "warm_up"), ("warmup_epochs",)),
    "linearlr": ("linear",),
    "constantlr": ("constant",),
    **dict.fromkeys(("script", "cmd", "run", "program", "entrypoint"), ("command",)),
    **dict.fromkeys(("timeout", "max_time"), ("time_limit",)),
    "milestones": ("at",),
    "gamma": ("factor",),
    **dict.fromkeys(("vanilla_kd", "hinton", "kl", "logit", "logits"), ("kd",)),
    **dict.fromkeys(("fitnet", "fitnets", "hint", "hints"), ("feature",)),
    **dict.fromkeys(("imagefolder", "image-folder", "images"), ("image_folder",)),
    "loss": ("test_loss",),
    "seed": ("seeds", "seed"),
    "margin": ("sesoi",),
    "name": ("study",),
    **dict.fromkeys(("float16", "half", "amp"), ("fp16",)),
    **dict.fromkeys(("float32", "full"), ("fp32",)),
    "bfloat16": ("bf16",),
}
"""What others call a key or a metric, and what it may be here."""


_ELSEWHERE = {
    **dict.fromkeys(("seed", "random_seed"), "seeds stand at the top, not indented: seeds: 5"),
    **dict.fromkeys(("device", "gpu", "gpus"), "no protocol names a machine: rigorkd run … --device cuda"),
    **dict.fromkeys(
        ("num_workers", "workers"), "leave it out: images are decoded once, and --jobs is for run"
    ),
    "download": "leave it out: published data sets alone are downloaded",
    **dict.fromkeys(
        ("classes", "num_classes", "n_classes", "channels", "in_channels", "grayscale"),
        "leave it out: the images tell",
    ),
    **dict.fromkeys(("amp", "mixed_precision", "fp16", "bf16"), "write precision: fp16, or bf16"),
}
"""What to do with a key of another tool for which there is none here."""


_WEIGHTS = (".pth", ".pt", ".ckpt", ".tar", ".bin", ".safetensors")


def unknown(noun: str, name: str, valid: Iterable[str]) -> tuple[str, str]:
    """Message and hint for a name that is not among the valid ones."""
    names = list(valid)
    if noun == "key" and name.isdecimal():  # which commas made
        return f"unknown key {name!r}", "a list stands in brackets: [1, 4]; decimals behind a point: 0.5"
    if noun == "start" and ("/" in name or name.casefold().endswith(_WEIGHTS)):
        return f"unknown start {name!r}", f"weights of a file are given as start: {{path: {name}}}"
    close = _ours(name, names)
    listed = ", ".join(names) if len(names) <= 16 else ", ".join(names[:16]) + ", ..."
    hint = f"did you mean {close!r}?" if close else ""
    if names and (not close or len(names) <= 16):
        hint = f"{hint} valid: {listed}".strip()
    return f"unknown {noun} {name!r}", hint


def _ours(name: str, valid: Sequence[str]) -> str | None:
    """The valid name that somebody means by this one, if one can be told."""
    ours = (own for own in _ALSO_CALLED.get(name.casefold(), ()) if own in valid)
    return next(ours, None) or nearest(name, valid)


def validated(model: type[M], values: Any, locate: Callable[[Path], Path]) -> M:
    """`values` as a `model`; `locate` maps a path inside them to one in the file. Raises `ExpansionError`."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ExpansionError(from_validation(error, model, locate)) from None


def from_validation(
    error: ValidationError, model: type[BaseModel], locate: Callable[[Path], Path] = lambda path: path
) -> list[Problem]:
    """A failed validation as problems; `locate` maps a path inside `model` to one in the file.

    Branches of one union that all failed at the same value become one problem.
    """
    found: dict[tuple[Path, bool], Problem] = {}
    for details in error.errors(include_url=False):
        path, models = _clean(model, details["loc"], keep_last=details["type"] == "extra_forbidden")
        problem = _worded(details, path, models)
        if details["type"] == "extra_forbidden" and not _is_another_word(str(path[-1]), models):
            at_top = path[-1] in _keys([model])
            home = (
                _part_elsewhere(path, details["input"])
                or (not at_top and _beside(path, models))
                or _ELSEWHERE.get(str(path[-1]))
                or _of_training(models, str(path[-1]), details["input"], home := _home(model, path))
                or home
            )
            problem = replace(problem, hint=home or problem.hint)
        located = Problem(locate(problem.path), problem.message, problem.hint, problem.at_key)
        if details["type"] == "too_short" and any(inside[: len(path)] == path for inside, _ in found):
            continue  # pydantic counts the items that are right, and the wrong ones are told already
        found.setdefault((path, located.at_key), located)
    return _without_consequences(list(found.values()))


def _part_elsewhere(path: Path, value: Any) -> str:
    """What to write for folders of `train` and `test` that are given one by one."""
    if path[0] != "dataset" or not isinstance(value, str) or not re.match(r"(train|test|val)", str(path[-1])):
        return ""
    return "root names the folder that train and test are in; images to validate are drawn: split: {val: N}"


def _beside(path: Path, leaves: list[Any]) -> str:
    """Where a key belongs that stands beside the mapping it is for; empty if none there has it."""
    for model in (leaf for leaf in leaves if _is_model(leaf)):
        for name, info in model.model_fields.items():
            if path[-1] in _keys(leaf for leaf in _leaves(info.annotation) if _is_model(leaf)):
                return f"{path[-1]} belongs under {'.'.join(map(str, (*path[:-1], info.alias or name)))}"
    return ""


def _is_another_word(key: str, leaves: list[Any]) -> bool:
    """Whether others use this key for one that is valid here: where it stands is right, then."""
    valid = _keys([leaf for leaf in leaves if _is_model(leaf)])
    return not set(valid).isdisjoint(_ALSO_CALLED.get(key.casefold(), ()))


def _without_consequences(problems: list[Problem]) -> list[Problem]:
    """A key that is missing because it is misspelt, or stands elsewhere, is one problem, not two."""
    suggested = {(p.path[:-1], f"the key {_suggestion(p)!r} is missing") for p in problems if p.at_key}
    for problem in problems:
        key, belongs, place = problem.hint.partition(" belongs under ")
        if belongs:
            *above, last = place.split(".")
            suggested |= {((*above, last), f"the key {key!r} is missing")}
            suggested |= {(tuple(above), f"the key {last!r} is missing")}
    unnamed = [p for p in problems if p.hint == _NAMELESS.get(p.path[:1])]
    if unnamed:  # what else is wrong there was read as something else
        problems = [p for p in problems if p in unnamed or p.path[:1] not in _NAMELESS]
    return [p for p in problems if (p.path, p.message) not in suggested]


def _suggestion(problem: Problem) -> str:
    return problem.hint.split("'")[1] if problem.hint.startswith("did you mean") else ""


# ------------------------------------------------------------------------- following types along a path


def _leaves(annotation: Any) -> list[Any]:
    """The alternatives of a type, without `Annotated` and unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _leaves(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [leaf for part in get_args(annotation) for leaf in _leaves(part)]
    return [annotation]


def _is_model(leaf: Any) -> bool:
    return isinstance(leaf, type) and issubclass(leaf, BaseModel)


def _field(model: type[BaseModel], key: str) -> Any:
    for name, info in model.model_fields.items():
        if key == name or key == info.alias:
            return info.annotation
    return None


def _keys(models: Iterable[type[BaseModel]]) -> list[str]:
    named = (info.alias or name for model in models for name, info in model.model_fields.items())
    return list(dict.fromkeys(named))


def _home(model: type[BaseModel], path: Path) -> str:
    """Where a key that stands in a wrong place belongs, in words; empty if nothing below `model` has it."""
    level: list[tuple[Path, list[Any]]] = [((), [model])]
    for _ in range(3):
        for place, models in level:
            if path[-1] in _keys(models) and place != path[:-1]:
                where = f"under {'.'.join(map(str, place))}" if place else "at the top, not indented"
                return f"{path[-1]} belongs {where}"
        level = [
            ((*place, name), inside)
            for place, models in level
            for each in models
            for name, info in each.model_fields.items()
            if (inside := [leaf for leaf in _leaves(info.annotation) if _is_model(leaf)])
        ]
    return ""


def _of_training(models: list[Any], key: str, value: Any, home: str) -> str:
    """How a key of the training is written where single ones are changed, as in a teacher; else empty."""
    here = _keys(leaf for leaf in models if _is_model(leaf))
    if "optimizer" not in here:
        return ""
    if key == "training" and isinstance(value, dict):
        return f"what stands below training is written here without it: {some_of(list(map(str, value)), 5)}"
    part = home.partition(" belongs under training.")[2]
    if part != "optimizer":
        return f"{key} belongs under {part}, here, too" if part in here else ""
    name = "sgd" if key in ("momentum", "nesterov") else "adamw"
    several = isinstance(value, list | tuple)
    words = list(map(str, value if several else [value]))
    one = ", ".join(word if is_float(word) else in_yaml(word) for word in words)
    one = f"[{one}]" if several else one
    return f"optimizer is written whole here, such as optimizer: {{name: {name}, {key}: {one}}}"


def _tagged(model: type[BaseModel], tag: str) -> bool:
    """Whether one of the model's literal fields (`name`, `op`) names it `tag`."""
    return any(
        get_origin(info.annotation) is Literal and get_args(info.annotation) == (tag,)
        for info in model.model_fields.values()
    )


def _clean(model: type[BaseModel], loc: Sequence[str | int], *, keep_last: bool) -> tuple[Path, list[Any]]:
    """pydantic's location without union tags, and the types at its end (before an unknown last key)."""
    leaves: list[Any] = [model]
    path: list[str | int] = []
    for position, part in enumerate(loc):
        models = [leaf for leaf in leaves if _is_model(leaf)]
        mappings = [leaf for leaf in leaves if get_origin(leaf) is dict]
        if isinstance(part, int):
            items = [item for leaf in leaves for item in get_args(leaf) if item is not Ellipsis]
            leaves = [leaf for item in items for leaf in _leaves(item)]
            path.append(part)
        elif any(_field(candidate, part) is not None for candidate in models):
            annotations = [_field(candidate, part) for candidate in models]
            leaves = [leaf for item in annotations if item is not None for leaf in _leaves(item)]
            path.append(part)
        elif mappings and part != "[key]":
            leaves = [leaf for mapping in mappings for leaf in _leaves(get_args(mapping)[1])]
            path.append(part)
        elif keep_last and position == len(loc) - 1:
            path.append(part)
        elif tagged := [candidate for candidate in models if _tagged(candidate, part)]:
            leaves = list(tagged)
    return tuple(path), leaves


# ---------------------------------------------------------------------------------------------- wording

_NOUNS = {
    "dataset": "data set",
    "optimizer": "optimizer",
    "schedule": "schedule",
    "train": "operation",
    "eval": "operation",
    "strong": "operation",
}
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}
_MISSING = {
    "rigorkd": "add rigorkd: 1, the version of this format",
    "study": "add study: NAME, what its folder below results/ will be called",
    "dataset": "add dataset: {name: cifar100, split: {val: 5000}}, or images of your own: "
    "{name: image_folder, root: FOLDER, split: {val: N, test: M}}",
    "training": "add training: {optimizer: {name: sgd, lr: 0.1, momentum: 0.9}, epochs: 20}",
    "optimizer": "add optimizer: {name: sgd, lr: 0.1, momentum: 0.9}",
    "epochs": "add epochs: N",
    "students": "add the networks that are compared: students: {small: resnet18}; with a trainer their names "
    "alone: students: [small]",
    "groups": "add what is trained: groups: {main: {baseline: true, kd: {T: [1, 4], alpha: 0.5}}}",
    "split": "add split: {val: N, test: M}, numbers of images to take from those to train on (val always, "
    "even where a set of that name lies beside them); test only if it has no test set",
    "val": "add val: N, the number of training images to validate on",
}
"""What to write for a key that is missing, where its name does not say so."""

_OWN_DATA = "image_folder of a folder of images, arrays of an .npz file, huggingface"

_NAMELESS: dict[Path, str] = {
    ("groups",): "a group has a name: groups: {main: {baseline: true, kd: {T: 4}}}",
    (
        "teachers",
    ): "a teacher has a name: teachers: {big: {model: …}}; or, if there is one, teacher: {model: …}",
}
"""What to write where a section of named things holds one of them."""


_MAPPINGS = tuple(kind for kind, wanted in _TYPES.items() if wanted == "a mapping (key: value)")


def _as_it_should_be(path: Path, value: Any, kind: str) -> str:
    """How to write what has the wrong shape, where that is plain."""
    if path[:1] in _NAMELESS and len(path) == 2 and path[1] in ("baseline", "kd", "model", "start"):
        return _NAMELESS[path[:1]]
    if path[-1:] == ("split",) and isinstance(value, tuple | float | int):
        return _MISSING["split"].removeprefix("add ").join(("write ", ""))
    if path == ("students",) and isinstance(value, tuple) and all(isinstance(one, str) for one in value):
        return f"write students: {{{', '.join(f'{one.lower()}: {one}' for one in value)}}}"
    if path[-2:-1] == ("args",) and isinstance(value, tuple):
        return "give each value a key of its own, or one text that your code takes apart"
    if path[-1:] == ("command",) and isinstance(value, tuple):
        return f'write it as one text: "{" ".join(map(str, value))}"'
    if path[-1:] == ("metrics",):
        names = [str(name) for name in (value if isinstance(value, tuple) else [value])]
        return f"write metrics: {{{', '.join(f'{name}: max' for name in names)}}}, min where less is better"
    if kind in _MAPPINGS and isinstance(value, tuple) and any(isinstance(one, dict) for one in value):
        return f"the keys of {path[-1]} stand below it without dashes"
    if path[-1] in ("resolution", "size") and (sides := re.findall(r"\d+", str(value))):
        return f"one number is the side of the squares: {path[-1]}: {sides[0]}"
    if not isinstance(value, str):
        return ""
    if kind in ("float_type", "int_type") and re.fullmatch(r"-?\d+,\d+", value):
        return f"decimals stand behind a point: {value.replace(',', '.')}"
    if kind == "tuple_type":
        return f"a list stands in brackets: [{value}]"
    if path == ("students",):
        return f"write students: {{small: {value}}}; with a trainer, students: [{value}]"
    if path[-2:] == ("result", "keys"):
        name = in_yaml(value)
        return f"write keys: {{{name}: {name}}}, the metric and what names it in the result"
    if "contrasts" in path:
        return "a pair stands in brackets: [CELL, CELL], the first minus the second"
    if path[-1] in ("optimizer", "teacher") and re.fullmatch(r"[\w-]+", value):
        inner = f"name: {value}, lr: 1e-3" if path[-1] == "optimizer" else f"model: {value}"
        return f"write {path[-1]}: {{{inner}}}"
    return ""


_LIMITS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _worded(details: ErrorDetails, path: Path, leaves: list[Any]) -> Problem:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    subject = _subject(path)
    models = [leaf for leaf in leaves if _is_model(leaf)]
    if kind == "extra_forbidden":
        message, hint = unknown("key", str(path[-1]), _keys(models))
        if path[-2:-1] == ("result",) and isinstance(value, str):
            hint = f"the words before a number stand under keys: {{accuracy: {in_yaml(value)}}}"
        return Problem(path, message, hint, at_key=True)
    if kind == "missing" and isinstance(path[-1], int):
        return Problem(path[:-1], f"{_subject(path[:-1])} needs {count(path[-1] + 1, 'value')}")
    if kind == "missing":
        return Problem(path[:-1], f"the key {path[-1]!r} is missing", _MISSING.get(str(path[-1]), ""))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        key = str(context["discriminator"]).strip("'")
        noun = _NOUNS.get(str(next((part for part in reversed(path) if isinstance(part, str)), "")), "value")
        if kind == "union_tag_not_found":
            if isinstance(value, dict):
                misspelt = nearest(key, [str(name) for name in value])
                if misspelt is not None:
                    return Problem((*path, misspelt), *unknown("key", misspelt, [key]), at_key=True)
                hint = f"name is one of the data sets, or {_OWN_DATA}" if noun == "data set" else ""
                return Problem(path, f"{subject} needs the key {key!r}", hint)
            return Problem(path, f"{subject} must be a mapping with the key {key!r}, not {shown(value)}")
        if isinstance(value, dict):
            tag = value.get(key)
            if tag is None:
                return Problem((*path, key), f"{key} has no value")
            if not isinstance(tag, str):
                return Problem((*path, key), f"{subject} must be text, not {shown(tag)}")
        valid = [tag.strip().strip("'") for tag in str(context["expected_tags"]).split(",")]
        message, hint = unknown(noun, str(context["tag"]), valid)
        if noun == "data set" and not hint.startswith("did you mean"):
            own = f"{{name: image_folder, root: {context['tag']}, split: {{val: N, test: M}}}}"
            hint = f"of images of your own write dataset: {own}" + f"; {hint}" * (
                "/" not in str(context["tag"])
            )
        return Problem((*path, key), message, hint)
    if kind == "literal_error":
        valid = [str(choice) for leaf in leaves if get_origin(leaf) is Literal for choice in get_args(leaf)]
        close = _ours(value, valid) if isinstance(value, str) and value not in valid else None
        message = f"{subject} must be {' or '.join(valid)}, not {shown(value)}"
        return Problem(path, message, f"did you mean {close!r}?" if close else "")
    if kind == "string_pattern_mismatch":
        name = path[-1] if details["loc"] and details["loc"][-1] == "[key]" and path else value
        message = f"{shown(value)} is not a name"
        hint = "names are lower-case letters, digits, '.', '_' and '-', and start with a letter or digit"
        plain = re.sub(r"[^a-z0-9._-]+", "-", str(name).lower()).strip("._-")
        if path[:1] == ("students",) and plain:
            own = f"students: {{{plain}: {{arch: {in_yaml(str(name))}}}}}"
            hint += f"; where a command takes it as it is: {own}, and {{arch}} in the command"
        if details["loc"] and details["loc"][-1] == "[key]":
            return Problem((*path[:-1], str(name)), message, hint, at_key=True)
        return Problem(path, message, hint)
    if kind == "value_error":
        return Problem(path, str(context["error"]))
    if value is None and kind in _TYPES:
        return Problem(path, f"{subject} has no value")
    if kind in _TYPES:
        if kind.startswith("model") and models and not isinstance(value, dict):
            wanted = _TYPES["dict_type"]
        else:
            wanted = _scalars(leaves) or _TYPES[kind]
        literals = [str(word) for leaf in leaves if get_origin(leaf) is Literal for word in get_args(leaf)]
        close = nearest(value, literals) if isinstance(value, str) else None
        message = f"{subject} must be {' or '.join([wanted, *literals])}, not {shown(value)}"
        share = path[-2:-1] == ("split",) and (
            value.rstrip().endswith("%")
            if isinstance(value, str)
            else isinstance(value, float) and 0 < value < 1
        )
        counted = "write how many images, not which share of them" if share else ""
        counted = counted or _as_it_should_be(path, value, kind)
        return Problem(path, message, f"did you mean {close!r}?" if close else counted)
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return Problem(path, f"{subject} must be {words} {context[key]:g}, not {shown(value)}")
    if kind == "string_too_short" and not value:
        return Problem(path, f"{subject} is empty text")
    if kind in ("too_short", "string_too_short"):
        least = count(context["min_length"], _unit(value))
        return Problem(path, f"{subject} needs at least {least}, but has {_length(value)}")
    if kind in ("too_long", "string_too_long"):
        most = count(context["max_length"], _unit(value))
        return Problem(path, f"{subject} takes at most {most}, but has {_length(value)}")
    return Problem(path, f"{subject}: {details['msg']}")


def _scalars(leaves: list[Any]) -> str:
    """What a value may be that takes several kinds of scalars, and nothing else; "" of any other."""
    kinds = {leaf for leaf in leaves if leaf in (str, int, float, bool)}
    if len(kinds) < 2 or len(kinds) < len(set(map(str, leaves))):
        return ""
    words = ["text"] * (str in kinds) + ["a number"] * bool(kinds & {int, float})
    return ", ".join(words) + ", or true or false" * (bool in kinds)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | tuple | dict) else 0


def _unit(value: Any) -> str:
    return "character" if isinstance(value, str) else "value" if isinstance(value, tuple) else "key"


def _subject(path: Path) -> str:
    """The last key of a path with the indices that follow it: `betas[1]`."""
    words = ""
    if path[-2:] == ("clip_norm", "max"):
        return "clip_norm"  # `clip_norm: 1.0` is short for `clip_norm: {max: 1.0}`
    for part in reversed(path):
        if part == "name" and len(path) > 1 and "contrasts" not in path:
            continue  # `schedule: cosine` is short for `schedule: {name: cosine}`
        if isinstance(part, str):
            return part + words
        words = f"[{part}]" + words
    return "the protocol" + words


def shown(value: Any) -> str:
    """A value as a message shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {value[:40]!r}" if value else "empty text"
    if isinstance(value, tuple):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return f"{value:g}" if isinstance(value, float) else str(value)
