"""What holds for every method: gradients, limits, precision, weights, and the registry."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rigorkd.methods.base import Method, Outputs, Targets
from rigorkd.methods.dkd import DKD
from rigorkd.methods.eakd import EAKD
from rigorkd.methods.kd import KD
from rigorkd.methods.objective import Objective
from rigorkd.methods.rld import RLD

from .conftest import (
    CE,
    FEATURE,
    LABELS,
    LOGIT_METHODS,
    SHAPES,
    STUDENT,
    TARGETS,
    TEACHER,
    features,
    label,
    objective_of,
    term_of,
)

MIXED = Targets(LABELS, torch.tensor([2, 1]), torch.tensor(0.3, dtype=torch.float64), seed=3)
IMITATIONS = [m for m in LOGIT_METHODS if m.key not in ("rld", "matched_smoothing", "permuted_tail")]
"""The methods whose target is the teacher itself."""

every_logit_method = pytest.mark.parametrize("method", LOGIT_METHODS, ids=label)


def random_logits(images: int, classes: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(images, classes, generator=generator, dtype=torch.float64)


@every_logit_method
@pytest.mark.parametrize("targets", [TARGETS, MIXED], ids=["plain", "mixed"])
def test_gradients_agree_with_finite_differences(
    method: Method, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = objective_of(method)
    teacher = Outputs(TEACHER, TEACHER.flip(0) + 0.3)

    def total(weak: Tensor, strong: Tensor) -> Tensor:
        # The weights of eakd are no part of the gradient, so they are taken as they are at the point.
        return objective(Outputs(weak, strong), targets, teacher).total

    if isinstance(method, EAKD):
        fixed = method.image_weights(STUDENT, TEACHER)
        monkeypatch.setattr(EAKD, "image_weights", lambda *_: fixed)
    points = (STUDENT.clone().requires_grad_(), (STUDENT * 0.5 - 0.2).requires_grad_())
    assert torch.autograd.gradcheck(total, points)


@pytest.mark.parametrize("method", IMITATIONS, ids=label)
def test_a_student_that_copies_its_teacher_is_perfect(method: Method) -> None:
    """The term is 0, and so is its gradient (dist: nearly, for what keeps its correlations finite)."""
    student = TEACHER.clone().requires_grad_()
    term = term_of(method, student)
    (gradient,) = torch.autograd.grad(term, student)
    nearly = 1e-3 if method.key == "dist" else 1e-6
    assert term.item() == pytest.approx(0, abs=nearly)
    assert gradient.abs().max().item() < nearly


@every_logit_method
def test_t_squared_is_a_factor(method: Method) -> None:
    """Terms without T² are smaller; where the whole term has one temperature, by exactly its square."""
    with_factor, without = (
        term_of(method.model_copy(update={"t_squared": on})).item() for on in (True, False)
    )
    factor = {"dist": 16.0, "lskd": 4.0, "ctkd": 15.62117**2}.get(method.key, 16.0)
    if method.key in ("mlkd", "rld"):
        assert without < with_factor < 36 * without
    else:
        assert with_factor == pytest.approx(factor * without, rel=1e-5)


@every_logit_method
@pytest.mark.parametrize("scale", [0.0, 1e-3, 60.0, 1e4])
def test_extreme_logits_stay_finite(method: Method, scale: float) -> None:
    """Constant rows, nearly constant rows, and rows whose probabilities underflow, in float32."""
    student, teacher = (scale * random_logits(6, 5, seed).float() for seed in (1, 2))
    student.requires_grad_()
    objective = Objective(method)
    terms = objective(Outputs(student, student), Targets(torch.arange(6) % 5), Outputs(teacher, teacher))
    terms.total.backward()
    assert torch.isfinite(terms.total)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


@every_logit_method
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(method: Method, dtype: torch.dtype) -> None:
    student, teacher = STUDENT.to(dtype), TEACHER.to(dtype)
    objective = Objective(method)
    low, high = (
        objective(Outputs(s, s), TARGETS, Outputs(t, t))
        for s, t in ((student, teacher), (student.float(), teacher.float()))
    )
    assert low.total.dtype == torch.float32
    assert torch.equal(low.total, high.total)


@every_logit_method
def test_the_teacher_matters(method: Method) -> None:
    assert term_of(method).item() != pytest.approx(term_of(method, teacher=TEACHER.roll(1, 1) / 2).item())


@every_logit_method
def test_weights_weigh_their_own_part(method: Method) -> None:
    objective = objective_of(method)
    terms = objective(Outputs(STUDENT, STUDENT), TARGETS, Outputs(TEACHER, TEACHER))
    assert terms.kd is not None
    assert terms.ce.item() == pytest.approx(CE * (2 if objective.needs_strong else 1), abs=1e-5)
    expected = objective.ce_weight * terms.ce + objective.kd_weight * terms.kd
    assert terms.total.item() == pytest.approx(expected.item(), rel=1e-12)
    doubled = method.model_copy(update={"ce_weight": objective.ce_weight + 1})
    more = objective_of(doubled)(Outputs(STUDENT, STUDENT), TARGETS, Outputs(TEACHER, TEACHER))
    assert (more.total - terms.total).item() == pytest.approx(terms.ce.item())


@every_logit_method
def test_mixed_images_interpolate_between_their_labels(method: Method) -> None:
    """A weight of 1 is the plain image; of 0, its partner. matched_smoothing mixes the label itself."""
    partners = torch.tensor([2, 3])
    own, other = (term_of(method, targets=Targets(labels)).item() for labels in (LABELS, partners))

    def mixed(weight: float) -> float:
        return term_of(method, targets=Targets(LABELS, partners, torch.tensor(weight))).item()

    assert mixed(1.0) == pytest.approx(own, rel=1e-6)
    assert mixed(0.0) == pytest.approx(other, rel=1e-6)
    if method.key != "matched_smoothing":
        assert mixed(0.25) == pytest.approx(0.25 * own + 0.75 * other, rel=1e-6)


@pytest.mark.parametrize(
    "method", [m for m in LOGIT_METHODS if m.key not in ("mlkd", "dist", "permuted_tail")], ids=label
)
def test_the_term_is_a_mean_over_images(method: Method) -> None:
    """Not over images and classes; and what one image contributes does not depend on its neighbours."""
    together = term_of(method)
    apart = [
        term_of(method, STUDENT[i : i + 1], TEACHER[i : i + 1], Targets(LABELS[i : i + 1])) for i in (0, 1)
    ]
    assert together.item() == pytest.approx((apart[0] + apart[1]).item() / 2, rel=1e-9)


@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(3, 7))
def test_divergences_are_never_negative(seed: int, images: int, classes: int) -> None:
    student, teacher = random_logits(images, classes, seed), random_logits(images, classes, seed + 1)
    targets = Targets(torch.arange(images) % classes)
    for method in LOGIT_METHODS:
        assert term_of(method, student, teacher, targets).item() >= -1e-9, label(method)


@pytest.mark.parametrize("method", [DKD(warmup=20), RLD(warmup=20)], ids=label)
def test_the_term_warms_up_linearly(method: Method) -> None:
    objective = objective_of(method)
    shares = []
    for epoch in (1, 10, 20, 30):
        objective.begin_epoch(epoch, 40)
        terms = objective(Outputs(STUDENT), TARGETS, Outputs(TEACHER))
        assert terms.kd is not None
        shares.append(((terms.total - terms.ce) / terms.kd).item())
    assert shares == pytest.approx([0.05, 0.5, 1.0, 1.0])


def test_a_ramp_moves_temperature_and_weights_and_shows_them() -> None:
    method = KD.model_validate({"T": {"linear": (1, 5)}, "alpha": {"step": {"at": (1, 3), "values": (1, 0)}}})
    objective = objective_of(method)
    seen = []
    for epoch in range(1, 6):
        objective.begin_epoch(epoch, 5)
        terms = objective(Outputs(STUDENT), TARGETS, Outputs(TEACHER))
        still = objective_of(KD(T=float(epoch)))(Outputs(STUDENT), TARGETS, Outputs(TEACHER))
        assert terms.kd is not None
        assert still.kd is not None
        assert terms.kd.item() == pytest.approx(still.kd.item())
        assert terms.total.item() == pytest.approx((terms.ce if epoch < 3 else terms.kd).item())
        seen.append(objective.columns())
    assert [row["temperature"] for row in seen] == [1, 2, 3, 4, 5]
    assert [row["alpha"] for row in seen] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("method", [*LOGIT_METHODS, FEATURE], ids=label)
def test_only_ctkd_and_ramps_have_columns_of_their_own(method: Method) -> None:
    assert set(objective_of(method).columns()) == ({"temperature"} if method.key == "ctkd" else set())


def test_feature_asks_for_its_layers_and_no_other_method_does() -> None:
    objective = Objective(FEATURE, shapes=SHAPES)
    assert objective.student_layers == objective.teacher_layers == ("map", "vector")
    assert all(not Objective(method).student_layers for method in LOGIT_METHODS)
    assert features(SHAPES.student, 1)["map"].shape == (2, 2, 4, 4)


@pytest.mark.parametrize("targets", ["plain", "mixed"])
@pytest.mark.parametrize(
    "method",
    [method for method in (*LOGIT_METHODS, FEATURE) if method.key != "permuted_tail"],  # needs a generator
    ids=label,
)
def test_no_method_waits_for_the_device(method: Method, targets: str) -> None:
    """On a device without contents, asking for a value would raise an error."""
    nowhere = torch.device("meta")
    objective = Objective(method, shapes=SHAPES).to(nowhere)
    objective.begin_epoch(2, 5)
    labels = torch.zeros(8, dtype=torch.int64, device=nowhere)
    mixed = Targets(labels, labels.clone(), torch.zeros((), device=nowhere))
    logits = torch.zeros(8, 6, device=nowhere, requires_grad=True)
    mine, theirs = (
        {layer: torch.zeros(8, *shape, device=nowhere) for layer, shape in shapes.items()}
        for shapes in (SHAPES.student, SHAPES.teacher)
    )
    teacher = Outputs(logits.detach(), logits.detach(), theirs)
    shown = mixed if targets == "mixed" else Targets(labels)
    objective(Outputs(logits, logits, mine), shown, teacher).total.backward()
    assert logits.grad is not None
