"""The uids of the images as DataComp's resharder reads them: `uids.npy`, pairs of uint64, sorted.

A uid has 32 hexadecimal digits: the column `uid`, or else the key.  Source: datacomp's `resharder.py` and its filters.
"""

from pathlib import Path

import numpy as np

from wordsight.base.errors import UsageError
from wordsight.data.uids import UIDS, halves
from wordsight.search.exports.table import Exported, Groups


def write(groups: Groups, folder: Path) -> None:
    """Fill the folder."""
    parts = [np.array([_pair(one) for one in group], UIDS) for group in groups]
    np.save(folder / "uids.npy", np.sort(np.concatenate(parts)) if parts else np.empty(0, UIDS))


def _pair(one: Exported) -> tuple[int, int]:
    uid = halves(str(one.meta.get("uid") or one.key))
    if uid is None:
        raise UsageError(f"{one.key} has no uid of 32 hexadecimal digits", cure="give the table a column uid")
    return uid
