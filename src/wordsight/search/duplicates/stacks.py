"""Images that belong together and are no duplicates: raw photos and what the camera made of them, edits, bursts.

    stacks(keys)                          # [[3, 4]]: rows of IMG_1.CR2 and IMG_1.JPG
    bursts(held, alike=0.93)              # [[7, 8, 9]]: taken within seconds, by one camera, alike

A stack is what lies in one folder under one name: raw beside JPEG, HEIC beside JPEG, an original beside `-edited`,
`_edit`, `(edited)`, Apple's `IMG_E1234`.  Knows names, moments and embeddings, and opens nothing.
"""

import os
import re
from collections.abc import Sequence

import numpy as np

from wordsight.base.progress import track
from wordsight.images.kinds import HEIC, RAW
from wordsight.search.duplicates.held import HeldImages

SECONDS = 3.0  # between one image of a burst and the next
LONGEST = 100  # images of a burst
_EDITED = re.compile(r"[-_ .]*\(?(edited|edit|bearbeitet|bewerkt|editado|modifi[eé])\)?$")
_APPLE = re.compile(r"^img_e(\d+)$")


def stack_name(key: str) -> tuple[str, bool]:
    """Return the name below which an image belongs together with others, and whether its own name says "edited"."""
    folder, _, name = key.rpartition("/")
    stem = os.path.splitext(name)[0].lower()
    plain = _APPLE.sub(r"img_\1", _EDITED.sub("", stem))
    return f"{folder}/{plain or stem}", plain != stem


def stacks(keys: Sequence[str]) -> list[list[int]]:
    """Return the rows of each stack, the raw photo or the original first."""
    names = np.fromiter((hash(stack_name(key)[0]) for key in keys), np.int64, len(keys))
    order = np.argsort(names, kind="stable")
    cuts = np.flatnonzero(np.diff(names[order])) + 1
    groups = []
    for run in np.split(order, cuts):
        if len(run) > 1:
            groups += _of_one_name([int(number) for number in run], keys)
    return sorted(groups)


def _of_one_name(numbers: list[int], keys: Sequence[str]) -> list[list[int]]:
    """Return the stack of these rows, if they are one: several formats of a photo, or an original and its edits."""
    by_name: dict[str, list[int]] = {}
    for number in numbers:  # hashes of names may be equal by chance
        by_name.setdefault(stack_name(keys[number])[0], []).append(number)
    return [sorted(some, key=lambda at: _order(keys[at])) for some in by_name.values() if _is_stack(some, keys)]


def _is_stack(numbers: list[int], keys: Sequence[str]) -> bool:
    ranks = {_order(keys[number])[:2] for number in numbers}
    return len(numbers) > 1 and len(ranks) > 1


def _order(key: str) -> tuple[bool, int, str]:
    """Return what sorts raw photos first, then HEIC, then others, and edits behind originals."""
    suffix = os.path.splitext(key)[1].lower()
    kind = 0 if suffix in RAW.suffixes else 1 if suffix in HEIC.suffixes else 2
    return stack_name(key)[1], kind, key


def bursts(held: HeldImages, *, alike: float) -> list[list[int]]:
    """Return the rows of each burst in the order of time: every image is alike with the first, and no copy of it."""
    known = np.flatnonzero(np.isfinite(held.moments))
    order = known[np.lexsort((held.moments[known], held.cameras[known]))]
    moments, cameras = held.moments[order], held.cameras[order]
    apart = (np.diff(moments) > SECONDS) | (np.diff(cameras) != 0)
    groups = []
    for run in track(np.split(order, np.flatnonzero(apart) + 1), desc="bursts"):
        while len(run) > 1:
            some = run[:LONGEST]
            cosines = held.rows[some].astype(np.float32) @ held.rows[run[0]].astype(np.float32)
            near = cosines >= alike
            near[0] = True
            if near.sum() > 1:
                groups.append([int(number) for number in some[near]])
            run = np.concatenate([some[~near], run[LONGEST:]])
    return groups
