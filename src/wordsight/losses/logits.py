"""What both losses start from: the scaled cosines of all images with all texts of a batch."""

import torch
from torch import Tensor

from wordsight.base.errors import UsageError


def scaled_cosines(image: Tensor, text: Tensor, scale: Tensor | float) -> Tensor:
    """Return `scale * image @ text.T`, (B, B): row i is image i against every text.

    `image` and `text` are unit embeddings (B, D).  Computed in float32 (float64 stays) also under autocast:
    in bfloat16 a scale of 100 would round cosines to steps of 0.4.
    """
    if image.ndim != 2 or image.shape != text.shape:
        raise UsageError(
            f"image embeddings {tuple(image.shape)} and text embeddings {tuple(text.shape)}",
            cure="give as many of each, both (B, D); row i of one belongs to row i of the other",
        )
    dtype = torch.promote_types(image.dtype, torch.float32)
    with torch.autocast(image.device.type, enabled=False):
        return scale * (image.to(dtype) @ text.to(dtype).T)


def check_positives(positives: Tensor, logits: Tensor) -> None:
    """Raise `UsageError` unless `positives` is a bool tensor of the shape of `logits`."""
    if positives.dtype != torch.bool or positives.shape != logits.shape:
        raise UsageError(
            f"positives of {positives.dtype}, shape {tuple(positives.shape)}",
            cure=f"give torch.bool {tuple(logits.shape)}",
        )
