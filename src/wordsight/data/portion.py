"""A share of a source's images, chosen by their keys: the same ones at every reading, and in a larger share again."""

from wordsight.base.files import sha256_bytes
from wordsight.data.source import START, Position, Source, Walk, walk_changed

RANGE = 2.0**64  # of the first eight bytes of a hash
DIGITS = 16  # of a source's fingerprint


class Portion:
    """A `Source` of those samples whose key's hash lies below `share` (0 to 1) of all hashes."""

    def __init__(self, source: Source, share: float) -> None:
        self.name = source.name
        self._source, self._share = source, share

    def samples(self, start: Position = START) -> Walk:
        """Walk over the chosen samples from `start` on."""
        return walk_changed(self._source, start, lambda sample: sample if self._chosen(sample.key) else None)

    def _chosen(self, key: str) -> bool:
        return int(sha256_bytes(key.encode("utf-8", "surrogatepass"))[:16], 16) < self._share * RANGE

    def parts(self) -> int:
        """Return how many files the source has."""
        return self._source.parts()

    def count(self) -> None:
        """Return None: how many are chosen shows only when all are read."""

    def fingerprint(self) -> str:
        """Return what names the source and the share."""
        return sha256_bytes(f"{self._source.fingerprint()} {self._share!r}".encode())[:DIGITS]
