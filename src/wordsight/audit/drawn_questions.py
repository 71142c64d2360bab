"""What a model sees in drawn scenes: which colour, shape, texture, number and location it answers, by cosine.

    asked = ask(model, scenes, seed=0, attributes=("colour", "texture"))
    asked["colour"].answers == asked["colour"].truths

The text of a value is the mean of captions that name it with everything else in turn: "striped" is the mean of "a
striped red circle", "a striped blue star" and 62 more, so that the question tells nothing of the other attributes.
Shapes: N scenes, C values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.audit.claims import Limit, judge, share_of
from wordsight.audit.scenes import NAME, encoded
from wordsight.base.arrays import Embeddings
from wordsight.base.nouns import Result
from wordsight.data.planted_scenes import VALUES, balanced_scenes, value_of
from wordsight.data.scenes import LOCATIONS, Scene, all_pairs, draw
from wordsight.evaluate.encode import Encoder, image_embeddings, prompt_embeddings
from wordsight.evaluate.equal_rows import products
from wordsight.evaluate.sample_set import LazyItems
from wordsight.text.caption_phrases import article

# Share of the way from chance to perfect from which on an attribute is known: most of its answers are no guesses.  At a
# quarter, models that had half learned locations guessed them by colour, which is true and no fault of their data.
ABOVE_CHANCE = 0.5
OF_ONE = ("colour", "shape", "texture", "location")  # attributes of a single object


@dataclass(frozen=True, slots=True)
class AskedScenes:
    """The answers to one question: `truths` (N,) are numbers into `values` (C), `scores` (N, C) the cosines."""

    attribute: str
    values: tuple[str, ...]
    truths: NDArray[np.int64]
    scores: NDArray[np.float32]

    @property
    def answers(self) -> NDArray[np.int64]:
        """The number of the value with the highest cosine, (N,); the first of equal ones."""
        return np.asarray(self.scores.argmax(axis=1), np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which answers are right, (N,); one that ties with a wrong value is wrong."""
        own = np.take_along_axis(self.scores, self.truths[:, None], axis=1)
        return np.asarray((self.scores >= own).sum(axis=1) == 1)


def ask(
    encoder: Encoder, scenes: Sequence[Scene], *, seed: int, attributes: Sequence[str]
) -> Mapping[str, AskedScenes]:
    """Draw scenes, embed them and return the answers to each question; scene i depends on (seed, i)."""
    images = _embedded(encoder, scenes, seed)
    asked = {}
    for attribute in attributes:
        values = VALUES[attribute]
        texts = prompt_embeddings(encoder, [prompts(attribute, value) for value in values])
        truths = np.array([values.index(value_of(scene, attribute)) for scene in scenes], np.int64)
        asked[attribute] = AskedScenes(attribute, values, truths, products(images, texts))
    return asked


def prompts(attribute: str, value: str) -> list[str]:
    """Return captions that name a value, with every colour and shape (or the one of both that is not asked for)."""
    if attribute == "colour":
        pairs = [(value, shape) for shape in VALUES["shape"]]
    elif attribute == "shape":
        pairs = [(colour, value) for colour in VALUES["colour"]]
    else:
        pairs = all_pairs()
    return [_prompt(attribute, value, f"{colour} {shape}") for colour, shape in pairs]


def _prompt(attribute: str, value: str, thing: str) -> str:
    if attribute == "count":
        return f"{value} {thing}" if value == "one" else f"{value} {thing}s"
    if attribute == "location":
        return f"{article(thing)} {thing} {LOCATIONS[value].phrase}"
    named = f"{value} {thing}" if attribute == "texture" else thing
    return f"{article(named)} {named}"


def known_share(asked: AskedScenes) -> Result:
    """Return the share of right answers of a question."""
    return share_of(f"{NAME}/known/{asked.attribute}", asked.right, {"chance": 1 / len(asked.values)})


def known_limit(asked: AskedScenes) -> Limit:
    """Return the share of right answers below which an attribute is not known at all."""
    chance = 1 / len(asked.values)
    return Limit(chance + ABOVE_CHANCE * (1 - chance), "below")


def is_known(asked: AskedScenes) -> bool:
    """Say whether an attribute is surely known: what is wrong with answers that are half guessed has no cause."""
    return judge(known_share(asked).interval, known_limit(asked)) == "fine"


def balanced(images: int) -> list[Scene]:
    """Return single objects of every colour, shape and texture, at as many of the five locations as `images` allows.

    All five from 200 on: 1,280 scenes; 256 at least.
    """
    return balanced_scenes(tuple(LOCATIONS)[: min(len(LOCATIONS), max(1, images // 40))])


def _embedded(encoder: Encoder, scenes: Sequence[Scene], seed: int) -> Embeddings:
    """Return the embeddings (N, D) of scenes, which are drawn when their block is embedded."""
    items = LazyItems(len(scenes), lambda row: encoded(draw(scenes[row], np.random.default_rng([seed, row])).image))
    return image_embeddings(encoder, items, name=f"{len(scenes)} drawn scenes")
