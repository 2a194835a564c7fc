"""Cell names: `<group>/<student>/<method>-<main parameters>[-<what else differs>][-<the group's axes>]`.

A name is a function of the cell's own values, never of its position: adding a value to the end of an axis
renames nothing. Numbers are written as `%g`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rigorkd.data.operations import Views
from rigorkd.methods.base import Method, Ramp, Weighted
from rigorkd.methods.by_command import ByCommand
from rigorkd.methods.own import Own
from rigorkd.methods.registry import KINDS
from rigorkd.protocol.grids import Choice
from rigorkd.protocol.hashes import canonical, digest
from rigorkd.protocol.schema import SHORT, TUNING_KEYS, Training

_SHORT = {**SHORT, "start": ""}
_OPS = {
    "random_resized_crop": "rrc",
    "inception_crop": "inception",
    "source_resized_crop": "srrc",
    "random_crop": "crop",
    "horizontal_flip": "flip",
    "color_jitter": "jitter",
    "rotation": "rot",
    "fused_geometry": "fused",
    "center_crop": "center",
    "randaugment": "ra",
}
_TEACHER_ONLY = ("teacher", "strong")
"""Keys of `views` that a cell which does not distil never sees."""


def method_label(method: Method) -> str:
    """`kd-T4-a0.5`, `kd-T4-ce0.1-kd9-no-t2`: main parameters always, others where not the default."""
    parts = [method.name]
    for name, label in method.labels.items():
        value = getattr(method, name)
        parts += _weights(method) if name == "alpha" else [] if value is None else [label + _value(value)]
    told = set(method.labels)
    if isinstance(method, Own):
        parts += [_argument(name, value) for name, value in method.args.items()]
        told |= {"term", "args"}
    if isinstance(method, Weighted):
        told |= set(Weighted.weight_keys)
        if "alpha" not in method.labels and method != _default_weights(method):
            parts += _weights(method)
    for name, info in type(method).model_fields.items():
        value = getattr(method, name)
        if name not in told and value != info.default:
            parts.append(_label(name, value, method.short.get(name, name)))
    return "-".join(parts)


def by_command_label(method: ByCommand) -> str:
    """`kd-T4-a0.5`: a method and its values, called and ordered as rigorkd's own methods do it."""
    known = KINDS[method.called].labels if method.called in KINDS else {}
    args = {name: method.args[name] for name in (*known, *sorted(method.args)) if name in method.args}
    parts = [
        _argument(name, value)
        if name not in known or isinstance(value, str | bool)
        else known[name] + _value(value)
        for name, value in args.items()
    ]
    return "-".join([method.called, *parts])


def _argument(name: str, value: str | float) -> str:
    """An argument of a term of one's own: `scale2`, `mode-soft`, `no-bias`."""
    if isinstance(value, bool):
        return _safe(name if value else f"no-{name}")
    return _safe(f"{name}-{value}" if isinstance(value, str) else name + _value(value))


def tuning_label(training: Training, base: Training) -> list[str]:
    """What a grid tuned away from its group's training: `["lr0.003"]`."""
    return [_label(key, training.tuned(key)) for key in TUNING_KEYS if training.tuned(key) != base.tuned(key)]


def axis_labels(key: str, choices: Sequence[Choice], *, distils: bool = True) -> tuple[str, ...]:
    """One label per choice of a group's axis; all empty if the group does not vary it.

    Choices that would share a label say how they differ from the first that has it, or end in four digits of
    their hash. For a cell that does not distil, what only the teacher sees is no difference.
    """
    hidden = _TEACHER_ONLY if key == "views" and not distils else ()
    values = [_without(choice.value, hidden) for choice in choices]
    if len({canonical(value) for value in values}) == 1:
        return ("",) * len(values)
    varied = [tuple(name for name in choice.varied if name not in hidden) for choice in choices]
    bases = [_label(key, _without(value, names)) for value, names in zip(values, varied, strict=True)]
    in_one_mapping = len(set(bases)) == 1 and all(varied)
    labels: list[str] = []
    first: dict[str, Any] = {}
    for base, value, names in zip(bases, values, varied, strict=True):
        inner = [_label(name, value[name]) for name in names]
        label = _safe("-".join([*([] if in_one_mapping else [base]), *inner]))
        if canonical(first.setdefault(label, value)) != canonical(value):
            label = _distinguished(label, value, first[label])
            if canonical(first.setdefault(label, value)) != canonical(value):
                label = f"{label}-{digest(value)[:4]}"
        labels.append(label)
    return tuple(labels)


def _distinguished(label: str, value: Any, first: Any) -> str:
    if isinstance(value, dict) and isinstance(first, dict):
        differing = [name for name in value if canonical(value[name]) != canonical(first.get(name))]
        more = "-".join(_label(name, value[name]) for name in differing if name != "name")
        if more and len(more) <= 40:
            return _safe(f"{label}-{more}")
    return f"{label}-{digest(value)[:4]}"


def _without(value: Any, names: Sequence[str]) -> Any:
    return (
        {key: item for key, item in value.items() if key not in names} if isinstance(value, dict) else value
    )


def _label(key: str, value: Any, short: str | None = None) -> str:
    """A key and its value, short: `lr0.003`, `no-t2`, `sgd`, `crop.flip`."""
    short = _SHORT.get(key, key) if short is None else short
    if value is None or value is False:
        return _safe(f"no-{short}")
    if value is True:
        return _safe(short)
    if key in ("train", "eval", "strong") and isinstance(value, tuple):
        ops = ".".join(_op(op) for op in value) or "plain"
        return _safe(ops if key == "train" else f"{key}-{ops}")
    if isinstance(value, str):
        return _safe(short + value if short.endswith("-") else value)
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return _safe(value["name"])
    if key == "views" and isinstance(value, dict):
        ordered = [name for name in Views.model_fields if name in value]
        return _safe("-".join(_label(name, value[name]) for name in ordered) or "views")
    return _safe(short + _value(value))


def _value(value: Any) -> str:
    """A bare value: a number, a ramp, a list of either, or the name inside a mapping."""
    if isinstance(value, int | float):
        return f"{value:g}".replace("+", "")
    if isinstance(value, Ramp):
        if value.step is not None:
            return "-".join(f"{v:g}at{at}" for v, at in zip(value.step.values, value.step.at, strict=True))
        first, last = value.values()
        return f"{first:g}{'to' if value.linear else 'cos'}{last:g}"
    if isinstance(value, tuple):
        joined = "_".join(_value(item) for item in value)
        return joined if len(joined) <= 32 else digest(joined)[:6]
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            return re.sub(r".*[/\\]|\.[a-z]+$", "", value["path"].lower())
        number = next((_value(value[name]) for name in ("max", "patience", "decay") if name in value), "")
        return f"{number}-layer" if value.get("per") == "layer" else number
    return str(value)


def _op(op: Any) -> str:
    if isinstance(op, dict) and op:
        op = op.get("op", next(iter(op)))
    return _OPS.get(str(op), str(op))


def _weights(method: Method) -> list[str]:
    assert isinstance(method, Weighted)
    if method.alpha is not None:
        return ["a" + _value(method.alpha)]
    return ["ce" + _value(method.ce_weight), "kd" + _value(method.kd_weight)]


def _default_weights(method: Weighted) -> Weighted:
    others = {name: value for name, value in dict(method).items() if name not in Weighted.weight_keys}
    return type(method)(**others)


def _safe(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.")
