"""A user's own images as arrays in one file."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rigorkd.data.arrays import Arrays
from rigorkd.data.loading import load
from rigorkd.errors import InputError, ProtocolError
from rigorkd.protocol.check import limited_test_problems
from rigorkd.protocol.load import load_protocol
from rigorkd.protocol.smoke import smoke

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]
GENERATOR = np.random.default_rng(0)
COLOUR = GENERATOR.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
LABELS = np.arange(40) % 4


def described(path: Path, **keys: Any) -> Arrays:
    split = keys.pop("split", {"val": 8, "test": 8})
    return Arrays.model_validate({"name": "arrays", "file": str(path), "split": split, **keys})


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "pictures.npz"
    np.savez(path, **arrays)
    return path


def stored(dataset: Arrays) -> torch.Tensor:
    """All images in the order of the file."""
    data = load(dataset, 0)
    parts = (data.train, data.val, data.test)
    images = torch.cat([torch.as_tensor(part.images) for part in parts])
    return images[torch.cat([part.index for part in parts]).argsort()]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (COLOUR, COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR.transpose(0, 3, 1, 2)),
        (COLOUR[..., 0], COLOUR[..., 0][:, None]),
        (COLOUR[..., :1], COLOUR[..., 0][:, None]),
        (COLOUR.astype(np.uint16) * 256 + 7, COLOUR.transpose(0, 3, 1, 2)),
    ],
    ids=["last", "first", "grey", "one channel", "16 bits"],
)
def test_every_shape_of_images(tmp_path: Path, images: np.ndarray, expected: np.ndarray) -> None:
    dataset = described(saved(tmp_path, images=images, labels=LABELS))
    assert np.array_equal(stored(dataset).numpy(), expected)
    known = dataset.looked_at()
    assert known is not None
    assert (known.images, known.classes, known.channels, known.size) == (40, 4, expected.shape[1], 12)
    assert dataset.agreed() == 12
    assert dataset.settled(12).side == 12


def test_names_of_other_libraries_and_a_test_set(tmp_path: Path) -> None:
    """As MedMNIST has them; what is for validation there is not read."""
    path = saved(
        tmp_path,
        train_images=COLOUR,
        train_labels=LABELS[:, None],
        val_images=COLOUR[:3],
        test_images=COLOUR[:12],
        test_labels=LABELS[:12, None],
    )
    data = load(described(path, split={"val": 8}), 0)
    assert (len(data.train), len(data.val), len(data.test)) == (32, 8, 12)
    assert data.test.labels.tolist() == LABELS[:12].tolist()


def test_labels_may_be_names(tmp_path: Path) -> None:
    names = np.array(["wren", "kite", "owl", "heron"])
    data = load(described(saved(tmp_path, images=COLOUR, labels=names[LABELS])), 0)
    assert data.class_names == ("heron", "kite", "owl", "wren")
    parts = (data.train, data.val, data.test)
    found = {
        int(row): int(label) for part in parts for row, label in zip(part.index, part.labels, strict=True)
    }
    assert [data.class_names[found[row]] for row in range(40)] == names[LABELS].tolist()


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"pictures": COLOUR, "labels": LABELS}, "there is no array 'images'"),
        ({"X": COLOUR, "data": COLOUR, "y": LABELS}, "X and data may both be the images"),
        (
            {"images": COLOUR / 255, "labels": LABELS / 1},
            r"2 faults\n  \(1\) images are float64 .*\n  \(2\) labels are float64",
        ),
        ({"X": COLOUR / 255, "y": LABELS + 1}, r"\(1\) X are float64 from 0 to 1\n  \(2\) y go from 1 to 4"),
        ({"images": COLOUR / 255, "labels": LABELS}, "images are float64"),
        ({"images": COLOUR[:, :10], "labels": LABELS}, "shape 10×12×3 are no square"),
        ({"images": COLOUR, "labels": LABELS[:9]}, "40 images have 9 labels"),
        ({"images": COLOUR, "labels": LABELS + 1}, "labels go from 1 to 4 and have 4 values"),
        ({"images": COLOUR, "labels": LABELS * 0}, r"labels have 1 class\(es\)"),
        ({"images": COLOUR, "labels": LABELS / 2}, "labels are float64"),
        ({"images": COLOUR, "labels": LABELS, "test_images": COLOUR}, "one is missing"),
        (
            {"images": COLOUR, "labels": LABELS, "test_images": COLOUR, "test_labels": LABELS * 3},
            "test_labels have a class that labels lack: 6",
        ),
        ({"images": COLOUR, "labels": np.array([{}] * 40)}, "labels hold Python objects"),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    dataset = described(saved(tmp_path, **arrays))
    with pytest.raises(InputError, match=says) as caught:
        dataset.prepare()
    assert str(tmp_path / "pictures.npz") in caught.value.message
    assert caught.value.hint
    with pytest.raises(InputError, match=says):
        dataset.agreed()


@pytest.mark.parametrize(
    "images", [COLOUR.astype(np.int64), COLOUR / 255, COLOUR.astype(np.float32), COLOUR / 127.5 - 1]
)
def test_levels_come_back_by_the_mend_that_is_offered(tmp_path: Path, images: np.ndarray) -> None:
    mended = mended_by(tmp_path, "uint8: ", images=images, labels=LABELS)
    assert mended.dtype == np.uint8
    assert (mended == COLOUR).all()


@pytest.mark.parametrize(
    "kind", [np.int16, np.int32, np.float32], ids=["scanner", "whole numbers", "floating point"]
)
def test_wide_levels_come_back_alike_in_training_and_test(tmp_path: Path, kind: type) -> None:
    """Densities of a scanner from -1024 on: the test images, of a smaller range, keep the same scale."""
    wide: np.ndarray = (COLOUR.astype(np.int64) * 257 - 32768).astype(kind)
    wide.flat[:2] = -32768, 32767
    given = {"images": wide, "labels": LABELS, "test_images": wide[8:16] // 2, "test_labels": LABELS[8:16]}
    with pytest.raises(InputError) as caught:
        described(saved(tmp_path, **given)).prepare()
    train, test = (part.partition("uint8: ")[2] for part in caught.value.hint.split("\n  "))
    assert test == train.replace("images", "test_images")
    mended = eval(train, {"np": np, **given})
    assert mended.dtype == np.uint8
    assert (mended.min(), mended.max()) == (0, 255)
    assert np.abs(mended.reshape(-1)[2:].astype(int) - COLOUR.reshape(-1)[2:]).max() <= 1


def test_decibels_are_stretched_and_what_is_no_number_is_the_least_level(tmp_path: Path) -> None:
    decibels = (COLOUR / 255 * 80 - 80).astype(np.float32)
    decibels[0, 0, 0] = np.nan, np.inf, -80
    decibels[-1, 0, 0] = -40, 0, -80
    with pytest.raises(InputError, match="from -80 to 0, and 2 values NaN or infinite"):
        described(saved(tmp_path, images=decibels, labels=LABELS)).prepare()
    mended = mended_by(tmp_path, "uint8: ", images=decibels, labels=LABELS)
    assert mended[0, 0, 0].tolist() == [0, 255, 0]
    assert np.abs(mended[1:-1].astype(int) - COLOUR[1:-1]).max() <= 1
    standard = np.random.default_rng(0).normal(size=(40, 12, 12)).astype(np.float32)
    with pytest.raises(InputError, match="images are float32") as caught:
        described(saved(tmp_path, images=standard, labels=LABELS)).prepare()
    assert (
        "; or, where they were divided by std after mean was taken away, (255 * (images * std"
        in caught.value.hint
    )


def test_python_objects_are_named_and_mended_by_the_line_that_is_offered(tmp_path: Path) -> None:
    """As pandas and lists of pictures make them; an array that nobody reads may hold them."""
    names = np.array(["wren", "kite", "owl", "heron"])[LABELS].astype(object)
    pictures = np.empty(40, object)
    pictures[:] = list(COLOUR)
    path = saved(tmp_path, images=pictures, labels=names, class_names=np.array([*"abcd"], object))
    with pytest.raises(InputError, match="images, labels, class_names hold Python objects") as caught:
        described(path).prepare()
    exec(caught.value.hint.partition(" writes plain")[0], {"np": np})
    found, _ = described(path).read()
    assert found.class_names == ("heron", "kite", "owl", "wren")
    assert len(found.images) == 40
    assert described(saved(tmp_path, images=COLOUR, labels=LABELS, notes=names)).read()


def mended_by(tmp_path: Path, before: str, **arrays: Any) -> np.ndarray:
    """What the code that is offered makes of the arrays."""
    with pytest.raises(InputError) as caught:
        described(saved(tmp_path, **arrays)).prepare()
    offered = caught.value.hint.partition(before)[2].partition(", or ")[0].partition("\n")[0]
    return eval(offered.partition(" of one-hot")[0], {"np": np, **arrays})


def test_shapes_come_back_by_the_mend_that_is_offered(tmp_path: Path) -> None:
    wide = np.concatenate([COLOUR, COLOUR[:, :, :5]], axis=2)
    for given, before, meant in (
        (COLOUR.reshape(40, -1), "of the rows: ", COLOUR),
        (COLOUR[..., 0].reshape(40, -1), "of the rows: ", COLOUR[..., 0]),
        (np.moveaxis(COLOUR, 0, 3), "come last: ", COLOUR),
        (COLOUR[..., [0, 1, 2, 0]], "keep the colours: ", COLOUR),
        (wide, "centres are squares: ", wide[:, :, 2:14]),
        (wide.transpose(0, 3, 1, 2), "centres are squares: ", wide.transpose(0, 3, 1, 2)[..., 2:14]),
        (COLOUR > 127, "uint8: ", 255 * (COLOUR > 127)),
    ):
        assert np.array_equal(mended_by(tmp_path, before, images=given, labels=LABELS), meant)


def test_labels_come_back_by_the_mend_that_is_offered(tmp_path: Path) -> None:
    for labels in (np.eye(4)[LABELS], LABELS + 1, LABELS * 10, LABELS / 1):
        mended = mended_by(tmp_path, ": ", images=COLOUR, labels=labels)
        assert mended.dtype.kind == "i"
        assert mended.tolist() == LABELS.tolist()
    names = np.array([b"wren", b"kite", b"owl", b"heron"])[LABELS]
    assert mended_by(tmp_path, "image: ", images=COLOUR, labels=names)[0] in ("wren", "kite", "owl", "heron")


def test_arrays_are_found_by_usual_names_and_told_by_their_shapes(tmp_path: Path) -> None:
    meant = described(saved(tmp_path, images=COLOUR, labels=LABELS)).read()[0]
    for images, labels in (("data", "target"), ("X", "y"), ("X_train", "Y_train")):
        dataset = described(saved(tmp_path, **{images: COLOUR, labels: LABELS, "extra": LABELS}))
        found, _ = dataset.read()
        assert np.array_equal(found.images, meant.images)
        assert np.array_equal(found.labels, meant.labels)
        known = dataset.looked_at()
        assert known is not None
        assert known.unread == ("extra",)
    with pytest.raises(InputError) as caught:
        described(saved(tmp_path, cls=LABELS, pixels=COLOUR)).prepare()
    assert caught.value.hint.endswith("np.savez(file, images=old['pixels'], labels=old['cls'])")


def test_all_faults_are_told_at_once_each_with_its_mend(tmp_path: Path) -> None:
    """Also of arrays that are to be renamed first."""
    wide = np.concatenate([COLOUR, COLOUR[:, :, :5]], axis=2) / 255
    content = {"pixels": wide, "cls": LABELS[:9] + 1}
    with pytest.raises(InputError) as caught:
        described(saved(tmp_path, **content)).prepare()
    listed = caught.value.message.splitlines()
    assert listed[0].endswith("4 faults")
    assert listed[1:] == [
        "  (1) there is no array 'images' and no 'labels'",
        "  (2) pixels are float64 from 0 to 1",
        "  (3) pixels of shape 12×17×3 are no square grey or colour images",
        "  (4) cls go from 1 to 4 and have 4 values",
    ]
    mends = caught.value.hint.split("\n  ")
    assert [mend.partition(":")[0] for mend in mends] == [f"mend ({number})" for number in (1, 2, 3, 4)]
    assert mends[0].endswith("images=old['pixels'], labels=old['cls'])")
    tests = {"test_images": COLOUR[:4, :8, :8], "test_labels": LABELS[:4] + 7}
    with pytest.raises(InputError) as caught:
        described(saved(tmp_path, images=COLOUR, labels=LABELS[:9], **tests)).prepare()
    assert caught.value.message.splitlines()[1:] == [
        "  (1) 40 images have 9 labels",
        "  (2) images and test_images differ in shape: 12×12×3 and 8×8×3",
        "  (3) test_labels have a class that labels lack: 7",
    ]


def test_images_that_show_little_are_told(tmp_path: Path) -> None:
    scans = GENERATOR.integers(0, 4096, (40, 12, 12), dtype=np.uint16)
    scans[:, 0, 0] = 4095

    def doubts(images: np.ndarray) -> str:
        known = described(saved(tmp_path, images=images, labels=LABELS)).looked_at()
        assert known is not None
        return "; ".join(known.doubts)

    assert "40 of 40 images have 16 bits" in doubts(scans)
    assert "multiply their levels by 16 before" in doubts(scans)
    assert not doubts(scans * 16)
    assert not doubts(COLOUR // 128), "eight bits lose nothing"
    empty = COLOUR.copy()
    empty[:2] = 7
    assert doubts(empty).startswith("2 of 40 images are of one colour all over")
    empty[1] = COLOUR[1]
    assert not doubts(empty)


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.npz: no such file") as caught:
        described(tmp_path / "none.npz").prepare()
    assert caught.value.hint
    (tmp_path / "text.npz").write_text("no arrays")
    np.save(tmp_path / "lone.npy", COLOUR)
    for name, says in (("text.npz", "not a file of arrays"), ("lone.npy", "one array alone")):
        with pytest.raises(InputError, match=says):
            described(tmp_path / name).prepare()


def test_from_a_file_to_records(tmp_path: Path, rigorkd: Rigorkd) -> None:
    """Planned, run, read where the file is not; stale when it is another."""
    saved(tmp_path, images=COLOUR[..., 0], labels=LABELS)
    (tmp_path / "own.yaml").write_text(
        "rigorkd: 1\nstudy: own\ndataset: {name: arrays, file: pictures.npz, split: {val: 8, test: 8}}\n"
        "training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 8, epochs: 1}\n"
        "teacher: {model: {name: cnn, channels: [4]}}\nstudents: {net: {model: {name: cnn, channels: [2]}}}\n"
        "groups: {main: {baseline: true, kd: {T: 4}}}\nseeds: 1\n"
    )
    plan = rigorkd("plan", "own.yaml")
    assert "data: 40 images of 12×12 in 4 classes (pictures.npz)" in plan.stdout
    assert "kept as 12×12 in grey" in plan.stdout
    done = rigorkd("run", "own.yaml")
    assert done.returncode == 0, done.stderr
    (tmp_path / "pictures.npz").rename(tmp_path / "away.npz")
    runs = json.loads(rigorkd("plan", "own.yaml", "--format", "json").stdout)["runs"]
    assert runs["done"] == runs["total"] == 3
    assert json.loads((tmp_path / "results/own/study.json").read_text())["settled"] == {"resolution": 12}
    assert not rigorkd("table", "--format", "csv").stderr
    absent = rigorkd("run", "own.yaml")
    assert absent.returncode == 2
    saved(tmp_path, images=COLOUR[..., 1], labels=LABELS)
    assert "the data changed" in rigorkd("run", "own.yaml").stderr


def test_who_reads_a_study_reads_no_file_that_its_protocol_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Arrays, "looked_at", lambda self: pytest.fail("the file was read"))
    path = tmp_path / "own.yaml"
    path.write_text(
        "rigorkd: 1\nstudy: own\ndataset: {name: arrays, file: /dev/zero, split: {val: 8, test: 8}}\n"
        "training: {optimizer: {name: adamw, lr: 1e-2}, epochs: 1}\n"
        "views: {train: [{random_crop: 14}]}\nstudents: {net: cnn}\ngroups: {main: {baseline: true}}\n"
    )
    read = load_protocol(path, settle=lambda _: None)
    assert read.spec.dataset.known_side is None
    assert smoke(read, look=False).spec.dataset.info.classes == 10
    assert smoke(read, shape=(4, 1)).spec.dataset.info.classes == 4
    with pytest.raises(ProtocolError, match="a shift by 14 pixels leaves nothing of an image of 12"):
        load_protocol(path, settle=lambda _: 12)


def test_a_smoke_study_remembers_the_shape_of_its_images(tmp_path: Path, rigorkd: Rigorkd) -> None:
    saved(tmp_path, images=COLOUR[..., 0], labels=LABELS)
    (tmp_path / "own.yaml").write_text(
        "rigorkd: 1\nstudy: own\ndataset: {name: arrays, file: pictures.npz, split: {val: 8, test: 8}}\n"
        "training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 8, epochs: 1}\n"
        "students: {net: {model: {name: cnn, channels: [2]}}}\ngroups: {main: {baseline: true}}\nseeds: 1\n"
    )
    done = rigorkd("run", "own.yaml", "--smoke")
    assert done.returncode == 0, done.stderr
    study = tmp_path / "results" / "own.smoke"
    noted = json.loads((study / "study.json").read_text())["settled"]
    assert noted == {"resolution": 12, "classes": 4, "channels": 1}
    (tmp_path / "pictures.npz").unlink()
    status = json.loads(rigorkd("status", "--format", "json").stdout)
    assert (status["runs"]["done"], status["stale"]) == (1, {})


def test_a_limit_beyond_ones_own_test_set_is_told_at_its_line(tmp_path: Path) -> None:
    """`split.test` may limit a test set, not lengthen it: told before a run, not by the first one."""
    images, labels = np.zeros((40, 12, 12), np.uint8), np.arange(40) % 2
    np.savez(tmp_path / "made.npz", x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])
    described = {"name": "arrays", "file": str(tmp_path / "made.npz"), "split": {"val": 4, "test": 11}}
    dataset = Arrays.model_validate(described)
    known = dataset.looked_at()
    assert known is not None
    (told,) = limited_test_problems(dataset.split, known)
    assert told.path == ("dataset", "split", "test")
    assert told.message == f"11 images to test, and {tmp_path / 'made.npz'} has 10 for it"
    within = dataset.split.model_copy(update={"test": 10})
    assert not [*limited_test_problems(within, known)]
