"""The search page on a real library: typing, narrowing, the line, order, images, mixtures, thumbs, reasons, addresses."""

import base64
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import expect

DROP = """async ([name, encoded, type]) => {
  const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, {type}));
  const send = (kind) => document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  send("dragenter"); send("dragover"); const shown = !document.getElementById("drop").hidden; send("drop");
  return shown;
}"""


@pytest.fixture
def asked(address):
    """Return a function that asks the server itself, to compare with."""

    def ask(path: str, **body):
        answer = httpx.post(f"{address}/api/libraries/shop/{path}", json=body, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def first_keys(page, count=3):
    """Return what the first images of the grid are called."""
    expect(page.locator(".hit").nth(count - 1)).to_be_visible()
    return page.evaluate(f"[...document.querySelectorAll('.hit')].slice(0, {count}).map((one) => one.hit.key)")


def number_of(page):
    """Return how many match, as the page says."""
    return int(re.match(r"[\d,]+", page.locator("#count").inner_text())[0].replace(",", ""))


def typed(page, words):
    """Type letter by letter, and wait for what comes last."""
    with page.expect_response(
        lambda one: one.url.endswith("/search") and f'"{words}"' in (one.request.post_data or "")
    ):
        page.locator("#query").press_sequentially(words, delay=15)
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


def test_typing_finds(window, asked):
    page = window()
    expect(page.locator("#count")).to_have_text("330 images")
    typed(page, "blue")
    right = asked("search", query="blue", k=60, rest=True)
    assert first_keys(page) == [hit["key"] for hit in right["hits"][:3]]
    assert number_of(page) == right["matching"] < right["total"]
    expect(page).to_have_title("blue · Wordsight")
    expect(page.locator("#said")).to_have_text(f"{right['matching']} match")


def test_a_slow_answer_to_earlier_letters_is_dropped(window):
    def late(route):
        if route.request.post_data_json.get("query") == "red":
            page.wait_for_timeout(600)
        route.continue_()

    page = window(answers={"**/search": late})
    page.locator("#query").fill("red")
    page.wait_for_timeout(250)
    page.locator("#query").fill("blue")
    expect(page).to_have_title("blue · Wordsight")
    page.wait_for_timeout(700)
    expect(page).to_have_title("blue · Wordsight")
    assert "q=blue" in page.url


def test_a_facet_narrows_and_its_count_is_that_of_the_hits(window, asked):
    page = window("/?q=blue")
    box = page.locator("fieldset", has_text="kind").locator("label", has_text="shoe")
    count = int(box.locator(".number").inner_text())
    box.click()
    expect(page.locator("#count")).to_have_text(f"{count} match")
    expect(page.locator(".chip")).to_contain_text("kind: shoe")
    others = page.locator("fieldset", has_text="kind").locator("label", has_text="hat")
    other = int(others.locator(".number").inner_text())
    others.click()
    expect(page.locator("#count")).to_have_text(f"{count + other} match")
    counts = page.locator("#facets .number").all_inner_texts()
    assert counts and "0" not in counts
    page.locator(".chip", has_text="shoe").click()
    expect(page.locator("#count")).to_have_text(f"{other} match")
    page.locator(".condition summary").click()
    page.locator("#field-where").fill("taken > '2020-01-01'")
    page.locator("#field-where").press("Enter")
    where = "(taken > '2020-01-01') and kind = 'hat'"
    right = asked("search", query="blue", k=60, rest=True, where=where)["matching"]
    expect(page.locator("#count")).to_have_text(f"{right} match")


def test_a_condition_that_cannot_be_read_is_said_where_it_is_written(window, complaints):
    page = window("/?q=blue&where=(")
    expect(page.locator("#message h2")).to_have_text("That could not be answered")
    expect(page.locator("#facets .problem")).not_to_be_empty()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".hit").first).to_be_visible()
    complaints[:] = [one for one in complaints if not one.startswith("400 ")]


def test_the_line_moves(window, asked):
    page = window("/?q=blue")
    usual = number_of_expected(asked, None)
    expect(page.locator("#count")).to_have_text(f"{usual} match")
    slider = page.get_by_label("At least")
    for _ in range(30):
        slider.press("ArrowRight")
        if "least=0.05" in page.url:
            break
    expect(page.locator("#count")).to_have_text(f"{number_of_expected(asked, 0.05)} match")
    assert number_of_expected(asked, 0.05) < usual
    expect(page.locator(".line")).to_contain_text("Below 5 %")
    page.locator(".line").scroll_into_view_if_needed()
    above, below, pale = page.evaluate("""() => {
        const line = document.querySelector(".line").getBoundingClientRect().top;
        const cells = [...document.querySelectorAll(".hit")];
        const matches = (side) => cells.filter((one) => side * (one.getBoundingClientRect().top - line) > 0).map((one) => one.hit.match);
        return [matches(-1), matches(1), cells.filter((one) => one.classList.contains("less")).length];
    }""")
    assert min(above) >= 0.05 > max(below)
    assert pale == len(below)
    page.get_by_role("button", name="Reset to 3 %").click()
    expect(page.locator("#count")).to_have_text(f"{usual} match")


def number_of_expected(asked, least):
    """Return how many the server says match."""
    return asked("search", query="blue", k=60, rest=True, **({} if least is None else {"min_match": least}))["matching"]


def test_sorting_keeps_to_the_matches(window, asked):
    page = window("/?q=blue")
    expect(page.locator(".hit").first).to_be_visible()
    page.locator("#sort").select_option(label="newest first")
    right = asked("search", query="blue", k=60, sort="-taken")
    expect(page.locator("#count")).to_have_text(f"{right['total']} match")
    assert first_keys(page) == [hit["key"] for hit in right["hits"][:3]]
    expect(page.locator(".line")).to_have_count(0)


def test_an_image_that_is_dropped_is_searched_by(window, tmp_path):
    from PIL import Image

    Image.new("RGB", (900, 600), (40, 70, 210)).save(tmp_path / "blue.png")
    encoded = base64.b64encode((tmp_path / "blue.png").read_bytes()).decode()
    page = window()
    expect(page.locator(".hit").first).to_be_visible()
    assert page.evaluate(DROP, ["blue.png", encoded, "image/png"])
    expect(page.locator("#mixture img")).to_be_visible()
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator(".match").first).to_be_visible()
    assert int(first_keys(page, 1)[0][1:]) % 11 == 4  # blue is the fifth colour
    shared = window(page.url.split("/", 3)[3].join(["/", ""]))
    expect(shared.locator(".match").first).to_be_visible()
    assert first_keys(shared) == first_keys(page)
    page.evaluate(DROP, ["notes.txt", encoded, "text/plain"])
    expect(page.locator(".toast")).to_have_text("That is no image")


def test_a_mixture_has_a_weight_for_each_part(window, asked):
    page = window()
    page.locator("#query").fill("red")
    page.locator("#query").press("Shift+Enter")
    page.locator("#query").fill("blue")
    expect(page.locator("#mixture .part")).to_have_count(2)
    weight = page.get_by_label("Weight of red")
    for _ in range(20):
        weight.press("ArrowRight")
    parts = [{"text": "blue", "weight": 1}, {"text": "red", "weight": 3}]
    right = asked("search", parts=parts, k=60, rest=True)
    expect(page).to_have_url(re.compile("p=t3%3Ared"))
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#count")).to_have_text(f"{right['matching']} match")
    assert first_keys(page) == [hit["key"] for hit in right["hits"][:3]]
    page.get_by_label("Without").fill("white")
    page.get_by_label("Without").press("Enter")
    expect(page.locator(".chip.without")).to_have_text("without white")


def test_thumbs_and_more_like_this(window, asked):
    page = window("/?q=blue")
    _, second = first_keys(page, 2)
    page.locator(".hit").nth(1).hover()
    page.locator(".actions [data-action=disliked]").click()
    expect(page.locator(".chip.disliked")).to_be_visible()
    assert parse_qs(urlsplit(page.url).query)["down"] == [second]
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    assert second not in first_keys(page)
    (first,) = first_keys(page, 1)
    page.locator(".hit").first.hover()
    page.locator(".actions [data-action=like]").click()
    expect(page).to_have_url(re.compile(f"like={first}"))
    right = asked("search", like=[first], k=60, rest=True)
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator(".hit").first).to_be_visible()
    assert first_keys(page) == [hit["key"] for hit in right["hits"][:3]]


def test_chosen_images_are_a_query_and_an_export(window):
    page = window("/?q=blue")
    keys = first_keys(page, 3)
    page.locator(".hit").first.click(modifiers=["Control"])
    page.locator(".hit").nth(2).click(modifiers=["Shift"])
    expect(page.locator("#picked strong")).to_have_text("3 images chosen")
    page.locator("#picked").get_by_role("button", name="Export").click()
    dialog = page.get_by_role("dialog", name="Export")
    dialog.get_by_label("Names").check()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Export").click()
    assert download.value.path().read_text().split() and download.value.suggested_filename == "shop.txt"
    page.get_by_role("button", name="More for this set").click()
    expect(page.locator("#picked")).to_be_hidden()
    assert parse_qs(urlsplit(page.url).query)["like"] == keys


def test_an_image_large_and_why_it_came(window):
    page = window("/?q=blue")
    first, second = first_keys(page, 2)
    page.locator(".hit").first.click()
    detail = page.locator("#detail")
    expect(detail.locator("h2")).to_be_visible()
    expect(detail.locator("dd", has_text=first).first).to_be_visible()
    expect(detail.locator(".strip .mini").first).to_be_visible()
    assert f"open={first}" in page.url
    page.keyboard.press("w")
    expect(detail.locator(".shares, .trust, .why p").first).to_be_visible()
    expect(detail.locator(".why")).not_to_contain_text("Looking")
    page.keyboard.press("ArrowRight")
    expect(detail.locator("dd", has_text=second).first).to_be_visible()
    page.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    assert page.evaluate("document.activeElement.hit.key") == second
    page.go_back()
    expect(detail).to_be_visible()
    page.reload()
    expect(detail.locator("dd", has_text=second).first).to_be_visible()


def test_the_address_is_the_state_and_back_goes_back(window):
    page = window()
    typed(page, "red")
    page.locator("fieldset", has_text="kind").locator("label", has_text="hat").click()
    expect(page.locator(".chip")).to_contain_text("hat")
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    keys, count = first_keys(page), page.locator("#count").inner_text()
    other = window(page.url[page.url.index("/", 8) :])
    expect(other.locator("#count")).to_have_text(count)
    assert first_keys(other) == keys
    page.go_back()
    expect(page.locator("#chips")).to_be_hidden()
    page.go_back()
    expect(page.locator("#query")).to_have_value("")
    expect(page.locator("#count")).to_have_text("330 images")
    page.go_forward()
    expect(page.locator("#query")).to_have_value("red")


def test_what_comes_from_outside_is_text(window):
    page = window("/?where=taken+%3D+'2031-01-01'&q=" + "%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&not=%3Cb%3Ex%3C%2Fb%3E")
    expect(page.locator(".hit")).to_have_count(1)
    page.locator(".hit").click()
    expect(page.locator("#detail h2")).to_contain_text("<img src=x onerror=")
    expect(page.locator(".chip.without")).to_have_text("without <b>x</b>")
    assert page.title() != "hurt"
    assert page.locator("#detail b, #chips b").count() == 0


def test_the_focus_stays_on_its_image_when_a_key_asks_anew(window):
    page = window("/?q=blue")
    (key,) = first_keys(page, 3)[2:]
    page.keyboard.press("/")
    for name in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(name)
    focused = "document.activeElement.hit?.key"
    assert page.evaluate(focused) == key
    with page.expect_response(lambda one: one.url.endswith("/search")):
        page.keyboard.press("+")
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    assert page.evaluate(focused) == key
    with page.expect_response(lambda one: one.url.endswith("/search")):
        page.keyboard.press("-")  # it goes out of the results, and the first gets the focus
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
    assert key not in first_keys(page)
    assert [page.evaluate(focused)] == first_keys(page, 1)
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == first_keys(page, 2)[1]


@pytest.mark.parametrize("query", ["/?like=k004", "/?q=blue&up=k004", "/?p=k1:k004"])
def test_why_there_is_no_line_is_said(window, query):
    def answer(route):
        body = route.fetch().json()
        pictures = "query" not in route.request.post_data_json or "liked" in route.request.post_data_json
        route.fulfill(json=body | ({"matching": None, "least": None} if pictures else {}))

    page = window("/?q=blue", answers={"**/search": answer})
    expect(page.locator("#count")).to_have_text(re.compile(r"^\d+ match$"))
    expect(page.locator("#unlined")).to_be_hidden()
    page.goto(query)
    expect(page.locator("#count")).to_have_text(re.compile(r"^\d+ images, nearest first$"))
    expect(page.locator("#unlined")).to_have_text(re.compile("no line between match and no match"))
    expect(page.locator("#cut")).to_be_hidden()
    expect(page.locator(".line")).to_have_count(0)
    page.goto("/")
    expect(page.locator("#count")).to_have_text("330 images")
    expect(page.locator("#unlined")).to_be_hidden()


def test_a_map_that_fails_is_not_shown_before_it_is_asked_for(window):
    def reason(passes, fails):
        def answer(route):
            one = route.fetch().json()["reasons"][0]
            one |= {
                "passes": passes,
                "fails": fails,
                "overlay": "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=",
            }
            route.fulfill(json={"reasons": [one]})

        return answer

    page = window("/?q=blue", answers={"**/why": reason(False, ["hiding", "swap"])})
    page.locator(".hit").first.click()
    expect(page.locator("#detail h2")).to_be_visible()
    page.keyboard.press("w")
    why, shown = page.locator(".why"), page.locator("#detail .map")
    expect(why).to_contain_text("hiding what it marks lowers the score no more")
    expect(why).to_contain_text("it hardly changes when the words do")
    expect(shown).to_be_hidden()
    expect(why.locator(".scale")).to_be_hidden()
    why.get_by_role("button", name="Show the map anyway").click()
    expect(shown).to_be_visible()
    expect(why.locator(".scale")).to_have_text("weakstrong")
    sound = window("/?q=blue", answers={"**/why": reason(True, [])})
    sound.locator(".hit").first.click()
    expect(sound.locator("#detail h2")).to_be_visible()
    sound.keyboard.press("w")
    expect(sound.locator("#detail .map")).to_be_visible()
    expect(sound.locator(".scale")).to_be_visible()


def test_an_image_leads_to_the_bench(window):
    page = window("/?q=blue")
    (key,) = first_keys(page, 1)
    page.locator(".hit").first.click()
    page.get_by_role("link", name="Try it on the bench").click()
    expect(page.locator("#shown")).to_have_attribute("alt", re.compile(key))
    assert parse_qs(urlsplit(page.url).query) == {"library": ["shop"], "key": [key]}
    labels = page.locator("#typed").input_value().split("\n")
    assert "a person" in labels and "a bus" not in labels
    assert [page.locator(one).input_value() for one in ("#true-text", "#false-text")] == ["", ""]
    expect(page.locator("#true-text")).to_have_attribute("placeholder", "what the picture shows")
