"""Feature distillation (FitNets, Romero et al. 2015; in the form of arXiv 2605.31191).

For every pair of layers the student's feature, after a learned bias-free 1×1 projection to the teacher's
channels, is compared with the teacher's. Over the pairs, P the projected and F the teacher's feature:

    ce_weight · CE + kd_weight · [mean over pairs of MSE(P, F)
                                  + cosine · mean over pairs and images of (1 − cos(P̄, F̄))]

MSE is the mean over all elements, P̄ and F̄ are means over the map. Of two map sizes the larger is averaged
to the smaller; features (B, D) are maps of one pixel. `clip: false` leaves the projections' gradients out of
the clip, as the code of that study's first version did; the optimiser moves them either way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, cast

from pydantic import Discriminator, Field, Tag

from rigorkd.errors import InputError
from rigorkd.fields import Frozen, NonNegative, added, text_or_mapping
from rigorkd.methods.base import Outputs, Shapes, Targets, Weighted
from rigorkd.methods.divergences import full
from rigorkd.models.model import stages_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import ModuleList

    from rigorkd.methods.objective import Objective


class LayerPair(Frozen):
    """One hooked layer of the student and the teacher's layer that it should imitate."""

    student: str
    teacher: str

    def __str__(self) -> str:
        return f"{self.student}.{self.teacher}"


Layer = Annotated[
    Annotated[str, Tag("text")] | Annotated[LayerPair, Tag("mapping")], Discriminator(text_or_mapping)
]


_STAGES = 4
"""RepDistiller compares at most these: the first of a VGG's five is its stem."""


def _is_stage(layer: str | LayerPair) -> bool:
    return isinstance(layer, str) and re.fullmatch("stages|last_stage|stage[1-9]", layer) is not None


class Layered(Weighted):
    """A method that compares layers of both networks, pair by pair."""

    needs_features = True
    ranks: ClassVar[tuple[int, ...]] = (1, 3)
    short: ClassVar[dict[str, str]] = {**Weighted.short, "layers": ""}
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = ("layer1", "layer2", "layer3")

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The student's and the teacher's layer of every pair."""
        return tuple(
            (layer, layer) if isinstance(layer, str) else (layer.student, layer.teacher)
            for layer in self.layers
        )

    def between(self, student: str, teacher: str) -> Self:
        """The method with the stages that it names as layers of these two models.

        `stages` are all that both have, from the last back; `last_stage` is the last, `stage2` the second.

        Raises:
            ValueError: the stages of one of them are not known, or there are fewer.
        """
        if not any(_is_stage(layer) for layer in self.layers):
            return self
        own, theirs = (stages_of(model)[-_STAGES:] for model in (student, teacher))
        for model, stages in ((student, own), (teacher, theirs)):
            if not stages:
                raise ValueError(f"the stages of {model} are not known here: name layers")
        both = min(len(own), len(theirs))
        pairs = list(zip(own[-both:], theirs[-both:], strict=True))
        found: list[str | LayerPair] = []
        for layer in self.layers:
            if not (isinstance(layer, str) and _is_stage(layer)):
                found.append(layer)
                continue
            chosen = pairs if layer == "stages" else pairs[-1:]
            if layer not in ("stages", "last_stage"):
                number = int(layer.removeprefix("stage"))
                if number > both:
                    raise ValueError(f"{student} and {teacher} have {both} stages in common, not {number}")
                chosen = [pairs[number - 1]]
            found += [a if a == b else LayerPair(student=a, teacher=b) for a, b in chosen]
        return self.model_copy(update={"layers": tuple(found)})

    def check_feature(self, network: str, layer: str, shape: tuple[int, ...]) -> None:
        if len(shape) not in self.ranks:
            kinds = "maps (channels × height × width)" + (" or vectors" if 1 in self.ranks else "")
            given = " × ".join(map(str, shape)) or "one number"
            raise InputError(
                f"the {network}'s layer {layer!r} gives {given} per image",
                hint=f"{self.key} compares {kinds}; name another layer",
            )

    def set_up(self, objective: Objective, shapes: Shapes | None) -> None:
        """See that the layers can be compared; InputError if not."""
        assert shapes is not None, "the layers of both networks are looked at before"
        for own, theirs in self.pairs():
            self.check_feature("student", own, shapes.student[own])
            self.check_feature("teacher", theirs, shapes.teacher[theirs])


class Feature(Layered):
    """FitNets line: MSE after a bias-free 1×1 projection, plus a cosine term of the pooled features."""

    key = "feature"
    labels: ClassVar[dict[str, str]] = {"alpha": "a"}
    short: ClassVar[dict[str, str]] = {**Layered.short, "cosine": "cos"}
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "capacity": {"layers": ("layer1", "layer2", "layer3", "layer4"), "cosine": 0.5}
    }
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)] = (
        "layer1",
        "layer2",
        "layer3",
        "layer4",
    )
    cosine: NonNegative = 0.5
    clip: bool = added("0.2", True)

    @property
    def clips_its_own(self) -> bool:
        return self.clip

    def set_up(self, objective: Objective, shapes: Shapes | None) -> None:
        """Draw the projections.

        Raises:
            InputError: a layer's output is neither a map (channels, height, width) nor a vector.
        """
        from torch import nn

        from rigorkd.models.weights import seeded

        super().set_up(objective, shapes)
        assert shapes is not None, "the layers of both networks are looked at before"
        with seeded(shapes.seed):
            objective.projections = nn.ModuleList(
                nn.Conv2d(shapes.student[own][0], shapes.teacher[theirs][0], kernel_size=1, bias=False)
                for own, theirs in self.pairs()
            )

    def kd_term(self, objective: Objective, student: Outputs, targets: Targets, teacher: Outputs) -> Tensor:
        from torch.nn import functional as F

        projections = cast("ModuleList", objective.projections)
        total = full(student.logits).new_zeros(())
        for (own, theirs), projection in zip(self.pairs(), projections, strict=True):
            mine, wanted = at_one_size(as_map(student.features[own]), as_map(teacher.features[theirs]))
            # A mean over pixels and a 1×1 projection commute; averaging first is cheaper.
            projected = projection(mine)
            cosines = F.cosine_similarity(projected.mean(dim=(2, 3)), wanted.mean(dim=(2, 3)), dim=1)
            total = total + F.mse_loss(projected, wanted) + self.cosine * (1 - cosines).mean()
        return total / len(self.layers)


def as_map(feature: Tensor) -> Tensor:
    """A feature (B, C, H, W) or (B, D) as a map in float32 at least."""
    return full(feature if feature.dim() == 4 else feature[:, :, None, None])


def at_one_size(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Two maps (B, ·, H, W), of which the larger is averaged to the smaller, along each side."""
    height, width = (min(a, b) for a, b in zip(first.shape[2:], second.shape[2:], strict=True))
    return averaged(first, height, width), averaged(second, height, width)


def averaged(maps: Tensor, height: int, width: int) -> Tensor:
    """Maps (B, C, H, W) averaged to (B, C, height, width), none larger than before."""
    from torch.nn import functional as F

    from rigorkd.models.pooling import adaptive_average

    rows, columns = maps.shape[2:]
    if rows % height == 0 and columns % width == 0:
        return F.avg_pool2d(maps, (rows // height, columns // width))
    return adaptive_average(maps, height, width)
