"""CIFAR-10 and CIFAR-100 from the published Python files, read and downloaded by torchvision.

Files whose MD5 is not the published one are accepted with a warning that names them; the data checksum then
differs, so their runs are never mistaken for runs on the published images.
"""

from __future__ import annotations

import logging
import pickle
import tempfile
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from rigorkd.data.arrays import Labels, Pixels, SourceArrays
from rigorkd.data.identity import DataFile, data_folder, file_layout
from rigorkd.errors import InputError
from rigorkd.files import file_md5
from rigorkd.protocol.schema import Cifar10, Cifar100

_URL = "https://www.cs.toronto.edu/~kriz/"
_DAMAGE = (pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError, ImportError)
_log = logging.getLogger("rigorkd.data")


def load_cifar(dataset: Cifar10 | Cifar100) -> SourceArrays:
    """The training images as the pool and the published test images as the test set.

    Raises:
        InputError: files are missing and cannot be downloaded, are damaged, or changed while they were read.
    """
    prepare_cifar(dataset)
    folder, layout = data_folder(dataset), file_layout(dataset)
    before = {file.name: file_md5(folder / file.name) for file in layout.files}
    foreign = ", ".join(file.name for file in layout.files if before[file.name] != file.md5)
    if foreign:
        _log.warning("%s: using files that are not the published ones (MD5 differs): %s", folder, foreign)
    reader = _Cifar10 if isinstance(dataset, Cifar10) else _Cifar100
    coarse = isinstance(dataset, Cifar100) and dataset.labels == "coarse"
    try:
        train, test = (reader(dataset.root, train=part, coarse=coarse) for part in (True, False))
    except _DAMAGE as error:
        raise InputError(
            f"{folder}: not the published Python format of {dataset.name} ({type(error).__name__}: {error})",
            hint=f"unpack {layout.archive} there again",
        ) from error
    if before != {file.name: file_md5(folder / file.name) for file in layout.files}:
        raise InputError(
            f"{folder}: the files changed while they were read", hint="run the same command again"
        )
    return SourceArrays(*train.arrays(), train.names(), *test.arrays())


def prepare_cifar(dataset: Cifar10 | Cifar100) -> None:
    """Return if all files are there; otherwise download them if the protocol allows it.

    Raises:
        InputError: files are missing, and downloading is off or failed.
    """
    if not _missing(dataset):
        return
    trouble = "download is off"
    if dataset.download:
        try:
            _download(dataset)
        except (urllib.error.URLError, OSError, RuntimeError, EOFError) as error:
            trouble = f"the download failed: {error}"
    missing = _missing(dataset)
    if missing:
        archive = file_layout(dataset).archive
        raise InputError(
            f"{dataset.name}: {data_folder(dataset) / missing[0].name} is missing, and {trouble}",
            hint=f"unpack {_URL}{archive} into {Path(dataset.root).expanduser()}"
            + ("" if dataset.download else ", or set dataset.download: true"),
        )


def _download(dataset: Cifar10 | Cifar100) -> None:
    """Fetch into a folder beside the target and move in only what is missing, file by file and whole.

    So an interruption leaves no half file, and nothing that lies there already is overwritten.
    """
    published = datasets.CIFAR10 if isinstance(dataset, Cifar10) else datasets.CIFAR100
    root, layout = Path(dataset.root).expanduser(), file_layout(dataset)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as folder:
        archive = root / layout.archive
        if file_md5(archive) == published.tgz_md5:  # there already: torchvision unpacks it without a download
            (Path(folder) / archive.name).symlink_to(archive.resolve())
        published(folder, download=True)
        data_folder(dataset).mkdir(exist_ok=True)
        for file in _missing(dataset):
            (Path(folder) / layout.folder / file.name).replace(data_folder(dataset) / file.name)


def _missing(dataset: Cifar10 | Cifar100) -> list[DataFile]:
    folder, layout = data_folder(dataset), file_layout(dataset)
    return [file for file in (*layout.files, layout.meta) if not (folder / file.name).is_file()]


class _Cifar10(datasets.CIFAR10):  # type: ignore[misc]
    """torchvision's reader without its insistence on the published MD5s."""

    train_list: list[list[Any]]
    test_list: list[list[Any]]
    meta: dict[str, Any]

    def __init__(self, root: str, *, train: bool, coarse: bool) -> None:
        # An MD5 of None makes torchvision check only that the file is there.
        self.train_list = [[name, None] for name, _ in self.train_list]
        self.test_list = [[name, None] for name, _ in self.test_list]
        self.meta = {**self.meta, "md5": None}
        super().__init__(Path(root).expanduser(), train=train)
        if coarse:
            files = self.train_list if train else self.test_list
            self.targets = [label for name, _ in files for label in self._unpickle(name)["coarse_labels"]]
            self.classes = self._unpickle(self.meta["filename"])["coarse_label_names"]

    def arrays(self) -> tuple[Pixels, Labels]:
        """Images (n, 3, 32, 32) and labels (n,)."""
        labels = np.asarray(self.targets, np.int64)
        if len(labels) != len(self.data):
            raise ValueError(f"{len(self.data)} images but {len(labels)} labels")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise ValueError("a label is outside the classes of the meta file")
        return np.ascontiguousarray(self.data.transpose(0, 3, 1, 2), np.uint8), labels

    def names(self) -> tuple[str, ...]:
        """The names of the classes, in label order."""
        return tuple(self.classes)

    def _unpickle(self, name: str) -> Any:
        with (Path(self.root) / self.base_folder / name).open("rb") as file:
            return pickle.load(file, encoding="latin1")


class _Cifar100(_Cifar10, datasets.CIFAR100):  # type: ignore[misc]
    """The same for CIFAR-100, whose files also carry coarse labels."""
