"""MixUp and CutMix against torchvision with the same weight and box; the choice and its draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import CutMix, MixUp

from rigorkd.data.mix import MixedBatch, Mixing, draw_mixing, mix_batch, mix_images
from rigorkd.data.operations import Mix
from rigorkd.data.random import EpochTable

CLASSES = 5
unit = st.floats(0, 1, exclude_max=True)


def batch(n: int, size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    images = torch.randn(n, 3, size, size, generator=generator)
    return images, torch.randint(0, CLASSES, (n,), generator=generator)


def soft_labels(mixed: MixedBatch) -> torch.Tensor:
    """Class probabilities (B, CLASSES) that the labels and the weight stand for."""
    own, partner = (
        torch.nn.functional.one_hot(labels, CLASSES) for labels in (mixed.labels, mixed.partner_labels)
    )
    return mixed.weight * own + (1 - mixed.weight) * partner


@given(unit, st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_mixup_is_torchvision_with_the_same_weight(weight: float, n: int) -> None:
    images, labels = batch(n)
    mixed = mix_batch(Mix(mixup=1, cutmix=0), images, labels, np.array([0.3, weight, 0.5, 0.5]))
    theirs = MixUp(num_classes=CLASSES)
    params = {"lam": weight, "labels": labels, "batch_size": n}
    assert torch.equal(mixed.images, theirs.transform(images, params))
    assert torch.allclose(soft_labels(mixed), theirs.transform(labels, params), atol=1e-6)
    assert mixed.weight.dtype == torch.float32


@given(unit, unit, unit, st.integers(1, 9), st.integers(4, 33))
@settings(max_examples=60, deadline=None)
def test_cutmix_is_torchvision_with_the_same_box(
    weight: float, row: float, column: float, n: int, size: int
) -> None:
    images, labels = batch(n, size)
    mixed = mix_batch(Mix(mixup=0, cutmix=1), images, labels, np.array([0.0, weight, row, column]))
    top, left, bottom, right = box_of_torchvision(weight, int(row * size), int(column * size), size)
    share = 1 - (bottom - top) * (right - left) / size**2
    theirs = CutMix(num_classes=CLASSES)
    params = {"box": (left, top, right, bottom), "lam_adjusted": share, "labels": labels, "batch_size": n}
    assert torch.equal(mixed.images, theirs.transform(images, params))
    assert torch.allclose(soft_labels(mixed), theirs.transform(labels, params), atol=1e-6)


def box_of_torchvision(weight: float, row: int, column: int, size: int) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of the published box: the side is √(1 − weight) of the image's, clipped."""
    half = int(math.sqrt(1 - weight) / 2 * size)
    sides = [sorted((0, middle + offset, size))[1] for middle in (row, column) for offset in (-half, half)]
    return sides[0], sides[2], sides[1], sides[3]


def test_torchvision_draws_the_boxes_that_this_page_expects() -> None:
    theirs = CutMix(num_classes=CLASSES)
    with torch.random.fork_rng(devices=[]):
        for seed in range(50):
            torch.default_generator.manual_seed(seed)
            params = theirs.make_params([torch.empty(1, 3, 20, 20)])
            torch.default_generator.manual_seed(seed)
            weight = float(theirs._dist.sample(()))
            column, row = (int(torch.randint(20, (1,))) for _ in range(2))
            top, left, bottom, right = box_of_torchvision(weight, row, column, 20)
            assert params["box"] == (left, top, right, bottom)


def test_the_weight_of_a_box_is_its_true_share_of_the_pixels() -> None:
    for draws in np.random.default_rng(0).random((200, 4)):
        mixing = draw_mixing(Mix(mixup=0, cutmix=1), draws, 16)
        black_and_white = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 16, 16)
        taken = mix_images(black_and_white, mixing)[0].mean()
        assert float(taken) == pytest.approx(1 - mixing.weight, abs=1e-6)


def test_a_batch_is_returned_as_it_is_when_neither_is_chosen() -> None:
    images, labels = batch(6)
    mixed = mix_batch(Mix(mixup=0.2, cutmix=0.3), images, labels, np.array([0.5, 0.1, 0.1, 0.1]))
    assert mixed.images is images
    assert mixed.labels is labels
    assert float(mixed.weight) == 1
    assert torch.equal(soft_labels(mixed), torch.nn.functional.one_hot(labels, CLASSES).float())


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.5, 0.5), (0.2, 0.3), (0.0, 0.4), (1.0, 0.0), (0.0, 0.0)])
def test_the_choice_has_the_written_probabilities_and_the_weight_is_uniform(
    mixup: float, cutmix: float
) -> None:
    from scipy.stats import kstest

    steps = 4000
    draws = EpochTable(1, "student", 8).mix_draws(2, steps)
    mixings = [draw_mixing(Mix(mixup=mixup, cutmix=cutmix), row, 32) for row in draws]
    for kind, p in (("mixup", mixup), ("cutmix", cutmix), ("none", 1 - mixup - cutmix)):
        hits = sum(mixing.kind == kind for mixing in mixings)
        assert abs(hits - p * steps) <= 5 * math.sqrt(p * (1 - p) * steps) + 1e-6
    weights = [mixing.weight for mixing in mixings if mixing.kind == "mixup"]
    if weights:
        assert kstest(weights, "uniform").pvalue > 0.001


def test_the_extremes_of_the_weight() -> None:
    cutmix, largest = Mix(mixup=0, cutmix=1), np.nextafter(1.0, 0.0)
    everything = draw_mixing(cutmix, np.array([0.0, 0.0, 0.5, 0.5]), 16)
    assert everything == Mixing("cutmix", 0.0, (0, 0, 16, 16))
    for corner in (0.0, largest):
        nothing = draw_mixing(cutmix, np.array([0.0, largest, corner, corner]), 16)
        assert nothing.weight == 1
        images, _ = batch(3, 16)
        assert torch.equal(mix_images(images, nothing), images)


def test_mixing_leaves_its_input_alone_and_never_waits_for_the_device() -> None:
    images, labels = batch(7)
    for choice in (0.1, 0.9):
        before = images.clone()
        draws = np.array([choice, 0.4, 0.2, 0.7])
        first, second = (mix_batch(Mix(), images, labels, draws) for _ in range(2))
        assert torch.equal(first.images, second.images)
        assert not torch.equal(first.images, before)
        assert torch.equal(images, before)
        nowhere = mix_batch(Mix(), images.to("meta"), labels.to("meta"), draws)
        assert nowhere.images.shape == images.shape
        assert nowhere.weight.device.type == "meta"
