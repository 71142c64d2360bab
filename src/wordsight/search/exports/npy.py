"""`embeddings.npy`, float32 (n, width), and `metadata.parquet`, whose row i tells of embedding i."""

from pathlib import Path

import numpy as np

from wordsight.search.exports.parquet import write_rows
from wordsight.search.exports.table import Groups

HEADER = 128  # bytes: one of this size holds every shape, so that it can be written again at the end


def write(groups: Groups, folder: Path) -> None:
    """Fill the folder; the embeddings go to the file as they come, the metadata is held until the end."""
    rows, width = [], 0
    with (folder / "embeddings.npy").open("w+b") as file:
        file.write(b"\0" * HEADER)
        for group in groups:
            embeddings = np.array([one.embedding for one in group], "<f4")
            width = embeddings.shape[1]
            file.write(embeddings.tobytes())
            rows += [
                {"key": one.key, **one.meta, "path": None if one.path is None else str(one.path.absolute())}
                for one in group
            ]
        file.seek(0)
        file.write(_header(len(rows), width))
    write_rows(rows, folder / "metadata.parquet")


def _header(count: int, width: int) -> bytes:
    """Return the header of an npy file of version 1.0 (numpy.lib.format)."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {width}), }}"
    return b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + f"{text:<{HEADER - 11}}\n".encode()
