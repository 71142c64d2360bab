"""The pages in the real Chromium: a served library with probabilities, and a window that hears every complaint.

A window fails its test for an error on the console, a breach of the content security policy, or a request to anywhere
else.  One browser and one server serve all tests.
"""

import csv
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.settings import ServeSettings, named_libraries

HOSTILE = "<img src=x onerror=\"document.title='hurt'\"> & <b>bold</b>"
expect.set_options(timeout=10_000)


def make_shop(folder: Path) -> Path:
    """Write a table of 330 images of two colours each, with kinds, dates and titles, one of them hostile; index it."""
    folder.mkdir()
    colours = list(COLOURS)
    rows = []
    for number in range(330):
        main, other = colours[number % 11], colours[(number // 11 + number % 11) % 11]
        wide = 24 + number % 3 * 12
        image = Image.new("RGB", (wide, 24), COLOURS[main])
        image.paste(COLOURS[other], (0, 0, number // 11 * wide // 40, 24))
        image.save(folder / f"{number:03}.png")
        title = HOSTILE if number == 7 else f"item {number}"
        kind = ("shoe", "shirt", "bag", "hat")[number % 4]
        taken = "2031-01-01" if number == 7 else f"{2015 + number % 9}-0{1 + number % 8}-11"
        rows.append([f"k{number:03}", f"{number:03}.png", title, kind, taken])
    with (folder / "shop.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["key", "image", "title", "kind", "taken"], *rows])
    with open_library(folder / "shop.csv", model=load(engine="fake")) as library:
        assert library.sync().added
    return folder / "shop.csv"


def make_copies(folder: Path) -> Path:
    """Write a folder of images of which some are equal files; index it."""
    folder.mkdir()
    for name, colour in COLOURS.items():
        Image.new("RGB", (64, 48), colour).save(folder / f"{name}.png")
    for name in ("red", "blue"):
        (folder / "again").mkdir(exist_ok=True)
        shutil.copy(folder / f"{name}.png", folder / "again" / f"{name}.png")
    with open_library(folder, model=load(engine="fake")) as library:
        library.sync()
    return folder


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, listening: Callable[..., Any]) -> Iterator[str]:
    """The address of a server of two libraries: shop, a table, and copies, a folder."""
    folder = tmp_path_factory.mktemp("served")
    libraries = named_libraries([make_shop(folder / "shop"), make_copies(folder / "copies")])
    with listening(ServeSettings(libraries=libraries, engine="fake", port=0)) as served:
        yield served


@pytest.fixture
def complaints() -> list[str]:
    """What windows complained of; a test that wants a complaint takes it out."""
    return []


@pytest.fixture
def window(browser: Browser, address: str, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Return a function that opens an address of the server: `window("/?q=red", width=390, scheme="dark")`."""
    contexts = []

    def opened(
        path: str = "/", *, width: int = 1280, scheme: str = "light", touch: bool = False, answers: dict | None = None
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme=scheme,
            base_url=address,
            accept_downloads=True,
            has_touch=touch,
            is_mobile=touch,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: _is_complaint(message) and complaints.append(message.text))
        page.on("response", lambda one: one.status >= 400 and complaints.append(f"{one.status} {one.url}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _is_ours(request.url, address) or complaints.append(request.url))
        if answers:  # the page must not bring what the server would have answered
            page.route(re.compile(re.escape(address) + r"/(\?|$)"), _without_results)
        for pattern, answer in (answers or {}).items():
            page.route(pattern, answer)
        page.goto(path)
        page.wait_for_function("() => !document.querySelector('.first')")  # the scripts have taken over
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _without_results(route: Route) -> None:
    """Answer with the search page as it is for an address that only its scripts can read."""
    route.fulfill(response=route.fetch(url=urljoin(route.request.url, "/?p=i1:0")))


def _is_complaint(message: ConsoleMessage) -> bool:
    """Say whether a message on the console is one; statuses are heard of with their addresses."""
    return message.type in ("error", "warning") and not message.text.startswith("Failed to load resource")


def _is_ours(url: str, address: str) -> bool:
    return url.startswith((address + "/", "data:image/", f"blob:{address}/"))


@pytest.fixture
def answered() -> Callable[[object], Callable[[Route], None]]:
    """Return a function from a value, or a function of the request's body, to an answer for `page.route`."""

    def answer(value: object) -> Callable[[Route], None]:
        def respond(route: Route) -> None:
            body = route.request.post_data_json if route.request.method == "POST" else None
            route.fulfill(json=value(body) if callable(value) else value)

        return respond

    return answer
