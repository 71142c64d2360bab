"""The page of a library's map in a real browser: it draws, moves, selects, and leads to searches."""

import io
import shutil
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import sync_playwright

from wordsight.search.mapping.library_map import LibraryMap, MapCluster
from wordsight.serve.hosting import maps

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CLUSTERS = 12


def drawn_map(count=3000):
    """Return a map of round clusters on a circle, each of points around its middle."""
    draw = np.random.default_rng(0)
    angles = np.arange(CLUSTERS) / CLUSTERS * 2 * np.pi
    middles = 0.8 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    numbers = (np.arange(count) % CLUSTERS).astype(np.int32)
    positions = np.clip(middles[numbers] + 0.06 * draw.normal(size=(count, 2)), -1, 1).astype(np.float32)
    keys = tuple(f"folder {n % 3}/photo #{n}.jpg" for n in range(count))
    clusters = tuple(
        MapCluster(f"cluster {n}", (float(x), float(y)), int((numbers == n).sum()), keys[n : 6 * CLUSTERS : CLUSTERS])
        for n, (x, y) in enumerate(middles)
    )
    return LibraryMap(keys, positions, numbers, clusters)


def a_thumbnail():
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 30, 90)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


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
            page.wait_for_timeout(100)
        return page

    yield opening
    for context in contexts:
        context.close()
    assert heard == []


def view(page):
    return page.evaluate("(({x, y, zoom}) => [x, y, zoom])(libraryMap.view)")


def at(page, point):
    """Return where a point of the map lies in the window."""
    x, y = page.evaluate(f"libraryMap.view.toScreen(libraryMap.data.x({point}), libraryMap.data.y({point}))")
    box = page.locator("#map").bounding_box()
    return box["x"] + x, box["y"] + y


def look_at(page, point, zoom):
    page.evaluate(f"libraryMap.view.look(libraryMap.data.x({point}), libraryMap.data.y({point}), {zoom})")
    page.wait_for_timeout(50)


def ink(page):
    """Return how much of the map is drawn on, without names and tools."""
    page.evaluate("['labels', 'tools', 'thumbs'].forEach((id) => document.getElementById(id).hidden = true)")
    image = np.asarray(Image.open(io.BytesIO(page.locator("#map").screenshot())).convert("RGB"), int)[
        2:
    ]  # below the header
    page.evaluate("['labels', 'tools', 'thumbs'].forEach((id) => document.getElementById(id).hidden = false)")
    paper = np.median(image.reshape(-1, 3), axis=0)
    return float((np.abs(image - paper).sum(axis=2) > 60).mean())


def likes(address):
    asked = parse_qs(urlsplit(address).query)
    assert (urlsplit(address).path, asked["in"]) == ("/", ["photos"])
    return asked["like"]


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
    page.evaluate("""() => { libraryMap.shares = [];
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
    page.wait_for_timeout(450)
    shares = page.evaluate("libraryMap.shares")
    assert min(shares) < 0.9
    assert shares[-1] == 1
    page.evaluate("libraryMap.drawing.real(libraryMap.view, 0.2)")
    assert 0.001 < ink(page) < 0.5


def test_names_lie_over_their_clusters_and_none_over_another(served, opened):
    page = opened(served)
    names = page.locator("#labels button:visible")
    boxes = [names.nth(n).bounding_box() for n in range(names.count())]
    assert len(boxes) == CLUSTERS
    page.set_viewport_size({"width": 390, "height": 700})
    page.wait_for_timeout(200)
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


def test_drags_wheels_keys_and_buttons_move_it(served, opened):
    page = opened(served)
    x, y, zoom = view(page)
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 360, box["y"] + 330, steps=4)
    page.mouse.up()
    moved = view(page)
    assert moved[0] < x
    assert moved[1] > y
    assert page.url.split("#")[0].endswith("in=photos")  # a drag opens nothing
    before = page.evaluate("libraryMap.view.toMap(200, 150)")
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    assert view(page)[2] > 1.3 * zoom
    assert page.evaluate("libraryMap.view.toMap(200, 150)") == pytest.approx(before, abs=2e-3)  # pixels are whole
    page.keyboard.press("Tab")
    page.locator("#map").focus()
    page.keyboard.press("0")
    page.wait_for_timeout(100)
    assert view(page) == [0, 0, 1]
    for key, change in {"ArrowRight": (1, 0), "ArrowUp": (0, 1), "ArrowLeft": (-1, 0), "ArrowDown": (0, -1)}.items():
        was = view(page)
        page.keyboard.press(key)
        now = view(page)
        assert (np.sign(now[0] - was[0]), np.sign(now[1] - was[1])) == change
    page.keyboard.press("+")
    assert view(page)[2] > 1
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert view(page)[2] < 1
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="All").click()
    page.wait_for_timeout(100)
    assert view(page) == [0, 0, 1]


def test_two_fingers_zoom_and_one_moves(served, opened):
    page = opened(served, width=390, has_touch=True)
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *points):
        places = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    fingers("touchStart", (150, 300), (250, 300))
    fingers("touchMove", (100, 300), (300, 300))
    fingers("touchEnd")
    zoomed = view(page)
    assert 1.5 < zoomed[2] < 2.5
    fingers("touchStart", (200, 300))
    fingers("touchMove", (260, 300))
    fingers("touchEnd")
    assert view(page)[0] < zoomed[0]
    assert view(page)[2] == zoomed[2]


def test_pointing_shows_an_image_and_a_click_opens_more_like_it(served, opened):
    page = opened(served)
    look_at(page, 7, 8)
    page.mouse.move(*at(page, 7))
    card = page.locator("#card")
    card.wait_for()
    assert "photo #" in card.inner_text()
    point = page.evaluate("libraryMap.card.point")
    page.mouse.click(*at(page, 7))
    page.wait_for_url("**/?in=*")
    assert likes(page.url) == [f"folder {point % 3}/photo #{point}.jpg"]
    page.go_back()
    page.wait_for_selector("#wait", state="hidden")
    page.wait_for_timeout(100)
    assert view(page)[2] == pytest.approx(8, rel=0.01)  # the way back leads to the same part


def test_a_tap_shows_the_image_and_the_next_opens_it(served, opened):
    page = opened(served, width=390, has_touch=True)
    look_at(page, 5, 12)
    page.touchscreen.tap(*at(page, 5))
    page.locator("#card.touched").wait_for()
    assert page.locator("#card a").get_attribute("href").startswith("/?in=photos&like=folder")
    page.touchscreen.tap(*at(page, page.evaluate("libraryMap.card.point")))
    page.wait_for_url("**/?in=*")


def test_the_keyboard_opens_the_image_in_the_middle(served, opened):
    page = opened(served)
    look_at(page, 9, 30)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.getElementById('spoken').textContent.includes('photo #9.jpg')")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?in=*")
    assert likes(page.url) == ["folder 0/photo #9.jpg"]


def test_drawing_around_points_selects_them(served, opened):
    page = opened(served)
    page.get_by_role("button", name="Select").click()
    x, y = page.evaluate("libraryMap.view.toScreen(0.8, 0)")
    box = page.locator("#map").bounding_box()
    reach = 0.2 * page.evaluate("libraryMap.view.scale")
    corners = [(-reach, -reach), (reach, -reach), (reach, reach), (-reach, reach)]
    page.mouse.move(box["x"] + x - reach, box["y"] + y - reach)
    page.mouse.down()
    for across, down in corners:
        page.mouse.move(box["x"] + x + across, box["y"] + y + down, steps=5)
    page.mouse.up()
    link = page.get_by_role("link", name="Open as a search")
    link.wait_for()
    points = page.evaluate("libraryMap.lasso.points")
    assert len(points) > 200
    assert {point % CLUSTERS for point in points} == {0}
    asked = likes(link.get_attribute("href"))
    assert len(asked) == 12
    assert {int(key.split("#")[1][:-4]) % CLUSTERS for key in asked} == {0}
    assert page.get_by_role("button", name="Select").get_attribute("aria-pressed") == "false"
    page.locator("#map").focus()
    page.keyboard.press("Escape")
    assert not page.locator("#selection").is_visible()


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
    assert items.count() == CLUSTERS
    assert page.locator("#counts").inner_text() == f"3,000 images, {CLUSTERS} clusters"
    assert items.nth(4).inner_text().split("\n")[0] == "cluster 4"
    search = page.get_by_role("link", name="Search for images like those of cluster 4", exact=True)
    assert len(likes(search.get_attribute("href"))) == 6
    page.get_by_role("button", name="cluster 4", exact=True).click()
    page.wait_for_timeout(150)
    x, y, zoom = view(page)
    assert (x, y) == pytest.approx(drawn_map().clusters[4].centre, abs=0.05)
    assert zoom > 2


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_has_no_faults_for_those_who_hear_or_tab(served, opened, width, scheme):
    page = opened(served, width=width, color_scheme=scheme)
    look_at(page, 3, 6)
    page.wait_for_timeout(400)
    page.evaluate("libraryMap.card.show(libraryMap.view, 3)")
    page.evaluate("libraryMap.lasso.choose([1, 2, 3])")
    page.get_by_role("link", name="Open as a search").wait_for()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_colours_follow_the_theme(served, opened):
    page = opened(served, color_scheme="light")
    light = page.evaluate("libraryMap.colours")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(50)
    dark = page.evaluate("libraryMap.colours")
    assert sum(map(sum, dark)) > sum(map(sum, light))
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_timeout(50)
    assert page.evaluate("libraryMap.colours") == light


def test_a_column_colours_it_and_its_values_lead_to_searches(listening, settings, opened, monkeypatch):
    monkeypatch.setattr("wordsight.search.mapping.layout.STEPS", 40)
    with listening(settings) as address:
        page = opened(address, wait=False)
        page.wait_for_selector("#wait", state="hidden")
        page.evaluate("libraryMap.colourBy('folder')")
        legend = page.locator("#legend li")
        legend.first.wait_for()
        assert sorted(text.split()[0] for text in legend.all_inner_texts()) == ["a", "b"]
        asked = parse_qs(urlsplit(legend.first.locator("a").get_attribute("href")).query)
        assert asked["where"][0] in ("folder = 'a'", "folder = 'b'")
        page.evaluate("libraryMap.colourBy('')")
        assert not page.locator("#legend").is_visible()


def test_while_it_is_being_made_it_says_how_far_it_is(listening, settings, opened, monkeypatch):
    import threading

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
