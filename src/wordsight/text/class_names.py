"""Published lists of class names, in the order in which they were published.

    class_names("imagenet")[1]                       # "goldfish"
    class_names("fer2013")[3]                        # "happy, smiling": synonyms

Each is a text file in `classes/`, one name a line.  A name may occur twice, where two classes share it.  The order is
that of the numbers of ImageNet's classes; copies of other sets may number theirs in another (EuroSAT's folders do), so
compare names before numbers.
"""

from pathlib import Path

from wordsight.base.errors import UsageError
from wordsight.base.suggest import suggest
from wordsight.text.lines import listed_lines
from wordsight.text.set_names import PUBLISHED_SETS

LISTS = tuple(PUBLISHED_SETS)  # "imagenet": the 1,000 classes of ILSVRC 2012, named as CLIP's authors did


def class_names(name: str) -> tuple[str, ...]:
    """Return the class names of a list in the published order; an unknown list raises `UsageError`."""
    if name not in LISTS:
        raise UsageError(f"no list of class names called {name}", cure=suggest(name, list(LISTS)))
    return tuple(line for _, line in listed_lines(Path(__file__).parent / "classes" / f"{name}.txt"))
