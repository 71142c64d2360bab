"""The elements of an XML document with the bytes at which they begin and end, so that parts can be replaced in place.

    root = read_tree(body)                     # UTF-8; raises FormatError for what is no XML
    body[root.start : root.end]

A document with a DOCTYPE is refused: sidecars have none, and entities are declared there.  Knows no XMP.
"""

from dataclasses import dataclass, field
from xml.parsers import expat

from wordsight.base.errors import FormatError

DEEPEST = 200  # elements inside each other; sidecars have about ten
CURE = "repair it, or move it away"


@dataclass(slots=True)
class Element:
    """`inner` to `inner_end` is what is between its tags; of an element that closes itself both are `end`.

    `name` is (namespace, local name); `scope` maps prefixes to namespaces inside it.  `text` is its own, not that of
    the elements in it.
    """

    name: tuple[str, str]
    prefix: str
    start: int
    inner: int
    attributes: frozenset[tuple[str, str]]
    scope: dict[str, str]
    inner_end: int = 0
    end: int = 0
    text: str = ""
    children: "list[Element]" = field(default_factory=list)

    @property
    def closes_itself(self) -> bool:
        """Return whether it is written as <a/>."""
        return self.inner == self.end

    @property
    def tag(self) -> str:
        """Return its name as it is written, with its prefix."""
        return f"{self.prefix}:{self.name[1]}" if self.prefix else self.name[1]

    def below(self, name: tuple[str, str]) -> "list[Element]":
        """Return the children of this name."""
        return [child for child in self.children if child.name == name]


def read_tree(body: bytes) -> Element:
    """Return the root of a document in UTF-8; `FormatError` where it is not well-formed, too deep or has a DOCTYPE."""
    try:
        return _Reader(body).root
    except expat.ExpatError as error:
        raise FormatError(f"no XML ({error})", cure=CURE) from error


class _Reader:
    """Reads when it is made."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._open: list[Element] = []
        self._declared: dict[str, str] = {}
        parser = expat.ParserCreate("utf-8", " ")
        parser.namespace_prefixes = True
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._finish
        parser.CharacterDataHandler = self._characters
        self._parser = parser
        parser.Parse(body, True)

    root: Element

    def _doctype(self, *declared: object) -> None:
        raise FormatError("XML with a DOCTYPE", cure=CURE)

    def _namespace(self, prefix: str | None, uri: str | None) -> None:
        self._declared[prefix or ""] = uri or ""

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= DEEPEST:
            raise FormatError(f"XML of more than {DEEPEST} elements inside each other", cure=CURE)
        start = self._parser.CurrentByteIndex
        scope = self._open[-1].scope if self._open else {}
        if self._declared:
            scope, self._declared = {**scope, **self._declared}, {}
        qualified, prefix = _split(name)
        named = frozenset(_split(one)[0] for one in attributes)
        element = Element(qualified, prefix, start, _end_of_tag(self._body, start), named, scope)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _finish(self, name: str) -> None:
        element, at = self._open.pop(), self._parser.CurrentByteIndex
        if self._body[element.inner - 2 : element.inner] == b"/>":
            element.inner_end = element.end = element.inner
        else:
            element.inner_end, element.end = at, _end_of_tag(self._body, at)

    def _characters(self, text: str) -> None:
        self._open[-1].text += text


def _split(name: str) -> tuple[tuple[str, str], str]:
    """Return (namespace, local name) and prefix of expat's "uri local prefix", "uri local" or "local"."""
    parts = name.split(" ")
    if len(parts) == 1:
        return ("", parts[0]), ""
    return (parts[0], parts[1]), parts[2] if len(parts) > 2 else ""


def _end_of_tag(body: bytes, start: int) -> int:
    """Return where the tag that begins at `start` ends; a > inside quotes does not end it."""
    quote = b""
    for at in range(start, len(body)):
        sign = body[at : at + 1]
        if quote:
            quote = b"" if sign == quote else quote
        elif sign in (b'"', b"'"):
            quote = sign
        elif sign == b">":
            return at + 1
    raise FormatError("no XML (a tag has no end)", cure=CURE)
