"""immich's machine-learning service, version 3: search embeddings of images and texts for an immich server.

    Administration > Settings > Machine learning > URL: http://HOST:7070

`POST /predict` is multipart: `entries` says which tasks, `image` or `text` what of.  The task `clip` is answered by
the served model of that name (`ViT-B-32__openai` is `ViT-B-32/openai`), else by the first: faces and writing are not
recognised here.
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec
import orjson
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from wordsight.base.arrays import Embeddings
from wordsight.base.errors import UnknownModel
from wordsight.serve.answering import JSON
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.hosting.models import HostedModel
from wordsight.serve.neighbours.embedded import embed_parts
from wordsight.serve.neighbours.parts import InputPart
from wordsight.serve.route import HttpCall

CORRELATION = "x-correlation-id"  # comes back with an answer, as it was sent
FIELDS = 1 << 16  # bytes of all that is no image and no text
logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the client is told what is wrong with its form
TYPES = {"visual": "image", "textual": "text"}


class _Entry(msgspec.Struct, rename="camel"):
    model_name: str
    options: dict[str, Any] = {}


class PredictForm(msgspec.Struct):
    """A form, with an image or a text.

    `entries`: which tasks, as JSON text: `{"clip": {"visual": {"modelName": NAME}}}` of an image, "textual" of a text;
    the served model of that name, else the first.  `image`: the file of an image.  `text`: words that are embedded.
    """

    entries: str
    image: bytes = b""
    text: str = ""


_Entries = dict[str, dict[str, _Entry]]  # task -> type -> entry


def immich_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as the service gives it."""
    return {"detail": f"{problem}: {cure}" if cure else problem}


async def ping(call: HttpCall[None]) -> Response:
    """Say that the service lives."""
    return PlainTextResponse("pong")


async def predict(call: HttpCall[None]) -> Response:
    """Return the embedding of an image or a text, as a JSON text inside JSON."""
    response = Response(orjson.dumps(await _predicted(call)), media_type=JSON)
    if sent := call.request.headers.get(CORRELATION):
        response.headers[CORRELATION] = sent[:200]
    return response


async def _predicted(call: HttpCall[None]) -> dict[str, Any]:
    form = await _form(call.request, call.host)
    name, kind = _asked(form.get("entries"))
    image, text = form.get("image"), form.get("text")
    if image is None and text is None:
        raise Refused(400, "Either image or text must be provided")
    if (image is None) == (kind == "image"):
        raise Refused(400, f"the type {'visual' if kind == 'image' else 'textual'} without {kind}")
    hosted = await _model(call.host, name)
    if image is None:
        if not isinstance(text, str):
            raise Refused(422, "text is a file", cure="send it without a file name")
        return {"clip": _written((await embed_parts([(InputPart("text", text),)], hosted, call.host))[0][0])}
    if not isinstance(image, bytes):
        raise Refused(422, "image is no file", cure="send it with a file name")
    if len(image) > (most := call.host.settings.limits.image):
        raise Refused(413, f"an image of more than {most:,} bytes", cure="send a smaller file")
    embedding = (await hosted.embed_images([image]))[0]
    width, height = await call.host.libraries.run(_sides, image)
    return {"clip": _written(embedding), "imageHeight": height, "imageWidth": width}


async def _form(request: Request, host: Host) -> dict[str, str | bytes]:
    """Return the fields of a multipart body; it is refused with 413 as soon as it is too large."""
    limits = host.settings.limits
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refused(422, "Invalid request format.", cure="send multipart/form-data with entries")
    most = min(limits.body, limits.image + 4 * limits.text + FIELDS)
    parser = MultiPartParser(
        request.headers, _limited(request, most), max_files=1, max_fields=8, max_part_size=4 * limits.text + FIELDS
    )
    parser.spool_max_size = most  # nothing is written to the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refused(400, f"There was an error parsing the body: {error.message}") from None
    try:
        return {name: await one.read() if isinstance(one, UploadFile) else one for name, one in form.items()}
    finally:
        await form.close()


async def _limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    too_large = Refused(413, f"a body of more than {most:,} bytes", cure="send a smaller image")
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > most:
        raise too_large
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large
        yield part


def _asked(entries: str | bytes | None) -> tuple[str, str]:
    """Return the model's name and what is to be embedded: image or text."""
    try:
        tasks = msgspec.json.decode(entries or b"", type=_Entries)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Refused(422, "Invalid request format.") from None
    others = [task for task in tasks if task != "clip"]
    if others:
        raise Refused(501, f"the task {others[0][:40]!r}", cure="name another machine-learning server for it")
    types = tasks.get("clip", {})
    if len(types) != 1 or not types.keys() <= TYPES.keys():
        raise Refused(422, "Invalid request format.", cure="ask for one of clip's types, visual or textual")
    ((kind, entry),) = types.items()
    return entry.model_name, TYPES[kind]


async def _model(host: Host, name: str) -> HostedModel:
    """Return the served model of this name, as we or as immich write it, else the first."""
    for written in (name, name.replace("__", "/")):
        try:
            return await host.models.named(written)
        except UnknownModel:
            continue
    return await host.models.named("")


def _sides(image: bytes) -> tuple[int, int]:
    from wordsight.images.decode import sides

    return sides(image, name="image")


def _written(embedding: Embeddings) -> str:
    return orjson.dumps(embedding, option=orjson.OPT_SERIALIZE_NUMPY).decode("ascii")
