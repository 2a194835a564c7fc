"""`rigorkd run`: train what a protocol still misses."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rigorkd.cli.again import OF_ITS_RUNS, SEEDS_BY_SEEDS, run_again
from rigorkd.cli.checked import device_option
from rigorkd.cli.gate import ledger_option, margin_option
from rigorkd.cli.options import (
    aside,
    load_variant,
    only_option,
    results_option,
    seeds_of,
    seeds_option,
    variant_options,
)
from rigorkd.cli.tracking import wandb_options, wandb_place
from rigorkd.errors import InputError, RunsFailedError
from rigorkd.launch.failures import BEFORE, NOT_STARTED, advice, by_reason, once_mended, shows_log
from rigorkd.text import count, fitted

if TYPE_CHECKING:
    from rigorkd_analysis.results import Sequential

    from rigorkd.launch.backends.interface import Backend
    from rigorkd.launch.display import PlainConsole
    from rigorkd.launch.heartbeat import Heartbeat
    from rigorkd.launch.launch import LaunchOptions, Outcome
    from rigorkd.protocol.load import Protocol
    from rigorkd.protocol.schema import Spec

FIRST_SEEDS = 4
"""Of --until-decided: the anytime-valid interval is infinite below four seeds, so nothing can be decided."""


@click.command(short_help="Train what a protocol still misses.")
@click.argument("protocol", type=click.Path(path_type=Path))
@seeds_option
@variant_options
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
@click.option("--keep-going", is_flag=True, help="Go on where the first runs all fail for one reason.")
@click.option(
    "--until-decided",
    is_flag=True,
    help="Train: add seeds, one at a time, until every planned comparison is decided (needs --max-seeds). "
    "`rigorkd analyze --sequential` trains nothing: it judges the seeds that are there by the same verdicts.",
)
@click.option(
    "--gate",
    metavar="CELL",
    help="Run this cell and its base, a seed at a time, until `rigorkd gate` decides (needs --max-seeds). "
    "Its exit code is then the gate's: 0 better, 1 not, 3 undecided.",
)
@click.option(
    "--against", metavar="CELL", help="The base of --gate  [default: the ledger's, else the cell's baseline]"
)
@margin_option
@ledger_option
@click.option(
    "--max-seeds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Seeds at most with --until-decided or --gate.",
)
@click.option(
    "--slurm",
    metavar="KEY=VALUE,…",
    help="Hand the work to Slurm: partition=gpu,gpus=1,time=4:00:00, also mem, cpus, array (jobs at once), "
    "account, qos, constraint, exclude.",
)
@click.option(
    "--backend",
    metavar="NAME[:OPTIONS]",
    help="Who trains: local (default), slurm:KEY=VALUE,… (as --slurm), or what another package brings.",
)
@click.option(
    "--shard",
    metavar="K/N",
    help="Only the K-th of N parts, by seeds, for machines that share no disk; `rigorkd merge` joins them.",
)
@click.option("--trust", is_flag=True, help="Run code and commands that another user wrote.")
@click.option("--wait", is_flag=True, help="With --slurm: stay until the jobs have ended.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but what is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Tell of every run that is done.")
@click.option("--wandb", is_flag=True, help="Show every run in Weights & Biases; offline when not logged in.")
@wandb_options
def run(
    protocol: Path,
    seeds: str | None,
    changes: tuple[str, ...],
    variant: str | None,
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
    keep_going: bool,
    until_decided: bool,
    gate: str | None,
    against: str | None,
    margin: float | None,
    ledger: Path | None,
    max_seeds: int | None,
    slurm: str | None,
    backend: str | None,
    shard: str | None,
    trust: bool,
    wait: bool,
    quiet: bool,
    verbose: bool,
    wandb: bool,
    wandb_project: str | None,
    wandb_entity: str | None,
) -> None:
    """Train every run of PROTOCOL that has no record yet.

    Finished runs are never trained again; an interrupted command resumes where its last epoch ended. A run
    that fails is named, the others go on, and the exit code is 1; it is tried again with --retry-failed only.
    The same command may run several times at once, on one host or on several: they share the work.

    A protocol's own models, terms and commands are programs, and they are executed. Where another user wrote
    them, they are named, and nothing runs without --trust.

    \b
    rigorkd run protocols/digits.yaml --seeds 5
    rigorkd run protocols/paper.yaml --smoke --seeds 2
    rigorkd run protocols/digits.yaml --only '*/baseline'
    rigorkd run protocols/digits.yaml --set training.epochs=2 --study digits-short
    rigorkd run protocols/digits.yaml --until-decided --max-seeds 20
    rigorkd run protocols/digits.yaml --gate main/cnn4/kd-T4-a0.5 --max-seeds 9
    rigorkd run protocols/paper.yaml --slurm partition=gpu,gpus=1,time=4:00:00
    rigorkd run protocols/paper.yaml --shard 2/4
    """
    if memory != memory or replay != replay:
        raise click.UsageError("--memory and --replay are numbers of gigabytes")
    if (until_decided or gate is not None) != (max_seeds is not None) or (until_decided and gate is not None):
        raise click.UsageError("--until-decided or --gate CELL goes together with --max-seeds N")
    if gate is None and any(option is not None for option in (against, margin, ledger)):
        raise click.UsageError("--against, --margin and --ledger need --gate CELL")
    if smoke and ledger is not None:
        raise click.UsageError("smoke runs are no results, and no ledger takes them: leave --ledger out")
    if gate is not None and only:
        raise click.UsageError("--gate runs its two cells; leave --only out")
    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose do not go together")
    if slurm is not None:
        if backend is not None:
            raise click.UsageError("--slurm OPTIONS is --backend slurm:OPTIONS; give one of them")
        backend = f"slurm:{slurm}"
    from rigorkd_analysis.analysis_plan import NO_ANYTIME

    from rigorkd.extras import require
    from rigorkd.launch.backends.interface import find_backend
    from rigorkd.launch.display import SteadyConsole, print_summary
    from rigorkd.launch.failures import read_failures
    from rigorkd.launch.growth import growth_of, way_on
    from rigorkd.launch.heartbeat import starting
    from rigorkd.launch.launch import LaunchOptions, launch
    from rigorkd.launch.own_commands import changed_since_runs, note_own, refuse_foreign_code
    from rigorkd.launch.own_data import own_data
    from rigorkd.launch.planning import protocol_warnings, seeds_warnings, sesoi_warning
    from rigorkd.launch.rehearsal import done_without, rehearse
    from rigorkd.launch.run_states import Shard
    from rigorkd.launch.study_status import gives_up, then_exploratory
    from rigorkd.protocol.load import refuse_misfit
    from rigorkd.protocol.smoke import smoke as shrink
    from rigorkd.records.command_notes import command_notes
    from rigorkd.records.interim import listed_seeds, seeds_for_run
    from rigorkd.records.layout import StudyFolder
    from rigorkd.records.read import added_to, foreseen, looks_ahead, still_asked
    from rigorkd.records.record import read_records
    from rigorkd.records.study import folder_name, note_summary, place_of, read_info, settled_under

    if shard is not None and until_decided:
        raise click.UsageError("--until-decided looks at all seeds, and a --shard has a part of them")
    part = None if shard is None else Shard.parse(shard)
    trainer = find_backend(backend or "local")
    if wait and not trainer.detached:
        raise click.UsageError("--wait needs --slurm")
    if trainer.detached and (until_decided or gate is not None or wandb):
        given = "--backend" if slurm is None else "--slurm"
        raise click.UsageError(
            f"{given} goes without --until-decided and --gate, and without --wandb (publish afterwards)"
        )

    @cache
    def show(study: str) -> Heartbeat | None:
        """From now on `status` sees the launch: what comes before training may take minutes."""
        place = StudyFolder(place_of(results, study, mode, smoke=smoke))
        return click.get_current_context().with_resource(starting(place, trainer.label))

    def settle(spec: Spec) -> int | None:
        show(spec.study)  # all of its images are looked at next
        return settled_under(results, mode, smoke=smoke)(spec)

    loaded = load_variant(protocol, changes, variant, settle)
    me = show(loaded.study)
    refuse_misfit(loaded)
    by_command = any(cell.trainer is not None for cell in loaded.cells)
    if not by_command:
        require("train", "rigorkd run")
    elif mode != "reference":
        raise click.UsageError("--mode is for rigorkd's own training; a command trains in one way")
    if max_seeds is not None and loaded.spec.analysis.test == "unpaired":
        left = "--until-decided" if gate is None else "--gate"
        raise InputError(f"{protocol}: {NO_ANYTIME[0]}", hint=f"leave out {left}, or test: unpaired")
    own_seeds, chosen = loaded.seeds, seeds_of(seeds, loaded)
    refuse_foreign_code(loaded, trust=trust)
    for warning in protocol_warnings(loaded, chosen):
        aside(warning)
    notes: tuple[str, ...] = ()
    if smoke:
        notes = (*done_without(loaded), *rehearse(loaded))
        for note in notes:
            aside(f"note: {note}")
        loaded = shrink(loaded)
    elif not by_command and (own := own_data(loaded, loaded.cells)) is not None:
        if own.use_set_apart:
            aside(f"note: {own.where}: {own.says_unread}")
        for warning in own.warnings():
            aside(f"warning: {warning}")
    tracker = None
    if wandb:
        tracker = wandb_place(results / folder_name(loaded, mode), wandb_project, wandb_entity)
    elif wandb_project or wandb_entity:
        raise click.UsageError("--wandb-project and --wandb-entity need --wandb")
    grown = None
    if not smoke and max_seeds is None:
        place = results / folder_name(loaded, mode)
        for warning in seeds_warnings(place, loaded, chosen):
            aside(warning)
        grown = growth_of(place, chosen, loaded.spec.analysis, looks_ahead(place, loaded).looks)
        if grown is not None:
            aside(grown.says())
    if not smoke:
        place = results / folder_name(loaded, mode)
        ahead = foreseen(place, loaded)
        for note in filter(None, (ahead.says_added(added_to(place, loaded)), *ahead.notes)):
            aside(f"note: {note}")
    console = SteadyConsole()
    console.quiet = quiet
    if part is not None:
        mine = ", ".join(map(str, part.seeds(chosen)))
        console.print(f"shard {shard}: seeds {mine} of {count(len(chosen), 'seed')}")
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
        keep_going=keep_going,
        slots=slots,
        shard=part,
        foresee=True,
        verbose=verbose,
        tracker=tracker,
        wait=wait,
        me=me,
        again=run_again({"only", "shard", *OF_ITS_RUNS, *SEEDS_BY_SEEDS}),
    )
    if by_command:
        note_own(loaded)
        if warning := changed_since_runs(loaded, results / folder_name(loaded, mode)):
            aside(warning)
    code = 0
    if gate is not None:
        from rigorkd.cli.run_gated import GateOptions, run_gated
        from rigorkd.report.gated import Terms

        asked = GateOptions(gate, against, Terms(margin=margin, most=max_seeds), ledger)
        outcome, verdict = run_gated(loaded, options, console, trainer, asked, given=seeds is not None)
        code = 3 if verdict is None else verdict.exit_code
    elif max_seeds is not None:
        outcome = _until_decided(loaded, options, console, trainer, most=max_seeds, given=seeds is not None)
    else:
        outcome = launch(loaded, options, console, trainer)
    if not outcome.ended:
        return
    there = outcome.trained or outcome.already_done
    if there and (outcome.trained or outcome.failed):
        metric = loaded.spec.analysis.metric if by_command else "test_top1"
        seen = print_summary(outcome.study, console, metric, outcome.failed)
        note_summary(outcome.study.path, loaded, metric, seen)
        if by_command:
            records = read_records(outcome.study)
            for note in command_notes(loaded, records):
                console.print(fitted(f"note: {note}", console.file))
            if warning := sesoi_warning(loaded, records):
                aside(warning)
    elif not outcome.failed:
        done = count(outcome.already_done, "run")
        console.print(f"nothing to train: all {done} have their record")
    if part is not None and not outcome.failed:
        console.print(f"shard {shard} is done; `rigorkd merge` makes one study of all {part.of}")
    if there and not outcome.failed:  # else what comes next is what the error says
        study = shlex.quote(str(outcome.study.path))
        judged = f"rigorkd analyze {study}" + " --sequential" * until_decided
        if grown is not None:  # a plain look at all of them would spend the new seeds
            spends = grown.spends(study)
            judged = f"what keeps the error rate: {grown.ways(study)}" + f" ({spends})" * bool(spends)
        elif not smoke and max_seeds is None:
            looks = looks_ahead(outcome.study.path, loaded).looks
            judged = way_on(outcome.study.path, chosen, loaded.spec.analysis, looks, study) or judged
        # What was stale where --only looked says nothing of where it did not.
        first = f"{run_again({'only', 'retrain_stale'})}, for what --only left out; then " if only else ""
        if part is None and (open_ := still_asked(outcome.study.path, chosen)):
            less = gives_up(outcome.study.path, open_)
            every = read_info(outcome.study.path).seeds
            ends = tuple(f"/seed-{seed}" for seed in open_)
            failed_there = any(run.endswith(ends) for run in read_failures(outcome.study))
            same = run_again({"seeds", "only", *OF_ITS_RUNS, *SEEDS_BY_SEEDS})
            more = f"{same} --seeds {seeds_for_run(every)}" + " --retry-failed" * failed_there
            console.print(
                f"note: the study was asked for {count(len(open_), 'seed')} more ({listed_seeds(open_)}), "
                f"which `rigorkd analyze` waits for: `{more}` trains them, `{less}` gives them up"
                f"{then_exploratory(less)}"
            )
        console.print(f"next: {first}{judged}")
    if smoke:
        mend = f", after the {count(len(notes), 'note')} at the top" if notes else ""
        # Some of the protocol's own seeds were enough to rehearse all; others say what is to be trained.
        fewer = {"seeds"} if set(chosen) <= set(own_seeds) else set()
        console.print(f"the real run: {run_again({'smoke', *OF_ITS_RUNS, *fewer})}{mend}")
    if outcome.failed:
        from rigorkd.records.expected import has_own_code

        failed = _failed(outcome, own_code=has_own_code(loaded))
        failed.exit_code = code or failed.exit_code  # a gate without its runs is undecided
        raise failed
    if code:
        click.get_current_context().exit(code)


def _failed(outcome: Outcome, *, own_code: bool) -> RunsFailedError:
    """The failed runs by name, with what may help."""
    told = {
        name: reason + BEFORE * (name in outcome.failed_before) for name, reason in outcome.failed.items()
    }
    lines = [f"  {names}: {reason}" for names, reason in by_reason(told)]
    hints = list(dict.fromkeys(hint for reason in outcome.failed.values() if (hint := advice(reason))))
    held = sum(reason.startswith(NOT_STARTED) for reason in outcome.failed.values())
    if held:
        hints.append(
            "mend it and give the same command again, with --retry-failed unless the protocol or script was"
            " changed; --keep-going starts the others all the same"
        )
    again = "; --retry-failed tries them again (what needs a diverged run needs another protocol)"
    hints.append(f"{shows_log(outcome.study.path)} shows more{again * (not held)}")
    if not held and (mended := once_mended(outcome.trained + outcome.already_done if own_code else 0)):
        hints.append(mended)
    none = "" if outcome.trained or outcome.already_done else "none has finished"
    rest = f"{count(held, 'run')} not started" if held else none or "everything else is finished"
    return RunsFailedError(
        f"{count(len(outcome.failed) - held, 'run')} failed; {rest}:\n" + "\n".join(lines),
        hint="\n  ".join(hints),
    )


def _until_decided(
    protocol: Protocol,
    options: LaunchOptions,
    console: PlainConsole,
    backend: Backend,
    *,
    most: int,
    given: bool,
) -> Outcome:
    """Run seeds, then one more at a time, until all is decided or `most` seeds are done; say why it stopped.

    `options.seeds` are where it starts if they were `given` on the command line, else the first four. Looking
    after every seed is allowed, because each interim analysis is the anytime-valid one, which keeps its level
    at any stopping time. A fixed-n `analyze` afterwards says that it is a repeated look.
    """
    from rigorkd.launch.launch import launch

    seeds = options.seeds if given else tuple(range(min(FIRST_SEEDS, most)))
    if len(seeds) > most:
        raise InputError(
            f"--max-seeds {most}: fewer than the {count(len(seeds), 'seed')} to start from",
            hint="raise --max-seeds or give fewer --seeds",
        )
    while True:
        outcome = launch(protocol, replace(options, seeds=seeds), console, backend)
        if outcome.failed:
            return outcome
        found = _look(outcome)
        undecided = [one.name for one in found.comparisons if one.decided_at is None]
        done = len(found.comparisons) - len(undecided)
        console.print(
            f"after {count(len(seeds), 'seed')}: {done} of {len(found.comparisons)} comparisons decided",
        )
        if found.decided or len(seeds) >= most:
            _say_why(console, found, undecided, len(seeds))
            return outcome
        seeds = (*seeds, max(seeds) + 1)


def _look(outcome: Outcome) -> Sequential:
    """The anytime-valid analysis of the study as it is now; the look is noted."""
    from rigorkd_analysis.whole_analysis import until_decided

    from rigorkd.records.interim import note_interim_analysis
    from rigorkd.records.study import looks_since
    from rigorkd.report.rows import located
    from rigorkd.report.sources import from_study

    source = from_study(outcome.study.path)
    with located(source.where):
        found = until_decided(source.table, source.on_its_images(source.plan)[0])
    metric = source.plan.metric or "test_top1"
    seeds, n = source.judged_seeds, source.complete_seeds
    since = looks_since(outcome.study.path)
    note_interim_analysis(outcome.study.path, seeds, metric, n, training=True, since=since)
    return found


def _say_why(console: PlainConsole, found: Sequential, undecided: list[str], n: int) -> None:
    kind = "planned" if found.planned else "exploratory"
    for one in found.comparisons:
        console.print(f"  {one.says}")
    if found.decided:
        console.print(f"stopped after {count(n, 'seed')}: every {kind} comparison is decided")
    else:
        console.print(
            f"stopped at --max-seeds {n}: {count(len(undecided), f'{kind} comparison')} still undecided",
        )
