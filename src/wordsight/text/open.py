"""Opening the tokenizer of a model, whatever its kind.

    tokenizer = open_tokenizer(spec.tokenizer, model_folder)
    tokenizer.batch(["a dog", "two cats"], pad_to="longest")   # int32 (2, L)

Kinds that need another package import it here and not before.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from wordsight.base.arrays import Tokens
from wordsight.base.optional import resolve
from wordsight.text.padding import PadTo
from wordsight.text.spec import TokenizerSpec


class Tokenizer(Protocol):
    """Texts to token ids and back."""

    @property
    def spec(self) -> TokenizerSpec:
        """How texts become tokens."""
        ...

    @property
    def context_length(self) -> int:
        """How many tokens a text has at most, start and end included."""
        ...

    @property
    def size(self) -> int:
        """The number of entries of the vocabulary."""
        ...

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, cleaned, without start and end, however long."""
        ...

    def batch(self, texts: Sequence[str], *, pad_to: PadTo = None) -> Tokens:
        """Return int32 (B, L), padded to `pad_to` columns, to the "longest" text, or (None) to the context length."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""
        ...


TOKENIZERS = {
    "clip-bpe": "wordsight.text.tokenizer:ClipTokenizer",
    "tokenizers": "wordsight.text.fast:FastTokenizer",
    "sentencepiece": "wordsight.text.sentencepiece:SentencePieceTokenizer",
    "wordpiece": "wordsight.text.wordpiece:WordPieceTokenizer",
}


def open_tokenizer(spec: TokenizerSpec, folder: Path | None = None) -> Tokenizer:
    """Return the tokenizer that `spec` describes; `folder` is the model's, which holds the tokenizer's file.

    Raises `NotFound` for a missing file, `FormatError` for one that is not what the spec says, and `MissingExtra`
    where the kind needs a package that is not installed.
    """
    tokenizer: Tokenizer = resolve(TOKENIZERS[spec.kind]).from_spec(spec, folder)
    return tokenizer
