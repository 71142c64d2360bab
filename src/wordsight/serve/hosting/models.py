"""The models that are served: opened when first asked, each with its queues of texts and images.

    hosted = await models.named("")                 # the default
    await hosted.embed_texts(["a dog"])             # float32 (1, width), joined with what others ask
    await hosted.embed_images([b"...", b"..."])     # files of images; a broken one raises

Texts and images have queues of their own.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wordsight.base.arrays import Embeddings, Pixels
from wordsight.base.errors import InputError, UnknownModel
from wordsight.base.suggest import suggest
from wordsight.serve.batching import BatchQueue
from wordsight.serve.settings import ServeSettings
from wordsight.serve.watched.notes import stage

if TYPE_CHECKING:
    from wordsight.embeddings.model import Model

TEXTS_AT_ONCE, IMAGES_AT_ONCE = 256, 64
_BLANK = np.zeros((32, 32, 3), np.uint8)


class HostedModel:
    """A model that is open, and its queues."""

    def __init__(self, name: str, model: "Model", settings: ServeSettings) -> None:
        self.name = name
        self.model = model
        waiting = settings.limits.waiting
        self._pixels = settings.limits.pixels
        self.texts: BatchQueue[str, Embeddings] = BatchQueue(
            "texts", self._embed_texts, most=TEXTS_AT_ONCE, waiting=waiting
        )
        self.images: BatchQueue[Pixels, Embeddings] = BatchQueue(
            "images", self._embed_images, most=IMAGES_AT_ONCE, waiting=waiting
        )

    async def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Return unit embeddings (n, width) of texts."""
        return self._stacked(await self.texts.ask(texts))

    async def embed_images(self, images: Sequence[Any], *, names: Sequence[str] = ()) -> Embeddings:
        """Return unit embeddings (n, width) of images: files as bytes, or paths; `names` are for errors."""
        shown = names or [f"image {number}" for number in range(len(images))]
        load = partial(self.model.load_pixels, max_pixels=self._pixels)
        with stage("decode"):
            pixels = [
                await asyncio.to_thread(load, image, name=name) for image, name in zip(images, shown, strict=True)
            ]
        return self._stacked(await self.images.ask(pixels))

    async def warm(self) -> None:
        """Embed a text and an image, so that the first request does not wait for what an engine makes at first use."""
        await self.embed_texts(["warm"])
        await self.images.ask([self.model.load_pixels(_BLANK, name="blank")])

    def _stacked(self, embeddings: Sequence[Embeddings]) -> Embeddings:
        return np.array(embeddings, np.float32).reshape(len(embeddings), self.model.spec.width)

    def _embed_texts(self, texts: Sequence[str]) -> list[Embeddings | Exception]:
        return list(self.model.embed_texts(texts))

    def _embed_images(self, pixels: Sequence[Pixels]) -> list[Embeddings | Exception]:
        encoded = self.model.encode_images(range(len(pixels)), lambda number: pixels[number], name=str)
        return [_result(one.embedding, one.error) for one in encoded]

    async def close(self) -> None:
        """Answer what waits, and end the queues."""
        await self.texts.close()
        await self.images.close()


def _result(embedding: Embeddings | None, error: InputError | None) -> Embeddings | Exception:
    if embedding is not None:
        return embedding
    assert error is not None
    return error


class HostedModels:
    """All models that are served, by the names under which they were given and by their own."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._open: dict[str | None, HostedModel] = {}
        self._opening = asyncio.Lock()

    @property
    def asked(self) -> tuple[str | None, ...]:
        """The models as they were given; None is the default model."""
        return self._settings.models

    async def named(self, name: str = "") -> HostedModel:
        """Return a model by name; "" and "default" are the first."""
        key = self._key(name)
        async with self._opening:
            if key not in self._open:
                self._open[key] = await asyncio.to_thread(self._load, key)
            return self._open[key]

    @property
    def open(self) -> tuple[HostedModel, ...]:
        """The models that have been opened."""
        return tuple(self._open.values())

    async def all(self) -> list[HostedModel]:
        """Return all models, open."""
        return [await self.named(name or "") for name in self.asked]

    def _key(self, name: str) -> str | None:
        if name in ("", "default"):
            return self.asked[0]
        if name in self.asked:
            return name
        for key, hosted in self._open.items():
            if hosted.model.name == name:
                return key
        known = [one or "default" for one in self.asked]
        raise UnknownModel(f"no model {name!r} is served", cure=suggest(name, known))

    def _load(self, key: str | None) -> HostedModel:
        from wordsight.embeddings.model import load

        model = load(key, engine=self._settings.engine, device=self._settings.device)
        return HostedModel(model.name, model, self._settings)

    async def close(self) -> None:
        """Answer what waits, and end all queues."""
        for hosted in self._open.values():
            await hosted.close()
