"""Weights & Biases: one W&B run per run, offline when nobody is logged in. The only file that imports wandb.

It never asks for a login, saves no code, and records neither the machine nor its environment: what a reader
needs of these is in the record. Many runs are open at once, as a cohort trains many students.
"""

from __future__ import annotations

import hashlib
import netrc
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rigorkd.errors import InputError
from rigorkd.extras import is_installed
from rigorkd.track.tracker import Card, Row

FORBIDDEN = "/\\#?%:"
"""Characters that no W&B project has in its name."""
LONGEST_GROUP = 128
"""W&B refuses longer group names."""
INIT_TIMEOUT, FINISH_TIMEOUT = 30.0, 60.0
"""Seconds to wait for the server when a run is opened, and when it ends."""


@dataclass(frozen=True)
class WandbPlace:
    """Where runs go. `folder` takes W&B's own files; project and entity None are W&B's defaults."""

    folder: Path
    project: str
    entity: str | None = None

    def __call__(self) -> WandbTracker:
        return WandbTracker(self)


def require_wandb() -> None:
    """InputError if wandb cannot be imported."""
    if not is_installed("wandb"):
        raise InputError(
            "Weights & Biases is not installed", hint="install it (pip install wandb), or leave --wandb out"
        )


def wandb_mode(environ: Mapping[str, str] = os.environ) -> str:
    """`online` or `offline`: WANDB_MODE if it is set, else online only for somebody who is logged in.

    Raises InputError if WANDB_MODE switches W&B off, since a run that is asked for would go nowhere.
    """
    asked = environ.get("WANDB_MODE", "").strip().lower()
    if asked in ("online", "run", "shared"):
        return "online"
    if asked in ("offline", "dryrun"):
        return "offline"
    if asked:
        raise InputError(
            f"WANDB_MODE is {asked!r}, so nothing would be tracked", hint="unset it, or set online or offline"
        )
    return "online" if _logged_in(environ) else "offline"


def _logged_in(environ: Mapping[str, str]) -> bool:
    if environ.get("WANDB_API_KEY") or environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    for path in (environ.get("NETRC"), "~/.netrc", "~/_netrc"):
        if path and Path(path).expanduser().is_file():
            try:
                return netrc.netrc(Path(path).expanduser()).authenticators(host) is not None
            except (OSError, netrc.NetrcParseError):
                return False
    return False


class WandbTracker:
    """Opens W&B runs."""

    def __init__(self, place: WandbPlace) -> None:
        require_wandb()
        self._place = place
        self.offline = wandb_mode() == "offline"
        place.folder.mkdir(parents=True, exist_ok=True)
        where = f"{place.entity}/{place.project}" if place.entity else place.project
        self.destination = f"wandb ({'offline' if self.offline else 'online'}): {where}"

    def open(self, card: Card) -> WandbRun:
        """Start a W&B run, or go on with the one of this id that the server has."""
        import wandb

        run = wandb.init(
            project=self._place.project,
            entity=self._place.entity,
            id=card.id,
            name=card.name,
            group=_short(card.group, LONGEST_GROUP),
            job_type=card.job_type,
            tags=[_short(tag, 64) for tag in card.tags],
            config=dict(card.config),
            dir=str(self._place.folder),
            mode="offline" if self.offline else "online",
            resume=None if self.offline else "allow",
            reinit="create_new",
            settings=_settings(),
        )
        return WandbRun(run, offline=self.offline)

    def close(self) -> None:
        """Stop W&B's service process."""
        import wandb

        wandb.teardown()


class WandbRun:
    """An open W&B run. The step is the epoch, so that a resumed run ignores what it has already."""

    def __init__(self, run: Any, *, offline: bool) -> None:
        self._run, self._offline = run, offline
        self._shown = int(run.step) - 1  # of a resumed run, the last epoch that the server has

    def log(self, row: Row) -> None:
        epoch = int(row["epoch"] or 0)
        if epoch > self._shown:
            self._run.log({name: value for name, value in row.items() if value is not None}, step=epoch)
            self._shown = epoch

    def finish(self, config: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        self._run.config.update(dict(config), allow_val_change=True)
        self._run.summary.update(dict(summary))
        self._run.finish(exit_code=0)

    def abandon(self) -> None:
        """Online, W&B shows the run as failed until its record is published; offline, nothing is kept."""
        folder = Path(self._run.settings.sync_dir)
        self._run.finish(exit_code=1)
        if self._offline:
            shutil.rmtree(folder, ignore_errors=True)


def _settings() -> Any:
    """Silent, and nothing about the machine; older versions of wandb lack some of these."""
    import wandb

    wanted = {
        "silent": True,
        "console": "off",
        "disable_git": True,
        "disable_code": True,
        "save_code": False,
        "x_disable_stats": True,
        "x_disable_meta": True,
        "x_disable_machine_info": True,
        "x_save_requirements": False,
        "init_timeout": INIT_TIMEOUT,
        "finish_timeout": FINISH_TIMEOUT,
        "finish_timeout_raises": True,
    }
    known = wandb.Settings.model_fields
    return wandb.Settings(**{name: value for name, value in wanted.items() if name in known})


def _short(text: str, most: int) -> str:
    """The text, or as much of it as fits with a hash that keeps it apart from others."""
    if len(text) <= most:
        return text
    return f"{text[: most - 13]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
