"""The tokenizer files that transformers reads, for a `TokenizerSpec` and the files of a checkpoint.

    files = tokenizer_files(spec, checkpoint.tokenizer_files, "clip")    # file name -> content

Cleaning that transformers' classes cannot do is reported: such texts get other tokens there.  Free of PyTorch.
"""

import json
from collections.abc import Mapping
from typing import Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.json_faults import fault_of
from wordsight.base.progress import notice
from wordsight.text.spec import TokenizerSpec
from wordsight.towers.spec import ModelSpec
from wordsight.weights.formats.huggingface.layers import Layout
from wordsight.weights.formats.tokenizers import clip_bpe as bpe
from wordsight.weights.formats.tokenizers.checkpoint_tokenizer import MERGES, NEEDED, SENTENCEPIECE, TOKENIZER_JSON
from wordsight.weights.formats.tokenizers.sentencepiece import piece_ids

Values = dict[str, Any]

_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
_SAME = {  # cleanings that transformers' own class for the kind does too
    "clip-bpe": ("nfc",),
    "tokenizers": ("none", "lower"),
    "sentencepiece": ("siglip",),
}


def tokenizer_files(spec: ModelSpec, files: Mapping[str, bytes], layout: Layout) -> dict[str, bytes]:
    """Return every tokenizer file by name; a checkpoint that lacks its tokenizer's file is a `UsageError`."""
    tokens = spec.tokenizer
    if tokens.last_id is not None or tokens.blank_id is not None:
        raise UsageError("this tokenizer puts tokens where no transformers class does", cure="choose another format")
    if tokens.cleaning not in _SAME[tokens.kind]:
        notice(
            f"texts are cleaned as {tokens.cleaning!r} here; transformers' tokenizer does less or more, which shows in "
            "unusual texts",
            once=True,
        )
    if tokens.kind == "clip-bpe":
        files, config = _byte_pairs(tokens, files)
    elif tokens.kind == "sentencepiece":
        files, config = _sentencepiece(tokens, files)
    else:
        files, config = _carried(tokens, files, layout)
    config["model_max_length"] = tokens.context_length
    config["padding_side"] = tokens.padding_side
    if layout != "clip":  # no mask, so that padding is seen, as SigLIP was trained
        config["model_input_names"] = ["input_ids"]
    special: Values = {name: token for name, token in config.items() if name in _SPECIAL}
    return files | {
        "tokenizer_config.json": bpe.as_bytes(config),
        "special_tokens_map.json": bpe.as_bytes(special),
    }


def _byte_pairs(tokens: TokenizerSpec, files: Mapping[str, bytes]) -> tuple[dict[str, bytes], Values]:
    if tokens.vocabulary == "clip":
        merges = bpe.published_merges()
    else:
        merges = bpe.read_merges_text(_file(files, MERGES), where=MERGES)
    ids = bpe.clip_vocabulary(merges)
    names = {number: token for token, number in ids.items()}
    files = {
        "vocab.json": bpe.as_bytes(ids),
        MERGES: f"{bpe.VERSION}\n".encode() + bpe.merges_text(merges),
        TOKENIZER_JSON: bpe.as_bytes(bpe.clip_file(ids, merges)),
    }
    # transformers takes the padding token out of texts as a special one, even "!" (0): only where padding is read
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": bpe.START,
        "eos_token": bpe.END,
        "unk_token": bpe.END,
        "pad_token": bpe.END if tokens.padding == "longest" else names.get(tokens.pad_id, bpe.END),
    }
    return files, config


def _sentencepiece(tokens: TokenizerSpec, files: Mapping[str, bytes]) -> tuple[dict[str, bytes], Values]:
    data = _file(files, SENTENCEPIECE)
    names = {number: piece for piece, number in piece_ids(data).items()}
    if tokens.end_id is None or tokens.start_id is not None:
        raise UsageError("transformers' SiglipTokenizer ends texts, and begins none", cure="choose another format")
    config = {
        "tokenizer_class": "SiglipTokenizer",
        "eos_token": names[tokens.end_id],
        "pad_token": names[tokens.pad_id],
        "unk_token": "<unk>",
        "do_lower_case": tokens.cleaning != "none",
    }
    return {SENTENCEPIECE: data}, config


def _carried(tokens: TokenizerSpec, files: Mapping[str, bytes], layout: Layout) -> tuple[dict[str, bytes], Values]:
    try:
        whole = json.loads(_file(files, TOKENIZER_JSON))
    except ValueError as error:
        raise FormatError(f"{TOKENIZER_JSON} is not JSON: {fault_of(error)}", cure="restore the file") from None
    names = _names(whole)
    if tokens.cleaning == "lower":
        steps = [{"type": "Lowercase"}] + ([whole["normalizer"]] if whole.get("normalizer") else [])
        whole["normalizer"] = {"type": "Sequence", "normalizers": steps}
    around = {
        name: names[number] for name, number in (("bos", tokens.start_id), ("eos", tokens.end_id)) if number is not None
    }
    if around:
        whole["post_processor"] = _template(around, {token: number for number, token in names.items()})
    config = {
        "tokenizer_class": "Siglip2Tokenizer" if layout == "siglip2" else "PreTrainedTokenizerFast",
        "pad_token": names.get(tokens.pad_id, ""),
        **{f"{name}_token": token for name, token in around.items()},
    }
    unknown = whole.get("model", {}).get("unk_token")
    if isinstance(unknown, str):
        config["unk_token"] = unknown
    return {TOKENIZER_JSON: bpe.as_bytes(whole)}, config


def _template(around: Mapping[str, str], ids: Mapping[str, int]) -> Values:
    """Return the post-processor that puts these tokens around a text."""
    text = [{"Sequence": {"id": "A", "type_id": 0}}]
    before = [{"SpecialToken": {"id": around["bos"], "type_id": 0}}] if "bos" in around else []
    after = [{"SpecialToken": {"id": around["eos"], "type_id": 0}}] if "eos" in around else []
    single: list[Values] = [*before, *text, *after]
    special = {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in around.values()}
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def _names(whole: Values) -> dict[int, str]:
    """Return the token of each id of a `tokenizer.json`."""
    entries = whole.get("model", {}).get("vocab", {})
    if isinstance(entries, list):
        names = {number: entry[0] for number, entry in enumerate(entries)}
    else:
        names = {number: token for token, number in entries.items()}
    return names | {entry["id"]: entry["content"] for entry in whole.get("added_tokens", [])}


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise UsageError(f"this model came without its {name}", cure=NEEDED)
    return files[name]
