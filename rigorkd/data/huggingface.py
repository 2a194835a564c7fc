"""Images in a data set of Hugging Face's `datasets`: a folder on this machine, or a name on the hub.

    {name: huggingface, path: data/leaves}                     from save_to_disk, or read by load_dataset
    {name: huggingface, path: user/leaves, download: true}

The columns `image` and `label` of the split `train` are the images to train on, those of the split `test`, if
there is one, the test set. What is fetched, and what is decoded, lies in `cache`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Annotated, Any, Literal

from pydantic import Field

from rigorkd.data.image_files import ImageFile, ImageIndex, Layout
from rigorkd.data.own_images import OwnImages
from rigorkd.errors import InputError
from rigorkd.extras import is_installed, require
from rigorkd.files import sha256_of
from rigorkd.text import first_line, in_full, nearest_place, some_of

Word = Annotated[str, Field(min_length=1)]
_NOWHERE = Layout(folder="", parts=(), advice="", index=lambda _: ImageIndex((), (), None))
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")


class HuggingFace(OwnImages):
    """A data set of images that Hugging Face's `datasets` reads."""

    layout = _NOWHERE
    to_test = "set dataset.test to it"
    takes_groups = "a column"
    name: Literal["huggingface"]
    path: Word
    config: Word | None = None
    revision: Word | None = None
    download: bool = False
    image: Word = "image"
    label: Word = "label"
    train: Word = "train"
    test: Word | None = "test"

    @property
    def folder(self) -> Path:
        return Path(self.path).expanduser()

    @property
    def is_local(self) -> bool:
        """Whether the path is one of this machine, or at least no name of the hub."""
        return self.folder.exists() or not _HUB_NAME.fullmatch(self.path)

    @property
    def lacking(self) -> str:
        return super().lacking or ("" if is_installed("datasets") else "datasets")

    @property
    def is_there(self) -> bool:
        if self.lacking:
            return False
        if self.is_local:
            return self.folder.is_dir()
        try:
            self._splits()
        except InputError:
            return False
        return True

    @property
    def unread(self) -> tuple[str, ...]:
        return tuple(sorted(set(self._splits()) - {self.train, self.test}))

    def absent(self) -> str:
        kept = self.is_local and self.folder.is_dir()  # and only a package is missing, perhaps
        return "" if kept or self.is_there else self.path

    def cache_folder(self) -> Path:
        wanted = [str(self.folder.resolve()) if self.is_local else self.path, self.config, self.revision]
        columns = [self.image, self.label, self.train, self.test]
        told = hashlib.sha256(repr([*wanted, *columns]).encode(errors="surrogateescape")).hexdigest()[:8]
        place = Path(self.root) / ".rigorkd" if self.cache is None else Path(self.cache)
        return place.expanduser() / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', self.folder.name)}-{told}"

    def fingerprint(self) -> str:
        # What the hub has under a name may change; what was decoded of it is what is trained on.
        asked = f"{self.path} {self.config} {self.revision}"
        return super().fingerprint() if self.is_local else sha256_of(asked)

    def laid_out(self) -> Layout:
        return replace(_NOWHERE, parts=(".",) if self.is_local else (), index=lambda _: self._index())

    def group_names(self, index: ImageIndex) -> list[str]:
        column, splits = str(self.split.group_by), self._splits()
        found: list[str] = []
        for part in dict.fromkeys(image.name.rpartition("/")[0] for image in index.files):
            if column not in splits[part].features:
                others = sorted({*splits[part].features} - {self.image, self.label})
                raise self._refused(
                    f"split.group_by: no column {column!r} in {part}",
                    f"it has, beside images and labels, {some_of(others) or 'nothing'}",
                )
            values = splits[part][column][:]
            if None in values:
                raise self._refused(
                    f"split.group_by: row {values.index(None)} of {part} has no {column}",
                    "each image needs a group: take out the rows without",
                )
            found += map(str, values)
        return found

    def fetch(self) -> None:
        require("datasets", f"dataset: {self.path}")
        self._splits()

    def place_of(self, image: ImageFile) -> str:
        part, _, row = image.name.rpartition("/")
        value = self._splits()[part][int(row)][self.image]
        file = f" ({value['path']})" if value and value.get("path") else ""
        return f"{self.path}: row {row} of {part}{file}"

    def reader(self) -> Callable[[ImageFile], IO[bytes]]:
        splits, column = self._splits(), self.image

        def opened(image: ImageFile) -> IO[bytes]:
            part, _, row = image.name.rpartition("/")
            value = splits[part][int(row)][column]
            if value is None:
                raise ValueError("there is no image in this row")
            if value.get("bytes") is not None:
                return io.BytesIO(value["bytes"])
            return Path(value["path"]).open("rb")

        return opened

    def _splits(self) -> Mapping[str, Any]:
        """The splits by name; images are encoded."""
        if self.is_local and not self.folder.exists():
            what = (
                f"there is no such folder{in_full(self.folder, 'dataset.path')}{nearest_place(self.folder)}"
            )
            raise self._refused(what, "give the path of a folder, or a name of the hub, such as user/leaves")
        where = str(self.folder) if self.is_local else self.path
        columns = self.image, self.label
        asked = (where, self.config, self.revision, *columns, str(self.cache_folder()))
        found = _loaded(*asked, self.fingerprint(), fetch=self.is_local or self.download)
        if self.train not in found:
            raise self._refused(
                f"there is no split {self.train!r}", f"set dataset.train to one of: {some_of(sorted(found))}"
            )
        return found

    def _refused(self, what: str, hint: str) -> InputError:
        return InputError(f"huggingface: {self.path}: {what}", hint=hint)

    def _index(self) -> ImageIndex:
        splits = self._splits()
        names, labels = self._labels(splits[self.train], None)
        train = tuple(ImageFile(f"{self.train}/{row}", label) for row, label in enumerate(labels))
        if empty := sorted(set(range(len(names))) - set(labels)):
            raise self._refused(
                f"the class {names[empty[0]]} has no image in {self.train}",
                "a class without images cannot be learnt: take a data set without it",
            )
        if self.test is None or (self.test not in splits and "test" not in self.model_fields_set):
            return ImageIndex(names, train, None)
        if self.test not in splits:
            some = some_of(sorted(splits))
            hint = f"set dataset.test to one of: {some}; or to null, and give split.test"
            raise self._refused(f"there is no split {self.test!r}", hint)
        _, tested = self._labels(splits[self.test], names)
        test = tuple(ImageFile(f"{self.test}/{row}", label) for row, label in enumerate(tested))
        return ImageIndex(names, train, test)

    def _labels(self, split: Any, known: tuple[str, ...] | None) -> tuple[tuple[str, ...], list[int]]:
        """The names of the classes, `known` or of this split, and the class of every row."""
        if self.label not in split.features:
            some = some_of(sorted(set(split.features) - {self.image}))
            raise self._refused(f"no column {self.label!r}", f"set dataset.label to one of: {some}")
        values, declared = split[self.label][:], getattr(split.features[self.label], "names", None)
        if declared is not None:
            names = known or tuple(map(str, declared))
            numbers = [-1 if value is None else int(value) for value in values]
        else:
            found = set(values)
            whole = all(isinstance(value, int) for value in found)
            usable = whole or all(isinstance(value, str) for value in found)
            if not usable or (known is None and whole and sorted(found) != list(range(len(found)))):
                some = some_of([str(value) for value in list(found)[:5]])
                raise self._refused(
                    f"the column {self.label!r} holds no classes: {some}",
                    "it must hold whole numbers from 0 without a gap, or names: "
                    f"class_encode_column({self.label!r}) of the package makes classes of what is there",
                )
            names = known or tuple(str(value) for value in sorted(found))
            places = {name: place for place, name in enumerate(names)}
            numbers = [places.get(str(value), -1) for value in values]
        wrong = next((row for row, number in enumerate(numbers) if not 0 <= number < len(names)), None)
        if wrong is not None:
            raise self._refused(
                f"row {wrong} of a split has no class that {self.train} has",
                "a split without labels cannot be tested on: set dataset.test to another, or to null",
            )
        return names, numbers


@functools.lru_cache(maxsize=4)
def _loaded(
    path: str,
    config: str | None,
    revision: str | None,
    image: str,
    label: str,
    cache: str,
    stamp: str,
    *,
    fetch: bool,
) -> Mapping[str, Any]:
    """The splits of a data set, its images left encoded. InputError if it cannot be had, or has no images.

    `stamp` is another one once its files have changed.
    """
    import datasets

    local = Path(path).exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own, of how it reads
        try:
            found = (
                _read(path, config, cache) if local else _of_hub(path, config, revision, cache, fetch=fetch)
            )
        except InputError:
            raise
        except Exception as error:  # readers of many formats, and a network, raise almost anything
            said = first_line(error)
            raise InputError(
                f"huggingface: {path} cannot be loaded: {said}",
                hint="see that `datasets.load_dataset` reads it",
            ) from None
        splits = found if isinstance(found, datasets.DatasetDict) else {"train": found}
        return {str(name): _encoded(path, split, image, label) for name, split in splits.items()}


def _read(path: str, config: str | None, cache: str) -> Any:
    """What a folder of this machine holds."""
    import datasets

    if any((Path(path) / name).exists() for name in ("dataset_dict.json", "state.json")):
        return datasets.load_from_disk(path)
    return datasets.load_dataset(path, config, cache_dir=f"{cache}/fetched")


def _of_hub(name: str, config: str | None, revision: str | None, cache: str, *, fetch: bool) -> Any:
    """What the hub has under a name: fetched, if that is wanted and possible, else a copy of this machine.

    Raises:
        InputError: neither; with the reason in one line.
    """
    import datasets

    trouble, mend = "", "set dataset.download: true to fetch it"
    if fetch:
        trouble, mend = _hub_says(name, revision)
        if not trouble:
            return datasets.load_dataset(name, config, revision=revision, cache_dir=f"{cache}/fetched")
    with _offline():
        for place in (f"{cache}/fetched", None):  # ours, then that of everybody
            with contextlib.suppress(Exception):
                return datasets.load_dataset(name, config, revision=revision, cache_dir=place)
        with contextlib.suppress(Exception):
            from huggingface_hub import snapshot_download

            folder = snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True)
            return _read(folder, config, cache)
    what = trouble or "this machine has no copy of it, and download is off"
    raise InputError(
        f"huggingface: {name}: {what}", hint=f"{mend}; or set dataset.path to a folder that has the data set"
    )


@functools.lru_cache(maxsize=8)
def _hub_says(name: str, revision: str | None) -> tuple[str, str]:
    """Why a data set cannot be fetched and how to mend that, both "" where it can.

    Asked once, for the package itself would try again and again for half a minute.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        HfApi().dataset_info(name, revision=revision, timeout=10)
    except RevisionNotFoundError:
        return f"the hub has no revision {revision!r} of it", "see dataset.revision"
    except RepositoryNotFoundError:
        mend = "see how it is written; of a private one, log in with `hf auth login`"
        return "the Hugging Face hub has no data set of this name, or hides it", mend
    except Exception as error:  # each version of two libraries has its own words for a lack of network
        said = (str(error).splitlines() or [type(error).__name__])[0]
        mend = "run the same command again with a network (or HF_ENDPOINT set to a mirror)"
        return f"the Hugging Face hub cannot be reached ({said})", mend
    return "", ""


@contextlib.contextmanager
def _offline() -> Iterator[None]:
    """Without any question to the hub: the package asks it even where it may use local files only."""
    import datasets
    from huggingface_hub import constants

    places: tuple[Any, ...] = (datasets.config, constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value


def _encoded(path: str, split: Any, image: str, label: str) -> Any:
    import datasets

    images = [name for name, kind in split.features.items() if _holds_images(kind)]
    if image not in images:
        hint = f"set dataset.image to one of: {some_of(images)}" if images else "it has no images at all"
        others = [name for name in split.features if name not in images]
        if images and others and label not in others:
            hint += f"; and dataset.label to one of: {some_of(others)}"
        raise InputError(f"huggingface: {path}: no column of images {image!r}", hint=hint)
    return split.cast_column(image, datasets.Image(decode=False))


def _holds_images(kind: Any) -> bool:
    """Whether a column has encoded images; the package's own, or the bytes that others write."""
    import datasets

    if isinstance(kind, datasets.Value):
        return kind.dtype in ("binary", "large_binary")
    return isinstance(kind, datasets.Image) or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})
