"""A classifier from labelled images, on embeddings computed once: `learn_probe(model, config)`.

out/classes.json     the linear classifier, for `wordsight classify --classes-file`
out/results.jsonl    zero-shot, few-shot and linear on the same test images      out/config.json   the recipe

Nothing of the model changes, and PyTorch is not needed.  The embeddings are kept in the cache, by the fingerprints of
source and model; a probe that is stopped goes on where it was.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.cache import cache_errors, cache_folder
from wordsight.base.config import to_dict
from wordsight.base.errors import FormatError
from wordsight.base.failures import list_failures
from wordsight.base.files import plain_name, sha256_bytes, write_json
from wordsight.base.nouns import Result
from wordsight.base.progress import notice
from wordsight.base.records import write_results
from wordsight.base.value import Value
from wordsight.data.labels import notice_numbers
from wordsight.data.source import Columns, Source, open_source
from wordsight.data.source_files import split_named_by
from wordsight.embeddings.bulk import BulkOptions, embed_source
from wordsight.embeddings.model import Model
from wordsight.embeddings.store import DamagedStore, Store, open_store
from wordsight.evaluate.adapters import TipAdapter, choose_blend, learn_keys
from wordsight.evaluate.classes_file import LearnedClasses, write_classes
from wordsight.evaluate.linear import Labelled, choose_strength, fit_linear
from wordsight.evaluate.metrics import bootstrap_interval
from wordsight.train.probe_recipe import CLASSES, CONFIG, ProbeConfig, ProbeData, check_out

Setting = dict[str, Value]
KEPT = 2  # version of what is kept of a source; of 1 it is not known which samples failed
SAME = 1e-5  # difference of numbers of one image's embeddings, computed among other images
BLOCK = 1024  # test images compared together
MOST_LEARNED = 4000  # few images whose keys are learned: the work grows with their square


@dataclass(frozen=True, slots=True)
class LabelledSource:
    """The embeddings of a source's images that have a class, with keys and class names."""

    name: str
    embeddings: NDArray[np.float32]
    keys: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """The images of a probe: `learned` from, `chosen` by, `test`ed on; `names` are the classes."""

    name: str
    names: tuple[str, ...]
    learned: Labelled
    chosen: Labelled
    test: Labelled


@dataclass(frozen=True, slots=True)
class Probe:
    """What came out: the file of classes, and the results in the order of the table."""

    classes: Path
    results: list[Result]


def learn_probe(model: Model, config: ProbeConfig) -> Probe:
    """Measure zero-shot, few-shot and linear on the same test images, and save the linear classifier."""
    out = Path(config.out)
    check_out(out)
    parts = split(config.data, model)
    names = model.embed_classes(parts.names, config.probe.templates)
    logits = _Names(names, model.scale)
    results = [_result(parts, "zero-shot", logits.right(parts.test), {"templates": config.probe.templates})]
    for shots in _possible(config.shots, parts):
        results += _few_shot(parts, logits, config, shots)
    strength = choose_strength(parts.learned, parts.chosen, classes=len(parts.names))
    everything = parts.learned.also(parts.chosen)
    linear = fit_linear(everything, classes=len(parts.names), strength=strength)
    right = linear.scores(parts.test.embeddings).argmax(axis=1) == parts.test.labels
    results.append(_result(parts, "linear", right, {"images": len(everything), "strength": f"{strength:.3g}"}))
    write_classes(out / CLASSES, LearnedClasses(parts.names, linear, model.fingerprint))
    write_json(out / CONFIG, to_dict(config))
    return Probe(out / CLASSES, write_results(out / "results.jsonl", results, fingerprint=model.fingerprint))


@dataclass(frozen=True, slots=True)
class _Names:
    """The embeddings of the class names (C, E), and what cosines with them are multiplied by."""

    embeddings: NDArray[np.float32]
    scale: float

    def of(self, rows: Labelled) -> NDArray[np.float32]:
        """Return logits (N, C)."""
        logits: NDArray[np.float32] = self.scale * (rows.embeddings @ self.embeddings.T)
        return logits

    def right(self, rows: Labelled) -> NDArray[np.bool_]:
        """Return which rows the names alone give their own class, (N,)."""
        right: NDArray[np.bool_] = self.of(rows).argmax(axis=1) == rows.labels
        return right


def split(data: ProbeData, model: Model) -> Parts:
    """Embed the images and split them, each class for itself, by the hashes of their keys."""
    with split_named_by("data.split="):
        first = _labelled(data, data.root, data.split, model)
    apart = data.test is not None or data.test_split is not None
    with split_named_by("data.test_split="):
        tested = _labelled(data, data.test or data.root, data.test_split, model) if apart else None
    names = tuple(sorted(set(first.labels)))
    if len(names) < 2:
        raise FormatError(f"{first.name} has one class only, {names[0]!r}", cure="give images of a second class")
    unknown = sorted(set(tested.labels) - set(names)) if tested else []
    if unknown:
        raise FormatError(f"class {unknown[0]!r} is only in the test images", cure="give images to learn it from")
    notice_numbers(names, first.name)
    rows = Labelled(first.embeddings, np.array([names.index(label) for label in first.labels]))
    left, test = _without_some(rows.labels, first.keys, data.held_out) if not tested else (np.arange(len(rows)), None)
    learned, chosen = _without_some(rows.labels[left], [first.keys[i] for i in left], data.held_out)
    if tested:
        test_rows = Labelled(tested.embeddings, np.array([names.index(label) for label in tested.labels]))
        _notice_seen(first, tested)
    else:
        assert test is not None
        test_rows = rows.of(test)
    if not len(chosen) or not len(test_rows):
        raise FormatError(
            f"{first.name} has {len(rows)} images of {len(names)} classes: too few to hold some out",
            cure="give more images a class, or a larger data.held_out",
        )
    return Parts(first.name, names, rows.of(left[learned]), rows.of(left[chosen]), test_rows)


def _notice_seen(first: LabelledSource, tested: LabelledSource) -> None:
    """Say how many test images have the embedding of one that is learned from, and so are the same."""
    count = 0
    for start in range(0, len(tested.keys), BLOCK):
        block = tested.embeddings[start : start + BLOCK]
        nearest = first.embeddings[(block @ first.embeddings.T).argmax(axis=1)]
        count += int((np.abs(block - nearest).max(axis=1) < SAME).sum())
    if count:
        notice(
            f"{count:,} of {len(tested.keys):,} test images of {tested.name} are also learned from, in {first.name}, "
            "so the results say little about new images"
        )


def _without_some(
    labels: NDArray[np.int64], keys: Sequence[str], share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which rows stay, and which are held out: the share of each class whose keys have the lowest hashes."""
    held_out: list[int] = []
    for label in np.unique(labels):
        rows: list[int] = np.flatnonzero(labels == label).tolist()
        mine = sorted(rows, key=lambda row: sha256_bytes(keys[row].encode(errors="replace")))
        held_out += mine[: min(round(share * len(mine)), len(mine) - 1)]
    out = np.array(sorted(held_out), dtype=np.int64)
    return np.setdiff1d(np.arange(len(labels)), out), out


def _labelled(data: ProbeData, location: str, part: str | None, model: Model) -> LabelledSource:
    """Return the embeddings of the images with a class; they are computed where the cache does not have them."""
    columns = Columns(image=data.image, label=data.label, key=data.key)
    source = open_source(location, split=part, kind=data.kind, columns=columns)
    precision = getattr(model.engine, "precision", "fp32")
    identity = sha256_bytes(f"{KEPT} {source.fingerprint()} {model.fingerprint} {precision}".encode())[:16]
    folder = cache_folder() / "features" / f"{plain_name(source.name, otherwise='source')}-{identity}"
    with cache_errors("features"):
        try:
            store = _embedded(model, source, folder)
        except DamagedStore as error:
            notice(f"{error.problem}: embedding {source.name} again")
            shutil.rmtree(folder)
            store = _embedded(model, source, folder)
    failures = [failure["error"] for failure in store.failures()]
    if failures:
        list_failures(failures, folder / "failures.jsonl", written=True)
    keys, embeddings = store.keys("image"), store.embeddings("image")
    labels = _labels(source, store)
    known = [row for row, label in enumerate(labels) if label is not None]
    if not known:
        raise FormatError(
            f"{source.name} has no images with a class",
            cure="put the images into a folder for each class, or name the column with data.label=",
        )
    if len(known) < len(keys):
        notice(f"{source.name}: {len(keys) - len(known)} of {len(keys)} images have no class and are left out")
    own = Path(location).resolve().name if Path(location).is_dir() else source.name.split("/")[0]
    return LabelledSource(own, embeddings[known], tuple(keys[i] for i in known), tuple(str(labels[i]) for i in known))


def _embedded(model: Model, source: Source, folder: Path) -> Store:
    """Return the store of a source, computed where it is not there; one that is damaged is a `DamagedStore`."""
    embed_source(model, source, folder, BulkOptions(what="image"))
    store = open_store(folder, fingerprint=model.fingerprint)
    store.check("image")
    return store


def _labels(source: Source, store: Store) -> list[str | None]:
    """Return the class of each embedded image, found by its number in the source: several may have the same key."""
    keys: list[str | None] = []
    labels: list[str | None] = []
    for sample, embedded in zip_longest(source.samples(), store.embedded()):
        if embedded is not False:
            keys.append(None if sample is None or embedded is None else sample.key)
            labels.append(None if sample is None else sample.label)
    if keys != store.keys("image"):
        raise FormatError(f"{source.name} changed while it was read", cure="do it again")
    return labels


def _possible(shots: Sequence[int], parts: Parts) -> Iterator[int]:
    """Yield the numbers of images that some class has."""
    most = int(np.bincount(parts.learned.labels).max())
    for number in shots:
        if number <= most:
            yield number
        else:
            notice(f"no class has {number} images to learn from (most: {most}): few-shot-{number} is left out")


def _few_shot(parts: Parts, names: _Names, config: ProbeConfig, shots: int) -> list[Result]:
    """Return what adapters of `shots` images a class reach, averaged over draws: as they are, and with keys learned."""
    plain, learned = [], []
    for draw in range(config.probe.draws):
        few = parts.learned.of(_drawn(parts.learned.labels, shots, np.random.default_rng([config.seed, shots, draw])))
        adapter = choose_blend(TipAdapter(few, len(parts.names)), parts.chosen, names.of(parts.chosen))
        plain.append(adapter.scores(parts.test.embeddings, names.of(parts.test)).argmax(axis=1) == parts.test.labels)
        if len(few) <= MOST_LEARNED:
            moved = choose_blend(learn_keys(adapter, names.of(few)), parts.chosen, names.of(parts.chosen))
            learned.append(
                moved.scores(parts.test.embeddings, names.of(parts.test)).argmax(axis=1) == parts.test.labels
            )
    setting: Setting = {"shots": shots, "draws": config.probe.draws, "templates": config.probe.templates}
    ways = {f"few-shot-{shots}": plain, f"few-shot-{shots}-learned": learned}
    return [_result(parts, way, np.mean(right, axis=0), setting) for way, right in ways.items() if right]


def _drawn(labels: NDArray[np.int64], shots: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return `shots` rows of each class, all of a class with fewer."""
    rows = [generator.permutation(np.flatnonzero(labels == label))[:shots] for label in np.unique(labels)]
    return np.concatenate(rows)


def _result(parts: Parts, way: str, right: NDArray[np.generic], setting: Setting) -> Result:
    """Return the accuracy on the test images; `right` (N,) is 1 or 0, or a mean over draws."""
    chance = 1 / len(parts.names)
    return Result(
        name=f"{parts.name}/{way}/top-1",
        value=float(right.mean()),
        interval=bootstrap_interval(right),
        count=len(right),
        setting={"classes": len(parts.names), "chance": chance, **setting},
    )
