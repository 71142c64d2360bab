"""Two sets of rows side by side, and the table of docs/parity.md made from what was measured.

    record("openclip ViT", "open_clip_torch", ours, theirs)

asserts that the largest difference is at most 1e-5 and, where $PARITY_TABLE names a file, adds one JSON line to it.
"""

import importlib.metadata
import json
import os
from pathlib import Path

import numpy as np
import torch

from wordsight.images.transform import load_pixels, normalise
from wordsight.text.open import open_tokenizer
from wordsight.weights.folder import load_towers, save_checkpoint

LIMIT = 1e-5  # between numbers of unit embeddings, fp32

TEXTS = [
    "a photo of a dog",
    "Two RED cats, on green_grass!",
    "",
    "shoe " * 100,
    "Ünïcode &amp; naïve — 犬",
    "1 dog's 22",
]


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def record(row: str, neighbour: str, ours, theirs, *, limit: float = LIMIT) -> float:
    """Assert that unit embeddings agree within `limit`.

    `neighbour` is the name of its distribution, or, of one that is none, its name and version ("owner/name 1a2b3c4").
    """
    ours, theirs = unit(ours), unit(theirs)
    assert ours.shape == theirs.shape, (row, ours.shape, theirs.shape)
    worst = float(np.abs(ours - theirs).max())
    spread = float(np.abs(theirs - theirs.mean(axis=0)).max())
    assert spread > 10 * limit, f"{row}: all reference rows are alike ({spread:.1e}), nothing would be shown"
    assert worst <= limit, f"{row}: differs from {neighbour} by {worst:.2e}, allowed {limit:.0e}"
    table = os.environ.get("PARITY_TABLE")
    if table:
        named = neighbour if " " in neighbour else f"{neighbour} {importlib.metadata.version(neighbour)}"
        line = {"row": row, "neighbour": named, "worst": worst}
        with Path(table).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(line) + "\n")
    return worst


def our_rows(checkpoint, folder, odd_images, texts) -> tuple[np.ndarray, np.ndarray]:
    """Our rows of pictures and texts, through the checkpoint's own preprocessing and tokenizer."""
    spec = checkpoint.spec
    save_checkpoint(checkpoint, folder)
    towers = load_towers(folder)
    pixels = np.stack([load_pixels(picture, spec.preprocess, quality="exact") for picture in odd_images])
    tokens = open_tokenizer(spec.tokenizer, folder).batch(texts)
    with torch.no_grad():
        image_rows = towers.encode_image(torch.from_numpy(normalise(pixels, spec.preprocess)))
        text_rows = towers.encode_text(torch.from_numpy(tokens))
    return image_rows.numpy(), text_rows.numpy()
