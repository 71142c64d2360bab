"""Tags in sidecars: what changes, and that every other byte stays."""

import codecs

import pytest

from wordsight.base.errors import FormatError
from wordsight.images.xmp_tree import read_tree
from wordsight.images.xmp_write import OWN, with_tags

DC = "http://purl.org/dc/elements/1.1/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

DARKTABLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:darktable="http://darktable.sf.net/"
   xmp:Rating="3"
   darktable:xmp_version="5">
   <!-- kept > by everybody -->
   <dc:subject>
    <rdf:Seq>
     <rdf:li>Holiday</rdf:li>
     <rdf:li>Caf\xc3\xa9 &amp; bar</rdf:li>
    </rdf:Seq>
   </dc:subject>
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:num="0" darktable:operation="x>y"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
LIGHTROOM = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure="0"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def values(document, space, name):
    """Return the values of a list property anywhere in a document."""

    def walk(element):
        if element.name == (space, name):
            yield from (item.text for item in element.children[0].children)
        for child in element.children:
            yield from walk(child)

    return list(walk(read_tree(document)))


def subjects(document):
    return values(document, DC, "subject")


def ours(document):
    return values(document, OWN, "tags")


def test_new_sidecar_and_nothing_for_nothing():
    new = with_tags(None, ["beach", "a & b"])
    assert subjects(new) == ours(new) == ["beach", "a & b"]
    assert new.startswith(b"<?xpacket begin=")
    assert with_tags(None, []) is None
    assert with_tags(new, ["beach", "a & b"]) is None


def test_only_the_lists_change():
    tagged = with_tags(DARKTABLE, ["beach"])
    assert subjects(tagged) == ["Holiday", "Café & bar", "beach"]
    assert ours(tagged) == ["beach"]
    kept = tagged.replace(b"\n     <rdf:li>beach</rdf:li>\n    </rdf:Seq>", b"\n    </rdf:Seq>")
    start, end = kept.index(b"\n   <wordsight:tags"), kept.index(b"</wordsight:tags>") + len("</wordsight:tags>")
    assert kept[:start] + kept[end:] == DARKTABLE


@pytest.mark.parametrize("stored", [DARKTABLE, LIGHTROOM])
def test_back_to_every_byte_but_an_opened_description(stored):
    tagged = with_tags(stored, ["beach", "dog"])
    cleared = with_tags(tagged, [])
    if stored is DARKTABLE:
        assert cleared == stored
    assert ours(cleared) == []
    assert subjects(cleared) == (["Holiday", "Café & bar"] if stored is DARKTABLE else [])
    assert b"crs:Exposure" in cleared or stored is DARKTABLE


def test_stale_tags_of_ours_go_and_those_of_people_stay():
    tagged = with_tags(with_tags(DARKTABLE, ["beach", "holiday", "dog"]), ["dog", "sea"])
    assert subjects(tagged) == ["Holiday", "Café & bar", "dog", "sea"]
    assert ours(tagged) == ["dog", "sea"]
    assert with_tags(DARKTABLE, ["holiday"]) is None


def test_a_keyword_that_a_person_took_away_is_put_back_only_if_asked():
    tagged = with_tags(LIGHTROOM, ["beach", "dog"])
    by_hand = tagged.replace(b"<rdf:li>dog</rdf:li>", b"", 1)
    assert subjects(by_hand) == ["beach"]
    assert subjects(with_tags(by_hand, ["beach"]) or by_hand) == ["beach"]


def test_other_prefixes_and_an_empty_list():
    odd = (
        (
            b'<R xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            b'<Description r:about="" xmlns:q="http://purl.org/dc/elements/1.1/"><q:subject><Bag/></q:subject></Description>'
            b"</R>"
        )
        .replace(b"<R ", b"<RDF ")
        .replace(b"</R>", b"</RDF>")
    )
    assert "beach" in subjects(with_tags(odd, ["beach"]).replace(b"<q:subject><Bag/></q:subject>", b""))
    bare = b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    assert subjects(with_tags(bare, ["beach"])) == ["beach"]


@pytest.mark.parametrize("mark, codec", [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
def test_utf_16_stays_utf_16(mark, codec):
    stored = mark + DARKTABLE.decode().replace("UTF-8", "UTF-16").encode(codec)
    tagged = with_tags(stored, ["münster"])
    assert tagged.startswith(mark)
    assert "münster" in tagged[2:].decode(codec)
    assert with_tags(tagged, []) == stored


def test_other_encodings():
    latin = DARKTABLE.decode().replace("UTF-8", "ISO-8859-1").encode("latin-1")
    tagged = with_tags(latin, ["münster", "犬"])
    assert "münster".encode("latin-1") in tagged
    assert b"&#29356;" in tagged
    marked = codecs.BOM_UTF8 + DARKTABLE
    assert with_tags(with_tags(marked, ["dog"]), []) == marked
    with pytest.raises(FormatError, match="encoding"):
        with_tags(DARKTABLE.replace(b"UTF-8", b"EBCDIC-FI-SE"), ["dog"])


@pytest.mark.parametrize(
    ("stored", "word"),
    [
        (b"", "no XML"),
        (b"no xml at all", "no XML"),
        (DARKTABLE[:-30], "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        (b"<html/>", "no rdf:RDF"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (b"<a>" * 300 + b"</a>" * 300, "inside each other"),
        (LIGHTROOM.replace(b"crs:Exposure", b'xmlns:dc="%s" dc:subject' % DC.encode()), "attribute"),
        (DARKTABLE.replace(b"<rdf:Seq>\n     <rdf:li>Holiday", b"text <rdf:Seq>\n     <rdf:li>Holiday"), "no list"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused(stored, word):
    with pytest.raises(FormatError, match=word):
        with_tags(stored, ["dog"])
