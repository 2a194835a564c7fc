"""The `rigorkd` command: a lazy click group and the one place where errors become exit codes.

A command's module is imported only when that command runs, so `rigorkd --help` and the commands that do not
train start without torch.
"""

from __future__ import annotations

import errno
import gc
import importlib
import io
import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import NoReturn

import click

from rigorkd import __version__
from rigorkd.errors import RigorkdError


@dataclass(frozen=True)
class Entry:
    """Where a command lives (`module:attribute`) and its line in `rigorkd --help`."""

    target: str
    summary: str


COMMANDS = {
    "run": Entry("rigorkd.cli.run:run", "Train what a protocol still misses."),
    "plan": Entry("rigorkd.cli.plan:plan", "Show cells, runs, cost and detectable gains; train nothing."),
    "status": Entry("rigorkd.cli.status:status", "Show how far a study is, also while it runs."),
    "logs": Entry("rigorkd.cli.logs:logs", "Show the log of a run, or of its failed worker."),
    "verify": Entry("rigorkd.cli.verify:verify", "Hash every record again; repeat runs, compare their bits."),
    "remove": Entry("rigorkd.cli.remove:remove", "Set runs aside, to count no more; put them back."),
    "merge": Entry("rigorkd.cli.merge:merge", "Make one study of parts that several machines have trained."),
    "gc": Entry("rigorkd.cli.gc:gc", "Delete what no run needs any more: weights, logs, checkpoints."),
    "export": Entry("rigorkd.cli.export:export", "Pack a study as one archive to cite and to verify."),
    "analyze": Entry("rigorkd.cli.analyze:analyze", "Say which differences are real."),
    "gate": Entry("rigorkd.cli.gate:gate", "Say by its exit code whether a candidate is better."),
    "import": Entry(
        "rigorkd.cli.import_results:import_results", "Write results from elsewhere as one tidy table."
    ),
    "table": Entry(
        "rigorkd.cli.table:table", "Print the runs of a study, or its results as a table for a paper."
    ),
    "report": Entry("rigorkd.cli.report:report", "Write one HTML page for people who did not run the study."),
    "figures": Entry("rigorkd.cli.figures:figures", "Write the figures of a study as SVG and PDF."),
    "audit": Entry("rigorkd.cli.audit:audit", "Say what a published table of one seed supports."),
    "compare": Entry("rigorkd.cli.compare:compare", "Say whether studies, or a published table, agree."),
    "publish": Entry("rigorkd.cli.publish:publish", "Send finished records to Weights & Biases."),
    "power": Entry("rigorkd.cli.power:power", "Compute detectable effects and seeds needed."),
}


ELSEWHERE = {
    "train fit start launch resume continue restart": "`rigorkd run PROTOCOL` trains what is missing",
    "stop kill cancel pause": "Ctrl-C stops a run; the same command goes on",
    "delete rm del clean clear reset prune": "`rigorkd remove` sets runs aside, `rigorkd gc` frees the disk",
    "list ls ps studies info": "`rigorkd status` says how far a study is; each is a folder under results/",
    "show view results evaluate eval test judge": "`rigorkd analyze` and `rigorkd report` say what holds",
    "split divide partition": "`split:` of a protocol divides images; its group_by keeps patients apart",
    "init new create setup": "a protocol is a file that you write; `rigorkd plan FILE` checks it",
    "plot graph chart draw": "`rigorkd figures` writes the figures",
    "help man": "`rigorkd --help` lists the commands, `rigorkd COMMAND --help` explains one",
    "version": "`rigorkd --version` says it",
}
"""What other tools call their commands, and what there is here instead."""


class LazyGroup(click.Group):
    """A click group that imports a command's module on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, attribute = entry.target.split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from rigorkd.text import nearest

            word = args[0].casefold()
            if instead := next((text for words, text in ELSEWHERE.items() if word in words.split()), ""):
                ctx.fail(f"no command {args[0]!r}: {instead}")
            hint = nearest(args[0], COMMANDS)
            ctx.fail(f"no command {args[0]!r}" + (f"; did you mean {hint!r}?" if hint else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rigorkd")
def cli() -> None:
    """Which knowledge-distillation gains are real?

    \b
    rigorkd run protocols/digits.yaml --seeds 5     trains what is missing
    rigorkd analyze                                 says which gains hold
    """
    if any(name.startswith("RIGORKD_") for name in os.environ):
        from rigorkd.text import misspelt_variables

        for warning in misspelt_variables():
            click.echo(f"warning: {warning}", err=True)


def main() -> None:
    """Entry point: run the command line, turn every foreseen error into one message and an exit code."""
    _open_standard_streams()
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # As Ctrl-C from the start, not only once workers train: starting takes long where torch is imported.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.set_threshold(50_000, 20, 20)  # looking for cycles as often as usual takes a tenth of a command's time
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without α and ± still gets its table
    try:
        code = cli.main(standalone_mode=False)  # click returns the code of an Exit, None of a plain end
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and (said := _of_the_protocol(error)):
            error = click.UsageError(f"{error.format_message()}{said}", error.ctx)
        _show(error)
        sys.exit(2)
    except RigorkdError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted; finished work is kept, the same command resumes")
        sys.exit(130)
    except BrokenPipeError:  # `rigorkd table | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in _STORE_TROUBLE:
            _crash()
        _say(f"{error.filename or 'the file system'}: {_STORE_TROUBLE[error.errno]}")
        sys.exit(2)
    except MemoryError:
        _say("there is not enough memory for this; give it less to read, or take a machine with more")
        sys.exit(2)
    except Exception:
        _crash()
    if isinstance(code, int):
        sys.exit(code)


def _of_the_protocol(error: click.NoSuchOption) -> str:
    """Where an option is a key of the protocol, how a command changes that."""
    if error.ctx is None or error.ctx.command.name not in ("run", "plan"):
        return ""
    from rigorkd.protocol.schema import SGD, AdamW, Training

    key = error.option_name.lstrip("-").replace("-", "_")
    optimizer = {*AdamW.model_fields, *SGD.model_fields}
    for section, keys in (("training", {*Training.model_fields}), ("training.optimizer", optimizer)):
        if key in keys:
            return f" That is a key of the protocol: --set {section}.{key}=… --study NAME makes a variant."
    return ""


def _show(error: click.ClickException) -> None:
    """What click says of an error, wrapped on a terminal."""
    from rigorkd.text import fitted

    text = io.StringIO()
    error.show(text)
    click.echo(fitted(text.getvalue(), sys.stderr).rstrip("\n"), err=True)


def _crash() -> NoReturn:
    """An error that nobody foresaw ends with 70 (EX_SOFTWARE), which nothing else does.

    Python's own code for it, 1, is an answer here (a gate's "not", runs that failed), and 2 is bad input.
    """
    import traceback

    traceback.print_exc()
    sys.exit(os.EX_SOFTWARE)


def _open_standard_streams() -> None:
    """Put /dev/null where a standard stream was closed: the next file to be opened would take its place.

    Here, and in every process that this one starts.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
            os.set_inheritable(opened, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


_STORE_TROUBLE = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EACCES: "permission denied; choose another folder or mend its permissions",
    errno.EPERM: "not permitted; choose another folder or mend its permissions",
    errno.ENOTDIR: "a file lies where a folder is needed; choose another folder",
    errno.EEXIST: "a file lies where a folder is needed; choose another folder",
    errno.EISDIR: "a folder lies where a file is needed; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ELOOP: "a symbolic link leads back to itself; mend or remove it",
    errno.EROFS: "the file system is read-only; choose another folder with --results",
}


def _say(message: str) -> None:
    from rigorkd.text import fitted, printable

    click.echo(fitted(f"error: {printable(message)}", sys.stderr), err=True)
