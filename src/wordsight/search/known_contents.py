"""What a library holds already, by content: an image whose SHA-256 is known is not encoded again.

    known = KnownContents(index, index.files.states())
    sha256 in known, known.entry(sha256)

Knows the protocol of an index.
"""

from collections.abc import Mapping

from wordsight.index.index import FileState, Index, IndexEntry


class KnownContents:
    """Where the embedding of every known content is: under a key of the index, or kept when that key has changed."""

    def __init__(self, index: Index, before: Mapping[str, FileState]) -> None:
        self._index = index
        self._keys = {state.sha256: key for key, state in before.items() if not state.error}
        self._kept: dict[str, IndexEntry] = {}

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._keys

    def entry(self, sha256: str) -> IndexEntry:
        """Return the entry of a known content."""
        return self._kept.get(sha256) or self._index.entries([self._keys[sha256]])[0]

    def keep(self, replaced: Mapping[str, FileState]) -> None:
        """Keep what these keys held until now: other images may have that content."""
        for key, state in replaced.items():
            if self._keys.get(state.sha256) == key and state.sha256 not in self._kept:
                self._kept[state.sha256] = self._index.entries([key])[0]

    def add(self, states: Mapping[str, FileState]) -> None:
        """Note what is in the index from now on."""
        for key, state in states.items():
            if not state.error:
                self._keys.setdefault(state.sha256, key)
