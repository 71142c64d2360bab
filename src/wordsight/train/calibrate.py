"""The end of learning, for towers whose int8 graph needs to know what images make of them.

towers = calibrated(learning.final(), learning.loader)
"""

import copy

import torch

from wordsight.data.loader import Loader
from wordsight.towers.tower import CalibratedTower
from wordsight.towers.two import TwoTowers
from wordsight.train.objective import normalise, statistics

IMAGES = 64  # some thousand cells of each channel, even of the last grid


def calibrated(towers: TwoTowers, loader: Loader) -> TwoTowers:
    """Return a copy that was measured on the first images of the training, or the towers where there is no need."""
    if not isinstance(towers.visual, CalibratedTower):
        return towers
    pixels = [loader.batch(0).pixels]
    while sum(map(len, pixels)) < IMAGES:
        pixels.append(loader.batch(len(pixels)).pixels)
    measured = copy.deepcopy(towers)
    mean, deviation = statistics(towers.spec.preprocess, pixels[0].device)
    visual: object = measured.visual
    assert isinstance(visual, CalibratedTower)
    visual.calibrate(normalise(torch.cat(pixels)[:IMAGES], mean, deviation))
    return measured
