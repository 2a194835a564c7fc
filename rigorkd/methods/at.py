"""Attention transfer (Zagoruyko & Komodakis 2017, arXiv 1612.03928), activation-based.

The attention of a map A (channels, height, width) is Q = Σ over channels of |A|^power, pixel by pixel, as a
vector of length 1. The student's attention is to be the teacher's, at every pair of layers:

    ce_weight · CE + kd_weight · Σ over pairs of mean over images and pixels of (Q_s − Q_t)²

The authors' released code and CRD's RepDistiller compute this, and their weights are 1 and 1000. The paper
prints `form: paper`, the length itself, whose weight is 1000 divided by the number of pixels and images:

    ce_weight · CE + kd_weight · ½ Σ over pairs of mean over images of ‖Q_s − Q_t‖₂ / pixels

Of two map sizes the larger is averaged to the smaller first, as in RepDistiller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rigorkd.fields import Positive, added
from rigorkd.methods.base import Outputs, Targets
from rigorkd.methods.divergences import full
from rigorkd.methods.feature import Layered, as_map, at_one_size

if TYPE_CHECKING:
    from torch import Tensor

    from rigorkd.methods.objective import Objective


class AT(Layered):
    """Zagoruyko & Komodakis 2017, attention transfer."""

    key = "at"
    ranks = (3,)
    presets: ClassVar[dict[str, dict[str, Any]]] = {"crd": {"ce_weight": 1.0, "kd_weight": 1000.0}}
    default_weights = (1.0, 1000.0)
    power: Positive = 2.0
    form: Literal["code", "paper"] = added("0.2", "code")

    def attention(self, maps: Tensor) -> Tensor:
        """Q of every image, (B, H·W), from maps (B, C, H, W); a map of zeros has an attention of zeros."""
        from torch.nn import functional as F

        # A mean over channels instead of their sum: the length is taken out anyway.
        return F.normalize(maps.abs().pow(self.power).mean(dim=1).flatten(1), dim=1)

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        total = full(student.logits).new_zeros(())
        for own, theirs in self.pairs():
            mine, wanted = at_one_size(as_map(student.features[own]), as_map(teacher.features[theirs]))
            total = total + self.distance(self.attention(mine), self.attention(wanted))
        return total

    def distance(self, own: Tensor, theirs: Tensor) -> Tensor:
        """How far attentions (B, H·W) are apart, mean over images."""
        if self.form == "code":
            return (own - theirs).square().mean()
        length: Tensor = (own - theirs).norm(dim=1).mean()
        return length / (2 * own.shape[1])
