"""One image file to a square of uint8, by Pillow: what torchvision's evaluation preprocessing does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from rigorkd.data.decoded import FLOATING

if TYPE_CHECKING:
    from rigorkd.data.dataset import Pixels


Fit = Literal["crop", "squash"]

_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")
"""Pillow's modes of grey images with more than 8 bits a channel; `I` where it widens them as it reads."""


@dataclass(frozen=True)
class Header:
    """What an image file says of itself before it is decoded; of `pages` (or frames) the first is taken."""

    width: int
    height: int
    grey: bool
    deep: bool
    pages: int = 1


def look(stream: IO[bytes]) -> Header:
    """The size of an image, without decoding it. ValueError if it is none."""
    with _told(), Image.open(stream) as image:
        _refuse_floating(image)
        deep = image.mode in _DEEP
        # The second picture of a telephone's JPEG is a preview of its first, or of its depth.
        pages = getattr(image, "n_frames", 1) if image.format in ("TIFF", "GIF", "WEBP", "PNG") else 1
        return Header(*image.size, grey=deep or image.mode in ("1", "L", "LA"), deep=deep, pages=pages)


def look_through(stream: IO[bytes]) -> bool:
    """Whether an image is of one colour all over. ValueError if it is none, or damaged anywhere."""
    with _told(), Image.open(stream) as image:
        image.draft(image.mode, (1, 1))  # a JPEG is read whole, but most of its pixels need no computing
        image.load()
        if image.mode.startswith(("I", "F")):  # levels that no image may have
            _rgb(image)
        return all(low == high for low, high in _extrema(image))


def kept_level(stream: IO[bytes]) -> int:
    """The highest level of an image among the 256 that are kept. ValueError if it is none, or damaged."""
    with _told(), Image.open(stream) as image:
        return max(int(high) for _, high in _extrema(_rgb(image)))


def _extrema(image: Image.Image) -> list[tuple[Any, Any]]:
    found: Any = image.getextrema()  # one pair, or one for each channel
    return [found] if len(image.getbands()) == 1 else list(found)


def decode(content: bytes, side: int, fit: Fit | None) -> Pixels:
    """The pixels (3, side, side) of an image file.

    `crop` resizes the shorter side to `side` and keeps the central square, as torchvision's `Resize(side)`
    and `CenterCrop(side)` do on PIL images; `squash` resizes both sides. Both are bilinear and antialiased.
    With None the image must have that size. Grey, palette and CMYK images become RGB, transparency is
    dropped, of an animation the first frame is taken, and an orientation noted in the file is not applied (as
    in torchvision). Of 16 bits a channel the upper eight are kept, whatever levels an image uses of them.

    Raises:
        ValueError: not an image, a damaged one, of other numbers than 8 or 16 bits, or of another size than
            asked.
    """
    with _told():
        with Image.open(io.BytesIO(content)) as image:
            square = _square(_rgb(image), side, fit)
        return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


@contextmanager
def _told() -> Iterator[None]:
    """ValueError for whatever Pillow raises: a damaged file can make a decoder raise almost anything."""
    try:
        yield
    except UnidentifiedImageError:
        raise ValueError("not an image of a known format") from None
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _refuse_floating(image: Image.Image) -> None:
    if image.mode not in _DEEP and image.mode.startswith(("I", "F")):
        raise ValueError(f"{FLOATING} (Pillow's mode {image.mode}); store them with 8 or 16 bits")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _DEEP:
        levels = np.asarray(image).astype(np.int64)
        if levels.min() < 0 or levels.max() > 0xFFFF:
            raise ValueError("levels beyond 16 bits; store the images with 8 or 16 bits a channel")
        image = Image.fromarray((levels >> 8).astype(np.uint8))
    _refuse_floating(image)
    if "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow's way to read a palette with transparent colours
    return image.convert("RGB")


def _square(image: Image.Image, side: int, fit: Fit | None) -> Image.Image:
    width, height = image.size
    if fit is None:
        if image.size != (side, side):
            raise ValueError(f"{width}×{height} pixels, not {side}×{side}")
        return image
    if fit == "squash":
        return image.resize((side, side), Image.Resampling.BILINEAR)
    short = min(width, height)
    width, height = side * width // short, side * height // short
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - side) / 2), round((height - side) / 2)
    return image.crop((left, top, left + side, top + side))
