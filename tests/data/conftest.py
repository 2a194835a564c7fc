"""Image data sets written in their published formats, with a few small images of several shapes and modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from rigorkd.data.cars import Cars
from rigorkd.data.decoded import ImageFiles
from rigorkd.data.image_folder import ImageFolder
from rigorkd.data.pets import Pets
from rigorkd.data.tiny_imagenet import TinyImageNet

PER_CLASS = 6
TEST_PER_CLASS = 4
PETS = ("Abyssinian", "american_bulldog", "Bengal")
WNIDS = ("n02124075", "n01443537", "n04067472")  # not in sorted order, as published
SPLIT = {"val": 1, "per_class": True}

Make = Callable[..., ImageFiles]


def pictures(seed: int = 0) -> Iterator[Image.Image]:
    """Pictures of all kinds of sizes; every sixth is grey."""
    generator = np.random.default_rng(seed)
    for number in count():
        width, height = (int(side) for side in generator.integers(20, 60, 2))
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
        yield picture.convert("L") if number % 6 == 5 else picture


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def write_pets(root: Path, seed: int = 0) -> None:
    folder, pixels = root / "oxford-iiit-pet", pictures(seed)
    (folder / "annotations").mkdir(parents=True)
    for part, each, first in (("trainval", PER_CLASS, 1), ("test", TEST_PER_CLASS, 100)):
        lines = []
        for label, breed in enumerate(PETS, start=1):
            for number in range(first, first + each):
                save(next(pixels).convert("RGB"), folder / "images" / f"{breed}_{number}.jpg")
                lines.append(f"{breed}_{number} {label} {1 + (breed[0].islower())} {label}")
        (folder / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")


def write_cars(root: Path, seed: int = 0) -> None:
    folder, pixels = root / "stanford_cars", pictures(seed)
    (folder / "devkit").mkdir(parents=True)
    names = np.array(["AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Audi S4 2007"], dtype=object)
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names})
    for part, each, file in (
        ("train", PER_CLASS, "devkit/cars_train_annos.mat"),
        ("test", TEST_PER_CLASS, "cars_test_annos_withlabels.mat"),
    ):
        fields = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
        rows = []
        for number in range(3 * each):
            name = f"{number + 1:05}.jpg"
            save(next(pixels), folder / f"cars_{part}" / name)
            rows.append((1.0, 1.0, 9.0, 9.0, float(number % 3 + 1), name))
        savemat(folder / file, {"annotations": np.array(rows, dtype=fields)})


def write_tiny(root: Path, seed: int = 0) -> None:
    folder, pixels = root / "tiny-imagenet-200", pictures(seed)
    folder.mkdir(parents=True)
    (folder / "wnids.txt").write_text("\n".join(WNIDS))
    (folder / "words.txt").write_text(
        "n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn02124075\tEgyptian cat\n"
    )
    for wnid in WNIDS:
        for number in range(PER_CLASS):
            name = folder / "train" / wnid / "images" / f"{wnid}_{number}.JPEG"
            save(next(pixels).resize((64, 64)), name)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t9\t9\n")
    lines = []
    for number in range(3 * TEST_PER_CLASS):
        save(next(pixels).resize((64, 64)), folder / "val" / "images" / f"val_{number}.JPEG")
        lines.append(f"val_{number}.JPEG\t{WNIDS[number % 3]}\t0\t32\t44\t62")
    (folder / "val" / "val_annotations.txt").write_text("\n".join(lines))


def write_folder(root: Path, seed: int = 0) -> None:
    pixels = pictures(seed)
    for part, each in (("train", PER_CLASS), ("test", TEST_PER_CLASS)):
        for name in ("wren", "Owl", "kite"):
            for number in range(each):
                save(next(pixels), root / part / name / f"{number}.png")
    (root / "train" / "wren" / "notes.txt").write_text("not an image")
    (root / "train" / "wren" / ".0.png").write_text("nor is a hidden file")


KINDS: dict[str, tuple[type[Any], Callable[[Path, int], None], dict[str, object]]] = {
    "oxford_pets": (Pets, write_pets, {"resolution": 24}),
    "stanford_cars": (Cars, write_cars, {"resolution": 24}),
    "tiny_imagenet": (TinyImageNet, write_tiny, {}),
    "image_folder": (ImageFolder, write_folder, {"resolution": 24}),
}


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The thread count may change how sums are formed; runs use one thread per worker."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a data set of this kind below `tmp_path/<folder>` and describe it: `make("oxford_pets")`.

    Three classes, PER_CLASS training and TEST_PER_CLASS test images each; keys of the data set can be given.
    """

    def written(name: str, folder: str = "data", seed: int = 0, **keys: object) -> ImageFiles:
        model, write, size = KINDS[name]
        root = tmp_path / folder
        if not root.exists():
            write(root, seed)
        values = {"name": name, "root": str(root), "split": SPLIT, **size, **keys}
        dataset: ImageFiles = model.model_validate(values)
        return dataset

    return written
