#!/usr/bin/env python3
"""A real Slurm on one machine, for tests: one controller and two nodes with two pretended GPUs each.

    scripts/slurm/cluster.py start DIR    sets the cluster up in DIR and prints the environment to submit with
    scripts/slurm/cluster.py stop DIR     ends its processes and removes DIR

`start` exits with 3 where this machine cannot have a cluster (not root, no packages), and says why.

    eval "$(scripts/slurm/cluster.py start /tmp/cluster)" && sinfo

Everything lies in DIR: configuration, munge key and socket, spool, logs, process ids. Ports are free ones, so
that several clusters can live side by side. It needs root (a job becomes its user), no systemd, and Debian or
Ubuntu, whose packages slurm-wlm and munge it installs where they are missing. Partitions: `low`, and `high`,
whose jobs put those of `low` back into the queue.

The pretended GPUs are character devices that Slurm hands out and counts: a job finds CUDA_VISIBLE_DEVICES
set, and no CUDA device behind it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "sinfo")
DAEMONS = ("slurmd-n1", "slurmd-n2", "slurmctld", "munged")
"""In the order in which they are stopped."""
NODES = ("n1", "n2")
GPUS = 2
MARK = "pretended-cluster"
"""A file in every folder that `start` has made, and the only kind of folder that `stop` removes."""
IMPOSSIBLE = 3
"""Exit code where this machine cannot have a cluster."""
PATIENCE = 30.0
"""Seconds that a daemon may take to come up or to end."""

SLURM_CONF = """\
ClusterName=pretended
SlurmctldHost=localhost
SlurmctldPort={controller_port}
SlurmUser=root
AuthType=auth/munge
# cred_expire: a job that is put back into the queue waits for its credential to expire, by default 120 s.
AuthInfo=socket={folder}/munge.socket,cred_expire=10
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=5,bf_interval=5
ReturnToService=2
KillWait=5
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
# A machine with fewer cores than the nodes claim is good enough to test on.
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={n1_port} CPUs=2 RealMemory=4000 Gres=gpu:{gpus}
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={n2_port} CPUs=2 RealMemory=4000 Gres=gpu:{gpus}
PartitionName=low Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=high Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def main(arguments: list[str]) -> None:
    """Entry point."""
    match arguments:
        case ["start", folder]:
            start(Path(folder).absolute())
            print(f"export SLURM_CONF={Path(folder).absolute() / 'slurm.conf'}")
        case ["stop", folder]:
            stop(Path(folder).absolute())
        case _:
            sys.exit(__doc__)


def start(folder: Path) -> None:
    """Set the cluster up in `folder`, which must not exist, and wait until both nodes are idle."""
    if os.geteuid() != 0:
        _impossible("a cluster needs root: its daemons start jobs as other users")
    if folder.exists():
        sys.exit(f"error: {folder} exists; stop that cluster first")
    install()
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    try:
        _configure(folder)
        environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        _launch_munge(folder)
        subprocess.run(["slurmctld", "-c"], env=environment, check=True)
        for node in NODES:
            subprocess.run(["slurmd", "-N", node], env=environment, check=True)
        _wait(lambda: _idle_nodes(environment) == len(NODES), "the nodes did not come up", folder)
    except BaseException:
        _show_logs(folder)
        stop(folder)
        raise


def install() -> None:
    """Install Slurm and munge where they are missing. Exits with the reason where that cannot be done."""
    if not _missing():
        return
    if shutil.which("apt-get") is None:
        _impossible(f"{', '.join(_missing())} not found, and no apt-get to install slurm-wlm and munge with")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = ["slurm-wlm", "munge"]
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    # Without systemd the packages' own services fail to start, which is harmless here.
    for attempt in (["apt-get", "update", "-q"], command):
        done = subprocess.run(
            attempt, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode and attempt is command and _missing():
            _impossible(f"apt-get could not install slurm-wlm and munge:\n{done.stdout.decode()[-2000:]}")


def stop(folder: Path) -> None:
    """End the cluster's processes, those of its jobs included, and remove its folder."""
    if not folder.exists():
        return
    if not (folder / MARK).is_file():
        sys.exit(f"error: {folder} holds no cluster that this script has set up; nothing was touched")
    for pid in _job_processes(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for daemon in DAEMONS:
        pid = _pid(folder / f"{daemon}.pid")
        if pid is None:
            continue
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if not _ends(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _impossible(reason: str) -> NoReturn:
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(IMPOSSIBLE)


def _configure(folder: Path) -> None:
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    for gpu in range(GPUS):  # plain files do not work: Slurm asks for device numbers
        try:
            os.mknod(folder / f"nvidia{gpu}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            _impossible("device files cannot be made here, and Slurm takes nothing else for a GPU")
    controller, first, second = _free_ports(3)
    text = SLURM_CONF.format(
        folder=folder, controller_port=controller, n1_port=first, n2_port=second, gpus=GPUS
    )
    (folder / "slurm.conf").write_text(text)
    devices = f"{folder}/nvidia[0-{GPUS - 1}]"
    (folder / "gres.conf").write_text(
        f"NodeName={','.join(NODES)} Name=gpu File={devices} Flags=nvidia_gpu_env\n"
    )


def _launch_munge(folder: Path) -> None:
    """Start a munge daemon of the cluster's own, with its own key, beside any that the machine runs."""
    subprocess.run(["mungekey", "--create", f"--keyfile={folder}/munge.key"], check=True)
    subprocess.run(
        [
            "munged",
            "--force",  # else every folder above must be open to all, which a test's is not
            f"--socket={folder}/munge.socket",
            f"--key-file={folder}/munge.key",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munged.log",
            f"--seed-file={folder}/munged.seed",
        ],
        check=True,
    )
    _wait(lambda: (folder / "munge.socket").exists(), "munged did not start", folder)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _idle_nodes(environment: dict[str, str]) -> int:
    answer = subprocess.run(
        ["sinfo", "--noheader", "--Node", "--partition=low", "--format=%t"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.split().count("idle")


def _missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


def _wait(until: Callable[[], bool], complaint: str, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{complaint} within {PATIENCE:g} s ({folder})")
        time.sleep(0.1)


def _show_logs(folder: Path) -> None:
    for path in sorted(folder.glob("*.log")):
        print(f"== {path.name}", path.read_text(errors="replace")[-2000:], sep="\n", file=sys.stderr)


def _pid(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _ends(pid: int) -> bool:
    """Whether a process ends soon; a dead one that nobody has reaped counts as ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def _job_processes(folder: Path) -> list[int]:
    """Processes whose environment names this cluster's configuration: jobs and the steps that hold them."""
    mark = f"SLURM_CONF={folder}/slurm.conf".encode()
    daemons = {_pid(folder / f"{daemon}.pid") for daemon in DAEMONS}
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) not in {os.getpid(), *daemons}:
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0") and _is_job(process):
                    found.append(int(process.name))
    return found


def _is_job(process: Path) -> bool:
    """Whether a process runs inside a job, rather than merely submits to the cluster."""
    return b"SLURM_JOB_ID=" in (process / "environ").read_bytes()


if __name__ == "__main__":
    main(sys.argv[1:])
