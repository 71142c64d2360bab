"""The bench in the real Chromium: one server and one browser for all tests, and a window that hears every complaint.

A window fails its test for an error on the console, a breach of a strict content security policy, or a request to
anywhere else.
"""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.settings import ServeSettings, named_libraries

expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory) -> Path:
    """A folder with an image of each colour: two halves, the left one of that colour, the right one grey."""
    folder = tmp_path_factory.mktemp("bench") / "colours"
    folder.mkdir()
    for name, colour in COLOURS.items():
        image = Image.new("RGB", (64, 64), COLOURS["grey"])
        image.paste(colour, (0, 0, 40, 64))
        image.save(folder / f"{name}.png")
    with open_library(folder, model=load(engine="fake")) as library:
        library.sync()
    return folder


@pytest.fixture(scope="module")
def address(coloured, listening):
    """The address of a server of that folder, on the fake engine."""
    with listening(ServeSettings(libraries=named_libraries([coloured]), engine="fake", port=0)) as one:
        yield one


@pytest.fixture
def window(browser, address):
    """Return a function that opens a page of the server in a window of its own."""
    opened, complaints, forgiven = [], [], []

    def watch(page):
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith((address, "data:")) else complaints.append(one.url))

    def open_page(path, *, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(context)
        page = context.new_page()
        watch(page)
        page.forgiven = forgiven  # parts of complaints that a test expects
        page.goto(address + path)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert [one for one in complaints if not any(part in one for part in forgiven)] == []
