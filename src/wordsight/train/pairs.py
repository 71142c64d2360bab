"""The training pairs of a run: sources opened, images cached or streamed, the vocabulary learned from their texts."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wordsight.base.errors import ConfigError
from wordsight.base.progress import notice
from wordsight.data.cache import build_cache
from wordsight.data.labels import LabelTexts
from wordsight.data.source import Source, open_source
from wordsight.data.stream import ShardStream
from wordsight.text.learn import learn_merges
from wordsight.text.prompts import class_prompts, templates
from wordsight.text.tokenizer import ClipTokenizer
from wordsight.text.vocabulary import read_merges, size_of, write_merges
from wordsight.towers.spec import ModelSpec
from wordsight.train.config import DataConfig

MERGES = "merges.txt"


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a run learns from.  `sets` are what the loader takes, `weights` their shares."""

    names: tuple[str, ...]
    sources: tuple[Source, ...]
    sets: tuple[Any, ...]
    weights: tuple[float, ...]
    patterns: tuple[tuple[str, ...], ...]

    def fingerprints(self) -> dict[str, str]:
        """Return what names the content of each source."""
        return {name: source.fingerprint() for name, source in zip(self.names, self.sources, strict=True)}


def open_pairs(config: DataConfig) -> Pairs:
    """Open all sources of a recipe; images that are to be cached are decoded now, with a progress bar."""
    names, sources, sets, weights, patterns = [], [], [], [], []
    for name, source in config.sources.items():
        opened = open_source(Path(config.root) / source.place, split=source.split, kind=source.kind)
        images = _image_set(opened, config)
        source_templates = templates(source.templates) if source.templates else []
        names.append(name)
        sources.append(opened)
        sets.append(LabelTexts(images, source_templates, share=source.share) if source_templates else images)
        weights.append(float(len(images)) if source.weight is None else source.weight)
        patterns.append(tuple(source_templates))
    if sum(weights) <= 0:
        raise ConfigError("the weights of all sources are 0", cure="give one a weight above 0")
    return Pairs(tuple(names), tuple(sources), tuple(sets), tuple(weights), tuple(patterns))


def _image_set(source: Source, config: DataConfig) -> Any:
    if config.pictures == "cached":
        return build_cache(source, size=config.side, resize=config.resize)
    return ShardStream(source, size=config.side, resize=config.resize)


def all_texts(pairs: Pairs) -> Iterator[str]:
    """Yield every caption, and every prompt of every class as often as the class occurs, in a fixed order."""
    for source, patterns in zip(pairs.sources, pairs.patterns, strict=True):
        for sample in source.samples():
            yield from sample.texts
            if sample.label is not None and (patterns or not sample.texts):
                yield from class_prompts(sample.label, patterns[:1] or ["{}"])


def open_tokenizer(spec: ModelSpec, pairs: Pairs, folder: Path) -> tuple[ModelSpec, ClipTokenizer]:
    """Return the run's tokenizer and the spec that fits it.

    An own vocabulary is learned from the training texts when `folder` has no merges.txt yet; where they
    hold too little for the size asked for, it is smaller and the spec says so.
    """
    if spec.tokenizer.vocabulary == "own":
        if not (folder / MERGES).exists():
            notice(f"learning a vocabulary of {spec.tokenizer.vocabulary_size} entries")
            write_merges(folder / MERGES, learn_merges(all_texts(pairs), spec.tokenizer.vocabulary_size))
        size = size_of(read_merges(folder / MERGES))
        spec = replace(
            spec,
            tokenizer=replace(spec.tokenizer, vocabulary_size=size),
            text=replace(spec.text, vocabulary_size=size),
        )
    return spec, ClipTokenizer.from_spec(spec.tokenizer, folder)
