"""Files of settings that the code of a command may read, beside what its arguments and inputs name.

They are found in what the code writes down, by Hydra's `config_path`, and in folders that hold settings by
custom. Code is read and parsed, never imported or run.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

from rigorkd.errors import InputError
from rigorkd.models.own_code import read_code
from rigorkd.records.written_paths import LONGEST, WrittenPaths, last

SETTINGS_IN = (".yaml", ".yml", ".toml", ".ini", ".cfg")
"""Endings of files that hold settings; JSON may hold anything."""
MOST_LOOKED_AT = 2_000
"""Files of one folder among which settings are looked for."""
MOST_OF_A_FOLDER = 300
"""Files that count for the folder that they lie in, without being named."""
LARGEST_SETTINGS = 2**20
"""Bytes of a file that is read for others that it names, or that counts for its folder alone."""
BY_CUSTOM = ("conf", "config", "configs", "cfg", "cfgs")
"""Folders that hold settings by custom."""

_ENDINGS = (*SETTINGS_IN, ".json")
_SPOKEN_OF = {
    ".yaml": b"yaml|yml|omegaconf|hydra",
    ".yml": b"yaml|yml|omegaconf|hydra",
    ".toml": b"toml",
    ".json": b"json",
    ".ini": b"configparser",
    ".cfg": b"configparser",
}
"""What code says that reads such files."""
_WRITES = re.compile(r"save|dump|write|export|^to_(?:json|csv|yaml|file)|mkdir|remove|unlink", re.IGNORECASE)
_READS = re.compile(r"load|^open$|restore|(?:^|_)read|parse", re.IGNORECASE)
_IN_TEXT = re.compile(r"[^\s\"'`=:;,()<>|&\[\]]+\.(?:ya?ml|toml|ini|cfg|json)(?![\w])")
_UNKNOWN = re.compile(r"\{[^{}]*\}|%[sdi]|\$\{[^}]*\}|\$\w+|\*+")
_OF_DEFAULTS = re.compile(rb"^\s*-\s*(?:override\s+)?/?([\w/-]+)", re.MULTILINE)
_OF_HYDRA = ("--config-path", "-cp", "--config-dir", "-cd")
_NAMES_OF_HYDRA = ("--config-name", "-cn")


@dataclass
class _Named:
    """What a file of code writes down: paths of settings, other texts (for folders), and Hydra's folders."""

    paths: dict[str, None] = field(default_factory=dict)
    defaults: dict[str, tuple[str, ...]] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)
    hydra: dict[tuple[str, str], None] = field(default_factory=dict)


def settings_files(
    code: Mapping[Path, bytes],
    folder: Path,
    commands: Sequence[Sequence[str]] = (),
    given: Iterable[Path] = (),
) -> list[Path]:
    """Files of settings that some code may read: in its packages, and what it names or finds by custom.

    Args:
        code: its files, with their content.
        folder: the protocol's, in which commands are called.
        commands: their arguments. A default of an option that all of them give is not read.
        given: the files that these name, and the inputs: of their folder no other counts by custom alone.
    """
    if not code:
        return []
    folder = folder.absolute()
    told = {_plain(path): _named_in(_plain(path), content) for path, content in code.items()}
    places = sorted({folder, *(path.parent for path in told)})
    options = [{word.partition("=")[0] for word in words if word.startswith("-")} for words in commands]
    always = set.intersection(*options) if options else set[str]()
    found: dict[Path, None] = {}
    for place in places:
        if place != folder and (place / "__init__.py").is_file():
            found |= dict.fromkeys(path for path in _below(place) if path.suffix in SETTINGS_IN)
    for path, named in told.items():
        near = [folder, path.parent]
        for text in named.paths:
            if not always.intersection(named.defaults.get(text, ())):
                found |= dict.fromkeys(_resolved(text, near) or _resolved(text, places))
    found |= dict.fromkeys(_of_hydra(told, folder, [word for words in commands for word in words]))
    chosen = [*found, *(_plain(path) for path in given if path.suffix in _ENDINGS)]
    found |= dict.fromkeys(_named_by_settings(chosen, folder, places))
    spoken = b"\n".join(code.values()).lower()
    for place in _by_custom(told, folder, places, commands):
        if _is_joined(place, told, folder) or not any(path.is_relative_to(place) for path in chosen):
            found |= dict.fromkeys(_of_folder(place, spoken))
    return sorted(found, key=lambda path: (path.parent, path.name))


def _plain(path: Path) -> Path:
    """A path as it is compared with others, without `..`; links stay, for they name what is read."""
    return Path(os.path.normpath(path.absolute()))


def _resolved(text: str, places: Iterable[Path]) -> list[Path]:
    """The files of settings that a path means from these folders, where `*` stands for what is not known."""
    text = os.path.expanduser(_from_known(text))  # noqa: PTH111  a ~ of nobody stays as it is
    if "*" not in text:
        return [*dict.fromkeys(_plain(place / text) for place in places if text and _is_file(place / text))]
    if text.endswith(".json") and not any(part in BY_CUSTOM for part in text.split("/")):
        return []  # of many files in one folder these are data
    found = [path for place in places for path in _matching(place, text.split("/"))]
    return [*dict.fromkeys(map(_plain, found[:MOST_OF_A_FOLDER]))]


def _from_known(text: str) -> str:
    """A path from its first folder that is known; "" where only a part of the name itself is."""
    first = text.lstrip("/").partition("/")[0]
    return re.sub(r"^.*\*[^/]*(?:/|$)", "", text) if "*" in first else text


def _matching(place: Path, parts: Sequence[str]) -> list[Path]:
    """The files that match, of which `parts` are folders and the name; of a large folder some are seen."""
    part, *more = parts
    found = [place / part]
    if "*" in part:
        pattern = re.compile(".*".join(map(re.escape, part.split("*"))))
        try:
            with os.scandir(place) as entries:
                names = [one.name for one in islice(entries, MOST_LOOKED_AT) if pattern.fullmatch(one.name)]
        except (OSError, ValueError):
            return []
        found = [place / name for name in sorted(names) if not name.startswith(".")]
    return (
        [path for path in found if _is_file(path)]
        if not more
        else [one for path in found if _is_folder(path) for one in _matching(path, more)]
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text that is no name of a file
        return False


# ------------------------------------------------------------------------------------- what code says


@lru_cache(maxsize=512)
def _named_in(file: Path, content: bytes) -> _Named:
    """What a file of code writes down. A program that this Python cannot parse is read as text."""
    named = _Named()
    if file.suffix == ".py":
        try:
            _read_python(_Written(ast.parse(content), file.absolute()), named)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            named = _Named()
        else:
            return named
    for token in _tokens(content.decode(errors="replace")):
        named.paths[token] = None
    named.texts |= dict.fromkeys(re.findall(r"[\w.~-]+(?=/)", content.decode(errors="replace")))
    return named


class _Written(WrittenPaths):
    """Reads one program, where `*` stands for what is not written down."""

    def __init__(self, tree: ast.Module, file: Path) -> None:
        super().__init__(tree, file, "*")

    def is_only_written(self, node: ast.AST) -> bool:
        """Whether the program writes the file of this path, and does not read it."""
        calls, name, _ = self.around(node)
        calls = [*calls, *(self.uses(name) if name else ())]
        return any(map(_WRITES.search, calls)) and not any(map(_READS.search, calls))


def _read_python(written: _Written, named: _Named) -> None:
    waiting: list[ast.AST] = [written.tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            _read_hydra(written, node, named)
        value = written.value(node) if isinstance(node, ast.expr) else "*"
        text = _UNKNOWN.sub("*", value or "*")
        if text.endswith(_ENDINGS) and len(text) <= LONGEST and "\n" not in text:
            if not isinstance(node, ast.Name) and not written.is_only_written(node):
                named.paths[text] = None
                if option := written.around(node)[2]:
                    named.defaults[text] = option
        elif isinstance(node, ast.expr) and len(text) <= LONGEST and text.strip("*/"):
            named.texts[text] = None
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\s", node.value):
            named.paths |= dict.fromkeys(_tokens(node.value))
        if text.endswith(_ENDINGS) and not isinstance(node, ast.Constant):
            # of what is joined the parts are none by themselves; their folders are told by the whole
            continue
        waiting += reversed([*ast.iter_child_nodes(node)])


def _tokens(text: str) -> Iterator[str]:
    """The paths of settings in a text of several words."""
    for match in _IN_TEXT.finditer(text):
        if len(match[0]) <= LONGEST:
            yield _UNKNOWN.sub("*", match[0])


# ------------------------------------------------------------------------------------------------ Hydra


def _read_hydra(written: _Written, call: ast.Call, named: _Named) -> None:
    """Note the folder and the name that a call of Hydra is given; "." where it is given no folder."""
    func, name = call.func, last(call.func)
    of_hydra = isinstance(func, ast.Attribute) and last(func.value) == "hydra" and name == "main"
    if not of_hydra and name not in ("initialize", "initialize_config_dir", "compose", "main"):
        return
    order = {
        "initialize": ["config_path"],
        "initialize_config_dir": ["config_dir"],
        "compose": ["config_name"],
    }
    told = dict(zip(order.get(name, ["config_path", "config_name"]), call.args, strict=False))
    told |= {one.arg: one.value for one in call.keywords if one.arg}
    if not of_hydra and not {"config_path", "config_name", "config_dir"} & told.keys():
        return
    where = told.get("config_path", told.get("config_dir"))
    place = "." if where is None or _is_none(where) else written.value(where) or "*"
    config = told.get("config_name")
    named.hydra[place, "" if config is None else written.value(config) or "*"] = None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _of_hydra(told: Mapping[Path, _Named], folder: Path, words: Sequence[str]) -> Iterator[Path]:
    """The YAML files that Hydra may compose: any below its folder.

    Where that is the folder of the code itself, those of its configuration and of the groups that this names.
    """
    if not any(named.hydra for named in told.values()):
        return
    holders = [folder, *(path.parent for path in told)]
    names = {name for named in told.values() for _, name in named.hydra} | set(_after(words, _NAMES_OF_HYDRA))
    places: dict[Path, None] = {}
    for path, named in told.items():
        if not named.hydra:
            continue
        for text in (*(place for place, _ in named.hydra), *_after(words, _OF_HYDRA)):
            if text.startswith("pkg://"):
                inside = text.removeprefix("pkg://").replace(".", "/")
                places |= dict.fromkeys(above / inside for above in (folder, *path.parents[:3]))
            elif "*" not in text:
                places |= dict.fromkeys(above / text for above in dict.fromkeys((path.parent, folder)))
    for place in dict.fromkeys(Path(os.path.normpath(place)) for place in places if place.is_dir()):
        if not any(holder.is_relative_to(place) for holder in holders):
            yield from islice(
                (path for path in _below(place) if path.suffix in SETTINGS_IN[:2]), MOST_LOOKED_AT
            )
            continue
        for name in sorted(names - {""}):
            for config in _resolved(name if name.endswith(".yaml") else f"{name}.yaml", [place]):
                yield config
                for group in sorted({match.decode() for match in _OF_DEFAULTS.findall(_read(config))}):
                    below = _below(place / group) if group.strip("/") else ()
                    yield from (path for path in below if path.suffix in SETTINGS_IN[:2])


def _after(words: Sequence[str], options: Collection[str]) -> Iterator[str]:
    """The values of these options of a command."""
    for index, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in options:
            value = value if equals else words[index + 1] if index + 1 < len(words) else ""
            if value:
                yield value


# ---------------------------------------------------------------------------- folders, and files in files


def _named_by_settings(files: Sequence[Path], folder: Path, places: Sequence[Path]) -> Iterator[Path]:
    """The files of settings that others name, such as `_BASE_: base.yaml`, and those that these name."""
    known, waiting = set(files), [*files]
    while waiting and len(known) < len(files) + MOST_OF_A_FOLDER:
        path = waiting.pop()
        if path.suffix not in SETTINGS_IN:
            continue
        for token in _tokens(_read(path).decode(errors="replace")):
            for other in _resolved(token, [path.parent]) or _resolved(token, [folder, *places]):
                if other not in known:
                    known.add(other)
                    waiting.append(other)
                    yield other


def _by_custom(
    told: Mapping[Path, _Named], folder: Path, places: Sequence[Path], commands: Sequence[Sequence[str]]
) -> list[Path]:
    """The folders of settings beside the code, and those that its texts or its commands name."""
    found = [place / name for place in places for name in BY_CUSTOM]
    for path, named in told.items():
        texts = [known for text in named.texts if (known := _folder_in(text)).rpartition("/")[2] in BY_CUSTOM]
        found += [place / text for text in texts for place in (folder, path.parent)]
    for words in commands:
        values = {value for word in words for value in (word, word.partition("=")[2])}
        found += [folder / value for value in sorted(values) if Path(value).name in BY_CUSTOM]
    return [*dict.fromkeys(_plain(place) for place in found if _is_folder(place))]


def _folder_in(text: str) -> str:
    """The folder that a text names, alone or before what it does not write down: `conf` of `conf/*`."""
    return re.sub(r"/+\**$", "", _from_known(text))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _is_joined(place: Path, told: Mapping[Path, _Named], folder: Path) -> bool:
    """Whether code joins this folder with what it does not write down, so that any file of it may be read."""
    return any(
        re.search(r"/\**$", text)
        and place in (_plain(near / _folder_in(text)) for near in (folder, path.parent))
        for path, named in told.items()
        for text in named.texts
    )


def _of_folder(place: Path, code: bytes) -> Iterator[Path]:
    """The files of a folder of settings that code may read, which speaks of their format or their folder."""
    named = re.search(rb"[\"'/]" + re.escape(place.name.encode().lower()) + rb"[\"'/]", code) is not None
    for path in islice(_below(place), MOST_OF_A_FOLDER):
        spoken = _SPOKEN_OF.get(path.suffix)
        if spoken and (named or re.search(spoken, code)) and _size(path) <= LARGEST_SETTINGS:
            yield path


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return LARGEST_SETTINGS + 1


def _read(path: Path) -> bytes:
    """The content of a file of settings; nothing of one that is large or cannot be read."""
    try:
        return read_code(path) if _size(path) <= LARGEST_SETTINGS else b""
    except InputError:
        return b""


def _below(place: Path) -> list[Path]:
    """The files of a folder and below it, but for hidden ones and caches: so many that it ends."""
    return sorted(islice(_every(place), MOST_LOOKED_AT))


def _every(place: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        yield from (Path(here, name) for name in sorted(files) if not name.startswith("."))
