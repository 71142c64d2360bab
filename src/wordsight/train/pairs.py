"""The training pairs of a run: sources opened, images cached or streamed, the vocabulary learned from their texts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wordsight.base.errors import ConfigError, FormatError
from wordsight.base.failures import list_failures
from wordsight.base.files import atomic_write, sha256_bytes
from wordsight.base.nouns import Sample
from wordsight.base.progress import notice
from wordsight.data.balanced import BalancedSet, by_row, read_probabilities
from wordsight.data.cache import ImageCache, build_cache
from wordsight.data.labels import LabelTexts
from wordsight.data.portion import Portion
from wordsight.data.source import Columns, Source, open_source
from wordsight.data.source_files import split_named_by
from wordsight.data.stream import ShardStream
from wordsight.images.spec import PreprocessSpec
from wordsight.text.learn import learn_merges
from wordsight.text.open import Tokenizer, open_tokenizer
from wordsight.text.prompts import class_prompts, templates
from wordsight.text.vocabulary import read_merges, size_of, write_merges
from wordsight.towers.spec import ModelSpec
from wordsight.train.config import DataConfig, SourceConfig
from wordsight.train.held_out import Without, choose_held_out
from wordsight.weights.folder import vocabulary_file
from wordsight.weights.manifest import MERGES


@dataclass(frozen=True, slots=True)
class SourcePairs:
    """The pairs of one source: `images` with all its annotations, `drawn` is what the loader takes.

    The images with the keys `held_out` are kept from training, their texts from the vocabulary.
    """

    name: str
    source: Source
    images: Any
    drawn: Any
    weight: float
    templates: tuple[str, ...]
    prompt_list: str | None = None  # the name or file of the templates
    held_out: frozenset[str] = frozenset()
    balance: str = ""  # what names the probabilities, where pairs are drawn by some

    def learned(self) -> Iterator[Sample]:
        """Yield the samples that are trained on."""
        return (sample for sample in self.source.samples() if sample.key not in self.held_out)

    def validated(self) -> list[Sample]:
        """Return the samples that are held out."""
        return [sample for sample in self.source.samples() if sample.key in self.held_out] if self.held_out else []

    def fingerprint(self) -> str:
        """Return what names the content that is trained on."""
        held_out = sha256_bytes("\n".join(sorted(self.held_out)).encode("utf-8", "surrogatepass"))[:16]
        return "-".join(
            [self.source.fingerprint(), *([held_out] if self.held_out else []), *filter(None, [self.balance])]
        )

    def count(self) -> int:
        """Return how many images are trained on."""
        return sum(len(block) for block in self.drawn.blocks())


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a run learns from."""

    sources: tuple[SourcePairs, ...]

    def fingerprints(self) -> dict[str, str]:
        """Return what names the content of each source."""
        return {source.name: source.fingerprint() for source in self.sources}


def open_pairs(config: DataConfig, *, hold_out: bool, preprocess: PreprocessSpec | None = None) -> Pairs:
    """Open all sources of a recipe; images that are to be cached are decoded now, with a progress bar.

    Images are prepared as `config` says, or as for the model whose `preprocess` is given.
    With `hold_out` the share `config.held_out` of the images is kept from training.
    """
    if all(source.weight == 0 for source in config.sources.values()):
        raise ConfigError("the weights of all sources are 0", cure="give one a weight above 0")
    named = {name: templates(source.templates) for name, source in config.sources.items() if source.templates}
    sources = {name: _open(name, source, Path(config.root)) for name, source in config.sources.items()}
    images = {name: _image_set(source, config, preprocess) for name, source in sources.items()}
    cached = config.pictures == "cached"
    rows = (
        dict(zip(images, choose_held_out(list(images.values()), config.held_out), strict=True))
        if (hold_out and cached and config.held_out)
        else {}
    )
    opened = []
    for name, source in config.sources.items():
        patterns = tuple(named.get(name, ()))
        own = images[name]
        held_out = rows.get(name, ())
        learned = Without(own, rows[name]) if len(held_out) else own
        drawn = LabelTexts(learned, patterns, share=source.share) if patterns else learned
        count, balance = float(len(own)), ""
        if source.balance is not None:
            drawn, balance = _balanced(drawn, own, Path(config.root) / source.balance)
            count = float(drawn.by_row.sum())
        weight = count if source.weight is None else source.weight
        keys = frozenset(own.keys[row] for row in held_out)
        opened.append(SourcePairs(name, sources[name], own, drawn, weight, patterns, source.templates, keys, balance))
    return Pairs(tuple(opened))


def _balanced(drawn: Any, own: Any, path: Path) -> tuple[BalancedSet, str]:
    """Return a set whose rows are drawn with the probabilities of a file, and what names those."""
    if not isinstance(own, ImageCache):
        problem = f'data.pictures = "stream" with a balance of {own.name}'
        raise ConfigError(problem, cure='pack the pairs that were kept and name those shards, or use "cached"')
    balanced = BalancedSet(drawn, by_row(own, read_probabilities(path)))
    if not balanced.by_row.any():
        raise FormatError(f"{path} gives every image of {own.name} the probability 0", cure="balance by other entries")
    return balanced, sha256_bytes(balanced.by_row.tobytes())[:16]


def _open(name: str, source: SourceConfig, root: Path) -> Source:
    columns = Columns(image=source.image, captions=source.captions, label=source.label, key=source.key)
    with split_named_by(f"data.sources.{name}.split="):
        opened = open_source(root / source.place, split=source.split, kind=source.kind, columns=columns)
    return Portion(opened, source.portion) if source.portion < 1 else opened


def _image_set(source: Source, config: DataConfig, preprocess: PreprocessSpec | None) -> Any:
    if config.pictures == "cached":
        return build_cache(source, size=config.side, resize=config.resize, preprocess=preprocess)
    if isinstance(source, Portion):
        problem = f'data.pictures = "stream" with a portion of {source.name}'
        raise ConfigError(problem, cure='leave data.sources.NAME.portion out and name fewer shards, or use "cached"')
    images = ShardStream(source, size=config.side, resize=config.resize, preprocess=preprocess)
    list_failures(images.failures, None)
    return images


def all_texts(pairs: Pairs) -> Iterator[str]:
    """Yield every caption, and every prompt of every class as often as the class occurs, in a fixed order."""
    for source in pairs.sources:
        for sample in source.learned():
            yield from sample.texts
            if sample.label is not None and (source.templates or not sample.texts):
                yield from class_prompts(sample.label, source.templates[:1] or ["{}"])


def open_run_tokenizer(
    spec: ModelSpec, pairs: Pairs, folder: Path, files: Mapping[str, bytes] | None = None
) -> tuple[ModelSpec, Tokenizer]:
    """Return the run's tokenizer and the spec that fits it; what it needs is kept in the run's `folder`.

    `files` are those of the text tower that the run begins from.  Without any, an own vocabulary is learned from the
    training texts when `folder` has no merges.txt yet; where they hold too little for the size asked for, it is
    smaller and the spec says so.
    """
    name = vocabulary_file(spec.tokenizer)
    if files is not None:
        for file, content in files.items():
            with atomic_write(folder / file) as handle:
                handle.write(content)
    elif name == MERGES:
        spec = _learned_vocabulary(spec, pairs, folder)
    elif name is not None:
        cure = 'name the text tower that it belongs to (model.text.init), or set tokenizer.kind = "clip-bpe"'
        raise ConfigError(f"a tokenizer of kind {spec.tokenizer.kind!r} is not learned here", cure=cure)
    return spec, open_tokenizer(spec.tokenizer, folder)


def _learned_vocabulary(spec: ModelSpec, pairs: Pairs, folder: Path) -> ModelSpec:
    if not (folder / MERGES).exists():
        notice(f"learning a vocabulary of {spec.tokenizer.vocabulary_size} entries")
        write_merges(folder / MERGES, learn_merges(all_texts(pairs), spec.tokenizer.vocabulary_size))
    size = size_of(read_merges(folder / MERGES))
    tokenizer = replace(spec.tokenizer, vocabulary_size=size)
    return replace(spec, tokenizer=tokenizer, text=replace(spec.text, vocabulary_size=size))


def tokenizer_files(spec: ModelSpec, folder: Path) -> dict[str, bytes]:
    """Return the tokenizer's files of a run, by their names in a model folder."""
    name = vocabulary_file(spec.tokenizer)
    return {} if name is None else {name: (folder / name).read_bytes()}
