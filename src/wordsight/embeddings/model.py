"""A model ready for use: images and texts in, unit embeddings, probabilities and cosines out.

    model = load("folder of a model")           # or load() for the default one
    model.embed_images(["a.jpg", "b.png"])      # float32 (2, width)
    model.classify(["a.jpg"], ["cat", "dog"])   # float32 (1, 2), rows sum to 1

Nothing is opened before it is needed: not the tokenizer, and neither tower, until texts or images come.  Does not
know where embeddings are kept.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wordsight.base.arrays import Embeddings, Pixels, is_unit
from wordsight.base.errors import FormatError, NoEmbedding, UsageError
from wordsight.embeddings.classes import class_embeddings
from wordsight.embeddings.items import image_list, image_name, listed, shortened, text_list
from wordsight.engines.engine import Engine
from wordsight.engines.travel import received, sent
from wordsight.towers.spec import ModelSpec

if TYPE_CHECKING:
    from wordsight.embeddings.pipeline import Encoded, StageTimes
    from wordsight.images.transform import Quality, SeenImage
    from wordsight.text.prompts import Templates

T = TypeVar("T")
Scores = NDArray[np.float32]
TEXTS_AT_ONCE = 1024  # tokenised at once; the engine sorts them by length and cuts them into batches
DEFAULT_TEMPLATES = "photo"


class Model:
    """An engine with the tokenizer and the preprocessing that belong to it.

    `pixels` "exact": images are prepared pixel for pixel as the model's authors do; "fast": within 2 of 255 levels, but
    for JPEGs far larger than the tower's image, which are decoded at a fraction of their size (docs/images.md).
    """

    def __init__(self, engine: Engine, *, folder: Path | None = None, pixels: "Quality" = "fast") -> None:
        if pixels not in ("fast", "exact"):
            raise UsageError(f"pixels {pixels!r}", cure="choose fast or exact")
        self.engine = engine
        self.folder = folder
        self.pixels = pixels

    def __repr__(self) -> str:
        engine = type(self.engine).__name__
        computed = f"{engine} {getattr(self.engine, 'precision', 'fp32')}"
        return (
            f"<Model {self.name}: embeddings of {self.spec.width} numbers, {computed}, fingerprint {self.fingerprint}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """A model travels to another process as its folder and options, and is opened again there when used."""
        return _received, (self.engine, None if self.folder is None else sent(self.folder), self.pixels)

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self.engine.spec

    @property
    def name(self) -> str:
        """The model's name, for messages."""
        return self.spec.name

    @property
    def fingerprint(self) -> str:
        """Names what made the embeddings: 16 hexadecimal digits over weights, preprocessing and tokenizer."""
        return self.engine.fingerprint

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before they become probabilities."""
        return self.engine.scale

    @property
    def bias(self) -> float | None:
        """What is added to scaled cosines, for models learned with the sigmoid loss."""
        return self.engine.bias

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer: a `wordsight.text.open.Tokenizer`."""
        from wordsight.text.open import open_tokenizer
        from wordsight.weights.manifest import check_tokenizer

        if self.folder is not None:
            check_tokenizer(self.folder)
        return open_tokenizer(self.spec.tokenizer, self.folder)

    def load_pixels(self, item: Any, *, name: str = "", max_pixels: int | None = None) -> NDArray[np.uint8]:
        """Return what the image tower sees of an image: uint8 (S, S, 3), or (H, W, 3) where it keeps the shape."""
        from wordsight.images.decode import DEFAULT_MAX_PIXELS
        from wordsight.images.transform import load_pixels

        most = DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels
        return load_pixels(item, self.spec.preprocess, name=name, max_pixels=most, quality=self.pixels)

    def load_seen(self, item: Any, *, name: str = "") -> "SeenImage":
        """Return what `load_pixels` does, with the sides of the image itself."""
        from wordsight.images.transform import load_seen

        return load_seen(item, self.spec.preprocess, name=name, quality=self.pixels)

    def embed_images(self, items: Iterable[Any]) -> Embeddings:
        """Return unit embeddings (n, width) of paths, bytes, Pillow images or uint8 (H, W, 3) arrays.

        The first image that cannot be read raises `BrokenImage` or `TooManyPixels`, which name it.
        """
        named = ((item, image_name(item, f"picture {i + 1}")) for i, item in enumerate(image_list(items)))
        embeddings = []
        for encoded in self.encode_images(
            named, lambda pair: self.load_pixels(pair[0], name=pair[1]), name=lambda pair: pair[1]
        ):
            if encoded.error is not None:
                raise encoded.error
            embeddings.append(encoded.embedding)
        return np.array(embeddings, np.float32).reshape(len(embeddings), self.spec.width)

    def encode_images(
        self,
        items: Iterable[T],
        load: Callable[[T], Pixels | None],
        *,
        name: Callable[[T], str] = str,
        times: "StageTimes | None" = None,
    ) -> "Generator[Encoded[T], None, None]":
        """Yield every item in order with the embedding of the image that `load` returns, or why there is none.

        See `wordsight.embeddings.pipeline.encode_images`.  An image for which the tower gives NaN or zeros comes out
        with `NoEmbedding`, in which `name` says how the item is called; where all images would, `FormatError` is
        raised.
        """
        from wordsight.embeddings.pipeline import Encoded, encode_images

        engine = self.engine
        with closing(encode_images(items, load, engine.embed_images, batch=engine.batch, times=times)) as encoded:
            for one in encoded:
                if one.embedding is None or is_unit(one.embedding[None])[0]:
                    yield one
                else:
                    yield Encoded(one.item, error=self._no_embedding("image", name(one.item)))

    def embed_texts(self, texts: Iterable[str]) -> Embeddings:
        """Return unit embeddings (n, width) of texts; what exceeds the context is cut, with one notice."""
        texts = text_list(texts, "text")
        embeddings = np.empty((len(texts), self.spec.width), np.float32)
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            part = texts[start : start + TEXTS_AT_ONCE]
            embeddings[start : start + len(part)] = self.engine.embed_texts(
                self.tokenizer.batch(part, pad_to="longest")
            )
        sound = is_unit(embeddings)
        if not sound.all():
            raise self._no_embedding("text", repr(shortened(texts[int(np.argmin(sound))])))
        return embeddings

    def embed_alone(self, texts: Iterable[str]) -> Embeddings:
        """Return unit embeddings (n, width) that do not depend on what else is embedded.

        int8 graphs take the range of their numbers from the whole batch: a text among others has another embedding
        (cosine down to 0.998).  So each goes alone, in 2.4 times the time.
        """
        texts = text_list(texts, "text")
        if getattr(self.engine, "precision", "fp32") != "int8" or len(texts) < 2:
            return self.embed_texts(texts)
        return np.concatenate([self.embed_texts([text]) for text in texts])

    def _no_embedding(self, tower: str, name: str) -> NoEmbedding:
        """Return the error of one input; `FormatError` is raised where the tower gives nothing for a plain one either.

        The plain ones are a grey image and the text "a".
        """
        if tower == "image":
            size = self.spec.preprocess.size
            plain = self.engine.embed_images(self.load_pixels(np.full((size, size, 3), 128, np.uint8))[None])
        else:
            plain = self.engine.embed_texts(self.tokenizer.batch(["a"], pad_to="longest"))
        gives = f"the {tower} tower of {self.name} gives NaN, infinite numbers or zeros"
        if not is_unit(plain).all():
            raise FormatError(
                f"{gives} for every {tower}", cure="its files are damaged: fetch, export or train the model again"
            )
        return NoEmbedding(f"{gives} for {name}", cure="leave it out, or compute in fp32: precision='fp32'")

    def embed_classes(self, classes: Iterable[str], templates: "Templates | None" = None) -> Embeddings:
        """Return one unit embedding (len(classes), width) for each class: the mean of its prompts, normalised again.

        `templates`: None is "photo", a name ("none", "photo", "clip", "product", "food101", …), a file, a list of texts
        with `{}` where the class goes, or for each class a list of its own.  Synonyms in a class name ("brown bear,
        bruin") are separate prompts.
        """
        return class_embeddings(self.embed_texts, self.class_prompts(classes, templates))

    def class_prompts(self, classes: Iterable[str], templates: "Templates | None" = None) -> list[list[str]]:
        """Return the prompts of each class, as `embed_classes` has them."""
        from wordsight.text import prompts

        classes = text_list(classes, "class")
        if not classes:
            raise UsageError("no classes", cure="give at least one, for example cat,dog")
        source = templates or DEFAULT_TEMPLATES if templates is None or isinstance(templates, str) else templates
        if not isinstance(source, str | Path | Mapping):
            source = list(listed(source, "template"))
        return [list(one) for one in prompts.prompts_of(classes, source)]

    def classify(self, items: Iterable[Any], classes: Iterable[str], templates: "Templates | None" = None) -> Scores:
        """Return the probability of each class for each image: float32 (n, len(classes)), rows sum to 1.

        Softmax over scale times cosine; for a model learned with the sigmoid loss, its independent probabilities
        divided by their sum.
        """
        classes = text_list(classes, "class")
        twice = [name for number, name in enumerate(classes) if name in classes[:number]]
        if twice:
            raise UsageError(f"the class {twice[0]} is given twice", cure="give every class once")
        class_embeddings = self.embed_classes(classes, templates)
        return self.probabilities(self.embed_images(items) @ class_embeddings.T)

    def probabilities(self, cosines: Scores) -> Scores:
        """Return cosines (n, classes) as probabilities whose rows sum to 1; see `classify`."""
        logits = _finite(cosines) * self.scale
        if self.bias is not None:
            logits = -np.logaddexp(0, -(logits + self.bias))  # the logarithm of the sigmoid
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(axis=1, keepdims=True)
        result: Scores = shares.astype(np.float32)
        return result

    def match(self, items: Iterable[Any], texts: Sequence[str]) -> Scores:
        """Return how well each text fits each image, as the model's family means it: float32 (n, m).

        Softmax families (CLIP): the probability that of these texts this one belongs to the image; rows sum to 1.
        Sigmoid families (SigLIP): the probability that image and text belong together, each pair for itself; all of
        a row may be near 0, or near 1.
        """
        return self.matches(self.score(items, texts))

    def matches(self, cosines: Scores) -> Scores:
        """Return cosines (n, m) as `match` does."""
        if self.spec.loss != "sigmoid":
            return self.probabilities(cosines)
        logits = _finite(cosines) * self.scale + (self.bias or 0.0)
        shares: Scores = np.exp(-np.logaddexp(0, -logits)).astype(np.float32)
        return shares

    def score(self, items: Iterable[Any], texts: Sequence[str]) -> Scores:
        """Return the cosine of every image with every text: float32 (n, m)."""
        scores: Scores = self.embed_images(items) @ self.embed_texts(texts).T
        return scores


def load(
    name: str | Path | None = None,
    *,
    engine: str = "auto",
    device: str = "auto",
    precision: str = "auto",
    pixels: "Quality" = "fast",
) -> Model:
    """Return a model by name or folder; None is the default one (`wordsight.weights.find.default_model`).

    `engine`: auto, onnx, openvino, torch (or fake, which needs no model).  `device`: auto, cpu, cuda…  `precision`:
    auto, int8, fp32, fp16, bf16.  `pixels`: fast, or exact for images prepared pixel for pixel as the model's
    authors do.  Raises `UnknownModel` with near names and the cure.
    """
    from wordsight.engines.open import open_engine
    from wordsight.weights.find import find_model

    folder = None if engine == "fake" else find_model(name)
    opened = open_engine(folder or Path(), engine=engine, device=device, precision=precision)
    return Model(opened, folder=folder, pixels=pixels)


def _received(engine: Engine, folder: Path | str | None, pixels: "Quality") -> Model:
    return Model(engine, folder=None if folder is None else received(folder), pixels=pixels)


def _finite(cosines: Scores) -> NDArray[np.float64]:
    if not np.isfinite(cosines).all():
        raise UsageError("cosines that are NaN or infinite", cure="give those of unit embeddings")
    return cosines.astype(np.float64)
