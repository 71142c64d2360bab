"""Label sets become pairs: the class name, put into a prompt template, is the text.

    images = LabelTexts(cache, ["a photo of a {}."])
    images.draw(0, 0.4)        # Caption("a photo of a bruin.", "label brown bear, bruin, Ursus arctos")

All prompts of one label count as the same text.  The synonyms in a class name are drawn like templates.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from wordsight.base.arrays import Pixels, RowIds
from wordsight.base.errors import InputError, UsageError
from wordsight.base.progress import notice
from wordsight.data.image_set import AnnotatedSet, Annotation, Caption
from wordsight.text.prompts import class_prompts


def notice_numbers(classes: Iterable[str], of: str) -> None:
    """Print once that the classes of something are plain numbers, which as names tell a text tower nothing."""
    shown = list(islice(classes, 3))
    if shown and all(name.removeprefix("-").isdecimal() for name in shown):
        notice(
            f"the classes of {of} are plain numbers ({', '.join(shown)}), and prompts are made of them; "
            "name a column with their names (label), or write these into the schema (ClassLabel) or classnames.txt",
            once=True,
        )


class Prompter:
    """Chooses one text for an image: a caption, or a prompt made of its class name.

    `share` is the probability of a prompt where captions are there too; without captions it is always a prompt.
    """

    def __init__(self, templates: Sequence[str] = ("{}",), *, share: float = 0.0) -> None:
        if not templates:
            raise UsageError("no prompt templates", cure="give at least one, for example 'a photo of a {}.'")
        if not 0 <= share <= 1:
            raise UsageError(f"share = {share}", cure="give a number between 0 and 1")
        self._templates = tuple(templates)
        self._share = share
        self._prompts: dict[str, tuple[str, ...]] = {}

    def draw(self, annotation: Annotation, uniform: float) -> Caption:
        """Return the text that a number in [0, 1) stands for; the same number gives the same text."""
        share = 0.0 if annotation.label is None else self._share if annotation.captions else 1.0
        if annotation.label is not None and uniform < share:
            prompts = self._prompts_of(annotation.label)
            return Caption(_one_of(prompts, uniform / share), f"label {annotation.label}")
        if not annotation.captions:
            raise InputError("an image without caption and class", cure="leave it out")
        text = _one_of(annotation.captions, (uniform - share) / (1 - share))
        return Caption(text, f"text {text}")

    def _prompts_of(self, label: str) -> tuple[str, ...]:
        if not self._prompts:
            notice_numbers([label], "training images")
        if label not in self._prompts:
            self._prompts[label] = tuple(dict.fromkeys(class_prompts(label, self._templates)))
        return self._prompts[label]


def _one_of(texts: tuple[str, ...], uniform: float) -> str:
    return texts[min(int(uniform * len(texts)), len(texts) - 1)]  # rescaled numbers may round up to 1.0


class LabelTexts:
    """An image set whose texts are, with probability `share`, prompts made of the class name; see `Prompter`."""

    def __init__(self, images: AnnotatedSet, templates: Sequence[str], *, share: float = 1.0) -> None:
        self.name = images.name
        self.size = images.size
        self._images = images
        self._prompter = Prompter(templates, share=share)

    def __len__(self) -> int:
        return len(self._images)

    def blocks(self) -> list[RowIds]:
        """Return the rows that have a text, as the set beneath gives them."""
        return self._images.blocks()

    def pixels(self, rows: RowIds) -> tuple[Pixels, dict[int, InputError]]:
        """Return uint8 (len(rows), S, S, 3) and the errors, as the set beneath gives them."""
        return self._images.pixels(rows)

    def draw(self, row: int, uniform: float) -> Caption:
        """Return a prompt or a caption."""
        return self._prompter.draw(self._images.annotation(row), uniform)
