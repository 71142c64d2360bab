"""BERT's tokenizer as transformers' folders hold it: `tokenizer.json`, or in older ones `vocab.txt` alone.

    tokenizer = read_bert_tokenizer(files, size=21128, context_length=52)
    files = bert_files(checkpoint)

Free of PyTorch and of the package `tokenizers`: a `vocab.txt` becomes the `tokenizer.json` that says the same.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, NotFound, UsageError
from wordsight.base.reading import read_file
from wordsight.text.spec import TokenizerSpec
from wordsight.text.wordpiece import FILE, LONGEST_WORD, read_list
from wordsight.weights.checkpoint import Checkpoint
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.tokenizers.checkpoint_tokenizer import TOKENIZER_JSON, CheckpointTokenizer
from wordsight.weights.formats.tokenizers.clip_bpe import as_bytes
from wordsight.weights.formats.tokenizers.tokenizer_json import token_ids, token_text

SETTINGS = "tokenizer_config.json"
SPECIALS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}


def read_bert_tokenizer(files: CheckpointFiles, *, size: int, context_length: int) -> CheckpointTokenizer:
    """Return the tokenizer of a folder; `size` is the number of tokens that the text tower has.

    A folder without one is a `NotFound`, one that does not fit the tower a `FormatError`.
    """
    settings = files.json(SETTINGS) or {}
    names = {part: token_text(settings.get(f"{part}_token")) or usual for part, usual in SPECIALS.items()}
    path = files.file(TOKENIZER_JSON)
    if path is not None:
        data = read_file(path)
        ids = _ids(data, str(path))
    else:
        data = _from_list(files, settings, names, size)
        ids = _ids(data, TOKENIZER_JSON)
    if names["pad"] not in ids:
        raise FormatError(
            f"{names['pad']} is no token of the tokenizer in {files.folder}", cure="fetch the model again"
        )
    if max(ids.values()) >= size:
        raise FormatError(
            f"the tokenizer in {files.folder} has ids up to {max(ids.values())}, the text tower has {size} tokens",
            cure="restore the file that belongs to the model",
        )
    spec = TokenizerSpec(
        kind="tokenizers",
        vocabulary_size=size,
        context_length=context_length,
        cleaning="none",
        pad_id=ids[names["pad"]],
    )
    return CheckpointTokenizer(spec, {TOKENIZER_JSON: data})


def bert_files(checkpoint: Checkpoint) -> dict[str, bytes]:
    """Return the tokenizer files that transformers reads; a checkpoint with another tokenizer is a `UsageError`."""
    spec = checkpoint.spec.tokenizer
    data = checkpoint.tokenizer_files.get(TOKENIZER_JSON)
    if spec.kind != "tokenizers" or data is None or spec.cleaning != "none":
        raise UsageError(
            f'tokenizer.kind = "{spec.kind}" with tokenizer.cleaning = "{spec.cleaning}" is no BERT tokenizer',
            cure="choose another format",
        )
    whole = json.loads(data)
    ids = _ids(data, TOKENIZER_JSON)
    tokens = {part: word for part, word in SPECIALS.items() if word in ids}
    tokens["pad"] = next(word for word, number in ids.items() if number == spec.pad_id)
    settings: dict[str, Any] = {f"{part}_token": word for part, word in tokens.items()}
    normalizer = whole.get("normalizer") or {}
    settings |= {
        "tokenizer_class": "BertTokenizer" if normalizer.get("type") == "BertNormalizer" else "PreTrainedTokenizerFast",
        "model_max_length": spec.context_length,
        "do_lower_case": bool(normalizer.get("lowercase", False)),
    }
    return {TOKENIZER_JSON: data, SETTINGS: as_bytes(settings)}


def lines_of(path: Path, data: bytes, needed: Iterable[str], *, rows: int) -> dict[str, int]:
    """Return token to id of a `vocab.txt`, which has the `needed` tokens and a line for each row of the tower's table.

    Another is a `FormatError`: a line that is gone or too many gives all tokens behind it the rows of others.
    """
    ids = read_list(data, where=str(path))
    missing = [token for token in needed if token not in ids]
    if missing:
        raise FormatError(f"{path} has no {', '.join(missing)}", cure="fetch the model again")
    if len(ids) != rows:
        spare = "; where the tower's last rows are spare, add lines [unused1], [unused2]..." if len(ids) < rows else ""
        raise FormatError(
            f"{path} has {len(ids)} lines, the token table of the text tower {rows} rows",
            cure=f"restore the file that belongs to the model{spare}",
        )
    return ids


def _from_list(files: CheckpointFiles, settings: Mapping[str, Any], names: Mapping[str, str], rows: int) -> bytes:
    """Return the `tokenizer.json` that says what `vocab.txt` and the settings say."""
    path = files.file(FILE)
    if path is None:
        raise NotFound(
            f"{files.folder} has neither {TOKENIZER_JSON} nor {FILE}",
            cure="put the tokenizer's file beside the weights",
        )
    ids = lines_of(path, read_file(path), names.values(), rows=rows)
    lower = bool(settings.get("do_lower_case", True))
    special = [
        {"id": ids[word], "content": word, "special": True, "normalized": False}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
        for word in sorted(names.values(), key=ids.__getitem__)
    ]
    ends = {part: {"SpecialToken": {"id": names[part], "type_id": 0}} for part in ("cls", "sep")}
    text = [{"Sequence": {"id": name, "type_id": kind}} for name, kind in (("A", 0), ("B", 1))]
    second = {"SpecialToken": {"id": names["sep"], "type_id": 1}}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": bool(settings.get("tokenize_chinese_chars", True)),
            "strip_accents": settings.get("strip_accents"),
            "lowercase": lower,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [ends["cls"], text[0], ends["sep"]],
            "pair": [ends["cls"], text[0], ends["sep"], text[1], second],
            "special_tokens": {
                names[part]: {"id": names[part], "ids": [ids[names[part]]], "tokens": [names[part]]}
                for part in ("cls", "sep")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": names["unk"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": LONGEST_WORD,
            "vocab": ids,
        },
    }
    return as_bytes(whole)


def _ids(data: bytes, where: str) -> dict[str, int]:
    """Return token to id of a `tokenizer.json`, the added ones included."""
    try:
        return token_ids(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{where} holds no tokens: {error}", cure="fetch the model again") from None
