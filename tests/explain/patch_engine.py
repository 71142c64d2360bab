"""Engines of known answer for maps: what they see of an image is the mean colour of one patch, and nothing else."""

from dataclasses import replace

import numpy as np

from wordsight.engines.engine import check_pixels
from wordsight.engines.fake import FakeEngine

SIDE = 32
TEXTS = np.eye(4, dtype=np.float32)[:3]  # red, green and blue; the fourth dimension is black


class PatchEngine:
    """An embedding is the colour of `patch` (row and column slices) and what is missing to length 1."""

    def __init__(self, patch, *, batch=7, side=SIDE, bias=None):
        spec = FakeEngine().spec
        self.spec = replace(spec, width=4, preprocess=replace(spec.preprocess, size=side))
        self.patch, self.batch, self.bias, self.scale = patch, batch, bias, 10.0
        self.fingerprint = "0123456789abcdef"
        self.sizes = []  # of the batches that came

    def embed_images(self, pixels):
        checked = check_pixels(pixels, self.spec)
        self.sizes.append(len(checked))
        colours = checked[(slice(None), *self.patch)].mean(axis=(1, 2)) / 255 / np.sqrt(3)
        left = np.sqrt(np.maximum(1 - (colours**2).sum(axis=1), 0))
        return np.concatenate([colours, left[:, None]], axis=1).astype(np.float32)


class BrokenEngine(PatchEngine):
    """Gives NaN for every image."""

    def embed_images(self, pixels):
        return super().embed_images(pixels) * np.float32("nan")


def red_patch(patch, side=SIDE):
    """Return a black image (side, side, 3) with a red patch."""
    pixels = np.zeros((side, side, 3), dtype=np.uint8)
    pixels[(*patch, 0)] = 255
    return pixels


def patch_map(patch, side=SIDE):
    """Return the map (1, side, side) that is 1 in the patch."""
    relevance = np.zeros((1, side, side), dtype=np.float32)
    relevance[(0, *patch)] = 1
    return relevance
