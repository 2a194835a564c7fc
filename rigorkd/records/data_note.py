"""`data.json` in a study: what of its images verdicts may hang on, such as copies in the test set.

It is written where there is something to say: a study without it has no copies, or nobody has looked.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rigorkd.data.examined import Examined
from rigorkd.errors import StoreError
from rigorkd.files import write_atomically
from rigorkd.records.layout import StudyFolder
from rigorkd.records.untrusted import NOTE, is_number, read_json
from rigorkd.text import first_line

SCHEMA = "rigorkd.data/1"


def note_examined(folder: Path, found: Examined | None) -> None:
    """Note what the newest data of a study have; a note of other data goes."""
    path = StudyFolder(folder).data_json
    if found is None:
        path.unlink(missing_ok=True)
    else:
        write_atomically(path, json.dumps({"schema": SCHEMA, **asdict(found)}, indent=1).encode())


def read_examined(folder: Path) -> Examined | None:
    """What is noted of a study's data. StoreError if the note is damaged."""
    path = StudyFolder(folder).data_json
    try:
        noted = read_json(path, folder, NOTE)
    except OSError:
        return None
    except ValueError as error:
        raise _damaged(path, first_line(error)) from None
    try:
        if noted.pop("schema") != SCHEMA:
            return None  # of a newer version
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in noted.items()}
        found = Examined(**values)
    except (KeyError, TypeError) as error:
        raise _damaged(path, first_line(error)) from None
    numbers = (found.test_images, found.classes, found.tested, found.mislabelled, found.seed or 0)
    if not all(isinstance(n, int) and is_number(n) and n >= 0 for n in numbers):
        raise _damaged(path, "it holds no numbers of images")
    if not isinstance(found.clusters, tuple) or not all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in found.clusters
    ):
        raise _damaged(path, "groups of test images are no numbers")
    if len(found.clusters) not in (0, found.test_images):
        raise _damaged(path, "it has no group for each test image")
    if not all(
        isinstance(names, tuple) and all(isinstance(name, str) for name in names)
        for names in (found.untested, found.few_tested)
    ):
        raise _damaged(path, "untested classes have no names")
    if not found.classes >= 2:
        raise _damaged(path, "there are no classes")
    if not 0 < found.test_images >= found.tested:
        raise _damaged(path, "more copies than test images")
    for pair in (found.pair, found.labelled_pair):
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(name, str) for name in pair)):
            raise _damaged(path, "a pair of images has no two names")
    return found


def _damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path}: the file is damaged ({why})", hint="restore it from a copy, or delete it")
