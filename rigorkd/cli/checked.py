"""Options that are checked before any work is done, so that a slip costs no waiting."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rigorkd.errors import InputError


def _device(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Refuse a misspelt device before anything is done; whether it is there is seen when it is needed."""
    if value not in ("auto", "cpu", "cuda") and not value.removeprefix("cuda:").isdecimal():
        raise click.BadParameter(f"{value!r} is none of auto, cpu, cuda and cuda:<index>.")
    return value


def device_option(help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--device`, checked for its spelling."""
    return click.option("--device", default="auto", show_default=True, callback=_device, help=help)


def folder_for(target: Path) -> None:
    """Refuse a folder, there or still to be made, where a file lies in its way."""
    there = next(parent for parent in (target, *target.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise InputError(f"{there}: a file lies where a folder is needed", hint="name another folder")


def own_study(folder: Path | None, option: str) -> None:
    """Refuse to write into the study of somebody else; `option` names another place. None is no study."""
    from rigorkd.records.untrusted import is_own

    if folder is not None and not is_own(folder):
        raise InputError(
            f"{folder}: belongs to another user, and nothing is written into somebody else's study",
            hint=option,
        )


def free_for_writing(target: Path, *, folder: bool = False) -> None:
    """Refuse a file (or folder) that cannot be written, before the work whose result it would take."""
    if folder and target.exists() and not target.is_dir():
        raise InputError(f"{target}: a file lies where a folder is needed", hint="name another folder")
    if not folder and target.is_dir():
        raise InputError(f"{target}: this is a folder", hint=f"name a file, such as {target / 'report.html'}")
    there = next(parent for parent in (target, *target.absolute().parents) if parent.exists())
    if there != target and not there.is_dir():
        raise InputError(f"{there}: a file lies where a folder is needed", hint="name another folder")
    place = there if there.is_dir() else there.parent
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError(f"{target}: {place} cannot be written", hint="name another place with --out")
