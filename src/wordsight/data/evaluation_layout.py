"""What an evaluation set says of itself beside its shards: its kind, its classes in order, its prompt templates.

    layout = layout_of("wds_voc2007")        # root, a split of it, or its tars
    layout.kind, layout.classes[3], layout.templates

    classnames.txt                           one name a line
    zeroshot_classification_templates.txt    one template a line, {c} where the name goes
    dataset_type.txt                         "retrieval" or "multilabel"

This is the layout of CLIP_benchmark's exported sets.  The files lie beside the shards or in the folder above.  Opens no
shard and looks at no image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wordsight.base.errors import FormatError
from wordsight.data.class_files import CLASSIFICATION, NAMES, TYPE, beside, read_class_names, read_type
from wordsight.data.source_files import expand
from wordsight.text.prompts import templates

TEMPLATES = "zeroshot_classification_templates.txt"


class EvaluationLayout(NamedTuple):
    """What is stated; None for what is not.

    `kind` is "classification", "retrieval" or "multilabel".  `classes` are all that are listed, also those without
    images, each once and in the order of the file.  They are exact: a comma is a part of the name and parts no
    synonyms, an underscore stays, so a prompt is `text.prompts.fill(templates, name)`.
    """

    kind: str | None = None
    classes: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None


def layout_of(location: str | Path | Sequence[str | Path]) -> EvaluationLayout:
    """Return what the files beside a source say, which is named as for `open_source`; nothing stated is no error.

    A file that cannot be read, a class without a name, a template without a slot or an unknown kind raise
    `FormatError`.
    """
    folder = _folder(location)
    paths = {name: None if folder is None else beside(folder, name) for name in (TYPE, NAMES, TEMPLATES)}
    names, prompts, stated = paths[NAMES], paths[TEMPLATES], paths[TYPE]
    kind = CLASSIFICATION if names else None
    return EvaluationLayout(
        kind=read_type(stated) if stated else kind,
        classes=_classes(names) if names else None,
        templates=tuple(templates(prompts)) if prompts else None,
    )


def _folder(location: str | Path | Sequence[str | Path]) -> Path | None:
    """Return the folder of what was named, of the first where several are."""
    first = location if isinstance(location, str | Path) else next(iter(location), None)
    path = next(iter(expand(str(first))), None) if first is not None else None
    return None if path is None else (path if path.is_dir() else path.parent).absolute()


def _classes(path: Path) -> tuple[str, ...]:
    names = read_class_names(path)
    if not any(names):
        raise FormatError(f"{path} names no class", cure="write one class name a line")
    if "" in names:
        raise FormatError(f"{path}: line {names.index('') + 1} is blank", cure="write a name there for every class")
    return tuple(dict.fromkeys(names))
