"""CIFAR in its real pickled format, written with a few images."""

from __future__ import annotations

import hashlib
import json
import logging
import pickle
import shutil
import struct
import subprocess
import tarfile
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torchvision import datasets

from rigorkd.data.cifar import CIFAR10, CIFAR100, Cifar10, Cifar100
from rigorkd.data.dataset import Split
from rigorkd.data.loading import load
from rigorkd.errors import InputError

PER_FILE = 30

WriteCifar = Callable[..., None]
Rigorkd = Callable[..., subprocess.CompletedProcess[str]]


def cifar10(root: Path, **changes: object) -> Cifar10:
    return Cifar10.model_validate({"name": "cifar10", "root": str(root), "split": {"val": 20}, **changes})


def cifar100(root: Path, **changes: object) -> Cifar100:
    return Cifar100.model_validate({"name": "cifar100", "root": str(root), "split": {"val": 5}, **changes})


def test_the_known_md5s_are_those_of_torchvision() -> None:
    for layout, published in ((CIFAR10, datasets.CIFAR10), (CIFAR100, datasets.CIFAR100)):
        assert layout.folder == published.base_folder
        assert layout.archive == published.filename
        assert [[file.name, file.md5] for file in layout.train] == published.train_list
        assert [[file.name, file.md5] for file in layout.test] == published.test_list
        assert (layout.meta.name, layout.meta.md5) == (published.meta["filename"], published.meta["md5"])


def test_cifar10_pixels_and_labels_arrive_unchanged(tmp_path: Path, write_cifar: WriteCifar) -> None:
    write_cifar("cifar10", tmp_path)
    data = load(cifar10(tmp_path), 0)
    assert (len(data.train), len(data.val), len(data.test)) == (5 * PER_FILE - 20, 20, PER_FILE)
    assert data.class_names[3] == "class 3"
    raw = pickle.loads((tmp_path / CIFAR10.folder / "test_batch").read_bytes())
    assert torch.equal(data.test.images, torch.from_numpy(raw["data"]).view(-1, 3, 32, 32))
    assert data.test.images.is_contiguous()
    assert data.test.labels.tolist() == raw["labels"]
    second = pickle.loads((tmp_path / CIFAR10.folder / "data_batch_2").read_bytes())
    for part in (data.train, data.val):
        for image, label, index in zip(part.images, part.labels, part.index, strict=True):
            if PER_FILE <= index < 2 * PER_FILE:
                row = int(index) - PER_FILE
                assert torch.equal(image.flatten(), torch.from_numpy(second["data"][row]))
                assert int(label) == second["labels"][row]


def test_cifar100_has_fine_and_coarse_labels(tmp_path: Path, write_cifar: WriteCifar) -> None:
    write_cifar("cifar100", tmp_path)
    fine, coarse = load(cifar100(tmp_path), 0), load(cifar100(tmp_path, labels="coarse"), 0)
    assert (fine.classes, coarse.classes) == (100, 20)
    assert coarse.class_names[19] == "coarse 19"
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(fine, part).labels // 5, getattr(coarse, part).labels)
    assert fine.checksum == coarse.checksum


def test_sizes_per_class_count_the_labels_in_use(tmp_path: Path, write_cifar: WriteCifar) -> None:
    write_cifar("cifar100", tmp_path, per_file=2000)
    for labels, classes in (("fine", 100), ("coarse", 20)):
        data = load(cifar100(tmp_path, labels=labels, split={"val": 2, "train": 3, "per_class": True}), 0)
        assert data.val.labels.bincount().tolist() == [2] * classes
        assert data.train.labels.bincount().tolist() == [3] * classes


def test_foreign_files_are_used_with_a_warning_and_another_checksum(
    tmp_path: Path, write_cifar: WriteCifar, caplog: pytest.LogCaptureFixture
) -> None:
    absent = cifar100(tmp_path / "nothing").checksum()
    write_cifar("cifar100", tmp_path / "a")
    write_cifar("cifar100", tmp_path / "b", seed=1)
    with caplog.at_level(logging.WARNING):
        load(cifar100(tmp_path / "a"), 0)
    (record,) = caplog.records
    assert str(tmp_path / "a" / CIFAR100.folder) in record.getMessage()
    assert record.getMessage().endswith("(MD5 differs): train, test, meta")
    checksums = {absent, *(cifar100(tmp_path / name).checksum() for name in "ab")}
    assert len(checksums) == 3


def test_the_checksum_follows_a_changed_file(tmp_path: Path, write_cifar: WriteCifar) -> None:
    write_cifar("cifar10", tmp_path)
    before = cifar10(tmp_path).checksum()
    file = tmp_path / CIFAR10.folder / "data_batch_5"
    file.write_bytes(file.read_bytes() + b" ")
    assert cifar10(tmp_path).checksum() != before


def test_missing_files_without_download_name_file_and_place(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(cifar100(tmp_path), 0)
    assert str(tmp_path / "cifar-100-python" / "train") in caught.value.message
    assert "cifar-100-python.tar.gz" in caught.value.hint
    assert "download: true" in caught.value.hint


def test_a_failed_download_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(datasets.CIFAR10, "download", no_network)
    with pytest.raises(InputError, match=r"the download failed.*no route to host"):
        cifar10(tmp_path, download=True).prepare()


def test_a_published_archive_is_unpacked_without_touching_what_is_there(
    tmp_path: Path, write_cifar: WriteCifar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small archive takes the place of the published one: its MD5s are told to torchvision."""
    root = tmp_path / "root"
    write_cifar("cifar100", root)
    folder, archive = root / CIFAR100.folder, root / CIFAR100.archive
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, CIFAR100.folder)
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in (archive, *folder.iterdir())}
    monkeypatch.setattr(datasets.CIFAR100, "tgz_md5", md5[archive.name])
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", md5["train"]]])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", [["test", md5["test"]]])
    monkeypatch.setattr(datasets.CIFAR100, "meta", {**datasets.CIFAR100.meta, "md5": md5["meta"]})
    published_test = (folder / "test").read_bytes()
    (folder / "train").write_bytes(b"mine")
    (folder / "test").unlink()
    (folder / "meta").unlink()
    cifar100(root, download=True).prepare()
    assert (folder / "train").read_bytes() == b"mine"
    assert (folder / "test").read_bytes() == published_test
    assert sorted(path.name for path in root.iterdir()) == sorted([archive.name, folder.name])
    (folder / "train").unlink()
    cifar100(root, download=True).prepare()
    assert len(load(cifar100(root), 0).train) == PER_FILE - 5


def test_a_damaged_file_is_one_message(tmp_path: Path, write_cifar: WriteCifar) -> None:
    write_cifar("cifar10", tmp_path)
    file = tmp_path / CIFAR10.folder / "data_batch_3"
    for damage in (b"", b"no pickle", file.read_bytes()[:500], pickle.dumps({"labels": []}), pickle.dumps(3)):
        file.write_bytes(damage)
        with pytest.raises(InputError, match="not the published Python format"):
            load(cifar10(tmp_path), 0)


class Program:
    """A pickle that writes a file when it is read as pickles are."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize("name", ["data_batch_2", "test_batch", "batches.meta"])
def test_a_file_of_somebody_else_runs_nothing(tmp_path: Path, write_cifar: WriteCifar, name: str) -> None:
    write_cifar("cifar10", tmp_path)
    file, victim = tmp_path / CIFAR10.folder / name, tmp_path / "was run"
    content = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps({**content, "filenames": Program(victim)}))
    with pytest.raises(InputError, match=r"reading it would run pathlib\S*\.Path\.touch"):
        load(cifar10(tmp_path), 0)
    assert not victim.exists()


@pytest.mark.parametrize(
    "harm",
    [
        {"data": np.zeros((30, 3072), object)},
        {"data": np.zeros((30, 3072), "datetime64[s]")},
        {"data": np.zeros(30, [("a", "u1", 3072)])},
        {"data": [[0] * 3072] * 30},
        {"labels": [10**30] * 30},
        {"labels": [-1] * 30},
    ],
    ids=["objects", "times", "fields", "lists", "large", "negative"],
)
def test_arrays_of_other_things_are_refused(
    tmp_path: Path, write_cifar: WriteCifar, harm: dict[str, object]
) -> None:
    write_cifar("cifar10", tmp_path)
    file = tmp_path / CIFAR10.folder / "test_batch"
    file.write_bytes(pickle.dumps({**pickle.loads(file.read_bytes()), **harm}))
    with pytest.raises(InputError, match="not the published Python format"):
        load(cifar10(tmp_path), 0)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_files_of_every_protocol_are_read(
    tmp_path: Path, write_cifar: WriteCifar, protocol: int, order: Literal["C", "F"]
) -> None:
    write_cifar("cifar10", tmp_path)
    before = load(cifar10(tmp_path), 0)
    for file in (tmp_path / CIFAR10.folder).iterdir():
        content = pickle.loads(file.read_bytes())
        if "data" in content:
            content["data"] = np.array(content["data"], order=order)
        file.write_bytes(pickle.dumps(content, protocol))
    assert torch.equal(load(cifar10(tmp_path), 0).test.images, before.test.images)


def test_files_of_python_2_are_read(tmp_path: Path, write_cifar: WriteCifar) -> None:
    """As published: strings are bytes, numpy's functions have their old names."""
    write_cifar("cifar10", tmp_path)
    before = load(cifar10(tmp_path), 0).test.images
    file = tmp_path / CIFAR10.folder / "test_batch"
    content = pickle.loads(file.read_bytes())
    raw = content["data"].tobytes()
    file.write_bytes(
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x1eM\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"
        b"U\x06labels](" + b"".join(b"K" + bytes([label]) for label in content["labels"]) + b"eu."
    )
    assert torch.equal(load(cifar10(tmp_path), 0).test.images, before)


def test_the_number_of_classes_is_the_published_one(tmp_path: Path, write_cifar: WriteCifar) -> None:
    write_cifar("cifar10", tmp_path)
    meta = tmp_path / CIFAR10.folder / "batches.meta"
    meta.write_bytes(pickle.dumps({"label_names": [f"class {i}" for i in range(11)]}))
    with pytest.raises(InputError, match=r"batches\.meta names 11 classes"):
        load(cifar10(tmp_path), 0)


def test_split_train_limits_and_split_test_limits(tmp_path: Path, write_cifar: WriteCifar) -> None:
    write_cifar("cifar10", tmp_path)
    data = load(cifar10(tmp_path, split=Split(val=20, train=40, test=10).model_dump()), 0)
    assert (len(data.train), len(data.val), len(data.test)) == (40, 20, 10)


def test_a_study_runs_on_files_that_are_not_the_published_ones(
    tmp_path: Path, write_cifar: WriteCifar, rigorkd: Rigorkd
) -> None:
    write_cifar("cifar10", tmp_path / "data")
    protocol = tmp_path / "tiny.yaml"
    protocol.write_text(
        "rigorkd: 1\nstudy: tiny\n"
        "dataset: {name: cifar10, split: {val: 10}}\n"
        "views: {train: [{random_crop: 4}, horizontal_flip]}\n"
        "training: {optimizer: {name: sgd, lr: 0.05}, batch_size: 10, epochs: 1}\n"
        "students: {net: {model: {name: cnn, channels: [4]}}}\n"
        "groups: {main: {baseline: true}}\nseeds: 1\n"
    )
    done = rigorkd("run", protocol, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results" / "tiny").rglob("record.json")
    assert json.loads(path.read_text())["data_checksum"] != cifar10(tmp_path / "nothing").checksum()
    shutil.rmtree(tmp_path / "data")
    table = rigorkd("table", "--format", "csv")
    assert table.returncode == 0, "the study remembers what it was trained on: " + table.stderr
