"""The options of every command that sends something to Weights & Biases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rigorkd_analysis.results import Analysis

    from rigorkd.track.wandb_tracker import WandbPlace


def wandb_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--wandb-project` and `--wandb-entity`."""
    for option in (
        click.option("--wandb-entity", metavar="NAME", help="W&B user or team  [default: W&B's own]"),
        click.option("--wandb-project", metavar="NAME", help="W&B project  [default: the study's name]"),
    ):
        command = option(command)
    return command


def wandb_place(study: Path, project: str | None, entity: str | None) -> WandbPlace:
    """Where the runs of a study go. InputError if wandb is not there, or is switched off."""
    import os

    from rigorkd.errors import InputError
    from rigorkd.track.ledger import FOLDER
    from rigorkd.track.wandb_tracker import FORBIDDEN, WandbPlace, require_wandb, wandb_mode

    require_wandb()
    wandb_mode()
    project = project or os.environ.get("WANDB_PROJECT") or study.name
    entity = entity or os.environ.get("WANDB_ENTITY") or None
    for what, name in (("project", project), ("entity", entity or "")):
        if len(name) > 128 or set(name) & set(FORBIDDEN):
            raise InputError(
                f"{name!r} cannot be a W&B {what}", hint=f"at most 128 characters, none of {FORBIDDEN}"
            )
    return WandbPlace(study.absolute() / FOLDER, project, entity)


def saved_report(
    study: Path | None, analysis: Analysis, project: str | None, entity: str | None, asked: str
) -> str:
    """Make the W&B Report of a study and save it; its address. `study` is None for a CSV.

    `asked` stands behind `rigorkd analyze` to ask the same again.
    """
    from rigorkd.errors import InputError
    from rigorkd.report.wandb_report import build, default_entity, save
    from rigorkd.track.wandb_tracker import wandb_mode

    if study is None:
        raise InputError(
            "a W&B Report shows the runs of a study, and a CSV has none there", hint="name a study's folder"
        )
    place = wandb_place(study, project, entity)
    if wandb_mode() == "offline":
        raise InputError(
            "a W&B Report lives on W&B's server, and nobody is logged in",
            hint="log in (wandb login); without W&B, `rigorkd report` writes one HTML page",
        )
    entity = place.entity or default_entity()
    return save(build(analysis, project=place.project, entity=entity, asked=asked))
