"""What the start of the image tower knew of classes, kept while it learns captions: `loss.classes` of a recipe.

    term = open_classes(config, locked, towers, classifier_of(config, start))
    loss = term(towers, image, pooled, batch)        # a scalar

The classifier stood on the features of the trunk that was begun from (an ImageNet classifier, mostly).  Each image has
to give, over texts made of the class names, the distribution that the classifier gave for it: so the classes keep
their places in the space of texts, those also that no caption names.  At each step every class is one of its prompts.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wordsight.base.errors import ConfigError, ShapeMismatch
from wordsight.data.loader import Batch
from wordsight.losses.distribution import distribution_loss
from wordsight.text.class_names import LISTS, class_names
from wordsight.text.lines import listed_lines
from wordsight.text.prompts import class_prompts, templates
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.families import text_family
from wordsight.towers.two import TwoTowers
from wordsight.train.config import PARTS, TrainConfig, locked_parts
from wordsight.train.init import Start
from wordsight.train.locked import Locked
from wordsight.weights.trunk import Classifier

PROMPTS, MOVES = 12, 13  # mark the random numbers that choose prompts and classes
FARTHEST = 0.6  # of the length of an image's features: so far it is moved at most


class ClassTerm:
    """The loss, for one run; both towers' features are kept (`wordsight.train.locked`)."""

    def __init__(self, config: TrainConfig, names: Sequence[str], locked: Locked, classifier: Classifier) -> None:
        self._config, self._locked, self._seed = config.loss.classes, locked, config.seed
        self._weight, self._bias = locked.classifier(classifier)
        patterns = templates(self._config.templates)
        prompts = [class_prompts(name, patterns) for name in names]
        self._counts = np.array([len(one) for one in prompts])
        self._firsts = np.cumsum(self._counts) - self._counts
        self._features = locked.of_texts([text for one in prompts for text in one])

    def __call__(self, towers: TwoTowers, image: Tensor, pooled: Tensor, batch: Batch) -> Tensor:
        """Return the loss of unit embeddings (B, E) of a batch's images, weighted, a scalar.

        `pooled` (B, D) is what the projection read.
        """
        assert batch.classes is not None, "the batch comes from images that were classified"
        generator = np.random.default_rng([self._seed, batch.step, PROMPTS])
        chosen = torch.from_numpy(self._firsts + generator.integers(self._counts))
        classes = self._locked.embed(towers, "text", self._features[chosen])
        loss = self._config.weight * distribution_loss(image, classes, batch.classes, self._config.scale)
        if self._config.held:
            with torch.autocast(pooled.device.type, enabled=False):
                own = F.log_softmax(F.linear(pooled.float(), self._weight, self._bias), dim=1)
            loss = loss - self._config.held * (batch.classes * own).sum(dim=1).mean()
        if self._config.moved:
            there, probabilities = moved(
                pooled.detach().float(), self._weight, self._bias, [self._seed, batch.step, MOVES]
            )
            image = self._locked.projected(towers, there)
            loss = loss + self._config.moved * distribution_loss(image, classes, probabilities, self._config.scale)
        return loss

    @torch.no_grad()
    def name_units(self, towers: TwoTowers) -> None:
        """Let hidden units that stand for classes begin as the embeddings of the classes' names.

        They do where an image tower's projection has as many, of softmax, with weights behind them that are still zero.
        """
        image = towers.spec.image
        if not isinstance(image, EfficientNetSpec) or image.hidden_activation != "softmax":
            return
        out = towers.get_parameter("visual.out.weight")  # (E, K)
        if out.shape[1] == len(self._counts) and not out.any():
            names = self._locked.embed(towers, "text", self._features[torch.from_numpy(self._firsts)])
            out.copy_(F.normalize(names - names.mean(dim=0), dim=1).T)


def moved(pooled: Tensor, weight: Tensor, bias: Tensor, seed: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return features (B, D) on their way towards classes at random, and what a classifier says of them, (B, K).

    `weight` (K, D) and `bias` (K,) are the classifier's.
    The way is the gradient of a class's log-probability, its length drawn up to `FARTHEST`; it ends where features of
    the batch do not reach.
    """
    generator = np.random.default_rng(seed)
    wanted = torch.from_numpy(generator.integers(len(bias), size=len(pooled))).to(pooled.device)
    share = torch.from_numpy(generator.random((len(pooled), 1), np.float32)).to(pooled.device)
    with torch.no_grad(), torch.autocast(pooled.device.type, enabled=False):
        way = F.normalize(weight[wanted] - (pooled @ weight.T + bias).softmax(dim=1) @ weight, dim=1)
        there = pooled + FARTHEST * share * pooled.norm(dim=1, keepdim=True) * way
        there = there.clamp(min=pooled.min(), max=pooled.max())
        return there, (there @ weight.T + bias).softmax(dim=1)


def list_classes(name_or_file: str) -> Sequence[str]:
    """Return the class names of a published list or of a text file, a class on each line."""
    if name_or_file in LISTS:
        return class_names(name_or_file)
    return [line for _, line in listed_lines(Path(name_or_file))]


def check_classes(config: TrainConfig) -> None:
    """Raise `ConfigError` for a recipe that cannot keep classes: both towers' features have to be kept."""
    parts = locked_parts(config)
    for part in PARTS:
        if config.loss.classes.used and part not in parts:
            what = getattr(config.train, part)
            cut = part == "image" or text_family(config.model.text).cut
            cure = f'set train.{part} = "projection"' + (' (or "last:N" with train.views)' if cut else "")
            raise ConfigError(f'loss.classes with train.{part} = "{what}", whose features are not kept', cure=cure)


def classifier_of(config: TrainConfig, start: Start | None) -> Classifier:
    """Return the classifier that `loss.classes` keeps; asked for before features are computed, which takes long.

    A start without one is a `ConfigError`, one of another number of classes than names a `ShapeMismatch`.
    """
    classifier = None if start is None or start.image is None else start.image.classifier
    name = config.init.image or config.init.model
    if classifier is None:
        cure = "begin from the file of an image classifier, or set loss.classes.weight, .moved and .held = 0"
        raise ConfigError(f"loss.classes, but {name or 'the image tower'} has no classifier", cure=cure)
    names = list_classes(config.loss.classes.names)
    if len(names) != len(classifier.bias):
        problem = f"{config.loss.classes.names} names {len(names):,} classes, the classifier of {name} has"
        raise ShapeMismatch(f"{problem} {len(classifier.bias):,}", cure="name as many in loss.classes.names")
    return classifier


def open_classes(config: TrainConfig, locked: Locked, towers: TwoTowers, classifier: Classifier) -> ClassTerm:
    """Return the loss of a recipe; `locked` gives the classifier's probabilities with every batch from now on."""
    locked.classify(towers, classifier)
    term = ClassTerm(config, list_classes(config.loss.classes.names), locked, classifier)
    term.name_units(towers)
    return term
