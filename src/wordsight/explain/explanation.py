"""Why an image and a text belong together: one call gives the maps, the words and how far to trust them.

    why = explain(model, "dog.jpg", ["a dog", "a cat"])
    why.cosines, why.maps[0]                # (C,), (H, W) from 0 to 1
    why.overlay(0), why.against(0, 1)       # uint8 (H, W, 3)
    why.words[0]                            # [("a", 0.02), ("dog", 0.91)]
    why.trust[0]                            # insertion and deletion beside random maps

Maps lie on the whole image; where the tower cut its sides off they are NaN.

Shapes: C texts, H and W sides of the image as it is shown, G side of the grid, S side of what the tower sees.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Pixels
from wordsight.base.errors import UsageError
from wordsight.base.optional import resolve
from wordsight.explain.asked_texts import check_texts
from wordsight.explain.faithfulness import Faithfulness, faithfulness
from wordsight.explain.heat import Maps, against, on_whole, overlay
from wordsight.explain.methods import AUTO
from wordsight.explain.perturbed import is_of_one_colour, upsampled
from wordsight.explain.relevance import Ready, randomised_of, ready_for_words, relevance_of
from wordsight.explain.sanity import SanityCheck, randomised, text_swap
from wordsight.images.decode import decode
from wordsight.images.spec import PreprocessSpec

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.towers.two import TwoTowers

SHOWN = 1024  # pixels of the longer side of an image as it is shown, at most
LONGEST = 32  # times as long as high, or as high as long: beyond it a map is a line
MadeCheck = TypeVar("MadeCheck", Faithfulness, SanityCheck)
WordRelevance = list[tuple[str, float]]  # words of a text; where tokens cut one into several, their sum


@dataclass(frozen=True, eq=False)
class Explanation:
    """What `explain` found.

    `image` (H, W, 3) is the image as it is shown, `relevance` (C, G, G) the raw map of each text by `method`.
    `cosines` and `probabilities` (C,) are the model's; by `loss` the probabilities are "softmax", among these texts
    (None of one text alone), or "sigmoid", each text by itself.  `words` of each text with their relevance, empty
    where the text tower cannot be looked into.  `trust`: one `Faithfulness` each; `randomised`: one `SanityCheck` each
    of methods that look inside the towers, whether the map rests on what was learned; `swaps`: one each where there
    are several texts, whether the map differs from that of another text (the first's from the second's, the others'
    from the first's; even maps are passed over).  An even map has None in each: nothing is claimed of it.
    """

    texts: tuple[str, ...]
    method: str
    model: str
    image: Pixels
    preprocess: PreprocessSpec
    cosines: NDArray[np.float32]
    loss: Literal["softmax", "sigmoid"]
    probabilities: NDArray[np.float32] | None
    relevance: Maps
    words: tuple[WordRelevance, ...]
    trust: tuple[Faithfulness | None, ...]
    randomised: tuple[SanityCheck | None, ...]
    swaps: tuple[SanityCheck | None, ...]

    @cached_property
    def maps(self) -> Maps:
        """The maps on the image, (C, H, W), each from 0 to 1; NaN where the tower saw nothing."""
        return on_whole(self.relevance, self.preprocess, self.image.shape[:2])

    def is_even(self, number: int) -> bool:
        """Say whether a map singles nothing out: of an image of one colour, or where nothing speaks for the text."""
        return _is_even(self.relevance[number])

    def overlay(self, number: int) -> Pixels:
        """Return the image under the map of a text, uint8 (H, W, 3)."""
        return overlay(self.image, self.maps[number])

    def against(self, first: int, second: int) -> Pixels:
        """Return the image under the difference of two maps: blue where the first is stronger, orange the second."""
        return against(self.image, self.maps[first], self.maps[second])

    def passes(self, number: int) -> bool | None:
        """Return whether a map stood every check that was made of it, None where none was."""
        checks = self.checks(number)
        return all(one.passes for one in checks) if checks else None

    def checks(self, number: int) -> list[Faithfulness | SanityCheck]:
        """Return every check that was made of a map; as text each is a line."""
        made = [check for each in (self.trust, self.randomised, self.swaps) for check in each[number : number + 1]]
        return [check for check in made if check is not None]


def explain(
    model: "Model", image: Any, texts: Sequence[str], *, method: str | Ready = AUTO, trust: bool = True
) -> Explanation:
    """Return why an image (a path, bytes, a Pillow image or an array) and each text belong together.

    `method` is a row of `wordsight.explain.methods.METHODS`; "auto" is that of the model's family that measured best,
    or "occlusion", which works with graphs alone; for many images hand in what
    `wordsight.explain.relevance.ready_for_words` gives, once.  `trust` false leaves the checks out, which take most of
    the time.
    Broken images raise `InputError`; no texts, more than 20, one given twice or without a known word, a method that
    does not fit and images of extreme shape `UsageError`.  An image of one colour has maps of zeros, and even maps no
    checks.
    """
    check_texts(model, texts)
    if model.spec.preprocess.resize == "patches":
        problem = f"maps need images of one size, and {model.name} keeps the shape of each"
        raise UsageError(problem, cure="use a model with images of one size")
    shown = _shown(decode(image))
    how = method if isinstance(method, Ready) else ready_for_words(method, model)
    pixels = model.load_pixels(image)
    embeddings = model.embed_alone(texts)
    embedding = model.engine.embed_images(pixels[None])[0]  # (E,)
    cosines = embeddings @ embedding
    relevance = relevance_of(how.name, model, pixels, embeddings, towers=how.towers)
    if is_of_one_colour(pixels):
        relevance, trust = np.zeros_like(relevance), False  # what a method shows of it is where it looks anyway
    lit = [number for number, one in enumerate(relevance) if not _is_even(one)]  # the others have nothing to check
    tested: dict[int, Faithfulness] = {}
    if trust and lit:
        maps = upsampled(relevance[lit], *pixels.shape[:2])
        tested = dict(zip(lit, faithfulness(model.engine, pixels, embeddings[lit], maps), strict=True))
    random: dict[int, SanityCheck] = {}  # costs a second map; by hiding parts of the image that would be dear
    if trust and lit and how.towers is not None:
        other = randomised_of(how.name, model, pixels, embeddings, towers=how.towers)
        random = {number: randomised(relevance[number], other[number]) for number in lit}
    swaps: dict[int, SanityCheck] = {}
    if trust and len(lit) > 1:
        swaps = {number: text_swap(relevance[number], relevance[lit[int(number == lit[0])]]) for number in lit}
    return Explanation(
        texts=tuple(texts),
        method=how.name,
        model=model.name,
        image=shown,
        preprocess=model.spec.preprocess,
        cosines=cosines,
        loss=model.spec.loss,
        probabilities=model.matches(cosines[None])[0] if len(texts) > 1 or model.spec.loss == "sigmoid" else None,
        relevance=relevance,
        words=_words(model, texts, embedding, how.for_words),
        trust=_aligned(tested, texts),
        randomised=_aligned(random, texts),
        swaps=_aligned(swaps, texts),
    )


def _is_even(relevance: Maps) -> bool:
    """Say whether a map (G, G) has one value only."""
    return float(np.ptp(relevance)) == 0


def _aligned(checks: Mapping[int, MadeCheck], texts: Sequence[str]) -> tuple[MadeCheck | None, ...]:
    """Return checks as one for each text, None where it has none; nothing at all where none was made."""
    return tuple(checks.get(number) for number in range(len(texts))) if checks else ()


def _shown(image: Pixels) -> Pixels:
    """Return the image no larger than it is shown."""
    from PIL import Image

    height, width = image.shape[:2]
    if max(height, width) > LONGEST * min(height, width):
        raise UsageError(
            f"an image of {width:,} x {height:,} pixels",
            cure=f"cut out a part of it, at most {LONGEST} times as long as wide",
        )
    if max(height, width) <= SHOWN:
        return image
    smaller = Image.fromarray(image)
    smaller.thumbnail((SHOWN, SHOWN))
    return np.asarray(smaller)


def _words(
    model: "Model", texts: Sequence[str], embedding: NDArray[np.float32], towers: "TwoTowers | None"
) -> tuple[WordRelevance, ...]:
    """Return the words of each text with their relevance; empty where nothing can be looked into."""
    if towers is None:
        return tuple([] for _ in texts)
    tokens = model.tokenizer.batch(list(texts), pad_to="longest")  # (C, L)
    try:
        relevance = resolve("wordsight.explain.inside.tensors:words", extra="train")(towers, tokens, embedding)
    except UsageError:  # a text tower of another package shows nothing of itself
        return tuple([] for _ in texts)
    return tuple(
        _joined(model.tokenizer.decode, list(map(int, row[part])), list(map(float, values[part])))
        for row, values, part in zip(tokens, relevance, map(partial(_unpadded, model), texts), strict=True)
    )


def _joined(decode: Callable[[list[int]], str], tokens: list[int], values: list[float]) -> WordRelevance:
    """Return tokens as words with their relevance: what is written without a space between is one word, its sum.

    Marks stay apart, and so do letters of scripts that write no spaces between words, or have no case ("Lo").
    """
    words: list[tuple[str, float]] = []
    ids: list[int] = []  # of the word so far
    for token, value in zip(tokens, values, strict=True):
        alone = decode([token]).strip()
        together = decode([*ids, token]).strip()
        if not alone:
            ids = []  # a start, an end
        elif ids and words[-1][0] != together and _is_one_word(together):
            ids.append(token)
            words[-1] = (together, words[-1][1] + value)
        else:
            ids = [token]
            words.append((alone, value))
    return words


def _is_one_word(text: str) -> bool:
    return not any(letter.isspace() or category(letter)[0] == "P" or category(letter) == "Lo" for letter in text)


def _unpadded(model: "Model", text: str) -> slice:
    """Return where in its padded row the tokens of a text are: the padding may be a word's token, too."""
    length = model.tokenizer.batch([text], pad_to="longest").shape[1]
    return slice(-length, None) if model.spec.tokenizer.padding_side == "left" else slice(length)
