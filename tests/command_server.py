"""Answers the tests' commands: it has imported what they import, and forks for each of them.

Its arguments are a socket that listens, and names of models, whose libraries the commands will need as well.

A command then takes what it does, not seconds of imports; and the server that forks workers is started once
for all. The process of a test cannot fork so: it has threads. All processes that test ask the same one.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from multiprocessing import forkserver
from types import ModuleType
from typing import Any, NoReturn, TextIO, cast

import rigorkd_analysis

from rigorkd import readers, report
from rigorkd.cli.main import COMMANDS, main
from rigorkd.launch.processes import begin_server

# What they import when they are at it: these, and all of the packages that read, judge and show.
AT_WORK = (
    *("pandas", "scipy.optimize", "scipy.stats", "statsmodels.stats.multitest", "jinja2", "rich.progress"),
    *("matplotlib.figure", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_pdf"),
    *("fontTools.subset", "wandb", "requests"),
    *("rigorkd.launch.launch", "rigorkd.launch.planning", "rigorkd.launch.preload", "rigorkd.launch.rerun"),
    *("rigorkd.launch.rehearsal", "rigorkd.launch.study_status"),
)
WHOLE = (readers, report, rigorkd_analysis)


def serve(listener: socket.socket, models: list[str]) -> None:
    """Tell of every line the id of its process, then the exit code of that, while somebody asks."""
    begin_server("cpu", models)
    commands = (entry.target.partition(":")[0] for entry in COMMANDS.values())
    whole = (
        found.name for each in WHOLE for found in pkgutil.walk_packages(each.__path__, f"{each.__name__}.")
    )
    libraries = ("timm", "rigorkd.models.torchvision_models") if models else ()
    for module in (*commands, *AT_WORK, *whole, *libraries):
        if importlib.util.find_spec(module.partition(".")[0]):
            importlib.import_module(module)
    # It is no child of the forks, which cannot wait for it, and it lives as long as this process.
    forkserver.ensure_running = vars(forkserver._forkserver)["ensure_running"] = lambda: None
    sys.modules["__main__"] = ModuleType("__main__")  # which workers would import
    gc.freeze()  # a collection in a fork would copy its pages
    askers: dict[socket.socket, TextIO] = {}
    running: dict[int, tuple[int, socket.socket]] = {}  # by the file descriptor of a process
    with selectors.DefaultSelector() as waiting:
        waiting.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in waiting.select():
                if key.fileobj is listener:
                    asker = listener.accept()[0]
                    askers[asker] = asker.makefile("r")
                    waiting.register(asker, selectors.EVENT_READ)
                elif isinstance(key.fileobj, int):
                    waiting.unregister(key.fileobj)
                    end(*running.pop(key.fileobj))
                    os.close(key.fileobj)
                elif line := askers[asker := cast(socket.socket, key.fileobj)].readline():
                    if not (child := os.fork()):
                        for each in (listener, *askers.values(), *askers):
                            each.close()
                        for descriptor in running:
                            os.close(descriptor)
                        waiting.close()
                        become(json.loads(line))
                    asker.sendall(f"{child}\n".encode())
                    running[descriptor := os.pidfd_open(child)] = (child, asker)
                    waiting.register(descriptor, selectors.EVENT_READ)
                else:
                    waiting.unregister(asker)
                    askers.pop(asker).close()
                    asker.close()
            if not askers and not waiting.select(0):
                return


def end(child: int, asker: socket.socket) -> None:
    """Tell who asked that its process has ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):  # it did not wait for that
        asker.sendall(f"{code}\n".encode())


def become(request: dict[str, Any]) -> NoReturn:
    """Be the process of a command from here on."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(request["stdout"], os.O_WRONLY | os.O_CREAT, 0o600), 1)
    os.dup2(os.open(request["stderr"], os.O_WRONLY | os.O_CREAT, 0o600), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off for the tests
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["program"] or "rigorkd", *request["line"]]
    try:
        if request["program"]:
            sys.path[:0] = os.environ.get("PYTHONPATH", "").split(os.pathsep)
            runpy.run_path(request["program"], run_name="__main__")
        else:
            main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else error.code is not None
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking down all that was imported would take as long as many a command


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
