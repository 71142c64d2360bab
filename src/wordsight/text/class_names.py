"""Published lists of class names, in the order of the classes' numbers.

    class_names("imagenet")[1]                       # "goldfish"

Each is a text file in `classes/`, one name a line.  A name may occur twice, where two classes share it.
"""

from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.base.suggest import suggest
from wordsight.text.lines import listed_lines

LISTS = ("imagenet",)  # the 1,000 classes of ImageNet (ILSVRC 2012), named as CLIP's authors did


def class_names(name: str) -> tuple[str, ...]:
    """Return the class names of a list, in the order of their numbers; an unknown list raises `UsageError`."""
    if name not in LISTS:
        raise UsageError(f"no list of class names called {name}", cure=suggest(name, list(LISTS)))
    return tuple(line for _, line in listed_lines(Path(__file__).parent / "classes" / f"{name}.txt"))
