"""`patient_job.py FOLDER` is the first job of a submission; its launcher does nothing for a minute."""

from __future__ import annotations

import sys

from rigorkd.launch.backends.slurm.job import Job


class PatientJob(Job):
    """Tells when its launcher is about to start."""

    def command(self) -> list[str]:
        print("began", flush=True)
        return [sys.executable, "-c", "import time; time.sleep(60)"]


if __name__ == "__main__":
    PatientJob(sys.argv[1], 0, 0)()
