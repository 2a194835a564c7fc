"""The licences of what rigorkd installs: all are known, and none would bind it."""

from __future__ import annotations

import pytest

from tests.helpers import script

licences = script("licences")


def test_what_is_installed_is_under_licences_that_are_known() -> None:
    found = {one.name: one for one in licences.installed("rigorkd")}
    assert {"numpy", "torch", "click", "wandb", "mpmath"} <= found.keys(), "what is needed indirectly, too"
    assert [one for one in found.values() if not one.is_fine] == []


@pytest.mark.parametrize(
    ("licence", "fine"),
    [
        ("MIT", True),
        ("Apache-2.0 WITH LLVM-exception AND BSD-3-Clause", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", True),
        ("LGPL-2.1-or-later", True),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only", False),
        ("AGPL-3.0", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("CC-BY-NC-4.0", False),
        ("not said", False),
    ],
)
def test_licences_that_bind_and_that_do_not(licence: str, fine: bool) -> None:
    assert licences.Package("some", "1", licence).is_fine is fine
