from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rigorkd.cores import usable_cores

ONE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from rigorkd.cores import usable_cores
print(usable_cores())
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_a_process_that_is_bound_to_one_core_has_one() -> None:
    done = subprocess.run([sys.executable, "-c", ONE], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_a_system_that_binds_no_process_has_all_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_cores() == os.cpu_count()
