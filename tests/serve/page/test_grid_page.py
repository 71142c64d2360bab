"""The grid with 100,000 results, and the whole page by keyboard alone."""

import base64
import io

import pytest
from PIL import Image
from playwright.sync_api import expect

TOTAL = 100_000
RAY = {"text": "kind: x-ray", "where": "kind = 'x-ray'", "count": 7}
SHAPES = ((150, 100), (100, 100), (80, 120), (200, 90), (None, None))


@pytest.fixture(scope="module")
def dot():
    """The smallest thumbnail."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 140)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def endless(answered, dot):
    """Answers of a library of 100,000 images, and what was asked of it."""
    asked = []

    def search(body):
        start, count = body.get("offset", 0), body.get("k", 50)
        asked.append(start)
        hits = []
        for number in range(start, min(TOTAL, start + count)):
            width, height = SHAPES[number % len(SHAPES)]
            match = round(max(0.0, 0.9 - number / 1000), 4)
            alike = ["copy/a", "copy/b"] if number == 1 else []
            one = {"key": f"i/{number}", "name": f"{number}.jpg", "score": 0.3, "match": match, "meta": {}}
            hits.append(one | {"alike": alike, "why": "", "named": False, "width": width, "height": height})
        least = body.get("min_match", 0.03)
        matching = int((0.9 - least) * 1000) + 1
        return {"hits": hits, "total": TOTAL, "matching": matching, "least": 0.03, "calibrated": True, "took": 0.0}

    library = {"name": "many", "images": TOTAL, "failed": 0, "absent": 0, "model": "m", "fingerprint": "f"}
    answers = {
        "**/api/status": answered({"version": "1", "models": [], "libraries": [library], "scopes": ["read"]}),
        "**/api/libraries/many": answered(library | {"calibrated": True, "columns": [], "orders": []}),
        "**/search": answered(search),
        "**/similar": answered(search),
        "**/facets": answered({"columns": []}),
        "**/thumbnails/**": lambda route: route.fulfill(body=dot, content_type="image/jpeg"),
        "**/originals/**": lambda route: route.fulfill(body=dot, content_type="image/jpeg"),
    }
    return answers, asked


def nodes(page):
    """Return how many elements the page has."""
    return page.evaluate("document.getElementsByTagName('*').length")


def settled(page):
    """Wait until every image near the window has come."""
    page.wait_for_function("""() => {
        const near = [...document.querySelectorAll(".hit")].filter((one) => {
            const box = one.getBoundingClientRect();
            return box.bottom > 0 && box.top < innerHeight;
        });
        return near.length > 3 && near.every((one) => one.firstChild.classList.contains("here"));
    }""")


def test_a_hundred_thousand_results_scroll_in_few_elements(window, endless):
    answers, asked = endless
    page = window("/?q=x", answers=answers)
    settled(page)
    most = nodes(page)
    height = page.evaluate("document.documentElement.scrollHeight")
    assert height > 500_000
    for _ in range(12):
        page.mouse.move(640, 500)
        page.mouse.wheel(0, 2500)
        page.wait_for_timeout(30)
        most = max(most, nodes(page))
    for share in (0.25, 0.5, 0.9, 1.0):
        page.evaluate(f"scrollTo(0, {share} * document.documentElement.scrollHeight)")
        settled(page)
        most = max(most, nodes(page))
    expect(page.get_by_role("gridcell", name="99999.jpg")).to_be_attached()
    assert most < 900
    assert len(asked) < 60
    page.evaluate("scrollTo(0, 0)")
    settled(page)
    expect(page.get_by_role("gridcell", name="0.jpg, 90 % likely, 1 of 100000")).to_be_attached()


def test_rows_fill_the_width_and_do_not_overlap(window, endless):
    page = window("/?q=x", answers=endless[0])
    settled(page)
    rows = page.evaluate("""() => [...document.querySelectorAll(".row")].map((row) => [...row.children].map((one) => {
        const box = one.getBoundingClientRect();
        return [box.left, box.right, box.top, box.bottom];
    }))""")
    left, right = page.evaluate(
        "(() => { const b = document.getElementById('grid').getBoundingClientRect(); return [b.left, b.right]; })()"
    )
    for row, behind in zip(rows, rows[1:], strict=False):
        assert row[0][0] == pytest.approx(left, abs=1) and row[-1][1] == pytest.approx(right, abs=1)
        assert all(one[1] < other[0] for one, other in zip(row, row[1:], strict=False))
        assert row[0][3] <= behind[0][2] and 120 < row[0][3] - row[0][2] < 300


def test_back_returns_to_where_the_window_was(window, endless):
    page = window("/?q=x", answers=endless[0])
    settled(page)
    page.evaluate("scrollTo(0, 200000)")
    settled(page)
    page.wait_for_timeout(150)
    first = page.evaluate("history.state.at")
    assert first > 1000
    page.evaluate("scrollTo(0, scrollY - 10)")
    page.locator("#query").fill("y")
    expect(page).to_have_title("y · Wordsight")
    settled(page)
    assert page.evaluate("scrollY") == 0
    page.go_back()
    settled(page)
    page.wait_for_timeout(150)
    assert abs(page.evaluate("history.state.at") - first) < 40


def test_near_duplicates_unfold(window, endless):
    page = window("/?q=x&fold=1", answers=endless[0])
    settled(page)
    badge = page.locator(".alike")
    expect(badge).to_have_text("+2")
    badge.click()
    expect(page.locator(".hit.copy")).to_have_count(2)
    page.locator(".alike").click()
    expect(page.locator(".hit.copy")).to_have_count(0)


def test_by_keyboard_alone(window, endless):
    page = window("/", answers=endless[0])
    settled(page)
    key = "document.activeElement.hit?.key"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("x")
    expect(page).to_have_title("x · Wordsight")
    settled(page)
    page.keyboard.press("ArrowDown")
    assert page.evaluate(key) == "i/0"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(key) == "i/1"
    below = page.evaluate("document.activeElement.getBoundingClientRect().bottom")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") > below
    page.keyboard.press("ArrowUp")
    assert page.evaluate(key) == "i/1"
    expect(page.locator(".hit[tabindex='0']")).to_have_count(1)
    page.keyboard.press("Space")
    expect(page.locator("#picked strong")).to_have_text("1 image chosen")
    page.keyboard.press("End")
    page.wait_for_function(f"() => {key} === 'i/99999'")
    page.keyboard.press("Home")
    page.wait_for_function(f"() => {key} === 'i/0'")
    for _ in range(80):
        page.keyboard.press("ArrowDown")
        if int(page.evaluate(key)[2:]) > 100:
            break
        page.wait_for_timeout(10)
    assert int(page.evaluate(key)[2:]) > 100
    page.keyboard.press("Enter")
    expect(page.locator("#detail")).to_be_visible()
    opened = page.locator("#detail h2").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#detail h2")).not_to_have_text(opened)
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#picked")).to_be_hidden()


def test_the_palette_acts_and_remembers(window, endless, answered):
    answers = {**endless[0], "**/suggest": answered({"texts": ["xylophone", "x-ray"], "conditions": [RAY]})}
    page = window("/?q=red+shoes", answers=answers)
    settled(page)
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    page.keyboard.type("save this")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("red shoes")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    page.keyboard.type("x")
    expect(page.get_by_role("option", name="xylophone search")).to_be_visible()
    page.get_by_role("option", name="xylophone search").click()
    expect(page.locator("#query")).to_have_value("xylophone")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    page.keyboard.type("x")
    page.get_by_role("option", name="kind: x-ray 7 images").click()
    expect(page.locator(".chip.where")).to_have_text("kind = 'x-ray'")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    page.keyboard.type("red shoes")
    page.get_by_role("option", name="red shoes saved").click()
    expect(page.locator("#query")).to_have_value("red shoes")


def labels(page):
    """Return what the palette offers, in its order."""
    return [one.split("\n")[0] for one in page.locator("#palette-list li").all_inner_texts()]


def test_the_palette_has_the_best_and_the_latest_first(window, endless, answered):
    answers = {**endless[0], "**/suggest": answered({"texts": ["export goods"], "conditions": []})}
    page = window("/?q=red", answers=answers)
    settled(page)
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    assert labels(page)[:2] == ["New search", "Search by an image"]
    page.keyboard.type("s")
    shown = labels(page)
    assert shown[:3] == ["s", "Search by an image", "Save this search"]  # begins so
    assert shown.index("New search") < shown.index("Copy the address of this search") < shown.index("Find duplicates")
    page.locator("#palette-input").fill("fdup")  # letters in order are a guess: Enter searches
    assert "Find duplicates" in labels(page)
    expect(page.locator("#palette-0")).to_have_attribute("aria-selected", "true")
    page.locator("#palette-input").fill("fold")
    page.keyboard.press("Enter")
    assert "fold=1" in page.url
    settled(page)
    page.keyboard.press("Control+k")
    page.locator("#palette-input").fill("show the k")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-input")).to_be_focused()
    assert labels(page)[0] == "Show the keys"


def lined(page):
    """Bring the line into the window, once it can be moved; returns it."""
    grip = page.get_by_role("slider", name="Least probability of a match")
    expect(grip).to_be_attached()
    grip.scroll_into_view_if_needed()
    return grip


def test_the_line_is_dragged_in_the_grid(window, endless):
    page = window("/?q=x&least=0.88", answers=endless[0])
    settled(page)
    grip = lined(page)
    expect(grip).to_have_attribute("aria-valuenow", "88")
    expect(page.locator("#count")).to_have_text("21 match")
    box = grip.bounding_box()
    wanted = page.locator(".hit.less").nth(7).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(wanted["x"] + wanted["width"] - 2, wanted["y"] + wanted["height"] / 2, steps=4)
    expect(page.locator("#count")).to_have_text("29 match")  # while it is dragged, too
    assert page.locator("#least-said").inner_text() == "87 % likely"
    page.mouse.up()
    page.wait_for_url("**least=0.872**")
    expect(page.get_by_role("slider", name="Least probability of a match")).to_have_attribute("aria-valuenow", "87")
    expect(page.locator("#count")).to_have_text("29 match")
    pale = page.evaluate("[...document.querySelectorAll('.hit.less')].map((one) => one.hit.match)")
    assert max(pale) < 0.872


def test_the_line_is_moved_by_keys_and_keeps_them(window, endless):
    page = window("/?q=x&least=0.9", answers=endless[0])
    settled(page)
    lined(page).focus()
    for key, least, likely in (("ArrowDown", "0.8", "80 % likely"), ("ArrowUp", "0.9", "90 % likely")):
        page.keyboard.press(key)
        page.wait_for_url(lambda url, least=least: url.endswith(f"least={least}"))
        grip = page.get_by_role("slider", name="Least probability of a match")
        expect(grip).to_have_attribute("aria-valuetext", likely)
        expect(grip).to_be_focused()
        expect(grip).to_be_in_viewport()
        expect(page.locator("#least-said")).to_have_text(likely)


def test_the_line_is_dragged_by_a_finger(window, endless):
    page = window("/?q=x&least=0.89", width=390, touch=True, answers=endless[0])
    settled(page)
    grip = lined(page)
    box = grip.bounding_box()
    client = page.context.new_cdp_session(page)
    x, y = box["x"] + 20, box["y"] + 10
    row = page.locator(".hit.less").first.bounding_box()
    touch = [{"x": x, "y": y}]
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": touch})
    for share in (0.5, 1.0):
        down = [{"x": x, "y": y + share * (row["y"] + row["height"] + 3 - y)}]
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": down})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_url(lambda url: "least=0.89" not in url)
    assert "least=0.88" in page.url


def test_an_image_is_pasted(window, endless, dot):
    page = window("/", answers=endless[0])
    settled(page)
    page.evaluate(
        """(encoded) => {
            const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "pasted.jpg", {type: "image/jpeg"}));
            document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
        }""",
        base64.b64encode(dot).decode(),
    )
    expect(page.locator("#mixture img")).to_be_visible()
