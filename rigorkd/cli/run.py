"""`rigorkd run`: train what a protocol still misses."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from rigorkd.cli.checked import device_option
from rigorkd.cli.options import only_option, results_option, seeds_of, seeds_option
from rigorkd.cli.tracking import wandb_options, wandb_place
from rigorkd.errors import RunsFailedError
from rigorkd.launch.failures import advice
from rigorkd.launch.options import Outcome
from rigorkd.text import count


@click.command(short_help="Train what a protocol still misses.")
@click.argument("protocol", type=click.Path(path_type=Path))
@seeds_option
@click.option(
    "--smoke", is_flag=True, help="Shrink the protocol to seconds on synthetic data: same code, no result."
)
@only_option
@results_option
@device_option("auto, cpu, cuda or cuda:<index>.")
@click.option(
    "--mode",
    type=click.Choice(["reference", "fast"]),
    default="reference",
    show_default=True,
    help="reference: the same bits every time. fast: channels-last, compiled on a GPU; a study of its own.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Workers. Default: one per GPU, or one per CPU core."
)
@click.option("--slots", type=click.IntRange(min=1), metavar="N", help="Workers on each GPU. Default: 1.")
@click.option(
    "--memory",
    type=click.FloatRange(min=0, max=1e6, min_open=True),
    metavar="GB",
    help="Memory for the students of one cohort; larger cohorts are split. Default: half of what is free.",
)
@click.option(
    "--replay",
    type=click.FloatRange(min=0, max=1e6),
    default=4.0,
    show_default=True,
    metavar="GB",
    help="Teacher logits to keep on disk, so that added or restarted cells need no teacher; 0 keeps none.",
)
@click.option(
    "--no-weights", is_flag=True, help="Do not keep the students' weights (teachers' are always kept)."
)
@click.option(
    "--retrain-stale",
    is_flag=True,
    help="Set records that no longer fit the protocol aside, train them again.",
)
@click.option("--retry-failed", is_flag=True, help="Try runs again that failed in an earlier launch.")
@click.option(
    "--until-decided",
    is_flag=True,
    help="Add seeds, one at a time, until every planned comparison is decided (needs --max-seeds).",
)
@click.option(
    "--max-seeds", type=click.IntRange(min=1), metavar="N", help="Seeds at most with --until-decided."
)
@click.option(
    "--slurm",
    metavar="KEY=VALUE,…",
    help="Hand the work to Slurm: partition=gpu,gpus=1,time=4:00:00, also mem, cpus, array (jobs at once), "
    "account, qos, constraint, exclude.",
)
@click.option("--wait", is_flag=True, help="With --slurm: stay until the jobs have ended.")
@click.option("--wandb", is_flag=True, help="Show every run in Weights & Biases; offline when not logged in.")
@wandb_options
def run(
    protocol: Path,
    seeds: str | None,
    smoke: bool,
    only: tuple[str, ...],
    results: Path,
    device: str,
    mode: str,
    jobs: int | None,
    slots: int | None,
    memory: float | None,
    replay: float,
    no_weights: bool,
    retrain_stale: bool,
    retry_failed: bool,
    until_decided: bool,
    max_seeds: int | None,
    slurm: str | None,
    wait: bool,
    wandb: bool,
    wandb_project: str | None,
    wandb_entity: str | None,
) -> None:
    """Train every run of PROTOCOL that has no record yet.

    Finished runs are never trained again; an interrupted command resumes where its last epoch ended. A run
    that fails is named, the others go on, and the exit code is 1; it is tried again with --retry-failed only.
    The same command may run several times at once, on one host or on several: they share the work.

    \b
    rigorkd run protocols/digits.yaml --seeds 5
    rigorkd run protocols/paper.yaml --smoke --seeds 2
    rigorkd run protocols/digits.yaml --only '*/baseline'
    rigorkd run protocols/digits.yaml --until-decided --max-seeds 20
    rigorkd run protocols/paper.yaml --slurm partition=gpu,gpus=1,time=4:00:00
    """
    if memory != memory or replay != replay:
        raise click.UsageError("--memory and --replay are numbers of gigabytes")
    if until_decided != (max_seeds is not None):
        raise click.UsageError("--until-decided and --max-seeds N go together")
    if wait and slurm is None:
        raise click.UsageError("--wait needs --slurm")
    if slurm is not None and (until_decided or wandb):
        raise click.UsageError(
            "--slurm goes without --until-decided, and without --wandb (publish afterwards)"
        )
    from rigorkd.extras import require

    require("train", "rigorkd run")
    from rigorkd.cli.console import SteadyConsole
    from rigorkd.launch.launch import LaunchOptions, launch
    from rigorkd.launch.summary import print_summary
    from rigorkd.protocol.baselines import lone_cells
    from rigorkd.protocol.load import load_protocol
    from rigorkd.protocol.smoke import smoke as shrink
    from rigorkd.records.study import folder_name

    loaded = load_protocol(protocol)
    chosen = seeds_of(seeds, loaded)
    if warning := lone_cells(loaded.cells):
        click.echo(warning, err=True)
    if smoke:
        loaded = shrink(loaded)
    tracker = None
    if wandb:
        tracker = wandb_place(results / folder_name(loaded, mode), wandb_project, wandb_entity)
    elif wandb_project or wandb_entity:
        raise click.UsageError("--wandb-project and --wandb-entity need --wandb")
    console = SteadyConsole()
    options = LaunchOptions(
        seeds=chosen,
        results=results,
        device=device,
        mode=mode,
        jobs=jobs,
        only=only,
        memory_bytes=None if memory is None else int(memory * 1e9),
        save_weights=not no_weights,
        replay_bytes=int(replay * 1e9),
        retrain_stale=retrain_stale,
        retry_failed=retry_failed,
        slots=slots,
        tracker=tracker,
    )
    if max_seeds is not None:
        from rigorkd.cli.until_decided import run_until_decided

        outcome = run_until_decided(loaded, options, console, most=max_seeds, given=seeds is not None)
    elif slurm is not None:
        from rigorkd.launch.slurm.command import launch_on_slurm

        waited_for = launch_on_slurm(loaded, options, slurm, console, wait=wait)
        if waited_for is None:
            return
        outcome = waited_for
    else:
        outcome = launch(loaded, options, console)
    if outcome.trained or outcome.failed:
        print_summary(outcome.study, console)
    else:
        done = count(outcome.already_done, "run")
        console.print(f"nothing to train: all {done} have their record")
    console.print(f"next: rigorkd analyze {shlex.quote(str(outcome.study.path))}")
    if outcome.failed:
        raise _failed(outcome)


def _failed(outcome: Outcome) -> RunsFailedError:
    """The failed runs by name, with what may help."""
    lines = []
    for name, reason in outcome.failed.items():
        lines.append(f"  {name}: {reason}" + " (before; not tried again)" * (name in outcome.failed_before))
    hints = list(dict.fromkeys(hint for reason in outcome.failed.values() if (hint := advice(reason))))
    hints.append(
        "`rigorkd logs RUN` shows more; --retry-failed tries them again"
        " (what needs a diverged run needs another protocol)"
    )
    return RunsFailedError(
        f"{count(len(outcome.failed), 'run')} failed; everything else is finished:\n" + "\n".join(lines),
        hint="\n  ".join(hints),
    )
