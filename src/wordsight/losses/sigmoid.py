"""The sigmoid loss of SigLIP (Zhai et al. 2023, "Sigmoid loss for language image pre-training", algorithm 1).

With unit embeddings x_i (images) and y_j (texts), scale t, bias b and labels l_ij = 1 for pairs, else -1,

    loss = -1/B sum_ij log sigmoid( l_ij (t x_i . y_j + b) ):

every image-text pair of the batch is one yes-or-no question.  The paper starts at t = 10, b = -10, so
that the many negatives do not drown the start.  Knows nothing of towers or of other processes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.losses.logits import check_positives, scaled_cosines


def sigmoid_loss(
    image: Tensor, text: Tensor, scale: Tensor | float, bias: Tensor | float, *, positives: Tensor | None = None
) -> Tensor:
    """Return the sigmoid loss, a scalar; differentiable in `image`, `text`, `scale` and `bias`.

    `image`, `text`: unit embeddings (B, D).  `positives`: see `sigmoid_loss_of`.
    """
    return sigmoid_loss_of(scaled_cosines(image, text, scale) + bias, positives)


def sigmoid_loss_of(logits: Tensor, positives: Tensor | None = None) -> Tensor:
    """Return the sigmoid loss of ready logits (B, B), row i an image, column j a text.

    `positives`: bool (B, B), True where image i and text j belong together.  Those off the diagonal
    are not negatives: they are pairs like the diagonal, which is one in any case.
    """
    pairs = torch.eye(logits.shape[0], dtype=torch.bool, device=logits.device)
    if positives is not None:
        check_positives(positives, logits)
        pairs = pairs | positives
    labels = torch.where(pairs, 1.0, -1.0).to(logits.dtype)
    return -F.logsigmoid(labels * logits).sum() / logits.shape[0]
