"""How words become tokens: a fact about the weights."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """CLIP's byte-level BPE with a vocabulary.

    `vocabulary`: "clip" is the published 49,408-entry vocabulary that ships with the package; "own" is
    the merge list `merges.txt` in the model's folder. `context_length` counts the start and end
    tokens. The start token has id `vocabulary_size - 2`, the end token `vocabulary_size - 1`; padding is 0.
    """

    kind: Literal["clip-bpe"] = "clip-bpe"
    vocabulary: Literal["clip", "own"] = "clip"
    vocabulary_size: int = 49408
    context_length: int = 77
