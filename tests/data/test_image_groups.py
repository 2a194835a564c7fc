"""Images of one patient, speaker or scene stay on one side of a split, whatever tells which these are."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rigorkd.data.arrays import Arrays
from rigorkd.data.dataset import Dataset, ImageGroups, Split
from rigorkd.data.image_folder import ImageFolder
from rigorkd.data.loading import load
from rigorkd.data.splits import divide, draw_split
from rigorkd.errors import InputError, ProtocolError, StoreError
from rigorkd.launch.cost import images_of
from rigorkd.launch.own_data import own_data
from rigorkd.protocol.load import load_protocol, refuse_misfit
from rigorkd.records.data_note import note_examined, read_examined
from rigorkd.records.study import settled_in

Rigorkd = Callable[..., subprocess.CompletedProcess[str]]
CLASSES = ("benign", "malignant", "normal")


def grouped(of: Any, test: Any = None) -> ImageGroups:
    pool = np.asarray(of, np.int64)
    names = tuple(f"p{number}" for number in range(1 + max(int(pool.max()), *(test or [0]))))
    tested = None if test is None else np.asarray(test, np.int64)
    return ImageGroups("split.group_by p", names, CLASSES, pool, tested)


def made(patients: int, seed: int, each: int = 9) -> tuple[Any, Any]:
    """Labels and patients: each patient has images of one class, or of two; some many, some few."""
    generator = np.random.default_rng(seed)
    labels, of = [], []
    for patient in range(patients):
        own = generator.choice(3, 1 + patient % 2, replace=False)
        many = int(generator.integers(1, 2 * each))
        labels += generator.choice(own, many).tolist()
        of += [patient] * many
    order = generator.permutation(len(of))
    return np.array(labels, np.int64)[order], np.array(of, np.int64)[order]


@given(st.integers(30, 80), st.integers(0, 1000), st.booleans())
@settings(max_examples=40, deadline=None)
def test_no_group_is_in_two_parts_and_every_image_is_in_one(
    patients: int, seed: int, per_class: bool
) -> None:
    labels, of = made(patients, seed)
    size = len(labels) // (15 if per_class else 5)
    parts = draw_split(Split(val=size, test=size, per_class=per_class), labels, None, seed, grouped(of))
    groups = [set(of[part].tolist()) for part in (parts.train, parts.val, parts.test)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == patients
    assert np.array_equal(
        np.sort(np.concatenate([parts.train, parts.val, parts.test])), np.arange(len(labels))
    )
    for part in (parts.train, parts.val, parts.test):
        assert np.array_equal(part, np.sort(part))
        assert set(labels[part]) == {0, 1, 2}


def test_parts_come_close_to_the_sizes_and_to_the_shares_of_the_classes() -> None:
    """Over 100 made data sets and seeds: single draws of groups miss much further."""
    off, single, shares = [], [], []
    for seed in range(100):
        labels, of = made(40, seed)
        wanted = len(labels) // 5
        parts = draw_split(Split(val=wanted, test=wanted), labels, None, seed, grouped(of))
        for part in (parts.val, parts.test):
            off.append(abs(len(part) - wanted) / wanted)
            have = np.bincount(labels[part], minlength=3) / len(part)
            shares.append(np.abs(have - np.bincount(labels) / len(labels)).max())
        drawn = np.random.default_rng(seed).permutation(40)[:8]
        single.append(abs(np.isin(of, drawn).sum() - wanted) / wanted)
    assert np.mean(off) < 0.05 < np.mean(single) / 2
    assert np.mean(shares) < 0.06


def test_the_draw_depends_on_its_seed_alone_and_every_group_is_drawn() -> None:
    labels, of = made(40, 3)
    groups, split = grouped(of), Split(val=40, test=60)
    first, again = (draw_split(split, labels, None, 7, groups) for _ in range(2))
    assert np.array_equal(first.test, again.test)
    assert np.array_equal(first.val, again.val)
    tested: set[int] = set()
    for seed in range(60):
        tested |= set(of[draw_split(split, labels, None, seed, groups).test].tolist())
    assert tested == set(range(40)), "large patients are tested, too"


def test_a_limit_on_training_images_leaves_the_groups_apart() -> None:
    labels, of = made(40, 3)
    whole = draw_split(Split(val=40, test=60), labels, None, 1, grouped(of))
    limited = draw_split(Split(val=40, test=60, train=50), labels, None, 1, grouped(of))
    assert len(limited.train) == 50
    assert set(limited.train) < set(whole.train)
    assert np.array_equal(whole.test, limited.test)
    thirds = np.arange(120) // 40
    with pytest.raises(InputError, match="45 images to train on, and whole groups leave 40") as caught:
        draw_split(Split(val=40, test=30, train=45), np.arange(120) % 3, None, 1, grouped(thirds))
    assert caught.value.hint


def test_a_test_set_of_its_own_must_share_no_group() -> None:
    labels, of = made(30, 1)
    tests = np.array([0, 1, 2, 0])
    parts = draw_split(Split(val=30), labels, tests, 0, grouped(of, [30, 30, 31, 32]))
    assert parts.test.tolist() == [0, 1, 2, 3]
    assert not set(of[parts.train]) & set(of[parts.val])
    with pytest.raises(InputError, match="2 groups with images to train on have test images, too: p3, p7"):
        draw_split(Split(val=30), labels, tests, 0, grouped(of, [3, 30, 7, 3]))
    assert len(draw_split(Split(val=0), labels, tests, 0, grouped(of, [30] * 4)).train) == len(labels)


@pytest.mark.parametrize(
    ("labels", "of", "split", "words"),
    [
        ([0, 1, 2] * 4, [0] * 6 + [1] * 6, Split(val=3, test=3), "of 2 groups (p0, p1), too few for 3 parts"),
        ([0, 1, 2] * 4, [0] * 12, Split(val=0, test=3), "of 1 group (p0), too few for 2 parts"),
        (
            [0] * 6 + [1] * 6 + [2] * 4,
            [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4],
            Split(val=0, test=3),
            "class normal has images of one group alone, p4",
        ),
        (
            [0] * 4 + [1] * 4 + [2] * 4,
            [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
            Split(val=2, test=6),
            "cannot be divided into parts to test and to validate and to train on",
        ),
        ([0, 1, 2] * 4, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], Split(val=6, test=6), "a rest for training"),
    ],
)
def test_groups_that_cannot_be_divided_are_refused(labels: Any, of: Any, split: Split, words: str) -> None:
    with pytest.raises(InputError) as caught:
        draw_split(split, np.array(labels), None, 0, grouped(of))
    assert words in caught.value.message
    assert caught.value.hint


def test_few_large_groups_are_told_as_far_from_asked() -> None:
    of = np.repeat([0, 1, 2, 3], 30)
    found = divide(Split(val=0, test=5), np.arange(120) % 3, None, 0, grouped(of))
    assert (found.test.images, found.test.groups, found.test.asked) == (30, 1, 5)
    assert (found.train.images, found.train.groups, found.train.asked) == (90, 3, None)


# ------------------------------------------------------------------------------------------- image folders


def pictures(root: Path, place: str = "{label}/p{patient}_s{number}.png", patients: int = 12) -> None:
    """Two classes; patients of one class each but the first two, who have both."""
    generator = np.random.default_rng(0)
    for patient in range(patients):
        for number in range(4):
            label = ("cats", "dogs")[(patient + (number % 2) * (patient < 2)) % 2]
            path = root / place.format(label=label, patient=patient, number=number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)


def folder(root: Path, group_by: str | None = None, **keys: Any) -> ImageFolder:
    split = {"val": 8, "test": 12, **({} if group_by is None else {"group_by": group_by})}
    return ImageFolder.model_validate({"name": "image_folder", "root": str(root), "split": split, **keys})


def patients_of(dataset: ImageFolder) -> list[set[str]]:
    """The patients in each part of what is loaded, by the names of the files."""
    dataset = dataset if dataset.resolution else dataset.settled(8)  # type: ignore[assignment]
    data = load(dataset, 0)
    found = []
    for part in (data.train, data.val, data.test):
        names = [dataset.named(int(row)) for row in part.index]
        found.append(
            {next(bit for bit in name.replace("_", "/").split("/") if bit[0] == "p") for name in names}
        )
    return found


def apart(parts: list[set[str]]) -> bool:
    return all(parts) and sum(map(len, parts)) == len(set.union(*parts)) == 12


@pytest.mark.parametrize("by", [r"^p\d+", r"^(p\d+)_", r"/(p\d+)_"])
def test_a_pattern_tells_the_patient(tmp_path: Path, by: str) -> None:
    pictures(tmp_path)
    assert not apart(patients_of(folder(tmp_path)))
    dataset = folder(tmp_path, by)
    assert apart(patients_of(dataset))
    found = dataset.divided()
    assert found is not None
    assert (found.train.groups + found.val.groups + found.test.groups, found.test.asked) == (12, 12)


@pytest.mark.parametrize(
    ("table", "by"),
    [
        ("file,group", "table.csv"),
        ("image_name;patient_id;age", "table.csv"),
        ("path\tside\twhose", "table.csv:whose"),
    ],
)
def test_a_table_tells_the_patient(tmp_path: Path, table: str, by: str) -> None:
    pictures(tmp_path, "{label}/{patient}_{number}_p.png")
    between = next(sign for sign in "\t;," if sign in table)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*.png"))
    rows = []
    for number, name in enumerate(names):
        short = (name, Path(name).name, Path(name).stem)[number % 3]  # all that people write
        patient = "P" + Path(name).name.split("_")[0]
        by_column = {"age": "40", "side": "left"}
        rows.append(between.join([short, *(by_column.get(one, patient) for one in table.split(between)[1:])]))
    (tmp_path / "table.csv").write_text("\n".join([table, *rows]), "utf-8-sig")
    dataset = folder(tmp_path, by).settled(8)
    data = load(dataset, 0)
    found = [
        {Path(dataset.named(int(row))).name.split("_")[0] for row in part.index}
        for part in (data.train, data.val, data.test)
    ]
    assert apart(found)
    before = dataset.checksum()
    (tmp_path / "table.csv").write_text("\n".join([table, *rows]).replace("P11", "P10"))
    assert dataset.checksum() != before, "other groups are another split"


@pytest.mark.parametrize(
    ("by", "table", "words"),
    [
        ("patient", "", "does not match cats/p0_s0.png and 47 other images"),
        ("none.csv", "", "none.csv: no such file"),
        ("t.csv", "file,group\np0_s0.png,a", "has no row of"),
        ("t.csv", "file,group\np0_s0,a\np0_s0,b", "there twice, of a and of b"),
        ("t.csv", "file,age\np0_s0,7", "no column plainly tells the group"),
        ("t.csv", "file,patient,speaker\np0_s0,7,8", "several columns may tell the group"),
        ("t.csv:wose", "file,whose\np0_s0,7", "no column 'wose'"),
        ("t.csv", "who,group\np0_s0,7", "no column plainly tells which row is of which image"),
    ],
)
def test_what_tells_no_group_is_refused(tmp_path: Path, by: str, table: str, words: str) -> None:
    pictures(tmp_path)
    (tmp_path / "t.csv").write_text(table)
    with pytest.raises(InputError) as caught:
        folder(tmp_path, by).divided()
    assert words in caught.value.message
    assert caught.value.hint


def test_a_name_of_several_images_is_none_in_a_table(tmp_path: Path) -> None:
    pictures(tmp_path, "{label}/p{patient}/{number}.png")
    (tmp_path / "t.csv").write_text(
        "file,group\n" + "".join(f"{number}.png,a{number}\n" for number in range(4))
    )
    with pytest.raises(InputError, match=r"0\.png stands for 12 images") as caught:
        folder(tmp_path, "t.csv").divided()
    assert "paths" in caught.value.hint


@pytest.mark.parametrize("folders", ["class/subject", "subject/class"])
@pytest.mark.parametrize("part", ["", "train/"])
def test_folders_of_subjects_are_read_on_either_level(tmp_path: Path, folders: str, part: str) -> None:
    pictures(
        tmp_path,
        part + folders.replace("class", "{label}").replace("subject", "p{patient}") + "/{number}.png",
    )
    dataset = folder(tmp_path, folders=folders)
    known = dataset.looked_at()
    assert known is not None
    assert known.class_names == ("cats", "dogs")
    assert known.images == 48
    assert apart(patients_of(dataset))
    assert not [*dataset.doubts()]
    lone = tmp_path / part / ("cats" if folders == "class/subject" else "p0") / "lone.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(lone)
    with pytest.raises(InputError, match=r"lone\.png lies outside") as caught:
        dataset.looked_at()
    assert "in two folders" in caught.value.hint


def test_subjects_above_classes_are_doubted_with_the_key_that_reads_them(tmp_path: Path) -> None:
    """Also where a patient has a single diagnosis, so that no folder is in all of them."""
    pictures(tmp_path, "p{patient}/{label}/{number}.png")
    (doubt,) = folder(tmp_path).doubts()
    assert "taken as a class" in doubt
    assert "folders: subject/class" in doubt


@pytest.mark.parametrize(
    ("place", "mend"),
    [
        ("{label}/patient{patient:03}_s{number}.png", r"split.group_by: 'patient[A-Za-z]*\d+'"),
        ("{label}/patient{patient}/{number}.png", "folders: class/subject"),
    ],
)
def test_names_of_patients_are_doubted_with_the_mend_that_works(
    tmp_path: Path, place: str, mend: str
) -> None:
    pictures(tmp_path, place)
    (doubt,) = folder(tmp_path).doubts()
    assert mend in doubt
    key, _, value = mend.partition(": ")
    value = value.strip("'")
    mended = folder(tmp_path, value) if key == "split.group_by" else folder(tmp_path, folders=value)
    assert apart(patients_of(mended))
    assert not [*mended.doubts()]


# ------------------------------------------------------------------------------------------------- arrays


TESTS = {"test_images": np.zeros((4, 8, 8), np.uint8), "test_labels": [0, 1, 0, 1]}


def arrays(root: Path, group_by: str | None, split: dict[str, Any] | None = None, **content: Any) -> Arrays:
    generator = np.random.default_rng(0)
    pool = generator.integers(0, 256, (48, 8, 8), dtype=np.uint8)
    np.savez(root / "made.npz", images=pool, labels=np.arange(48) % 2, **content)
    split = {"val": 8, "test": 12} if split is None else split
    split |= {} if group_by is None else {"group_by": group_by}
    return Arrays.model_validate({"name": "arrays", "file": str(root / "made.npz"), "split": split})


@pytest.mark.parametrize("of", [np.arange(48) // 4, np.array([f"p{n // 4}" for n in range(48)])[:, None]])
def test_an_array_tells_the_patient(tmp_path: Path, of: np.ndarray) -> None:
    doubted = arrays(tmp_path, None, patient=of).looked_at()
    assert doubted is not None
    assert "write split.group_by: patient" in " ".join(doubted.doubts)
    dataset = arrays(tmp_path, "patient", patient=of)
    data = load(dataset, 0)
    assert apart([set((part.index.numpy() // 4).tolist()) for part in (data.train, data.val, data.test)])
    known = dataset.looked_at()
    assert known is not None
    assert not known.unread
    assert not known.doubts


@pytest.mark.parametrize(
    ("by", "content", "words"),
    [
        ("patient", {"patients": np.arange(48)}, "there is no array 'patient'"),
        ("patient", {"patient": np.arange(40)}, "48 images have 40 groups"),
        ("patient", {"patient": np.ones((48, 2))}, "not one group for each image"),
        (
            "patient",
            {
                "patient": np.arange(48),
                "test_images": np.zeros((4, 8, 8), np.uint8),
                "test_labels": [0, 1, 0, 1],
            },
            "there is no array 'test_patient'",
        ),
    ],
)
def test_arrays_that_tell_no_groups_are_refused(tmp_path: Path, by: str, content: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        arrays(tmp_path, by, **content).looked_at()
    assert words in caught.value.message
    assert caught.value.hint


def test_a_test_set_has_groups_of_its_own(tmp_path: Path) -> None:
    content = {
        "test_images": np.zeros((4, 8, 8), np.uint8),
        "test_labels": [0, 1, 0, 1],
        "patient": np.arange(48) // 4,
    }
    found = arrays(tmp_path, "patient", {"val": 8}, test_patient=[20, 20, 21, 21], **content).divided()
    assert found is not None
    assert (found.test.images, found.test.groups) == (4, 2)
    with pytest.raises(InputError, match="1 group with images to train on has test images, too: 3"):
        arrays(tmp_path, "patient", {"val": 8}, test_patient=[3, 20, 21, 21], **content).divided()


# ---------------------------------------------------------------------------------------- plan, run, verdict

PROTOCOL = """\
rigorkd: 1
study: own
dataset: {name: image_folder, root: pictures, split: {val: 8, test: 12}}
training: {optimizer: {name: adamw, lr: 1e-2}, batch_size: 8, epochs: 1}
teacher: {model: {name: cnn, channels: [4]}}
students: {net: {model: {name: cnn, channels: [2]}}}
groups: {main: {baseline: true, kd: {T: 4, alpha: 0.5}}}
seeds: 2
"""


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[str], Dataset]]:
    monkeypatch.chdir(tmp_path)

    def lines(old: str = "", new: str = "") -> tuple[list[str], Dataset]:
        (tmp_path / "own.yaml").write_text(PROTOCOL.replace(old, new))
        protocol = load_protocol(tmp_path / "own.yaml", settle=settled_in(tmp_path / "results" / "own"))
        refuse_misfit(protocol)
        dataset = protocol.spec.dataset
        found = own_data(protocol, (), images_of(dataset))
        assert found is not None
        return [*found.lines()], dataset

    return lines


def test_a_plan_says_how_many_groups_each_part_has(
    tmp_path: Path, planned: Callable[..., tuple[list[str], Dataset]]
) -> None:
    pictures(tmp_path / "pictures")
    told, dataset = planned("test: 12}", r"test: 12, group_by: '^p\d+'}")
    found = dataset.divided()
    assert found is not None
    where = told.index(r"  no group is in two parts (split.group_by ^p\d+):")
    assert told[where + 1 : where + 4] == [
        f"    {found.train.images} images of {found.train.groups} groups to train on",
        "    8 images of 2 groups to validate",
        "    12 images of 3 groups to test",
    ]
    told, _ = planned("test: 12}", r"test: 6, group_by: '^p\d+'}")
    (line,) = [line for line in told if line.endswith("to test (6 asked for)")]
    assert any("whole groups give" in line and "to test, and 6 are asked for" in line for line in told), line
    told, _ = planned()
    assert not any("group" in line for line in told)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("test: 12, group_by: '^(p1|p)'}", "too few for 3 parts"),
        ("test: 12, group_by: '^p('}", "nor a regular expression"),
        ("test: 12, group_by: 'subject'}", "does not match"),
    ],
)
def test_groups_that_cannot_be_are_refused_at_the_protocol(
    tmp_path: Path, planned: Callable[..., tuple[list[str], Dataset]], new: str, words: str
) -> None:
    pictures(tmp_path / "pictures")
    with pytest.raises(ProtocolError) as caught:
        planned("test: 12}", new)
    assert words in str(caught.value)
    assert "own.yaml:3:" in caught.value.message


def test_data_without_groups_take_no_group_by(planned: Callable[..., tuple[list[str], Dataset]]) -> None:
    with pytest.raises(ProtocolError, match="nothing tells which images of digits belong together"):
        planned(
            "image_folder, root: pictures, split: {val: 8, test: 12}",
            "digits, split: {val: 8, test: 12, group_by: a}",
        )


def test_the_groups_of_test_images_are_noted_where_all_seeds_have_the_same(tmp_path: Path) -> None:
    pictures(tmp_path)
    dataset = folder(tmp_path, r"^p\d+", resolution=8)
    data = load(dataset, 0)
    names = [dataset.named(int(row)).rpartition("/")[2].split("_")[0] for row in data.test.index]
    note_examined(tmp_path, dataset.examined())
    noted = read_examined(tmp_path)
    assert noted is not None
    assert len(noted.clusters) == len(names) == noted.test_images
    assert len(set(zip(noted.clusters, names, strict=True))) == len(set(names)) == len(set(noted.clusters))
    own = dataset.model_copy(update={"split": dataset.split.model_copy(update={"seed": "per_seed"})})
    assert own.examined() is None or own.examined().clusters == ()  # type: ignore[union-attr]
    text = (tmp_path / "data.json").read_text()
    for wrong in ('"clusters": []', '"clusters": [-1]', '"clusters": "p"'):
        start = text.index('"clusters"')
        (tmp_path / "data.json").write_text(text[:start] + wrong + "}")
        if wrong.endswith("[]"):
            assert read_examined(tmp_path) is not None
        else:
            with pytest.raises(StoreError, match="damaged"):
                read_examined(tmp_path)


def test_verdicts_over_new_images_are_over_new_groups(tmp_path: Path, rigorkd: Rigorkd) -> None:
    """Images of one patient are no single draws."""
    arrays(tmp_path, None, patient=np.arange(48) // 4)
    place = "arrays, file: made.npz, split: {val: 8, test: 12, group_by: patient}"
    text = PROTOCOL.replace("image_folder, root: pictures, split: {val: 8, test: 12}", place)
    (tmp_path / "own.yaml").write_text(text)
    told = rigorkd("plan", "own.yaml", "--format", "json")
    assert json.loads(told.stdout)["data"]["groups"]["test"] == {
        "images": 12, "groups": 3, "asked": 12, "without": []
    }  # fmt: skip
    assert rigorkd("run", "own.yaml").returncode == 0
    (judged,) = json.loads(rigorkd("analyze", "--format", "json").stdout)["images"]
    assert (judged["images"], judged["clusters"]) == (12, 3)
    assert "12 images in 3 clusters" in judged["says"]
