"""CLIP's byte-level BPE: from texts to token ids.

    tokenizer = ClipTokenizer.from_spec(spec.tokenizer, model_folder)   # or open_tokenizer, for any kind
    tokenizer.batch(["a dog", "two cats"], pad_to="longest")   # int32 (2, L)

Equals OpenAI's and open_clip's tokenizers token for token.  Pre-tokens already seen are kept in a bounded cache.  Does
not know models; which vocabulary belongs to which weights is stated by the `TokenizerSpec`.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from wordsight.base.arrays import Tokens
from wordsight.base.errors import FormatError, UsageError
from wordsight.text import padding
from wordsight.text.bytepairs import BYTE_OF_ID, FIRST_MERGE, letters_of, merge
from wordsight.text.clean import pre_tokens, special_tokens
from wordsight.text.spec import TokenizerSpec
from wordsight.text.vocabulary import Vocabulary, open_vocabulary, published_vocabulary

_CACHED_PRE_TOKENS = 1 << 16


class ClipTokenizer:
    """Texts to token ids and back, with one vocabulary."""

    def __init__(self, vocabulary: Vocabulary, context_length: int = 77, *, spec: TokenizerSpec | None = None) -> None:
        self.vocabulary = vocabulary
        self.spec = spec or TokenizerSpec(context_length=context_length)
        self.context_length = self.spec.context_length
        self.size = FIRST_MERGE + vocabulary.merge_count + 2
        self.start_id = self.size - 2 if self.spec.start_id is None else self.spec.start_id
        self.end_id = self.size - 1 if self.spec.end_id is None else self.spec.end_id
        self._around = padding.Surround((self.start_id,), (self.end_id,))
        self._known = self._specials()

    @classmethod
    def from_spec(cls, spec: TokenizerSpec, folder: Path | None = None) -> "ClipTokenizer":
        """Open the tokenizer of a model; `folder` is the model's, needed when its vocabulary is its own."""
        if spec.kind != "clip-bpe":
            raise UsageError(f"a tokenizer of kind {spec.kind}", cure="only clip-bpe will do here")
        if spec.vocabulary == "clip":
            vocabulary = published_vocabulary()
        elif folder is None:
            raise UsageError("this model has a vocabulary of its own", cure="give the folder that holds merges.txt")
        else:
            vocabulary = open_vocabulary(folder / "merges.txt")
        tokenizer = cls(vocabulary, spec=spec)
        if tokenizer.size != spec.vocabulary_size:
            raise FormatError(
                f"the vocabulary {'' if folder is None else f'of {folder} '}has {tokenizer.size} entries, "
                f"the model's card says {spec.vocabulary_size}",
                cure="restore the merges.txt that the model was trained with",
            )
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without start and end, however long."""
        known = self._known
        ids: list[int] = []
        for pre_token in pre_tokens(text, self.spec.cleaning):
            ids += known[pre_token] if pre_token in known else self._learn(pre_token)
        return ids

    def batch(self, texts: Sequence[str], *, pad_to: padding.PadTo = None) -> Tokens:
        """Return int32 (B, L): start token, the text's tokens, end token, padding.

        `pad_to`: a number of columns; "longest" for as many as the longest text needs; None for the context length.
        Text that does not fit is cut and still ends with the end token; a notice is printed once.
        """
        padding.need_list(texts)
        return padding.batch([self.encode(text) for text in texts], self._around, self.spec, pad_to)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids (one row of a batch, or what `encode` gave): up to the end token, if any.

        Case and exact spacing are lost in encoding and do not come back.
        """
        data = b""
        for token in ids:
            if token == self.end_id:
                break
            if token == self.start_id:
                continue
            if not 0 <= token < self.size:
                raise UsageError(f"token {token} is not in the vocabulary", cure=f"give 0 to {self.size - 1}")
            data += self._bytes_of_id[token]
        return data.decode("utf-8", errors="replace").strip()

    def _learn(self, pre_token: str) -> list[int]:
        if len(self._known) >= _CACHED_PRE_TOKENS:
            self._known = self._specials()
        ids = self._known[pre_token] = merge(letters_of(pre_token), self.vocabulary.ranks)
        return ids

    def _specials(self) -> dict[str, list[int]]:
        return dict(zip(special_tokens(self.spec.cleaning), ([self.size - 2], [self.size - 1]), strict=True))

    @cached_property
    def _bytes_of_id(self) -> list[bytes]:
        parts = [bytes([byte]) for byte in BYTE_OF_ID]
        parts += [part + b" " for part in parts]
        for left, right in self.vocabulary.pairs:
            parts.append(parts[left] + parts[right])
        return parts
