"""clip-retrieval's back end: `/knn-service`, `/metadata` and `/indices-list`, as its `ClipClient` and page ask them.

    ClipClient(url="http://127.0.0.1:7070/knn-service", indice_name="Photos").query(text="two dogs")

An index is a served library, an id a number of `stable_ids.py`.  There are no aesthetic embeddings, no multilingual
model beside the served one, and no index of captions.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, unit
from wordsight.base.errors import InputError
from wordsight.base.value import Value
from wordsight.serve.errors import Refused
from wordsight.serve.hosting.host import Host
from wordsight.serve.hosting.located import is_own
from wordsight.serve.neighbours.embedded import embed_parts
from wordsight.serve.neighbours.parts import InputPart
from wordsight.serve.neighbours.stable_ids import entries_of, id_of
from wordsight.serve.route import HttpCall

if TYPE_CHECKING:
    from wordsight.index.index import IndexEntry, Neighbour
    from wordsight.search.library import Library

ALIKE = 0.94  # cosine from which clip-retrieval takes two images for one
SIDE = 512  # pixels of an image's longer side
WATCHED = "moderation"  # the column that `wordsight tag --labels moderation` fills
CAPTIONS = ("caption", "text", "title")  # columns, the first that there is, as `caption`
PATHS = ("path", "folder", "image_path")  # columns that may tell where the server keeps files


class KnnRequest(msgspec.Struct):
    """What is searched for: the first that is given of text, image, address and embedding.

    `text`: words that say what is to be seen.  `image`: the file of an image as base64.  `image_url`: the web address
    of an image.  `embedding_input`: as many numbers as the model's embeddings have.  `modality`: image; text is
    refused.  `num_images`: how many come with metadata and image.  `num_result_ids`: how many are looked up, by
    default as many.  `indice_name`: a library, by default the first.  `deduplicate`: whether what is nearly the same
    as a better one is left out.  `use_safety_model`: whether what the library's column moderation marks is left out.
    `use_violence_detector`: as `use_safety_model`, for one column marks both.
    """

    text: str | None = None
    image: str | None = None
    image_url: str | None = None
    embedding_input: list[float] | None = None
    modality: Literal["image", "text"] = "image"
    num_images: int = 40
    num_result_ids: int | None = None
    indice_name: str | None = None
    deduplicate: bool = False
    use_safety_model: bool = False
    use_violence_detector: bool = False


class MetadataRequest(msgspec.Struct):
    """What is asked of images.

    `ids`: the numbers that `/knn-service` gave.  `indice_name`: the library that they are of, by default the first.
    """

    ids: list[int]
    indice_name: str | None = None


def clip_retrieval_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    """Return an error as its back end gives it."""
    return {"message": f"{problem}: {cure}" if cure else problem}


async def indices(call: HttpCall[None]) -> list[str]:
    """Return the names of the served libraries."""
    return list(call.host.libraries.names)


async def knn(call: HttpCall[KnnRequest]) -> list[dict[str, Any]]:
    """Return the images of a library that are nearest to a query: `id`, `similarity` and what is known of them."""
    asked = call.asked
    if asked.modality == "text":
        raise Refused(400, "the modality text", cure="use image: there is no index of captions")
    if asked.num_images < 0 or (asked.num_result_ids or 0) < 0:
        raise Refused(400, "a negative number of images", cure="ask for none or more")
    library = call.host.libraries.named(asked.indice_name or "")
    query = await _query(asked, call.host)
    return await call.host.libraries.run(_nearest, library, query, asked, call.host)


async def metadata(call: HttpCall[MetadataRequest]) -> list[dict[str, Any]]:
    """Return what is known of images, in the order of their ids; unknown ids are left out."""
    asked, most = call.asked, call.host.settings.limits.hits
    if len(asked.ids) > most:
        raise Refused(413, f"{len(asked.ids):,} ids at once", cure=f"send at most {most:,}")
    library = call.host.libraries.named(asked.indice_name or "")
    return await call.host.libraries.run(_described, library, asked.ids, call.host)


async def _query(asked: KnnRequest, host: Host) -> Embeddings:
    """Return the unit embedding (1, width) of what is searched for."""
    hosted = await host.models.named("")
    if asked.text:
        part = InputPart("text", asked.text)
    elif asked.image or asked.image_url:
        part = InputPart("image", asked.image or asked.image_url or "")
    elif asked.embedding_input:
        width, given = hosted.model.spec.width, np.array([asked.embedding_input], np.float64)
        with np.errstate(over="ignore"):
            length = float(np.linalg.norm(given))
        if given.shape[1] != width or not np.isfinite(length) or length < 1e-12:
            raise Refused(400, f"an embedding of {given.shape[1]} numbers", cure=f"send {width} that are not all zero")
        return unit(given / length)
    else:
        raise Refused(400, "no query", cure="fill text, image, image_url or embedding_input")
    return (await embed_parts([(part,)], hosted, host))[0]


def _nearest(library: "Library", query: Embeddings, asked: KnnRequest, host: Host) -> list[dict[str, Any]]:
    limits = host.settings.limits
    count = asked.num_images if asked.num_result_ids is None else asked.num_result_ids
    if count == 0:
        return []
    with library.reading() as index:
        (neighbours,) = index.search(query, min(count, limits.hits))
    neighbours = _kept(neighbours, asked)
    shown = neighbours[: min(asked.num_images, limits.images)]
    known = [_record(library, one.key, one.meta) for one in shown]
    known += [{}] * (len(neighbours) - len(shown))
    _add_images(library, shown, known)
    return [
        {**record, "id": id_of(one.key), "similarity": float(one.score)}
        for one, record in zip(neighbours, known, strict=True)
    ]


def _kept(neighbours: "list[Neighbour]", asked: KnnRequest) -> "list[Neighbour]":
    """Return the neighbours without those that are to be left out."""
    if asked.use_safety_model or asked.use_violence_detector:
        neighbours = [one for one in neighbours if not one.meta.get(WATCHED)]
    if asked.deduplicate and neighbours:
        firsts = _firsts(np.array([one.embedding for one in neighbours]))
        neighbours = [neighbours[number] for number in firsts]
    return neighbours


def _firsts(embeddings: Embeddings) -> list[int]:
    """Return the first of each group of embeddings (n, width) that hang together by near ones."""
    near: NDArray[np.bool_] = embeddings @ embeddings.T > ALIKE
    firsts, met = [], np.zeros(len(near), bool)
    for number in range(len(near)):
        if met[number]:
            continue
        firsts.append(number)
        waiting = [number]
        met[number] = True
        while waiting:
            fresh = np.flatnonzero(near[waiting.pop()] & ~met)
            met[fresh] = True
            waiting += fresh.tolist()
    return firsts


def _described(library: "Library", ids: Sequence[int], host: Host) -> list[dict[str, Any]]:
    with library.reading() as index:
        entries = entries_of(index, ids)
    present = [number for number in dict.fromkeys(ids) if number in entries]
    records = [_record(library, entries[number].key, entries[number].meta) for number in present]
    images = host.settings.limits.images
    _add_images(library, [entries[number] for number in present[:images]], records[:images])
    return [{"id": number, "metadata": record} for number, record in zip(present, records, strict=True)]


def _record(library: "Library", key: str, meta: Mapping[str, Value]) -> dict[str, Any]:
    """Return the columns of an image, `image_path`, its key, and `caption`; where the server keeps files stays here."""
    columns = {name: value for name, value in meta.items() if not (name in PATHS and os.path.isabs(str(value)))}
    caption = next((meta[name] for name in CAPTIONS if meta.get(name)), None)
    return {**columns, "image_path": key, **({} if caption is None else {"caption": caption})}


def _add_images(
    library: "Library", some: "Sequence[Neighbour | IndexEntry]", records: Sequence[dict[str, Any]]
) -> None:
    """Put small JPEGs as base64 into the records of those images that can be read."""
    from wordsight.search.thumbnails import as_jpeg, thumbnails

    pairs = [(record, _hit(library, one)) for record, one in zip(records, some, strict=False)]
    own = [(record, hit) for record, hit in pairs if is_own(hit, library)]
    made = thumbnails([hit for _, hit in own], as_jpeg, side=SIDE)
    for (record, _), jpeg in zip(own, made, strict=True):
        if not isinstance(jpeg, InputError):
            record["image"] = base64.b64encode(jpeg).decode("ascii")


def _hit(library: "Library", one: "Neighbour | IndexEntry") -> Any:
    from wordsight.index.index import IndexEntry

    return library.hit_of(IndexEntry(one.key, one.embedding, one.meta))
