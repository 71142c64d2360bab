"""A text encoder's tokenizer in a folder of transformers: WordPiece from a `vocab.txt`, where it is BERT's.

    tokenizer = read_text_tokenizer(files, size=30522, context_length=256)

A `tokenizer.json` of BERT's usual parts becomes the `vocab.txt` and the settings that say the same, which no package is
needed for; another is kept, and read by the package `tokenizers`.  Where there is none, `vocab.txt` lies there.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from wordsight.base.errors import FormatError
from wordsight.base.reading import read_file
from wordsight.text.spec import TokenizerSpec
from wordsight.text.wordpiece import END, FILE, INSIDE, LONGEST_WORD, SPECIALS, START, UNKNOWN
from wordsight.weights.checkpoint_files import CheckpointFiles
from wordsight.weights.formats.tokenizers.bert import SETTINGS, lines_of, read_bert_tokenizer
from wordsight.weights.formats.tokenizers.checkpoint_tokenizer import TOKENIZER_JSON, CheckpointTokenizer
from wordsight.weights.json_fields import JsonFields

PAD = SPECIALS[0]
_PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
_MODEL = {"type": "WordPiece", "unk_token": UNKNOWN, "continuing_subword_prefix": INSIDE}


def read_text_tokenizer(files: CheckpointFiles, *, size: int, context_length: int) -> CheckpointTokenizer:
    """Return the tokenizer of a folder; `size` is the number of tokens that the tower has.

    A folder without one is a `NotFound`, one that does not fit the tower a `FormatError`.
    """
    whole = files.json(TOKENIZER_JSON)
    path = files.file(FILE)
    spec = TokenizerSpec("wordpiece", vocabulary_size=size, context_length=context_length, cleaning="none")
    if whole is None and path is not None:
        settings = JsonFields(files.json(SETTINGS) or {}, f"{SETTINGS} of {files.folder}")
        data = read_file(path)
        ids = lines_of(path, data, SPECIALS, rows=size)
        spec = _with_settings(spec, settings, {"lower": "do_lower_case", "chinese": "tokenize_chinese_chars"})
    elif whole is not None and _is_usual(whole):
        normalizer = JsonFields(whole["normalizer"], f"{TOKENIZER_JSON} of {files.folder}")
        ids = whole["model"]["vocab"]
        data = "".join(f"{token}\n" for token in sorted(ids, key=ids.__getitem__)).encode()
        spec = _with_settings(spec, normalizer, {"lower": "lowercase", "chinese": "handle_chinese_chars"})
    else:
        return read_bert_tokenizer(files, size=size, context_length=context_length)
    if len(ids) > size:
        raise FormatError(
            f"the tokenizer in {files.folder} has {len(ids)} tokens, the text tower has {size}",
            cure="restore the file that belongs to the model",
        )
    spec = replace(spec, pad_id=ids[PAD], start_id=ids[START], end_id=ids[END])
    return CheckpointTokenizer(spec, {FILE: data})


def _with_settings(spec: TokenizerSpec, fields: JsonFields, names: Mapping[str, str]) -> TokenizerSpec:
    stated = fields.values.get("strip_accents") is not None
    return replace(
        spec,
        lower_case=fields.flag(names["lower"], default=True),
        strip_accents=fields.flag("strip_accents", default=True) if stated else None,
        split_chinese=fields.flag(names["chinese"], default=True),
    )


def _is_usual(whole: Mapping[str, Any]) -> bool:
    """Does a `tokenizer.json` say what `WordPieceTokenizer` does, but for the settings that it has?"""
    model, normalizer = whole.get("model") or {}, whole.get("normalizer") or {}
    ids = model.get("vocab")
    if (
        not isinstance(ids, dict)
        or {*ids.values()} != {*range(len(ids))}
        or any("\n" in token or token.endswith("\r") for token in ids)
    ):
        return False
    usual = _MODEL | {"max_input_chars_per_word": LONGEST_WORD}
    added = {one["content"]: one for one in whole.get("added_tokens", [])}
    return (
        all(model.get(name, value) == value for name, value in usual.items())
        and normalizer.get("type") == "BertNormalizer"
        and bool(normalizer.get("clean_text"))
        and (whole.get("pre_tokenizer") or {}).get("type") == "BertPreTokenizer"
        and set(added) == {*SPECIALS}
        and all(one == {**_PLAIN, "id": ids.get(token), "content": token} for token, one in added.items())
        and _surrounds(whole.get("post_processor") or {})
    )


def _surrounds(processor: Mapping[str, Any]) -> bool:
    """Does it put [CLS] before a text and [SEP] behind?"""
    if processor.get("type") == "BertProcessing":
        return (processor["cls"][0], processor["sep"][0]) == (START, END)
    single = [json.dumps(part, sort_keys=True) for part in processor.get("single", [])]
    return len(single) == 3 and f'"{START}"' in single[0] and '"Sequence"' in single[1] and f'"{END}"' in single[2]
