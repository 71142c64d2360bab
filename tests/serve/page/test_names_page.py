"""The page over images whose names are no UTF-8 or have a break of line."""

import shutil

import pytest
from playwright.sync_api import expect

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.settings import ServeSettings, named_libraries

BAD = "bad\udcff\udcfe.png"


@pytest.fixture
def address(photos, listening):
    """The address of a server whose library has two images with names that are hard to write."""
    for name in (BAD, "new\nline.png"):
        shutil.copy(photos / "a" / f"{next(iter(COLOURS))}.png", photos / name)
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
    with listening(ServeSettings(libraries=named_libraries([photos]), engine="fake", port=0)) as served:
        yield served


def test_names_that_are_no_utf8_are_shown_opened_and_kept_in_the_address(window):
    page = window()
    expect(page.locator("#grid img, main img").first).to_be_visible()
    module = "const api = await import('/page/api.js'); const state = await import('/page/search-state.js');"
    key = "'bad\\udcff\\udcfe.png'"
    statuses = page.evaluate(
        f"async () => {{ {module} const seen = [];"
        f"for (const kind of ['thumbnails', 'originals']) for (const key of [{key}, 'new\\nline.png'])"
        "  seen.push((await fetch(api.imageAddress('photos', key, kind))).status); return seen; }"
    )
    assert statuses == [200] * 4
    same = page.evaluate(
        f"async () => {{ {module} const key = {key};"
        "const parts = [{ kind: 'key', key, weight: 1 }];"
        "const asked = { ...state.EMPTY, library: 'photos', like: [key], liked: [key], disliked: [key], open: key, parts };"
        "const url = new URL(state.toAddress(asked), location.origin);"
        "return JSON.stringify(state.fromAddress(url.search, url.hash)) === JSON.stringify(asked); }"
    )
    assert same
    hits = page.evaluate(
        f"async () => {{ {module}"
        f"return (await api.ask('/api/libraries/photos/similar', {{ key: {key}, k: 3 }})).hits.length; }}"
    )
    assert hits == 3
    plain = page.evaluate(f"async () => {{ {module} return api.encodedKey('a b/%2F?#ü😀/c.png'); }}")
    assert plain == "a%20b/%252F%3F%23%C3%BC%F0%9F%98%80/c.png"
