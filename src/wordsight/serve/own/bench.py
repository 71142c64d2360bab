"""The bench: every image of a request against every text, as cosines, probabilities and the losses of that batch.

POST /api/bench/matrix {"images": ["..."], "texts": ["a dog", "a cat"], "temperature": 0.01}

The losses are those of `wordsight.losses`, computed with NumPy: image i and text i are a pair.  Texts are embedded one
by one, so that a cosine does not hang on what else is asked.  Keeps nothing between requests: an image that is asked
about again may come as its embedding, as `/api/embed` gives it.

Shapes: N images, M texts, D the width of embeddings.
"""

import base64
import binascii
import functools
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, is_unit
from wordsight.embeddings.classes import class_embeddings
from wordsight.embeddings.model import Model
from wordsight.serve.answering import numbers
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.own.embedding import JsonNumbers, check_counts, image_bytes
from wordsight.serve.route import HttpCall
from wordsight.text import prompts

MOST_CELLS = 65_536  # of one matrix
FIRST_BIAS = -10.0  # where SigLIP starts (Zhai et al. 2023), for models that learned no bias
_Cells = NDArray[np.float64]


class MatrixRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Images, in the order images, embeddings, keys, and the texts that each of them is compared with.

    `texts`: what images are compared with.  `images`: the files of images in base64.  `embeddings`: embeddings of
    images, as `/api/embed` gives them in base64.  `library`: the name of the library of the keys, "" is the first.
    `keys`: the keys of images of that library.  `prompt`: "" takes texts as they are, else the name of a shipped list
    of `/api/templates`, or a template with {} where the text goes.  `temperature`: what cosines are divided by; null is
    the model's own, one over its scale.  `bias`: the bias of the sigmoid loss; null is the model's own, or -10.
    """

    texts: Annotated[list[str], msgspec.Meta(min_length=1)]
    images: list[str] = []
    embeddings: list[str] = []
    library: str = ""
    keys: list[str] = []
    prompt: str = ""
    temperature: Annotated[float, msgspec.Meta(ge=1e-4, le=1e3)] | None = None
    bias: Annotated[float, msgspec.Meta(ge=-1e3, le=1e3)] | None = None
    model: str = ""


class BatchLoss(msgspec.Struct):
    """The losses of a batch whose image i and text i are a pair.

    `image`: the mean of -ln p of each image's own text (softmax over rows).  `text`: the mean of -ln p of each text's
    own image (softmax over columns).  `mean`: the softmax loss, the mean of those of images and of texts.  `chance`:
    what guessing costs, ln N.  `sigmoid`: the sigmoid loss of the batch.
    """

    image: float
    text: float
    mean: float
    chance: float
    sigmoid: float


class MatrixAnswer(msgspec.Struct):
    """The matrix (N, M): a row for each image, a column for each text.

    `scale`: the factor by which the model multiplies cosines.  `bias`: what the model adds to them, null where it has
    none.  `learned_with`: "softmax" or "sigmoid".  `temperature`: what cosines were divided by.  `cosines`: the cosines
    (N, M) of images and texts.  `logits`: cosines over the temperature.  `image_to_text`: softmax of each row: which
    text an image picks.  `text_to_image`: softmax of each column: which image a text picks.  `matches`: the
    probabilities of pairs at the model's own scale; with a sigmoid model of each pair for itself.  `in_library`: of
    images given by key the probability that each shows each text by the library's calibration, null where it cannot
    tell.  `loss`: the losses, null where there are not as many images as texts.  `prompts`: what each text became by
    the prompt.
    """

    model: str
    learned_with: str
    scale: float
    bias: float | None
    temperature: float
    cosines: JsonNumbers
    logits: JsonNumbers
    image_to_text: JsonNumbers
    text_to_image: JsonNumbers
    matches: JsonNumbers
    in_library: list[list[float | None]] | None
    loss: BatchLoss | None
    prompts: list[list[str]]


class TemplateList(msgspec.Struct):
    """A shipped list of prompt templates.

    `name`: the name of the list.  `templates`: the templates, with {} where a class goes.
    """

    name: str
    templates: list[str]


class TemplatesAnswer(msgspec.Struct):
    """All shipped lists, by name."""

    lists: list[TemplateList]


async def templates(call: HttpCall[None]) -> TemplatesAnswer:
    """Return the prompt lists that ship with the program."""
    return TemplatesAnswer(list(await call.host.libraries.run(_shipped)))


async def matrix(call: HttpCall[MatrixRequest]) -> MatrixAnswer:
    """Return how every image and every text fit, and the losses of that batch."""
    asked, host = call.asked, call.host
    hosted = await host.models.named(asked.model)
    model = hosted.model
    rows = [*asked.images, *asked.embeddings, *asked.keys]
    check_counts(host, texts=asked.texts, images=rows)
    if not rows or len(rows) * len(asked.texts) > MOST_CELLS:
        problem = f"a matrix of {len(rows):,} images and {len(asked.texts):,} texts"
        raise Refused(422, problem, cure=f"send at least one image, and at most {MOST_CELLS:,} cells")
    filled = _prompts(asked.texts, asked.prompt)
    check_counts(host, texts=[one for each in filled for one in each])
    texts = await host.libraries.run(class_embeddings, model.embed_alone, filled)
    images = await _images(call, hosted)
    cosines = images @ texts.T  # (N, M)
    in_library = None
    if asked.keys:
        of_keys = cosines[len(rows) - len(asked.keys) :]
        in_library = await host.libraries.run(_in_library, host.libraries.named(asked.library), asked, of_keys)
    temperature = 1 / model.scale if asked.temperature is None else asked.temperature
    logits = cosines.astype(np.float64) / temperature
    by_rows, by_columns = log_softmax(logits, axis=1), log_softmax(logits, axis=0)
    own_bias = FIRST_BIAS if model.bias is None else model.bias
    return MatrixAnswer(
        model=hosted.name,
        learned_with=model.spec.loss,
        scale=float(model.scale),
        bias=None if model.bias is None else float(model.bias),
        temperature=temperature,
        cosines=numbers(cosines),
        logits=numbers(logits),
        image_to_text=numbers(np.exp(by_rows)),
        text_to_image=numbers(np.exp(by_columns)),
        matches=numbers(model.matches(cosines)),
        in_library=in_library,
        loss=batch_loss(logits, own_bias if asked.bias is None else asked.bias),
        prompts=filled,
    )


def batch_loss(logits: _Cells, bias: float) -> BatchLoss | None:
    """Return the losses of logits (N, N) as `wordsight.losses` has them; None for a matrix that is not square."""
    count, texts = logits.shape
    if count != texts:
        return None
    image = -float(np.diagonal(log_softmax(logits, axis=1)).mean())
    text = -float(np.diagonal(log_softmax(logits, axis=0)).mean())
    signs = np.where(np.eye(count, dtype=bool), 1.0, -1.0)
    sigmoid = float(np.logaddexp(0, -signs * (logits + bias)).sum() / count)
    return BatchLoss(image, text, (image + text) / 2, float(np.log(count)), sigmoid)


def log_softmax(logits: _Cells, *, axis: int) -> _Cells:
    """Return the logarithm of the softmax along an axis."""
    shifted = logits - logits.max(axis=axis, keepdims=True)
    result: _Cells = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return result


@functools.cache
def _shipped() -> tuple[TemplateList, ...]:
    return tuple(TemplateList(name, prompts.templates(name)) for name in prompts.template_names())


def _prompts(texts: Sequence[str], prompt: str) -> list[list[str]]:
    """Return what each text becomes; a prompt is a template or the name of a list, never a file."""
    if not prompt:
        return [[text] for text in texts]
    if "{" in prompt:
        return [list(one) for one in prompts.prompts_of(texts, [prompt])]
    known = {one.name: one.templates for one in _shipped()}
    if prompt not in known:
        raise Refused(422, f"no templates named {prompt!r}", cure="ask /api/templates, or write one with {}")
    return [list(one) for one in prompts.prompts_of(texts, known[prompt])]


async def _images(call: HttpCall[MatrixRequest], hosted: HostedModel) -> Embeddings:
    """Return the embeddings (N, D) of all images that were asked about."""
    asked, host = call.asked, call.host
    embeddings = [await hosted.embed_images([image_bytes(one, host) for one in asked.images])]
    embeddings.append(_sent_embeddings(asked.embeddings, hosted.model))
    if asked.keys:
        library = host.libraries.named(asked.library)
        if library.model.fingerprint != hosted.model.fingerprint:
            problem = f"the library is of {library.model.name}, not of {hosted.model.name}"
            raise Refused(422, problem, cure="ask without model, or send the images themselves")
        embeddings.append(await host.libraries.run(_stored, library, asked.keys))
    return np.concatenate(embeddings)


def _sent_embeddings(given: Sequence[str], model: Model) -> Embeddings:
    """Return embeddings (n, D) that a request brings in base64."""
    width = model.spec.width
    embeddings = np.empty((len(given), width), np.float32)
    for number, one in enumerate(given):
        try:
            embeddings[number] = np.frombuffer(base64.b64decode(one, validate=True), "<f4")
        except (binascii.Error, ValueError) as error:
            problem = f"embedding {number} is not {width} float32 numbers in base64: {error}"
            raise Refused(422, problem, cure="send what /api/embed answers with encoding base64") from None
    sound = is_unit(embeddings)
    if not sound.all():
        problem = f"embedding {int(np.argmin(sound))} has not the length 1"
        raise Refused(422, problem, cure="send what /api/embed answers with encoding base64")
    return embeddings


def _stored(library: Any, keys: Sequence[str]) -> Embeddings:
    """Return the embeddings (n, D) of images of a library."""
    with library.reading() as index:
        return np.array([one.embedding for one in index.entries(list(keys))], np.float32)


class _Line(NamedTuple):
    slope: float
    constant: float


def _in_library(library: Any, asked: MatrixRequest, cosines: NDArray[np.float32]) -> list[list[float | None]] | None:
    """Return the probability (n, M) by the library's calibration that each of its images shows each text.

    None where the library has no background, or with a prompt, for which nothing was calibrated.
    """
    from wordsight.search import background, match
    from wordsight.search.query import Part

    usual = background.read(library.folder, library.model.fingerprint)
    if usual is None or asked.prompt:
        return None
    moments = match.asked_moments(usual, [Part(1.0, "a")])
    lines: list[_Line | None] = []
    embeddings = library.model.embed_alone(asked.texts)
    with library.reading() as index:
        for query, near in zip(embeddings, index.search(embeddings, match.FIRST), strict=True):
            if len(near) < match.FIRST or match.is_everywhere(usual, query):
                lines.append(None)  # it tells nothing apart there
                continue
            scores = np.array([one.score for one in near], np.float64)
            first = np.array([one.embedding for one in near])
            lines.append(_Line(*match.line(usual, moments, query, scores=scores, embeddings=first)))
    return [[_probability(line, cosine) for line, cosine in zip(lines, row, strict=True)] for row in cosines]


def _probability(line: _Line | None, cosine: float) -> float | None:
    from wordsight.search.match import sigmoid

    return None if line is None else round(float(sigmoid(np.array(line.slope * float(cosine) + line.constant))), 6)
