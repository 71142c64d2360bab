"""What a step minimises: from a batch to the loss, and the few numbers that are recorded of it."""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.images.spec import PreprocessSpec
from wordsight.losses.positives import same_pairs
from wordsight.losses.sigmoid import sigmoid_loss
from wordsight.losses.softmax import softmax_loss
from wordsight.towers.tower import of_patches
from wordsight.towers.two import TwoTowers
from wordsight.train.bag_of_words import BagOfWordsHead
from wordsight.train.loss_config import LossConfig

if TYPE_CHECKING:
    from wordsight.train.classes import ClassTerm
    from wordsight.train.locked import Locked

MEASURED = ("loss", "contrastive", "words", "accuracy")  # the order of what `Objective` measures


class Objective:
    """Called with a batch, returns the loss, and detached numbers for the record."""

    def __init__(
        self,
        towers: TwoTowers,
        *,
        head: BagOfWordsHead | None,
        loss: LossConfig,
        device: torch.device,
        locked: "Locked | None" = None,
        classes: "ClassTerm | None" = None,
    ) -> None:
        self.towers = towers
        self.classes = classes
        self.locked = locked
        self.head = head
        self.loss = loss
        self.mean, self.std = statistics(towers.spec.preprocess, device)

    def __call__(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the loss, a scalar, and what `MEASURED` names, (4,) float64."""
        image, last, pooled = self._image(batch)
        text = self._text(batch)
        positives = same_pairs(batch.image_ids, batch.text_ids)
        contrastive = self._contrastive(image, text, positives)
        if self.loss.widths:
            cuts = [self._contrastive(first(image, width), first(text, width), positives) for width in self.loss.widths]
            contrastive = torch.stack([contrastive, *cuts]).mean()
        if self.head is None or last is None:
            named = contrastive.new_zeros(())
            loss = contrastive
        else:
            named = self.head(of_patches(self.towers.image_tower, last), batch.tokens)
            loss = contrastive + self.loss.words * named
        if self.classes is not None:
            assert pooled is not None  # as the recipe was checked for
            loss = loss + self.classes(self.towers, image, pooled, batch)
        right = accuracy(image.detach(), text.detach(), positives)
        return loss, torch.stack([loss, contrastive, named, right]).detach().double()

    def _contrastive(self, image: Tensor, text: Tensor, positives: Tensor) -> Tensor:
        scale, bias = self.towers.scale, self.towers.logit_bias
        if bias is None:
            return softmax_loss(image, text, scale, positives=positives)
        return sigmoid_loss(image, text, scale, bias, positives=positives)

    def _image(self, batch: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return the embeddings of the images (B, E), and what other losses read: last state, pooled features."""
        if batch.image is not None:
            assert self.locked is not None
            pooled = self.locked.pooled(self.towers, batch.image)
            return self.locked.projected(self.towers, pooled), None, pooled
        pixels = normalise(batch.pixels, self.mean, self.std)
        if self.head is None:
            return self.towers.encode_image(pixels), None, None
        last = self.towers.last_image_state(pixels)
        return self.towers.embed_last_image_state(last), last, None

    def _text(self, batch: Any) -> Tensor:
        if batch.text is None:
            return self.towers.encode_text(batch.tokens)
        assert self.locked is not None
        return self.locked.embed(self.towers, "text", batch.text)


def first(embeddings: Tensor, width: int) -> Tensor:
    """Return the first `width` numbers of embeddings (B, E), made unit again."""
    return F.normalize(embeddings[:, :width], dim=-1)


def accuracy(image: Tensor, text: Tensor, positives: Tensor) -> Tensor:
    """Return the share of images (B, E) whose nearest text (B, E) in the batch is one of their own, a scalar."""
    with torch.autocast(image.device.type, enabled=False):
        nearest = (image @ text.T).argmax(dim=1, keepdim=True)  # (B, 1)
    return positives.gather(1, nearest).float().mean()


def normalise(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return uint8 (B, S, S, 3) as float (B, 3, S, S), in memory still channels last."""
    return pixels.permute(0, 3, 1, 2).float().sub(mean).div_(std)


def statistics(spec: PreprocessSpec, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of pixels 0 to 255, each (1, 3, 1, 1)."""
    mean = torch.tensor(spec.mean, device=device).mul(255).view(1, 3, 1, 1)
    std = torch.tensor(spec.std, device=device).mul(255).view(1, 3, 1, 1)
    return mean, std
