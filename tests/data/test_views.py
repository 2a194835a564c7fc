"""Every operation against torchvision with the same parameters; views as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tv

from rigorkd.data import color, geometry
from rigorkd.data.image_data import DataShape
from rigorkd.data.operations import Mix, Moments, Views
from rigorkd.data.views import IMAGENET, View, build_strong_view, build_view
from rigorkd.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")

GREY = DataShape(1, 8, (0.3,), (0.4,))
RGB = DataShape(3, 32, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
PAPER = (
    {"op": "random_resized_crop", "scale": (0.8, 1.0)},
    {"op": "horizontal_flip"},
    {"op": "color_jitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.2},
    {"op": "rotation", "degrees": 15.0},
)


def view(shape: DataShape = RGB, **values: object) -> View:
    """The training view of these settings, without normalisation unless given."""
    return build_view(Views.model_validate({"normalize": "none", **values}), shape, train=True)


def eval_view(shape: DataShape = RGB, **values: object) -> View:
    """The evaluation view of these settings, without normalisation unless given."""
    return build_view(Views.model_validate({"normalize": "none", **values}), shape, train=False)


def pixels(batch: int, shape: DataShape, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(
        0, 256, (batch, shape.channels, shape.size, shape.size), dtype=torch.uint8, generator=generator
    )


def uniform(batch: int, columns: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(batch, columns, generator=torch.Generator().manual_seed(seed))


def floats(batch: int, channels: int, size: int) -> torch.Tensor:
    return torch.rand(batch, channels, size, size, generator=torch.Generator().manual_seed(2))


# ------------------------------------------------------------------------------- whole views


def test_the_evaluation_view_is_torchvision_resize_and_normalize() -> None:
    images = pixels(5, RGB)
    seen = eval_view(size=48, normalize="imagenet", eval=({"op": "center_crop", "size": 40},))
    expected = tv.to_dtype(images, torch.float32, scale=True)
    expected = tv.center_crop(tv.resize(expected, [48, 48]), [40, 40])
    expected = tv.normalize(expected, list(IMAGENET.mean), list(IMAGENET.std))
    assert seen.columns == 0
    assert (seen.channels, seen.size) == (3, 40)
    assert torch.equal(seen(images), expected)


@pytest.mark.parametrize("size", [12, 32, 96])
def test_resize_is_torchvision_antialiased_resize(size: int) -> None:
    images = floats(3, 3, 32)
    assert torch.equal(geometry.resize(images, size), tv.resize(images, [size, size]))


VIEWS: dict[str, Callable[[], tuple[View, DataShape]]] = {
    "paper": lambda: (view(size=64, normalize="imagenet", train=PAPER), RGB),
    "paper, odd size": lambda: (view(size=37, normalize="imagenet", train=PAPER), RGB),
    "cifar": lambda: (
        view(
            normalize="dataset",
            train=({"op": "random_crop", "padding": 4}, {"op": "horizontal_flip"}),
        ),
        RGB,
    ),
    "digits": lambda: (view(GREY, normalize="dataset", train=({"op": "random_crop", "padding": 1},)), GREY),
    "grey jitter": lambda: (
        view(
            GREY,
            size=11,
            normalize="imagenet",
            train=({"op": "color_jitter", "contrast": 0.9}, {"op": "random_resized_crop"}),
        ),
        GREY,
    ),
    "hue": lambda: (
        view(
            train=({"op": "color_jitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.5},)
        ),
        RGB,
    ),
    "shrinking": lambda: (
        view(size=13, normalize="dataset", train=({"op": "rotation", "degrees": 90.0},)),
        RGB,
    ),
    "reflect": lambda: (view(train=({"op": "random_crop", "padding": 7, "fill": "reflect"},)), RGB),
    "inception": lambda: (view(size=24, normalize="imagenet", train=("inception_crop",)), RGB),
    "source crop": lambda: (
        view(size=24, normalize="imagenet", train=("source_resized_crop", "horizontal_flip")),
        RGB,
    ),
    "source crop, enlarged, grey": lambda: (
        view(GREY, size=13, train=({"op": "random_crop", "padding": 1}, "source_resized_crop")),
        GREY,
    ),
    "fused": lambda: (
        view(
            size=64,
            normalize="imagenet",
            train=({"op": "fused_geometry", "scale": (0.8, 1.0), "degrees": 15.0}, PAPER[2]),
        ),
        RGB,
    ),
    "fused, grey, odd size": lambda: (
        view(GREY, size=13, train=({"op": "random_crop", "padding": 1}, {"op": "fused_geometry"})),
        GREY,
    ),
    "cutout": lambda: (
        view(normalize="dataset", train=("horizontal_flip", {"op": "cutout", "size": 9})),
        RGB,
    ),
    "randaugment": lambda: (view(normalize="imagenet", train=({"op": "randaugment", "n": 3, "m": 14},)), RGB),
    "randaugment, odd size": lambda: (
        view(size=37, normalize="dataset", train=("randaugment", {"op": "cutout", "size": 8})),
        RGB,
    ),
    "randaugment, grey": lambda: (view(GREY, train=({"op": "randaugment", "n": 2, "m": 20},)), GREY),
    "strong": lambda: (
        build_strong_view(
            Views.model_validate(
                {"train": ("horizontal_flip",), "strong": ({"random_crop": 4}, "randaugment")}
            ),
            RGB,
        ),
        RGB,
    ),
    "centre": lambda: (view(train=({"op": "center_crop", "size": 19}, {"op": "horizontal_flip"})), RGB),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_sample_does_not_depend_on_its_neighbours(name: str) -> None:
    seen, shape = VIEWS[name]()
    images, draws = pixels(64, shape), uniform(64, seen.columns)
    together = seen(images, draws)
    assert together.shape == (64, seen.channels, seen.size, seen.size)
    assert together.dtype == torch.float32
    assert together.is_contiguous()
    assert torch.isfinite(together).all()
    for i in range(64):
        assert torch.equal(seen(images[i : i + 1], draws[i : i + 1])[0], together[i])
    for part in (7, 33):
        assert torch.equal(seen(images[:part], draws[:part]), together[:part])


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_leaves_its_input_alone_and_repeats_itself(name: str) -> None:
    seen, shape = VIEWS[name]()
    images, draws = pixels(6, shape), uniform(6, seen.columns)
    before, draws_before = images.clone(), draws.clone()
    first = seen(images, draws)
    assert torch.equal(first, seen(images, draws))
    assert torch.equal(images, before)
    assert torch.equal(draws, draws_before)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_never_waits_for_the_host(name: str) -> None:
    """Tensors without contents raise wherever a value would have to be known on the host."""
    seen, shape = VIEWS[name]()
    out = seen(pixels(6, shape).to("meta"), uniform(6, seen.columns).to("meta"))
    assert out.shape == (6, seen.channels, seen.size, seen.size)


def test_random_crop_counts_source_pixels_and_comes_before_the_resize() -> None:
    images = pixels(8, RGB)
    seen = view(size=64, train=({"op": "horizontal_flip", "p": 0.0}, {"op": "random_crop", "padding": 4}))
    draws = uniform(8, seen.columns)
    shifted = geometry.random_crop(images, draws[:, :2], 4, "zero")
    assert torch.equal(seen(images, draws), geometry.resize(shifted.float().mul_(1 / 255), 64))


def test_grey_images_become_three_channels_with_three_moments() -> None:
    images = pixels(4, GREY)
    for normalize in ("imagenet", Moments(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))):
        moments = IMAGENET if normalize == "imagenet" else normalize
        assert isinstance(moments, Moments)
        seen = build_view(Views(normalize=normalize), GREY, train=False)
        assert seen.channels == 3
        rgb = (images / 255).expand(-1, 3, -1, -1)
        assert torch.allclose(
            seen(images), tv.normalize(rgb, list(moments.mean), list(moments.std)), atol=1e-6
        )
    assert build_view(Views(normalize=Moments(mean=(0.5,), std=(0.5,))), GREY, train=False).channels == 1
    assert build_view(Views(normalize=Moments(mean=(0.5,), std=(0.5,))), RGB, train=False).channels == 3


def test_dataset_moments_centre_the_images() -> None:
    images = pixels(200, RGB)
    floating = images.double() / 255
    mean, std = floating.mean((0, 2, 3)), floating.std((0, 2, 3), correction=0)
    shape = DataShape(3, 32, tuple(mean.tolist()), tuple(std.tolist()))
    out = view(shape, normalize="dataset", train=())(images)
    assert out.mean((0, 2, 3)).abs().max() < 1e-5
    assert (out.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_a_view_that_draws_refuses_to_do_without() -> None:
    with pytest.raises(ValueError, match="draws"):
        view(train=("horizontal_flip",))(pixels(1, RGB))


def test_inception_crop_is_random_resized_crop_under_its_published_name() -> None:
    images, draws = pixels(16, RGB), uniform(16, 22)
    named, plain = (view(train=(op,)) for op in ("inception_crop", "random_resized_crop"))
    assert named.columns == plain.columns
    assert torch.equal(named(images, draws), plain(images, draws))


@settings(max_examples=80, deadline=None)
@given(
    source=st.integers(4, 40),
    size=st.integers(4, 40),
    corner=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    share=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_box_of_the_source_is_resampled_as_torchvision_does_it(
    source: int, size: int, corner: tuple[float, float], share: tuple[float, float]
) -> None:
    height, width = (1 + int(part * (source - 1)) for part in share)
    top, left = (int(part * (source - extent)) for part, extent in zip(corner, (height, width), strict=True))
    images = floats(2, 3, source)
    boxes = torch.tensor([[top, left, height, width], [0, 0, source, source]])
    found = geometry.resample_boxes(images, boxes, size)
    expected = [tv.resized_crop(images[0], top, left, height, width, [size, size], antialias=True)]
    expected.append(tv.resize(images[1], [size, size], antialias=True))
    assert torch.allclose(found, torch.stack(expected), atol=3e-6)


def test_a_source_crop_is_random_resized_crop_where_nothing_is_resized() -> None:
    images, draws = pixels(16, RGB), uniform(16, 22)
    ours, plain = (view(train=(op,)) for op in ("source_resized_crop", "random_resized_crop"))
    assert torch.allclose(ours(images, draws), plain(images, draws), atol=3e-5)
    shrinking = view(size=16, train=("source_resized_crop",))
    assert shrinking(images, draws).shape == (16, 3, 16, 16)


def test_a_strong_view_is_written_in_full_and_changes_neither_of_the_others() -> None:
    values = {"train": ("horizontal_flip",), "strong": ("randaugment",), "size": 40, "mix": Mix()}
    views = Views.model_validate(values)
    weak, strong = build_view(views, RGB, train=True), build_strong_view(views, RGB)
    assert (weak.columns, strong.columns) == (1, 4)
    assert (strong.size, strong.channels) == (weak.size, weak.channels)
    images, draws = pixels(9, RGB), uniform(9, 4)
    alone = build_view(Views.model_validate({"train": ("randaugment",), "size": 40}), RGB, train=True)
    assert torch.equal(strong(images, draws), alone(images, draws))
    assert build_view(views, RGB, train=False).columns == 0
    with pytest.raises(InputError, match="no strong view"):
        build_strong_view(Views(), RGB)


def test_what_does_not_fit_the_images_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be random"):
        eval_view(eval=("horizontal_flip",))
    with pytest.raises(InputError, match="40 pixels do not fit"):
        view(train=({"op": "center_crop", "size": 40},))
    with pytest.raises(InputError, match="cutout: 33 pixels do not fit"):
        view(train=({"op": "cutout", "size": 33},))
    with pytest.raises(InputError, match="cannot be reflected"):
        view(GREY, train=({"op": "random_crop", "padding": 8, "fill": "reflect"},))
    with pytest.raises(InputError, match="one for each of the three"):
        view(normalize=Moments(mean=(0.1, 0.2), std=(1.0, 1.0)))


# ---------------------------------------------------------------------------------- geometry


@given(st.integers(1, 7), st.sampled_from(["zero", "reflect"]), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_random_crop_is_torchvision_pad_and_crop(padding: int, fill: str, seed: int) -> None:
    images, draws = pixels(6, GREY, seed), uniform(6, 2, seed)
    out = geometry.random_crop(images, draws, padding, "zero" if fill == "zero" else "reflect")
    for image, draw, seen in zip(images, draws, out, strict=True):
        top, left = (math.floor(float(u) * (2 * padding + 1)) for u in draw)
        mode = "constant" if fill == "zero" else "reflect"
        padded = tv.pad(image.float(), [padding], padding_mode=mode).to(torch.uint8)
        assert torch.equal(seen, tv.crop(padded, top, left, 8, 8))


def test_random_crop_reaches_every_shift_equally_often() -> None:
    marked = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    marked[..., 4, 4] = 1
    n = 9000
    out = geometry.random_crop(marked.expand(n, -1, -1, -1), uniform(n, 2), 1, "zero")
    hits = out.sum(0)[0, 3:6, 3:6]
    assert int(hits.sum()) == n
    assert (hits - n / 9).abs().max() < 5 * math.sqrt(n / 9)


def test_extreme_draws_stay_inside() -> None:
    largest = 1 - 2**-24
    for padding in (1, 4, 7):
        images = pixels(2, GREY)
        draws = torch.tensor([[0.0, 0.0], [largest, largest]])
        out = geometry.random_crop(images, draws, padding, "zero")
        padded = tv.pad(images, [padding])
        assert torch.equal(out[0], padded[0, :, :8, :8])
        assert torch.equal(out[1], padded[1, :, -8:, -8:])
    boxes = geometry.resized_crop_boxes(torch.full((1, 22), largest), 128, (0.08, 1.0), (0.75, 4 / 3))
    top, left, height, width = boxes[0].tolist()
    assert top + height <= 128
    assert left + width <= 128


def test_flip_and_center_crop_are_torchvision() -> None:
    images = pixels(50, RGB)
    draws = uniform(50, 1)
    out = geometry.horizontal_flip(images, draws, 0.3)
    for image, draw, seen in zip(images, draws, out, strict=True):
        assert torch.equal(seen, tv.horizontal_flip(image) if float(draw) < 0.3 else image)
    for size in (1, 19, 20, 31, 32):
        assert torch.equal(geometry.center_crop(images, size), tv.center_crop(images, [size, size]))


@pytest.mark.parametrize("size", [8, 32, 37, 128, 224])
def test_resized_crop_is_torchvision_within_the_stated_bound(size: int) -> None:
    """The same box gives torchvision's picture to 3e-7 · size, antialiased or not."""
    boxes = geometry.resized_crop_boxes(uniform(12, 22), size, (0.05, 1.0), (0.5, 2.0))
    images = floats(12, 3, size)
    out = geometry.resized_crop(images, *boxes.unbind(1))
    for image, box, seen in zip(images, boxes.tolist(), out, strict=True):
        for antialias in (True, False):
            expected = tv.resized_crop(image, *box, size=[size, size], antialias=antialias)
            assert (seen - expected).abs().max() < 3e-7 * size


@given(
    st.integers(4, 256),
    st.floats(0.01, 1.0),
    st.floats(0.01, 1.0),
    st.floats(0.3, 3.0),
    st.floats(0.3, 3.0),
    st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_boxes_lie_inside_the_image(
    size: int, scale_a: float, scale_b: float, ratio_a: float, ratio_b: float, seed: int
) -> None:
    scale, ratio = sorted((scale_a, scale_b)), sorted((ratio_a, ratio_b))
    boxes = geometry.resized_crop_boxes(
        uniform(64, 22, seed), size, (scale[0], scale[1]), (ratio[0], ratio[1])
    )
    top, left, height, width = boxes.unbind(1)
    assert (boxes >= 0).all()
    assert (height >= 1).all()
    assert (width >= 1).all()
    assert (top + height <= size).all()
    assert (left + width <= size).all()


def test_boxes_follow_torchvision_distribution() -> None:
    """Kolmogorov distance of area and position against torchvision's own sampler, 4,000 boxes each."""
    from scipy.stats import ks_2samp
    from torchvision.transforms.v2 import RandomResizedCrop

    n, size, scale, ratio = 4000, 64, (0.2, 1.0), (0.75, 4 / 3)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        sampler = RandomResizedCrop(size, scale, ratio)
        blank = torch.empty(3, size, size)
        theirs = torch.tensor(
            [[p[key] for key in ("top", "left", "height", "width")]
             for p in (sampler.make_params([blank]) for _ in range(n))]
        )  # fmt: skip
    ours = geometry.resized_crop_boxes(uniform(n, 22), size, scale, ratio)
    for first, second in zip(_features(ours), _features(theirs), strict=True):
        assert ks_2samp(first.numpy(), second.numpy()).pvalue > 0.001


def _features(boxes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Position, area and aspect ratio of boxes (n, 4)."""
    top, left, height, width = boxes.double().unbind(1)
    return top, left, height * width, width / height


@pytest.mark.parametrize("ratio", [(2.0, 3.0), (0.3, 0.5)])
def test_a_box_that_never_fits_falls_back_to_the_centre(ratio: tuple[float, float]) -> None:
    from torchvision.transforms.v2 import RandomResizedCrop

    boxes = geometry.resized_crop_boxes(uniform(8, 22), 31, (1.0, 1.0), ratio)
    params = RandomResizedCrop(31, (1.0, 1.0), ratio).make_params([torch.empty(3, 31, 31)])
    assert boxes.tolist() == [[params[key] for key in ("top", "left", "height", "width")]] * 8


@given(st.integers(1, 12), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_cutout_is_the_published_clipped_square(size: int, seed: int) -> None:
    """DeVries and Taylor (2017): rows max(0, y − size // 2) to min(S, y + size // 2), centre random."""
    fill = (0.1, 0.2, 0.3)
    images, draws = floats(6, 3, 12), uniform(6, 2, seed)
    out = geometry.cutout(images, draws, size, fill)
    for image, draw, seen in zip(images, draws.tolist(), out, strict=True):
        (top, bottom), (left, right) = (
            (max(0, int(u * 12) - size // 2), min(12, int(u * 12) + size // 2 + size % 2)) for u in draw
        )
        expected = image.clone()
        for channel, value in zip(expected, fill, strict=True):
            channel[top:bottom, left:right] = value
        assert torch.equal(seen, expected)


def test_what_cutout_removes_is_zero_after_normalisation_by_the_data_set() -> None:
    images, draws = pixels(50, RGB), uniform(50, 2)
    out = view(normalize="dataset", train=({"op": "cutout", "size": 8},))(images, draws)
    plain = view(normalize="dataset", train=())(images)
    hole = (out == 0).all(1)
    assert torch.equal(out, torch.where(hole[:, None], 0, plain))
    sides = [hole.any(axis).sum(1) for axis in (1, 2)]
    assert torch.equal(hole.sum((1, 2)), sides[0] * sides[1])
    assert all(side.max() == 8 and side.min() >= 4 for side in sides)


@pytest.mark.parametrize("size", [8, 33, 64])
def test_rotation_is_torchvision_except_at_ties(size: int) -> None:
    """At most 0.2 % of the pixels may fall to another neighbour by rounding; the others are equal."""
    angles = torch.tensor([0.0, 3.3, -14.9, 15.0, 45.5, -90.01, 179.0], dtype=torch.float64)
    images = floats(len(angles), 3, size)
    out = geometry.rotate(images, angles)
    for image, angle, seen in zip(images, angles.tolist(), out, strict=True):
        differs = (seen != tv.rotate(image, angle)).any(0)
        assert float(differs.float().mean()) <= 0.002


def test_rotation_draws_angles_on_both_sides() -> None:
    images = floats(3, 1, 16)
    out = geometry.rotation(images, torch.tensor([[0.0], [0.5], [0.75]]), 20.0)
    expected = geometry.rotate(images, torch.tensor([-20.0, 0.0, 10.0], dtype=torch.float64))
    assert torch.equal(out, expected)
    assert torch.equal(out[1], images[1])


# ------------------------------------------------------------------------------------ colour

ADJUST = {
    "brightness": (color.adjust_brightness, tv.adjust_brightness, 1e-6),
    "contrast": (color.adjust_contrast, tv.adjust_contrast, 1e-6),
    "saturation": (color.adjust_saturation, tv.adjust_saturation, 1e-6),
    "hue": (color.adjust_hue, tv.adjust_hue, 1e-5),
}


@pytest.mark.parametrize("name", ADJUST)
def test_colours_are_torchvision_within_the_stated_bound(name: str) -> None:
    ours, theirs, bound = ADJUST[name]
    images = floats(9, 3, 20)
    images[1] = images[1].mean(0)  # without any colour
    images[2] = 0
    images[3, 0], images[3, 1] = images[3, 1], images[3, 0].clone()
    images[4] = (images[4] * 4).round() / 4  # many ties between channels
    factors = torch.linspace(-0.5, 0.5, 9) if name == "hue" else torch.linspace(0, 2, 9)
    out = ours(images, factors)
    for image, factor, seen in zip(images, factors.tolist(), out, strict=True):
        assert (seen - theirs(image, factor)).abs().max() < bound


def test_grey_jitter_is_torchvision_and_has_no_colour_to_change() -> None:
    images, draws = floats(6, 1, 10), uniform(6, 4)
    out = color.color_jitter(images, draws, brightness=0.3, contrast=0.4, saturation=0.5, hue=0.1)
    for image, draw, seen in zip(images, draws.tolist(), out, strict=True):
        expected = tv.adjust_brightness(image, 0.7 + 0.6 * draw[0])
        expected = tv.adjust_contrast(expected, 0.6 + 0.8 * draw[1])
        assert (seen - expected).abs().max() < 1e-6


def test_jitter_applies_its_steps_in_the_documented_order() -> None:
    images, draws = floats(5, 3, 10), uniform(5, 4)
    out = color.color_jitter(images, draws, brightness=0.4, contrast=1.5, saturation=0.6, hue=0.2)
    for image, draw, seen in zip(images, draws.tolist(), out, strict=True):
        expected = tv.adjust_brightness(image, 0.6 + 0.8 * draw[0])
        expected = tv.adjust_contrast(expected, 2.5 * draw[1])
        expected = tv.adjust_saturation(expected, 0.4 + 1.2 * draw[2])
        expected = tv.adjust_hue(expected, (2 * draw[3] - 1) * 0.2)
        assert (seen - expected).abs().max() < 2e-5
