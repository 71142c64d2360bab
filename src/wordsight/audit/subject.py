"""What is audited: a model, or a library, with what the user has at hand to test it on.

    subject = ModelSubject(load(), data=(labelled_set("clothing?split=test"),))
    subject.data[0].task("typographic", images=100)     # a task of `wordsight.evaluate` on that set

Knows no check.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from wordsight.audit.table import IMAGES
from wordsight.base.config import unknown_key
from wordsight.base.errors import NotFound, UsageError
from wordsight.base.nouns import Sample
from wordsight.data.kinds import without_suffix
from wordsight.data.source import Columns, open_source
from wordsight.embeddings.kept import KeptModel
from wordsight.embeddings.model import Model
from wordsight.evaluate.building import SetReader, read_source
from wordsight.evaluate.encode import Encoder
from wordsight.evaluate.sample_set import SampleSet
from wordsight.evaluate.tasks import TaskSpec, read_task

LIBRARY_KEYS = ("name", "split", "limit", "image", "captions", "label", "key")  # of `TaskSpec`, that a library reads by
LABELLED_KEYS = (
    *LIBRARY_KEYS,
    *("train", "train_split", "val", "val_split", "templates", "classes", "naming", "seed"),
    *("groups", "k", "watched", "added", "a", "b"),
)
WITH_GROUPS = "bias"  # the kind of task whose keys a labelled set may have


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Images with classes, and perhaps groups, that the user names as `text`; `spec` has the keys of a `bias` task."""

    spec: TaskSpec
    text: str = ""

    @property
    def name(self) -> str:
        """What its results are called."""
        return self.spec.name or without_suffix(Path(self.spec.place).name)

    @property
    def groups(self) -> str:
        """The column of the groups, "" where none is named."""
        return str(self.spec.options.groups)

    def task(self, kind: str, **options: Any) -> TaskSpec:
        """Return the task of a kind of `wordsight.evaluate` on this set, with the options of that kind."""
        return replace(self.spec, kind=kind, name=self.name, options=dict(options))


def labelled_set(text: str, *, keys: Sequence[str] = LABELLED_KEYS) -> LabelledSet:
    """Read "PLACE?key=value&key=value", all keys optional, `groups` among them.

    An unknown key raises `ConfigError`, an empty place `UsageError`, and a wrong value what `read_task` does.
    """
    location, _, query = text.partition("?")
    if not location.strip():
        raise UsageError(
            f"{text!r} names no images", cure="give a folder, a table or shards, with ?key=value behind it"
        )
    for key, _ in parse_qsl(query, keep_blank_values=True):
        if key not in keys:
            raise unknown_key(key, key, sorted(keys))
    return LabelledSet(read_task(f"{WITH_GROUPS}:{text}"), text)


def without_folders(text: str) -> str:
    """Return "PLACE?key=value" as it was given, but without the folders in front, which are of one machine alone."""
    location, mark, query = text.partition("?")
    name = Path(location).name or Path(location).resolve().name
    return f"{name}{mark}{re.sub(r'=[/~][^&]*/', '=', query)}"


@dataclass(frozen=True, slots=True)
class ModelSubject:
    """A model with what is at hand to test it.

    `model` embeds; where it is a `Model` (or keeps one's embeddings) `opened` is that.  `data` are labelled sets,
    `captions` the places of training captions, each as a library is named.  `images`: how many images a check draws, or
    takes of each set where it changes them.  `reader` reads the sets, which stay in memory.
    """

    model: Encoder
    data: tuple[LabelledSet, ...] = ()
    captions: tuple[str, ...] = ()
    images: int = IMAGES
    seed: int = 0
    reader: SetReader = field(default_factory=SetReader, compare=False)

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(getattr(self.model, "name", "model"))

    @property
    def opened(self) -> Model | None:
        """The model itself, None where `model` is another encoder."""
        inner = self.model.model if isinstance(self.model, KeptModel) else self.model
        return inner if isinstance(inner, Model) else None


@dataclass(frozen=True, slots=True)
class PlaceSubject:
    """A library: `place` as it is called, and the samples that lie there, with their images.

    `unread` says of each entry that gave no sample why; `text` is the place as the user named it.  `model` is None
    where there is none at hand.  `images`: how many images a check may embed; `seed` settles which.
    """

    place: str
    samples: SampleSet
    model: Encoder | None = None
    images: int = IMAGES
    seed: int = 0
    unread: tuple[str, ...] = ()
    text: str = ""


def library(text: str, *, model: Encoder | None, images: int = IMAGES, seed: int = 0) -> PlaceSubject:
    """Return the library at "PLACE?key=value&key=value", with `LIBRARY_KEYS`.  Nothing is written there.

    A place without images raises `NotFound` or `FormatError`, as the source does.
    """
    spec = labelled_set(text, keys=LIBRARY_KEYS).spec
    samples, failures = read_source(spec, spec.place, spec.split)
    if not len(samples) and not failures:
        raise NotFound(f"no images in {spec.place}", cure="name a folder with images, shards or a table")
    unread = tuple(str(error.problem) for error in failures)
    return PlaceSubject(spec.name or samples.name, samples, model, images=images, seed=seed, unread=unread, text=text)


def training_samples(texts: Sequence[str]) -> Iterator[Sample]:
    """Yield the samples of places of training captions, each named as a library, without their images."""
    for text in texts:
        spec = labelled_set(text, keys=LIBRARY_KEYS).spec
        columns = Columns(image=spec.image, captions=spec.captions, label=spec.label, key=spec.key)
        source = open_source(spec.place, split=spec.split, columns=columns)
        yield from (replace(sample, image=None) for sample in islice(source.samples(), spec.limit))
