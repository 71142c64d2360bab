"""Adversarial pictures: changed by a few levels of 255 so that zero-shot classification goes wrong.

    worst = attacked(towers, spec.preprocess, pixels, classes, labels=labels, attack=Attack(epsilon=4, steps=20))
    still = recognised(towers, spec.preprocess, worst, classes, labels=labels).mean()     # accuracy under attack

The attacker knows the weights.  What it gives is a picture as a file could hold it: whole levels from 0 to 255, none
further than epsilon from the picture's own.  Accuracy under attack is an upper bound: a better attack may lower it,
`check_gradients` shows whether this one is hindered.  Needs the extra "train"; knows nothing of files and texts.
Shapes: B pictures, H and W their sides, C classes, E width of an embedding.
"""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.engines.engine import check_pixels
from wordsight.images.spec import PreprocessSpec

if TYPE_CHECKING:
    from wordsight.towers.two import TwoTowers

Way = Literal["pgd", "apgd"]
ClassNumbers = NDArray[np.integer]  # (B,), the number of each picture's class

LEVELS = 255  # a change of so many levels makes any picture of any other
LARGE = (8, 16)  # epsilons at which towers that were never taught to resist recognise nothing any more
LARGE_STEPS = 40  # enough to cross the ball of the larger one ten times, in steps of epsilon / 4
LEFT = 0.05  # accuracy there that is still called none
SMALL = 1  # epsilon at which more steps can still do harm
NUMBERS_OF_STEPS = (10, 20, 40)


@dataclass(frozen=True, slots=True)
class Attack:
    """How strongly pictures are attacked: within `epsilon` levels of each of their numbers, by `steps` gradients.

    `way` "pgd" climbs in steps of epsilon / 4 (Madry et al. 2018), "apgd" in steps that it halves where they no longer
    help (Croce & Hein 2020, "APGD-CE").  Each of `restarts` begins elsewhere in the ball, as `seed` says.  An epsilon
    that is no whole number from 0 to 255, and numbers below 1 of steps and restarts, raise `UsageError`.
    """

    epsilon: int
    steps: int = 20
    restarts: int = 1
    way: Way = "pgd"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epsilon != int(self.epsilon) or not 0 <= self.epsilon <= LEVELS:
            raise UsageError(
                f"an attack of epsilon = {self.epsilon}", cure=f"give whole levels, from 0 to {LEVELS}: 4 means 4/255"
            )
        for name in ("steps", "restarts"):
            if getattr(self, name) < 1:
                raise UsageError(f"an attack of {name} = {getattr(self, name)}", cure="give 1 or more")
        if self.way not in get_args(Way):
            raise UsageError(f"an attack of way {self.way!r}", cure=f"use {' or '.join(get_args(Way))}")
        if self.seed < 0:
            raise UsageError(f"an attack of seed = {self.seed}", cure="give 0 or more")


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """Accuracies that show whether gradients of the towers lead an attack anywhere (Athalye et al. 2018, section 3).

    `unchanged` of the pictures as they are, `large` by epsilon, `by_steps` by the number of steps at epsilon 1.
    """

    unchanged: float
    large: dict[int, float]
    by_steps: dict[int, float]

    def signs(self) -> list[str]:
        """Return what speaks for masked gradients, a sentence each; none is the good answer."""
        signs = [
            f"at epsilon {epsilon} the accuracy is {100 * accuracy:.1f} %, not about 0"
            for epsilon, accuracy in self.large.items()
            if accuracy > LEFT
        ]
        counts = sorted(self.by_steps)
        signs += [
            f"{more} steps leave {100 * self.by_steps[more]:.1f} %, {fewer} only {100 * self.by_steps[fewer]:.1f} %"
            for fewer, more in itertools.pairwise(counts)
            if self.by_steps[more] > self.by_steps[fewer]
        ]
        return signs


def attacked(
    towers: "TwoTowers",
    preprocess: PreprocessSpec,
    pixels: Pixels,
    class_embeddings: Embeddings,
    *,
    labels: ClassNumbers,
    attack: Attack,
) -> Pixels:
    """Return the worst pictures that were met, uint8 (B, H, W, 3), for uint8 `pixels` of the model's size.

    `class_embeddings` (C, E) are unit embeddings of at least two classes.  Of each picture it is, of the points with a
    wrong answer, that with the highest cross entropy; of all points where no answer is wrong.  The picture itself is
    one of them.  A wrong class that scores exactly as high as the right one is a wrong answer.

    The same input gives the same pictures on one machine.  A picture's random starts do not depend on those beside it.
    The towers stay as they are, and are in evaluation mode meanwhile.  Shapes, labels and types that do not
    fit raise `UsageError`.
    """
    _check(towers, pixels, class_embeddings, labels)
    strongest = resolve("wordsight.engines.attack_torch:strongest", extra="train")
    worst: Pixels = strongest(towers, preprocess, pixels, class_embeddings, labels=labels, attack=attack)
    return worst


def recognised(
    towers: "TwoTowers",
    preprocess: PreprocessSpec,
    pixels: Pixels,
    class_embeddings: Embeddings,
    *,
    labels: ClassNumbers,
) -> NDArray[np.bool_]:
    """Return of each picture whether its class scores higher than every other, (B,); arguments as of `attacked`."""
    _check(towers, pixels, class_embeddings, labels)
    answers = resolve("wordsight.engines.attack_torch:answers", extra="train")
    right: NDArray[np.bool_] = answers(towers, preprocess, pixels, class_embeddings, labels=labels)
    return right


def check_gradients(
    towers: "TwoTowers",
    preprocess: PreprocessSpec,
    pixels: Pixels,
    class_embeddings: Embeddings,
    *,
    labels: ClassNumbers,
    seed: int = 0,
) -> GradientCheck:
    """Return the accuracies that a sound attack brings down; arguments as of `attacked`.

    Some dozens of pictures are enough.  It takes about 200 gradients of each.
    """

    def accuracy(attack: Attack) -> float:
        worst = attacked(towers, preprocess, pixels, class_embeddings, labels=labels, attack=attack)
        return float(recognised(towers, preprocess, worst, class_embeddings, labels=labels).mean())

    if not len(pixels):
        raise UsageError("gradients checked on no pictures", cure="give some dozens")
    return GradientCheck(
        float(recognised(towers, preprocess, pixels, class_embeddings, labels=labels).mean()),
        {epsilon: accuracy(Attack(epsilon, LARGE_STEPS, seed=seed)) for epsilon in LARGE},
        {steps: accuracy(Attack(SMALL, steps, seed=seed)) for steps in NUMBERS_OF_STEPS},
    )


def _check(towers: "TwoTowers", pixels: NDArray[Any], class_embeddings: NDArray[Any], labels: NDArray[Any]) -> None:
    check_pixels(pixels, towers.spec)
    width = towers.spec.width
    if class_embeddings.ndim != 2 or class_embeddings.shape[1] != width or len(class_embeddings) < 2:
        raise UsageError(
            f"class embeddings of shape {class_embeddings.shape}",
            cure=f"give (C, {width}) of two classes or more; with one, no answer can be wrong",
        )
    _check_labels(labels, len(pixels), len(class_embeddings))


def _check_labels(labels: NDArray[Any], count: int, classes: int) -> None:
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(
            f"labels of shape {labels.shape} and type {labels.dtype}", cure=f"give {count} whole numbers, one a picture"
        )
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise UsageError(f"labels from {labels.min()} to {labels.max()}", cure=f"there are classes 0 to {classes - 1}")
