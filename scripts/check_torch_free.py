"""The light install must work without PyTorch: every module outside the border is imported while it cannot be.

    python scripts/check_torch_free.py

Prints each module that fails and exits with 1 if there is one.
"""

import importlib
import pkgutil
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec
from types import ModuleType

import wordsight

EXTRAS = (
    "torch",
    "torchvision",
    "onnx",
    "onnxscript",
    "openvino",
    "pyarrow",
    "tensorboard",
)  # not in the light install
BORDER = (  # what may import them when it is itself imported
    "wordsight.towers.*",
    "wordsight.losses.*",
    "wordsight.guidance",
    "wordsight.train.*",
    "wordsight.data.loader",
    "wordsight.data.augment_torch",
    "wordsight.weights.tensors",
    "wordsight.engines.attack_torch",
    "wordsight.explain.inside.*",
    "wordsight.engines.packed",
    "wordsight.engines.torch_engine",
    "wordsight.engines.export*",
    "wordsight.engines.layer_noise",
    "wordsight.engines.openvino_engine",
)
INSIDE = (
    "wordsight.towers.catalogue",
    "wordsight.towers.check",
    "wordsight.towers.families",
    "wordsight.towers.shapes",
    "wordsight.towers.family",
    "wordsight.towers.flat",
    "wordsight.towers.spec",
    "wordsight.towers.tower_spec",
    "wordsight.towers.graph.positions",
    "wordsight.towers.graph.precision",
    "wordsight.towers.*.angles",
    "wordsight.towers.parts.reading",
    "wordsight.towers.parts.resize",
    "wordsight.towers.parts.rules",
    "wordsight.towers.parts.shapes",
    "wordsight.towers.*.check",
    "wordsight.towers.*.family",
    "wordsight.towers.*.options",
    "wordsight.towers.*.shapes",
    "wordsight.towers.*.spec",
    "wordsight.train.config",
)


class Absent:
    """An import hook for which the extras are not installed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Refuse the extras, leave the rest to the others."""
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def light_modules() -> list[str]:
    """Return the names of all modules that must be importable without the extras."""
    names = [module.name for module in pkgutil.walk_packages(wordsight.__path__, "wordsight.")]
    return [name for name in names if name != "wordsight.__main__" and not _beyond(name)]


def _beyond(name: str) -> bool:
    inside, beyond = (any(fnmatchcase(name, pattern) for pattern in patterns) for patterns in (INSIDE, BORDER))
    return beyond and not inside


def main() -> int:
    """Import them all and tell which failed."""
    sys.meta_path.insert(0, Absent())
    failed = 0
    for name in light_modules():
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"{name}: {error}")
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
