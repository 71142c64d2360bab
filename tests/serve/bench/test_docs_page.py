"""The documentation of the API: every route is there, can be found, and can be tried."""

import base64
import json
import shlex
import subprocess

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from wordsight.serve.examples import NEEDS
from wordsight.serve.openapi import plain_path
from wordsight.serve.routes import ROUTES


def at(path):
    """Return a selector of the part of the page that describes a route."""
    return f'.operation:has(> h3 code:text-is("{path}"))'


FORM = "POST /predict"  # it takes a form, which the page has none for
SEARCH, MATRIX, EMBED = at("/api/libraries/{library}/search"), at("/api/bench/matrix"), at("/api/embed")


@pytest.fixture
def docs(window):
    """The page."""
    page = window("/docs")
    expect(page.locator(".operation").first).to_be_visible()
    return page


def test_every_route_is_there_with_what_it_asks_and_answers(docs):
    titles = docs.locator(".operation > h3").evaluate_all(
        "all => all.map((one) => [one.querySelector('.method').textContent, one.querySelector('code').textContent])"
    )
    assert sorted(map(tuple, titles)) == sorted((one.method, plain_path(one.path)) for one in ROUTES)
    fields = docs.locator(f"{MATRIX} table.fields").first
    row = fields.locator("tr", has=docs.locator("th code", has_text="temperature"))
    expect(row).to_contain_text("number or null")
    expect(row).to_contain_text("default null")
    expect(row).to_contain_text("0.0001 to 1000")
    expect(row).to_contain_text("What cosines are divided by")
    expect(fields.locator("tr", has=docs.locator("th code", has_text="texts"))).to_contain_text("needed")
    docs.locator(f"{MATRIX} .inner summary", has_text="BatchLoss").click()
    expect(docs.locator(f"{MATRIX} .inner table")).to_contain_text("chance")


def test_search_and_anchors(docs, window):
    expect(docs.locator("#found")).to_have_text(f"{len(ROUTES)} routes")
    anchor = docs.locator(MATRIX).get_attribute("id")
    docs.keyboard.press("/")
    docs.keyboard.type("sigmoid bench")
    expect(docs.locator(".operation:visible")).to_have_count(1)
    expect(docs.locator(".operation:visible")).to_have_id(anchor)
    expect(docs.locator("#contents li:visible")).to_have_count(1)
    docs.fill("#find", "zzzz")
    expect(docs.locator("#found")).to_have_text(f"0 routes of {len(ROUTES)}")
    docs.fill("#find", "")
    docs.locator(f'#contents a[href="#{anchor}"]').click()
    expect(docs.locator(MATRIX)).to_be_in_viewport()
    other = window(f"/docs#{anchor}")
    expect(other.locator(MATRIX)).to_be_in_viewport()


def test_a_request_can_be_changed_and_sent(docs, coloured):
    search = docs.locator(SEARCH)
    search.locator(".try summary").click()
    library = search.locator("input").first
    if library.input_value() == "":
        library.fill("colours")
    body = json.loads(search.locator("textarea").input_value())
    assert body == {"query": "two dogs on grass", "k": 5}
    search.locator("textarea").fill('{"query": "blue", "k": 1}')
    search.get_by_role("button", name="Send").click()
    expect(search.locator(".status")).to_contain_text("200")
    answer = json.loads(search.locator(".answer pre").inner_text())
    assert [hit["key"] for hit in answer["hits"]] == ["blue.png"]
    search.locator("textarea").fill('{"query": ')
    search.get_by_role("button", name="Send").click()
    expect(search.locator(".answer")).to_contain_text("The body is no JSON")
    docs.forgiven.append("422")
    search.locator("textarea").fill('{"wrong": "<b>bold</b>"}')
    search.get_by_role("button", name="Send").click()
    expect(search.locator(".status")).to_contain_text("422")
    expect(search.locator(".answer pre")).to_contain_text("unknown field")


def test_an_image_goes_into_a_body(docs, coloured):
    embed = docs.locator(EMBED)
    embed.locator(".try summary").click()
    embed.locator("input[type=file]").set_input_files(coloured / "red.png")
    expect(embed.locator("textarea")).to_have_value(
        json.dumps(
            {
                **json.loads(embed.locator("textarea").input_value()),
                "images": ["data:image/png;base64," + base64.b64encode((coloured / "red.png").read_bytes()).decode()],
            },
            indent=2,
            ensure_ascii=False,
        )
    )
    embed.get_by_role("button", name="Send").click()
    expect(embed.locator(".status")).to_contain_text("200")
    expect(embed.locator(".answer pre")).to_contain_text('"images"')
    assert len(json.loads(embed.locator(".answer pre").inner_text())["images"][0]) == 27


def test_the_examples_for_a_shell_run(docs, coloured):
    line = docs.locator(f"{SEARCH} .code pre").inner_text().replace("{library}", "colours")
    command = shlex.split(line.replace("\\\n", " "))
    assert command[0] == "curl"
    done = subprocess.run([*command, "--noproxy", "*"], capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)["hits"]) == 5


def test_a_document_with_hostile_text_is_shown_as_text(window, address):
    document = httpx.get(f"{address}/openapi.json", trust_env=False).json()
    hostile = "<img src=x onerror=\"document.title='hurt'\">`<b>`"
    document["paths"]["/api/embed"]["post"]["summary"] = hostile
    page = window("/health")
    page.route("**/openapi.json", lambda route: route.fulfill(json=document))
    page.goto(f"{address}/docs")
    expect(page.locator(f"{EMBED} > .summary")).to_contain_text("<img")
    assert page.locator(".operation img").count() == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_everyone_can_read_it(window, width, scheme):
    page = window("/docs", width=width, scheme=scheme)
    expect(page.locator(MATRIX)).to_be_visible()
    for one in (".try summary", ".other summary", ".inner summary"):
        page.locator(f"{MATRIX} {one}").first.click()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_examples_with_images_are_answered(docs):
    for path in ("/api/classify", "/api/score", "/api/explain", "/api/regions", "/api/bench/matrix"):
        route = docs.locator(at(path))
        route.locator(".try summary").click()
        text = route.locator("textarea").input_value()
        assert '"image' in text and len(text) < 1024
        route.get_by_role("button", name="Send").click()
        expect(route.locator(".status")).to_contain_text("200")


ASKING = [f"{one.method} {plain_path(one.path)}" for one in ROUTES if one.method == "POST" and one.scope == "read"]


@pytest.mark.parametrize("group", range(4))  # none waits for all others
def test_every_example_that_changes_nothing_is_answered(docs, group):
    for name in [one for one in ASKING if one not in NEEDS and one != FORM][group::4]:
        route = docs.locator(at(name.removeprefix("POST ")))
        route.locator(".try summary").click()
        assert route.locator("textarea").input_value() not in ("", "{}"), name
        route.get_by_role("button", name="Send").click()
        expect(route.locator(".status"), name).to_contain_text("200")
