"""XMP as programs write it, and documents that are meant to harm."""

import pytest
from tests.images.photo_files import bag, xmp

from wordsight.base.errors import InputError
from wordsight.images.xmp import LARGEST, XmpFacts, read_xmp
from wordsight.images.xmp_write import with_tags


def test_a_document_of_lightroom():
    inside = (
        bag("dc:subject", "Berlin", "night &amp; day")
        + bag("lr:hierarchicalSubject", "Orte|Deutschland|Berlin", "night &amp; day")
        + '<dc:title><rdf:Alt><rdf:li xml:lang="de">Ein Titel</rdf:li><rdf:li xml:lang="x-default">A title</rdf:li></rdf:Alt></dc:title>'
        + bag("dc:description", "Two\nlines", kind="Alt")
        + bag("exif:ISOSpeedRatings", "200", kind="Seq")
    )
    attributes = (
        'xmp:Rating="3" xmp:CreateDate="2020-01-01T00:00:00" exif:DateTimeOriginal="2025-06-01T12:00:00.25+02:00"'
        ' tiff:Make="Canon" tiff:Model="Canon EOS R5" aux:Lens="RF50mm" exif:GPSLatitude="52,31.2N"'
        ' exif:GPSLongitude="13,24,0W" exif:GPSAltitude="345/10" exif:GPSAltitudeRef="1" exif:FNumber="28/10"'
    )
    facts = read_xmp(xmp(inside, attributes))
    assert facts.keywords == ("Berlin", "night & day", "Orte|Deutschland|Berlin")
    assert (facts.rating, facts.title, facts.description) == (3, "A title", "Two\nlines")
    assert (facts.date, facts.created) == ("2025-06-01T12:00:00.25+02:00", "2020-01-01T00:00:00")
    assert facts.columns() == {
        "keywords": "Berlin\nnight & day\nOrte|Deutschland|Berlin",
        "rating": 3,
        "title": "A title",
        "caption": "Two\nlines",
        "taken": "2025-06-01T12:00:00",
        "taken_utc": "2025-06-01T10:00:00Z",
        "camera": "Canon EOS R5",
        "lens": "RF50mm",
        "latitude": 52.52,
        "longitude": -13.4,
        "altitude": -34.5,
        "iso": 200,
        "aperture": 2.8,
    }


def test_elements_and_other_programs_forms():
    inside = "<xmp:Rating> 4 </xmp:Rating><photoshop:DateCreated>2024-05</photoshop:DateCreated>"
    inside += bag("digiKam:TagsList", "Places/Germany/Berlin", kind="Seq")
    facts = read_xmp(xmp(inside))
    assert (facts.rating, facts.date, facts.keywords) == (4, "2024-05", ("Places|Germany|Berlin",))
    assert read_xmp(xmp("", 'MicrosoftPhoto:Rating="75"')).rating == 4
    assert read_xmp(xmp("<dc:title>plain</dc:title>")).title == "plain"
    assert read_xmp(xmp(inside).decode().replace("\ufeff", "").encode("utf-16")).rating == 4


def test_what_lies_inside_structures_is_not_of_the_image():
    history = (
        '<xmpMM:History><rdf:Seq><rdf:li rdf:parseType="Resource"><xmp:Rating>1</xmp:Rating>'
        "<dc:subject><rdf:Bag><rdf:li>step</rdf:li></rdf:Bag></dc:subject></rdf:li></rdf:Seq></xmpMM:History>"
        '<xmpMM:DerivedFrom><rdf:Description xmp:Rating="2"/></xmpMM:DerivedFrom>'
        "<dc:subject><rdf:Bag><rdf:li><rdf:Description><dc:title>x</dc:title></rdf:Description></rdf:li></rdf:Bag></dc:subject>"
    )
    assert read_xmp(xmp(history)) == XmpFacts()


@pytest.mark.parametrize("value", ["-1", "6", "99", "nan", "1e400", "", "3 of 5", "1/0", "٣"])
def test_a_rating_that_is_none(value):
    assert read_xmp(xmp("", f'xmp:Rating="{value}"')).rating is None


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [("52,31.2", "13,24E"), ("999,0N", "13,24E"), ("52,99N", "13,24E"), ("0,0N", "0,0E"), ("x", "y"), ("52,31.2N", "")],
)
def test_a_position_that_is_none(latitude, longitude):
    document = xmp("", f'exif:GPSLatitude="{latitude}" exif:GPSLongitude="{longitude}"')
    assert read_xmp(document).columns() == {}


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 or str()};" * 10}">' for n in range(1, 12))
    + "]>"
)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (BOMB.encode() + xmp("<dc:title>&a11;</dc:title>"), "has a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "has a document type"),
        (xmp("<dc:title>&a;</dc:title>"), "undefined entity"),
        (b"", "no element found"),
        (b"\xff\xd8\xff\xe0 a JPEG", "not well-formed"),
        (xmp()[:-60], "no element found|unclosed"),
        (b"<a/>", "no rdf:RDF"),
        (xmp("<dc:title>\xff\xfe</dc:title>").replace(b"\xc3\xbf", b"\xff"), "not well-formed"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "unknown encoding"),
    ],
)
def test_documents_that_are_none_are_refused_in_one_line(document, reason):
    with pytest.raises(InputError, match=reason) as caught:
        read_xmp(document, name="a.xmp")
    assert str(caught.value).startswith("a.xmp ") and "\n" not in str(caught.value)


def test_a_document_that_is_too_large_is_not_read():
    with pytest.raises(InputError, match=r"holds 16 MB, more than 16 MB|holds 16.0 MB"):
        read_xmp(b" " * (LARGEST + 1))


def test_depth_and_numbers_of_values_are_limited():
    deep = "<dc:title>" + "<dc:a>" * 50_000 + "</dc:a>" * 50_000 + "</dc:title>"
    assert read_xmp(xmp(deep)).title is None
    many = read_xmp(xmp(bag("dc:subject", *(f"k{n}" for n in range(20_000)), "x" * 200_000)))
    assert len(many.keywords) == 10_000
    assert len(str(many.columns()["keywords"]).split("\n")) == 1000
    long = read_xmp(xmp(f"<dc:description>{'y' * 300_000}</dc:description>"))
    assert len(str(long.columns()["caption"])) == 20_000


def test_what_immich_writes():
    document = b"""<?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 13.00'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
 <rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'>
  <dc:description><rdf:Alt><rdf:li xml:lang='x-default'>At the lake</rdf:li></rdf:Alt></dc:description>
 </rdf:Description>
 <rdf:Description rdf:about='' xmlns:digiKam='http://www.digikam.org/ns/1.0/'>
  <digiKam:TagsList><rdf:Seq><rdf:li>Places/Berlin</rdf:li><rdf:li>summer</rdf:li></rdf:Seq></digiKam:TagsList>
 </rdf:Description>
 <rdf:Description rdf:about='' xmlns:exif='http://ns.adobe.com/exif/1.0/'>
  <exif:DateTimeOriginal>2023-10-01T12:00:00.000+02:00</exif:DateTimeOriginal>
  <exif:GPSLatitude>52,31.20000000N</exif:GPSLatitude>
  <exif:GPSLongitude>13,24.30000000W</exif:GPSLongitude>
 </rdf:Description>
 <rdf:Description rdf:about='' xmlns:lr='http://ns.adobe.com/lightroom/1.0/'>
  <lr:hierarchicalSubject><rdf:Bag><rdf:li>Places|Berlin</rdf:li></rdf:Bag></lr:hierarchicalSubject>
 </rdf:Description>
 <rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/'><xmp:Rating>4</xmp:Rating></rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>"""
    assert read_xmp(document).columns() == {
        "keywords": "Places|Berlin\nsummer",
        "rating": 4,
        "caption": "At the lake",
        "taken": "2023-10-01T12:00:00",
        "taken_utc": "2023-10-01T10:00:00Z",
        "latitude": 52.52,
        "longitude": -13.405,
    }


def test_tags_of_our_own_are_no_keywords():
    document = with_tags(xmp(bag("dc:subject", "Dog", "holiday")), ["dog", "Beach", "sea"])
    assert read_xmp(document).keywords == ("Dog", "holiday")  # what people had written before stays theirs
    assert read_xmp(with_tags(None, ["beach"])).keywords == ()
    spread = document.replace(
        b"<dc:subject>", bag("lr:hierarchicalSubject", "beach", "trip|beach").encode() + b"<dc:subject>"
    )
    assert read_xmp(spread).keywords == ("Dog", "holiday", "trip|beach")
