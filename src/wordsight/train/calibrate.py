"""The end of learning, for towers whose int8 graph needs to know what images make of them.

towers = calibrated(learning.final(), learning.loader, learning.locked)
"""

import copy

import torch

from wordsight.data.loader import Loader
from wordsight.towers.tower import CalibratedTower
from wordsight.towers.two import TwoTowers
from wordsight.train.locked import Locked
from wordsight.train.objective import normalise, statistics

IMAGES = 64  # some thousand cells of each channel, even of the last grid


def calibrated(towers: TwoTowers, loader: Loader, locked: Locked | None) -> TwoTowers:
    """Return a copy that was measured on images of the training, or the towers where there is no need."""
    if not isinstance(towers.visual, CalibratedTower):
        return towers
    images = _drawn(loader) if locked is None or "image" not in locked.parts else locked.some_pixels(IMAGES)
    measured = copy.deepcopy(towers)
    mean, deviation = statistics(towers.spec.preprocess, images.device)
    visual: object = measured.visual
    assert isinstance(visual, CalibratedTower)
    visual.calibrate(normalise(images, mean, deviation))
    return measured


def _drawn(loader: Loader) -> torch.Tensor:
    pixels = [loader.batch(0).pixels]
    while sum(map(len, pixels)) < IMAGES:
        pixels.append(loader.batch(len(pixels)).pixels)
    return torch.cat(pixels)[:IMAGES]
