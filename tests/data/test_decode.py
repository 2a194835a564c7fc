"""One image file to a square: torchvision's evaluation preprocessing, for every kind of image."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from rigorkd.data.decode import Header, decode, look


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 90), height=st.integers(1, 90), side=st.integers(4, 70))
def test_crop_and_squash_are_those_of_torchvision(width: int, height: int, side: int) -> None:
    image = picture(width, height)
    expected = {
        "crop": v2.Compose([v2.Resize(side), v2.CenterCrop(side), v2.PILToTensor()]),
        "squash": v2.Compose([v2.Resize((side, side)), v2.PILToTensor()]),
    }
    for fit, transform in expected.items():
        found = decode(encoded(image), side, fit)  # type: ignore[arg-type]
        assert found.shape == (3, side, side)
        assert torch.equal(torch.from_numpy(found), transform(image)), fit


def test_every_kind_of_image_becomes_rgb() -> None:
    colour = picture(20, 30)
    grey, alpha = colour.convert("L"), colour.copy()
    alpha.putalpha(128)
    palette = colour.quantize(16)
    expected = {
        encoded(grey): grey.convert("RGB"),
        encoded(grey.convert("1")): grey.convert("1").convert("RGB"),
        encoded(palette): palette.convert("RGB"),
        encoded(palette, transparency=bytes([0, 128] * 8)): palette.convert("RGB"),
        encoded(palette, "GIF", save_all=True, append_images=[colour.quantize(4)]): palette.convert("RGB"),
        encoded(alpha): colour,
        encoded(colour.convert("CMYK"), "TIFF"): colour.convert("CMYK").convert("RGB"),
    }
    for content, image in expected.items():
        assert np.array_equal(decode(content, 20, "crop"), decode(encoded(image), 20, "crop"))


def test_a_cmyk_jpeg_is_read_as_pillow_reads_it() -> None:
    content = encoded(picture(16, 16).convert("CMYK"), "JPEG")
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(decode(content, 16, None), expected)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_of_sixteen_bits_the_upper_eight_are_kept(form: str) -> None:
    levels = np.random.default_rng(0).integers(0, 1 << 16, (8, 8), dtype=np.uint16)
    found = decode(encoded(Image.fromarray(levels), form), 8, "crop")
    assert np.array_equal(found, np.broadcast_to((levels >> 8).astype(np.uint8), (3, 8, 8)))


def test_other_levels_than_of_eight_or_sixteen_bits_are_refused() -> None:
    for levels, says in (
        (np.full((8, 8), 1 << 20, np.int32), "beyond 16 bits"),
        (np.zeros((8, 8), np.float32), "floating-point levels"),
    ):
        with pytest.raises(ValueError, match=says):
            decode(encoded(Image.fromarray(levels), "TIFF"), 8, "crop")


def test_a_header_tells_size_and_kind() -> None:
    grey, deep = picture(20, 30).convert("L"), Image.fromarray(np.zeros((30, 20), np.uint16))
    for image, expected in (
        (picture(20, 30), Header(20, 30, grey=False, deep=False)),
        (grey, Header(20, 30, grey=True, deep=False)),
        (deep, Header(20, 30, grey=True, deep=True)),
    ):
        assert look(io.BytesIO(encoded(image))) == expected
    with pytest.raises(ValueError, match="not an image of a known format"):
        look(io.BytesIO(b"<html>"))


def test_without_a_fit_the_size_must_be_right() -> None:
    assert decode(encoded(picture(8, 8)), 8, None).shape == (3, 8, 8)
    with pytest.raises(ValueError, match="8×9 pixels, not 8×8"):
        decode(encoded(picture(8, 9)), 8, None)


def test_a_noted_orientation_is_not_applied() -> None:
    image = picture(8, 12)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert np.array_equal(decode(encoded(image, exif=exif), 8, "crop"), decode(encoded(image), 8, "crop"))


@pytest.mark.filterwarnings("ignore")  # oddities in metadata: the builder silences them for all its threads
@settings(max_examples=150, deadline=None)
@given(data=st.data(), form=st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]))
def test_a_damaged_file_gives_pixels_or_a_value_error(data: st.DataObject, form: str) -> None:
    content = bytearray(encoded(picture(12, 10), form))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        found = decode(bytes(content[:cut]), 8, "crop")
    except ValueError:
        return
    assert found.shape == (3, 8, 8)
