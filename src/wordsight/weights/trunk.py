"""One tower without its projection, as a neighbour's file holds it: what a model can begin from.

    trunk = read_image_trunk(Path("efficientnet-lite0.pth"))     # wordsight.weights.formats.trunk_table

Free of PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wordsight.images.spec import PreprocessSpec
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.tower_spec import ImageTowerSpec, TextTowerSpec
from wordsight.weights.checkpoint import Array


@dataclass(frozen=True, slots=True)
class Classifier:
    """A linear classifier on pooled features (B, D): logits are features @ weight.T + bias."""

    weight: Array  # (classes, D)
    bias: Array  # (classes,)


@dataclass(frozen=True, slots=True)
class ImageTrunk:
    """An image tower up to its pooled features.

    `weights` have the names of `TwoTowers.state_dict()` ("visual."...); what they lack of the tower is its projection.
    `left_out` are the file's names that have no place in a tower, `origin` is as in `Checkpoint`.  `classifier` is the
    one that stood on the features, if the file has it.
    """

    spec: ImageTowerSpec
    preprocess: PreprocessSpec
    weights: Mapping[str, Array]
    left_out: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    classifier: Classifier | None = None


@dataclass(frozen=True, slots=True)
class TextTrunk:
    """A text tower up to its pooled features; fields as in `ImageTrunk`, `tokenizer_files` as in `Checkpoint`."""

    spec: TextTowerSpec
    tokenizer: TokenizerSpec
    weights: Mapping[str, Array]
    tokenizer_files: Mapping[str, bytes] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
