"""From the token ids of texts to a rectangle: start, the text's tokens, end, padding.

    batch([[320, 2368], []], Surround((49406,), (49407,)), spec, "longest")   # int32 (2, 4)

Does not know vocabularies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wordsight.base.arrays import Tokens
from wordsight.base.errors import ConfigError, UsageError
from wordsight.base.progress import notice
from wordsight.text.spec import TokenizerSpec

PadTo = Literal["longest"] | int | None


@dataclass(frozen=True, slots=True)
class Surround:
    """What stands before and after the tokens of a text."""

    start: tuple[int, ...] = ()
    end: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.start) + len(self.end)


def batch(encoded: Sequence[Sequence[int]], around: Surround, spec: TokenizerSpec, pad_to: PadTo) -> Tokens:
    """Return int32 (B, L) of the token ids of each text.

    `pad_to`: a number of columns; "longest" for as many as the longest text needs, where the spec allows it; None
    for the context length.  What does not fit is cut; a notice is printed once.
    """
    limit = pad_to if isinstance(pad_to, int) else spec.context_length
    last = int(spec.last_id is not None)  # a column of its own
    fixed = len(around) + last
    room = limit - fixed
    if room < 0:
        raise UsageError(f"pad_to = {limit} leaves no room for the start and end tokens", cure=f"give {fixed} or more")
    rows = [_row(ids, around, spec, room) for ids in encoded]
    longest = max(map(len, rows), default=len(around)) + last
    length = longest if pad_to == "longest" and spec.padding == "longest" else limit
    result: Tokens = np.full((len(rows), length), spec.pad_id, dtype=np.int32)
    for target, row in zip(result, rows, strict=True):
        start = 0 if spec.padding_side == "right" else length - last - len(row)
        target[start : start + len(row)] = row
    if spec.last_id is not None:
        result[:, -1] = spec.last_id
    if spec.blank_id is not None:
        result[result == spec.blank_id] = 0
    return result


def _row(ids: Sequence[int], around: Surround, spec: TokenizerSpec, room: int) -> list[int]:
    if len(ids) > room:
        notice(f"texts of more than {room} tokens are cut", once=True)
        if not spec.keep_end:
            return [*around.start, *ids][: room + len(around)]
        ids = ids[:room]
    return [*around.start, *ids, *around.end]


def need_list(texts: object) -> None:
    """Raise `UsageError` for a single text where a list is needed."""
    if isinstance(texts, str):
        raise UsageError("a single text was given where a list is needed", cure="write [text]")


def check_tokenizer(spec: TokenizerSpec) -> None:
    """Raise `ConfigError`, naming the value and the cure, for batches that could not be made."""
    for name in ("start_id", "end_id", "pad_id", "last_id", "blank_id"):
        token = getattr(spec, name)
        if token is not None and not 0 <= token < spec.vocabulary_size:
            raise ConfigError(f"tokenizer.{name} = {token}", cure=f"give 0 to {spec.vocabulary_size - 1}")
    if spec.kind != "clip-bpe" and spec.vocabulary == "own":
        raise ConfigError(
            f'tokenizer.kind = "{spec.kind}" with vocabulary "own"',
            cure='only "clip-bpe" has one: leave vocabulary out',
        )
    for name, usual in (("lower_case", True), ("strip_accents", None), ("split_chinese", True)):
        if spec.kind != "wordpiece" and getattr(spec, name) != usual:
            raise ConfigError(
                f'tokenizer.{name} = {getattr(spec, name)} with tokenizer.kind = "{spec.kind}"',
                cure='only "wordpiece" has it: leave it out',
            )
    if spec.context_length < 3:
        raise ConfigError(f"tokenizer.context_length = {spec.context_length}", cure="give room for a word: 3 or more")
