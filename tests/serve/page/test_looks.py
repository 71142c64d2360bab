"""What the pages are: small, accessible in light and dark, at a desk and on a phone, in words when something is wrong."""

import re

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from wordsight.serve.page import first as first_page

SIZES = (1280, 390)
SCHEMES = ("light", "dark")


def violations(page):
    """Return what axe finds, each with its elements."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", SIZES)
def test_the_search_page_is_accessible(window, width, scheme):
    page = window("/?q=blue&not=white&p=t1:red", width=width, scheme=scheme)
    expect(page.locator(".match").first).to_be_visible()
    page.locator(".hit").first.focus()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 390:
        page.get_by_role("button", name="Narrow the results").click()
        expect(page.locator("#facets")).to_be_visible()
        assert violations(page) == []
        page.get_by_role("button", name="Done").click()
    page.locator(".hit").first.click()
    expect(page.locator("#detail .mini").first).to_be_visible()
    assert violations(page) == []
    assert page.locator("#detail").evaluate("(one) => one.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_dialogs_are_accessible(window, scheme):
    page = window("/?q=blue", scheme=scheme)
    expect(page.locator(".match").first).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    assert violations(page) == []
    page.keyboard.press("Escape")
    for name in ("About this library", "Export the results"):
        page.get_by_role("button", name=name).click()
        expect(page.locator("dialog[open]")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)


def test_the_first_paint_is_small(window, address, monkeypatch):
    monkeypatch.setattr(first_page, "AT_ONCE", 30)
    page = window("/")
    expect(page.locator(".hit img.here").first).to_be_visible()
    entries = page.evaluate(
        "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))"
        ".map((one) => [one.name, one.decodedBodySize])"
    )
    own = {
        name: size for name, size in entries if not re.search(r"/api/|detail|palette|line|tags|more\\.css|icon", name)
    }
    assert len(own) >= 14
    (page_size,) = (size for name, size in own.items() if name == page.url)
    results = page_size - len(httpx.get(f"{address}/?p=i1:0", trust_env=False).content)
    before = [name for name in own if name == page.url or re.search(r"theme|start|all\.css", name)]
    assert len(before) == 4  # what comes before the first image; all other scripts come behind it
    assert sum(own[name] for name in before) - results < 24 * 1024, own  # bytes, uncompressed, without the results
    assert sum(own.values()) - results < 106 * 1024, own
    assert 0 < results < 60 * 1024  # a kilobyte for each of them at most


@pytest.mark.parametrize("path", ["/", "/duplicates"])
def test_pages_allow_nothing_but_their_own_files(address, path):
    path = "/?p=i1:0" if path == "/" else path  # the page without results, which may be kept
    first = httpx.get(address + path, trust_env=False)
    policy = first.headers["content-security-policy"]
    again = httpx.get(address + path, headers={"if-none-match": first.headers["etag"]}, trust_env=False)
    assert (again.status_code, again.headers.get("content-security-policy", policy)) == (304, policy)
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert "unsafe" not in policy and "http" not in policy


def test_nothing_found_says_so_and_what_helps(window):
    page = window("/?q=blue&where=taken+%3D+'1900-01-01'")
    expect(page.locator("#message h2")).to_have_text("Nothing matches")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#message")).to_be_hidden()
    expect(page.locator(".hit").first).to_be_visible()


def test_a_server_that_is_away_is_said_and_asked_again(window, complaints):
    page = window("/?q=blue")
    expect(page.locator(".hit").first).to_be_visible()
    page.context.set_offline(True)
    page.locator("#query").fill("red")
    expect(page.locator("#message h2")).to_have_text("The server does not answer")
    expect(page.locator("#said")).to_contain_text("The server does not answer")
    assert violations(page) == []
    page.context.set_offline(False)
    expect(page.locator("#message")).to_be_hidden()
    expect(page.locator(".hit").first).to_be_visible()
    expect(page).to_have_title("red · Wordsight")
    complaints[:] = [one for one in complaints if "preload assets" not in one]  # of axe


def test_a_key_is_asked_for_when_the_server_needs_one(window, complaints):
    given = []

    def session(route):
        given.append(route.request.post_data_json["key"])
        if given[-1] == "right":
            route.fulfill(status=204)
        else:
            error = {"status": 401, "problem": "no such key", "cure": "give another"}
            route.fulfill(status=401, json={"error": error})

    def guarded(route):
        if "right" in given:
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": {"status": 401, "problem": "a key is needed", "cure": ""}})

    page = window("/?q=blue", answers={"**/api/**": guarded, "**/api/session": session})
    field = page.get_by_label("Key", exact=True)
    field.fill("wrong")
    field.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="no such key")).to_be_visible()
    assert violations(page) == []
    field.fill("right")
    field.press("Enter")
    expect(page.locator(".hit").first).to_be_visible()
    complaints[:] = [one for one in complaints if not one.startswith("401 ")]


def test_libraries_are_chosen_between(window):
    page = window("/?q=blue")
    expect(page.locator(".hit").first).to_be_visible()
    page.get_by_label("Library", exact=True).select_option("copies")
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("gridcell", name="blue.png").first).to_be_visible()
    assert "in=copies" in page.url
    page.go_back()
    expect(page.get_by_label("Library", exact=True)).to_have_value("shop")


def test_a_library_is_brought_up_to_date(window):
    def sync(route):
        events = [
            'event: progress\ndata: {"done": 1, "total": 2, "stage": "images"}',
            'event: done\ndata: {"added": 2, "changed": 0, "moved": 0, "removed": 0, "failed": 1, "absent": 0,'
            ' "returned": 0, "failures": [["<b>x</b>.jpg", "no image"]]}',
        ]
        route.fulfill(body="\n\n".join(events) + "\n\n", content_type="text/event-stream")

    page = window("/", answers={"**/sync": sync})
    expect(page.locator(".hit").first).to_be_visible()
    page.get_by_role("button", name="About this library").click()
    page.get_by_role("button", name="Bring up to date").click()
    dialog = page.get_by_role("dialog", name="About this library")
    expect(dialog).to_contain_text("Done: 2 added, 1 failed.")
    expect(dialog).to_contain_text("<b>x</b>.jpg: no image")
    assert violations(page) == []


def test_colours_are_chosen_and_remembered(window):
    page = window("/")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    button = page.get_by_role("button", name="Colours")
    button.click()
    button.click()
    dark = page.evaluate(paper)
    assert light != dark
    page.reload()
    assert page.evaluate(paper) == dark


@pytest.mark.parametrize("path", ["/", "/map", "/duplicates", "/bench", "/docs"])
def test_a_phone_sees_all_pages_in_the_bar(window, path):
    page = window(path + ("?in=copies" if path in ("/map", "/duplicates") else ""), width=390)
    expect(page.locator("#shell nav a")).to_have_count(5)
    assert page.locator("#shell nav").evaluate("(one) => one.scrollWidth <= one.clientWidth")
    for link in page.locator("#shell nav a").all():
        expect(link).to_be_in_viewport(ratio=1)


def test_with_one_library_the_bar_of_a_phone_is_one_row(window, address):
    status = httpx.get(f"{address}/api/status", trust_env=False).json()
    status["libraries"] = status["libraries"][:1]
    page = window("/", width=390, answers={"**/api/status": lambda route: route.fulfill(json=status)})
    about = page.get_by_role("button", name="About this library")
    expect(about).to_be_in_viewport(ratio=1)
    api = page.locator("#shell nav a", has_text="API").bounding_box()
    box = about.bounding_box()
    assert abs((api["y"] + api["height"] / 2) - (box["y"] + box["height"] / 2)) < 4
    assert page.locator("#shell nav").evaluate("(one) => one.scrollWidth <= one.clientWidth")


def test_on_touch_choosing_speaks_of_taps_and_covers_nothing(window):
    page = window("/?q=blue", width=390, touch=True)
    expect(page.locator(".match").first).to_be_visible()
    page.get_by_role("button", name="Choose images").tap()
    expect(page.locator(".toast")).to_have_text("Tap images to select them")
    page.locator(".hit").first.tap()
    expect(page.locator("#picked")).to_be_visible()
    toast, bar = (page.locator(one).bounding_box() for one in (".toast", "#picked"))
    assert toast["y"] + toast["height"] < bar["y"]


@pytest.mark.parametrize("path", ["/", "/map", "/duplicates", "/bench", "/docs"])
def test_colours_are_chosen_before_anything_is_painted(address, path):
    head = httpx.get(address + path, trust_env=False).text.partition("</head>")[0]
    assert head.index('<script src="/page/theme.js"></script>') < head.index("stylesheet")
