"""Feature distillation (FitNets, Romero et al. 2015; in the form of arXiv 2605.31191).

For every pair of layers the student's feature, after a learned bias-free 1×1 projection to the teacher's
channels, is compared with the teacher's. Over the pairs, P the projected and F the teacher's feature:

    ce_weight · CE + kd_weight · [mean over pairs of MSE(P, F)
                                  + cosine · mean over pairs and images of (1 − cos(P̄, F̄))]

MSE is the mean over all elements, P̄ and F̄ are means over the map. Of two map sizes the larger is averaged
to the smaller; features (B, D) are maps of one pixel.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.distill.objective import Distillation, Outputs, Targets, full
from rigorkd.distill.taps import Shapes
from rigorkd.errors import InputError
from rigorkd.models.init import seeded
from rigorkd.models.pooling import adaptive_average
from rigorkd.protocol.methods import Feature


class FeatureObjective(Distillation):
    """ce_weight · CE + kd_weight · feature term. The projections are optimised, clipped and checkpointed.

    Raises:
        InputError: a layer's output is neither a map (channels, height, width) nor a vector.
    """

    def __init__(self, method: Feature, label_smoothing: float, shapes: Shapes) -> None:
        super().__init__(method, label_smoothing)
        self.pairs = method.pairs()
        self.student_layers = tuple(dict.fromkeys(own for own, _ in self.pairs))
        self.teacher_layers = tuple(dict.fromkeys(theirs for _, theirs in self.pairs))
        self.cosine = method.cosine
        with seeded(shapes.seed):
            self.projections = nn.ModuleList(
                nn.Conv2d(
                    channels_of("student", own, shapes.student[own]),
                    channels_of("teacher", theirs, shapes.teacher[theirs]),
                    kernel_size=1,
                    bias=False,
                )
                for own, theirs in self.pairs
            )

    def term(self, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        total = full(student.logits).new_zeros(())
        for (own, theirs), projection in zip(self.pairs, self.projections, strict=True):
            mine, wanted = as_map(student.features[own]), as_map(teacher.features[theirs])
            height, width = (min(a, b) for a, b in zip(mine.shape[2:], wanted.shape[2:], strict=True))
            # A mean over pixels and a 1×1 projection commute; averaging first is cheaper.
            projected, wanted = projection(averaged(mine, height, width)), averaged(wanted, height, width)
            cosines = F.cosine_similarity(projected.mean(dim=(2, 3)), wanted.mean(dim=(2, 3)), dim=1)
            total = total + F.mse_loss(projected, wanted) + self.cosine * (1 - cosines).mean()
        return total / len(self.pairs)


def channels_of(network: str, layer: str, shape: tuple[int, ...]) -> int:
    """The channels of a feature of this shape, without the batch axis; InputError for an unsupported rank."""
    if len(shape) not in (1, 3):
        raise InputError(
            f"the {network}'s layer {layer!r} gives {' × '.join(map(str, shape)) or 'one number'} per image",
            hint="feature compares maps (channels × height × width) or vectors; name another layer",
        )
    return shape[0]


def as_map(feature: Tensor) -> Tensor:
    """A feature (B, C, H, W) or (B, D) as a map in float32 at least."""
    return full(feature if feature.dim() == 4 else feature[:, :, None, None])


def averaged(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, C, H, W) averaged to (B, C, height, width), none larger than before."""
    rows, columns = maps.shape[2:]
    if rows % height == 0 and columns % width == 0:
        return F.avg_pool2d(maps, (rows // height, columns // width))
    return adaptive_average(maps, height, width)
