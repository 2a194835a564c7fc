"""The methods that rigorkd has. Everything that lists methods takes them from here."""

from __future__ import annotations

from rigorkd.methods.at import AT
from rigorkd.methods.base import Method
from rigorkd.methods.baseline import Baseline
from rigorkd.methods.ctkd import CTKD
from rigorkd.methods.dist import DIST
from rigorkd.methods.dkd import DKD
from rigorkd.methods.eakd import EAKD
from rigorkd.methods.feature import Feature
from rigorkd.methods.kd import KD
from rigorkd.methods.lskd import LSKD
from rigorkd.methods.matched_smoothing import MatchedSmoothing
from rigorkd.methods.mlkd import MLKD
from rigorkd.methods.own import Own
from rigorkd.methods.permuted_tail import PermutedTail
from rigorkd.methods.rld import RLD
from rigorkd.methods.sp import SP

METHODS: dict[str, type[Method]] = {
    method.key: method
    for method in (
        Baseline,
        KD,
        DKD,
        CTKD,
        LSKD,
        MLKD,
        RLD,
        DIST,
        EAKD,
        Feature,
        AT,
        SP,
        MatchedSmoothing,
        PermutedTail,
    )
}
"""By key, in the order in which a group's cells come."""

KINDS: dict[str, type[Method]] = {**METHODS, Own.key: Own}
"""Every key under which a group may write the grid of a method."""
