"""What clients send as a text or an image, in all their spellings, as parts.

    parts_of("a dog")                                              # (InputPart("text", "a dog"),)
    parts_of({"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}})
    parts_of({"text": "a dog", "image": "..."})                    # two parts of one input
    parts_of([{"role": "user", "content": [{"type": "text", "text": "a dog"}]}])

An image stays as it was sent: base64, a data address or a web address.  Knows nothing of models and opens nothing.
"""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from wordsight.serve.errors import Refused

IMAGE_NAMES = ("image", "image_url", "image_base64", "bytes", "url", "blob", "uri")  # fields that hold an image
TEXT_NAMES = ("text", "input_text")
SPELLINGS = 'a text, {"text": ...}, {"image": base64 or an address}, {"image_url": {"url": ...}} or {"content": [...]}'
DEEPEST = 4  # lists and contents inside each other: a conversation, its message, its content, one part
_KINDS = {"text", "input_text", "image", "image_url", "image_base64", "input_image", "image_pil"}


class InputPart(NamedTuple):
    """A text, or an image as it was sent."""

    kind: Literal["text", "image"]
    value: str


EmbedInput = tuple[InputPart, ...]  # what one embedding is asked for: nearly always a single part


def parts_of(given: Any, *, images: bool = False, deep: int = 0) -> EmbedInput:
    """Return the parts of one input; `images`: a bare string is an image and no text.

    Raises `Refused` 400 for what is none of the spellings, for token ids, and for sounds and videos.
    """
    if isinstance(given, str):
        return (InputPart("image" if images or is_data_address(given) else "text", given),)
    if deep >= DEEPEST:
        raise Refused(400, "lists inside lists inside lists", cure=f"send {SPELLINGS}")
    if isinstance(given, Mapping):
        return _of_object(given, images=images, deep=deep)
    if isinstance(given, Sequence) and not isinstance(given, bytes):
        if given and all(isinstance(one, int) for one in given):
            raise Refused(400, "token ids, which mean nothing to this model's tokenizer", cure="send the texts")
        parts = tuple(part for one in given for part in parts_of(one, images=images, deep=deep + 1))
        if parts:
            return parts
    raise Refused(400, f"an input that is {_shortened(given)}", cure=f"send {SPELLINGS}")


def inputs_of(given: Any, *, images: bool = False) -> list[EmbedInput]:
    """Return the inputs of a field: one, or a list of them; a list of numbers is refused as `parts_of` does."""
    if isinstance(given, list) and not (given and all(isinstance(one, int) for one in given)):
        if not given:
            raise Refused(400, "an empty input", cure="send at least one text or image")
        return [parts_of(one, images=images) for one in given]
    return [parts_of(given, images=images)]


def is_data_address(text: str) -> bool:
    """Say whether a string is an image as a data address: `data:image/...;base64,...`."""
    return text[:11].lower() == "data:image/" and ";base64," in text[:128]


def _of_object(given: Mapping[str, Any], *, images: bool, deep: int) -> EmbedInput:
    kind = given.get("type", "text")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise Refused(400, f"a part of type {_shortened(kind)}", cure="send texts and images")
    if "content" in given:
        return parts_of(given["content"], images=images, deep=deep + 1)
    texts = [given[name] for name in TEXT_NAMES if given.get(name) is not None]
    addresses = [_address(given[name]) for name in IMAGE_NAMES if given.get(name) is not None]
    if (not texts and not addresses) or not all(isinstance(one, str) for one in (*texts, *addresses)):
        raise Refused(
            400,
            f"an input with the fields {', '.join(map(_shortened, list(given)[:8])) or 'of none'}"[:200],
            cure=f"send {SPELLINGS}",
        )
    return (*(InputPart("text", one) for one in texts), *(InputPart("image", one) for one in addresses))


def _address(value: Any) -> Any:
    """Return the address in `{"url": ...}`, or the value itself."""
    return value.get("url") if isinstance(value, Mapping) else value


def _shortened(value: Any) -> str:
    return reprlib.repr(value)[:60]
