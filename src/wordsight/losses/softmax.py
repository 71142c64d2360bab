"""The softmax loss of CLIP (InfoNCE; Radford et al. 2021, figure 3; van den Oord et al. 2018).

With unit embeddings x_i (images) and y_i (texts), scale t and logits z_ij = t x_i . y_j,

    loss = 1/2 ( mean_i -log softmax_j(z_ij)[j = i]  +  mean_j -log softmax_i(z_ij)[i = j] ):

each image has to pick its own text among those of the batch, and each text its own image.
This is the plain statement; it holds (B, B) numbers.  Knows nothing of towers or of other processes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.losses.logits import check_positives, scaled_cosines


def softmax_loss(image: Tensor, text: Tensor, scale: Tensor | float, *, positives: Tensor | None = None) -> Tensor:
    """Return the symmetric softmax loss, a scalar; differentiable in `image`, `text` and `scale`.

    `image`, `text`: unit embeddings (B, D).  `scale`: what cosines are multiplied by (not its logarithm).
    `positives`: see `softmax_loss_of`.
    """
    return softmax_loss_of(scaled_cosines(image, text, scale), positives)


def softmax_loss_of(logits: Tensor, positives: Tensor | None = None) -> Tensor:
    """Return the symmetric softmax loss of ready logits (B, B), row i an image, column j a text.

    `positives`: bool (B, B), True where image i and text j belong together.  Those off the diagonal
    are not negatives: they are left out of the sums, and the diagonal is what has to be picked.
    """
    if positives is not None:
        check_positives(positives, logits)
        diagonal = torch.eye(logits.shape[0], dtype=torch.bool, device=logits.device)
        logits = logits.masked_fill(positives & ~diagonal, -torch.inf)
    targets = torch.arange(logits.shape[0], device=logits.device)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
