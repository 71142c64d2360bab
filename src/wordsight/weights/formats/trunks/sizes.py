"""The sizes of the towers, read off the weights under our names.  Numpy only.

    ImageTowerSpec(**image_sizes(state), heads=12)

Says what shapes say and no more: heads, activations, epsilons and the pixels beyond the last whole patch are not in
them.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from wordsight.base.errors import ShapeMismatch
from wordsight.weights.checkpoint import Array


def depth(names: Mapping[str, Array], prefix: str) -> int:
    """Return how many blocks there are, by the numbers that follow `prefix`, up to a dot.

    Numbers that do not count from 0 without a gap raise `ShapeMismatch`.
    """
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    numbers = {int(match[1]) for name in names if (match := pattern.match(name))}
    if numbers and max(numbers) + 1 != len(numbers):
        lacking = next(number for number in range(len(numbers) + 1) if number not in numbers)
        raise ShapeMismatch(f"there is a {prefix}{max(numbers)} but no {prefix}{lacking}", cure="fetch the model again")
    return len(numbers)


def image_sizes(state: Mapping[str, Array], *, class_token: bool) -> dict[str, Any]:
    """Return `width`, `patch`, `size`, `layers` and `mlp_ratio` of a ViT with learned positions.

    `size` is that of the whole patches.  A table of positions that is no square raises `ShapeMismatch`.
    """
    width, _, patch, _ = state["visual.conv1.weight"].shape
    rows = len(state["visual.positional_embedding"]) - class_token
    side = math.isqrt(max(rows, 0))
    if side < 1 or side * side != rows:
        raise ShapeMismatch(f"{rows} positions for the patches of a picture", cure="square pictures are read")
    return {
        "width": width,
        "patch": patch,
        "size": patch * side,
        "layers": depth(state, "visual.transformer.resblocks."),
        "mlp_ratio": len(state["visual.transformer.resblocks.0.mlp.c_fc.weight"]) / width,
    }


def text_sizes(state: Mapping[str, Array]) -> dict[str, Any]:
    """Return `vocabulary_size`, `context_length`, `width`, `layers` and `mlp_ratio` of the text tower at the root."""
    vocabulary, width = state["token_embedding.weight"].shape
    return {
        "vocabulary_size": vocabulary,
        "context_length": len(state["positional_embedding"]),
        "width": width,
        "layers": depth(state, "transformer.resblocks."),
        "mlp_ratio": len(state["transformer.resblocks.0.mlp.c_fc.weight"]) / width,
    }
