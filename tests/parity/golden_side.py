"""Models of neighbours that are no packages: made from seeds, so that only names, shapes and the rows have to be kept.

    case = cases("eva")["EVA-02"]; weights = drawn(case)

The rows in data/*.json were computed by the neighbours' own code on these weights, pictures and texts:
`benchmarks/golden_towers.py` makes the files again from a checkout.
"""

import json
from pathlib import Path

import numpy as np
import torch
from compare import TEXTS, our_rows
from PIL import Image

DATA = Path(__file__).parent / "data"


def cases(family):
    """The cases of data/FAMILY.json: {row: {"neighbour", "shapes", "tables", "images", "texts"...}}."""
    return json.loads((DATA / f"{family}.json").read_text(encoding="utf-8"))


def drawn(case):
    """The weights of a case: drawn in the order of the names, nothing at the value where it starts."""
    draw = np.random.default_rng(7)
    return {name: _draw(draw, name, case["shapes"][name], case["tables"]) for name in sorted(case["shapes"])}


def _draw(draw, name, shape, tables):
    for end, table in tables.items():
        if name.endswith(end):  # fixed tables that are stored with the weights
            return np.array(table, np.float32)
    noise = draw.standard_normal(shape, dtype=np.float32)
    if name.endswith("logit_scale"):
        return np.array(3.1, np.float32)
    if "gamma" in name or (noise.ndim == 1 and name.endswith("weight")):
        return 1 + 0.3 * noise
    if noise.ndim < 2:
        return 0.2 * noise
    return noise * np.float32(1.5 / np.sqrt(max(shape[-1] if noise.ndim == 2 else np.prod(shape[1:]), 4)))


def sharpen(model):
    """Make attention pick out single tokens, so that a wrong place would show."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(("qkv.weight", "q_proj.weight", "k_proj.weight")):
                value.mul_(8)
    return model


def odd_images():
    """Odd sizes and every mode that pictures come in, an edge of one pixel among them."""
    draw = np.random.default_rng(11)

    def grain(height, width, channels):
        numbers = draw.integers(0, 256, (height, width, channels), dtype=np.uint8)
        return Image.fromarray(numbers[:, :, 0] if channels == 1 else numbers)

    palette = Image.frombytes("P", (60, 45), draw.integers(0, 17, (45, 60), dtype=np.uint8).tobytes())
    palette.putpalette(draw.integers(0, 256, 17 * 3, dtype=np.uint8).tobytes())
    made = [grain(90, 31, 3), grain(33, 120, 3), grain(40, 41, 1), grain(50, 47, 4), palette]
    return [*made, grain(64, 64, 3).convert("LA"), grain(1, 9, 3), grain(7, 1, 3), grain(32, 32, 3)]


def rows(checkpoint, folder):
    """Our rows of the pictures and texts, through the checkpoint's own preprocessing and tokenizer."""
    return our_rows(checkpoint, folder, odd_images(), TEXTS)
