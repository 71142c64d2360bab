"""Attacked pictures stay real pictures inside the ball, grow worse, and reach the optimum where it is known."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from wordsight.base.arrays import unit
from wordsight.base.errors import UsageError
from wordsight.engines.attack import Attack, GradientCheck, attacked, check_gradients, recognised
from wordsight.engines.attack_torch import Judge, checkpoints
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.build import build
from wordsight.towers.catalogue import architecture
from wordsight.towers.efficientnet.spec import EfficientNetSpec
from wordsight.towers.eva.spec import EvaSpec
from wordsight.towers.families import IMAGE_FAMILIES
from wordsight.towers.resnet.spec import ResNetSpec
from wordsight.towers.spec import ModelSpec
from wordsight.towers.vit.spec import VitSpec

SIDE, WIDTH = 32, 16
TOWERS = {
    "vit": VitSpec(size=SIDE, width=32, layers=2, heads=2, patch=8),
    "eva": EvaSpec(size=SIDE, width=32, layers=2, heads=2, patch=8, rotary="eva"),
    "resnet": ResNetSpec(size=SIDE, width=8, stages=(1, 1, 1, 1), heads=2),
    "efficientnet": EfficientNetSpec(size=SIDE, width=0.25, depth=0.3),
}
OTHERS = {"timm", "transformers", "onnx"}  # other packages' towers, and graphs without gradients


def towers_of(kind):
    torch.manual_seed(0)
    base = architecture("nano-64")
    spec = dataclasses.replace(
        base, width=WIDTH, image=TOWERS[kind], preprocess=dataclasses.replace(base.preprocess, size=SIDE)
    )
    towers = build(spec).eval()
    with torch.no_grad():
        towers.logit_scale.fill_(math.log(100))
    return towers


def drawn(count=6, side=SIDE, classes=5):
    """Random pictures, class embeddings and labels."""
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    embeddings = unit(random.standard_normal((classes, WIDTH)).astype(np.float32))
    return pixels, embeddings, random.integers(0, classes, count)


def easy(towers, count=6, side=SIDE):
    """Random pictures, each of the class that the towers name; classes are what pictures do not have in common."""
    pixels, _, _ = drawn(count, side)
    raw = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (towers.spec.preprocess.mean, towers.spec.preprocess.std))
    with torch.no_grad():
        embeddings = towers.encode_image((raw / 255 - mean) / deviation).numpy()
    classes = unit(embeddings - embeddings.mean(axis=0))
    return pixels, classes, (embeddings @ classes.T).argmax(axis=1)


def loss_of(towers, pixels, classes, labels):
    judge = Judge(towers, towers.spec.preprocess, classes)
    with torch.no_grad():
        return judge.loss(torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), torch.from_numpy(labels))[0].numpy()


def test_every_native_family_is_attacked_here():
    assert set(TOWERS) == set(IMAGE_FAMILIES) - OTHERS


@pytest.mark.parametrize("way", ["pgd", "apgd"])
@pytest.mark.parametrize("kind", TOWERS)
def test_pictures_stay_in_the_ball_and_grow_worse(kind, way):
    towers = towers_of(kind)
    pixels, classes, labels = easy(towers)
    before = pixels.copy()
    worst = attacked(towers, towers.spec.preprocess, pixels, classes, labels=labels, attack=Attack(3, 10, way=way))
    assert worst.dtype == np.uint8
    assert worst.shape == pixels.shape
    assert np.abs(worst.astype(int) - pixels.astype(int)).max() == 3
    np.testing.assert_array_equal(pixels, before)
    assert recognised(towers, towers.spec.preprocess, pixels, classes, labels=labels).all()
    assert (loss_of(towers, worst, classes, labels) > loss_of(towers, pixels, classes, labels)).all()


@pytest.mark.parametrize("kind", TOWERS)
def test_undefended_towers_recognise_nothing_in_a_large_ball(kind):
    towers = towers_of(kind)
    pixels, classes, labels = easy(towers, count=3)
    checked = check_gradients(towers, towers.spec.preprocess, pixels, classes, labels=labels)
    assert checked.unchanged == 1.0
    assert checked.large == {8: 0.0, 16: 0.0}
    assert checked.signs() == []


def test_what_speaks_for_masked_gradients_is_named():
    assert GradientCheck(1.0, {8: 0.05, 16: 0.0}, {10: 0.5, 20: 0.5, 40: 0.4}).signs() == []
    signs = GradientCheck(1.0, {8: 0.0, 16: 0.3}, {10: 0.5, 20: 0.4, 40: 0.6}).signs()
    assert signs == ["at epsilon 16 the accuracy is 30.0 %, not about 0", "40 steps leave 60.0 %, 20 only 40.0 %"]


class Stairs(nn.Module):
    """A linear classifier of pictures: (B, 3, S, S) to (B, E), not made unit.  With a `stair` it sees stairs."""

    def __init__(self, side, *, stair=0.0):
        super().__init__()
        preprocess = PreprocessSpec(size=side, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
        self.spec = ModelSpec("stairs", width=WIDTH, image=VitSpec(size=side, patch=side), preprocess=preprocess)
        generator = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(3 * side * side, WIDTH, generator=generator) / side)
        self.logit_scale = nn.Parameter(torch.tensor(1.0))
        self.stair = stair

    @property
    def scale(self):
        return self.logit_scale.exp()

    def encode_image(self, pixels):
        flat = pixels.flatten(1)
        if self.stair:
            flat = (flat / self.stair).round() * self.stair  # whose gradient is zero everywhere
        return flat @ self.weight


@pytest.mark.parametrize("way", ["pgd", "apgd"])
@pytest.mark.parametrize("epsilon", [1, 4, 9])
def test_the_optimum_of_a_linear_classifier_is_reached(way, epsilon):
    """Of two classes m = s (c_other - c_y) . W x is linear: every number goes to its end of the ball."""
    towers, (pixels, classes, labels) = Stairs(8), drawn(side=8, classes=2)
    difference = classes[1 - labels] - classes[labels]  # (B, E)
    slope = (difference @ towers.weight.detach().numpy().T).reshape(-1, 3, 8, 8).transpose(0, 2, 3, 1)
    optimum = np.clip(pixels.astype(int) + epsilon * np.sign(slope), 0, 255)
    worst = attacked(
        towers, towers.spec.preprocess, pixels, classes, labels=labels, attack=Attack(epsilon, 40, way=way)
    )
    np.testing.assert_array_equal(worst, optimum)


def test_the_gradient_is_that_of_the_loss():
    towers, (pixels, classes, labels) = Stairs(4), drawn(side=4)
    judge = Judge(towers, towers.spec.preprocess, classes)
    levels = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    judged = judge(levels, torch.from_numpy(labels))
    logits = (
        towers.scale
        * towers.encode_image(
            (levels / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
        )
        @ torch.from_numpy(classes).T
    )
    entropy = nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="none")
    torch.testing.assert_close(nn.functional.softplus(judged.loss), entropy.detach(), rtol=1e-4, atol=1e-5)
    assert torch.equal(judged.wrong, logits.argmax(dim=1) != torch.from_numpy(labels))
    bumped = levels.clone()
    bumped[:, 1, 2, 3] += 10  # the loss is nearly linear over so little
    change = judge(bumped, torch.from_numpy(labels)).loss - judged.loss
    torch.testing.assert_close(change / 10, judged.gradient[:, 1, 2, 3], rtol=0.05, atol=1e-4)


def test_masked_gradients_are_noticed():
    towers = Stairs(8, stair=0.5)
    pixels, classes, labels = drawn(side=8, classes=2)
    labels = labels ^ recognised(towers, towers.spec.preprocess, pixels, classes, labels=labels) ^ 1
    checked = check_gradients(towers, towers.spec.preprocess, pixels, classes, labels=labels)
    assert checked.unchanged == 1.0
    assert any("epsilon 8" in sign for sign in checked.signs())


def test_a_sure_classifier_is_attacked_all_the_same():
    """The cross entropy of logits that lie 100 apart is 0 in float32, and so is its gradient."""
    towers, (pixels, classes, labels) = Stairs(8), drawn(side=8, classes=2)
    labels = labels ^ recognised(towers, towers.spec.preprocess, pixels, classes, labels=labels) ^ 1
    with torch.no_grad():
        towers.logit_scale.fill_(math.log(1000))
    worst = attacked(towers, towers.spec.preprocess, pixels, classes, labels=labels, attack=Attack(64, 20))
    assert not recognised(towers, towers.spec.preprocess, worst, classes, labels=labels).any()


@pytest.mark.parametrize("way", ["pgd", "apgd"])
def test_a_seed_decides_and_neighbours_do_not(way):
    towers, (pixels, classes, labels) = Stairs(8), drawn(count=11, side=8)
    spec = towers.spec.preprocess

    def run(rows, seed):
        attack = Attack(5, 1, restarts=2, way=way, seed=seed)
        return attacked(towers, spec, pixels[rows], classes, labels=labels[rows], attack=attack)

    whole = run(slice(None), 0)
    np.testing.assert_array_equal(run(slice(None), 0), whole)
    np.testing.assert_array_equal(run(slice(4, 11), 0), whole[4:])
    assert not np.array_equal(run(slice(None), 1), whole)


def test_more_restarts_never_help_the_classifier():
    towers = towers_of("vit")
    pixels, classes, labels = easy(towers)
    counts = []
    for restarts in (1, 3):
        attack = Attack(1, 2, restarts=restarts)
        worst = attacked(towers, towers.spec.preprocess, pixels, classes, labels=labels, attack=attack)
        counts.append(recognised(towers, towers.spec.preprocess, worst, classes, labels=labels).sum())
    assert counts[1] <= counts[0]


def test_towers_are_left_as_they_were():
    towers = towers_of("resnet").train()
    towers.visual.bn1.eval()
    towers.text_projection.requires_grad_(False)
    towers.logit_scale.grad = torch.tensor(2.0)
    state = {name: value.clone() for name, value in towers.state_dict().items()}
    modes = [module.training for module in towers.modules()]
    pixels, classes, labels = drawn()
    with torch.inference_mode():
        attacked(towers, towers.spec.preprocess, pixels, classes, labels=labels, attack=Attack(2, 2))
    assert [module.training for module in towers.modules()] == modes
    assert [name for name, weight in towers.named_parameters() if not weight.requires_grad] == ["text_projection"]
    assert [name for name, weight in towers.named_parameters() if weight.grad is not None] == ["logit_scale"]
    assert all(torch.equal(value, state[name]) for name, value in towers.state_dict().items())


def test_no_change_and_no_pictures():
    towers, (pixels, classes, labels) = Stairs(8), drawn(side=8)
    same = attacked(towers, towers.spec.preprocess, pixels, classes, labels=labels, attack=Attack(0))
    np.testing.assert_array_equal(same, pixels)
    none = attacked(towers, towers.spec.preprocess, pixels[:0], classes, labels=labels[:0], attack=Attack(4))
    assert none.shape == (0, 8, 8, 3)


def test_equal_scores_are_wrong_answers():
    towers, (pixels, classes, labels) = Stairs(8), drawn(side=8)
    equal = np.repeat(classes[:1], 5, axis=0)
    assert not recognised(towers, towers.spec.preprocess, pixels, equal, labels=labels).any()


def test_the_checkpoints_are_those_of_the_paper():
    assert sorted(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"epsilon": 0.5}, "whole levels"),
        ({"epsilon": 256}, "256"),
        ({"epsilon": 2, "steps": 0}, "steps = 0"),
        ({"epsilon": 2, "restarts": 0}, "restarts = 0"),
        ({"epsilon": 2, "way": "fgsm"}, "pgd or apgd"),
        ({"epsilon": 2, "seed": -1}, "seed"),
    ],
)
def test_an_attack_that_is_none_is_refused(values, match):
    with pytest.raises(UsageError, match=match):
        Attack(**values)


def test_what_does_not_fit_is_refused():
    towers, (pixels, classes, labels) = Stairs(8), drawn(side=8)

    def run(pixels=pixels, classes=classes, labels=labels):
        recognised(towers, towers.spec.preprocess, pixels, classes, labels=labels)

    with pytest.raises(UsageError, match="two classes"):
        run(classes=classes[:1])
    with pytest.raises(UsageError, match=r"\(5, 3\)"):
        run(classes=classes[:, :3])
    with pytest.raises(UsageError, match="labels from 0 to 5"):
        run(labels=np.arange(6))
    with pytest.raises(UsageError, match="6 whole numbers"):
        run(labels=labels[:4])
    with pytest.raises(UsageError, match="float64"):
        run(labels=labels.astype(float))
    with pytest.raises(UsageError, match="uint8"):
        run(pixels=pixels[:, :4])
    with pytest.raises(UsageError, match="no pictures"):
        check_gradients(towers, towers.spec.preprocess, pixels[:0], classes, labels=labels[:0])
