"""What a classifier says of an image, kept by its embedding: distillation into the space of texts.

With unit embeddings x_i of images and c_k of classes, scale t and a classifier's probabilities p_ik,

    loss = mean_i - sum_k p_ik log softmax_k(t x_i . c_k):

the embedding has to give the distribution over the classes that the classifier gave (Hinton et al. 2015, with
zero-shot classification as the student).  Knows nothing of towers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def distribution_loss(image: Tensor, classes: Tensor, probabilities: Tensor, scale: float) -> Tensor:
    """Return the cross-entropy, a scalar; differentiable in `image` and `classes`.

    `image`: unit embeddings (B, D), `classes`: those of K texts (K, D), `probabilities` (B, K), rows that sum to 1.
    """
    with torch.autocast(image.device.type, enabled=False):
        logits = scale * (image.float() @ classes.float().T)  # (B, K)
        return -(probabilities * F.log_softmax(logits, dim=1)).sum(dim=1).mean()
