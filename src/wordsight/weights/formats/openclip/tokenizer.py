"""Which tokenizer belongs to an open_clip model, and its files, to ours and back.

    tokenizer, files = read_tokenizer(files, config.model.text_cfg, text_spec)
    text_cfg, files = write_tokenizer(checkpoint)

CLIP's own vocabulary is in neither; every other comes as the `tokenizer.json` beside the weights, one learned here too.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.progress import notice
from wordsight.base.reading import read_file
from wordsight.text.spec import Cleaning, TokenizerSpec
from wordsight.towers.families import text_family
from wordsight.towers.tower_spec import TextTowerSpec
from wordsight.towers.transformers.spec import TransformersTextSpec
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.openclip.config import TextCfg
from wordsight.weights.formats.tokenizers import clip_bpe
from wordsight.weights.formats.tokenizers.checkpoint_tokenizer import MERGES, NEEDED, TOKENIZER_JSON
from wordsight.weights.formats.tokenizers.tokenizer_json import padding_side, token_ids, token_text

CLEANINGS: dict[str, Cleaning] = {"lower": "clip", "canonicalize": "canonical", "whitespace": "whitespace"}
CLIP_SIZE = 49408
SIGLIP_SIZES = (32000, 250000)  # of SigLIP's vocabularies, which fill up with their end token
PADS = ("<pad>", "[PAD]", "</s>")  # what tokenizers call their padding, where no file says it
SETTINGS = "tokenizer_config.json"


def read_tokenizer(
    files: CheckpointFiles, cfg: TextCfg, text: TextTowerSpec, assumed: list[str] | None = None
) -> tuple[TokenizerSpec, dict[str, bytes]]:
    """Return the tokenizer's spec and files; what no file says is added to `assumed`.

    A vocabulary other than CLIP's without `tokenizer.json` is a `NotFound`.
    """
    options = dict(cfg.tokenizer_kwargs or {})
    named = bool(cfg.hf_tokenizer_name or cfg.hf_model_name)
    clean = options.pop("clean", "whitespace" if named else "lower")
    strip = bool(options.pop("strip_sep_token", False))
    if clean not in CLEANINGS or options or cfg.tokenizer_mode not in (None, "", "clips"):
        unknown = {"clean": clean, **options, "tokenizer_mode": cfg.tokenizer_mode}
        raise FormatError(f"tokenizer settings {unknown} in {files.folder}", cure="no published model has them")
    spec = TokenizerSpec(
        vocabulary_size=text.vocabulary_size,
        context_length=text.context_length,
        cleaning=CLEANINGS[clean],
        padding=padding(text),
    )
    if not named:
        if text.vocabulary_size != CLIP_SIZE:
            raise FormatError(
                f"the text tower of {files.path} has {text.vocabulary_size} tokens and no tokenizer is named",
                cure="CLIP's vocabulary has 49408; give the open_clip_config.json and tokenizer.json that belong to it",
            )
        return spec, {}
    path = files.file(TOKENIZER_JSON)
    if path is None:
        raise NotFound(
            f"{files.folder} has no {TOKENIZER_JSON}, which the text tower needs",
            cure=f"put the one of {cfg.hf_tokenizer_name or cfg.hf_model_name} there",
        )
    data = read_file(path)
    whole, settings = json.loads(data), files.json(SETTINGS) or {}
    vocabulary = token_ids(whole)
    spec = replace(spec, kind="tokenizers", padding_side=padding_side(settings, whole))
    spec = replace(spec, pad_id=_pad(vocabulary, settings, spec, text=text, assumed=assumed))
    if strip:
        spec = replace(spec, blank_id=vocabulary.get(token_text(settings.get("sep_token")) or "[SEP]"))
    if cfg.tokenizer_mode == "clips":
        start, end, last = (vocabulary.get(token_text(settings.get(f"{name}_token"))) for name in ("bos", "eos", "cls"))
        spec = replace(spec, start_id=start, end_id=end, last_id=last)
    return spec, {TOKENIZER_JSON: data}


def _pad(
    vocabulary: Mapping[str, int],
    settings: Mapping[str, Any],
    spec: TokenizerSpec,
    *,
    text: TextTowerSpec,
    assumed: list[str] | None,
) -> int:
    """Return the number of what fills up short texts; where no file states it, that is reported."""
    if isinstance(text, TransformersTextSpec):
        return text.pad_id  # by which the tower knows what is no text
    pad_token = token_text(settings.get("pad_token"))
    if pad_token in vocabulary:
        return vocabulary[pad_token]
    siglip = spec.cleaning == "canonical" and spec.vocabulary_size in SIGLIP_SIZES
    usual = next((word for word in (("</s>", *PADS) if siglip else PADS) if word in vocabulary), "")
    pad = vocabulary.get(usual, 0)
    if assumed is not None:
        assumed.append(
            f"that token {pad} ({usual or 'the first'}) fills up short texts, as no {SETTINGS} says; "
            "to say otherwise: wordsight convert FILE DIR --to wordsight --set tokenizer.pad_id=N"
        )
    return pad


def padding(text: TextTowerSpec) -> Any:
    """Return "full" for towers that read what stands behind the text, "longest" for the others."""
    return "full" if text_family(text).reads_padding(text, TokenizerSpec()) else "longest"


def write_tokenizer(checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the fields of `text_cfg` that name the tokenizer, and the files to put beside the weights."""
    spec = checkpoint.spec.tokenizer
    cleaning = {ours: theirs for theirs, ours in CLEANINGS.items()}
    if spec.kind == "clip-bpe" and spec.cleaning == "nfc":  # transformers' CLIPTokenizer, whose ids are the same
        notice("open_clip's tokenizer also mends broken text and HTML signs, which this model's does not", once=True)
        cleaning["nfc"] = "lower"
    if spec.cleaning not in cleaning:
        raise UsageError(f'open_clip has no cleaning "{spec.cleaning}" of texts', cure="choose another format")
    clean = cleaning[spec.cleaning]
    if spec.kind == "clip-bpe" and spec.vocabulary == "clip":
        return ({} if clean == "lower" else {"tokenizer_kwargs": {"clean": clean}}), {}
    own, pad = spec.kind == "clip-bpe", spec.pad_id
    data = _own_file(checkpoint.tokenizer_files) if own else checkpoint.tokenizer_files.get(TOKENIZER_JSON)
    if own and spec.padding == "longest":  # nothing reads it, and a sign such as "!" (0) would be taken out of texts
        pad = spec.vocabulary_size - 1
    if spec.kind == "sentencepiece" or data is None:
        raise UsageError(
            f'open_clip has no place for tokenizer.kind = "{spec.kind}" with vocabulary = "{spec.vocabulary}"',
            cure="choose another format",
        )
    options: dict[str, Any] = {} if clean == "whitespace" else {"clean": clean}
    names = {number: word for word, number in token_ids(json.loads(data)).items()}
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": names[pad]}
    if spec.padding_side == "left":
        settings["padding_side"] = "left"
    if spec.blank_id is not None:
        options["strip_sep_token"] = True
        settings["sep_token"] = names[spec.blank_id]
    cfg: dict[str, Any] = {"hf_tokenizer_name": checkpoint.spec.name}
    if spec.last_id is not None and spec.start_id is not None and spec.end_id is not None:
        cfg["tokenizer_mode"] = "clips"
        numbers = {"bos_token": spec.start_id, "eos_token": spec.end_id, "cls_token": spec.last_id}
        settings |= {name: names[number] for name, number in numbers.items()}
    elif (spec.start_id, spec.end_id, spec.last_id) != (None, None, None):
        raise UsageError(
            "open_clip takes start and end of a text from the tokenizer's file", cure="choose another format"
        )
    if options:
        cfg["tokenizer_kwargs"] = options
    return cfg, {TOKENIZER_JSON: data, SETTINGS: json.dumps(settings, indent=2).encode()}


def _own_file(files: Mapping[str, bytes]) -> bytes:
    """Return the `tokenizer.json` of a vocabulary learned here; without its merges a `UsageError`."""
    if MERGES not in files:
        raise UsageError(f"this model came without its {MERGES}", cure=NEEDED)
    return clip_bpe.own_file(clip_bpe.read_merges_text(files[MERGES], where=MERGES))
