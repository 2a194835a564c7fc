"""The reference pages of the documentation, generated: commands, the protocol's schema, networks, documents.

    python scripts/reference.py DIR       writes them into DIR, with the JSON schema of a protocol for editors

The site (mkdocs.yml) takes them from here when it is built, so they are never out of date.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

WIDTH = 100

DOCUMENTS = {
    "rigorkd.analysis/1": ("rigorkd analyze --format json", "rigorkd_analysis.results:Analysis"),
    "rigorkd.audit/1": ("rigorkd audit --format json", "rigorkd_analysis.published.table_audit:Audit"),
    "rigorkd.power/1": ("rigorkd power --format json", "rigorkd_analysis.stats.sample_size:Power"),
    "rigorkd.gate/1": ("rigorkd gate BASE CANDIDATE --format json", "rigorkd_analysis.stats.gating:Gated"),
    "rigorkd.gate-search/1": (
        "rigorkd gate --ledger FILE --format json",
        "rigorkd.report.gate_page:SearchSoFar",
    ),
    "rigorkd.compare/1, kind replication": (
        "rigorkd compare STUDY_A STUDY_B --format json",
        "rigorkd_analysis.studies.replication:Replication",
    ),
    "rigorkd.compare/1, kind published": (
        "rigorkd compare STUDY TABLE.csv --format json",
        "rigorkd_analysis.studies.prediction:Prediction",
    ),
    "rigorkd.compare/1, kind publication": (
        "rigorkd compare STUDY --published NAME --format json",
        "rigorkd_analysis.publication:Publication",
    ),
    "rigorkd.compare/1, kind summary": (
        "rigorkd compare A B C … --format json",
        "rigorkd_analysis.studies.synthesis:Synthesis",
    ),
}


def pages() -> dict[str, str]:
    """Every reference page by its path inside the documentation."""
    return {
        "reference/commands.md": commands(),
        "reference/protocol.md": protocol(),
        "reference/networks.md": networks(),
        "reference/documents.md": documents(),
        "reference/protocol.schema.json": json.dumps(protocol_schema(), indent=1) + "\n",
    }


# --------------------------------------------------------------------------------------------- commands


def commands() -> str:
    """The help of every command."""
    import click

    from rigorkd.cli.main import COMMANDS, cli

    out = [
        "# Commands",
        "With `--format json`, `csv`, `markdown` or `latex`, standard output carries the document alone; all "
        "else goes to standard error. Exit codes: 0 done; 1 some runs failed (named, the others finished); "
        "2 the input was wrong (one message: where, what, how to mend); 130 interrupted, resumable. Those of "
        "`gate` and `run --gate`: 0 better, 1 not, 3 undecided.",
    ]
    parent = click.Context(cli, info_name="rigorkd")
    for name, entry in COMMANDS.items():
        command = cli.get_command(parent, name)
        assert command is not None
        context = click.Context(
            command, parent=parent, info_name=name, max_content_width=WIDTH, terminal_width=WIDTH
        )
        out += [f"## rigorkd {name}", entry.summary, f"```text\n{command.get_help(context).rstrip()}\n```"]
    return "\n\n".join(out) + "\n"


# ------------------------------------------------------------------------------------ the protocol's schema


def protocol_schema() -> dict[str, Any]:
    """JSON schema of a protocol file in its full form; short forms are widened before it applies."""
    from rigorkd.protocol.schema import Spec

    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Spec.model_json_schema()}


def protocol() -> str:
    """One table per section of a protocol, in the order in which a file mentions them."""
    from rigorkd.methods.registry import KINDS

    schema = protocol_schema()
    definitions = schema["$defs"]
    out = [
        "# Protocol files",
        "Every key that a protocol may have, with its values, its default and its limits. How they work "
        "together is told in [protocols](../protocols.md). Short forms (`schedule: cosine`, `rotation: 15`, "
        "`clip_norm: 1.0`) stand for the full form with the rest at its defaults. For editors there is a "
        "[JSON schema](protocol.schema.json) of the full form.",
        "## The file",
        _described(schema),
        _keys(schema),
    ]
    told = set()
    for name in _in_order(schema, definitions):
        told.add(name)
        if definitions[name].get("properties"):
            out += [f"## {name}", _described(definitions[name]), _keys(definitions[name])]
    out += [
        "## Methods",
        "A group names its methods as keys; each takes one grid or a list of grids, in which a list at a key "
        "multiplies.",
    ]
    parts: dict[str, Any] = {}
    for key, method in KINDS.items():
        own = method.model_json_schema()
        parts |= {name: part for name, part in own.get("$defs", {}).items() if name not in told}
        out += [f"### `{key}`", _described(own), _keys(own) if own.get("properties") else ""]
    for name, part in parts.items():
        out += [f"### {name}", _described(part), _keys(part) if part.get("properties") else ""]
    return "\n\n".join(part for part in out if part) + "\n"


def _in_order(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """The definitions that a schema reaches, each once, breadth first."""
    waiting, seen = [schema], set()
    while waiting:
        for reference in _references(waiting.pop(0)):
            if reference not in seen:
                seen.add(reference)
                waiting.append(definitions[reference])
                yield reference


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "$ref":
                yield item.rpartition("/")[2]
            elif key not in ("$defs", "mapping"):
                yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _described(schema: Mapping[str, Any]) -> str:
    return _prose(schema.get("description", ""))


def _keys(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", [])
    rows = ["| key | value | default |", "|:---|:---|:---|"]
    for name, field in schema["properties"].items():
        default = "*required*" if name in required else _code(field.get("default"))
        if "$ref" in field and isinstance(field.get("default"), dict):
            default = "its defaults"
        rows.append(f"| `{name}` | {_value(field)} | {default} |")
    return "\n".join(rows)


def _value(field: Mapping[str, Any]) -> str:
    """A field's values in words: its types, choices and limits."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in field:
            known = [_value(one) for one in field[several] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(known))
    if "const" in field:
        return _code(field["const"])
    if "enum" in field:
        return ", ".join(_code(one) for one in field["enum"])
    kind = field.get("type")
    if kind == "array":
        items = field.get("items") or {}
        members = field.get("prefixItems") or ([items] if items else [])
        inner = ", ".join(dict.fromkeys(_value(one) for one in members))
        return f"list of {inner}" if inner else "list"
    if kind == "object":
        named = next(iter(field.get("patternProperties", {}).values()), field.get("additionalProperties"))
        return f"name → {_value(named)}" if isinstance(named, Mapping) else "mapping"
    words = {"number": "number", "integer": "integer", "string": "text", "boolean": "true or false"}
    # in a group, every key of training and every method may be an axis, and is checked where it is used
    return words.get(str(kind), "a value or a list of values") + _limits(field)


def _limits(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return f" {', '.join(found)}" if found else ""


def _code(value: Any) -> str:
    if value is None or value in ({}, []):
        return "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`".replace("|", "\\|")


# -------------------------------------------------------------------------------------------- networks


def networks() -> str:
    """The networks of rigorkd's own, counted."""
    import torch

    from rigorkd.models.build import build
    from rigorkd.models.model import CIFAR_NETWORKS, CIFAR_RESNETS, STEM_RESNETS, Model, stages_of
    from rigorkd.models.sizes import macs_millions

    families = {
        "The standard tables of CIFAR": tuple(CIFAR_NETWORKS),
        "ResNets with shortcuts that have no parameters": CIFAR_RESNETS,
        "torchvision's ResNets with a 3×3 stem and no max-pool": STEM_RESNETS,
    }
    out = [
        "# Networks",
        "Parameters are counted with 100 classes, multiply-accumulates (in millions) on one image of 32 × 32 "
        "pixels. The stages are layers that methods of the literature imitate; `layers:` takes them, and any "
        "other layer. The `cnn` is shaped by `channels`, `hidden`, `dropout` and `norm`; torchvision's "
        "networks, timm's and transformers' have the names that they have there.",
    ]
    for title, names in families.items():
        rows = ["| network | parameters | M MACs | stages |", "|:---|---:|---:|:---|"]
        for name in names:
            with torch.device("meta"):
                network = build(Model(name=name), classes=100, channels=3, size=32, seed=0)
                macs = macs_millions(network, torch.zeros(1, 3, 32, 32))
            total = sum(parameter.numel() for parameter in network.parameters())
            stages = ", ".join(f"`{stage}`" for stage in stages_of(name))
            rows.append(f"| `{name}` | {total:,} | {macs:,.1f} | {stages} |")
        out += [f"## {title}", "\n".join(rows)]
    return "\n\n".join(out) + "\n"


# ------------------------------------------------------------------------------------------- documents


def documents() -> str:
    """The fields of every JSON document, from the typed results that they are made of."""
    out = [
        "# JSON documents",
        "Numbers are unrounded; what cannot be computed is null, and NaN never appears. A change that breaks "
        "a reader raises the number in `schema`.",
    ]
    for title, (command, target) in DOCUMENTS.items():
        out += [f"## {title}", f"Printed by `{command}`."]
        for result in _parts(_load(target)):
            out += [f"### {result.__name__} ({title.split('/')[0].removeprefix('rigorkd.')})", _told(result)]
            rows = ["| field | value |", "|:---|:---|"]
            hints = _hints(result)
            rows += [
                f"| `{field.name}` | {_type(hints[field.name])} |" for field in dataclasses.fields(result)
            ]
            out.append("\n".join(rows))
    return "\n\n".join(out) + "\n"


def _load(target: str) -> type[Any]:
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, type)
    return found


def _parts(result: type[Any]) -> Iterator[type[Any]]:
    """A dataclass and those that its fields hold, each once."""
    waiting, seen = [result], {result}
    while waiting:
        now = waiting.pop(0)
        yield now
        for hint in _hints(now).values():
            for inner in _inside(hint):
                if dataclasses.is_dataclass(inner) and inner not in seen:
                    assert isinstance(inner, type)
                    seen.add(inner)
                    waiting.append(inner)


def _hints(result: type[Any]) -> dict[str, Any]:
    """The types of a dataclass' fields, also where a module imports a name for type checkers alone."""
    from rigorkd_analysis import analysis_plan

    own = {}
    for base in reversed(result.__mro__):
        own.update(vars(importlib.import_module(base.__module__)))
    return typing.get_type_hints(result, {**vars(analysis_plan), **own})


def _inside(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in typing.get_args(hint):
        yield from _inside(argument)


def _type(hint: Any) -> str:
    """A type in words: `number or null`, `list of Comparison`."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(one) for one in arguments)
    if origin is typing.Literal:
        return ", ".join(_code(one) for one in arguments)
    if origin is tuple:
        inner = dict.fromkeys(_type(one) for one in arguments if one is not Ellipsis)
        return f"list of {' and '.join(inner)}" if inner else "list"
    if origin is dict:
        return f"mapping of {_type(arguments[1])} by name"
    words = {float: "number", int: "integer", str: "text", bool: "true or false", type(None): "null"}
    return words.get(hint, getattr(hint, "__name__", str(hint)))


def _told(result: type[Any]) -> str:
    """A docstring as prose: its list of attributes becomes a list."""
    parts = [part for part in result.__mro__ if dataclasses.is_dataclass(part)]  # fields may be inherited
    docs = [(inspect.getdoc(part) or "").partition("Attributes:\n") for part in parts]
    head = docs[0][0]
    items = [item for _, _, own in docs if own for item in re.split(r"\n(?=    \S)", own.rstrip())]
    entries = ["- " + " ".join(item.split()) for item in items if item.strip()]
    return "\n\n".join(part for part in (_prose(head), "\n".join(entries)) if part)


def _prose(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text)) if text else []
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def main(folder: Path) -> None:
    """Write every page below a folder."""
    for name, text in pages().items():
        path = folder / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python scripts/reference.py DIR")
    main(Path(sys.argv[1]))
