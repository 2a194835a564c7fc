"""A user's own folder of images: what its files settle, and what is told before anything is trained."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rigorkd.data.arrays import Arrays
from rigorkd.data.image_folder import ImageFolder
from rigorkd.data.loading import load
from rigorkd.errors import InputError, ProtocolError
from rigorkd.launch.cost import images_of
from rigorkd.launch.own_data import own_data
from rigorkd.launch.rehearsal import rehearse
from rigorkd.protocol.load import Protocol, load_protocol, refuse_misfit
from rigorkd.records.study import settled_in

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]

PROTOCOL = """\
rigorkd: 1
study: own
dataset: {name: image_folder, root: pictures, split: {val: 2, test: 2, per_class: true}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 8, epochs: 1}
teacher: {model: {name: cnn, channels: [4]}}
students: {net: {model: {name: cnn, channels: [2]}}}
groups: {main: {baseline: true, kd: {T: 4, alpha: 0.5}}}
seeds: 1
"""


def write(
    root: Path, sizes: tuple[tuple[int, int], ...] = ((16, 16),), part: str = "", each: int = 8
) -> None:
    """Two classes of noise below `root/part`; the sizes take turns."""
    generator = np.random.default_rng(0)
    for label in ("cats", "dogs"):
        folder = root / part / label
        folder.mkdir(parents=True)
        for number in range(each):
            width, height = sizes[number % len(sizes)]
            pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")


def folder(root: Path, **keys: Any) -> ImageFolder:
    split = keys.pop("split", {"val": 2, "test": 2, "per_class": True})
    return ImageFolder.model_validate({"name": "image_folder", "root": str(root), "split": split, **keys})


@pytest.fixture
def protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Protocol]:
    """Loads the protocol with some of its text changed; the data lies beside it."""
    monkeypatch.chdir(tmp_path)

    def loaded(*changes: tuple[str, str], results: str = "results") -> Protocol:
        text = PROTOCOL
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "own.yaml").write_text(text)
        return load_protocol(tmp_path / "own.yaml", settle=settled_in(tmp_path / results / "own"))

    return loaded


# ---------------------------------------------------------------------------------------------- resolution


def test_squares_of_one_size_are_kept_as_they_are(tmp_path: Path, protocol: Callable[..., Protocol]) -> None:
    write(tmp_path / "pictures")
    loaded = protocol()
    assert loaded.settled == 16
    assert {cell.dataset.side for cell in loaded.cells} == {16}
    data = load(loaded.spec.dataset, 0)
    assert data.size == 16
    first = np.asarray(Image.open(tmp_path / "pictures" / "cats" / "0.png")).transpose(2, 0, 1)
    parts = (data.train, data.val, data.test)
    (where,) = [(part, int(row)) for part in parts for row in (part.index == 0).nonzero()]
    assert np.array_equal(np.asarray(where[0].images[where[1] : where[1] + 1])[0], first)


def test_what_the_protocol_says_is_not_asked_of_the_files(
    tmp_path: Path, protocol: Callable[..., Protocol]
) -> None:
    write(tmp_path / "pictures")
    loaded = protocol(("root: pictures", "root: pictures, resolution: 24"))
    assert (loaded.settled, loaded.spec.dataset.side) == (None, 24)
    assert not (tmp_path / "pictures" / ".rigorkd").exists()


@pytest.mark.parametrize(
    ("sizes", "says", "advises"),
    [
        (((16, 16), (20, 16)), r"16×16 \(8\), 20×16 \(8\)", "add resolution: 16 to dataset"),
        (((20, 16),), "its images are 20×16: no squares of one size", "add resolution: 16 to dataset"),
        (((600, 600),), "its images are 600×600", "add resolution: 224"),
    ],
)
def test_what_does_not_agree_is_asked_for(
    tmp_path: Path,
    protocol: Callable[..., Protocol],
    sizes: tuple[tuple[int, int], ...],
    says: str,
    advises: str,
) -> None:
    write(tmp_path / "pictures", sizes, each=8 if sizes[0][0] < 100 else 4)
    with pytest.raises(ProtocolError, match=says) as caught:
        protocol()
    assert caught.value.message.startswith(f"{tmp_path / 'own.yaml'}:3:10: image_folder: ")
    assert advises in caught.value.hint
    advised = caught.value.hint.partition(" to dataset")[0].removeprefix("add ")
    assert protocol(("root: pictures", f"root: pictures, {advised}")).cells


def test_few_images_of_another_size_may_be_there_by_mistake(tmp_path: Path) -> None:
    write(tmp_path, each=10)
    for odd in ("a.png", "b.png"):
        Image.new("RGB", (1, 1)).save(tmp_path / "cats" / odd)
        with pytest.raises(InputError) as caught:
            folder(tmp_path).agreed()
        assert ("or take out the 1 of other sizes" in caught.value.hint) == (odd == "a.png")


def test_without_the_files_a_plan_assumes_a_side_and_says_so(
    tmp_path: Path, protocol: Callable[..., Protocol]
) -> None:
    loaded = protocol(("seeds: 1", "seeds: 1\nviews: {size: 300, train: [fused_geometry]}"))
    assert (loaded.settled, loaded.spec.dataset.known_side) == (None, None)
    found = own_data(loaded, loaded.cells)
    assert found is not None
    (line,) = found.lines()
    tried = "dataset.root starts at the folder that the command is started in, so this is "
    where = f"pictures ({tried}{Path.cwd()}/pictures)"
    assert line == f"data: the images are not there yet ({where}); until they are, 256×256 pixels are assumed"
    Path("picture").mkdir()
    (line,) = found.lines()
    assert f"{where}; did you mean picture?)" in line
    Path("pictures.yaml").touch()
    assert list(found.lines()) == [line], "a file is no folder"
    with pytest.raises(InputError, match=r"image_folder: pictures is missing ") as caught:
        loaded.spec.dataset.prepare()
    assert f"is missing ({tried}{Path.cwd()}/pictures); did you mean picture?" in caught.value.message


def test_headers_are_read_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    write(tmp_path / "pictures")
    dataset = folder(tmp_path / "pictures")
    assert dataset.agreed() == 16
    noted = tmp_path / "pictures" / ".rigorkd" / "image_folder-files.json"
    document = json.loads(noted.read_text())
    noted.write_text(json.dumps({**document, "sizes": [[20, 20, 16]]}))
    assert dataset.agreed() == 20
    Image.new("RGB", (16, 16)).save(tmp_path / "pictures" / "cats" / "more.png")
    assert dataset.agreed() == 16
    noted.write_text("{")
    assert dataset.agreed() == 16


def test_all_files_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path / "pictures", each=7)
    for path in (tmp_path / "pictures").rglob("[0-5].png"):
        path.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="12 images cannot be decoded") as caught:
        folder(tmp_path / "pictures").agreed()
    assert caught.value.message.count("not an image of a known format") == 10
    assert "… and 2 more" in caught.value.message


def test_floating_point_levels_are_told_before_anything_is_decoded(tmp_path: Path) -> None:
    write(tmp_path, each=4)
    paths = [tmp_path / "cats" / f"{number}.tif" for number in range(12)]
    ramp = np.linspace(-1, 3, 256, dtype=np.float32).reshape(16, 16)
    for path in paths:
        Image.fromarray(ramp).save(path)
    with pytest.raises(InputError, match="12 images cannot be decoded") as caught:
        folder(tmp_path).agreed()
    assert "floating-point levels (Pillow's mode F)" in caught.value.message
    short = tmp_path / "dogs" / "0.png"
    whole = short.read_bytes()
    short.write_bytes(whole[:-200])
    with pytest.raises(InputError, match="13 images cannot be decoded") as both:
        folder(tmp_path).agreed()
    assert (
        both.value.hint
        == f"{caught.value.hint}; of the others: put these files there again, from the "
        + ("original, or remove them")
    )
    short.write_bytes(whole)
    for path in paths:  # the lines that are offered
        known = {"np": np, "Image": Image, "path": path, "low": -1, "high": 3}
        exec(caught.value.hint.partition("for all images: ")[2], known)
    assert folder(tmp_path).agreed() == 16
    assert np.asarray(Image.open(paths[0])).ravel().tolist() == list(range(256))


def test_truncated_files_are_named_in_the_round_of_broken_headers(tmp_path: Path) -> None:
    write(tmp_path)
    broken, short, *_ = sorted(tmp_path.rglob("*.png"))
    broken.write_bytes(b"no image")
    short.write_bytes(short.read_bytes()[:-200])
    with pytest.raises(InputError, match="2 images cannot be decoded") as caught:
        folder(tmp_path).survey()
    assert str(broken) in caught.value.message
    assert str(short) in caught.value.message


def test_a_plan_reads_images_through_once(
    tmp_path: Path, protocol: Callable[..., Protocol], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A truncated file has a sound header; a note made from headers is none of files that were read."""
    write(tmp_path / "pictures")
    loaded = protocol()
    short = tmp_path / "pictures" / "cats" / "0.png"
    sound = short.read_bytes()
    short.write_bytes(sound[:-200])
    assert own_data(loaded, ()) is not None, "who runs decodes them anyway"
    with pytest.raises(InputError, match="1 image cannot be decoded") as told:
        own_data(loaded, (), through=True)
    with pytest.raises(InputError, match="1 image cannot be decoded"):
        rehearse(loaded)
    assert str(short.relative_to(tmp_path)) in told.value.message
    short.write_bytes(sound)
    with monkeypatch.context() as patched:
        patched.setattr("rigorkd.data.own_images.MOST_READ_THROUGH", 16 * 16 * 16)
        found = own_data(loaded, (), through=True)
        assert found is not None
        assert any("their headers were read" in line for line in found.lines())
    found = own_data(loaded, (), through=True)
    assert found is not None
    assert not any("their headers were read" in line for line in found.lines())
    monkeypatch.setattr(ImageFolder, "_read_all", lambda *_: pytest.fail("they were read again"))
    again = own_data(loaded, (), through=True)
    assert again is not None
    assert list(again.lines()) == list(found.lines())


# -------------------------------------------------------------------------------------------------- layout


def test_a_flat_folder_is_divided_by_the_split(tmp_path: Path) -> None:
    write(tmp_path / "flat")
    write(tmp_path / "divided", part="train")
    flat, divided = (load(folder(tmp_path / name), 0) for name in ("flat", "divided"))
    assert flat.class_names == divided.class_names == ("cats", "dogs")
    both = ((flat.train, divided.train), (flat.val, divided.val), (flat.test, divided.test))
    for mine, theirs in both:
        assert mine.index.tolist() == theirs.index.tolist()
        assert mine.labels.tolist() == theirs.labels.tolist()
    assert [len(part) for part in (flat.train, flat.val, flat.test)] == [8, 4, 4]


def test_a_folder_with_parts_but_no_train_is_not_flat(tmp_path: Path) -> None:
    write(tmp_path / "pictures", part="val")
    with pytest.raises(InputError, match=r"image_folder: .*/pictures/train is missing"):
        folder(tmp_path / "pictures").prepare()


def test_a_flat_folder_needs_two_classes_with_images(tmp_path: Path) -> None:
    write(tmp_path / "pictures")
    (tmp_path / "pictures" / "owls").mkdir()
    with pytest.raises(InputError, match=r"pictures/owls: there is no image in this folder"):
        folder(tmp_path / "pictures").agreed()
    (tmp_path / "lone" / "cats").mkdir(parents=True)
    with pytest.raises(InputError, match=r"lone: 1 folder of classes"):
        folder(tmp_path / "lone").agreed()


def test_folders_that_are_not_laid_out_are_told_the_layout(
    tmp_path: Path, protocol: Callable[..., Protocol]
) -> None:
    root = tmp_path / "pictures"

    def told() -> tuple[str, str]:
        for change in (), (("root: pictures", "root: pictures, resolution: 16"),):
            with pytest.raises(ProtocolError) as refused:
                refuse_misfit(protocol(*change))
            assert refused.value.message.startswith(f"{tmp_path / 'own.yaml'}:3:10: image_folder: pictures")
        return refused.value.message, refused.value.hint

    root.mkdir()
    assert told()[0].endswith("pictures: there are no folders of classes in it")
    image = Image.new("RGB", (16, 16))
    image.save(root / "0.png")
    what, mend = told()
    assert what.endswith("1 image lies in it, and no folders of classes")
    assert "pictures/train/<class>/<image>, or pictures/<class>/<image>" in mend
    write(root, part="val")
    assert told()[0].endswith("there is no folder train in it, but val")
    (root / "owls").mkdir()
    assert told()[1].endswith("if val is a class beside owls, rename its folder")
    (root / "train").mkdir()
    image.save(root / "train" / "0.png")
    what, mend = told()
    assert what.endswith("pictures/train: 1 image lies in it, and no folders of classes")
    assert "if train is a class beside owls, rename its folder" in mend
    (root / "train" / "0.png").unlink()
    write(root, part="train")
    (root / "test").mkdir()
    (doubt,) = folder(root / "train").doubts()
    assert doubt.endswith(f"test beside it is not read; to test on its images write root: {root}")
    image.save(root / "test" / "0.png")
    what, mend = told()
    assert "pictures/test: 1 image lies in it, and no folders of classes, so nothing tells" in what
    assert "rename pictures/test" in mend


@pytest.mark.parametrize("told_by", ["a table", "names"])
def test_images_in_one_folder_are_sorted_by_the_lines_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_by: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("slices").mkdir()
    kinds = [("lesion", "normal")[number % 2] for number in range(12)]
    names = [f"{kind}_p{n}.png" if told_by == "names" else f"{n}.png" for n, kind in enumerate(kinds)]
    for name in names:
        Image.new("RGB", (16, 16)).save(Path("slices") / name)
    if told_by == "a table":
        rows = [f"{n};{kind};1" for n, kind in enumerate(kinds)]  # as a sheet saves it, without the suffix
        Path("labels.csv").write_text("\n".join(["file;finding;age", *rows]), "utf-8-sig")
    Path("results.csv").write_text("cell,seed,accuracy\na,0,91\n")
    says = {"a table": "labels.csv may tell their classes", "names": "their names begin with lesion, normal"}
    Path("pictures").mkdir()
    for root in (Path("slices"), Path("pictures")):
        with pytest.raises(InputError) as caught:
            folder(root).survey()
        heading = "Labels in a table or in names"
        assert caught.value.hint.endswith(
            f"; {says[told_by]}: docs/data.md, {heading}, has the lines that sort them"
        )
        if root.name == "slices":
            shutil.copytree("slices", "pictures/images")  # in a folder alone, as archives have them
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    lines = page.partition(f"### {heading}")[2].partition('title="sort_images.py"\n')[2].partition("```")[0]
    exec(lines, {})
    found = folder(Path("data/slices")).survey()
    assert found is not None
    assert (found.names, found.images) == (("lesion", "normal"), 12)


def test_a_file_is_no_folder_and_a_folder_no_file(tmp_path: Path) -> None:
    for name, mend in (("a.npz", "{name: arrays, file: "), ("a.zip", "unpack it")):
        (tmp_path / name).touch()
        with pytest.raises(InputError, match="is a file, not a folder") as told:
            folder(tmp_path / name).agreed()
        assert mend in told.value.hint
    dataset = Arrays.model_validate({"name": "arrays", "file": str(tmp_path), "split": {"val": 1}})
    with pytest.raises(InputError, match="is a directory") as told:
        dataset.looked_at()
    assert f"{{name: image_folder, root: {tmp_path}, " in told.value.hint


def test_data_sets_and_parts_are_no_classes(tmp_path: Path) -> None:
    """Parts inside the classes would mix train with test; folders of data sets would be two classes."""
    for name in ("one", "other"):
        write(tmp_path, part=name)
    dataset = folder(tmp_path)
    (doubt,) = dataset.doubts()
    assert doubt.startswith("each of one, other is taken as a class, and has the folders cats, dogs; if")
    assert dataset.agreed() == 16
    (tmp_path / "other" / "cats").rename(tmp_path / "other" / "train")
    with pytest.raises(InputError, match="other: there is a folder train in it") as told:
        dataset.agreed()
    assert f"write root: {tmp_path / 'other'}; if the classes are one, other" in told.value.hint


def test_pictures_that_are_not_read_are_counted(tmp_path: Path, protocol: Callable[..., Protocol]) -> None:
    write(tmp_path / "pictures")
    cats = tmp_path / "pictures" / "cats"
    for name in ("a.HEIC", "b.heic", "c.avif", "list.txt", ".hidden.heic"):
        (cats / name).touch()
    (cats / "away.png").symlink_to(tmp_path / "gone.png")
    plan = own_data(protocol(), ())
    assert plan is not None
    kinds = "1 .avif, 2 .heic (save them as jpg or png), 1 link to nowhere (put back what they name)"
    assert list(plan.warnings()) == [f"among the images of pictures are not read: {kinds}"]
    assert rehearse(protocol()) == tuple(plan.warnings())
    for image in cats.glob("[0-9].png"):
        image.unlink()
    with pytest.raises(ProtocolError, match=r"no image in this folder, but 1 .avif, 2 .heic \(save"):
        protocol()


def test_a_root_one_folder_too_high_is_told_the_right_one(tmp_path: Path) -> None:
    write(tmp_path, part="images")
    (tmp_path / "__MACOSX").mkdir()
    with pytest.raises(InputError, match=r": 1 folder of classes") as told:
        folder(tmp_path).agreed()
    assert f"inside {tmp_path / 'images'} (cats, dogs), write root: {tmp_path / 'images'}" in str(
        told.value.hint
    )
    assert folder(tmp_path / "images").agreed() == 16
    (tmp_path / "deep").mkdir()
    (tmp_path / "images").rename(tmp_path / "deep" / "images")
    with pytest.raises(InputError) as told:
        folder(tmp_path).agreed()
    assert told.value.hint.endswith(f"write root: {tmp_path / 'deep' / 'images'}")


def test_a_class_that_is_added_to_a_flat_folder_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "pictures")
    dataset = folder(tmp_path / "pictures")
    dataset.prepare()
    before = dataset.checksum()
    (tmp_path / "pictures" / "owls").mkdir()
    for number in range(5):
        Image.new("RGB", (16, 16)).save(tmp_path / "pictures" / "owls" / f"{number}.png")
    dataset.prepare()
    assert dataset.checksum() != before


def test_a_split_of_more_images_than_there_are_is_told_at_its_line(
    tmp_path: Path, protocol: Callable[..., Protocol]
) -> None:
    write(tmp_path / "pictures")
    refuse_misfit(protocol())
    with pytest.raises(ProtocolError, match=r"own.yaml:3:\d+: .*no training images of the 16 of pictures"):
        refuse_misfit(protocol(("val: 2, test: 2", "val: 4, test: 4")))
    with pytest.raises(ProtocolError, match=r"own.yaml:3:\d+: pictures has no test set of its own"):
        refuse_misfit(protocol(("val: 2, test: 2", "val: 4")))


def test_images_that_show_little_are_told_as_they_are_decoded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Twelve bits in files of sixteen lose all but four; what lies in a transparency alone is dropped."""
    write(tmp_path / "icons")
    for number, path in enumerate(sorted((tmp_path / "icons").rglob("*.png"))):
        shown = np.zeros((16, 16, 4), np.uint8)
        shown[number % 8 :, :, 3] = 255
        Image.fromarray(shown).save(path)
    folder(tmp_path / "icons").prepare()
    assert (
        "16 of 16 images are of one colour all over: take empty ones out; where a transparency" in caplog.text
    )
    caplog.clear()
    write(tmp_path / "slices")
    scans = np.random.default_rng(0).integers(0, 4096, (16, 16, 16), dtype=np.uint16)
    scans[:, 0, 0] = 4095
    paths = sorted((tmp_path / "slices").rglob("*.png"))
    for scan, path in zip(scans, paths, strict=True):
        Image.fromarray(scan).save(path)
    folder(tmp_path / "slices").prepare()
    assert "16 of 16 images have 16 bits, and of the upper eight, which are kept, they use 16 levels" in (
        caplog.text
    )
    assert "multiply their levels by 16 before" in caplog.text
    caplog.clear()
    for scan, path in zip(scans, paths, strict=True):
        Image.fromarray(scan * 16).save(path)
    folder(tmp_path / "slices").prepare()
    assert not caplog.text
    for path in paths:  # dark, and nothing is lost: a mask of eight bits
        Image.fromarray((scans[0] % 2).astype(np.uint8)).save(path)
    folder(tmp_path / "slices").prepare()
    assert "bits" not in caplog.text


def test_lost_levels_are_told_by_a_plan_before_anything_is_decoded(
    tmp_path: Path, protocol: Callable[..., Protocol]
) -> None:
    def told() -> list[str]:
        plan = own_data(protocol(), (), through=True)
        assert plan is not None
        return [warning for warning in plan.warnings() if "16 bits" in warning]

    write(tmp_path / "pictures", each=16)
    paths = sorted((tmp_path / "pictures").rglob("*.png"))
    scans = np.random.default_rng(0).integers(0, 4096, (len(paths), 16, 16), dtype=np.uint16)
    Image.fromarray(scans[0]).save(paths[0])
    assert not told(), "one of many may be as it is"
    for scan, path in zip(scans, paths, strict=True):
        Image.fromarray(scan).save(path)
    (warning,) = told()
    assert warning.startswith("24 of 24 images that were looked at have 16 bits")
    assert "use 16 levels of 256" in warning
    assert "multiply their levels by 16" in warning
    for path in paths[20:]:
        path.unlink()
    Image.fromarray(scans[0]).save(paths[-1])
    (warning,) = told()
    assert warning.startswith("21 of 21 images have 16 bits")
    for scan, path in zip(scans, paths, strict=True):
        Image.fromarray(scan * 16).save(path)
    assert not told()


# ---------------------------------------------------------------------------------------- plans and studies


def test_a_plan_says_what_the_images_are_and_what_resizing_costs(tmp_path: Path, rigorkd: Rigorkd) -> None:
    write(tmp_path / "pictures")
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(tmp_path / "pictures" / "cats" / "0.png")
    path = tmp_path / "own.yaml"
    path.write_text(PROTOCOL)
    done = rigorkd("plan", path)
    assert done.returncode == 0, done.stderr
    assert "data: 16 images of 16×16 in 2 classes (pictures)\n" in done.stdout
    assert "  8 to train on, 4 to validate, 4 to test\n" in done.stdout
    assert "1 are grey and repeat their channel; 1 have 16 bits" in " ".join(done.stdout.split())
    assert "multiply-adds for one image at 16×16: teacher " in done.stdout
    assert " 0.0 M," not in done.stdout
    assert "times the work" not in done.stdout
    path.write_text(PROTOCOL.replace("root: pictures", "root: pictures, resolution: 64"))
    document = json.loads(rigorkd("plan", path, "--format", "json").stdout)["data"]
    coarse, warning = document["warnings"]
    assert coarse.startswith("of 4 test images one is worth 25 points")
    assert warning.startswith(
        "dataset.resolution shows teacher, net images of 16 pixels at 64: 16 times the work"
    )
    assert (document["class_names"], document["smallest_class"]) == (["cats", "dogs"], ["cats", 8])
    assert (document["not_read"], document["read_through"]) == ([], True)
    teacher, net = document["networks"]
    assert (teacher["network"], teacher["side"], net["network"]) == ("teacher", 64, "net")
    # by hand: 3 × 3 convolutions from 3 to 4 channels on 64 × 64 pixels, and 4 to 2 classes
    assert teacher["macs_millions"] >= 9 * 3 * 4 * 64 * 64 / 1e6


def test_a_plan_says_whose_multiply_adds_it_leaves_out(tmp_path: Path, rigorkd: Rigorkd) -> None:
    write(tmp_path / "pictures")
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\n\ndef flat(classes, channels, size):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, classes))\n"
    )
    path = tmp_path / "own.yaml"
    path.write_text(re.sub(r"net: \{model: [^}]*\}+", 'net: {model: "nets:flat"}}', PROTOCOL, count=1))
    said = " ".join(rigorkd("plan", path).stdout.split())
    assert "multiply-adds for one image at 16×16: teacher " in said
    assert ", not counted: net (a plan does not run code of yours; records have theirs)" in said
    document = json.loads(rigorkd("plan", path, "--format", "json").stdout)["data"]
    net = document["networks"][1]
    assert (net["macs_millions"], net["uncounted"]) == (None, "a plan does not run code of yours")


def test_a_run_says_that_images_to_validate_are_not_read(tmp_path: Path, rigorkd: Rigorkd) -> None:
    for part in ("train", "val", "test"):
        write(tmp_path / "pictures", part=part)
    path = tmp_path / "own.yaml"
    path.write_text(PROTOCOL.replace("val: 2, test: 2", "val: 2"))
    done = rigorkd("run", path, "--only", "*/baseline")
    assert done.returncode == 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert (
        "pictures: not read: val; images to validate are taken, by split.val, from those to train on" in said
    )
    path.write_text(PROTOCOL.replace(", split: {val: 2, test: 2, per_class: true}", ""))
    refused = " ".join(rigorkd("plan", path).stderr.split())
    assert "images to take from those to train on (val always, even where a set of that name lies" in refused


def test_pages_that_are_not_read_are_counted(tmp_path: Path, rigorkd: Rigorkd) -> None:
    write(tmp_path / "pictures")
    pages = [Image.fromarray(np.full((16, 16), level, np.uint8)) for level in (0, 90, 180)]
    pages[0].save(tmp_path / "pictures" / "cats" / "stack.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "pictures" / "dogs" / "moves.gif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "pictures" / "dogs" / "one.tif")
    (tmp_path / "own.yaml").write_text(PROTOCOL)
    for _ in range(2):  # as it is looked at, and as it is noted
        warnings = json.loads(rigorkd("plan", "own.yaml", "--format", "json").stdout)["data"]["warnings"]
        (told,) = [warning for warning in warnings if "pages or frames" in warning]
        assert told.startswith("2 image files have several pages or frames, first cats/stack.tif (3 pages),")


def test_a_plan_names_a_network_that_cannot_be_built(tmp_path: Path, rigorkd: Rigorkd) -> None:
    write(tmp_path / "pictures")
    path = tmp_path / "own.yaml"
    path.write_text(PROTOCOL.replace("students: {", "students: {large: {model: inception_v3}, "))
    document = json.loads(rigorkd("plan", path, "--format", "json").stdout)["data"]
    (told,) = [warning for warning in document["warnings"] if "cannot be built" in warning]
    assert told.startswith("large cannot be built for images of 16 pixels: ")
    (large,) = [shown for shown in document["networks"] if shown["network"] == "large"]
    assert (large["macs_millions"], told.endswith(large["unbuilt"])) == (None, True)


def test_a_plan_says_that_what_is_done_may_be_stale_before_images_are_decoded(
    tmp_path: Path, rigorkd: Rigorkd
) -> None:
    write(tmp_path / "pictures")
    path = tmp_path / "own.yaml"
    path.write_text(PROTOCOL)
    done = rigorkd("run", path, "--seeds", "1", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    told = "counted as done may be stale"
    assert told not in " ".join(rigorkd("plan", path, "--seeds", "1").stdout.split())
    first = (tmp_path / "pictures" / "cats" / "0.png").read_bytes()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "pictures" / "cats" / "0.png")
    assert told in " ".join(rigorkd("plan", path, "--seeds", "1").stdout.split())
    assert told in json.loads(rigorkd("plan", path, "--seeds", "1", "--format", "json").stdout)["notes"][0]
    refused = " ".join(rigorkd("run", path, "--seeds", "1").stderr.split())
    assert "3 records no longer fit the protocol and what it names" in refused
    assert refused.count("the data changed: ") == 3, "a student's teacher changed by the data alone"
    mend = "have the images in pictures as they were"
    assert mend in refused
    assert "change the protocol back" not in refused
    (tmp_path / "pictures" / "cats" / "0.png").write_bytes(first)
    assert "nothing to train" in rigorkd("run", path, "--seeds", "1").stdout, "the mend works"


def test_all_that_changed_is_told_at_once_and_the_mend_undoes_it_all(
    tmp_path: Path, rigorkd: Rigorkd
) -> None:
    write(tmp_path / "pictures")
    path = tmp_path / "own.yaml"
    path.write_text(PROTOCOL)
    done = rigorkd("run", path, "--seeds", "1", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    image = tmp_path / "pictures" / "cats" / "0.png"
    first = image.read_bytes()
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(image)
    path.write_text(PROTOCOL.replace("epochs: 1", "epochs: 2"))
    refused = " ".join(rigorkd("run", path, "--seeds", "1").stderr.split())
    assert "3 records no longer fit the protocol and what it names" in refused
    assert len(re.findall(r"epochs: 1 → 2; the data changed: \w{12} → \w{12}", refused)) == 3
    mend = "change the protocol back and have the images in pictures as they were (files, their classes"
    assert mend in refused
    assert "what is gone), give the study another name, or set" in refused
    path.write_text(PROTOCOL.replace("val: 2", "val: 3"))
    settings = " ".join(rigorkd("run", path, "--seeds", "1").stderr.split())
    assert len(re.findall(r"dataset.split: .*?; the data changed: \w{12} → ", settings)) == 3
    path.write_text(PROTOCOL)
    image.write_bytes(first)
    assert "nothing to train" in rigorkd("run", path, "--seeds", "1").stdout


def test_a_study_remembers_what_its_files_settled(tmp_path: Path, rigorkd: Rigorkd) -> None:
    """Read and continued where the images are not; and as it began where they are others by now."""
    write(tmp_path / "pictures")
    path = tmp_path / "own.yaml"
    path.write_text(PROTOCOL)
    done = rigorkd("run", path)
    assert done.returncode == 0, done.stderr
    study = tmp_path / "results" / "own"
    document = json.loads((study / "study.json").read_text())
    assert document["settled"] == {"resolution": 16}
    record = json.loads((study / "main/net/baseline/seed-0/record.json").read_text())
    assert json.loads(record["dataset"])["resolution"] == 16
    assert "nothing to train" in rigorkd("run", path).stdout
    path.write_text(PROTOCOL.replace("root: pictures", "root: pictures, resolution: 16"))
    assert "nothing to train" in rigorkd("run", path).stdout, "written out it is the same study"
    path.write_text(PROTOCOL)
    (tmp_path / "pictures").rename(tmp_path / "away")
    runs = json.loads(rigorkd("plan", path, "--format", "json").stdout)["runs"]
    assert runs["done"] == runs["total"] == 3
    assert not rigorkd("table", "--format", "csv").stderr
    write(tmp_path / "pictures", ((20, 20),))
    changed = rigorkd("run", path)
    assert changed.returncode == 2
    assert "the data changed" in changed.stderr
    # a study that 0.1 has begun keeps its default
    del document["numerics"], document["settled"]
    (study / "study.json").write_text(json.dumps(document))
    stale = rigorkd("run", path)
    assert stale.returncode == 2
    assert "dataset.resolution: 16 → 256" in stale.stderr


def write_shapes(root: Path) -> None:
    """The 1,200 images of docs/data.md: four patterns, each anywhere in its image, under much noise."""
    generator = np.random.default_rng(2)
    shapes = generator.integers(60, 196, (4, 8, 8, 3))
    for number in range(1200):
        place = root / f"kind{number % 4}"
        place.mkdir(parents=True, exist_ok=True)
        shape = np.kron(shapes[number % 4], np.ones((4, 4, 1)))
        pixels = np.roll(shape, generator.integers(0, 32, 2), (0, 1)) + generator.normal(0, 90, (32, 32, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / f"{number}.png")


def test_the_page_shows_what_a_plan_says_of_its_images(tmp_path: Path, rigorkd: Rigorkd) -> None:
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    protocol = re.search(r'^```yaml title="shapes.yaml"\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
    shown = re.search(r"^```text\n(data: 1,200 images.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert protocol
    assert shown
    write_shapes(tmp_path / "data" / "shapes")
    (tmp_path / "shapes.yaml").write_text(protocol[1])
    planned = rigorkd("plan", "shapes.yaml")
    assert planned.returncode == 0, planned.stderr
    assert shown[1] in planned.stdout
    assert " cnn 16-32 " in planned.stdout  # what tells the teacher from its student
    assert " cnn 4-8 " in planned.stdout


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["flat", "divided"])
def test_from_a_folder_to_a_verdict(tmp_path: Path, rigorkd: Rigorkd, layout: str) -> None:
    """1,200 images of 32×32 in four classes, a protocol of twelve lines, nothing else."""
    generator = np.random.default_rng(1)
    shapes = generator.integers(60, 196, (4, 8, 8, 3))
    for number in range(1200):
        part = "" if layout == "flat" else "train" if number < 900 else "test"
        place = tmp_path / "pictures" / part / f"kind{number % 4}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(shapes[number % 4], np.ones((4, 4, 1))) + generator.normal(0, 90, (32, 32, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / f"{number}.png")
    split = "{val: 200, test: 300}" if layout == "flat" else "{val: 200}"
    text = f"""\
rigorkd: 1
study: kinds
dataset: {{name: image_folder, root: pictures, split: {split}}}
training: {{optimizer: {{name: adamw, lr: 3e-3}}, batch_size: 64, epochs: 4}}
teacher: {{model: {{name: cnn, channels: [16, 32]}}}}
students: {{small: {{model: {{name: cnn, channels: [4, 8]}}}}}}
groups: {{main: {{baseline: true, kd: {{T: 4, alpha: 0.5}}}}}}
seeds: 3
analysis: {{sesoi: 1.0}}
"""
    assert len(text.splitlines()) <= 12
    (tmp_path / "kinds.yaml").write_text(text)
    planned = rigorkd("plan", "kinds.yaml")
    assert planned.returncode == 0, planned.stderr
    total = "1,200 images" if layout == "flat" else "900 images + 300 for testing"
    assert f"data: {total} of 32×32 in 4 classes" in planned.stdout
    done = rigorkd("run", "kinds.yaml", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    analysis = json.loads(rigorkd("analyze", "--format", "json").stdout)
    (gains,) = [family for family in analysis["families"] if family["name"] == "gains"]
    assert gains["comparisons"][0]["n"] == 3
    assert gains["comparisons"][0]["verdict"]


@pytest.mark.parametrize(
    ("train", "test"), [("Train", "Test"), ("Training", "Testing"), ("training", "test")]
)
def test_parts_that_are_called_otherwise_are_no_classes(tmp_path: Path, train: str, test: str) -> None:
    """`Training` and `Testing` would make a flat folder of two classes."""
    write(tmp_path, part=train)
    write(tmp_path, part=test)
    with pytest.raises(InputError, match=r"has no folder train, but (Test|training)") as caught:
        folder(tmp_path).looked_at()
    assert f"rename {train} to train" in str(caught.value.hint)


def test_a_class_with_too_few_images_for_the_split_is_named(protocol: Callable[..., Protocol]) -> None:
    write(Path("pictures"))
    for number in range(3, 8):
        (Path("pictures") / "dogs" / f"{number}.png").unlink()
    with pytest.raises(ProtocolError) as caught:
        refuse_misfit(protocol())
    assert "2 val + 2 test of each class leaves class 'dogs' none to train on: it has 3 images" in str(
        caught.value
    )
    assert "ask for at most 2 of each class in all" in caught.value.hint
    plan = own_data(protocol(("val: 2, test: 2", "val: 1, test: 1")), ())
    assert plan is not None
    assert "  the smallest class, dogs, has 3 images" not in plan.lines()  # not below half of the others
    (Path("pictures") / "dogs" / "0.png").unlink()
    plan = own_data(protocol(("val: 2, test: 2", "val: 1, test: 1")), ())
    assert plan is not None
    assert "  the smallest class, dogs, has 2 images" in list(plan.lines())


def test_a_class_that_a_part_may_miss_is_told_what_to_do(protocol: Callable[..., Protocol]) -> None:
    write(Path("pictures"), each=12)
    for number in range(3, 12):
        (Path("pictures") / "dogs" / f"{number}.png").unlink()

    def told(split: str) -> str:
        loaded = protocol(("val: 2, test: 2, per_class: true", split))
        refuse_misfit(loaded)
        plan = own_data(loaded, (), images_of(loaded.spec.dataset))
        assert plan is not None
        return next((line for line in plan.lines() if "smallest" in line), "")

    assert "dogs, has 3 images, and the split may give none of them to validate:" in told("val: 2, test: 4")
    assert told("val: 1, test: 1, per_class: true") == "  the smallest class, dogs, has 3 images"
    assert told("val: 4, test: 2").endswith("of this one at most val: 1, test: 1, which are 2 to test in all")
    write(Path("pictures"), part="train", each=12)
    write(Path("pictures"), part="test")
    for number in range(3, 12):
        (Path("pictures") / "train" / "dogs" / f"{number}.png").unlink()
    assert told("val: 2").endswith("of this one at most val: 2")
    write(Path("even"))
    loaded = protocol(("root: pictures", "root: even"), ("2, test: 2, per_class: true", "2, test: 2"))
    even = own_data(loaded, (), images_of(loaded.spec.dataset))
    assert even is not None
    offer = "per_class: true in split takes the same number of every class"
    assert f"  the split may give no image of a class, such as cats, to validate: {offer}" in even.lines()
    for name in "abcdefghijkl":
        (Path("single") / name).mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(Path("single") / name / "0.png")
    loaded = protocol(("root: pictures", "root: single"), ("2, test: 2, per_class: true", "2, test: 2"))
    single = own_data(loaded, (), images_of(loaded.spec.dataset))
    assert single is not None
    assert "to validate: add images" in "".join(single.lines())
    assert "12 classes of 12 images: are their names those of single images?" in [*single.warnings()]


def test_what_one_test_image_is_worth_is_told(protocol: Callable[..., Protocol]) -> None:
    """Beyond the smallest effect of interest; where none is named, of few images."""
    write(Path("pictures"), each=70)

    def told(split: str, sesoi: str) -> str:
        loaded = protocol(
            ("val: 2, test: 2, per_class: true", split), ("seeds: 1", f"seeds: 1\nanalysis: {{{sesoi}}}")
        )
        plan = own_data(loaded, (), images_of(loaded.spec.dataset))
        assert plan is not None
        return " ".join(plan.warnings())

    worth = (
        "of 4 test images one is worth 25 points of accuracy, more than the smallest effect of interest, 1:"
    )
    assert worth in told("val: 1, test: 2, per_class: true", "sesoi: 1.0")
    assert "worth" not in told("val: 2, test: 100", "sesoi: 1.0")
    assert "worth 1 points" in told("val: 2, test: 100", "sesoi: 0.5")
    worth = "of 40 test images one is worth 2.5 points of accuracy: hold"
    assert worth in told("val: 2, test: 40", "alpha: 0.05")
    assert "worth" not in told("val: 2, test: 50", "alpha: 0.05")


def test_names_masks_batches_and_packages_are_told(
    protocol: Callable[..., Protocol], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path("pictures"))
    (Path("pictures") / "cats" / "masks").mkdir()
    (Path("pictures") / "dogs").rename(Path("pictures") / "Cats")
    loaded = protocol(("batch_size: 8", "batch_size: 800"))
    plan = own_data(loaded, loaded.cells, images_of(loaded.spec.dataset))
    assert plan is not None
    told = " ".join(plan.warnings())
    assert "folders masks in those of classes are read, too" in told
    assert "the classes 'Cats' and 'cats' differ in spaces or capitals alone" in told
    assert "batch_size is 800, and there are 8 images to train on" in told
    monkeypatch.setattr("rigorkd.data.own_images.is_installed", lambda module: False)
    plan = own_data(loaded, ())
    assert plan is not None
    assert [*plan.lines()] == [
        "data: pictures was not looked at: the package pillow is not installed, and `rigorkd run` needs it"
    ]


def test_a_model_that_timm_has_not_is_refused_by_a_plan(protocol: Callable[..., Protocol]) -> None:
    pytest.importorskip("timm")
    write(Path("pictures"))
    loaded = protocol(("net: {model: {name: cnn, channels: [2]}}", "net: {model: {name: timm/resnet10}}"))
    with pytest.raises(InputError, match="no model 'resnet10'"):
        own_data(loaded, loaded.cells, macs=True)


def test_wide_images_are_told_what_their_central_squares_keep(protocol: Callable[..., Protocol]) -> None:
    """As spectrograms are; photographs of 3:2 are cut as everywhere."""
    write(Path("pictures"), sizes=((40, 16), (16, 32)))
    write(Path("photos"), sizes=((24, 16),))

    def told(keys: str) -> list[str]:
        plan = own_data(protocol(("root: pictures", f"resolution: 16, {keys}")), ())
        assert plan is not None
        return [warning for warning in plan.warnings() if "central squares" in warning]

    assert told("root: pictures")[0].startswith("the central squares are 45 % of the images")
    assert not told("root: photos")
    assert not told("root: pictures, fit: squash")
    assert not told("root: pictures, fit: crop")


def test_folders_that_are_not_read_are_named(protocol: Callable[..., Protocol]) -> None:
    for part in ("train", "val"):
        write(Path("pictures"), part=part)
    plan = own_data(protocol(), ())
    assert plan is not None
    told = "  not read: val; images to validate are taken, by split.val, from those to train on"
    assert told in list(plan.lines())
    assert "  those of val are used once they lie with the images to train on" in list(plan.lines())
    with pytest.raises(ProtocolError, match="leaves no training images") as refused:
        refuse_misfit(protocol(("val: 2", "val: 400")))
    assert refused.value.hint.endswith("; those of val are used once they lie with the images to train on")
    with pytest.raises(ProtocolError, match="no test set of its own") as refused:
        refuse_misfit(protocol((", test: 2", "")))
    assert "or, to test on what is not read (val), rename it to test" in refused.value.hint
