"""CLIP's byte pairs in the files of transformers: `merges.txt`, `vocab.json`, `tokenizer.json`.

    merges = published_merges()
    files = {"merges.txt": merges_text(merges), "vocab.json": as_bytes(clip_vocabulary(merges))}

Knows the forms, not where the files lie.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wordsight.base.errors import FormatError
from wordsight.text.bytepairs import END_OF_WORD, SIGN_OF_ID
from wordsight.text.vocabulary import Merge, published_vocabulary

Values = dict[str, Any]

START, END = "<|startoftext|>", "<|endoftext|>"
VERSION = "#version: 0.2"  # the first line of transformers' merge lists
# how transformers' CLIPTokenizer cuts a text into pre-tokens (tokenization_clip.py, 5.23)
_SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def published_merges() -> list[Merge]:
    """Return CLIP's merges as printable parts."""
    tokens = [*SIGN_OF_ID, *(sign + END_OF_WORD for sign in SIGN_OF_ID)]
    merges = []
    for left, right in published_vocabulary().pairs:
        merges.append((tokens[left], tokens[right]))
        tokens.append(tokens[left] + tokens[right])
    return merges


def clip_vocabulary(merges: list[Merge]) -> dict[str, int]:
    """Return the ids that CLIP's order gives: bytes, bytes that end a word, merges, start, end."""
    tokens = [*SIGN_OF_ID, *(sign + END_OF_WORD for sign in SIGN_OF_ID), *(left + right for left, right in merges)]
    return {token: number for number, token in enumerate([*tokens, START, END])}


def own_file(merges: list[Merge]) -> bytes:
    """Return the `tokenizer.json` of byte pairs in CLIP's order."""
    return as_bytes(clip_file(clip_vocabulary(merges), merges))


def merges_text(merges: list[Merge]) -> bytes:
    """Return the content of our `merges.txt`."""
    return "".join(f"{left} {right}\n" for left, right in merges).encode()


def read_merges_text(data: bytes, *, where: str) -> list[Merge]:
    """Return the merges of a `merges.txt` with or without transformers' first line."""
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError(f"{where} is not text: {error}", cure="restore the file") from None
    merges = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        parts = line.rstrip("\r").split(" ")
        if len(parts) != 2:
            raise FormatError(f"{where} line {number}: {line!r} is not two parts", cure="restore the file")
        merges.append((parts[0], parts[1]))
    return merges


def clip_file(vocabulary: Mapping[str, int], merges: list[Merge], *, special: Sequence[str] = (START, END)) -> Values:
    """Return the content of the `tokenizer.json` that transformers' CLIPTokenizer would make.

    `special` are start, end and whatever else is cut out of a text before anything is done to it.
    """
    start, end = special[:2]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    lower: Values = {"type": "Lowercase"}
    spaces: Values = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}
    pre_tokens: Values = {"type": "Split", "pattern": {"Regex": _SPLIT}, "behavior": "Removed", "invert": True}
    letters: Values = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    around: Values = {"type": "RobertaProcessing", "trim_offsets": False, "add_prefix_space": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": vocabulary[token], "content": token, **flags} for token in special],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, spaces, lower]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [pre_tokens, letters]},
        "post_processor": around | {"sep": [end, vocabulary[end]], "cls": [start, vocabulary[start]]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": end,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": END_OF_WORD,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(vocabulary),
            "merges": [f"{left} {right}" for left, right in merges],
        },
    }


def as_bytes(values: Values) -> bytes:
    """Return a JSON object as the bytes of a file."""
    return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()
