"""The bench in the real Chromium: one server and one browser for all tests, and a window that hears every complaint.

A window fails its test for an error on the console, a breach of a strict content security policy, or a request to
anywhere else.
"""

import contextlib
import shutil
import threading
from pathlib import Path

import httpx
import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.run import _listener
from wordsight.serve.settings import ServeSettings, named_libraries

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
expect.set_options(timeout=15_000)


def _strict(app):
    """Return the application with a strict content security policy on every answer."""

    async def answer(scope, receive, send):
        async def sent(message):
            if message["type"] == "http.response.start":
                kept = [one for one in message["headers"] if one[0].lower() != b"content-security-policy"]
                message["headers"] = [*kept, (b"content-security-policy", STRICT.encode())]
            await send(message)

        await app(scope, receive, sent if scope["type"] == "http" else send)

    return answer


@contextlib.contextmanager
def _served(settings):
    listener = _listener(settings)
    server = uvicorn.Server(uvicorn.Config(_strict(make_app(settings)), log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(trust_env=False, transport=httpx.HTTPTransport(retries=20)) as waiting:
            assert waiting.get(f"{address}/ready", timeout=60).status_code == 200
        yield address
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


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
def address(coloured):
    """The address of a server of that folder, on the fake engine."""
    with _served(ServeSettings(libraries=named_libraries([coloured]), engine="fake", port=0)) as one:
        yield one


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        one = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield one
        one.close()


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
