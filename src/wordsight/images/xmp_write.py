"""Tags in XMP sidecars: `dc:subject` is changed where it stands, and every other byte of the file stays.

    with_tags(None, ["beach", "dog"])          # a new sidecar
    with_tags(stored, ["beach"])               # the same with these tags; None where nothing has to change

Programs and people write keywords into the same list.  So that theirs are told from ours, the sidecar has a second
list, `wordsight:tags`, of those that were added here: what is in it and no longer wanted goes, all others stay.  Does
not read or write files, and never sees an image.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from wordsight.base.errors import FormatError
from wordsight.images.xmp_tree import CURE, Element, read_tree

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
OWN = "urn:wordsight:1.0/"
LARGEST = 16 << 20  # bytes of a sidecar; those of long editing histories have a few hundred thousand
_SUBJECT, _TAGS = (DC, "subject"), (OWN, "tags")
_PREFIXES = {DC: "dc", OWN: "wordsight"}
_LISTS = [(RDF, name) for name in ("Bag", "Seq", "Alt")]
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)")
_CODECS = {"utf-8", "ascii", "iso8859-1", "cp1252"}  # besides UTF-16, which says by its first bytes that it is
_WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_NEW = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Wordsight">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:wordsight="urn:wordsight:1.0/"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""  # the first and last line are fixed by the XMP specification, part 1, section 7.3


def with_tags(stored: bytes | None, tags: Sequence[str]) -> bytes | None:
    """Return a sidecar with these tags of ours, or None where it has them already and no others of ours.

    `stored` is its content, None where there is none yet.  Whether a keyword is there already is decided whatever its
    case.  Raises `FormatError` for what is no XMP, or has keywords in a form that cannot be changed safely.
    """
    if stored is None:
        return with_tags(_NEW.encode(), tags) if tags else None
    if len(stored) > LARGEST:
        raise FormatError(f"an XMP sidecar of {len(stored):,} bytes", cure=CURE)
    body, encode = _as_utf8(stored)
    sidecar = _Sidecar.read(body)
    subjects, ours = sidecar.values(_SUBJECT), sidecar.values(_TAGS)
    wanted = {tag.casefold(): tag for tag in tags}
    owned = {one.casefold() for one in ours}
    present = {one.casefold() for one in subjects}
    gone = owned - wanted.keys()
    new = [tag for folded, tag in wanted.items() if folded not in present]
    noted = [tag for folded, tag in wanted.items() if folded not in present and folded not in owned]
    changed = [*sidecar.without(_SUBJECT, gone), *sidecar.without(_TAGS, gone)]
    changed += sidecar.also({_SUBJECT: new, _TAGS: noted}, gone)
    return encode(_replaced(body, changed)) if changed else None


@dataclass(frozen=True, slots=True)
class _Change:
    """Bytes `start` to `end` become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Sidecar:
    """A document in UTF-8, its rdf:RDF, and the descriptions in that."""

    body: bytes
    rdf: Element
    descriptions: list[Element]

    @classmethod
    def read(cls, body: bytes) -> "_Sidecar":
        """Return the parts of a document; `FormatError` where it is no XMP."""
        root = read_tree(body)
        near = [root, *root.children]
        rdf = next((one for one in near if one.name == (RDF, "RDF")), None)
        if rdf is None:
            raise FormatError("XML that is no XMP: it has no rdf:RDF", cure=CURE)
        descriptions = rdf.below((RDF, "Description"))
        for one in descriptions:
            if _SUBJECT in one.attributes or _TAGS in one.attributes:
                raise FormatError("XMP whose dc:subject is an attribute and no list", cure=CURE)
        return cls(body, rdf, descriptions)

    def properties(self, name: tuple[str, str]) -> list[Element]:
        return [one for description in self.descriptions for one in description.below(name)]

    def values(self, name: tuple[str, str]) -> list[str]:
        return [item.text.strip() for one in self.properties(name) for item in _items(one)]

    def without(self, name: tuple[str, str], gone: set[str]) -> list[_Change]:
        """Return what removes these values of a property, whatever their case; an empty list goes with its property."""
        changes = []
        for one in self.properties(name):
            items = _items(one)
            doomed = [item for item in items if item.text.strip().casefold() in gone]
            if doomed and len(doomed) == len(items):
                changes.append(self._cut(one, next(each for each in self.descriptions if one in each.children)))
            elif doomed:
                changes += [self._cut(item, one.children[0]) for item in doomed]
        return changes

    def also(self, new: dict[tuple[str, str], list[str]], gone: set[str]) -> list[_Change]:
        """Return what adds values to properties, into the lists that are there and stay, else into new ones."""
        changes, fresh = [], []
        for name, values in new.items():
            if not values:
                continue
            lists = [
                one.children[0]
                for one in self.properties(name)
                if any(item.text.strip().casefold() not in gone for item in _items(one))
            ]
            if lists:
                changes.append(self._appended(lists[0], values))
            else:
                fresh.append((name, values))
        return [*changes, *self._described(fresh)]

    def _appended(self, listed: Element, values: Sequence[str]) -> _Change:
        last = listed.children[-1]
        indent = self._before(listed.children[0], listed)
        tag = listed.children[0].tag
        return _Change(last.end, last.end, "".join(f"{indent}<{tag}>{escape(one)}</{tag}>" for one in values))

    def _described(self, fresh: Sequence[tuple[tuple[str, str], list[str]]]) -> list[_Change]:
        """Return what adds properties to the first description, which is made where there is none."""
        if not fresh:
            return []
        if not self.descriptions:
            inside = "".join(_property(name, values, "\n   ", None) for name, values in fresh)
            text = f'\n  <rdf:Description xmlns:rdf="{RDF}" rdf:about="">{inside}\n  </rdf:Description>'
            return [self._inside(self.rdf, text, "\n ")]
        first = self.descriptions[0]
        outer = self._before(first, self.rdf) or "\n"
        indent = self._before(first.children[0], first) if first.children else f"{outer} "
        text = "".join(_property(name, values, indent, first) for name, values in fresh)
        return [self._inside(first, text, outer)]

    def _inside(self, element: Element, text: str, outer: str) -> _Change:
        """Return what puts text behind the last child of an element, which is opened if it closes itself."""
        if element.closes_itself:
            return _Change(element.end - 2, element.end, f">{text}{outer}</{element.tag}>")
        at = element.children[-1].end if element.children else element.inner
        return _Change(at, at, text)

    def _cut(self, element: Element, parent: Element) -> _Change:
        """Return what removes an element with the white space before it."""
        indent = self._before(element, parent).encode()
        return _Change(element.start - len(indent), element.end, "")

    def _before(self, element: Element, parent: Element) -> str:
        """Return the white space between an element and what stands before it in its parent."""
        before = self.body[parent.inner : element.start]
        return before[len(before.rstrip()) :].decode()


def _items(one: Element) -> list[Element]:
    """Return the items of a property that is a list; `FormatError` where it is something else."""
    if not one.children and not one.text.strip():
        return []
    if len(one.children) != 1 or one.children[0].name not in _LISTS or one.text.strip():
        raise FormatError(f"XMP whose {one.tag} is no list", cure=CURE)
    return one.children[0].below((RDF, "li"))


def _property(name: tuple[str, str], values: Sequence[str], indent: str, inside: Element | None) -> str:
    """Return a property that is a bag of values, with the namespaces that are not declared where it will stand."""
    scope = inside.scope if inside is not None else {}
    declared = "".join(
        f' xmlns:{prefix}="{uri}"'
        for prefix, uri in ((_PREFIXES[name[0]], name[0]), ("rdf", RDF))
        if scope.get(prefix) != uri
    )
    tag = f"{_PREFIXES[name[0]]}:{name[1]}"
    items = "".join(f"{indent}  <rdf:li>{escape(one)}</rdf:li>" for one in values)
    return f"{indent}<{tag}{declared}>{indent} <rdf:Bag>{items}{indent} </rdf:Bag>{indent}</{tag}>"


def _replaced(body: bytes, changes: Sequence[_Change]) -> bytes:
    parts, at = [], 0
    for change in sorted(changes, key=lambda one: (one.start, one.end)):
        parts += [body[at : change.start], change.text.encode()]
        at = change.end
    return b"".join([*parts, body[at:]])


def _as_utf8(stored: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return a document in UTF-8, and what brings it back into the encoding that it has."""
    if stored.startswith(codecs.BOM_UTF8):
        return stored[3:], lambda body: codecs.BOM_UTF8 + body
    if stored[:2] in _WIDE:
        wide = _WIDE[stored[:2]]
        return _decoded(stored[2:], wide), lambda body: stored[:2] + body.decode().encode(wide)
    declared = _DECLARED.match(stored)
    try:
        codec = codecs.lookup(declared.group(1).decode() if declared else "utf-8").name
    except LookupError:
        codec = ""
    if codec not in _CODECS:
        raise FormatError(f"XML in the encoding {(declared or [b''])[1].decode()}", cure="save it as UTF-8")
    if codec == "utf-8":
        return _decoded(stored, codec), lambda body: body
    return _decoded(stored, codec), lambda body: body.decode().encode(codec, "xmlcharrefreplace")


def _decoded(stored: bytes, codec: str) -> bytes:
    try:
        return stored.decode(codec).encode()
    except UnicodeDecodeError as error:
        raise FormatError(f"no XML (bytes that are no {codec})", cure=CURE) from error
