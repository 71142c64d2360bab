"""Two of the six nouns: what comes in (`Sample`) and what comes out (`Result`).

The others live where they are made: `Source` in data, `ModelSpec` in towers, `Engine` in engines,
`Index` in index.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wordsight.base.value import Value


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with what is known of it.

    `image` is the encoded file (bytes) or its path; `texts` are its captions, exactly as the source
    gives them; `label` is a class name; `meta` holds the remaining columns.  `labels` are the names that a
    source of several labels lists for the image, in its order and each once; `label` is then None unless the source
    states a class besides, also where the list has one name.  () is a list without a name, or no list.
    `mask` is the label image (PNG) in which each pixel has the number of its class, where it was asked for.
    """

    key: str
    image: bytes | Path | None = None
    texts: tuple[str, ...] = ()
    label: str | None = None
    meta: Mapping[str, Value] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    mask: bytes | Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One measured value: a JSON line.

    `name` is a path such as "flickr8k/text_to_image/R@10"; `value` is a share in 0..1 unless the name
    says otherwise; `interval` is the 95 % bootstrap interval; `count` is the number of things averaged
    over (queries, images); `setting` holds what else is needed to read the value (gallery size,
    chance); `fingerprint` names the model; `environment` the machine and versions.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    count: int = 0
    fingerprint: str = ""
    setting: Mapping[str, Value] = field(default_factory=dict)
    environment: Mapping[str, Value] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the result as one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Result":
        """Return the result of the parsed fields of a line; missing and unknown ones raise `TypeError`."""
        interval = fields.get("interval")
        return cls(**{**fields, "interval": tuple(interval) if interval else None})
