"""What a protocol brings to be executed, whose it is, and which commands this user has run himself.

To train a protocol is to execute its code: that of another user only by his word. A study's folder may come
from anybody, and with it the commands of its protocol. What was run here before is noted outside of any
study, under XDG_STATE_HOME, by the hash of the protocol's text: `rigorkd verify --rerun` runs only that
unasked, and there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rigorkd.errors import InputError, StoreError
from rigorkd.files import sha256_of, write_atomically
from rigorkd.methods.own import Own
from rigorkd.models.model import is_own_model
from rigorkd.models.own_code import own_modules
from rigorkd.problems import ExpansionError
from rigorkd.protocol.hashes import resolved
from rigorkd.protocol.load import Protocol
from rigorkd.records.command_code import changed_settings, code_files
from rigorkd.records.layout import StudyFolder
from rigorkd.records.record import read_records
from rigorkd.records.untrusted import read_note


def code_of(protocol: Protocol) -> list[str]:
    """What a protocol's runs execute that is no part of rigorkd: every `module:function`, and its files."""
    return [_told(name, files) for name, files in _functions(protocol).items()]


def refuse_foreign_code(protocol: Protocol, *, trust: bool) -> None:
    """InputError if to train a protocol executes code, and that or the protocol is another user's.

    What the administrator put there is nobody else's.
    """
    if trust:
        return
    folder = protocol.path.parent
    try:
        brought = _functions(protocol)
        for cell in protocol.cells:
            if cell.trainer is not None:
                brought.setdefault(f"{resolved(cell)['command']}", code_files(cell.trainer, folder))
    except (InputError, ExpansionError):
        return  # nothing can be run: it is told with its line, when the files are looked at
    files = dict.fromkeys([protocol.path, *(file for files in brought.values() for file in files)])
    foreign = next((file for file in files if file.stat().st_uid not in (os.geteuid(), 0)), None)
    if brought and foreign is not None:
        raise InputError(
            f"{foreign}: belongs to another user, and to train this protocol executes code that it brings:\n"
            + "\n".join(f"  {_told(name, files)}" for name, files in brought.items()),
            hint="read that code; if you trust it, give --trust",
        )


def changed_since_runs(protocol: Protocol, study: Path) -> str:
    """A warning of files that no hash covers and that were others for finished runs, if there are any."""
    try:
        records = read_records(StudyFolder(study))
        return changed_settings(protocol.cells, protocol.path.parent.absolute(), records)
    except (OSError, StoreError, ExpansionError):  # told where the study and the files are read
        return ""


def _functions(protocol: Protocol) -> dict[str, Mapping[Path, bytes]]:
    """Every `module:function` of a protocol, with the content of its files."""
    named = [cell.model.name for cell in protocol.cells if is_own_model(cell.model.name)]
    named += [cell.method.term for cell in protocol.cells if isinstance(cell.method, Own)]
    return {
        name: {module.file: module.source for module in own_modules(name, protocol.path.parent).values()}
        for name in named
    }


def _told(name: str, files: Mapping[Path, bytes]) -> str:
    listed = (f"{file} (SHA-256 {sha256_of(content)[:16]})" for file, content in files.items())
    return f"{name}, from {', '.join(listed)}"


@dataclass(frozen=True)
class OwnProtocol:
    """Where a protocol's commands were last run: the protocol's folder."""

    folder: str


def note_own(protocol: Protocol) -> None:
    """Remember that this user runs the commands of a protocol; where that cannot be noted, they are asked."""
    content = json.dumps(asdict(OwnProtocol(str(protocol.path.parent.absolute())))).encode()
    with contextlib.suppress(OSError):
        write_atomically(_note(protocol), content, durable=False)


def own_folder(protocol: Protocol) -> Path | None:
    """The folder in which this user has run a protocol's commands, None if he has not, or if it is gone."""
    note = _note(protocol)
    found = read_note(note, note.parent, OwnProtocol)
    return Path(found.folder) if found is not None and Path(found.folder).is_dir() else None


def _note(protocol: Protocol) -> Path:
    chosen = os.environ.get("XDG_STATE_HOME")
    state = Path(chosen) if chosen else Path("~/.local/state").expanduser()
    return state / "rigorkd" / "commands" / f"{protocol.text_hash}.json"
