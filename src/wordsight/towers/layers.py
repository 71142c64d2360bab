"""Which parameter of a tower lies at which depth, and which map to the shared space, by their names.

    depths = VIT.layers.depths(["conv1.weight", "transformer.resblocks.0.ln_1.weight", "ln_post.weight", "proj"])
    depths.of["proj"] == depths.projection

What learns of a tower, and how fast, follows from it (`wordsight.train.learned`).  Free of PyTorch.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Depths(NamedTuple):
    """The depth of each parameter: 0 before the first block, 1 to `blocks` in a block, then what lies behind.

    What maps to the space is one deeper still: `projection`.
    """

    of: dict[str, int]
    blocks: int

    @property
    def projection(self) -> int:
        """The depth of what maps to the space."""
        return self.blocks + 2


class LayerNames(NamedTuple):
    """How a family names the parts of a tower (in `TwoTowers` "visual." or "text." stands before).

    `block` is a regular expression for what the name of a parameter in a block begins with, the block's name.
    `before` are the modules and parameters before the first block, `projection` those that map pooled rows to the
    space.  All else lies behind the last block.
    """

    block: str
    before: tuple[str, ...]
    projection: tuple[str, ...] = ()

    def depths(self, names: Iterable[str]) -> Depths:
        """Return the depth of each of a tower's parameters, which are given in the module's order."""
        matches = {name: re.match(rf"{self.block}(?=\.)", name) for name in names}
        blocks = list(dict.fromkeys(match[0] for match in matches.values() if match is not None))
        of = {
            name: blocks.index(match[0]) + 1 if match is not None else self._outside(name, behind=len(blocks) + 1)
            for name, match in matches.items()
        }
        return Depths(of, len(blocks))

    def _outside(self, name: str, *, behind: int) -> int:
        return 0 if _lies_in(name, self.before) else behind + int(_lies_in(name, self.projection))


def _lies_in(name: str, parts: tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)
