"""What an evaluation set says of itself: its kind, its classes in order, its prompt templates.

    layout = layout_of("wds_voc2007")        # root, a split of it, or its tars
    layout.kind, layout.classes[3], layout.templates

    classnames.txt                           one name a line
    zeroshot_classification_templates.txt    one template a line, {c} where the name goes
    dataset_type.txt                         "retrieval" or "multilabel"

These files, beside the shards or in the folder above, are the layout of CLIP_benchmark's exported sets.  Where there is
no `classnames.txt` the classes are those that a parquet or Arrow table states (`class_labels`).  Opens no shard and
looks at no image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from wordsight.base.errors import FormatError
from wordsight.data.class_files import (
    CLASSIFICATION,
    MULTILABEL,
    NAMES,
    TYPE,
    beside,
    read_class_names,
    read_type,
)
from wordsight.data.kinds import AUTO, TABLE
from wordsight.data.source import Columns, open_files
from wordsight.data.source_files import expand, find
from wordsight.data.table import TableSource
from wordsight.text.prompts import templates

TEMPLATES = "zeroshot_classification_templates.txt"


class EvaluationLayout(NamedTuple):
    """What is stated; None for what is not.

    `kind` is "classification", "retrieval" or "multilabel".  `classes` are all that are listed, also those without
    images, each once and in the order of their numbers; they are what `Sample.label` and `Sample.labels` hold.
    `naming` says how prompts are made of them: "exact" names (of `classnames.txt`) are taken as they are, with commas
    and underscores, by `text.prompts.fill`; in those with "synonyms" (of a schema) commas part names and underscores
    are spaces, as for every other class: `text.prompts.class_prompts`.
    """

    kind: str | None = None
    classes: tuple[str, ...] | None = None
    templates: tuple[str, ...] | None = None
    naming: Literal["exact", "synonyms"] | None = None


def layout_of(location: str | Path | Sequence[str | Path], *, columns: Columns | None = None) -> EvaluationLayout:
    """Return what is stated about a source, which is named as for `open_source`; nothing stated is no error.

    A file that cannot be read, a class without a name, a template without a slot or an unknown kind raise
    `FormatError`.
    """
    paths = _paths(location)
    if not paths:
        return EvaluationLayout()
    folder = (paths[0] if paths[0].is_dir() else paths[0].parent).absolute()
    names, prompts, stated = (beside(folder, name) for name in (NAMES, TEMPLATES, TYPE))
    layout = (
        _of_table(paths, columns) if names is None else EvaluationLayout(CLASSIFICATION, _classes(names), None, "exact")
    )
    return layout._replace(
        kind=read_type(stated) if stated else layout.kind, templates=tuple(templates(prompts)) if prompts else None
    )


def _paths(location: str | Path | Sequence[str | Path]) -> list[Path]:
    locations = [location] if isinstance(location, str | Path) else location
    return [path for one in locations for path in expand(str(one))]


def _of_table(paths: list[Path], columns: Columns | None) -> EvaluationLayout:
    """Return the classes that the schema of the first table states, if the source is of tables."""
    try:
        files = find(paths, split="all" if paths[0].is_dir() else None, kind=AUTO)
    except FormatError:  # nothing that is read: whoever opens the source is told
        return EvaluationLayout()
    source = open_files(files, columns) if files.kind == TABLE else None
    stated = source.classes() if isinstance(source, TableSource) else None
    if stated is None:
        return EvaluationLayout()
    of_one_class, names = stated
    return EvaluationLayout(
        CLASSIFICATION if of_one_class else MULTILABEL, tuple(dict.fromkeys(names)), None, "synonyms"
    )


def _classes(path: Path) -> tuple[str, ...]:
    names = read_class_names(path)
    if not any(names):
        raise FormatError(f"{path} names no class", cure="write one class name a line")
    if "" in names:
        raise FormatError(f"{path}: line {names.index('') + 1} is blank", cure="write a name there for every class")
    return tuple(dict.fromkeys(names))
