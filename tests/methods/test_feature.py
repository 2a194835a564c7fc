"""Feature distillation: the term written out, sizes that differ, and what its projections belong to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigorkd.errors import InputError
from rigorkd.methods.base import Outputs, Shapes
from rigorkd.methods.feature import Feature, averaged
from rigorkd.methods.objective import Objective

from .conftest import CE, FEATURE, SHAPES, STUDENT, TARGETS, TEACHER, features, objective_of


def feature(method: Feature = FEATURE) -> Objective:
    return objective_of(method)


def projections(objective: Objective) -> nn.ModuleList:
    found = objective.get_submodule("projections")
    assert isinstance(found, nn.ModuleList)
    return found


def term(objective: Objective, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
    return objective.term(Outputs(STUDENT, None, student), TARGETS, Outputs(TEACHER, None, teacher))


def test_the_definition() -> None:
    """One map that shrinks from 4×4 to 2×2, one vector, both through their projections."""
    objective = feature()
    student, teacher = features(SHAPES.student, 1), features(SHAPES.teacher, 2)
    weights = [projection.weight.flatten(1) for projection in projections(objective)]
    small = student["map"].unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    projected = torch.einsum("oc,bchw->bohw", weights[0], small)
    vector = student["vector"] @ weights[1].T
    mse = ((projected - teacher["map"]) ** 2).mean() + ((vector - teacher["vector"]) ** 2).mean()
    pooled = 1 - F.cosine_similarity(projected.mean((2, 3)), teacher["map"].mean((2, 3)))
    cosine = pooled.mean() + (1 - F.cosine_similarity(vector, teacher["vector"])).mean()
    assert term(objective, student, teacher).item() == pytest.approx(((mse + 0.5 * cosine) / 2).item())
    without = term(feature(FEATURE.model_copy(update={"cosine": 0.0})), student, teacher)
    assert without.item() == pytest.approx((mse / 2).item())


def test_the_loss_weighs_cross_entropy_and_term() -> None:
    objective = feature(FEATURE.model_copy(update={"ce_weight": 0.25, "kd_weight": 3.0}))
    student, teacher = features(SHAPES.student, 1), features(SHAPES.teacher, 2)
    terms = objective(Outputs(STUDENT, None, student), TARGETS, Outputs(TEACHER, None, teacher))
    expected = 0.25 * CE + 3 * term(objective, student, teacher).item()
    assert terms.total.item() == pytest.approx(expected, abs=1e-5)


def test_gradients_agree_with_finite_differences() -> None:
    objective = feature()
    teacher = features(SHAPES.teacher, 2)
    inputs = [value.requires_grad_() for value in features(SHAPES.student, 1).values()]
    weights = [projection.weight for projection in projections(objective)]

    def total(map_: Tensor, vector: Tensor, *weights: Tensor) -> Tensor:
        return term(objective, {"map": map_, "vector": vector}, teacher)

    assert torch.autograd.gradcheck(total, (*inputs, *weights))


def test_a_feature_that_is_the_teachers_through_its_projection_is_perfect() -> None:
    objective = feature(Feature(layers=("vector",)))
    with torch.no_grad():
        projections(objective)[0].weight.copy_(torch.eye(2, 3)[:, :, None, None])
    student = features(SHAPES.student, 1)
    teacher = {"vector": student["vector"][:, :2]}
    assert term(objective, student, teacher).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sizes", [((8, 8), (4, 4)), ((7, 7), (3, 3)), ((5, 9), (4, 2)), ((6, 4), (6, 4))])
def test_averaging_is_adaptive_pooling(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    before, after = sizes
    maps = torch.randn(2, 3, *before, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(averaged(maps, *after), F.adaptive_avg_pool2d(maps, after))


def test_the_larger_map_shrinks_whichever_it_is() -> None:
    method = Feature(layers=("map",))
    shapes = Shapes({"map": (2, 2, 6)}, {"map": (3, 4, 3)}, seed=1)
    objective = Objective(method, shapes=shapes).double()
    student, teacher = features(shapes.student, 1), features(shapes.teacher, 2)
    small = {"map": F.adaptive_avg_pool2d(student["map"], (2, 3))}
    wanted = {"map": F.adaptive_avg_pool2d(teacher["map"], (2, 3))}
    assert term(objective, student, teacher).item() == pytest.approx(term(objective, small, wanted).item())


def test_layers_of_different_names_are_paired() -> None:
    method = Feature.model_validate(
        {"layers": ({"student": "a", "teacher": "b"}, {"student": "a", "teacher": "c"})}
    )
    shapes = Shapes({"a": (2, 4, 4)}, {"b": (3, 4, 4), "c": (5, 2, 2)}, seed=1)
    objective = Objective(method, shapes=shapes).double()
    assert (objective.student_layers, objective.teacher_layers) == (("a",), ("b", "c"))
    assert [tuple(p.weight.shape) for p in projections(objective)] == [(3, 2, 1, 1), (5, 2, 1, 1)]
    assert term(objective, features(shapes.student, 1), features(shapes.teacher, 2)) > 0


def test_projections_have_no_bias_and_start_from_their_seed() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one, two = feature(), feature()
    assert torch.equal(torch.get_rng_state(), state)
    assert set(dict(one.named_parameters())) == {"projections.0.weight", "projections.1.weight"}
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    other = Objective(FEATURE, shapes=Shapes(SHAPES.student, SHAPES.teacher, seed=6)).double()
    assert not torch.equal(next(other.parameters()), next(one.parameters()))


@pytest.mark.parametrize("shape", [(7, 4), ()])
@pytest.mark.parametrize("side", ["student", "teacher"])
def test_tokens_are_no_map(shape: tuple[int, ...], side: str) -> None:
    shapes = {"student": (2, 4, 4), "teacher": (2, 4, 4)} | {side: shape}
    with pytest.raises(InputError, match=f"the {side}'s layer 'blocks' gives"):
        Objective(
            Feature(layers=("blocks",)),
            shapes=Shapes({"blocks": shapes["student"]}, {"blocks": shapes["teacher"]}, seed=1),
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_computed_in_float32(dtype: torch.dtype) -> None:
    objective = feature().float()
    student, teacher = (
        {layer: value.to(dtype) for layer, value in features(shapes, seed).items()}
        for shapes, seed in ((SHAPES.student, 1), (SHAPES.teacher, 2))
    )
    low = objective.term(Outputs(STUDENT.to(dtype), None, student), TARGETS, Outputs(TEACHER, None, teacher))
    assert low.dtype == torch.float32
