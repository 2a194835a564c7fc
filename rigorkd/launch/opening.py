"""What a launcher does to the study that all launchers share, one at a time, before it trains.

Sweep what the dead have left, set damaged and stale records aside, note the protocol and its seeds.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from rigorkd.errors import StoreError
from rigorkd.files import set_aside, sweep_temporary
from rigorkd.launch.claims import Claims
from rigorkd.launch.elsewhere import has_record
from rigorkd.launch.failures import forget_failure
from rigorkd.launch.inventory import Inventory, State, take_inventory
from rigorkd.launch.options import LaunchOptions
from rigorkd.launch.presence import Holder, Witness, at_work
from rigorkd.protocol.load import Protocol
from rigorkd.records.expected import StartFile
from rigorkd.records.integrity import Damage, Intact, weights_gone
from rigorkd.records.layout import StudyFolder
from rigorkd.records.study import is_study, read_info, register
from rigorkd.text import count


@dataclass(frozen=True)
class Opening:
    """What a launch needs to open its study; `intact` knows which files were found whole."""

    protocol: Protocol
    options: LaunchOptions
    study: StudyFolder
    files: Mapping[str, StartFile]
    intact: Intact

    def inventory(self, witness: Witness | None = None) -> Inventory:
        """What is there of what was asked for; the `witness` says who still trains."""
        return take_inventory(
            self.protocol,
            self.options.seeds,
            self.study,
            self.options.mode,
            self.files,
            self.options.only,
            self.options.only_runs,
            witness,
            self.options.numerics,
        )

    def is_complete(self, inventory: Inventory) -> bool:
        """Whether every run has a record that can be believed."""
        return inventory.count(State.DONE) == len(inventory.expected) and not self._damaged(inventory)

    def refuse_stale(self, inventory: Inventory) -> None:
        """StoreError if there are stale records and they are not to be retrained."""
        if inventory.stale and not self.options.retrain_stale:
            raise StoreError(_stale_message(self.study, inventory))

    def open(self, claims: Claims, console: Console) -> Inventory:
        """Make the study ready to train into; what is there afterwards."""
        with claims.whole_study():
            others = self._sweep(claims)
            inventory = self.inventory(claims.witness)
            self.refuse_stale(inventory)
            changed = self._set_damaged_aside(inventory, console)
            changed |= self._set_stale_aside(inventory, others, claims)
            if self.options.retry_failed:
                for name in inventory.failures:
                    forget_failure(self.study, name)
                changed |= bool(inventory.failures)
            if changed:
                inventory = self.inventory(claims.witness)
            self._drop_leftovers(claims, inventory.records)
            if not self._is_known_part():
                register(
                    self.study.path,
                    self.protocol,
                    self.options.seeds,
                    self.options.mode,
                    self.files,
                    self.options.numerics,
                )
            claims.me.begin_work()
        if gone := weights_gone(inventory.records.values()):
            console.print(
                f"the weights of {count(len(gone), 'student')} were deleted, first {gone[0]};"
                " their records stand without",
                highlight=False,
                markup=False,
            )
        return inventory

    def _is_known_part(self) -> bool:
        """Whether this does a part of what the study knows: an older text is not to become the newest."""
        path = self.study.path
        part = self.options.only_runs is not None
        return part and is_study(path) and self.protocol.text_hash in read_info(path).protocols

    def is_swept(self) -> bool:
        """Whether no launcher has left anything behind, or is at work."""
        return not any(self.study.launchers.glob("*"))

    def close(self, claims: Claims, runs: Iterable[str]) -> None:
        """Leave nothing of these runs behind; nor, if this launcher is the last one here, of the dead."""
        self.intact.save()
        self._drop_leftovers(claims, [name for name in runs if has_record(self.study, name)])
        if len(list(self.study.launchers.glob("*"))) > 1:
            with contextlib.suppress(OSError), claims.whole_study():  # what ended the launch is told instead
                self._sweep(claims)

    def _drop_leftovers(self, claims: Claims, done: Collection[str]) -> None:
        """Remove claims and checkpoints of runs that have their record: a worker may have died in between."""
        claims.drop(done)
        for name in done:
            shutil.rmtree(self.study.checkpoint(name).parent, ignore_errors=True)

    def _sweep(self, claims: Claims) -> list[Holder]:
        """Remove what the dead have left, unless somebody else is here; the others that are."""
        others = [one for one in claims.witness.launchers() if one.id != claims.me.holder.id]
        if not others:
            # A launcher that is just starting, or a report, may be writing other things than these.
            for folder in self.study.path.iterdir():
                if folder.is_dir() and not folder.name.startswith("."):
                    sweep_temporary(folder, "seed-")
            for path in self.study.path.glob(f".{self.study.study_json.name}.*.tmp"):
                path.unlink()
            sweep_temporary(self.study.path / ".work")
            sweep_temporary(self.study.protocols)
            self.study.unswept.unlink(missing_ok=True)
            claims.witness.bury()
        return others

    def _damaged(self, inventory: Inventory) -> list[Damage]:
        """The records that cannot be believed. A stale one is stale, whatever else is wrong with it."""
        stale = {entry.run for entry in inventory.stale}
        found = [
            damage
            for name, record in inventory.records.items()
            if name not in stale and (damage := self.intact.damage(record))
        ]
        return [*inventory.damaged, *found]

    def _set_damaged_aside(self, inventory: Inventory, console: Console) -> bool:
        damaged = self._damaged(inventory)
        for entry in damaged:
            place = set_aside(self.study.run(entry.run), self.study.damaged, entry.run)
            console.print(
                f"damaged {entry.run}: {entry.reason}; set aside in {place}, to be trained again",
                highlight=False,
                markup=False,
            )
        return bool(damaged)

    def _set_stale_aside(self, inventory: Inventory, others: Sequence[Holder], claims: Claims) -> bool:
        if not inventory.stale:
            return False
        if living := claims.witness.proven(other for other in others if at_work(self.study, other)):
            raise StoreError(
                f"{self.study.path}: --retrain-stale while another launcher is at work ({living[0].says})",
                hint="wait until it has ended (`rigorkd status --watch`), then run this again",
            )
        for entry in inventory.stale:
            set_aside(self.study.run(entry.run), self.study.stale, entry.run)
        return bool(inventory.stale)


def _stale_message(study: StudyFolder, inventory: Inventory) -> str:
    verb = "fits" if len(inventory.stale) == 1 else "fit"
    shown = [f"  {entry.run}: {entry.reason}" for entry in inventory.stale[:5]]
    if len(inventory.stale) > 5:
        shown.append(f"  … and {len(inventory.stale) - 5} more")
    return (
        f"{study.path}: {count(len(inventory.stale), 'record')} no longer {verb} the protocol:\n"
        + "\n".join(shown)
        + "\n  change the protocol back, give the study another name, or set these records aside and train"
        + " again with --retrain-stale"
    )
