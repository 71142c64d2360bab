"""How words become tokens: a fact about the weights."""

from dataclasses import dataclass
from typing import Literal


Cleaning = Literal["clip", "canonical", "lower", "whitespace", "none"]


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """Which vocabulary cuts the words, and what surrounds the tokens.

    `kind` "clip-bpe": CLIP's byte-level BPE; `vocabulary` "clip" is the published 49,408-entry list that
    ships with the package, "own" is `merges.txt` in the model's folder; start and end tokens are the two
    largest ids. "tokenizers": the file `tokenizer.json` in the model's folder, read by the package
    `tokenizers`. "sentencepiece": the file `spiece.model` there, read by the package `sentencepiece`.
    `cleaning` is done before: "clip" (ftfy, entities, white space, lower case), "canonical" (lower case,
    punctuation dropped; SigLIP), "lower", "whitespace" or "none". `context_length` counts every token,
    start and end included. `start_id` and `end_id`: put before and after the words when not None (for
    "clip-bpe" they are always there, for "tokenizers" the file itself may say more). `pad_id` fills up;
    `padding` "full" always fills to the context length because the tower reads there, "longest" only as far
    as the batch needs. `keep_end`: a text that is cut still ends with `end_id`.
    """

    kind: Literal["clip-bpe", "tokenizers", "sentencepiece"] = "clip-bpe"
    vocabulary: Literal["clip", "own"] = "clip"
    vocabulary_size: int = 49408
    context_length: int = 77
    cleaning: Cleaning = "clip"
    start_id: int | None = None
    end_id: int | None = None
    pad_id: int = 0
    padding: Literal["longest", "full"] = "longest"
    keep_end: bool = True
