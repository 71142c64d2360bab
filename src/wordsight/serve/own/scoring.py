"""Class probabilities and cosines of images and texts that a request brings."""

from typing import Any

import msgspec

from wordsight.base.arrays import Embeddings
from wordsight.base.suggest import suggest
from wordsight.serve.answering import numbers
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.own.embedding import JsonNumbers, check_counts, image_file
from wordsight.serve.route import HttpCall
from wordsight.text.prompts import template_names

CLASSES, TEMPLATES = 2_000, 100  # of one request


class ClassifyRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Images as files in base64, and classes.

    `templates`: a shipped list of prompts by name (default: "photo"), or texts with `{}` where the class goes.
    """

    images: list[str]
    classes: list[str]
    templates: str | list[str] = ""
    model: str = ""


class ClassifyAnswer(msgspec.Struct):
    """The probability of each class for each image, (images, classes); rows sum to 1."""

    model: str
    classes: list[str]
    probabilities: JsonNumbers


class ScoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Images as files in base64, and texts."""

    images: list[str]
    texts: list[str]
    model: str = ""


class ScoreAnswer(msgspec.Struct):
    """Cosines (images, texts), and how well each text fits, as the model's family means it.

    `loss`: "softmax" or "sigmoid", with which the model was trained.  `matches`: of softmax models the probability that
    of these texts this one belongs to the image, of sigmoid ones that image and text belong together, each pair for
    itself.
    """

    model: str
    loss: str
    cosines: JsonNumbers
    matches: JsonNumbers


async def classify(call: HttpCall[ClassifyRequest]) -> ClassifyAnswer:
    """Return the probabilities of classes."""
    asked, host = call.asked, call.host
    hosted = await host.models.named(asked.model)
    check_counts(host, texts=asked.classes, images=asked.images)
    if not 1 <= len(asked.classes) <= CLASSES:
        raise Refused(422, f"{len(asked.classes)} classes", cure=f"give 1 to {CLASSES:,}")
    if len(set(asked.classes)) < len(asked.classes):
        raise Refused(422, "a class that is given twice", cure="give every class once")
    templates = _templates(asked.templates, call)
    images = await _images(call, hosted, asked.images)
    classes = await host.libraries.run(hosted.model.embed_classes, asked.classes, templates)
    return ClassifyAnswer(hosted.name, asked.classes, numbers(hosted.model.probabilities(images @ classes.T)))


async def score(call: HttpCall[ScoreRequest]) -> ScoreAnswer:
    """Return the cosine of every image with every text."""
    asked, host = call.asked, call.host
    hosted = await host.models.named(asked.model)
    check_counts(host, texts=asked.texts, images=asked.images)
    if not asked.texts:
        raise Refused(422, "no texts", cure="give at least one")
    images = await _images(call, hosted, asked.images)
    cosines = images @ (await hosted.embed_texts(asked.texts)).T
    model = hosted.model
    return ScoreAnswer(hosted.name, model.spec.loss, numbers(cosines), numbers(model.matches(cosines)))


async def _images(call: HttpCall[Any], hosted: HostedModel, images: list[str]) -> Embeddings:
    if not images:
        raise Refused(422, "no images", cure="give at least one, as a file in base64")
    return await hosted.embed_images([await image_file(one, call.host) for one in images])


def _templates(given: str | list[str], call: HttpCall[Any]) -> str | list[str] | None:
    """Return templates; a name has to be one that is shipped: it is never taken for a file."""
    if isinstance(given, str):
        known = template_names()
        if given and given not in known:
            raise Refused(422, f"no templates {given!r}", cure=suggest(given, known))
        return given or None
    check_counts(call.host, texts=given)
    if len(given) > TEMPLATES:
        raise Refused(422, f"{len(given)} templates", cure=f"give at most {TEMPLATES}")
    return given or None
