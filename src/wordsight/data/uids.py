"""DataComp's names of images: 32 hexadecimal digits, which its resharder reads as two numbers of 64 bits.

    halves("00000000000000010000000000000002")      # (1, 2)
    np.array([halves(uid), ...], UIDS)

Source: datacomp's `resharder.py` and its filters.
"""

import re

import numpy as np

UIDS = np.dtype("u8,u8")
_UID = re.compile(r"[0-9a-fA-F]{32}")


def halves(uid: str) -> tuple[int, int] | None:
    """Return the two halves of a uid; None for text that is none."""
    return divmod(int(uid, 16), 2**64) if _UID.fullmatch(uid) else None
