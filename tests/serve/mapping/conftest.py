"""A server with a drawn map, and windows of a real browser that show it."""

import io

import pytest
from PIL import Image
from tests.serve.mapping.window import drawn_map, frames

from wordsight.serve.hosting import maps

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def a_thumbnail():
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 90)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def served(listening, settings, monkeypatch):
    """The address of a server whose library has the map of `drawn_map`."""
    monkeypatch.setattr(maps, "library_map", lambda library, progress: drawn_map())
    with listening(settings) as address:
        yield address


@pytest.fixture
def opened(browser):
    """Return a function that opens the map in a window of its own, under the policy that pages have."""
    contexts, heard = [], []

    def opening(address, *, width=1000, before="", more="", wait=True, **options):
        context = browser.new_context(viewport={"width": width, "height": 700}, reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("console", lambda one: heard.append(one.text) if "Content Security" in one.text else None)

        def with_policy(route):
            answer = route.fetch()
            route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})

        page.route("**/map?*", with_policy)
        page.route("**/thumbnails/**", lambda route: route.fulfill(body=a_thumbnail(), content_type="image/jpeg"))
        if before:
            page.add_init_script(before)
        page.goto(f"{address}/map?in=photos{more}")
        if wait:
            page.wait_for_selector("#wait", state="hidden")
            frames(page)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert heard == []
