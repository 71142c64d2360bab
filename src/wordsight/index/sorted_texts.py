"""Different texts in the order of their code points, as two arrays: a file can hold them, memory-mapped.

texts = SortedTexts.of(["blue", "red"])
texts, own, others = texts.merged(SortedTexts.of(["green", "red"]))     # [0, 2], [1, 2]: where each has gone
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from wordsight.index.like import holds_text

ASCII = 127  # and no letter beyond it
ENCODED = "surrogatepass"  # half surrogates, as odd file names give, have their place in the order of code points


class SortedTexts(Sequence[str]):
    """Different texts in the order of their code points, each decoded when it is looked at."""

    def __init__(self, data: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self._data = data
        self._ends = ends

    @classmethod
    def of(cls, texts: Sequence[str]) -> "SortedTexts":
        """Return these texts, which are sorted."""
        encoded = [text.encode("utf-8", ENCODED) for text in texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index >= len(self):
            raise IndexError(index)
        start = self._ends[index - 1] if index else 0
        return self._data[start : self._ends[index]].tobytes().decode("utf-8", ENCODED)

    def holding(self, part: str) -> NDArray[np.bool_]:
        """Return which texts (T,) hold `part`, whatever the case: as `holds_text`, without a Python object for each.

        ASCII is compared where it lies, all texts at once; a text with other letters by itself.
        """
        wanted, ends, size = part.casefold().encode("utf-8", ENCODED), self._ends, len(self._data)
        if not wanted or not len(self):
            return np.full(len(self), not wanted)
        data = np.frombuffer(self._data.tobytes().lower(), np.uint8)
        begins = np.flatnonzero(data[: max(size - len(wanted) + 1, 0)] == wanted[0])
        for offset, byte in enumerate(wanted):
            begins = begins[data[begins + offset] == byte]
        owners = np.searchsorted(ends, begins, "right")
        holding = np.zeros(len(self), bool)
        holding[owners[begins + len(wanted) <= ends[owners]]] = True  # else it reaches into the next text
        for index in np.unique(np.searchsorted(ends, np.flatnonzero(data > ASCII), "right")).tolist():
            holding[index] = holds_text(self[index], part)
        return holding

    def parts(self) -> dict[str, NDArray[np.uint8] | NDArray[np.int64]]:
        """Return the arrays that a file has to keep."""
        return {"data": self._data, "ends": self._ends}

    def merged(self, others: "SortedTexts") -> tuple["SortedTexts", NDArray[np.int32], NDArray[np.int32]]:
        """Return all texts of both, and the rank that each of its own and of the `others` has among them."""
        at = np.array([bisect_left(self, text) for text in others], np.int64)
        known = np.array([i < len(self) and self[i] == text for i, text in zip(at.tolist(), others, strict=True)], bool)
        fresh = np.flatnonzero(~known)
        own = np.arange(len(self)) + np.searchsorted(at[fresh], np.arange(len(self)), "right")
        before = np.cumsum(~known) - ~known  # fresh ones ahead of each of the others
        ranks = own.astype(np.int32), (at + before).astype(np.int32)
        if not len(fresh):
            return self, *ranks
        begins = np.concatenate([[0], self._ends])[at[fresh]].tolist()
        encoded = [others[i].encode("utf-8", ENCODED) for i in fresh.tolist()]
        parts = []
        for start, stop, text in zip([0, *begins], begins, encoded, strict=False):
            parts += [self._data[start:stop], np.frombuffer(text, np.uint8)]
        data = np.concatenate([*parts, self._data[begins[-1] :]])
        lengths = np.insert(np.diff(self._ends, prepend=0), at[fresh], [len(text) for text in encoded])
        return SortedTexts(data, np.cumsum(lengths)), *ranks
