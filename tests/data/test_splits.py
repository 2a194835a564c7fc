"""Splits are disjoint, sized as asked, drawn from their own seed; label noise is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rigorkd.data.dataset import Split
from rigorkd.data.splits import add_label_noise, draw_split
from rigorkd.errors import InputError

LABELS = np.arange(120, dtype=np.int64) % 4


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 20) | st.none(), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_parts_are_disjoint_sorted_and_sized(val: int, test: int, train: int | None, seed: int) -> None:
    parts = draw_split(Split(val=val, test=test, train=train), LABELS, None, seed)
    assert (len(parts.val), len(parts.test)) == (val, test)
    assert len(parts.train) == (120 - val - test if train is None else train)
    together = np.concatenate([parts.train, parts.val, parts.test])
    assert len(set(together.tolist())) == len(together)
    for part in (parts.train, parts.val, parts.test):
        assert np.array_equal(part, np.sort(part))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_per_class_sizes_are_per_class(val: int, test: int, train: int, seed: int) -> None:
    parts = draw_split(Split(val=val, test=test, train=train, per_class=True), LABELS, None, seed)
    for part, size in ((parts.val, val), (parts.test, test), (parts.train, train)):
        assert np.bincount(LABELS[part], minlength=4).tolist() == [size] * 4


def test_the_split_depends_on_its_seed_alone() -> None:
    split = Split(val=20, test=20)
    first, again, other = (draw_split(split, LABELS, None, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.val, again.val)
    assert not np.array_equal(first.val, other.val)


def test_a_limit_on_training_images_leaves_validation_and_test_alone() -> None:
    whole = draw_split(Split(val=20, test=20), LABELS, None, 5)
    limited = draw_split(Split(val=20, test=20, train=30), LABELS, None, 5)
    assert np.array_equal(whole.val, limited.val)
    assert np.array_equal(whole.test, limited.test)
    assert set(limited.train) < set(whole.train)


def test_a_source_with_its_own_test_set_keeps_all_of_it_unless_limited() -> None:
    own = np.zeros(30, np.int64)
    assert np.array_equal(draw_split(Split(val=20), LABELS, own, 0).test, np.arange(30))
    limited = draw_split(Split(val=20, test=7), LABELS, own, 0)
    assert len(limited.test) == 7
    assert np.array_equal(limited.val, draw_split(Split(val=20), LABELS, own, 0).val)


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (Split(val=20), "split.test"),
        (Split(val=100, test=21), "121 images"),
        (Split(val=100, test=20), "a rest for training"),
        (Split(val=10, test=10, train=11, per_class=True), "of one class"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(split: Split, words: str) -> None:
    with pytest.raises(InputError) as caught:
        draw_split(split, LABELS, None, 0)
    assert words in str(caught.value)


@given(st.integers(1, 200), st.floats(0, 0.999), st.integers(2, 10), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_label_noise_is_exact_and_always_wrong(n: int, rate: float, classes: int, seed: int) -> None:
    clean = np.arange(n, dtype=np.int64) % classes
    before = clean.copy()
    noisy = add_label_noise(clean, rate, classes, seed)
    assert (noisy != clean).sum() == round(rate * n)
    assert ((noisy >= 0) & (noisy < classes)).all()
    assert np.array_equal(clean, before)
    assert np.array_equal(noisy, add_label_noise(clean, rate, classes, seed))


def test_wrong_labels_are_uniform_over_the_other_classes() -> None:
    clean = np.zeros(20_000, np.int64)
    noisy = add_label_noise(clean, 0.5, 5, 1)
    counts = np.bincount(noisy, minlength=5)[1:]
    assert np.abs(counts - 2500).max() < 200  # four standard deviations are 173
