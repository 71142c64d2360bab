"""How many keys a long stream has more than once, in bounded memory: hashes of 64 bits in a temporary file.

    with RepeatedKeys() as repeated:
        for block in blocks: repeated.note(hashes)     # uint64 (n,)
        repeated.hashes()                              # those that were noted more than once

Two different keys have the same hash as good as never: among a thousand million with a probability of 3 %.
"""

import contextlib
import tempfile
from pathlib import Path

import numpy as np

from wordsight.base.files import storage_errors
from wordsight.data.terms import Hashes

MOST = 4_000_000  # hashes compared at a time, 32 MB
_BLOCK = 1 << 18  # hashes read at a time


class RepeatedKeys:
    """Hashes of keys; 8 bytes of disk each."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._count = 0
        self._folder = Path(tempfile.gettempdir())
        with storage_errors(self._folder):
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by `__exit__`

    def __enter__(self) -> "RepeatedKeys":
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file, which is gone then."""
        with contextlib.suppress(OSError):  # of a full disk `note` has told
            self._file.close()

    def note(self, hashes: Hashes) -> None:
        """Note the hashes of some keys."""
        self._count += len(hashes)
        with storage_errors(self._folder):
            self._file.write(hashes.tobytes())

    def hashes(self) -> Hashes:
        """Return the hashes that were noted more than once, each once."""
        parts = np.uint64(self._count // self._most + 1)
        repeated = []
        with storage_errors(self._folder):
            self._file.flush()
            for part in range(int(parts)):
                self._file.seek(0)
                some = []
                while data := self._file.read(8 * _BLOCK):
                    block = np.frombuffer(data, np.uint64)
                    some.append(block[block % parts == part])
                values = np.sort(np.concatenate(some)) if some else np.empty(0, np.uint64)
                repeated.append(np.unique(values[1:][values[1:] == values[:-1]]))
        return np.concatenate(repeated)
