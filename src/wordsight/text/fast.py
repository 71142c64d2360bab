"""Tokenizers that are a file `tokenizer.json`, read by the package `tokenizers`: BERT's, XLM-R's, T5's, Gemma's...

    tokenizer = FastTokenizer.from_spec(spec.tokenizer, model_folder)
    tokenizer.batch(["a dog", "two cats"])   # int32 (2, L)

The file says how text is normalised and cut, and which special tokens surround it, unless the spec names start and
end ids.  Its own padding and truncation are set aside for the spec's.  Does not know models.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

FILE = "tokenizer.json"


class FastTokenizer:
    """Texts to token ids and back, as a `tokenizer.json` says."""

    def __init__(self, backend: Any, spec: TokenizerSpec) -> None:
        backend.no_padding()
        backend.no_truncation()
        self.backend = backend
        self.spec = spec
        self.context_length = spec.context_length
        self.size: int = backend.get_vocab_size(with_added_tokens=True)
        self._around = self._surround()

    @classmethod
    def from_spec(cls, spec: TokenizerSpec, folder: Path | None = None) -> "FastTokenizer":
        """Open `tokenizer.json` in the model's folder."""
        path = vocabulary_file(folder, FILE)
        return cls.from_bytes(read_file(path), spec, where=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, spec: TokenizerSpec, *, where: str = FILE) -> "FastTokenizer":
        """Open the contents of a `tokenizer.json`."""
        package = require("tokenizers", extra="models")
        with _trusting(f"{where} is not a tokenizer"):
            backend = package.Tokenizer.from_buffer(data)
            tokenizer = cls(backend, spec)
        largest = max(backend.get_vocab(with_added_tokens=False).values(), default=-1)
        if largest >= spec.vocabulary_size:
            raise FormatError(
                f"{where} has token ids up to {largest}, the model's card says {spec.vocabulary_size} tokens",
                cure="restore the file that belongs to the model",
            )
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without what surrounds it, however long."""
        return list(self._bare(clean(text, self.spec.cleaning)).ids)

    def batch(self, texts: Sequence[str], *, pad_to: padding.PadTo = None) -> Tokens:
        """Return int32 (B, L): what the file or the spec puts before, the text's tokens, what it puts after, padding.

        `pad_to`: a number of columns; "longest" for as many as the longest text needs; None for the context length.
        Text that does not fit is cut before the special tokens are put; a notice is printed once.
        """
        padding.need_list(texts)
        cleaned = [clean(text, self.spec.cleaning) for text in texts]
        with _trusting(f"{FILE} cannot cut a text"):
            encodings = self.backend.encode_batch_fast(cleaned, add_special_tokens=False)
        return padding.batch([encoding.ids for encoding in encodings], self._around, self.spec, pad_to)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, special tokens left out."""
        return str(self.backend.decode(list(ids), skip_special_tokens=True))

    def _surround(self) -> padding.Surround:
        """Return the tokens around a text's own, found by letting the file surround nothing."""
        spec = self.spec
        if spec.start_id is not None or spec.end_id is not None:
            return padding.Surround(*(() if one is None else (one,) for one in (spec.start_id, spec.end_id)))
        probe = next((one for text in ("a", *self.backend.get_vocab()) if (one := self._bare(text)).ids), None)
        if probe is None:
            raise FormatError(f"{FILE} knows no token", cure="restore the file")
        whole = self.backend.post_process(probe, None, True).ids
        before = next(n for n in range(len(whole)) if whole[n : n + len(probe.ids)] == probe.ids)
        return padding.Surround(tuple(whole[:before]), tuple(whole[before + len(probe.ids) :]))

    def _bare(self, text: str) -> Any:
        with _trusting(f"{FILE} cannot cut a text"):
            return self.backend.encode(text, add_special_tokens=False)


@contextmanager
def _trusting(problem: str) -> Iterator[None]:
    """Turn what the package raises over a wrong file into `FormatError`: bare `Exception`, and Rust's panics."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, FormatError):
        raise
    except BaseException as error:  # noqa: BLE001  (a panic is no Exception)
        raise FormatError(f"{problem}: {error}", cure="restore the file") from None
