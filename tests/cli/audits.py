"""What `rigorkd audit` says of a table in a text that a test writes."""

from __future__ import annotations

import json


def audited(rigorkd, path, text: str, *options: str):
    path.write_text(text)
    done = rigorkd("audit", path, *options, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(rigorkd, path, text: str, *options: str) -> str:
    path.write_text(text)
    done = rigorkd("audit", path, *options)
    assert done.returncode != 0
    return " ".join(done.stderr.split())
