"""The folder of clip-retrieval: `img_emb/img_emb_0000.npy` beside `metadata/metadata_0000.parquet`, row by row.

Embeddings are float16, as that program writes them; `image_path` and `caption` are its columns, all others follow.
Source: clip-retrieval's writer and its reader, autofaiss's `embeddings` folder.
"""

from itertools import count
from pathlib import Path

import numpy as np

from wordsight.images.fragments import split
from wordsight.search.exports.parquet import write_rows
from wordsight.search.exports.table import Exported, Groups

PART = 65_536  # rows of a part: 50 MB of 384 numbers


def write(groups: Groups, folder: Path) -> None:
    """Fill the folder."""
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir()
    numbers = count()
    part: list[Exported] = []
    for group in groups:
        part += group
        if len(part) >= PART:
            _write_part(part, folder, next(numbers))
            part = []
    if part:
        _write_part(part, folder, next(numbers))


def _write_part(part: list[Exported], folder: Path, number: int) -> None:
    embeddings = np.array([one.embedding for one in part], np.float16)
    np.save(folder / "img_emb" / f"img_emb_{number:04}.npy", embeddings)
    rows = [
        {
            "image_path": _named(one),
            "caption": str(one.meta.get("text") or "").partition("\n")[0],
            "key": one.key,
            **{name: value for name, value in one.meta.items() if name not in ("image_path", "caption", "key", "path")},
        }
        for one in part
    ]
    write_rows(rows, folder / "metadata" / f"metadata_{number:04}.parquet")


def _named(one: Exported) -> str:
    """Return the path of an image, with its fragment where it lies inside a film or document; else its key."""
    fragment = split(one.key)[1]
    path = one.key if one.path is None else str(one.path.absolute())
    return f"{path}#{fragment}" if one.path and fragment else path
