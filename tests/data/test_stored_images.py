"""Images that stay on the host are read like a tensor, and give the same bits."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from rigorkd.data.image_data import DataShape, ImageData, StoredImages, Subset
from rigorkd.train.context import on_device
from rigorkd.train.runtime import Runtime


@pytest.fixture
def source() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (700, 3, 5, 5), dtype=torch.uint8, generator=generator)


INDEX = torch.arange(3, 690, 2)


def test_stored_images_read_like_the_tensor(source: torch.Tensor) -> None:
    stored, tensor = StoredImages(source, INDEX), source[INDEX]
    rows = torch.tensor([5, 0, 343, 5])
    assert torch.equal(stored[rows], tensor[rows])
    assert torch.equal(stored[:1], tensor[:1])
    assert torch.equal(stored[340:], tensor[340:])
    assert (stored.shape, len(stored), stored.nbytes) == (tensor.shape, len(tensor), tensor.nbytes)
    for piece, expected in zip(stored.split(100), tensor.split(100), strict=True):
        assert torch.equal(piece, expected)
    assert torch.equal(stored.whole(), tensor)
    assert stored[rows].data_ptr() != source.data_ptr()


def test_a_subset_can_be_moved_whole_or_left_stored(source: torch.Tensor) -> None:
    subset = Subset(StoredImages(source, INDEX), torch.zeros(len(INDEX), dtype=torch.int64), INDEX)
    left = subset.to(torch.device("cpu"), whole=False)
    assert isinstance(left.images, StoredImages)
    assert left.images.source is source
    moved = subset.to(torch.device("cpu"), whole=True)
    assert torch.equal(moved.images, source[INDEX])  # type: ignore[arg-type]


def test_moments_are_the_same_stored_or_not(source: torch.Tensor) -> None:
    def shape(images: torch.Tensor | StoredImages) -> DataShape:
        part = Subset(images, torch.zeros(len(images), dtype=torch.int64), INDEX)
        data = ImageData(part, part, part, ("a", "b"), "checksum")
        assert data.nbytes == 3 * images.nbytes
        return data.shape

    stored, plain = shape(StoredImages(source, INDEX)), shape(source[INDEX])
    assert stored == plain
    pixels = source[INDEX].double() / 255
    assert plain.mean == pytest.approx(pixels.mean((0, 2, 3)).tolist(), rel=1e-12)
    assert plain.std == pytest.approx(pixels.std((0, 2, 3), correction=0).tolist(), rel=1e-12)


@dataclass(frozen=True)
class Roomy(Runtime):
    """A runtime on a device without contents, of which the test says how much is free."""

    free: int = 0

    def memory_bytes(self) -> int:
        return self.free


@pytest.mark.parametrize(("free", "whole"), [(4, True), (3, False)])
def test_images_go_whole_to_a_device_that_has_room_for_them(
    source: torch.Tensor, free: int, whole: bool
) -> None:
    """Up to a quarter of what is free may be taken."""
    subset = Subset(StoredImages(source, INDEX), torch.zeros(len(INDEX), dtype=torch.int64), INDEX)
    data = ImageData(subset, subset, subset, ("a", "b"), "checksum")
    runtime = Roomy(torch.device("meta"), "reference", 1, free=free * data.nbytes)
    moved = on_device(data, runtime)
    for part in (moved.train, moved.val, moved.test):
        assert isinstance(part.images, torch.Tensor) is whole
        assert part.images[:2].device.type == part.labels.device.type == "meta"
    assert moved.shape.mean == data.shape.mean


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_arrive_on_the_gpu_with_the_same_bits(source: torch.Tensor) -> None:
    gpu = torch.device("cuda")
    stored = StoredImages(source, INDEX).to(gpu)
    batches = [stored[rows.to(gpu)] for rows in torch.arange(len(INDEX)).split(16)]
    assert all(batch.device.type == "cuda" for batch in batches)
    assert torch.equal(torch.cat(batches).cpu(), source[INDEX])
    assert torch.equal(stored.whole().cpu(), source[INDEX])
