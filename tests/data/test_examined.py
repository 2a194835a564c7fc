"""Images that are there more than once are found in every source, before and after they are decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from rigorkd.data.arrays import Arrays
from rigorkd.data.dataset import Dataset
from rigorkd.data.examined import Examined, repeated
from rigorkd.data.image_folder import ImageFolder
from rigorkd.launch.own_data import examined_told
from rigorkd.records.data_note import note_examined, read_examined

SIDE = 12


def noise(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n, SIDE, SIDE), dtype=np.uint8)


def arrays(folder: Path, split: dict[str, Any] | None = None, **content: Any) -> Dataset:
    np.savez(folder / "made.npz", **content)
    described = {"name": "arrays", "file": str(folder / "made.npz"), "split": split or {"val": 4}}
    return TypeAdapter(Arrays).validate_python(described)


def pictures(folder: Path, images: Any, labels: Any, split: dict[str, Any] | None = None) -> Dataset:
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / f"class{label}" / f"{row:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    described = {"name": "image_folder", "root": str(folder), "split": split or {"val": 4, "test": 10}}
    return TypeAdapter(ImageFolder).validate_python(described)


def test_test_images_of_arrays_that_are_trained_on_are_told(tmp_path: Path) -> None:
    images, labels = noise(40), np.arange(40) % 2
    split = {"train": 30, "val": 4}
    dataset = arrays(tmp_path, split, x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])
    found = dataset.examined()
    assert found is not None
    assert found.test_images == 10
    assert 5 <= found.tested <= 10, "those in val are not trained on"
    (told,) = examined_told(dataset)
    assert "of 10 test images are copies of some to train on (x_test[" in told
    fresh = arrays(
        tmp_path, split, images=images, labels=labels, test_images=noise(10, 1), test_labels=labels[:10]
    )
    assert not [*examined_told(fresh)]


def test_a_split_that_draws_the_test_set_counts_what_it_draws(tmp_path: Path) -> None:
    """Images doubled before the split; each seed's own split has its own copies."""
    images, labels = np.concatenate([noise(40), noise(40)]), np.arange(80) % 2
    split: dict[str, Any] = {"val": 10, "test": 20, "seed": "per_seed"}
    dataset = arrays(tmp_path, split, images=images, labels=labels)
    found = [dataset.examined(seed) for seed in range(3)]
    assert {one.seed for one in found if one} == {0, 1, 2}
    assert len({one.tested for one in found if one} | {one.pair for one in found if one}) > 2
    assert all(0 < one.tested <= 20 for one in found if one)
    assert "in the split of seed 0" in next(iter(examined_told(dataset)))
    split["seed"] = 0
    fixed = arrays(tmp_path, split, images=images, labels=labels)
    assert "of seed" not in next(iter(examined_told(fixed)))


def test_folders_say_the_same_before_and_after_they_are_decoded(tmp_path: Path) -> None:
    images = noise(40)
    dataset = pictures(tmp_path, np.concatenate([images, images[:30]]), np.arange(70) % 2)
    assert dataset.examined() is None, "nobody has read them"
    assert dataset.read_through()  # type: ignore[attr-defined]
    before = [*examined_told(dataset)]
    assert "of 10 test images are copies" in before[0]
    assert "class0/" in before[0]
    dataset.prepare()
    assert [*examined_told(dataset)] == before
    clean = pictures(tmp_path / "clean", noise(40, 2), np.arange(40) % 2)
    clean.prepare()
    assert not [*examined_told(clean)]


def test_one_image_under_two_classes_is_told_wherever_it_stands(tmp_path: Path) -> None:
    images = noise(40)
    dataset = pictures(tmp_path, np.concatenate([images, images[:1]]), np.arange(41) % 2)
    assert not [*examined_told(dataset)]
    labels = [*(np.arange(40) % 2), 1]
    dataset = pictures(tmp_path / "two", np.concatenate([images, images[:1]]), labels)
    dataset.read_through()  # type: ignore[attr-defined]
    assert "1 image stands under two classes (class0/00.png and class1/40.png, say)" in " ".join(
        examined_told(dataset)
    )


def test_images_of_one_colour_are_no_copies(tmp_path: Path) -> None:
    """They are told as such; in many a collection a few are empty."""
    images = np.concatenate([noise(30), np.zeros((20, SIDE, SIDE), np.uint8)])
    dataset = arrays(tmp_path, {"val": 4, "test": 20}, images=images, labels=np.arange(50) % 2)
    assert dataset.examined() is None
    folder = pictures(tmp_path / "files", images, np.arange(50) % 2, {"val": 4, "test": 20})
    folder.read_through()  # type: ignore[attr-defined]
    assert not [*examined_told(folder)]


def test_a_class_that_is_never_tested_is_named(tmp_path: Path) -> None:
    """Of a test set of its own, or of one that the split draws; a few are told, where others have more."""
    images, labels = noise(60), np.repeat([0, 1, 2], 20)
    own = {"images": images, "labels": labels, "test_images": noise(30, 1)}
    tested = np.repeat([0, 1], 15)
    (told,) = examined_told(arrays(tmp_path, **own, test_labels=tested))
    assert told.startswith("no test image is of class 2: networks choose among 3 classes, and the accuracy")
    tested[0] = 2
    (told,) = examined_told(arrays(tmp_path, **own, test_labels=tested))
    assert told.startswith("fewer than 5 test images are of class 2: ")
    assert not [*examined_told(arrays(tmp_path, **own, test_labels=np.repeat([0, 1, 2], 10)))]
    rare = np.concatenate([labels[:58], [3, 3]])
    split = {"train": 50, "val": 2, "test": 8, "seed": "per_seed"}
    drawn = pictures(tmp_path / "drawn", images, rare, split)
    found = [one.untested for seed in range(9) if (one := drawn.examined(seed))]
    assert ("class3",) in found


def test_what_agrees_in_the_middle_is_compared_whole() -> None:
    large = np.random.default_rng(0).integers(0, 256, (4, 3, 64, 64), dtype=np.uint8)
    large[1] = large[0]
    large[1, 0, 0, 0] ^= 1
    large[3] = large[2]
    assert repeated(large[:2], large[2:]) == ((2, 3),)


def test_a_note_is_read_as_it_was_written_and_goes_with_the_copies(tmp_path: Path) -> None:
    assert read_examined(tmp_path) is None
    found = Examined(20, 3, 3, ("a", "b"), True, 1, ("c", "d"), ("e",), (), 4)
    note_examined(tmp_path, found)
    assert read_examined(tmp_path) == found
    note_examined(tmp_path, None)
    assert read_examined(tmp_path) is None


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"schema": "rigorkd.data/1"}',
        '{"schema": "rigorkd.data/1", "test_images": 3, "classes": 2, "tested": 4}',
        '{"schema": "rigorkd.data/1", "test_images": 0, "classes": 2}',
        '{"schema": "rigorkd.data/1", "test_images": 9, "classes": 2, "pair": [1, 2]}',
        '{"schema": "rigorkd.data/1", "test_images": "many", "classes": 2}',
    ],
)
def test_a_note_that_nobody_wrote_is_one_error(tmp_path: Path, text: str) -> None:
    from rigorkd.errors import StoreError

    (tmp_path / "data.json").write_text(text)
    with pytest.raises(StoreError, match=r"data\.json"):
        read_examined(tmp_path)
