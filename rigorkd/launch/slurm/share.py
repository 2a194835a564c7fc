"""One Slurm job's share of a study, trained by `rigorkd run`'s own machinery; the child process of `job`.

    python -m rigorkd.launch.slurm.share FOLDER ARRAY INDEX

The protocol is the text that was submitted, whatever its file says by now.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from rigorkd.errors import RigorkdError
from rigorkd.launch.console import PlainConsole
from rigorkd.launch.devices import device_slots
from rigorkd.launch.launch import launch
from rigorkd.launch.options import LaunchOptions
from rigorkd.launch.slurm.submission import Submission, read_submission
from rigorkd.protocol.load import Protocol, load_protocol
from rigorkd.protocol.smoke import smoke
from rigorkd.records.layout import StudyFolder
from rigorkd.text import count


def main(folder: Path, array: int, index: int) -> int:
    """Train the runs of one job; 1 if some failed, 2 if nothing could be trained, 130 if it was stopped."""
    console = PlainConsole()
    submission = read_submission(folder)
    study = StudyFolder(folder.parents[1])
    job = submission.arrays[array].job_id(index) or os.environ.get("SLURM_JOB_ID", "")
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
    console.print(f"slurm job {job} on {os.environ.get('SLURMD_NODENAME', 'an unnamed node')}, GPUs: {gpus}")
    try:
        outcome = launch(
            submitted_protocol(study, submission),
            LaunchOptions(
                seeds=submission.seeds,
                results=study.path.parent,
                device=submission.device,
                mode=submission.mode,
                jobs=_workers(submission, console),
                slots=submission.slots,
                memory_bytes=submission.memory_bytes,
                save_weights=submission.save_weights,
                replay_bytes=submission.replay_bytes,
                only_runs=frozenset(submission.arrays[array].jobs[index]),
                label=f"slurm job {job}",
            ),
            console,
        )
    except RigorkdError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; the checkpoints are written", file=sys.stderr)
        return 130
    console.print(f"{count(outcome.trained, 'run')} trained, {count(len(outcome.failed), 'run')} failed")
    for run, reason in outcome.failed.items():
        print(f"failed {run}: {reason}", file=sys.stderr)
    return 1 if outcome.failed else 0


def submitted_protocol(study: StudyFolder, submission: Submission) -> Protocol:
    """The protocol as it was submitted; relative paths in it start where its file was."""
    protocol = replace(load_protocol(study.protocol(submission.text_hash)), path=Path(submission.protocol))
    return smoke(protocol) if submission.smoke else protocol


def _workers(submission: Submission, console: PlainConsole) -> int | None:
    """How many workers to start: on a CPU one for each that Slurm gave, not one for each of the node."""
    if device_slots(submission.device, submission.jobs, submission.slots)[0] != "cpu":
        return submission.jobs
    if submission.gpus and submission.device == "auto":
        console.print("warning: Slurm gave this job a GPU, but PyTorch sees none: training on the CPU")
    return submission.jobs or int(os.environ.get("SLURM_CPUS_PER_TASK") or 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
