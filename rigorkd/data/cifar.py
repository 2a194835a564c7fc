"""CIFAR-10 and CIFAR-100 from the published Python files, downloaded by torchvision.

Files whose MD5 is not the published one are accepted with a warning that names them; the data checksum then
differs, so their runs are never mistaken for runs on the published images. They are pickles, and reading them
runs nothing: of all that a pickle may call for, arrays of numbers are understood here, and the rest refused.
"""

from __future__ import annotations

import logging
import pickle
import re
import tempfile
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rigorkd.data.dataset import DatasetInfo, SourceArrays, sha256_of
from rigorkd.data.image_files import PublishedFiles
from rigorkd.errors import InputError
from rigorkd.files import file_md5
from rigorkd.text import in_full

if TYPE_CHECKING:
    import numpy as np

    from rigorkd.data.dataset import Labels, Pixels


_URL = "https://www.cs.toronto.edu/~kriz/"
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError, AttributeError, ImportError),
    *(OverflowError, RecursionError, MemoryError),
)
_log = logging.getLogger("rigorkd.data")


@dataclass(frozen=True)
class DataFile:
    """One file of a published data set, with the MD5 that its authors (and torchvision) give."""

    name: str
    md5: str


@dataclass(frozen=True)
class CifarFiles:
    """Where a CIFAR data set lies under its root."""

    folder: str
    archive: str
    train: tuple[DataFile, ...]
    test: tuple[DataFile, ...]
    meta: DataFile

    @property
    def files(self) -> tuple[DataFile, ...]:
        """The files with images and labels; names of classes change no result, and their number is known."""
        return self.train + self.test


CIFAR10 = CifarFiles(
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    train=(
        DataFile("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        DataFile("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        DataFile("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        DataFile("data_batch_4", "634d18415352ddfa80567beed471001a"),
        DataFile("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ),
    test=(DataFile("test_batch", "40351d587109b95175f43aff81a1287e"),),
    meta=DataFile("batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
)
CIFAR100 = CifarFiles(
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
    train=(DataFile("train", "16019d7e3df5f24257cddd939b257f8d"),),
    test=(DataFile("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
    meta=DataFile("meta", "7973b15100ade9c7d40fb424638fde48"),
)


class _Cifar(PublishedFiles):
    """What both have in common."""

    layout: ClassVar[CifarFiles]

    @property
    def label_keys(self) -> tuple[str, str]:
        """What the labels are called in the files of images, and their names in the file of names."""
        return "labels", "label_names"

    @property
    def folder(self) -> Path:
        """The folder that holds (or will hold) the files."""
        return Path(self.root).expanduser() / self.layout.folder

    def checksum_at_hand(self) -> str | None:
        return None if self._missing() else self.checksum()

    def checksum(self) -> str:
        """Files that are not there yet count with their published MD5, which a download satisfies."""
        return sha256_of(
            {
                "source": self.name,
                **{file.name: file_md5(self.folder / file.name) or file.md5 for file in self.layout.files},
            }
        )

    def absent(self) -> str:
        missing = self._missing()
        return str(self.folder / missing[0].name) if missing else ""

    def read(self) -> tuple[SourceArrays, str]:
        """The training images as the pool and the published test images as the test set.

        Raises:
            InputError: files are missing and cannot be downloaded, are damaged, or changed meanwhile.
        """
        self.prepare()
        folder, layout = self.folder, self.layout
        before = {file.name: file_md5(folder / file.name) for file in layout.files}
        foreign = ", ".join(
            file.name for file in (*layout.files, layout.meta) if file_md5(folder / file.name) != file.md5
        )
        if foreign:
            _log.warning("%s: using files that are not the published ones (MD5 differs): %s", folder, foreign)
        try:
            names = tuple(map(str, self._unpickled(layout.meta)[self.label_keys[1]]))
            if self.info and len(names) != self.info.classes:  # what they are called changes no result
                raise ValueError(f"{layout.meta.name} names {len(names)} classes")
            train, test = (self._images(files, len(names)) for files in (layout.train, layout.test))
        except _DAMAGE as error:
            raise InputError(
                f"{folder}: not the published Python format of {self.name} ({type(error).__name__}: {error})",
                hint=f"unpack {layout.archive} there again",
            ) from error
        if before != {file.name: file_md5(folder / file.name) for file in layout.files}:
            raise InputError(
                f"{folder}: the files changed while they were read", hint="run the same command again"
            )
        return SourceArrays(*train, names, *test), self.checksum()

    def prepare(self, watch: object = None) -> None:
        """Return if all files are there; otherwise download them if the protocol allows it.

        Raises:
            InputError: files are missing, and downloading is off or failed.
        """
        if not self._missing():
            return
        trouble = "download is off"
        if self.download:
            try:
                self._download()
            except (urllib.error.URLError, OSError, RuntimeError, EOFError) as error:
                trouble = f"the download failed: {error}"
        missing = self._missing()
        if missing:
            place = self.folder / missing[0].name
            raise InputError(
                f"{self.name}: {place} is missing{in_full(place)}, and {trouble}",
                hint=f"unpack {_URL}{self.layout.archive} into {Path(self.root).expanduser()}"
                + ("" if self.download else ", or set dataset.download: true"),
            )

    def _download(self) -> None:
        """Fetch into a folder beside the target and move in only what is missing, file by file and whole.

        So an interruption leaves no half file, and nothing that lies there already is overwritten.
        """
        from torchvision import datasets

        published = getattr(datasets, self.name.upper())
        root, layout = Path(self.root).expanduser(), self.layout
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as folder:
            archive = root / layout.archive
            if file_md5(archive) == published.tgz_md5:  # there already: torchvision unpacks it as it is
                (Path(folder) / archive.name).symlink_to(archive.resolve())
            published(folder, download=True)
            self.folder.mkdir(exist_ok=True)
            for file in self._missing():
                (Path(folder) / layout.folder / file.name).replace(self.folder / file.name)

    def _missing(self) -> list[DataFile]:
        files = (*self.layout.files, self.layout.meta)
        return [file for file in files if not (self.folder / file.name).is_file()]

    def _images(self, files: tuple[DataFile, ...], classes: int) -> tuple[Pixels, Labels]:
        """Images (n, 3, 32, 32) and labels (n,) of some files."""
        import numpy as np

        contents = [self._unpickled(file) for file in files]
        images = np.vstack([content["data"].values for content in contents]).reshape(-1, 3, 32, 32)
        named = self.label_keys[0]
        labels = np.asarray([label for content in contents for label in content[named]], np.int64)
        if len(labels) != len(images):
            raise ValueError(f"{len(images)} images but {len(labels)} labels")
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError("a label is outside the classes of the meta file")
        return np.ascontiguousarray(images, np.uint8), labels

    def _unpickled(self, file: DataFile) -> Any:
        with (self.folder / file.name).open("rb") as stream:
            return _Unpickler(stream, encoding="latin1").load()


class _Numbers:
    """The kind of an array's numbers, as a pickle describes numpy's `dtype`."""

    def __init__(self, kind: str, *_: object) -> None:
        if not re.fullmatch(r"[<>|=]?[biuf][1248]", kind):
            raise ValueError(f"numbers of kind {kind!r:.20}")
        self.kind = kind[-2:]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"a byte order {state[1]!r:.20}")
        self.kind = state[1] + self.kind


class _Array:
    """An array, as a pickle describes numpy's; nothing of numpy's own unpickling is used."""

    values: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, numbers, by_columns, content = state
        self.values = _array(content, numbers, shape, "F" if by_columns else "C").values


def _array(content: Any, numbers: Any, shape: Any, order: Any) -> _Array:
    import numpy as np

    if isinstance(content, str):  # bytes of Python 2
        content = content.encode("latin1")
    if not isinstance(numbers, _Numbers):
        raise ValueError("an array of no numbers")
    made = _Array()
    made.values = np.frombuffer(content, numbers.kind).reshape(shape, order=order)
    return made


def _text_as_bytes(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text in {encoding!r:.20}")
    return text.encode("latin1")


class _Unpickler(pickle.Unpickler):
    """Understands what CIFAR's files hold, whatever wrote them, and runs nothing else."""

    def find_class(self, module: str, name: str, /) -> Any:
        match module.replace("numpy._core", "numpy.core"), name:
            case "numpy", "ndarray":
                return "an array"  # only ever handed on
            case "numpy", "dtype":
                return lambda *given: _Numbers(*given)
            case "numpy.core.multiarray", "_reconstruct":
                return lambda *_: _Array()
            case "numpy.core.numeric", "_frombuffer":
                return lambda *given: _array(*given)
            case "_codecs", "encode":
                return lambda *given: _text_as_bytes(*given)
        raise pickle.UnpicklingError(f"it is a program: reading it would run {module}.{name}")


class Cifar10(_Cifar):
    """CIFAR-10: 50,000 + 10,000 images of 32×32."""

    layout = CIFAR10
    name: Literal["cifar10"]

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo("CIFAR-10", 50_000, 10_000, classes=10, channels=3, size=32)


class Cifar100(_Cifar):
    """CIFAR-100, with its 100 fine or 20 coarse labels."""

    layout = CIFAR100
    name: Literal["cifar100"]
    labels: Literal["fine", "coarse"] = "fine"

    @property
    def info(self) -> DatasetInfo:
        classes = 100 if self.labels == "fine" else 20
        return DatasetInfo("CIFAR-100", 50_000, 10_000, classes=classes, channels=3, size=32)

    @property
    def label_keys(self) -> tuple[str, str]:
        return f"{self.labels}_labels", f"{self.labels}_label_names"
