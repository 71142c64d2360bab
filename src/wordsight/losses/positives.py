"""Which images and texts of one batch belong together besides the pairs themselves.

positives = same_pairs(image_ids, tokens)
softmax_loss(image, text, scale, positives=positives)
"""

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from wordsight.base.errors import UsageError

Ids = Tensor | Sequence[Hashable]


def same_pairs(image_ids: Ids, text_ids: Ids) -> Tensor:
    """Return bool (B, B): True where pair i and pair j share the image or the text; the diagonal is True.

    Ids are any values that are equal for the same thing: a sequence (keys, captions) or an integer
    tensor, (B,) or rows (B, L) such as tokens.  The result lies on the device of `image_ids`.
    """
    images, texts = _codes(image_ids), _codes(text_ids)
    if images.shape != texts.shape:
        raise UsageError(f"{len(images)} image ids and {len(texts)} text ids", cure="give one of each for every pair")
    texts = texts.to(images.device)
    return (images[:, None] == images[None, :]) | (texts[:, None] == texts[None, :])


def _codes(ids: Ids) -> Tensor:
    """Return integers (B,) that are equal where the ids are."""
    if not isinstance(ids, Tensor):
        numbers: dict[Hashable, int] = {}
        return torch.tensor([numbers.setdefault(name, len(numbers)) for name in ids], dtype=torch.int64)
    if ids.ndim == 1:
        return ids
    codes: Tensor = torch.unique(ids, dim=0, return_inverse=True)[1]
    return codes
