"""Crop, mirror, resize and recolour a batch on whatever device it lies on: the same code on CPU and GPU.

Shapes: B images, S side of the source, T side of the result.
Resizing is separable, so it is two matrix products with weights of a triangle filter that widens when the
image shrinks (antialiased bilinear, as in Pillow).  Brightness, contrast and saturation are affine in the
colour, so all three are one product with a 3x3 matrix.  Knows nothing of random numbers: see `augment`.
"""

import numpy as np
import torch
from torch import Tensor

from wordsight.data.augment import Changes

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601 luma
CHUNK = 32  # images at a time on a CPU: the fastest of 8 to 512 measured for 112 -> 96 pixels (cache size)


def apply(pixels: Tensor, changes: Changes, size: int) -> Tensor:
    """Return uint8 (B, T, T, 3) from uint8 (B, S, S, 3); T is `size`."""
    if pixels.device.type != "cpu" or len(pixels) <= CHUNK:
        return _apply(pixels, changes, size)
    chunks = [np.arange(i, min(i + CHUNK, len(pixels))) for i in range(0, len(pixels), CHUNK)]
    return torch.cat([_apply(pixels[here[0] : here[-1] + 1], changes.of(here), size) for here in chunks])


def _apply(pixels: Tensor, changes: Changes, size: int) -> Tensor:
    count, side = pixels.shape[:2]
    boxes = torch.from_numpy(changes.boxes).to(pixels.device)
    across = _weights(boxes[:, 0], boxes[:, 2], side, size)  # (B, T, S)
    down = _weights(boxes[:, 1], boxes[:, 3], side, size)  # (B, T, S)
    rows = torch.bmm(down, pixels.reshape(count, side, side * 3).float())  # (B, T, S*3)
    columns = rows.view(count, size, side, 3).transpose(1, 2).reshape(count, side, size * 3)  # (B, S, T*3)
    resized = torch.bmm(across, columns).view(count, size, size, 3).transpose(1, 2)  # (B, T, T, 3)
    colours = torch.from_numpy(changes.colours).to(pixels.device)
    return _recolour(resized, colours).round_().clamp_(0, 255).to(torch.uint8)


def _weights(start: Tensor, stop: Tensor, side: int, size: int) -> Tensor:
    """Return (B, T, S): how much each source pixel counts for each target pixel; rows sum to 1."""
    step = (stop - start)[:, None] * (side / size)  # (B, 1) source pixels a target pixel, negative when mirrored
    centres = start[:, None] * side + (torch.arange(size, device=start.device) + 0.5) * step  # (B, T)
    pixels_at = torch.arange(side, device=start.device) + 0.5  # (S,)
    reach = step.abs().clamp(min=1.0)[:, :, None]  # (B, 1, 1)
    weights = (1 - (pixels_at - centres[:, :, None]).abs() / reach).clamp_(min=0)  # (B, T, S)
    return weights / weights.sum(dim=2, keepdim=True)


def _recolour(images: Tensor, factors: Tensor) -> Tensor:
    """Return float (B, T, T, 3) with brightness, then contrast about the mean grey, then saturation changed."""
    count, size = images.shape[:2]
    grey = torch.tensor(GREY, device=images.device)
    bright, contrast, colour = (factors[:, i, None, None] for i in range(3))  # (B, 1, 1) each
    flat = images.reshape(count, size * size, 3)
    mean = (flat.mean(dim=1) @ grey)[:, None, None] * bright  # (B, 1, 1)
    eye = torch.eye(3, device=images.device)
    matrix = bright * contrast * (colour * eye + (1 - colour) * grey[:, None].expand(3, 3))  # (B, 3, 3)
    shift = ((1 - contrast) * mean).expand(count, 1, 3)  # grey is unchanged by saturation
    return torch.baddbmm(shift, flat, matrix).view(count, size, size, 3)
