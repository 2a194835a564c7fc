"""The layout on disk of every data set of image files, and fetching what is missing of it."""

from __future__ import annotations

import tempfile
import urllib.error
from pathlib import Path

from rigorkd.data.cars import CARS
from rigorkd.data.image_files import Layout
from rigorkd.data.image_folder import IMAGE_FOLDER
from rigorkd.data.pets import PETS
from rigorkd.data.tiny_imagenet import TINY_IMAGENET
from rigorkd.errors import InputError
from rigorkd.files import file_md5
from rigorkd.protocol.schema import Decoded, ImageFolder

_LAYOUTS = {
    "oxford_pets": PETS,
    "stanford_cars": CARS,
    "tiny_imagenet": TINY_IMAGENET,
    "image_folder": IMAGE_FOLDER,
}


def layout_of(dataset: Decoded) -> Layout:
    """How the data set lies on disk."""
    return _LAYOUTS[dataset.name]


def folder_of(dataset: Decoded) -> Path:
    """The folder that holds (or will hold) the data set's files."""
    return Path(dataset.root).expanduser() / layout_of(dataset).folder


def fetch(dataset: Decoded) -> None:
    """Return if all parts are there; otherwise download them if that can be done and the protocol says so.

    Raises:
        InputError: a part is missing, and downloading is off, impossible, or failed.
    """
    layout, folder = layout_of(dataset), folder_of(dataset)
    if not layout.missing(folder):
        return
    wanted = not isinstance(dataset, ImageFolder) and dataset.download
    trouble = ""
    if wanted and layout.archives:
        try:
            _download(layout, Path(dataset.root).expanduser())
        except (urllib.error.URLError, OSError, RuntimeError, EOFError, ValueError) as error:
            trouble = f", and the download failed: {error}"
    elif layout.archives:
        trouble = ", and download is off"
    missing = layout.missing(folder)
    if missing:
        others = f" (and {', '.join(missing[1:])})" if len(missing) > 1 else ""
        offer = ", or set dataset.download: true" if layout.archives and not wanted else ""
        raise InputError(
            f"{dataset.name}: {folder / missing[0]} is missing{others}{trouble}",
            hint=layout.advice.format(place=folder.parent if layout.unpacked else folder) + offer,
        )


def _download(layout: Layout, root: Path) -> None:
    """Unpack the archives into a folder beside the target and move in only the parts that are missing.

    So an interruption leaves nothing half, and nothing that lies there already is overwritten. An archive
    that lies there already, and is the published one, is not downloaded again.
    """
    from torchvision.datasets.utils import download_and_extract_archive

    target = root / layout.folder
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=".download-") as name:
        beside = Path(name)
        for archive in layout.archives:
            file = archive.url.rpartition("/")[2]
            for present in (root / file, target / file):
                if file_md5(present) == archive.md5:
                    (beside / file).symlink_to(present.resolve())
                    break
            download_and_extract_archive(archive.url, name, md5=archive.md5)
        for part in layout.missing(target):
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            (beside / layout.unpacked / part).replace(target / part)
