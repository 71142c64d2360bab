"""The uids of the images as DataComp's resharder reads them: `uids.npy`, pairs of uint64, sorted.

A uid has 32 hexadecimal digits: the column `uid`, or else the key.  Source: datacomp's `resharder.py` and its filters.
"""

import re
from pathlib import Path

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.search.exports.table import Exported, Groups

UID = re.compile(r"[0-9a-f]{32}")
PAIR = np.dtype("u8,u8")


def write(groups: Groups, folder: Path) -> None:
    """Fill the folder."""
    parts = [np.array([_pair(one) for one in group], PAIR) for group in groups]
    np.save(folder / "uids.npy", np.sort(np.concatenate(parts)) if parts else np.empty(0, PAIR))


def _pair(one: Exported) -> tuple[int, int]:
    uid = str(one.meta.get("uid") or one.key).lower()
    if not UID.fullmatch(uid):
        raise UsageError(f"{one.key} has no uid of 32 hexadecimal digits", cure="give the table a column uid")
    return int(uid[:16], 16), int(uid[16:], 16)
