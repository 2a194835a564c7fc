"""Data sets that Hugging Face's `datasets` reads, from folders of this machine."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rigorkd.data.huggingface import HuggingFace, _hub_says
from rigorkd.data.loading import load
from rigorkd.errors import InputError
from rigorkd.extras import is_installed


def described(path: object, root: Path, **keys: Any) -> HuggingFace:
    split = keys.pop("split", {"val": 4, "test": 4})
    fields = {"name": "huggingface", "path": str(path), "root": str(root), "split": split, **keys}
    return HuggingFace.model_validate(fields)


@pytest.mark.skipif(is_installed("datasets"), reason="it is there")
def test_without_the_package_a_plan_goes_on_and_a_run_says_what_to_install(tmp_path: Path) -> None:
    dataset = described(tmp_path, tmp_path)
    assert dataset.agreed() is None
    with pytest.raises(InputError, match="needs the package datasets") as caught:
        dataset.prepare()
    assert "rigorkd[datasets]" in caught.value.hint


@pytest.mark.filterwarnings("ignore")  # the package's own, as it saves what is to be read
class TestFolders:
    """With the package."""

    @pytest.fixture(autouse=True)
    def package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        datasets = pytest.importorskip("datasets")
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
        return datasets

    @staticmethod
    def pictures(n: int, side: int = 12) -> list[Any]:
        pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
        encoded = []
        for picture in pixels:
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            encoded.append({"bytes": buffer.getvalue(), "path": None})
        return encoded

    def saved(self, datasets: Any, folder: Path, labels: list[Any], kind: Any, side: int = 12) -> Path:
        pyarrow = pytest.importorskip("pyarrow")
        features = datasets.Features({"image": datasets.Image(), "label": kind})
        pictures = pyarrow.array(self.pictures(len(labels), side), type=features["image"].pa_type)
        table = datasets.table.InMemoryTable(pyarrow.table({"image": pictures, "label": labels}))
        info = datasets.DatasetInfo(features=features)
        # Named, since some versions cannot hash a table of the newest pyarrow.
        datasets.Dataset(table, info=info, fingerprint="made").save_to_disk(str(folder))
        return folder

    def test_a_column_keeps_images_together(self, package: Any, tmp_path: Path) -> None:
        labels = [number % 3 for number in range(48)]
        patients = [f"p{number // 4}" for number in range(48)]
        whole = package.load_from_disk(
            str(self.saved(package, tmp_path / "birds", labels, package.ClassLabel(names=["a", "b", "c"])))
        )
        whole.add_column("patient", patients).save_to_disk(str(tmp_path / "patients"))
        split = {"val": 8, "test": 12, "group_by": "patient"}
        dataset = described(tmp_path / "patients", tmp_path, split=split).settled(12)
        found = dataset.divided()
        assert found is not None
        assert found.train.groups + found.val.groups + found.test.groups == 12
        data = load(dataset, 0)
        parts = [{patients[row] for row in part.index.tolist()} for part in (data.train, data.val, data.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 12
        others = [*patients[:-1], "p0"]
        before = dataset.checksum()
        whole.add_column("patient", others).save_to_disk(str(tmp_path / "others"))
        assert described(tmp_path / "others", tmp_path, split=split).settled(12).read()[1] != before
        for column, words in (
            ("patients", "no column 'patients' in train"),
            ("gone", "row 3 of train has no"),
        ):
            holed = whole.add_column("gone", [None if row == 3 else "p" for row in range(48)])
            holed.save_to_disk(str(tmp_path / column))
            asked = split | {"group_by": column}
            with pytest.raises(InputError, match=words) as caught:
                described(tmp_path / column, tmp_path, split=asked).settled(12).divided()
            assert caught.value.hint

    def test_what_was_saved_is_read_as_it_was(self, package: Any, tmp_path: Path) -> None:
        labels = [number % 3 for number in range(24)]
        kind = package.ClassLabel(names=["wren", "kite", "owl"])
        dataset = described(self.saved(package, tmp_path / "birds", labels, kind), tmp_path)
        assert dataset.agreed() == 12
        data = load(dataset.settled(12), 0)
        assert data.class_names == ("wren", "kite", "owl")
        assert [len(part) for part in (data.train, data.val, data.test)] == [16, 4, 4]
        for part in (data.train, data.val, data.test):
            assert part.labels.tolist() == [labels[row] for row in part.index.tolist()]
            row = int(part.index[0])
            content = self.pictures(24)[row]["bytes"]
            expected = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)
            assert np.array_equal(np.asarray(part.images[:1])[0], expected)

    def test_labels_of_other_kinds(self, package: Any, tmp_path: Path) -> None:
        names = ["owl", "kite"] * 10
        text = described(self.saved(package, tmp_path / "text", names, package.Value("string")), tmp_path)
        assert load(text.settled(12), 0).class_names == ("kite", "owl")
        gap = described(self.saved(package, tmp_path / "gap", [0, 2] * 10, package.Value("int64")), tmp_path)
        with pytest.raises(InputError, match="holds no classes: 0, 2"):
            gap.agreed()

    def test_files_with_their_own_test_split(self, package: Any, tmp_path: Path) -> None:
        """A folder of images in the layout of the package, with its cache in ours."""
        for part, each in (("train", 6), ("test", 3)):
            for name in ("kite", "owl"):
                folder = tmp_path / "birds" / part / name
                folder.mkdir(parents=True)
                for number, picture in enumerate(self.pictures(each)):
                    (folder / f"{number}.png").write_bytes(picture["bytes"])
        dataset = described(tmp_path / "birds", tmp_path, split={"val": 4})
        data = load(dataset.settled(12), 0)
        assert [len(part) for part in (data.train, data.val, data.test)] == [8, 4, 6]
        broken = tmp_path / "birds" / "train" / "owl" / "2.png"
        whole = broken.read_bytes()
        broken.write_bytes(whole[:-100])
        with pytest.raises(InputError, match="1 image cannot be decoded") as caught:
            described(tmp_path / "birds", tmp_path, split={"val": 4}).read_through()
        assert f"birds: row 8 of train ({broken}): " in caught.value.message
        broken.write_bytes(whole)
        unsplit = described(tmp_path / "birds", tmp_path, test=None)
        assert [len(part) for part in (load(unsplit.settled(12), 0).train,)] == [4]

    @pytest.mark.parametrize(
        ("keys", "says", "advises"),
        [
            ({"image": "picture"}, "no column of images 'picture'", "dataset.image to one of: image"),
            ({"label": "kind"}, "no column 'kind'", "dataset.label to one of: label"),
            ({"train": "all"}, "no split 'all'", "dataset.train to one of: train"),
            ({"test": "held"}, "no split 'held'", "dataset.test to one of: train; or to null"),
        ],
    )
    def test_wrong_names_are_told_with_the_right_ones(
        self, package: Any, tmp_path: Path, keys: dict[str, str], says: str, advises: str
    ) -> None:
        folder = self.saved(package, tmp_path / "birds", [0, 1] * 10, package.ClassLabel(num_classes=2))
        with pytest.raises(InputError, match=says) as caught:
            described(folder, tmp_path, **keys).agreed()
        assert advises in caught.value.hint

    def test_files_that_others_wrote_are_read_and_both_columns_told(
        self, package: Any, tmp_path: Path
    ) -> None:
        """Without the package's own types: bytes alone, or with a path."""
        from pyarrow import parquet, table

        labels, pictures = [0, 1] * 10, self.pictures(20)
        for kind, column in (("bare", [each["bytes"] for each in pictures]), ("pairs", pictures)):
            for split in ("train", "validation"):
                (tmp_path / kind).mkdir(exist_ok=True)
                parquet.write_table(
                    table({"img": column, "kind": labels}), tmp_path / kind / f"{split}-0.parquet"
                )
            with pytest.raises(InputError, match="no column of images 'image'") as caught:
                described(tmp_path / kind, tmp_path).agreed()
            assert caught.value.hint == "set dataset.image to one of: img; and dataset.label to one of: kind"
            dataset = described(tmp_path / kind, tmp_path, image="img", label="kind")
            assert dataset.agreed() == 12
            known = dataset.looked_at()
            assert known is not None
            assert (known.unread, known.to_test) == (("validation",), "set dataset.test to it")

    def test_a_folder_that_is_not_there_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "birds").mkdir()
        with pytest.raises(InputError, match="there is no such folder") as caught:
            described("bird", tmp_path).fetch()
        assert f"so this is {tmp_path}/bird); did you mean birds?" in caught.value.message

    @pytest.fixture
    def unreachable(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "snapshots"))
        _hub_says.cache_clear()

    @pytest.mark.parametrize(
        ("download", "says", "advises"),
        [
            (True, "the Hugging Face hub cannot be reached", "again with a network"),
            (False, "this machine has no copy of it, and download is off", "set dataset.download: true"),
        ],
    )
    def test_a_name_of_the_hub_without_a_network_is_one_line(
        self,
        unreachable: None,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
        download: bool,
        says: str,
        advises: str,
    ) -> None:
        """At once, and with no word of the package's own."""
        with pytest.raises(InputError, match=says) as caught:
            described("user/leaves", tmp_path, download=download).fetch()
        assert advises in caught.value.hint
        assert "\n" not in caught.value.message
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("download", [True, False])
    @pytest.mark.parametrize("place", ["ours", "everybody's", "a snapshot"])
    def test_a_copy_of_a_name_of_the_hub_is_read_without_a_network(
        self, package: Any, unreachable: None, tmp_path: Path, place: str, download: bool
    ) -> None:
        """As the package leaves it, in our cache or in its own, or as the hub's own program does."""
        labels = [number % 2 for number in range(24)]
        kind = package.ClassLabel(names=["kite", "owl"])
        saved = package.load_from_disk(str(self.saved(package, tmp_path / "made", labels, kind)))
        dataset = described("user/leaves", tmp_path, download=download)
        if place == "a snapshot":
            repo = tmp_path / "snapshots" / "datasets--user--leaves"
            (repo / "refs").mkdir(parents=True)
            (repo / "refs" / "main").write_text("0" * 40)
            data = repo / "snapshots" / ("0" * 40) / "data" / "train-0.parquet"
        else:
            data = tmp_path / "train.parquet"
        data.parent.mkdir(parents=True, exist_ok=True)
        saved.to_parquet(str(data))
        if place != "a snapshot":
            from datasets.packaged_modules.parquet.parquet import Parquet

            where = dataset.cache_folder() / "fetched" if place == "ours" else tmp_path / "hub"
            Parquet(
                cache_dir=str(where),
                dataset_name="leaves",
                config_name="default",
                hash="0" * 16,
                data_files={"train": [str(data)]},
            ).download_and_prepare()
            (made,) = (where / "leaves").iterdir()
            (where / "user___leaves").mkdir()
            made.rename(where / "user___leaves" / "default")  # where it puts those of the hub
        dataset.fetch()
        assert dataset.agreed() == 12
        assert load(dataset.settled(12), 0).class_names == ("kite", "owl")

    def test_a_folder_of_nothing_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match=r"empty cannot be loaded: "):
            described(tmp_path / "empty", tmp_path).prepare()
