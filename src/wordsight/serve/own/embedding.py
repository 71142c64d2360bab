"""Embeddings, cosines and class probabilities of images and texts that a request brings."""

import base64
import binascii
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from wordsight.base.arrays import Embeddings
from wordsight.serve.answering import numbers
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.route import HttpCall

JsonNumbers = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "array", "items": {}})]
Encoding = Literal["float", "base64"]


class EmbedRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Texts, images or both.

    `texts`: the texts that are embedded.  `images`: the files of images in base64, with or without
    `data:image/...;base64,` in front; where that is allowed, web addresses.
    """

    texts: list[str] = []
    images: list[str] = []
    model: str = ""
    encoding: Encoding = "float"


class EmbedAnswer(msgspec.Struct):
    """Unit embeddings, one a row: lists of numbers, or float32 in little-endian order as base64.

    `model`: the name of the model that made them.  `width`: how many numbers an embedding has.  `texts`: the embeddings
    of the texts, in their order.  `images`: the embeddings of the images, in their order.
    """

    model: str
    fingerprint: str
    width: int
    texts: JsonNumbers
    images: JsonNumbers


async def embed(call: HttpCall[EmbedRequest]) -> EmbedAnswer:
    """Return unit embeddings of texts and images."""
    asked = call.asked
    hosted = await call.host.models.named(asked.model)
    check_counts(call.host, texts=asked.texts, images=asked.images)
    texts = await hosted.embed_texts(asked.texts)
    images = await hosted.embed_images([await image_file(one, call.host) for one in asked.images])
    model = hosted.model
    return EmbedAnswer(
        hosted.name,
        model.fingerprint,
        model.spec.width,
        texts=as_asked(texts, asked.encoding),
        images=as_asked(images, asked.encoding),
    )


def as_asked(embeddings: Embeddings, encoding: Encoding) -> msgspec.Raw:
    """Return embeddings (n, width) as JSON: rows of numbers, or of base64."""
    if encoding == "float":
        return numbers(embeddings)
    return msgspec.Raw(msgspec.json.encode([base64_of(one) for one in embeddings]))


def base64_of(embedding: Embeddings) -> str:
    """Return an embedding (width,) as base64 of its float32 numbers in little-endian order."""
    return base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode("ascii")


def check_counts(host: Host, *, texts: Any = (), images: Any = ()) -> None:
    """Refuse more texts or images, or longer texts, than one request may bring."""
    limits = host.settings.limits
    for what, given, most in (("texts", texts, limits.texts), ("images", images, limits.images)):
        if len(given) > most:
            raise Refused(413, f"{len(given):,} {what} in one request", cure=f"send at most {most:,}")
    for text in texts:
        if len(text) > limits.text:
            raise Refused(413, f"a text of {len(text):,} letters", cure=f"send at most {limits.text:,}")


async def image_file(given: str, host: Host) -> bytes:
    """Return the file of an image that is given as base64, or fetched from where it lies if that is allowed."""
    if given[:8].lower().startswith(("http://", "https://")):
        from wordsight.serve.safety.fetching import fetch_image

        return await fetch_image(given, host)
    if given.startswith("data:") and ";base64," not in given[:128]:
        raise Refused(400, "a data address that is not base64", cure="write data:image/...;base64,...")
    if any(space in given for space in "\n\r "):
        given = "".join(given.split())  # as programs break base64 into lines
    return image_bytes(given, host)


def image_bytes(given: str, host: Host) -> bytes:
    """Return the file of an image that is given as base64, bare or as a data address."""
    encoded = given.partition(",")[2] if given.startswith("data:") else given
    if len(encoded) * 3 // 4 > host.settings.limits.image:
        raise Refused(413, f"an image of more than {host.settings.limits.image:,} bytes", cure="send a smaller file")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"an image that is not base64: {error}", cure="send the file's bytes in base64") from None
