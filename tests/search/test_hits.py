"""How a person sees a model, a library and its answers: one line each, and images in a notebook."""

import base64
import io
import re
from pathlib import Path

from PIL import Image

from wordsight.search.hits import SHOWN, SIDE, Hit, Hits
from wordsight.search.library import open_library


def test_one_line_each(opened, photos, model):
    library = opened(photos)
    assert repr(library) == f"<Library of {photos}: not indexed yet, model fake>"
    hit = library.search("red", k=1)[0]
    assert repr(library) == f"<Library of {photos}: 5 images in {photos / '.wordsight'}, model fake>"
    assert repr(model) == f"<Model fake: embeddings of 27 numbers, FakeEngine fp32, fingerprint {model.fingerprint}>"
    assert repr(hit) == f"<Hit {hit.score:.3f} {photos / 'a' / 'red.png'}>"
    assert repr(Hit(0.25, "row 7", None, {"text": "x" * 9000})) == "<Hit 0.250 row 7>"


def test_a_library_that_cannot_be_opened_has_a_line_too(opened, photos):
    with opened(photos) as library:
        library.sync()
    (photos / ".wordsight" / "library.db").write_bytes(b"no database at all, but long enough" * 99)
    assert repr(open_library(photos, model=library.model)).startswith(f"<Library of {photos}: cannot be opened, ")


def thumbnails(html):
    return [
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall(r'src="data:image/jpeg;base64,(.*?)"', html)
    ]


def test_a_notebook_shows_small_images(opened, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.effect_noise((2000, 1000), 90).save(folder / "large & <b>.png")
    hits = opened(folder).search("red")
    assert isinstance(hits, list)
    for html in (hits._repr_html_(), hits[0]._repr_html_()):
        (image,) = thumbnails(html)
        assert image.size == (SIDE, SIDE // 2)
        assert len(html) < 40_000
        assert "large &amp; &lt;b&gt;.png" in html and "<b>" not in html


def test_what_cannot_be_shown_is_named(tmp_path):
    for hit in (Hit(0.5, "row 7", None, {}), Hit(0.5, "gone.png", tmp_path / "gone.png", {})):
        html = hit._repr_html_()
        assert thumbnails(html) == []
        assert str(hit.path or hit.key) in html


def test_a_long_list_is_bounded():
    hits = Hits([Hit(0.5, f"row {number}", None, {}) for number in range(SHOWN + 7)])
    html = hits._repr_html_()
    assert html.count("<div") == SHOWN
    assert html.endswith("<p>and 7 more</p>")


def test_numbers_and_paths_stay_what_they_were(opened, photos):
    hit = opened(photos).search("red", k=1)[0]
    assert isinstance(hit.path, Path) and hit.path == photos / "a" / "red.png"
    assert hit.meta["width"] == 24
