"""The log of a process that works out of sight: what it prints goes to a file of the study."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def send_output_to(log: Path) -> None:
    """Append stdout and stderr of this process to a file, so that the launcher's display stays clean."""
    log.parent.mkdir(parents=True, exist_ok=True)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
        if stream is not None:
            stream.flush()
        os.dup2(target, descriptor)
    os.close(target)
