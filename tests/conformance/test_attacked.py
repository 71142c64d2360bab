"""The image tower of pinned models can be attacked: its gradients lead to worse pictures inside the ball."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from wordsight.base.arrays import unit
from wordsight.engines.attack import Attack, attacked
from wordsight.engines.attack_torch import Judge
from wordsight.engines.parity import some_images
from wordsight.towers.build import build
from wordsight.weights.folder import read_model_manifest

sys.path.insert(0, str(Path(__file__).parent))

import pinning

CLASSES, EPSILON = 4, 4
NAMES = [name for name in pinning.NAMES if name != "align"]  # whose random weights give every image one embedding


@pytest.mark.parametrize("name", NAMES)
def test_a_tower_is_attacked(name, tmp_path):
    pinning.register_operators()
    (tmp_path / "model.json").write_bytes((pinning.PLACE / f"{name}.json").read_bytes())
    spec = read_model_manifest(tmp_path).spec
    towers = build(spec)
    tensors = towers.state_dict()
    drawn = pinning.drawn({key: (tuple(value.shape), value.is_floating_point()) for key, value in tensors.items()})
    towers.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in drawn.items()})
    pixels = some_images(spec, 2)
    classes = unit(np.random.default_rng(0).standard_normal((CLASSES, spec.width)).astype(np.float32))
    labels = np.array([1, 3])
    attack = Attack(EPSILON, 6)
    worst = attacked(towers, spec.preprocess, pixels, classes, labels=labels, attack=attack)
    assert np.abs(worst.astype(int) - pixels.astype(int)).max() == EPSILON
    judge = Judge(towers.eval(), spec.preprocess, classes)
    before, after = (
        judge(torch.from_numpy(images).permute(0, 3, 1, 2).float(), torch.from_numpy(labels)).loss
        for images in (pixels, worst)
    )
    assert (after > before).all()
