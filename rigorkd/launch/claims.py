"""Who trains what, when several launchers share a study.

A claim on a run is the file `.claims/<run>/<n>`, n = 1, 2, …; the highest one counts. It is a hard link to
its holder's `holder.json`, since making a link is exclusive everywhere, on NFS too. Whoever finds the highest
claim's holder dead or gone makes the next one; of several who try, one succeeds. Claims are never taken back
or renamed while they count, so no launcher can remove another's by mistake: a launcher gives up all it holds
by leaving. A run that has its record needs no claim, and loses them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from rigorkd.launch.presence import Holder, Presence, Witness, read_holder
from rigorkd.records.layout import StudyFolder

STUDY = ".study"
"""The name of the claim that guards the study itself, while one launcher changes what all of them share."""

_POLL = 0.05


class Claims:
    """The claims of one launcher (`me`) on the runs of a study."""

    def __init__(self, study: StudyFolder, me: Presence, witness: Witness) -> None:
        self.study, self.me, self.witness = study, me, witness

    def take(self, run: str) -> bool:
        """Claim a run; whether it is ours now (or was before)."""
        return self._take(self.study.claims(run)) is not None

    def holder(self, run: str) -> Holder | None:
        """The launcher that holds a run and may be alive."""
        folder = self.study.claims(run)
        highest = _highest(folder)
        return self._living_holder(folder, highest) if highest else None

    @contextlib.contextmanager
    def whole_study(self) -> Iterator[None]:
        """Hold the study itself for a moment; waits for a living launcher that does, not for a dead one."""
        folder = self.study.claims(STUDY)
        while (mine := self._take(folder)) is None:
            time.sleep(_POLL)
        try:
            for path in folder.iterdir():  # what is below ours counts for nobody
                if path.name.isdecimal() and int(path.name) < mine:
                    _given_back(path).unlink(missing_ok=True)
                    path.unlink(missing_ok=True)
            yield
        finally:
            with contextlib.suppress(OSError):
                _given_back(folder / str(mine)).touch()

    def drop(self, runs: Iterable[str]) -> None:
        """Remove all claims on runs that have their record: whoever claims one now will see the record."""
        for run in runs:
            shutil.rmtree(self.study.claims(run), ignore_errors=True)

    def _take(self, folder: Path) -> int | None:
        """Make the next claim in a folder of claims; its number if the highest is ours now."""
        highest = _highest(folder)
        if highest:
            path = folder / str(highest)
            if self._is_mine(path) and not _given_back(path).exists():
                return highest
            if self._living_holder(folder, highest) is not None:
                return None
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / str(highest + 1)
        if not self._link(target):
            return None
        # A listing that was out of date may have hidden higher claims: then this one counts for nothing.
        return highest + 1 if _highest(folder) == highest + 1 else None

    def _link(self, target: Path) -> bool:
        """Make a claim file, exclusively; whether it is ours."""
        if not self.me.holder_json.exists():
            self.me.appear()
        try:
            os.link(self.me.holder_json, target)
        except FileExistsError:
            return self._is_mine(target)  # NFS may answer so to a repeated request that had succeeded
        except FileNotFoundError:
            return False  # the claims were dropped, or this launcher was buried: look again later
        except OSError:  # no hard links here: the next best, which a reader may meet half-written
            try:
                with target.open("xb") as file:
                    file.write(self.me.holder_json.read_bytes())
            except (FileExistsError, FileNotFoundError):
                return False
        return True

    def _is_mine(self, path: Path) -> bool:
        holder = read_holder(path, self.study)
        return holder is not None and holder.id == self.me.holder.id

    def _living_holder(self, folder: Path, number: int) -> Holder | None:
        path = folder / str(number)
        if _given_back(path).exists():
            return None
        holder = read_holder(path, self.study)
        return holder if holder is not None and self.witness.alive(holder) else None


def _highest(folder: Path) -> int:
    """The number of the highest claim, 0 if there is none."""
    try:
        return max((int(path.name) for path in folder.iterdir() if path.name.isdecimal()), default=0)
    except FileNotFoundError:
        return 0


def _given_back(path: Path) -> Path:
    return path.with_name(path.name + ".free")
