"""The fields of another package's JSON file, each of the type that is asked for.  Free of PyTorch.

fields = JsonFields({"hidden_size": 384}, str(path)); fields.whole("hidden_size")     # 384
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wordsight.base.errors import FormatError

Chosen = TypeVar("Chosen")


@dataclass(frozen=True, slots=True)
class JsonFields:
    """The values of one file, whose path is `where`; one of another type is a `FormatError` that names it."""

    values: Mapping[str, Any]
    where: str

    def whole(self, name: str, *, least: int = 1) -> int:
        """Return a whole number of at least `least`."""
        value = self.values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise self._refusal(name, f"a whole number of {least} or more")

    def positive(self, name: str) -> float:
        """Return a finite number above 0."""
        value = self.values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
            return float(value)
        raise self._refusal(name, "a number above 0")

    def choice(self, name: str, known: Mapping[str, Chosen]) -> Chosen:
        """Return what a name stands for in `known`."""
        value = self.values.get(name)
        if isinstance(value, str) and value in known:
            return known[value]
        raise FormatError(f"{self.where} has {name} = {value!r}", cure=f"known: {', '.join(known)}")

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false; `default` where the field is left out."""
        value = self.values.get(name, default)
        if isinstance(value, bool):
            return value
        raise self._refusal(name, "true or false")

    def _refusal(self, name: str, wanted: str) -> FormatError:
        return FormatError(
            f"{self.where} has {name} = {self.values.get(name)!r}", cure=f"it must be {wanted}: fetch the model again"
        )
