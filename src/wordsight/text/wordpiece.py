"""BERT's WordPiece: from texts to token ids, with a vocabulary that is a list, `vocab.txt`.

    tokenizer = WordPieceTokenizer.from_spec(spec.tokenizer, model_folder)   # or open_tokenizer, for any kind
    tokenizer.batch(["a dog", "two cats"], pad_to="longest")   # int32 (2, L): [CLS], tokens, [SEP], padding

Equals the package `tokenizers` token for token.  A pre-token is cut from the left into the longest tokens that the
list has, those inside it written with "##" before; one that cannot be cut so is [UNK].  So a shorter list is a
vocabulary as well.  Pre-tokens already seen are kept in a bounded cache.  Does not know models.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from wordsight.base.arrays import Tokens
from wordsight.base.errors import FormatError, UsageError
from wordsight.base.reading import read_file
from wordsight.text import padding
from wordsight.text.bert_words import bert_words
from wordsight.text.model_file import vocabulary_file
from wordsight.text.spec import TokenizerSpec

FILE = "vocab.txt"
START, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
SPECIALS = ("[PAD]", UNKNOWN, START, END, "[MASK]")  # tokens also where a text spells them
INSIDE = "##"
LONGEST_WORD = 100  # letters; longer pre-tokens are unknown (transformers' WordPiece)
_SPECIAL = re.compile(f"({'|'.join(map(re.escape, SPECIALS))})")
_CACHED_PRE_TOKENS = 1 << 16


class WordPieceTokenizer:
    """Texts to token ids and back, with one vocabulary."""

    def __init__(self, ids: Mapping[str, int], spec: TokenizerSpec, *, where: str = FILE) -> None:
        needed = [UNKNOWN, *([START] if spec.start_id is None else []), *([END] if spec.end_id is None else [])]
        missing = [token for token in needed if token not in ids]
        if missing:
            raise FormatError(f"{where} has no {', '.join(missing)}", cure="restore the file")
        self.size = max(ids.values()) + 1
        if self.size > spec.vocabulary_size:
            raise FormatError(
                f"{where} has {self.size} entries, the model's card says {spec.vocabulary_size}",
                cure="restore the file that belongs to the model",
            )
        self.spec = spec
        self.context_length = spec.context_length
        self._ids = ids
        ends = ((spec.start_id, START), (spec.end_id, END))
        self._around = padding.Surround(*((ids[name] if one is None else one,) for one, name in ends))
        self._unknown = [ids[UNKNOWN]]
        self._known = self._specials()

    @classmethod
    def from_spec(cls, spec: TokenizerSpec, folder: Path | None = None) -> "WordPieceTokenizer":
        """Open `vocab.txt` in the model's folder; it is kept until the file changes."""
        path = vocabulary_file(folder, FILE)
        facts = path.stat()
        return cls(_opened(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino)), spec, where=str(path))

    @classmethod
    def from_bytes(cls, data: bytes, spec: TokenizerSpec, *, where: str = FILE) -> "WordPieceTokenizer":
        """Open the contents of a `vocab.txt`."""
        return cls(read_list(data, where=where), spec, where=where)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text, without start and end, however long."""
        if self.spec.cleaning != "none" or not text.isascii():
            from wordsight.text.clean import clean  # here, for plain words do without

            text = clean(text, self.spec.cleaning)
        known = self._known
        ids: list[int] = []
        for word in self._words(text):
            ids += known[word] if word in known else self._learn(word)
        return ids

    def batch(self, texts: Sequence[str], *, pad_to: padding.PadTo = None) -> Tokens:
        """Return int32 (B, L): start, the text's tokens, end, padding.

        `pad_to`: a number of columns; "longest" for as many as the longest text needs; None for the context length.
        Text that does not fit is cut; a notice is printed once.
        """
        padding.need_list(texts)
        return padding.batch([self.encode(text) for text in texts], self._around, self.spec, pad_to)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, without special tokens; case, accents and exact spacing do not come back."""
        names = {number: token for token, number in self._ids.items()}
        unknown = [token for token in ids if token not in names]
        if unknown:
            raise UsageError(f"token {unknown[0]} is not in the vocabulary", cure=f"give 0 to {self.size - 1}")
        tokens = [names[token] for token in ids]
        return " ".join(token for token in tokens if token not in SPECIALS).replace(f" {INSIDE}", "")

    def _words(self, text: str) -> list[str]:
        if "[" not in text:
            return bert_words(text, self.spec)
        parts = _SPECIAL.split(text)  # special tokens are taken out before anything else, as they are written
        return [
            word
            for part in parts
            for word in ([part] if part in SPECIALS and part in self._ids else bert_words(part, self.spec))
        ]

    def _learn(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return self._unknown
        if len(self._known) >= _CACHED_PRE_TOKENS:
            self._known = self._specials()
        ids = self._known[word] = self._cut(word)
        return ids

    def _cut(self, word: str) -> list[int]:
        ids: list[int] = []
        start = 0
        while start < len(word):
            before = INSIDE if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if before + word[start:end] in self._ids), None)
            if end is None:
                return self._unknown
            ids.append(self._ids[before + word[start:end]])
            start = end
        return ids

    def _specials(self) -> dict[str, list[int]]:
        return {token: [self._ids[token]] for token in SPECIALS if token in self._ids}


@lru_cache(maxsize=8)
def _opened(path: Path, facts: tuple[int, int, int]) -> dict[str, int]:
    del facts
    return read_list(read_file(path), where=str(path))


def read_list(data: bytes, *, where: str = FILE) -> dict[str, int]:
    """Return token to id of a `vocab.txt`: one token a line, its number the id; a token twice is a `FormatError`."""
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise FormatError(f"{where} is not text: {error}", cure="restore the file") from None
    if lines[-1] == "":
        del lines[-1]
    if b"\r" in data:
        lines = [line.rstrip("\r") for line in lines]
    ids = dict(zip(lines, range(len(lines)), strict=True))
    if len(ids) != len(lines):
        number, token = next((number, line) for number, line in enumerate(lines) if ids[line] != number)
        raise FormatError(
            f"{where} has {token!r} on line {number + 1} and again on line {ids[token] + 1}",
            cure="each line is the id of one token: restore the file that belongs to the model",
        )
    return ids
