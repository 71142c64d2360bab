"""Tokenizers that are a file `spiece.model`, read by the package `sentencepiece`: SigLIP's.

    tokenizer = SentencePieceTokenizer.from_spec(spec.tokenizer, model_folder)
    tokenizer.batch(["a dog", "two cats"])   # int32 (2, L)

What stands around a text's tokens is the spec's `start_id` and `end_id` alone.  Does not know models.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordsight.base.arrays import Tokens
from wordsight.base.errors import FormatError
from wordsight.base.optional import require
from wordsight.base.reading import read_file
from wordsight.text import padding
from wordsight.text.clean import clean
from wordsight.text.model_file import vocabulary_file
from wordsight.text.spec import TokenizerSpec

FILE = "spiece.model"


class SentencePieceTokenizer:
    """Texts to token ids and back, as a SentencePiece model says."""

    def __init__(self, processor: Any, spec: TokenizerSpec) -> None:
        self.processor = processor
        self.spec = spec
        self.context_length = spec.context_length
        self.size: int = processor.get_piece_size()
        self._around = padding.Surround(*(() if one is None else (one,) for one in (spec.start_id, spec.end_id)))

    @classmethod
    def from_spec(cls, spec: TokenizerSpec, folder: Path | None = None) -> "SentencePieceTokenizer":
        """Open `spiece.model` in the model's folder."""
        path = vocabulary_file(folder, FILE)
        return cls.from_bytes(read_file(path), spec, where=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, spec: TokenizerSpec, *, where: str = FILE) -> "SentencePieceTokenizer":
        """Open the contents of a SentencePiece model."""
        package = require("sentencepiece", extra="models")
        processor = package.SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(data)
        except RuntimeError:
            raise FormatError(f"{where} is not a SentencePiece model", cure="restore the file") from None
        if processor.get_piece_size() > spec.vocabulary_size:
            raise FormatError(
                f"{where} has {processor.get_piece_size()} entries, the model's card says {spec.vocabulary_size}",
                cure="restore the file that belongs to the model",
            )
        return cls(processor, spec)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without start and end, however long."""
        return list(self.processor.encode(clean(text, self.spec.cleaning)))

    def batch(self, texts: Sequence[str], *, pad_to: padding.PadTo = None) -> Tokens:
        """Return int32 (B, L): start, the text's tokens, end, padding.

        `pad_to`: a number of columns; "longest" for as many as the longest text needs; None for the context length.
        Text that does not fit is cut; a notice is printed once.
        """
        padding.need_list(texts)
        return padding.batch([self.encode(text) for text in texts], self._around, self.spec, pad_to)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""
        return str(self.processor.decode([int(one) for one in ids]))
