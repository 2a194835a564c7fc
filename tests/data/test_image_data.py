"""The data sets of image files, from files as published through the loader: all there, missing, damaged."""

from __future__ import annotations

import hashlib
import io
import shutil
import urllib.error
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from rigorkd.data.decode import decode
from rigorkd.data.decoded import ImageFiles
from rigorkd.data.image_data import Subset
from rigorkd.data.loading import load
from rigorkd.data.pets import PETS
from rigorkd.errors import InputError

from .conftest import KINDS

Make = Callable[..., ImageFiles]
ALL = tuple(KINDS)


def whole(part: Subset) -> torch.Tensor:
    return torch.cat(list(part.images.split(100)))


@pytest.mark.parametrize("name", ["oxford_pets", "tiny_imagenet"])
def test_fewer_images_are_taken_at_regular_distances(make: Make, name: str) -> None:
    part = load(make(name), 0).train
    few = part.at_most(4)
    rows = [0, 3, 7, 11]
    assert torch.equal(whole(few), whole(part)[rows])
    assert few.labels.tolist() == part.labels[rows].tolist()
    assert few.index.tolist() == part.index[rows].tolist()
    in_memory = Subset(whole(part), part.labels, part.index).at_most(4)
    assert torch.equal(whole(in_memory), whole(few))
    assert part.at_most(15) is part


@pytest.mark.parametrize("name", ALL)
def test_every_image_arrives_with_its_class(make: Make, name: str) -> None:
    dataset = make(name)
    data = load(dataset, 0)
    assert (len(data.train), len(data.val), len(data.test)) == (15, 3, 12)
    assert torch.equal(data.val.labels.bincount(), torch.tensor([1, 1, 1]))
    assert sorted(torch.cat([data.train.index, data.val.index]).tolist()) == list(range(18))
    files = dataset.layout.index(dataset.folder)
    assert files.test is not None
    side, fit = (64, None) if name == "tiny_imagenet" else (24, "crop")
    for part, source in ((data.train, files.train), (data.val, files.train), (data.test, files.test)):
        images = whole(part)
        assert images.dtype == torch.uint8
        for image, label, index in zip(images, part.labels, part.index, strict=True):
            file = source[int(index)]
            content = (dataset.folder / file.name).read_bytes()
            assert torch.equal(image, torch.from_numpy(decode(content, side, fit)))
            assert int(label) == file.label
    assert (
        data.class_names
        == {
            "oxford_pets": ("Abyssinian", "american bulldog", "Bengal"),
            "stanford_cars": ("AM General Hummer SUV 2000", "Acura RL Sedan 2012", "Audi S4 2007"),
            "tiny_imagenet": ("goldfish", "Egyptian cat", "n04067472"),
            "image_folder": ("Owl", "kite", "wren"),
        }[name]
    )


def test_pets_and_cars_are_indexed_as_torchvision_indexes_them(make: Make) -> None:
    for name, reader, parts in (
        ("oxford_pets", datasets.OxfordIIITPet, ("trainval", "test")),
        ("stanford_cars", datasets.StanfordCars, ("train", "test")),
    ):
        dataset = make(name, folder=name)
        index = dataset.layout.index(dataset.folder)
        for part, ours in zip(parts, (index.train, index.test), strict=True):
            theirs = reader(dataset.root, part)
            assert ours is not None
            assert len(theirs) == len(ours)
            for (picture, label), file in zip(theirs, ours, strict=True):
                with Image.open(dataset.folder / file.name) as own:
                    assert np.array_equal(np.asarray(picture), np.asarray(own.convert("RGB")))
                assert label == file.label


def test_a_folder_is_indexed_as_torchvision_indexes_it(make: Make) -> None:
    dataset = make("image_folder")
    root = Path(dataset.root)
    (root / "train" / "wren" / ".0.png").unlink()  # torchvision would take it for an image
    (root / "train" / "kite" / "more").mkdir()
    (root / "train" / "kite" / "0.png").rename(root / "train" / "kite" / "more" / "a.png")
    theirs = datasets.ImageFolder(str(root / "train"))
    ours = dataset.layout.index(root)
    assert ours.class_names == tuple(theirs.classes)
    assert sorted((str(root / file.name), file.label) for file in ours.train) == sorted(theirs.samples)


def test_known_archives_are_those_of_torchvision() -> None:
    assert [(a.url, a.md5) for a in PETS.archives] == list(datasets.OxfordIIITPet._RESOURCES)


def packed(folder: Path, archive: Path) -> None:
    """An archive of the folders and files in `folder`, as its name says."""
    kind, name = ("zip", archive.stem) if archive.suffix == ".zip" else ("gztar", archive.name[:-7])
    shutil.make_archive(str(archive.with_name(name)), kind, folder)


@pytest.mark.parametrize("name", ["oxford_pets", "tiny_imagenet"])
def test_archives_are_unpacked_without_touching_what_is_there(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Small archives take the place of the published ones; they lie there already, so nothing is fetched."""
    source = make(name, folder="source").folder
    root = tmp_path / "root"
    root.mkdir()
    layout = make(name, folder="source").layout
    contents = [source / "images", source / "annotations"] if name == "oxford_pets" else [source]
    archives = []
    for archive, content in zip(layout.archives, contents, strict=True):
        beside = tmp_path / f"beside-{content.name}"
        shutil.copytree(content, beside / content.name)
        packed(beside, file := root / archive.url.rpartition("/")[2])
        archives.append(replace(archive, md5=hashlib.md5(file.read_bytes()).hexdigest()))
    dataset = make(name, folder="root", download=True)
    monkeypatch.setattr(type(dataset), "layout", replace(layout, archives=tuple(archives)))
    dataset.prepare()
    assert dataset.checksum() == data_checksum_of(make(name, folder="source"))
    part = dataset.folder / layout.parts[-1]
    (own := dataset.folder / layout.parts[0] / "own.txt").write_text("mine")
    part.unlink()
    dataset.prepare()
    assert part.is_file()
    assert own.read_text() == "mine"
    names = {path.name for path in root.iterdir()}
    assert names == {layout.folder, ".rigorkd", *(a.url.rpartition("/")[2] for a in archives)}


def data_checksum_of(dataset: ImageFiles) -> str:
    dataset.prepare()
    return dataset.checksum()


def test_a_failed_download_is_one_message(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(datasets.utils, "download_and_extract_archive", no_network)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"the download failed.*no route to host") as caught:
        make("oxford_pets", folder="empty", download=True).prepare()
    assert "unpack https://" in caught.value.hint


# ------------------------------------------------------------------------------------------------- damage


def test_nothing_there_names_a_place_and_a_source(make: Make, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, place, source in (
        ("oxford_pets", "oxford-iiit-pet/images", "images.tar.gz"),
        ("stanford_cars", "stanford_cars/cars_train", "cars_test_annos_withlabels.mat"),
        ("tiny_imagenet", "tiny-imagenet-200/train", "tiny-imagenet-200.zip"),
        ("image_folder", "train", "/train/<class>/<image>"),
    ):
        with pytest.raises(InputError, match="is missing") as caught:
            make(name, folder="empty").prepare()
        assert str(tmp_path / "empty" / place) in caught.value.message
        assert source in caught.value.hint
        assert ("download: true" in caught.value.hint) == (name in ("oxford_pets", "tiny_imagenet"))
    assert not any((tmp_path / "empty").iterdir())


def test_cars_cannot_be_downloaded_and_say_so(make: Make, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cars_train is missing") as caught:
        make("stanford_cars", folder="empty", download=True).prepare()
    assert "no longer offers it" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("oxford_pets", "annotations/test.txt", None, "test.txt is missing"),
        ("oxford_pets", "annotations/test.txt", b"", "lists no image"),
        ("oxford_pets", "annotations/trainval.txt", b"Bengal_1 3\n", "'Bengal_1 3' is not a line"),
        ("oxford_pets", "annotations/trainval.txt", b"\xff\xfe", "cannot be read"),
        ("oxford_pets", "images/Bengal_1.jpg", None, r"Bengal_1.jpg is missing, but .*trainval.txt lists it"),
        ("stanford_cars", "cars_test_annos_withlabels.mat", None, "withlabels.mat is missing"),
        ("stanford_cars", "cars_test_annos_withlabels.mat", b"", "not the published annotations"),
        (
            "stanford_cars",
            "devkit/cars_train_annos.mat",
            b"MATLAB 5.0 " * 30,
            "not the published annotations",
        ),
        (
            "stanford_cars",
            "cars_test/00003.jpg",
            None,
            r"00003.jpg is missing, but .*withlabels.mat lists it",
        ),
        ("tiny_imagenet", "wnids.txt", b"n01443537\nn99999999\n", "n99999999/images: no image of this class"),
        ("tiny_imagenet", "val/val_annotations.txt", b"val_0.JPEG\tn7\t0\n", "names no class of wnids.txt"),
        ("tiny_imagenet", "val/images/val_3.JPEG", None, "val_3.JPEG is missing"),
        ("image_folder", "test/heron/0.png", b"", "heron: there is no such class under train"),
        ("image_folder", "train/heron/readme", b"", "heron: there is no image in this folder"),
    ],
)
def test_what_is_missing_or_damaged_is_named(
    make: Make, name: str, file: str, content: bytes | None, message: str
) -> None:
    dataset = make(name)
    path = dataset.folder / file
    if content is None:
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load(dataset, 0)
    assert caught.value.hint


def test_annotations_of_the_test_set_without_labels_are_refused(make: Make) -> None:
    """The devkit's own cars_test_annos.mat has no classes: an easy file to confuse."""
    from scipy.io import savemat

    dataset = make("stanford_cars")
    rows = np.array([(1.0, "00001.jpg")], dtype=[("bbox_x1", object), ("fname", object)])
    savemat(dataset.folder / "cars_test_annos_withlabels.mat", {"annotations": rows})
    with pytest.raises(InputError, match="not the published annotations"):
        dataset.prepare()


@pytest.mark.parametrize("name", ALL)
def test_images_that_cannot_be_decoded_are_named(make: Make, name: str) -> None:
    dataset = make(name)
    images = dataset.layout.index(dataset.folder).train
    broken = [dataset.folder / images[row].name for row in (3, 7)]
    broken[0].write_bytes(broken[0].read_bytes()[:-200])
    broken[1].write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="2 images cannot be decoded") as caught:
        dataset.prepare()
    assert f"{broken[0]}: " in caught.value.message
    assert f"{broken[1]}: not an image of a known format" in caught.value.message


def test_a_tiny_imagenet_image_of_another_size_is_refused(make: Make) -> None:
    dataset = make("tiny_imagenet")
    buffer = io.BytesIO()
    Image.new("RGB", (65, 64)).save(buffer, "JPEG")
    (dataset.folder / "val" / "images" / "val_0.JPEG").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"val_0.JPEG: 65×64 pixels, not 64×64"):
        dataset.prepare()


def test_other_counts_than_published_are_warned_about(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    make("oxford_pets").prepare()
    assert "18 + 12 images instead of 3680 + 3669" in caplog.text
    caplog.clear()
    make("image_folder", folder="own").prepare()
    assert not caplog.text


# -------------------------------------------------------------------------------------------------- splits


@pytest.mark.parametrize("name", ALL)
def test_a_split_that_does_not_fit_is_found_before_training(make: Make, name: str) -> None:
    with pytest.raises(InputError, match="there are only 6 images of one class"):
        make(name, split={"val": 6, "per_class": True}).prepare()


def test_a_folder_without_test_set_needs_split_test(make: Make, tmp_path: Path) -> None:
    dataset = make("image_folder")
    shutil.rmtree(tmp_path / "data" / "test")
    with pytest.raises(InputError, match="no test set of its own"):
        dataset.prepare()
    held_out = make("image_folder", split={"val": 1, "test": 2, "per_class": True})
    data = load(held_out, 0)
    assert (len(data.train), len(data.val), len(data.test)) == (9, 3, 6)
    indices = torch.cat([data.train.index, data.val.index, data.test.index])
    assert torch.equal(indices.sort().values, torch.arange(18))
    assert torch.equal(whole(data.test), torch.from_numpy(_array_of(held_out)[data.test.index.numpy()]))


def test_a_limited_training_set_reads_its_own_rows_only(make: Make) -> None:
    dataset = make("image_folder", split={"train": 2, "val": 1, "per_class": True})
    data = load(dataset, 0)
    assert data.train.images.shape == (6, 3, 24, 24)
    source = torch.from_numpy(_array_of(dataset))
    assert torch.equal(whole(data.train), source[data.train.index])


def _array_of(dataset: ImageFiles) -> np.ndarray:
    (path,) = (Path(dataset.root) / ".rigorkd").glob("*.npy")
    array: np.ndarray = np.load(path)
    return array
