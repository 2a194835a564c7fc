#!/usr/bin/env python
"""The licences of everything that rigorkd installs, and of what that needs in turn.

    scripts/licences.py            # of rigorkd and all extras that are installed here
    scripts/licences.py --check    # exit code 1 for a licence that is not known, or that would bind rigorkd

Read from what the packages say of themselves, so it needs no network.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BINDING = re.compile(r"\b(?<!L)(A?GPL|GNU (Affero )?General Public|SSPL|CC-BY-NC|BUSL)", re.IGNORECASE)
"""Licences whose terms would reach rigorkd itself, which is Apache-2.0; the Lesser GPL's do not."""
NOBODY = "not said"
KNOWN = {"cuda-toolkit": "LicenseRef-NVIDIA-Proprietary"}
"""What packages that say nothing are under; read on their pages."""


@dataclass(frozen=True)
class Package:
    """A package that is installed, and the licence that it names."""

    name: str
    version: str
    licence: str

    @property
    def is_fine(self) -> bool:
        choices = re.split(r"\bOR\b", self.licence)
        return self.licence != NOBODY and not all(BINDING.search(choice) for choice in choices)


def licence_of(found: Distribution) -> str:
    """What a package says: the expression, else the classifiers, else the first line of the text."""
    said = found.metadata
    if expression := said.get("License-Expression"):
        return str(expression)
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in said.get_all("Classifier") or ()
        if text.startswith("License ::") and not text.endswith("OSI Approved")
    ]
    if classifiers:
        return " OR ".join(classifiers)
    first = next((line.strip() for line in (said.get("License") or "").splitlines() if line.strip()), "")
    return first[:60] or KNOWN.get(canonicalize_name(said["Name"]), NOBODY)


def installed(name: str) -> Iterator[Package]:
    """The packages that one needs, directly or not, with those of its extras that are installed."""
    waiting, seen = [(name, frozenset[str]())], set[tuple[str, frozenset[str]]]()
    named: set[str] = set()
    while waiting:
        wanted, extras = waiting.pop()
        key = (canonicalize_name(wanted), extras)
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(wanted)
        except PackageNotFoundError:
            continue
        if wanted == name:
            extras = frozenset(found.metadata.get_all("Provides-Extra") or ())
        elif key[0] not in named:
            named.add(key[0])
            yield Package(key[0], found.version, licence_of(found))
        for text in found.requires or ():
            need = Requirement(text)
            if need.name != name and any(
                need.marker is None or need.marker.evaluate({"extra": extra}) for extra in (*extras, "")
            ):
                waiting.append((need.name, frozenset(need.extras)))


def main() -> int:
    """List the licences; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="fail for what is not known, or binds")
    options = parser.parse_args()
    packages = sorted(installed("rigorkd"), key=lambda one: one.name)
    for one in packages:
        print(f"{one.name:32} {one.version:18} {one.licence}")
    wrong = [one for one in packages if not one.is_fine]
    for one in wrong:
        print(f"{one.name} {one.version}: {one.licence}: read its licence", file=sys.stderr)
    return 1 if options.check and wrong else 0


if __name__ == "__main__":
    sys.exit(main())
