"""The page of a library's map in a real browser: it draws, names, colours, and says the same in words."""

import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from tests.serve.mapping.window import CLUSTERS, drawn_map, frames, ink, likes, look_at, view

from wordsight.search.mapping.library_map import LibraryMap
from wordsight.serve.hosting import maps


@pytest.mark.parametrize("kind", ["webgl2", "2d"])
def test_it_draws_with_webgl_and_without(served, opened, kind):
    without = """const real = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return kind === "webgl2" ? null : real.call(this, kind, ...rest); };"""
    page = opened(served, before=without if kind == "2d" else "", more="&draw=webgl2")
    assert page.evaluate("libraryMap.drawing.kind") == kind
    assert 0.01 < ink(page) < 0.5
    look_at(page, 0, 3)
    assert ink(page) > 0.005
    page.evaluate("libraryMap.view.look(0, 0, 20)")  # nothing lies in the middle
    assert ink(page) < 0.001


def test_a_slow_machine_draws_an_even_share_while_it_moves_and_all_at_rest(served, opened):
    page = opened(served)
    page.evaluate("""() => { libraryMap.shares = []; libraryMap.least = 0.05;
    libraryMap.drawing.real = libraryMap.drawing.draw;
    libraryMap.drawing.draw = (view, share = 1) => {
      const until = performance.now() + (share > 0.5 ? 150 : 5);
      while (performance.now() < until);
      libraryMap.shares.push(share);
      libraryMap.drawing.real(view, share); }; }""")
    page.evaluate("""() => new Promise((resolve) => {
      const move = (step) => {
        libraryMap.view.look(step / 50, 0, 1);
        if (step < 7) requestAnimationFrame(() => move(step + 1));
        else resolve();
      };
      move(0); })""")
    page.wait_for_function("() => libraryMap.shares.at(-1) === 1 && libraryMap.drawn === -Infinity")
    shares = page.evaluate("libraryMap.shares")
    assert min(shares) < 0.9
    assert shares[-1] == 1
    page.evaluate("libraryMap.drawing.real(libraryMap.view, 0.2)")
    assert 0.001 < ink(page) < 0.5


def test_names_lie_over_their_clusters_and_none_over_another(served, opened):
    page = opened(served)
    names = page.locator("#labels button:visible")
    expect(names).to_have_count(CLUSTERS)
    boxes = [names.nth(n).bounding_box() for n in range(names.count())]
    page.set_viewport_size({"width": 390, "height": 700})
    frames(page)
    boxes = [names.nth(n).bounding_box() for n in range(names.count())]
    assert len(boxes) > 3
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            assert (
                one["x"] + one["width"] <= other["x"]
                or other["x"] + other["width"] <= one["x"]
                or one["y"] + one["height"] <= other["y"]
                or other["y"] + other["height"] <= one["y"]
            )


def test_thumbnails_come_when_few_points_are_in_view_and_never_too_many(served, opened):
    page = opened(served)
    assert page.locator("#thumbs img").count() == 0
    look_at(page, 3, 6)
    page.locator("#thumbs img:not(.coming)").first.wait_for()
    shown = page.locator("#thumbs img")
    assert 5 < shown.count() <= 110
    address = shown.first.get_attribute("src")
    assert address.startswith("/api/libraries/photos/thumbnails/folder%20")
    boxes = page.evaluate(
        "[...document.querySelectorAll('#thumbs img')].map((one) => one.getBoundingClientRect().toJSON())"
    )
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            assert max(abs(one["x"] - other["x"]), abs(one["y"] - other["y"])) >= one["width"] - 1
    page.evaluate("libraryMap.view.look(0, 0, 1)")
    page.wait_for_function("() => document.querySelectorAll('#thumbs img').length === 0")


def test_the_list_says_the_same_in_words(served, opened):
    page = opened(served)
    items = page.locator("#list > li")
    expect(items).to_have_count(CLUSTERS)
    assert page.locator("#counts").inner_text() == f"3,000 images, {CLUSTERS} clusters"
    assert items.nth(4).inner_text().split("\n")[0] == "cluster 4"
    search = page.get_by_role("link", name="Search for images like those of cluster 4", exact=True)
    assert len(likes(search.get_attribute("href"))) == 6
    page.get_by_role("button", name="cluster 4", exact=True).click()
    frames(page)
    x, y, zoom = view(page)
    assert (x, y) == pytest.approx(drawn_map().clusters[4].centre, abs=0.05)
    assert zoom > 2


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_has_no_faults_for_those_who_hear_or_tab(served, opened, width, scheme):
    page = opened(served, width=width, color_scheme=scheme)
    look_at(page, 3, 6)
    page.locator("#thumbs img:not(.coming)").first.wait_for()
    page.evaluate("libraryMap.card.show(libraryMap.view, 3)")
    page.evaluate("libraryMap.lasso.choose([1, 2, 3])")
    page.get_by_role("link", name="Open as a search").wait_for()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_colours_follow_the_theme(served, opened):
    page = opened(served, color_scheme="light")
    light = page.evaluate("libraryMap.colours.flat().reduce((a, b) => a + b)")
    same = "(light) => libraryMap.colours.flat().reduce((a, b) => a + b) === light"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(same.replace("===", ">"), arg=light)
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_function(same, arg=light)


def test_a_column_colours_it_and_its_values_lead_to_searches(listening, settings, opened, monkeypatch):
    monkeypatch.setattr("wordsight.search.mapping.layout.STEPS", 40)
    with listening(settings) as address:
        page = opened(address, wait=False)
        page.wait_for_selector("#wait", state="hidden")
        page.evaluate("libraryMap.colourBy('folder')")
        legend = page.locator("#legend li")
        legend.first.wait_for()
        expect(legend).to_have_count(2)
        assert sorted(text.split()[0] for text in legend.all_inner_texts()) == ["a", "b"]
        asked = parse_qs(urlsplit(legend.first.locator("a").get_attribute("href")).query)
        assert asked["where"][0] in ("folder = 'a'", "folder = 'b'")
        page.evaluate("libraryMap.colourBy('')")
        assert not page.locator("#legend").is_visible()


def test_columns_and_libraries_are_offered(served, opened):
    page = opened(served, wait=False)
    page.route(
        "**/api/status", lambda route: route.fulfill(json={"libraries": [{"name": "photos"}, {"name": "others"}]})
    )
    page.route(
        "**/api/libraries/photos",
        lambda route: route.fulfill(json={"columns": [{"name": "folder"}, {"name": "mtime"}]}),
    )
    page.reload()
    page.locator("#library").wait_for()
    assert page.locator("#library").input_value() == "photos"
    page.locator("#column").wait_for()
    expect(page.locator("#column option")).to_have_text(["by cluster", "Folder", "File date"])
    page.select_option("#column", "folder")
    page.locator("#legend li").first.wait_for()
    page.select_option("#library", "others")
    page.wait_for_url("**/map?in=others")
    page.get_by_text("no library 'others' is served").wait_for()


def test_while_it_is_being_made_it_says_how_far_it_is(listening, settings, opened, monkeypatch):
    goes_on = threading.Event()

    def slow(library, progress):
        progress("layout", 0.5)
        assert goes_on.wait(30)
        return drawn_map(60)

    monkeypatch.setattr(maps, "library_map", slow)
    monkeypatch.setattr(maps, "SOON", 0.1)
    with listening(settings) as address:
        page = opened(address, wait=False)
        page.get_by_text("Laying out").wait_for()
        assert page.locator("#wait-share").evaluate("one => one.value") == 0.5
        goes_on.set()
        page.wait_for_selector("#wait", state="hidden")


def test_what_goes_wrong_is_said(served, opened):
    page = opened(served, wait=False)
    page.goto(f"{served}/map?in=other")
    page.get_by_text("no library 'other' is served").wait_for()


@pytest.mark.parametrize("count", [0, 1])
def test_maps_of_nearly_nothing_are_shown(listening, settings, opened, monkeypatch, count):
    one = drawn_map(60)
    clusters = (one.clusters[0],)[:count]
    few = LibraryMap(one.keys[:count], one.positions[:count], one.numbers[:count], clusters)
    monkeypatch.setattr(maps, "library_map", lambda library, progress: few)
    with listening(settings) as address:
        page = opened(address)
        assert page.locator("#counts").inner_text() == ("0 images, 0 clusters" if count == 0 else "1 image, 1 cluster")
        page.evaluate("libraryMap.view.fit()")
        frames(page)


def test_a_map_that_has_changed_is_loaded_again(served, opened, monkeypatch):
    page = opened(served)
    monkeypatch.setattr(maps, "FRESH", 0.0)
    monkeypatch.setattr(maps, "library_map", lambda library, progress: drawn_map(600))
    while page.request.get(f"{served}/api/libraries/photos/map").json()["count"] != 600:
        frames(page)
    page.evaluate("libraryMap.data.need([5]).catch(() => null)")
    page.get_by_text(f"600 images, {CLUSTERS} clusters").wait_for()
