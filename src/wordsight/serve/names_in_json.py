r"""JSON in which keys are names of files that are no UTF-8: their bytes are lone surrogates, as Python has them.

    asked = decoded(body, SimilarRequest)      # {"key": "bad\udcff.jpg"} is asked as it was answered

msgspec takes no lone surrogates, so that a body with them is read once more by the `json` module.  Only keys may have
them, for nothing else is the name of a file: in a text they are refused, before a tokenizer meets them.  Knows no
library.
"""

import json
import re
from typing import Any

import msgspec

KEYS = frozenset({"key", "keys", "like", "liked", "disliked", "kept", "move"})  # fields that hold keys
_LONE = re.compile("[\ud800-\udfff]")
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # that no byte of a name becomes


def decoded(body: bytes, kind: Any) -> Any:
    """Return a JSON body as a value of a type; `msgspec.MsgspecError` says what is wrong with it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        if "surrogate" not in str(error):
            raise
    try:
        tree = json.loads(body, parse_constant=_refuse_constant)
    except ValueError as error:
        raise msgspec.DecodeError(f"JSON is malformed: {error}") from None
    _check(tree, "")
    return msgspec.convert(tree, kind)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check(tree: Any, field: str) -> None:
    """Raise `msgspec.ValidationError` for a lone surrogate that is no byte of a key."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            _check(name, "")
            _check(value, name)
    elif isinstance(tree, list):
        for value in tree:
            _check(value, field)
    elif isinstance(tree, str) and (_NO_BYTE if field in KEYS else _LONE).search(tree):
        raise msgspec.ValidationError(f"Half of a surrogate pair, which is no text{f' - at `{field}`' * bool(field)}")
