"""Which protocols' commands this user has run on this machine himself, and in which folder.

A study's folder may come from anybody, and with it the commands of its protocol. What was run here before is
noted outside of any study, under XDG_STATE_HOME, by the hash of the protocol's text: `rigorkd verify --rerun`
runs only that unasked, and there.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from rigorkd.files import write_atomically
from rigorkd.protocol.load import Protocol
from rigorkd.records.untrusted import read_note


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
