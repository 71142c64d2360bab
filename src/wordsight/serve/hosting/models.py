"""The models that are served: opened when first asked, each with its queues of texts and images.

    hosted = await models.named("")                 # the default
    await hosted.embed_texts(["a dog"])             # float32 (1, width), joined with what others ask
    await hosted.embed_images([b"...", b"..."])     # files of images; a broken one raises

Texts and images have queues of their own.  Embeddings of texts are kept, and answered again without being computed.
What a model has open is let go when nobody has asked it for long, or memory is short, and opened again when asked.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels, is_unit
from wordsight.base.errors import InputError, UnknownModel
from wordsight.base.suggest import suggest
from wordsight.serve.batching import BatchQueue, ItemTraits
from wordsight.serve.errors import Overloaded
from wordsight.serve.hosting.text_cache import TextCache
from wordsight.serve.settings import MIB, ServeSettings
from wordsight.serve.watched.figures import note_cache
from wordsight.serve.watched.notes import stage

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model

ROOM = 512 * MIB  # what waits in a queue
TEXTS_AT_ONCE, IMAGES_AT_ONCE = 64, 64  # two of the batches that engines compute at once
RESTING = 10.0  # seconds after which a model that nobody asks lets go of what it has open where memory is short


class HostedModel:
    """A model that is open, and its queues; `decoders` are the threads that read images."""

    def __init__(
        self,
        name: str,
        model: "Model",
        settings: ServeSettings,
        *,
        decoders: ThreadPoolExecutor | None = None,
        room: int = ROOM,
    ) -> None:
        self.name = name
        self.model = model
        self._pixels = settings.limits.pixels
        self.known = TextCache(settings.text_cache)
        self.used = time.monotonic()
        self._decoders = decoders
        self._decoding, self._most = 0, settings.limits.waiting
        self.texts: BatchQueue[str, Embeddings] = BatchQueue(
            "texts",
            self._embed_texts,
            most=TEXTS_AT_ONCE,
            waiting=settings.limits.waiting,
            room=room,
            traits=ItemTraits(size=len, key=str, order=len),
        )
        self.images: BatchQueue[Pixels, Embeddings] = BatchQueue(
            "images",
            self._embed_images,
            most=min(model.engine.batch, IMAGES_AT_ONCE),
            waiting=settings.limits.waiting,
            room=room,
            traits=ItemTraits(size=lambda pixels: int(pixels.nbytes)),
        )

    async def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return unit embeddings (n, width) of texts."""
        self.used = time.monotonic()
        embeddings = [self.known.of(text) for text in texts]
        unknown = [number for number, one in enumerate(embeddings) if one is None]
        note_cache("texts", hits=len(texts) - len(unknown), misses=len(unknown))
        if unknown:
            computed = await self.texts.ask([texts[number] for number in unknown])
            for number, embedding in zip(unknown, computed, strict=True):
                embeddings[number] = embedding
                self.known.keep(texts[number], embedding)
        return self._stacked(embeddings)

    async def embed_images(self, images: Sequence[Any], *, names: Sequence[str] = ()) -> Embeddings:
        """Return unit embeddings (n, width) of images: files as bytes, or paths; `names` are for errors."""
        self.used = time.monotonic()
        shown = names or [f"image {number}" for number in range(len(images))]
        if self._decoding and self._decoding + len(images) > self._most:
            raise Overloaded(f"{self._decoding:,} images wait to be read already")
        self._decoding += len(images)
        try:
            loop = asyncio.get_running_loop()
            reading = [
                loop.run_in_executor(self._decoders, self._load, image, name)
                for image, name in zip(images, shown, strict=True)
            ]
            with stage("decode"):
                pixels = await _all(reading)
        finally:
            self._decoding -= len(images)
        return self._stacked(await self.images.ask(pixels))

    def waiting(self) -> dict[str, int]:
        """Return how many inputs wait in each queue."""
        return {"texts": len(self.texts), "images": len(self.images)}

    def _load(self, image: Any, name: str) -> Pixels:
        return self.model.load_pixels(image, name=name, max_pixels=self._pixels)

    def _stacked(self, embeddings: Sequence[Embeddings | None]) -> Embeddings:
        return np.array(embeddings, np.float32).reshape(len(embeddings), self.model.spec.width)

    def _embed_texts(self, texts: Sequence[str]) -> list[Embeddings | Exception]:
        return list(self.model.embed_texts(texts))

    def _embed_images(self, pixels: Sequence[Pixels]) -> list[Embeddings | Exception]:
        if len({one.shape for one in pixels}) == 1:
            embeddings = self.model.engine.embed_images(np.stack(pixels))
            if is_unit(embeddings).all():
                return list(embeddings)
        encoded = self.model.encode_images(range(len(pixels)), lambda number: pixels[number], name=str)
        return [_result(one.embedding, one.error) for one in encoded]

    def warm_up(self) -> None:
        """Open tokenizer and both towers: the first request waits no longer than others."""
        spec = self.model.spec.preprocess
        self.model.embed_texts(["a photo"])
        self.model.engine.embed_images(
            self.model.load_pixels(np.full((spec.size, spec.size, 3), 128, np.uint8), name="the first image")[None]
        )

    def rest(self, seconds: float) -> bool:
        """Let go of what is open where nobody has asked for so long; returns whether it did."""
        idle = self.texts.is_idle and self.images.is_idle and not self._decoding
        if not idle or time.monotonic() - self.used < seconds:
            return False
        return self.model.release()

    async def close(self) -> None:
        """Answer what waits, and end the queues."""
        await self.texts.close()
        await self.images.close()


async def _all(reading: Sequence["asyncio.Future[Pixels]"]) -> list[Pixels]:
    """Return all results; where one fails, or the request is cancelled, what is not begun is not read."""
    try:
        return list(await asyncio.gather(*reading))
    finally:
        for one in reading:
            one.cancel()


def _result(embedding: Embeddings | None, error: InputError | None) -> Embeddings | Exception:
    if embedding is not None:
        return embedding
    assert error is not None
    return error


class HostedModels:
    """All models that are served, by the names under which they were given and by their own."""

    def __init__(self, settings: ServeSettings, *, room: int = ROOM) -> None:
        from wordsight.embeddings.pipeline import decode_threads

        self._settings = settings
        self._room = room  # bytes of what may wait in a queue
        self._open: dict[str | None, HostedModel] = {}
        self._decoders = ThreadPoolExecutor(decode_threads(), thread_name_prefix="decode")

    @property
    def asked(self) -> tuple[str | None, ...]:
        """The models as they were given; None is the default model."""
        return self._settings.models

    @property
    def open(self) -> tuple[HostedModel, ...]:
        """The models that have been opened."""
        return tuple(self._open.values())

    async def named(self, name: str = "") -> HostedModel:
        """Return a model by name; "" and "default" are the first."""
        key = self._key(name)
        if key not in self._open:  # before the server has started: afterwards all are open
            self._open[key] = await asyncio.to_thread(self._load, key)
        return self._open[key]

    async def all(self) -> list[HostedModel]:
        """Return all models, open."""
        return [await self.named(name or "") for name in self.asked]

    async def warm_up(self) -> None:
        """Open all models and all that they need to answer."""
        for hosted in await self.all():
            await asyncio.to_thread(hosted.warm_up)

    def rest(self, seconds: float) -> int:
        """Let models go that nobody has asked for so long; returns how many did."""
        return sum(hosted.rest(seconds) for hosted in self.open)

    def relieve(self) -> None:
        """Give back what can be made again: the embeddings of texts, and models that rest."""
        for hosted in self.open:
            hosted.known.clear()
        self.rest(RESTING)

    def _key(self, name: str) -> str | None:
        if name in ("", "default"):
            return self.asked[0]
        if name in self.asked:
            return name
        for key, hosted in self._open.items():
            if hosted.name == name:
                return key
        known = [one or "default" for one in self.asked]
        raise UnknownModel(f"no model {name!r} is served", cure=suggest(name, known))

    def _load(self, key: str | None) -> HostedModel:
        from wordsight.embeddings.model import load

        model = load(key, engine=self._settings.engine, device=self._settings.device)
        used, given = {one.name for one in self.open}, key or "default"
        name = next((one for one in (model.name, Path(given).name) if one not in used), given)
        return HostedModel(name, model, self._settings, decoders=self._decoders, room=self._room)

    async def close(self) -> None:
        """Answer what waits, and end all queues."""
        for hosted in self._open.values():
            await hosted.close()
        self._decoders.shutdown()
