"""The end of learning, for towers whose int8 graph needs to know what images make of them.

images = some_images(learning.loader, learning.locked)
towers = calibrated(learning.final(), images)
"""

import copy

import torch

from wordsight.data.loader import Loader
from wordsight.towers.tower import CalibratedTower
from wordsight.towers.two import TwoTowers
from wordsight.train.locked import Locked
from wordsight.train.objective import normalise, statistics

IMAGES = 64  # some thousand cells of each channel, even of the last grid


def calibrated(towers: TwoTowers, images: torch.Tensor) -> TwoTowers:
    """Return a copy that was measured on images uint8 (N, S, S, 3), or the towers where there is no need."""
    if not isinstance(towers.visual, CalibratedTower):
        return towers
    measured = copy.deepcopy(towers)
    mean, deviation = statistics(towers.spec.preprocess, images.device)
    visual: object = measured.visual
    assert isinstance(visual, CalibratedTower)
    visual.calibrate(normalise(images, mean, deviation))
    return measured


def some_images(loader: Loader, locked: Locked | None) -> torch.Tensor:
    """Return images of the training, uint8 (IMAGES, S, S, 3): as they are where features are kept, else as drawn."""
    if locked is not None and "image" in locked.parts:
        return locked.some_pixels(IMAGES)
    pixels = [loader.batch(0).pixels]
    while sum(map(len, pixels)) < IMAGES:
        pixels.append(loader.batch(len(pixels)).pixels)
    return torch.cat(pixels)[:IMAGES]
