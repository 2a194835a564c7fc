"""How the peers' loops are fed: the PIL DataLoader that people write, or the engine's own device pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from paper_grid import Grid
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from rigorkd.data.image_data import Subset
from rigorkd.data.loading import load
from rigorkd.data.views import IMAGENET, View, build_view

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Feeds:
    """Training, validation and test batches; iterating again is another epoch."""

    train: Batches
    val: Batches
    test: Batches


class PILImages(Dataset[tuple[Tensor, int]]):
    """Images in memory, turned into PIL and transformed one by one, as torchvision's CIFAR does."""

    def __init__(self, subset: Subset, transform: transforms.Compose) -> None:
        self.images = subset.images.permute(0, 2, 3, 1).squeeze(-1).contiguous().numpy()  # grey has no axis
        self.labels = subset.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


@dataclass(frozen=True)
class PILSets:
    """The three parts of the grid's data as PIL data sets."""

    train: PILImages
    val: PILImages
    test: PILImages


def pil_sets(grid: Grid) -> PILSets:
    """The paper's views as torchvision transforms, in the order of the view."""
    data = load(grid.teacher.dataset, 0)
    size = grid.teacher.views.size or data.size
    finish = [transforms.ToTensor(), transforms.Normalize(IMAGENET.mean, IMAGENET.std)]
    train = [
        transforms.Resize(size),
        transforms.RandomResizedCrop(size, scale=(0.8, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.ColorJitter(0.2, 0.2, 0.2),
        transforms.RandomRotation(15),
    ]
    shown = transforms.Compose([transforms.Resize(size), *finish])
    return PILSets(
        PILImages(data.train, transforms.Compose([*train, *finish])),
        PILImages(data.val, shown),
        PILImages(data.test, shown),
    )


def loader_feeds(sets: PILSets, batch: int, device: torch.device) -> Feeds:
    """DataLoaders with no workers, as in the published study; pinned memory where there is a GPU."""
    pin = device.type == "cuda"
    return Feeds(
        DataLoader(sets.train, batch, shuffle=True, pin_memory=pin),
        DataLoader(sets.val, batch, pin_memory=pin),
        DataLoader(sets.test, batch, pin_memory=pin),
    )


class DeviceBatches:
    """Batches of the engine's own view of uint8 images that live on the device."""

    def __init__(self, subset: Subset, view: View, batch: int, device: torch.device, *, train: bool) -> None:
        self.images, self.labels = subset.images.to(device), subset.labels.to(device)
        self.view, self.batch, self.device, self.train = view, batch, device, train

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self.labels)
        order = torch.randperm(n, device=self.device) if self.train else torch.arange(n, device=self.device)
        draws = torch.rand(n, self.view.columns, device=self.device)
        for rows in order.split(self.batch):
            yield self.view(self.images[rows], draws[rows]), self.labels[rows]


def device_feeds(grid: Grid, batch: int, device: torch.device) -> Feeds:
    """The engine's pipeline without the engine."""
    data = load(grid.teacher.dataset, 0)
    train, shown = (build_view(grid.teacher.views, data.shape, train=train) for train in (True, False))
    return Feeds(
        DeviceBatches(data.train, train, batch, device, train=True),
        DeviceBatches(data.val, shown, batch, device, train=False),
        DeviceBatches(data.test, shown, batch, device, train=False),
    )
