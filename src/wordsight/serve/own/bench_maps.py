"""Where the model looks: the maps of one image under several texts, side by side, and whether they follow the text.

POST /api/explain {"image": "...", "texts": ["a dog", "a cat"]}

Maps and words are those of `wordsight.explain`, which opens PyTorch only where it is installed and the method needs it.
One explanation is computed at a time.
"""

import asyncio
import base64
import functools
import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np

from wordsight.base.arrays import Pixels
from wordsight.serve.errors import Overloaded, Refused
from wordsight.serve.own.embedding import check_counts, image_bytes
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model
    from wordsight.explain.explanation import Explanation
    from wordsight.explain.relevance import Ready

MOST_TEXTS, SIDE, QUALITY = 8, 512, 85  # of one request; pixels of the longer side of an overlay; of its JPEG
ROOM = 8  # explanations that may wait
_thread = ThreadPoolExecutor(1, thread_name_prefix="explain")  # towers are changed while they are watched
_inside = 0


class ExplainRequest(msgspec.Struct, forbid_unknown_fields=True):
    """An image, or the `key` of one in `library`, and texts that it may show.

    `image`: a file in base64.  `method`: auto, or a row of `docs/explain.md`.  `words`: whether the relevance of the
    texts' words is wanted.  `trust`: whether the maps are tested by hiding parts, about 400 images a text.
    """

    texts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST_TEXTS)]
    image: str = ""
    library: str = ""
    key: str = ""
    method: str = "auto"
    words: bool = True
    trust: bool = False
    model: str = ""


class RelevanceMap(msgspec.Struct):
    """`side`: cells of the map along a side.  `overlay`: the image under it, as a data address.

    `verdict`: "stands", "fails", "even" (nothing stands out) or "not checked".  `checks`: by name whether it stood
    each; `sentences`: what they found.
    """

    side: int
    overlay: str
    verdict: str
    checks: dict[str, bool]
    sentences: list[str]


class WordOfText(msgspec.Struct):
    """A word of a text, and how much it speaks for the image."""

    word: str
    relevance: float


class ExplainedText(msgspec.Struct):
    """`probability`: among these texts, or with a sigmoid model for itself; null of one text alone.

    `words`: empty where the text tower cannot be looked into.
    """

    text: str
    cosine: float
    probability: float | None
    map: RelevanceMap
    words: list[WordOfText]


class TextSwap(msgspec.Struct):
    """Whether the maps of the first two texts differ: their rank correlation, and what that means."""

    correlation: float
    passes: bool
    sentence: str


class ExplainAnswer(msgspec.Struct):
    """The maps of all texts; `swap`: null where there are not two maps that single something out.

    `shift`: the image under the difference of the first two maps: blue where the first is stronger, orange the second.
    `answer`: what the model says of the image, in a sentence.
    """

    method: str
    model: str
    answer: str
    texts: list[ExplainedText]
    swap: TextSwap | None
    shift: str | None


async def explain(call: HttpCall[ExplainRequest]) -> ExplainAnswer:
    """Return where the model looks under each text."""
    global _inside
    asked, host = call.asked, call.host
    check_counts(host, texts=asked.texts)
    if bool(asked.image) == bool(asked.key):
        raise Refused(422, "no image, or two" if asked.key else "no image", cure="send image, or library and key")
    model = (await host.models.named(asked.model)).model
    image: Any
    if asked.key:
        image = await host.libraries.run(_of_library, host.libraries.named(asked.library), asked.key)
    else:
        image = image_bytes(asked.image, host)
    if _inside >= ROOM:
        raise Overloaded(f"{_inside} explanations wait already", after=10)
    _inside += 1
    try:
        work = functools.partial(_explained, model, image, asked)
        return await asyncio.get_running_loop().run_in_executor(_thread, work)
    finally:
        _inside -= 1


def _of_library(library: Any, key: str) -> Any:
    """Return the path or bytes of an image of a library."""
    with library.reading() as index:
        (entry,) = index.entries([key])
    return library.hit_of(entry).image()


@functools.lru_cache(maxsize=8)
def _ready(method: str, model: "Model") -> "Ready":
    from wordsight.explain.relevance import ready_for_words

    return ready_for_words(method, model)


def _explained(model: "Model", image: Any, asked: ExplainRequest) -> ExplainAnswer:
    from wordsight.explain.explanation import explain
    from wordsight.explain.in_words import answer

    why = explain(model, image, asked.texts, method=_ready(asked.method, model), trust=asked.trust)
    swap = _swap(why)
    return ExplainAnswer(
        method=why.method,
        model=why.model,
        answer=answer(why),
        texts=[_text(why, number, with_words=asked.words) for number in range(len(why.texts))],
        swap=swap,
        shift=_jpeg(why.against(0, 1)) if swap is not None else None,
    )


def _text(why: "Explanation", number: int, *, with_words: bool) -> ExplainedText:
    from wordsight.explain.in_words import checks, sentences, verdict

    shown = RelevanceMap(
        side=int(why.relevance.shape[-1]),
        overlay=_jpeg(why.overlay(number)),
        verdict=verdict(why, number),
        checks=checks(why, number),
        sentences=sentences(why, number),
    )
    words = [WordOfText(word, value) for word, value in why.words[number]] if with_words else []
    probability = None if why.probabilities is None else float(why.probabilities[number])
    return ExplainedText(why.texts[number], float(why.cosines[number]), probability, map=shown, words=words)


def _swap(why: "Explanation") -> TextSwap | None:
    """Return how alike the first two maps are, None where one singles nothing out."""
    from wordsight.explain.in_words import sanity_sentence
    from wordsight.explain.sanity import text_swap

    if len(why.texts) < 2 or why.is_even(0) or why.is_even(1):
        return None
    check = text_swap(why.relevance[0], why.relevance[1])
    return TextSwap(check.correlation, check.passes, sanity_sentence(check))


def _jpeg(pixels: Pixels) -> str:
    """Return an image (H, W, 3) as a data address, its longer side no more than `SIDE`."""
    from PIL import Image

    drawn = Image.fromarray(np.ascontiguousarray(pixels))
    drawn.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
