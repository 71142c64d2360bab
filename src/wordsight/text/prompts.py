"""Prompts: templates around a class name, or texts that each class has of its own.

    templates("clip")                                   # 80 templates
    class_prompts("tabby cat", templates("photo"))      # ["a photo of a tabby cat."]
    clean_class_name("brown bear, bruin, Ursus arctos") # ["brown bear", "bruin", "Ursus arctos"]
    prompts_of(["cat", "dog"], "mine.json")             # the texts of each, from {"cat": ["a cat", …], "dog": […]}

Named lists are text files in `templates/`, one template a line, `{}`, `{c}` or `{classname}` where the name goes, `#`
before a remark.  Does not know towers: averaging over prompts happens where the embeddings are.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wordsight.base.errors import FormatError, UsageError
from wordsight.base.suggest import suggest
from wordsight.text.lines import listed_lines

_SLOT = re.compile(r"\{(?:c|classname)?\}")
SLOT_CURE = "write {} where the class name goes"
JSON_CURE = 'write {"cat": ["a photo of a cat.", …], …}, or a list of templates'
ONE_NAME = ("Bonaire, Saint Eustatius and Saba",)  # published names with a comma that stand for no synonyms: Country211
SOME_NAMES = "none, photo, clip, clip-7, product, food101"  # in a message, of some thirty
MOST_MISSING = 5  # classes without prompts in a message
Templates = str | Path | Sequence[str] | Mapping[str, Sequence[str]]  # a name, a file, a list, or each class's own


def template_names() -> list[str]:
    """Return the names of the lists that ship with the package."""
    folder = Path(__file__).parent / "templates"
    return sorted(entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt"))


def templates(name_or_file: str | Path) -> list[str]:
    """Return the templates of a named list, of a text file, or of a JSON file that holds a list.

    Named are "none", "photo", "product", "clip", "clip-7" and the sets of `wordsight.text.set_names`.
    """
    source = _read(name_or_file)
    if isinstance(source, dict):
        problem = f"{name_or_file} holds prompts of single classes, not templates"
        raise FormatError(problem, cure="they serve classify, evaluate and train probe; here write one template a line")
    return source


def prompts_of(classes: Sequence[str], source: Templates) -> list[list[str]]:
    """Return the prompts of each class, (C,) lists of one text or more.

    `source`: the name or file of templates, a list of them, or for each class its own prompts: a mapping, or a JSON
    file {class: [prompt, …]}, as it is or as the one entry of {data set: …} (CLIP_benchmark's custom template file).
    A class that the mapping lacks raises `UsageError`.
    """
    given = _read(source) if isinstance(source, str | Path) else source
    if isinstance(given, Mapping):
        missing = [name for name in classes if name not in given]
        if missing:
            raise _without_prompts(missing, list(given))
    return [class_prompts(name, given) for name in classes]


def class_prompts(class_name: str, templates: Sequence[str] | Mapping[str, Sequence[str]]) -> list[str]:
    """Return the texts of a class: every template with each of its names, synonyms apart.

    A template without a slot would make one text of all classes: it is a `UsageError`.  From a mapping they are the
    class's own prompts; they need no slot, and one that is there takes the first of its names.
    """
    if isinstance(templates, Mapping):
        if class_name not in templates:
            raise _without_prompts([class_name], list(templates))
        return fill(_own(class_name, templates[class_name]), clean_class_name(class_name)[0])
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
    """Return the names of a class, best first: synonyms apart, underscores and runs of white space as one space.

    Commas part synonyms, but in the published names of `ONE_NAME`.
    """
    if not isinstance(name, str):
        raise UsageError(f"a class cannot be made of {type(name).__name__}", cure="give class names as a list of str")
    whole = _spaced(name)
    names = [whole] if whole in ONE_NAME else list(dict.fromkeys(filter(None, map(_spaced, name.split(",")))))
    if not names:
        raise UsageError(f"the class name {name!r} is empty", cure="give every class a name")
    return names


def _spaced(name: str) -> str:
    return " ".join(name.replace("_", " ").split())


def _read(name_or_file: str | Path) -> list[str] | dict[str, list[str]]:
    """Return the templates of a name or file, or the prompts of each class."""
    names = template_names()
    path = Path(name_or_file)
    if str(name_or_file) in names:
        path = Path(__file__).parent / "templates" / f"{name_or_file}.txt"
    elif not os.path.exists(path):  # False for names that no file can have
        near = suggest(str(name_or_file), names)
        cure = near if near.startswith("did") else f"use {SOME_NAMES}, …, or a text file; docs/text.md lists all"
        raise UsageError(f"no templates named {name_or_file} and no such file", cure=cure)
    if path.suffix.lower() == ".json":
        from wordsight.base.files import read_json

        value = read_json(path)
        if isinstance(value, dict):
            return _own_prompts(value, path)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise FormatError(f"{path} holds neither prompts nor templates", cure=JSON_CURE)
        lines = list(enumerate(value, 1))
    else:
        lines = listed_lines(path)
    for number, line in lines:
        if not _SLOT.search(line):
            problem = f"{path}, {'entry' if path.suffix.lower() == '.json' else 'line'} {number}: no slot in {line!r}"
            raise FormatError(problem, cure=SLOT_CURE)
    if not lines:
        raise FormatError(f"{path} holds no template", cure="write one template a line, {} where the class name goes")
    return [line for _, line in lines]


def _own_prompts(value: dict[str, Any], path: Path) -> dict[str, list[str]]:
    """Return {class: [prompt, …]} of a JSON file, from below a data set's name where it has one."""
    parts = [name for name, one in value.items() if isinstance(one, dict)]
    if len(parts) == 1 and len(value) == 1:
        value = value[parts[0]]
    elif parts:
        problem = f"{path} holds several data sets ({', '.join(list(value)[:MOST_MISSING])})"
        raise FormatError(problem, cure="keep the prompts of one in a file")
    if not value:
        raise FormatError(f"{path} holds no prompts", cure=JSON_CURE)
    try:
        return {name: _own(name, prompts) for name, prompts in value.items()}
    except UsageError as error:
        raise FormatError(f"{path}: {error.problem}", cure=JSON_CURE) from None


def _own(class_name: str, prompts: Any) -> list[str]:
    """Return the prompts of a class; `UsageError` for what is no list of texts, or an empty one."""
    if isinstance(prompts, str) or not isinstance(prompts, Sequence) or not prompts:
        raise UsageError(f"no list of prompts for the class {class_name}", cure="give at least one text in a list")
    for prompt in prompts:
        if not isinstance(prompt, str) or not prompt.strip():
            raise UsageError(f"the class {class_name} has the prompt {prompt!r}", cure="give texts with words in them")
    return list(prompts)


def _without_prompts(missing: Sequence[str], known: Sequence[str]) -> UsageError:
    """Return the error of classes that have no prompts, with those that may be meant."""
    more = f" and {len(missing) - MOST_MISSING} more" if len(missing) > MOST_MISSING else ""
    problem = f"no prompts for {', '.join(map(repr, missing[:MOST_MISSING]))}{more}"
    near = [suggest(name, known) for name in missing[:MOST_MISSING]]
    meant = [f"{name}: {one}" for name, one in zip(missing, near, strict=False) if one.startswith("did you mean")]
    return UsageError(problem, cure="; ".join([*meant, "give every class a list of prompts under its own name"]))
