"""The decoded array and its note: made once, found again, noticed when it or its source changes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from rigorkd.data import decoded
from rigorkd.data.decoded import ImageFiles, ensure_decoded
from rigorkd.data.loading import load
from rigorkd.errors import InputError

Make = Callable[..., ImageFiles]
NAMES = ("oxford_pets", "stanford_cars", "tiny_imagenet", "image_folder")


class Decoding:
    """A watch that counts the images decoded."""

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, done: int, total: int) -> None:
        self.images += 1
        assert self.images == done <= total == 30


def decodes(dataset: ImageFiles) -> int:
    watch = Decoding()
    ensure_decoded(dataset, watch)
    return watch.images


def array(dataset: ImageFiles) -> Path:
    (path,) = (Path(dataset.root) / ".rigorkd").glob("*.npy")
    return path


def touch(path: Path) -> None:
    """Another time, as a copy would have."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


@pytest.mark.parametrize("name", NAMES)
def test_images_are_decoded_once(make: Make, name: str) -> None:
    dataset = make(name)
    assert dataset.checksum_at_hand() is None
    assert decodes(dataset) == 30
    assert dataset.checksum_at_hand() == dataset.read()[1] == dataset.checksum()
    before = array(dataset).stat().st_mtime_ns
    assert decodes(dataset) == 0
    assert array(dataset).stat().st_mtime_ns == before
    names = {path.name for path in array(dataset).parent.iterdir()}
    assert names == {array(dataset).with_suffix(s).name for s in (".npy", ".json", ".lock")}


def test_the_array_is_mapped_and_writing_to_it_changes_no_file(make: Make) -> None:
    dataset = make("image_folder")
    arrays, _ = dataset.read()
    assert isinstance(arrays.images, np.memmap)
    before = array(dataset).read_bytes()
    torch.from_numpy(arrays.images).zero_()
    assert array(dataset).read_bytes() == before
    assert int(load(dataset, 0).train.images[:1].max()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_checksum_is_of_the_content_wherever_it_lies(make: Make, tmp_path: Path, name: str) -> None:
    dataset = make(name)
    checksum = ensure_decoded(dataset).checksum
    shutil.copytree(tmp_path / "data", tmp_path / "copy", copy_function=shutil.copyfile)  # with new times
    copy = make(name, folder="copy")
    for file in array(copy).parent.iterdir():
        touch(file)
    assert copy.checksum_at_hand() is None
    assert decodes(copy) == 0, "equal content need not be decoded again"
    assert copy.checksum_at_hand() == checksum
    shutil.rmtree(array(copy).parent)
    assert decodes(copy) == 30
    assert copy.checksum_at_hand() == checksum
    elsewhere = make(name, cache=str(tmp_path / "cache"))
    assert decodes(elsewhere) == 30
    assert elsewhere.checksum_at_hand() == checksum


def test_folders_that_share_a_cache_do_not_meet(make: Make, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    one, two = (make("image_folder", folder=f"{k}/birds", seed=k, cache=cache) for k in (1, 2))
    assert [decodes(one), decodes(two), decodes(one), decodes(two)] == [30, 30, 0, 0]
    assert ensure_decoded(one).checksum != ensure_decoded(two).checksum


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_source_is_decoded_anew(make: Make, name: str) -> None:
    dataset = make(name)
    first = ensure_decoded(dataset).checksum
    source = dataset.folder
    one, other = [path for path in sorted(source.rglob("*")) if path.suffix in (".jpg", ".JPEG", ".png")][1:3]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    assert dataset.checksum_at_hand() is None
    assert decodes(dataset) == 30
    second = ensure_decoded(dataset).checksum
    assert second != first
    pixels = np.load(array(dataset))
    assert sum(np.array_equal(a, b) for i, a in enumerate(pixels) for b in pixels[:i]) == 1
    one.write_bytes(content)
    assert ensure_decoded(dataset).checksum == first


def test_a_changed_label_changes_the_checksum(make: Make) -> None:
    dataset = make("oxford_pets")
    first = ensure_decoded(dataset).checksum
    lists = dataset.folder / "annotations" / "trainval.txt"
    lists.write_text(lists.read_text().replace("Bengal_2 3", "Bengal_2 2"))
    assert ensure_decoded(dataset).checksum != first
    assert dataset.read()[0].labels.tolist().count(1) == 7


def test_an_added_image_is_noticed(make: Make) -> None:
    dataset = make("image_folder")
    first = ensure_decoded(dataset).checksum
    shutil.copy(
        Path(dataset.root) / "train" / "kite" / "0.png", Path(dataset.root) / "train" / "kite" / "9.png"
    )
    assert dataset.checksum_at_hand() is None
    assert ensure_decoded(dataset).checksum != first
    assert len(dataset.read()[0].labels) == 19


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "note", "settings"])
def test_a_damaged_cache_is_made_again(make: Make, damage: str) -> None:
    dataset = make("image_folder")
    checksum = ensure_decoded(dataset).checksum
    path = array(dataset)
    whole, note = path.read_bytes(), path.with_suffix(".json")
    match damage:
        case "flip":
            path.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
        case "cut":
            path.write_bytes(whole[:-100])
        case "gone":
            path.unlink()
        case "note":
            note.write_bytes(note.read_bytes()[:-20])
        case "settings":
            fields = json.loads(note.read_bytes())
            fields["decode"]["version"] = 0
            note.write_text(json.dumps(fields))
    if damage == "flip":
        touch(path)  # the clock may be too coarse to show a write this soon
    assert dataset.checksum_at_hand() is None
    assert decodes(dataset) == 30
    assert path.read_bytes() == whole
    assert dataset.checksum_at_hand() == checksum


def test_size_and_fit_have_arrays_of_their_own(make: Make) -> None:
    kinds = [make("image_folder", **keys) for keys in ({}, {"fit": "squash"}, {"resolution": 16})]
    assert [decodes(kind) for kind in kinds + kinds] == [30, 30, 30, 0, 0, 0]
    assert len({ensure_decoded(kind).checksum for kind in kinds}) == 1, "the source is the same"
    assert [load(kind, 0).size for kind in kinds] == [24, 24, 16]
    assert not np.array_equal(kinds[0].read()[0].images, kinds[1].read()[0].images)


def test_builders_at_once_both_end_well(make: Make) -> None:
    dataset = make("tiny_imagenet")
    code = (
        "import sys, json; from rigorkd.data.decoded import ensure_decoded\n"
        "from rigorkd.data.tiny_imagenet import TinyImageNet\n"
        "dataset = TinyImageNet.model_validate_json(sys.argv[1])\n"
        "print(ensure_decoded(dataset, lambda *_: print('decoded')).checksum)"
    )
    command = [sys.executable, "-c", code, dataset.model_dump_json()]
    builders = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(3)
    ]
    said = [builder.communicate(timeout=120)[0].split() for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert {lines[-1] for lines in said} == {dataset.checksum_at_hand()}
    assert sum(lines.count("decoded") for lines in said) == 30, "the others waited for one"
    assert not list(array(dataset).parent.glob(".*"))


def test_builders_without_locks_both_end_well(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(decoded.fcntl, "flock", no_locks)
    dataset = make("image_folder")
    assert decodes(dataset) == 30
    assert decodes(dataset) == 0


def test_who_waits_for_a_builder_says_so(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The lock is held by this process, through another descriptor, until the waiter has said its line."""
    dataset = make("image_folder")
    lock = Path(dataset.root) / ".rigorkd" / "image_folder-24-crop.lock"
    lock.parent.mkdir()
    with lock.open("w") as held, ThreadPoolExecutor(1) as thread:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiter = thread.submit(decodes, dataset)
        deadline = time.monotonic() + 60
        while "waiting for it" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not waiter.done()
        fcntl.flock(held, fcntl.LOCK_UN)
        assert waiter.result(60) == 30
    assert "image_folder: another process is decoding its images" in caplog.text


def test_a_full_disk_is_one_message_and_leaves_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    dataset = make("image_folder")
    monkeypatch.setattr(decoded.os, "pwrite", full)
    with pytest.raises(InputError, match=r"image_folder-24-crop.npy: No space left") as caught:
        ensure_decoded(dataset)
    assert str(Path(dataset.root) / ".rigorkd") in caught.value.hint
    assert [path.suffix for path in (Path(dataset.root) / ".rigorkd").iterdir()] == [".lock"]


def test_what_a_killed_builder_left_is_removed(make: Make) -> None:
    dataset = make("image_folder")
    left = Path(dataset.root) / ".rigorkd" / ".image_folder-24-crop.npy.4194999.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half")
    ensure_decoded(dataset)
    assert not left.exists()


def test_files_that_change_while_they_are_read_are_refused(make: Make) -> None:
    dataset = make("image_folder")

    def meddle(done: int, total: int) -> None:
        if done == total:
            (Path(dataset.root) / "train" / "kite" / "late.png").write_bytes(b"")

    with pytest.raises(InputError, match="changed while they were read"):
        dataset.prepare(meddle)
    assert dataset.checksum_at_hand() is None


def test_a_cache_that_cannot_be_written_says_what_to_set(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory") as caught:
        ensure_decoded(make("image_folder", cache=str(tmp_path / "file")))
    assert "dataset.cache" in caught.value.hint


def test_unread_images_have_a_checksum_that_is_nobodys(make: Make, tmp_path: Path) -> None:
    dataset = make("image_folder")
    unread = dataset.checksum()
    assert dataset.checksum_at_hand() is None
    dataset.prepare()
    assert dataset.checksum_at_hand() == dataset.checksum() != unread
    (tmp_path / "none").mkdir()
    assert make("image_folder", folder="none").checksum() == unread
