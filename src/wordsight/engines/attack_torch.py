"""The gradients of `wordsight.engines.attack`: pictures that climb the cross entropy of zero-shot classification.

Two choices differ from the papers.  Every point that is judged is rounded to whole levels before the towers see it,
while the climb goes on in real numbers from it (the gradient is passed through the rounding): so what is measured on
the way is true of the picture that is returned.  And what is climbed is the logit of the cross entropy,

    m = log sum_{j != y} exp(z_j) - z_y,      cross entropy = log(1 + exp(m)):

it grows with the cross entropy, so directions and order of points are the same, but it does not go to rounding errors
where towers are sure of themselves (a scale of 100 makes softmax probabilities of exactly 0 and 1 in float32).
Levels are floats from 0 to 255, (B, 3, H, W).
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.engines.attack import LEVELS, Attack, ClassNumbers
from wordsight.engines.engine import batches
from wordsight.images.spec import PreprocessSpec
from wordsight.towers.two import TwoTowers

BATCH = {"cpu": 8, "cuda": 64}  # pictures at once: what backpropagation keeps is some 50 MB of each at 224 pixels
SHARE = 1 / 4  # of epsilon: a step of plain PGD

# Croce & Hein 2020, section 3: the first step, the share of it beside that of momentum, the share of steps that must
# help between two checkpoints, and where these lie: after 22 % of the steps, then in distances shorter by 3 % each
# time, 6 % at least.
FIRST = 2.0  # times epsilon
FRESH = 0.75
HELPED = 0.75
CHECKPOINT, SHORTER, SHORTEST = 22, 3, 6


class Judged(NamedTuple):
    """What the towers say of points: `gradient` (B, 3, H, W), `loss` (B,), and whether the answer is `wrong` (B,)."""

    gradient: Tensor
    loss: Tensor
    wrong: Tensor


class Judge:
    """The classifier with everything inside the graph: whole levels to the loss of each picture."""

    def __init__(self, towers: TwoTowers, preprocess: PreprocessSpec, class_embeddings: Embeddings) -> None:
        self.device = towers.logit_scale.device
        self._towers = towers
        self._mean, self._deviation = (
            LEVELS * torch.tensor(values, device=self.device).view(3, 1, 1)
            for values in (preprocess.mean, preprocess.std)
        )
        self._classes = torch.from_numpy(np.asarray(class_embeddings, np.float32)).to(self.device)  # (C, E)
        self._scale = towers.scale.detach().float()

    def loss(self, levels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss m (B,), and whether the answer is wrong (B,)."""
        embeddings = self._towers.encode_image((levels - self._mean) / self._deviation)
        logits = self._scale * (embeddings @ self._classes.T)  # (B, C)
        right = logits.gather(1, labels[:, None])[:, 0]
        others = logits.scatter(1, labels[:, None], -torch.inf)
        return others.logsumexp(dim=1) - right, others.detach().amax(dim=1) >= right.detach()

    def __call__(self, points: Tensor, labels: Tensor) -> Judged:
        """Judge points after rounding them; each picture's gradient is its own."""
        levels = points.round().requires_grad_()
        loss, wrong = self.loss(levels, labels)
        (gradient,) = torch.autograd.grad(loss.sum(), levels)
        return Judged(gradient, loss.detach(), wrong)


class Worst:
    """The worst point of each picture so far: wrong ones before others, then by the loss."""

    def __init__(self, points: Tensor, judged: Judged) -> None:
        self.points = points.round()
        self.loss, self.wrong = judged.loss.clone(), judged.wrong.clone()

    def offer(self, rows: Tensor, points: Tensor, judged: Judged) -> None:
        """Take the points (R, 3, H, W) of some pictures, `rows` (R,), where they are worse."""
        newly = judged.wrong & ~self.wrong[rows]
        worse = newly | ((judged.wrong == self.wrong[rows]) & (judged.loss > self.loss[rows]))
        chosen = rows[worse]
        self.points[chosen] = points[worse].round()
        self.loss[chosen], self.wrong[chosen] = judged.loss[worse], judged.wrong[worse]


@dataclass(frozen=True, slots=True)
class Climb:
    """One start of some pictures: `rows` (R,) of the batch, their `labels`, and the ball around them."""

    judge: Judge
    rows: Tensor
    labels: Tensor
    low: Tensor
    high: Tensor
    attack: Attack

    def inside(self, points: Tensor) -> Tensor:
        """Return the points of the ball next to these; its limits are whole, so rounding stays inside."""
        return torch.minimum(torch.maximum(points, self.low), self.high)


def strongest(
    towers: TwoTowers,
    preprocess: PreprocessSpec,
    pixels: Pixels,
    class_embeddings: Embeddings,
    *,
    labels: ClassNumbers,
    attack: Attack,
) -> Pixels:
    """Do what `wordsight.engines.attack.attacked` says, on the towers' device, in batches."""
    worst = np.empty_like(pixels)
    with untouched(towers):
        judge = Judge(towers, preprocess, class_embeddings)
        for part in batches(np.arange(len(pixels)), BATCH.get(judge.device.type, BATCH["cpu"])):
            levels, numbers = _levels(pixels[part], judge.device), _numbers(labels[part], judge.device)
            worst_levels = _of_batch(judge, levels, numbers, attack)
            worst[part] = worst_levels.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()
    return worst


def answers(
    towers: TwoTowers, preprocess: PreprocessSpec, pixels: Pixels, class_embeddings: Embeddings, *, labels: ClassNumbers
) -> NDArray[np.bool_]:
    """Do what `wordsight.engines.attack.recognised` says, in the same batches and arithmetic as the attack."""
    right = np.empty(len(pixels), dtype=np.bool_)
    with untouched(towers):
        judge = Judge(towers, preprocess, class_embeddings)
        for part in batches(np.arange(len(pixels)), BATCH.get(judge.device.type, BATCH["cpu"])):
            levels, numbers = _levels(pixels[part], judge.device), _numbers(labels[part], judge.device)
            right[part] = ~judge.loss(levels.requires_grad_(), numbers)[1].cpu().numpy()
    return right


@contextlib.contextmanager
def untouched(towers: TwoTowers) -> Iterator[None]:
    """Put the towers into evaluation mode, without gradients of their weights; afterwards all is as before."""
    modes = [(module, module.training) for module in towers.modules()]
    asked = [(weight, weight.requires_grad) for weight in towers.parameters()]
    try:
        towers.eval()
        for weight, _ in asked:
            weight.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for weight, wanted in asked:
            weight.requires_grad_(wanted)


def _of_batch(judge: Judge, levels: Tensor, labels: Tensor, attack: Attack) -> Tensor:
    """Return the worst points (B, 3, H, W) of some pictures; later starts are for those that are still recognised."""
    worst = Worst(levels, judge(levels, labels))
    if attack.epsilon == 0:
        return worst.points
    low, high = (levels - attack.epsilon).clamp(min=0), (levels + attack.epsilon).clamp(max=LEVELS)
    rows = torch.arange(len(levels), device=levels.device)
    for number in range(attack.restarts):
        if number:
            rows = torch.nonzero(~worst.wrong)[:, 0]
        if not len(rows):
            break
        climb = Climb(judge, rows, labels[rows], low[rows], high[rows], attack)
        start = climb.inside(levels[rows] + _noise(levels[rows], attack, number))
        WAYS[attack.way](climb, start, worst)
    return worst.points


def pgd(climb: Climb, points: Tensor, worst: Worst) -> None:
    """Climb by steps of one length along the sign of the gradient (Madry et al. 2018, section 2.1).

    More steps only go on from fewer, so they never find less.
    """
    length = SHARE * climb.attack.epsilon
    for number in range(climb.attack.steps + 1):
        judged = climb.judge(points, climb.labels)
        worst.offer(climb.rows, points, judged)
        if number < climb.attack.steps:
            points = climb.inside(points + length * judged.gradient.sign())


def apgd(climb: Climb, points: Tensor, worst: Worst) -> None:
    """Climb with momentum; at checkpoints, halve a step that no longer helps and go on from the best point.

    Croce & Hein 2020, algorithm 1, with the cross entropy; lengths and best points are each picture's own.
    """
    steps, ends = climb.attack.steps, checkpoints(climb.attack.steps)
    length = torch.full((len(points), 1, 1, 1), FIRST * climb.attack.epsilon, device=points.device)
    judged = climb.judge(points, climb.labels)
    worst.offer(climb.rows, points, judged)
    before, best, best_judged = points, points, judged
    helped = torch.zeros(len(points), device=points.device)
    last, halved, best_then = 0, torch.ones(len(points), dtype=torch.bool, device=points.device), judged.loss
    for done in range(1, steps + 1):
        straight = climb.inside(points + length * judged.gradient.sign())
        moved = straight if done == 1 else points + FRESH * (straight - points) + (1 - FRESH) * (points - before)
        before, points = points, climb.inside(moved)
        loss_before, judged = judged.loss, climb.judge(points, climb.labels)
        worst.offer(climb.rows, points, judged)
        helped += judged.loss > loss_before
        better = judged.loss > best_judged.loss
        best, best_judged = _where(better, points, best), _pick(better, judged, best_judged)
        if done in ends:
            stuck = helped < HELPED * (done - last)
            stuck |= ~halved & (best_judged.loss <= best_then)
            length = _where(stuck, length / 2, length)
            points, judged = _where(stuck, best, points), _pick(stuck, best_judged, judged)
            last, halved, best_then = done, stuck, best_judged.loss
            helped = torch.zeros_like(helped)


WAYS = {"pgd": pgd, "apgd": apgd}


def checkpoints(steps: int) -> set[int]:
    """Return after how many of so many steps the length is looked at (Croce & Hein 2020, equation 2)."""
    share, distance, ends = CHECKPOINT, CHECKPOINT, set()
    while share <= 100:
        ends.add(-(-share * steps // 100))
        distance = max(distance - SHORTER, SHORTEST)
        share += distance
    return ends


def _where(chosen: Tensor, values: Tensor, others: Tensor) -> Tensor:
    """Return `values` for the pictures that are `chosen` (B,), else `others`; both begin with B."""
    return torch.where(chosen.view(-1, *[1] * (values.ndim - 1)), values, others)


def _pick(chosen: Tensor, values: Judged, others: Judged) -> Judged:
    return Judged(*(_where(chosen, value, other) for value, other in zip(values, others, strict=True)))


def _noise(levels: Tensor, attack: Attack, number: int) -> Tensor:
    """Return a change, uniform in the ball: a function of the picture, the seed and the number of the start."""
    drawn = [
        np.random.default_rng([attack.seed, number, _digest(one)]).uniform(-1, 1, one.shape)
        for one in levels.to(torch.uint8).cpu().numpy()
    ]
    return attack.epsilon * torch.from_numpy(np.stack(drawn).astype(np.float32)).to(levels.device)


def _digest(pixels: NDArray[np.uint8]) -> int:
    return int.from_bytes(hashlib.sha256(pixels.tobytes()).digest()[:8], "big")


def _levels(pixels: Pixels, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(device).float()


def _numbers(labels: ClassNumbers, device: torch.device) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64)).to(device)
