"""From which probability on an image has a label: one for all, and those that a file gives for single labels.

    thresholds = read_thresholds(Path("own.txt"), names, otherwise=0.5)     # float32 (labels,)

A line is `label: 0.7`, or `label: 70%`.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.suggest import suggest
from wordsight.text.lines import listed_lines

CURE = "write   label: 0.7   with a number from 0 to 1, one a line"


def read_thresholds(path: Path, names: Sequence[str], *, otherwise: float) -> NDArray[np.float32]:
    """Return the threshold of each label; those that the file does not name have `otherwise`.

    A line that is none raises `FormatError` with its number, a label that is not in the set `UsageError`.
    """
    thresholds = np.full(len(names), otherwise, np.float32)
    known = {name: number for number, name in enumerate(names)}
    lines: dict[str, int] = {}
    for number, line in listed_lines(path):
        name, _, value = (part.strip() for part in line.rpartition(":"))
        if name not in known:
            if not name:
                raise FormatError(f"{path}, line {number}: {line!r} has no label", cure=CURE)
            raise UsageError(f"{path}, line {number}: no label {name!r}", cure=suggest(name, names))
        if name in lines:
            raise FormatError(f"{path}, line {number}: {name!r} is there twice, first in line {lines[name]}", cure=CURE)
        lines[name] = number
        thresholds[known[name]] = _threshold(value, f"{path}, line {number}")
    return thresholds


def _threshold(text: str, where: str) -> float:
    share = text.removesuffix("%").strip()
    try:
        value = float(share) / (1 if share == text else 100)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise FormatError(f"{where}: {text!r} is no threshold", cure=CURE)
    return value
