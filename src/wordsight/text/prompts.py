"""Prompt templates: texts around a class name.

    templates("clip")                                   # 80 templates
    class_prompts("tabby cat", templates("photo"))      # ["a photo of a tabby cat."]
    clean_class_name("brown bear, bruin, Ursus arctos") # ["brown bear", "bruin", "Ursus arctos"]

Named lists are text files in `templates/`, one template a line, `{}` or `{c}` where the name goes, `#` before a
remark.  Does not know towers: averaging over prompts happens where the embeddings are.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.suggest import suggest
from wordsight.text.lines import listed_lines

_SLOT = re.compile(r"\{c?\}")
SLOT_CURE = "write {} where the class name goes"


def template_names() -> list[str]:
    """Return the names of the lists that ship with the package."""
    folder = Path(__file__).parent / "templates"
    return sorted(entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt"))


def templates(name_or_file: str | Path) -> list[str]:
    """Return the templates of a named list ("none", "photo", "clip", "product") or of a text file."""
    names = template_names()
    path = Path(name_or_file)
    if str(name_or_file) in names:
        path = Path(__file__).parent / "templates" / f"{name_or_file}.txt"
    elif not os.path.exists(path):  # False for names that no file can have
        cure = suggest(str(name_or_file), [*names, "a text file"])
        raise UsageError(f"no templates named {name_or_file} and no such file", cure=cure)
    lines = listed_lines(path)
    for number, line in lines:
        if not _SLOT.search(line):
            problem = f"{path}, line {number}: no slot in {line!r}"
            raise FormatError(problem, cure=SLOT_CURE)
    if not lines:
        raise FormatError(f"{path} holds no template", cure="write one template a line, {} where the class name goes")
    return [line for _, line in lines]


def class_prompts(class_name: str, templates: Sequence[str]) -> list[str]:
    """Return the texts of a class: every template with each of its names, synonyms apart.

    A template without a slot would make one text of all classes: it is a `UsageError`.
    """
    if isinstance(templates, str) or not templates:
        raise UsageError(f"no templates for the class {class_name}", cure="give a list of at least one, for example {}")
    for template in templates:
        if not isinstance(template, str):
            raise UsageError(f"a template of {type(template).__name__}", cure=f"give a text; {SLOT_CURE}")
        if not _SLOT.search(template):
            raise UsageError(f"no slot in the template {template!r}", cure=SLOT_CURE)
    return [text for name in clean_class_name(class_name) for text in fill(templates, name)]


def fill(templates: Sequence[str], class_name: str) -> list[str]:
    """Return every template with the class name in its slot."""
    return [_SLOT.sub(lambda _: class_name, template) for template in templates]


def clean_class_name(name: str) -> list[str]:
    """Return the names of a class, best first: synonyms apart, underscores and runs of white space as one space."""
    if not isinstance(name, str):
        raise UsageError(f"a class cannot be made of {type(name).__name__}", cure="give class names as a list of str")
    parts = (" ".join(part.replace("_", " ").split()) for part in name.split(","))
    names = list(dict.fromkeys(part for part in parts if part))
    if not names:
        raise UsageError(f"the class name {name!r} is empty", cure="give every class a name")
    return names
