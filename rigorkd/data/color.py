"""Batched colour operations on float images (B, C, S, S) in [0, 1], one factor per image.

They follow `torchvision.transforms.v2.functional` on float tensors: values are clamped to [0, 1] after every
step, grey is 0.2989 R + 0.587 G + 0.114 B, and hue turns in HSV space.
"""

from __future__ import annotations

import torch

JITTER_COLUMNS = 4
"""Brightness, contrast, saturation and hue always own one draw each, used or not."""

_GREY = (0.2989, 0.587, 0.114)


def color_jitter(
    images: torch.Tensor,
    draws: torch.Tensor,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> torch.Tensor:
    """Jitter in the fixed order brightness, contrast, saturation, hue; draws (B, 4).

    Factors are uniform in [max(0, 1 − v), 1 + v], the hue shift in [−hue, hue] turns. torchvision draws the
    order per image; a fixed order is a slightly different distribution and lets steps be skipped for good.
    Grey images have neither saturation nor hue.
    """
    if brightness:
        images = adjust_brightness(images, _factor(draws[:, 0], brightness))
    if contrast:
        images = adjust_contrast(images, _factor(draws[:, 1], contrast))
    if images.shape[1] == 3:
        if saturation:
            images = adjust_saturation(images, _factor(draws[:, 2], saturation))
        if hue:
            images = adjust_hue(images, (draws[:, 3] * 2 - 1) * hue)
    return images


def adjust_brightness(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Scale each image by its factor (B,)."""
    return (images * factor[:, None, None, None]).clamp_(0, 1)


def adjust_contrast(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Blend each image with the mean of its grey version, factor (B,)."""
    mean = grey(images).flatten(1).mean(1)
    return _blend(images, mean[:, None, None, None], factor)


def adjust_saturation(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Blend each RGB image with its grey version, factor (B,)."""
    return _blend(images, grey(images), factor)


def adjust_hue(images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Turn the hue of each RGB image by `shift` (B,) of a whole turn; lightness and chroma stay."""
    red, green, blue = images.unbind(1)
    low, high = images.aminmax(dim=1)
    chroma = high - low
    divisor = torch.where(chroma == 0, 1, chroma)
    sixths = torch.where(
        high == red,
        (green - blue) / divisor,
        torch.where(high == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    sixths = sixths + (shift * 6)[:, None, None]
    # Each channel falls linearly from its own hue: high − chroma · clamp(min(k, 4 − k), 0, 1), k in [0, 6).
    turned = []
    for offset in (5, 3, 1):
        k = (sixths + offset).remainder(6)
        turned.append(high - chroma * torch.minimum(k, 4 - k).clamp_(0, 1))
    return torch.stack(turned, 1)


def _factor(draw: torch.Tensor, strength: float) -> torch.Tensor:
    low = max(0.0, 1 - strength)
    return draw * (1 + strength - low) + low


def grey(images: torch.Tensor) -> torch.Tensor:
    """The grey version (B, 1, S, S) of RGB images; grey images are returned as they are."""
    if images.shape[1] == 1:
        return images
    red, green, blue = (images[:, i : i + 1] * weight for i, weight in enumerate(_GREY))
    return red.add_(green).add_(blue)


def _blend(images: torch.Tensor, other: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    share = factor[:, None, None, None]
    return (images * share).add_(other * (1 - share)).clamp_(0, 1)
