"""What is known of one image of a folder, put together from the rows and files that tell of it.  Reads nothing.

facts = of_values({"caption": "a dog", "label": "dog", "price": 5}, chosen)
facts.also(other)          # both; where they differ, the first
facts.columns()            # as metadata: caption, text, label, class, price
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wordsight.base.errors import InputError
from wordsight.base.value import Value
from wordsight.data import fields
from wordsight.data.label_lists import read_labels
from wordsight.data.source import Columns


@dataclass(frozen=True, slots=True)
class Facts:
    """Captions, class, listed labels, and columns under their own names.

    `meta` are the columns that play no role; `roles` those that were read as captions (`captions` names
    it) or class.
    """

    texts: tuple[str, ...] = ()
    label: str | None = None
    labels: tuple[str, ...] = ()
    meta: Mapping[str, Value] = field(default_factory=dict)
    roles: Mapping[str, Value] = field(default_factory=dict)
    captions: str | None = None

    def also(self, other: "Facts") -> "Facts":
        """Return these facts and others: all captions and listed labels once, and what only the others know."""
        return Facts(
            texts=tuple(dict.fromkeys((*self.texts, *other.texts))),
            label=other.label if self.label is None else self.label,
            labels=tuple(dict.fromkeys((*self.labels, *other.labels))),
            meta={**other.meta, **self.meta},
            roles={**other.roles, **self.roles},
            captions=self.captions or other.captions,
        )

    def columns(self) -> dict[str, Value]:
        """Return all as metadata: captions as `text`, one a line, the class as `class`, every column as it is named."""
        text = {"text": "\n".join(self.texts)} if self.texts else {}
        label = {} if self.label is None else {"class": self.label}
        named = {self.captions: text["text"]} if self.captions and len(self.texts) > 1 else {}
        return {**text, **label, **self.meta, **self.roles, **named}


def of_values(values: Mapping[str, Any], chosen: Mapping[str, str], *, where: str, text_cells: bool = False) -> Facts:
    """Return the facts of a row or JSON object; `chosen` says which column has which role.

    `text_cells`: all cells are text, and those that look like numbers mean them.  Captions that are no texts raise
    `InputError`.
    """
    image, captions = chosen.get("image"), chosen.get("captions")
    of_role = {name for role, name in chosen.items() if role not in ("key", "labels")}
    of_cell = fields.from_text if text_cells else fields.plain
    plain = {name: of_cell(value) for name, value in fields.meta(values, {}).items() if name != image}
    label, labels = read_labels(values, chosen, where=where)
    return Facts(
        texts=fields.captions(values.get(captions or ""), where=where),
        label=label,
        labels=labels,
        meta={name: value for name, value in plain.items() if name not in of_role},
        roles={name: value for name, value in plain.items() if name in of_role},
        captions=captions,
    )


def of_json(values: Mapping[str, Any], stem: str, *, where: str, listed: str | None = None) -> Facts:
    """Return the facts of the JSON beside an image; none when it tells of something else.

    It tells of the image when it has captions, a class, a list of labels, or the image's name as `key`, as img2dataset
    writes it.  `listed` is the key of its class or labels where that is none of the known ones.
    """
    asked = Columns(label=listed if listed in values else None)
    chosen = fields.choose(list(values), asked, where=where, need_image=False)
    try:
        facts = of_values(values, {role: name for role, name in chosen.items() if role != "image"}, where=where)
    except InputError:
        return Facts()
    tells = {"captions", "label"} & set(chosen) or facts.labels or values.get("key") == stem
    return facts if tells else Facts()
