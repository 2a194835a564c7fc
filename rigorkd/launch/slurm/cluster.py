"""Asking the cluster which of our jobs it still holds. Only submitting and waiting ask; status never does."""

from __future__ import annotations

import subprocess
from collections.abc import Collection

from rigorkd.errors import InputError


def jobs_in_queue(names: Collection[str]) -> set[str]:
    """Ids (`12_3`, `12`) of the jobs with these names that wait or run. Raises InputError without Slurm.

    Names and not ids are asked for: after a reset of the cluster an old id can belong to somebody else.
    """
    if not names:
        return set()
    command = ["squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%i"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except FileNotFoundError:
        raise InputError(
            "--slurm: there is no squeue on this machine", hint="submit from a login node of the cluster"
        ) from None
    except (subprocess.SubprocessError, OSError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else ""
        raise InputError(
            f"--slurm: the cluster does not answer ({(said or str(error)).splitlines()[-1]})",
            hint="try `squeue`; nothing was submitted, and jobs that run go on",
        ) from None
    return set(answer.stdout.split())
