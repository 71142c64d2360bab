"""Why an image and texts belong together, and which parts of it show which class: of a library, or brought along."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import msgspec

from wordsight.base.errors import WordsightError
from wordsight.explain.explanation import Explanation
from wordsight.explain.explanation import explain as explained
from wordsight.explain.in_words import sentences, verdict
from wordsight.explain.named_regions import RegionOptions, Regions, synonyms_of
from wordsight.explain.named_regions import regions as seen_regions
from wordsight.explain.relevance import Ready, ready, ready_for_words
from wordsight.search.thumbnails import address
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.located import located, require_own
from wordsight.serve.own.embedding import check_counts, image_file
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from pathlib import Path

    from wordsight.embeddings.model import Model
    from wordsight.explain.named_regions import ClassRegion
    from wordsight.serve.hosting.host import Host

TEXTS, CLASSES = 8, 50  # of one request
SIDE = 512  # pixels of the longer side of what is answered
_READY: "WeakKeyDictionary[Model, dict[tuple[str, bool], Ready]]" = WeakKeyDictionary()
_LOCK = threading.Lock()
TORCH = 300_000_000  # bytes that PyTorch and small towers take: 294 MB of the bundled model
_OPENING: "set[asyncio.Task[None]]" = set()
log = logging.getLogger("wordsight.serve")


class ImageRequest(msgspec.Struct, forbid_unknown_fields=True):
    """An image: a file in base64, or the key of one of a library."""

    image: str = ""
    library: str = ""
    key: str = ""
    model: str = ""


class ExplainRequest(ImageRequest, forbid_unknown_fields=True):
    """An image and texts, eight at most, the true one first.

    `texts`: the texts that are looked for, the true one first.  `method`: how maps are made, by default the best that
    fits the model.  `words`: whether the relevance of each word is wanted, too.  `trust`: whether the maps are checked,
    which takes most of the time.
    """

    texts: list[str] = msgspec.field(default_factory=list)
    method: str = "auto"
    words: bool = True
    trust: bool = True


class WordEntry(msgspec.Struct):
    """A word of a text, and its relevance."""

    word: str
    relevance: float


class RelevanceMap(msgspec.Struct):
    """Where in an image a text is seen.

    `side`: how many numbers the grid has in a row and in a column.  `values`: the numbers of the map, 0 to 1, row by
    row.  `overlay`: the image under the map, as a data address.  `checks`: what was checked, a sentence each.
    `verdict`: what the checks come to, in a sentence; "" where nothing was checked.  `passes`: whether it stood all
    checks; null where nothing was checked.
    """

    side: int
    values: list[list[float]]
    overlay: str
    checks: list[str]
    verdict: str
    passes: bool | None


class TextExplanation(msgspec.Struct):
    """What is said of one text.

    `text`: the text that was asked about.  `cosine`: the cosine of the image and the text.  `probability`: how likely
    it is among the texts, null where there is only one to choose from.  `map`: where in the image the text is seen.
    `words`: the words of the text with their relevance.
    """

    text: str
    cosine: float
    probability: float | None
    map: RelevanceMap
    words: list[WordEntry]


class ExplainAnswer(msgspec.Struct):
    """An explanation.

    `method`: how the maps were made.  `model`: the name of the model.  `texts`: what is said of each text, in their
    order.
    """

    method: str
    model: str
    texts: list[TextExplanation]


class RegionsRequest(ImageRequest, forbid_unknown_fields=True):
    """An image and classes.

    `classes`: names of classes, synonyms with `|` between.  `background`: what else may be seen and counts as no
    class.  `threshold`: pixels whose class is less probable show none.
    """

    classes: list[str] = msgspec.field(default_factory=list)
    background: list[str] = msgspec.field(default_factory=list)
    threshold: float = 0.0
    method: str = "auto"


class RunLengths(msgspec.Struct):
    """A mask as COCO has it.

    `size`: its height and width in pixels.  `counts`: run lengths down the columns, compressed as COCO has them.
    """

    size: list[int]
    counts: str


class RegionAnswer(msgspec.Struct):
    """A class, and its largest region.

    `name`: the name of the class.  `share`: how much of the image shows it, 0 to 1.  `box`: left, top, width and height
    of the region in pixels, null where the class is not seen.  `cosine`: the cosine of the region cut out alone, null
    where the class is not seen.  `rle`: the mask of the region, null where the class is not seen.  `regions`: how many
    regions there are.  `whole`: the cosine of the whole image.
    """

    name: str
    share: float
    box: tuple[float, float, float, float] | None
    cosine: float | None
    rle: RunLengths | None
    regions: int
    whole: float


class RegionsAnswer(msgspec.Struct):
    """Classes in their order, and the image under their colours.

    `model`: the name of the model.  `width`: the pixels of the image from left to right.  `classes`: the classes with
    their regions, in the order asked.  `overlay`: the image under the colours of the classes, as a data address.
    """

    method: str
    model: str
    width: int
    height: int
    classes: list[RegionAnswer]
    overlay: str


async def explain(call: HttpCall[ExplainRequest]) -> ExplainAnswer:
    """Say why an image and texts belong together."""
    asked = call.asked
    if not 1 <= len(asked.texts) <= TEXTS:
        raise Refused(422, f"{len(asked.texts)} texts", cure=f"give 1 to {TEXTS}")
    check_counts(call.host, texts=asked.texts)
    model, read = await _subject(call)

    def work(check: Callable[[], None]) -> ExplainAnswer:
        how = _ready(model, asked.method, words=asked.words)
        image = read()
        check()
        return _explanation(explained(model, image, asked.texts, method=how, trust=asked.trust))

    return await call.host.long_work.run(work)


async def regions(call: HttpCall[RegionsRequest]) -> RegionsAnswer:
    """Say which parts of an image show which class."""
    asked = call.asked
    if not 1 <= len(asked.classes) <= CLASSES or len(asked.background) > CLASSES:
        problem = f"{len(asked.classes)} classes, {len(asked.background)} of the background"
        raise Refused(422, problem, cure=f"give 1 to {CLASSES} classes, and as many of the background at most")
    if not 0 <= asked.threshold <= 1:
        raise Refused(422, f"threshold = {asked.threshold}", cure="give a probability from 0 to 1")
    check_counts(call.host, texts=[*asked.classes, *asked.background])
    background = tuple(name.strip() for name in asked.background if name.strip())
    classes, how = synonyms_of(asked.classes), RegionOptions(asked.method, background, asked.threshold)
    model, read = await _subject(call)

    def work(check: Callable[[], None]) -> RegionsAnswer:
        image = read()
        check()
        return _regions(seen_regions(model, image, classes, how=how))

    return await call.host.long_work.run(work)


async def _subject(call: HttpCall[Any]) -> "tuple[Model, Callable[[], Any]]":
    """Return the model, and a function that reads the image."""
    asked: ImageRequest = call.asked
    if bool(asked.image) == bool(asked.key):
        raise Refused(422, "no image, or two", cure="give an image, or a library and a key")
    if asked.image:
        content = await image_file(asked.image, call.host)
        return (await call.host.models.named(asked.model)).model, lambda: content
    library = call.host.libraries.named(asked.library)
    image = await call.host.libraries.run(located, library, asked.key)
    model = (await call.host.models.named(asked.model)).model if asked.model else library.model

    def read() -> "Path | bytes":
        require_own(image.hit, library)
        return image.hit.image()

    return model, read


def open_soon(host: "Host") -> None:
    """Begin to open, in a thread, what the first model explains with, unless memory would be short then."""
    for hosted in host.models.open[:1]:
        folder = hosted.model.folder
        weights = 0 if folder is None else sum(one.stat().st_size for one in folder.glob("*.safetensors"))
        if _OPENING or host.memory.own + host.memory.reserved + TORCH + 2 * weights > host.memory.soft:
            return
        task = asyncio.create_task(_opened(hosted.model))
        _OPENING.add(task)
        task.add_done_callback(_OPENING.discard)


async def _opened(model: "Model") -> None:
    try:
        await asyncio.to_thread(_ready, model, "auto", words=True)
    except WordsightError as error:
        log.warning("what explains is not opened: %s", error)  # whoever asks is told, too


def _ready(model: "Model", method: str, *, words: bool) -> Ready:
    """Return a method with the towers that it needs, opened once for each model."""
    with _LOCK:
        of_model = _READY.setdefault(model, {})
        if (method, words) not in of_model:
            of_model[method, words] = (ready_for_words if words else ready)(method, model)
        return of_model[method, words]


def _explanation(why: Explanation) -> ExplainAnswer:
    return ExplainAnswer(why.method, why.model, [_text(why, number) for number in range(len(why.texts))])


def _text(why: Explanation, number: int) -> TextExplanation:
    from wordsight.explain.recorded import jpeg_of

    relevance = why.relevance[number]
    made = RelevanceMap(
        relevance.shape[0],
        [[round(float(value), 6) for value in row] for row in relevance],
        address(jpeg_of(why.overlay(number), side=SIDE)),
        sentences(why, number),
        verdict(why, number),
        why.passes(number),
    )
    likely = None if why.probabilities is None else round(float(why.probabilities[number]), 6)
    words = [WordEntry(word, round(value, 6)) for word, value in why.words[number]]
    return TextExplanation(why.texts[number], round(float(why.cosines[number]), 6), likely, made, words)


def _regions(seen: Regions) -> RegionsAnswer:
    from wordsight.explain.recorded import jpeg_of

    height, width = seen.image.shape[:2]
    classes = [
        _region(seen, number, name, largest)
        for number, (name, largest) in enumerate(zip(seen.classes, seen.largest, strict=True))
    ]
    overlay = address(jpeg_of(seen.overlay(), side=2 * SIDE))
    return RegionsAnswer(seen.method, seen.model, width, height, classes, overlay)


def _region(seen: Regions, number: int, name: str, largest: "ClassRegion | None") -> RegionAnswer:
    from wordsight.explain.masks import rle_of

    return RegionAnswer(
        name,
        round(float(seen.shares[number]), 6),
        None if largest is None else msgspec.convert([round(value, 2) for value in largest.box], tuple),
        None if largest is None else round(largest.cosine, 6),
        None if largest is None else msgspec.convert(rle_of(largest.mask), RunLengths),
        sum(one.number == number for one in seen.regions),
        round(float(seen.whole[number]), 6),
    )
