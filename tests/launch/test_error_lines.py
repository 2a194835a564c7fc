"""The line of a failed command's output that says why it failed."""

from __future__ import annotations

import pytest

from rigorkd.launch.error_lines import error_line

ADVICE = "\nSet the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.\n"
CHILD = """\
[rank0]: Traceback (most recent call last):
[rank0]:   File "train.py", line 3, in <module>
[rank0]: ValueError: no such data
"""
TORCHRUN = """\
E1129 13:00:00.1 7 site-packages/torch/distributed/elastic/multiprocessing/api.py:826] failed (exitcode: 1) \
local_rank: 0 (pid: 8) of binary: python
Traceback (most recent call last):
  File "/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
  <NO_OTHER_FAILURES>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-29_13:00:00
  rank      : 0 (local_rank: 0)
  exitcode  : 1 (pid: 8)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
"""
ACCELERATE = """\
Traceback (most recent call last):
  File "/bin/accelerate", line 8, in <module>
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1.
"""
OF_A_CONFIG = """\
In 'config': Could not find 'loss/baseline'

Available options in 'loss':
\tce
\tts_fwd
Config search path:
\tprovider=hydra, path=pkg://hydra.conf
\tprovider=schema, path=structured://
"""
OVERRIDE = """\
Could not override 'los'.
To append to your config use +los=1
Key 'los' is not in struct
    full_key: los
    object_type=dict
"""


CLICK = "Error: No such option: --T\nUsage: t.py [OPTIONS]\nTry 't.py --help' for help.\n"
RICH = "╭─ Error ────────────╮\n│ No such option: --T │\n╰────────────────────╯\n"
ARGPARSE = "usage: t.py [-h]\nt.py: error: unrecognized arguments: --T\n"
AT_THE_END = "[rank0]:[W1129] Warning: destroy_process_group() was not called\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("one\nno such data\n\n", "no such data"),
        ("", ""),
        (OF_A_CONFIG + ADVICE, "In 'config': Could not find 'loss/baseline'"),
        (OVERRIDE + ADVICE, "Key 'los' is not in struct"),
        (f"Error executing job with overrides: []\n{CHILD}{ADVICE}", "ValueError: no such data"),
        (CHILD + TORCHRUN, "ValueError: no such data"),
        (CHILD + ACCELERATE, "ValueError: no such data"),
        (CHILD + AT_THE_END, "ValueError: no such data"),
        (CLICK, "Error: No such option: --T"),
        (RICH, "No such option: --T"),
        (ADVICE, ADVICE.strip()),
        (ACCELERATE, ACCELERATE.splitlines()[-1]),
        (ARGPARSE, "t.py: error: unrecognized arguments: --T"),
        ("50%|##\rKilled\n", "Killed"),
    ],
)
def test_the_line_that_says_why(text: str, reason: str) -> None:
    assert error_line(text) == reason
