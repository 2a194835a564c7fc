"""One image file to a square of uint8, by Pillow: what torchvision's evaluation preprocessing does."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

if TYPE_CHECKING:
    from rigorkd.data.dataset import Pixels


Fit = Literal["crop", "squash"]


def decode(content: bytes, side: int, fit: Fit | None) -> Pixels:
    """The pixels (3, side, side) of an image file.

    `crop` resizes the shorter side to `side` and keeps the central square, as torchvision's `Resize(side)`
    and `CenterCrop(side)` do on PIL images; `squash` resizes both sides. Both are bilinear and antialiased.
    With None the image must have that size. Grey, palette and CMYK images become RGB, transparency is
    dropped, of an animation the first frame is taken, and an orientation noted in the file is not applied (as
    in torchvision).

    Raises:
        ValueError: not an image, a damaged one, of more than 8 bits a channel, or of another size than asked.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            square = _square(_rgb(image), side, fit)
    except UnidentifiedImageError:
        raise ValueError("not an image of a known format") from None
    except Exception as error:  # a damaged file can make a decoder raise almost anything
        raise ValueError(str(error) or type(error).__name__) from error
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"more than 8 bits a channel (Pillow's mode {image.mode})")
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
