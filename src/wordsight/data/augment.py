"""The random numbers of augmentation and the rule of mirroring: numbers only, on the CPU, alike for every device.

`augment_torch.apply` turns them into changed images.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wordsight.data.spec import AugmentSpec

Float32s = NDArray[np.float32]

# Words that a mirrored image would contradict: sides, and anything written (letters and digits become unreadable).
_SIDED = re.compile(
    r"\b(left|right|leftmost|rightmost|clockwise|counterclockwise"
    r"|text|texts|word|words|letter|letters|lettering|number|numbers|numeral|numerals|digit|digits"
    r"|written|writing|reads|reading|says|saying|sign|signs|logo|logos|label|labelled|labeled|labels|printed|slogan|clock"
    r"|bên trái|bên phải|tay trái|tay phải|chữ|số)\b|\d",
    re.IGNORECASE,
)


@lru_cache(maxsize=1 << 18)
def may_flip(text: str) -> bool:
    """Say whether an image with this text may be mirrored: not when it speaks of sides or writing or holds digits."""
    return _SIDED.search(text) is None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is done to each of B images.

    `boxes` (B, 4): left, top, right, bottom of the part that is kept, as shares of the side; a mirrored image has
    left > right.  `colours` (B, 3): factors of brightness, contrast and saturation.
    """

    boxes: Float32s
    colours: Float32s

    def of(self, positions: NDArray[np.int64]) -> "Changes":
        """Return the changes of some of the images."""
        return Changes(self.boxes[positions], self.colours[positions])


def draw_changes(spec: AugmentSpec | None, texts: Sequence[str], generator: np.random.Generator) -> Changes:
    """Draw the changes of a batch.  Without a spec nothing is changed.

    The same amount of random numbers is drawn whatever the texts are.
    """
    count = len(texts)
    if spec is None:
        return Changes(np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (count, 1)), np.ones((count, 3), np.float32))
    numbers = generator.random((9, count))
    area = spec.scale[0] + (spec.scale[1] - spec.scale[0]) * numbers[0]
    low, high = np.log(spec.ratio)
    ratio = np.exp(low + (high - low) * numbers[1])
    width = np.minimum(np.sqrt(area * ratio), 1.0)
    height = np.minimum(np.sqrt(area / ratio), 1.0)
    left, top = (1 - width) * numbers[2], (1 - height) * numbers[3]
    right, bottom = left + width, top + height
    flip = (numbers[4] < spec.flip) & np.array([may_flip(text) for text in texts], dtype=bool)
    boxes = np.stack([np.where(flip, right, left), top, np.where(flip, left, right), bottom], axis=1)
    reach = np.array([spec.brightness, spec.contrast, spec.saturation])[:, None]
    colours = 1 + reach * (2 * numbers[5:8] - 1)
    colours[2, numbers[8] < spec.grey] = 0.0
    return Changes(boxes.astype(np.float32), colours.T.astype(np.float32))
