"""What XMP says of an image: keywords, rating, title, description, date and what a camera wrote; read, never written.

    facts = read_xmp(Path("photo.xmp").read_bytes())
    facts.keywords, facts.rating, facts.title, facts.description, facts.date
    facts.columns()                         # {"taken": "2025-06-01T12:00:00", "rating": 4, ...}

Reads properties of the image itself, as elements or attributes; what lies inside structures (a history, regions) is not
of it.  A document type is refused, so no entity is ever expanded, and nothing outside is asked for.
Source: ISO 16684-1, the namespaces of Adobe, Exif 2.32 for XMP, digiKam and Microsoft.
"""

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from xml.parsers import expat

from wordsight.base.errors import InputError
from wordsight.base.reading import MEGABYTE, in_words
from wordsight.base.value import Value
from wordsight.images import sound_values as sound
from wordsight.images.moments import moment

LARGEST = 16 * MEGABYTE  # of a document: programs that keep the steps of an edit write some hundred kilobytes
_MOST_VALUES = 10_000  # of one property
_LONGEST = 100_000  # letters of one value
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_LANGUAGE = "http://www.w3.org/XML/1998/namespace lang"
_PROPERTIES = {  # prefix, as facts are called here -> namespace, and the properties that are read
    "dc": ("http://purl.org/dc/elements/1.1/", "subject title description"),
    "xmp": ("http://ns.adobe.com/xap/1.0/", "Rating CreateDate"),
    "photoshop": ("http://ns.adobe.com/photoshop/1.0/", "DateCreated Headline"),
    "lr": ("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject"),
    "digiKam": ("http://www.digikam.org/ns/1.0/", "TagsList"),
    "microsoft": ("http://ns.microsoft.com/photo/1.0/", "LastKeywordXMP Rating"),
    "exif": (
        "http://ns.adobe.com/exif/1.0/",
        "DateTimeOriginal GPSLatitude GPSLongitude GPSAltitude GPSAltitudeRef ISOSpeedRatings FNumber FocalLength"
        " ExposureTime",
    ),
    "exifEX": ("http://cipa.jp/exif/1.0/", "PhotographicSensitivity LensModel"),
    "tiff": ("http://ns.adobe.com/tiff/1.0/", "Make Model"),
    "aux": ("http://ns.adobe.com/exif/1.0/aux/", "Lens"),
    "wordsight": ("urn:wordsight:1.0/", "tags"),  # keywords that `images.xmp_write` has added
}
_NAMES = {
    f"{space} {name}": f"{prefix}:{name}" for prefix, (space, names) in _PROPERTIES.items() for name in names.split()
}
_CONTAINERS = {f"{_RDF} {name}" for name in ("Bag", "Seq", "Alt")}
_DEGREES = re.compile(r"(\d{1,3})(?:,(\d{1,2}(?:\.\d+)?))?(?:,(\d{1,2}(?:\.\d+)?))?([NSEWnsew])", re.ASCII)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_First = Callable[..., str | None]
_STATED_NUMBER = re.compile(r"[+-]?\d{1,18}(?:/\d{1,18}|\.\d{1,18})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class XmpFacts:
    """What a document says.  None, or empty, where it does not say it.

    `keywords` as they stand, and those of a hierarchy as in `Places|Germany|Berlin`, without tags that `xmp_write`
    has added; `date` is when the image was made, as written, `created` when its file was, which for scans and drawings
    is another; `camera` are further columns, those of a camera.
    """

    keywords: tuple[str, ...] = ()
    rating: int | None = None
    title: str | None = None
    description: str | None = None
    date: str | None = None
    created: str | None = None
    camera: Mapping[str, Value] = field(default_factory=dict)

    def columns(self) -> dict[str, Value]:
        """Return all but `created` as columns of metadata, each as far as it is sound."""
        own = {
            "keywords": sound.keywords(self.keywords),
            "rating": self.rating,
            "title": sound.line(self.title),
            "caption": sound.caption(self.description),
        }
        return {**{name: value for name, value in own.items() if value is not None}, **moment(self.date), **self.camera}


def read_xmp(document: bytes, *, name: str = "the XMP") -> XmpFacts:
    """Return what an XMP document says; one that is damaged, too large or has a document type raises `InputError`."""
    if len(document) > LARGEST:
        problem = f"{name} holds {in_words(len(document))}, more than {in_words(LARGEST)}"
        raise InputError(problem, cure="write it again without the steps of its edit")
    reader = _Reader(name)
    try:
        reader.read(document if document.startswith(_UTF16) else document.strip(b"\0 \t\r\n"))
    except expat.ExpatError as error:
        raise InputError(f"{name} is no XMP: {error}", cure="write it again, or take it away") from None
    except (ValueError, LookupError) as error:  # an encoding that is none
        raise InputError(f"{name} is no XMP: {error}", cure="save it as UTF-8") from None
    if not reader.is_xmp:
        raise InputError(f"{name} is no XMP: it has no rdf:RDF", cure="write it again, or take it away")
    return _facts(reader.values)


class _Reader:
    """Takes the values of the known properties out of a document, with nothing built of the rest."""

    def __init__(self, name: str) -> None:
        self.values: dict[str, list[str]] = {}
        self.is_xmp = False
        self._name = name
        self._open: list[str] = []  # the elements around here
        self._level = 0  # of rdf:RDF, counted from 1; 0 outside
        self._property: str | None = None
        self._letters: list[str] | None = None
        self._is_default = False

    def read(self, document: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(document, True)

    def _refuse(self, *declaration: object) -> None:
        del declaration
        raise InputError(f"{self._name} has a document type", cure="write it again, or take it away")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._open.append(name)
        if not self._level:
            if name == f"{_RDF} RDF":
                self._level, self.is_xmp = len(self._open), True
            return
        below = len(self._open) - self._level
        if below == 1:
            for attribute, value in attributes.items():
                if (known := _NAMES.get(attribute)) is not None:
                    self._note(known, value, first=False)
        elif below == 2:
            self._property = _NAMES.get(name)
            self._letters, self._is_default = [], False
        elif below == 4 and self._open[-2] in _CONTAINERS:
            self._letters, self._is_default = [], attributes.get(_LANGUAGE) == "x-default"
        else:
            self._letters = None

    def _end(self, name: str) -> None:
        del name
        below = len(self._open) - self._level if self._level else 0
        if below in (2, 4) and self._property is not None and self._letters is not None:
            self._note(self._property, "".join(self._letters), first=self._is_default)
        self._letters = None
        if below == 2:
            self._property = None
        if self._level and below == 0:
            self._level = 0
        self._open.pop()

    def _text(self, letters: str) -> None:
        if self._letters is not None and self._property is not None:
            self._letters.append(letters[:_LONGEST])

    def _note(self, known: str, value: str, *, first: bool) -> None:
        values, value = self.values.setdefault(known, []), value[:_LONGEST].strip()
        if value and len(values) < _MOST_VALUES:
            values.insert(0 if first else len(values), value)


def _facts(values: Mapping[str, Sequence[str]]) -> XmpFacts:
    def first(*names: str) -> str | None:
        return next((values[name][0] for name in names if values.get(name)), None)

    subjects = values.get("dc:subject", ())
    hierarchies = [
        *values.get("lr:hierarchicalSubject", ()),
        *(one.replace("/", "|") for one in values.get("digiKam:TagsList", ())),
        *(one.replace("/", "|") for one in values.get("microsoft:LastKeywordXMP", ())),
    ]
    ours = {one.casefold() for one in values.get("wordsight:tags", ())}  # what a model said, and not a person
    stars = sound.rating(_number(first("xmp:Rating")))
    if stars is None and (percent := sound.number(_number(first("microsoft:Rating")), 0, 100)) is not None:
        stars = sound.stars_of_percent(percent)
    return XmpFacts(
        keywords=tuple(one for one in dict.fromkeys((*subjects, *hierarchies)) if one.casefold() not in ours),
        rating=stars,
        title=first("dc:title", "photoshop:Headline"),
        description=first("dc:description"),
        date=first("exif:DateTimeOriginal", "photoshop:DateCreated"),
        created=first("xmp:CreateDate"),
        camera=_of_camera(first("tiff:Make"), first("tiff:Model"), first),
    )


def _of_camera(maker: str | None, model: str | None, first: _First) -> dict[str, Value]:
    below = _number(first("exif:GPSAltitudeRef")) == 1
    height = _number(first("exif:GPSAltitude"))
    at = sound.position(_degrees(first("exif:GPSLatitude")), _degrees(first("exif:GPSLongitude")))
    columns: dict[str, Value] = {
        "camera": sound.camera(maker, model),
        "lens": sound.lens(first("exifEX:LensModel", "aux:Lens")),
        "latitude": at and at[0],
        "longitude": at and at[1],
        "altitude": None if height is None else sound.altitude(-height if below else height),
        "iso": sound.iso(_number(first("exifEX:PhotographicSensitivity", "exif:ISOSpeedRatings"))),
        "aperture": sound.number(_number(first("exif:FNumber")), 0.3, 1000),
        "focal_length": sound.number(_number(first("exif:FocalLength")), 0.1, 100_000),
        "exposure": sound.number(_number(first("exif:ExposureTime")), 1e-7, 1_000_000),
    }
    return {name: value for name, value in columns.items() if value is not None}


def _number(stated: str | None) -> float | None:
    """Return the number of a decimal or a fraction; None where there is none, or it is divided by 0."""
    if stated is None or not _STATED_NUMBER.fullmatch(stated):
        return None
    try:
        return float(Fraction(stated))
    except ZeroDivisionError:
        return None


def _degrees(stated: str | None) -> float | None:
    """Return the degrees of `52,31.2N` or `52,31,12N`."""
    match = _DEGREES.fullmatch(stated) if stated is not None else None
    if match is None:
        return None
    minutes, seconds = float(match[2] or 0), float(match[3] or 0)
    if minutes > 60 or seconds > 60:
        return None
    degrees = int(match[1]) + minutes / 60 + seconds / 3600
    return -degrees if match[4].upper() in "SW" else degrees
