"""What the server that forks the workers of a CPU imports: all that any worker needs. To import it does that.

The server is a process of its own (see `rigorkd.launch.processes`) in which nothing is computed, no thread is
started and none of the user's code is imported: its children begin where it stands.
"""

from __future__ import annotations

import atexit
import contextlib
import gc


def _preload() -> None:
    # Whatever is wrong with a library: the worker meets it again, and says so.
    with contextlib.suppress(Exception):
        import rigorkd.train.cohort  # noqa: F401
    # A collection in a child would touch, and so copy, the memory that it shares.
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # extension modules report what is still there at the end as leaks


_preload()
