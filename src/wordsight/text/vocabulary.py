"""Vocabularies: the published one of CLIP, and a model's own merges.

    published_vocabulary()                       # 48,894 merges -> 49,408 entries
    open_vocabulary(folder / "merges.txt")

A vocabulary is its pairs in the order in which they were learned; ids follow from the order (see `bytepairs`).
Does not know text.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from wordsight.base.errors import FormatError, NotFound
from wordsight.base.files import atomic_write
from wordsight.base.reading import read_text
from wordsight.text.bytepairs import END_OF_WORD, FIRST_MERGE, SIGN_OF_ID

Merge = tuple[str, str]


@dataclass(frozen=True)
class Vocabulary:
    """Pairs of token ids; the pair at position i becomes the token 512 + i."""

    pairs: Sequence[tuple[int, int]]

    @property
    def merge_count(self) -> int:
        """The number of merges."""
        return len(self.pairs)

    @cached_property
    def ranks(self) -> dict[tuple[int, int], int]:
        """The id that a pair of ids becomes."""
        return dict(zip(self.pairs, range(FIRST_MERGE, FIRST_MERGE + len(self.pairs)), strict=True))


@lru_cache(maxsize=1)
def published_vocabulary() -> Vocabulary:
    """Return CLIP's vocabulary: the pairs as little-endian uint16 ids, packed by zlib in `tables/clip-pairs.bin.z`."""
    packed = (Path(__file__).parent / "tables" / "clip-pairs.bin.z").read_bytes()
    return Vocabulary(list(struct.iter_unpack("<HH", zlib.decompress(packed))))


def open_vocabulary(path: Path) -> Vocabulary:
    """Return the vocabulary of a `merges.txt`, kept until the file changes."""
    facts = path.stat() if path.exists() else None
    return _opened(path, facts and (facts.st_mtime_ns, facts.st_size, facts.st_ino))


@lru_cache(maxsize=8)
def _opened(path: Path, facts: tuple[int, int, int] | None) -> Vocabulary:
    return from_merges(read_merges(path), where=str(path))


def from_merges(merges: Sequence[Merge], *, where: str = "the merge list") -> Vocabulary:
    """Return the vocabulary of a list of merges written in printable signs."""
    ids = {sign: token for token, sign in enumerate(SIGN_OF_ID)}
    ids |= {sign + END_OF_WORD: token + 256 for token, sign in enumerate(SIGN_OF_ID)}
    pairs = []
    for number, (left, right) in enumerate(merges, start=1):
        if left not in ids or right not in ids or left.endswith(END_OF_WORD):
            raise FormatError(
                f"{where} line {number}: {left} {right} joins a part that no line above it makes",
                cure="restore the file; the order of its lines matters",
            )
        pairs.append((ids[left], ids[right]))
        ids.setdefault(left + right, FIRST_MERGE + number - 1)
    return Vocabulary(pairs)


def size_of(merges: Sequence[Merge]) -> int:
    """Return the number of entries of the vocabulary that a merge list makes: bytes, merges, start and end."""
    return FIRST_MERGE + len(merges) + 2


def write_merges(path: Path, merges: Sequence[Merge]) -> None:
    """Write a merge list, one merge a line: two parts with a space between, in GPT-2's printable signs."""
    with atomic_write(path, "w") as handle:
        handle.writelines(f"{left} {right}\n" for left, right in merges)


def read_merges(path: Path) -> list[Merge]:
    """Read what `write_merges` wrote."""
    try:
        lines = read_text(path, encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise NotFound(
            f"no file {path}", cure="copy it from where the model came from, or give a whole model folder"
        ) from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}", cure="restore the file") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not text: {error}", cure="restore the file") from None
    merges = []
    for number, line in enumerate(lines, start=1):
        parts = line.split(" ")
        if line == "":
            continue
        if len(parts) != 2 or not all(parts):
            raise FormatError(f"{path} line {number}: {line!r} is not two parts", cure="restore the file")
        merges.append((parts[0], parts[1]))
    return merges
