"""What a measurement records beside its figures, so that pages can draw it: one JSON line each, in `details.jsonl`.

    Detail("pets/zero-shot", title="Accuracy within each class", form="bars", data={"rows": [...]}).to_json()

The writers are the measurements, the reader is the report.  `form` says how `data` is laid out (docs/report.md
describes each form); whether the data fits its form is checked by whoever draws it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from wordsight.base.errors import FormatError
from wordsight.base.value import Value

DETAILS = "details.jsonl"  # the file in the folder of an evaluation or a run
FORMS = ("bars", "lines", "matrix", "table", "pictures", "reliability", "hits")


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing to draw: bars, lines, a matrix, a table, pictures, a reliability diagram, or hits for a comparison.

    `name` is the path of what was measured, as "flowers5/zero-shot" (for hits that of the result,
    "flowers5/zero-shot/top-1"); `title` heads the drawing; `data` is plain JSON in the layout of `form`;
    `fingerprint` and `setting` are those of the results it belongs to.  An unknown form and an empty name are a
    `FormatError`.
    """

    name: str
    title: str
    form: str
    data: Mapping[str, Any]
    fingerprint: str = ""
    setting: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise FormatError("a detail has no name", cure='name what was measured, as "pets/zero-shot"')
        if self.form not in FORMS:
            raise FormatError(f"the detail {self.name} has the form {self.form!r}", cure=f"forms: {', '.join(FORMS)}")

    def to_json(self) -> str:
        """Return the detail as one line of JSON; NaN and infinite numbers are a `FormatError`."""
        try:
            return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, allow_nan=False)
        except ValueError as error:
            raise FormatError(f"the detail {self.name}: {error}", cure="leave the value out, or write None") from None

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Detail":
        """Return the detail of the parsed fields of a line; missing, unknown and mistyped ones raise `TypeError`."""
        detail = cls(**fields)
        texts = ("name", "title", "form", "fingerprint")
        wrong = [name for name in texts if not isinstance(getattr(detail, name), str)]
        wrong += [name for name in ("data", "setting") if not isinstance(getattr(detail, name), Mapping)]
        if wrong:
            raise TypeError(f"{wrong[0]} is {type(getattr(detail, wrong[0])).__name__}")
        return detail
