"""Digits and the synthetic source through `load`: shapes, seeds, noise on training labels only, checksums."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from rigorkd.data import digits
from rigorkd.data.dataset import Split
from rigorkd.data.digits import Digits
from rigorkd.data.image_data import ImageData
from rigorkd.data.loading import load
from rigorkd.data.synthetic import Synthetic
from rigorkd.errors import InputError


def digits_of(noise: float = 0.0, **split: object) -> Digits:
    sizes: dict[str, object] = {"val": 300, "test": 500, "seed": 3, **split}
    return Digits(name="digits", split=Split.model_validate(sizes), label_noise=noise)


def synthetic(**changes: object) -> Synthetic:
    values: dict[str, object] = {"name": "synthetic", "split": {"val": 128}, **changes}
    return Synthetic.model_validate(values)


def everything(data: ImageData) -> bytes:
    parts = (data.train, data.val, data.test)
    return b"".join(t.numpy().tobytes() for part in parts for t in (part.images, part.labels, part.index))


def test_digits_are_1797_grey_images_as_uint8() -> None:
    data = load(digits_of(), seed=0)
    assert (len(data.train), len(data.val), len(data.test)) == (997, 300, 500)
    assert (data.classes, data.channels, data.size) == (10, 1, 8)
    for part in (data.train, data.val, data.test):
        assert part.images.dtype == torch.uint8
        assert part.images.shape[1:] == (1, 8, 8)
        assert part.images.is_contiguous()
        assert part.labels.dtype == part.index.dtype == torch.int64
    indices = torch.cat([data.train.index, data.val.index, data.test.index])
    assert torch.equal(indices.sort().values, torch.arange(1797))
    assert int(data.train.images.max()) == 255


def test_the_packaged_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    with np.load(digits.FILE) as found:
        assert found["levels"].astype(bunch.images.dtype).tobytes() == bunch.images.tobytes()
        assert found["labels"].astype(bunch.target.dtype).tobytes() == bunch.target.tobytes()


def test_other_digits_than_the_published_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "DIGITS_SHA256", "0" * 64)
    with pytest.raises(InputError, match="not the published"):
        digits_of().read()


def test_the_moments_are_those_of_the_training_images() -> None:
    data = load(digits_of(), seed=0)
    pixels = data.train.images.double() / 255
    assert data.shape.mean == pytest.approx([float(pixels.mean())], rel=1e-12)
    assert data.shape.std == pytest.approx([float(pixels.std(correction=0))], rel=1e-12)


def test_a_fixed_split_ignores_the_run_seed_and_per_seed_does_not() -> None:
    assert everything(load(digits_of(0.2), 0)) == everything(load(digits_of(0.2), 1))
    first, second = (load(digits_of(seed="per_seed"), seed) for seed in (0, 1))
    assert not torch.equal(first.val.index, second.val.index)


def test_label_noise_touches_training_labels_only() -> None:
    clean, noisy = load(digits_of(), 0), load(digits_of(0.2), 0)
    assert int((clean.train.labels != noisy.train.labels).sum()) == round(0.2 * 997)
    assert torch.equal(clean.val.labels, noisy.val.labels)
    assert torch.equal(clean.test.labels, noisy.test.labels)
    assert torch.equal(clean.train.images, noisy.train.images)


@pytest.mark.parametrize(("size", "channels", "classes"), [(4, 1, 2), (9, 3, 7), (33, 3, 100)])
def test_synthetic_has_any_shape(size: int, channels: int, classes: int) -> None:
    data = load(synthetic(size=size, channels=channels, classes=classes, images=300, test_images=50), 0)
    assert data.train.images.shape == (172, channels, size, size)
    assert (data.classes, data.channels, data.size) == (classes, channels, size)
    assert len(data.test) == 50


def test_synthetic_draws_the_same_bytes_everywhere() -> None:
    data = load(synthetic(size=8, images=256, test_images=64), 0)
    assert hashlib.sha256(everything(data)).hexdigest() == GOLDEN_SYNTHETIC, (
        "the synthetic source draws other images: raise SYNTHETIC_VERSION"
    )


def test_synthetic_is_learnable_by_a_small_network_but_not_at_once() -> None:
    data = load(synthetic(images=1152, test_images=512), 0)
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(32 * 16, 10),
        )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)

    def accuracy() -> float:
        model.eval()
        with torch.no_grad():
            right = model(data.test.images / 255).argmax(1) == data.test.labels
        model.train()
        return float(right.float().mean())

    scores = []
    for _ in range(6):
        for batch in torch.randperm(len(data.train), generator=generator).split(64):
            loss = nn.functional.cross_entropy(
                model(data.train.images[batch] / 255), data.train.labels[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scores.append(accuracy())
    assert scores[0] < 0.9
    assert 0.6 < scores[-1] < 1.0


def test_the_checksum_names_the_source_and_not_its_split() -> None:
    assert digits_of().checksum() == digits_of(0.3, val=10).checksum() == load(digits_of(), 0).checksum
    base = synthetic().checksum()
    assert base == synthetic(split={"val": 7}).checksum()
    for change in ({"noise": 0.6}, {"seed": 1}, {"size": 17}, {"classes": 3}, {"images": 500}):
        assert synthetic(**change).checksum() != base


def test_identity_and_random_import_no_torch() -> None:
    code = (
        "import sys, rigorkd.data.datasets, rigorkd.data.random, rigorkd.models;"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'scipy', 'PIL') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


GOLDEN_SYNTHETIC = "01926f8035cfed713d20d95c5e36afde8a0707138ffbd2e5bcebc8131141e90b"
