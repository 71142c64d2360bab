"""How texts become tokens: a fact about the weights."""

from dataclasses import dataclass
from typing import Literal

Cleaning = Literal["clip", "nfc", "canonical", "siglip", "whitespace", "lower", "lower-ascii", "none"]


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """Which vocabulary cuts the texts, and what surrounds the tokens.

    `kind` "clip-bpe": CLIP's byte-level BPE; `vocabulary` "clip" is the published 49,408-entry list that
    ships with the package, "own" is `merges.txt` in the model's folder; start and end tokens are the two
    largest ids. "tokenizers": the file `tokenizer.json` in the model's folder, read by the package
    `tokenizers`. "sentencepiece": the file `spiece.model` there, read by the package `sentencepiece`. "wordpiece":
    BERT's, with the list `vocab.txt` there; `lower_case`, `strip_accents` (None: where the case is lowered) and
    `split_chinese` (each character a word) are for it alone.

    `cleaning` is done before (`wordsight.text.clean` says what each does): "clip" as OpenAI and open_clip,
    "nfc" as transformers' CLIP, "canonical" as open_clip's SigLIP, "siglip" as transformers' SigLIP,
    "whitespace" as open_clip's Hugging Face tokenizers, "lower", "lower-ascii" as big_vision, or "none".

    `context_length` counts every token, start and end included. `start_id` and `end_id` are put before and
    after the text's tokens. None for both: "clip-bpe" takes its own two, "wordpiece" [CLS] and [SEP], "tokenizers"
    does what the file itself says, "sentencepiece" puts none. `keep_end`: a text that is cut still ends with what
    ends a whole one.
    `pad_id` fills up; `padding` "full" always fills to the context length because the tower reads there,
    "longest" only as far as the batch needs; `padding_side` says where. `last_id` fills the last column of
    every row, after the padding (CLIPS). `blank_id`: the tokens of this id become 0 in the end (CLIPA's
    separator).
    """

    kind: Literal["clip-bpe", "tokenizers", "sentencepiece", "wordpiece"] = "clip-bpe"
    vocabulary: Literal["clip", "own"] = "clip"
    vocabulary_size: int = 49408
    context_length: int = 77
    cleaning: Cleaning = "clip"
    start_id: int | None = None
    end_id: int | None = None
    pad_id: int = 0
    padding: Literal["longest", "full"] = "longest"
    padding_side: Literal["right", "left"] = "right"
    keep_end: bool = True
    last_id: int | None = None
    blank_id: int | None = None
    lower_case: bool = True
    strip_accents: bool | None = None
    split_chinese: bool = True
