"""Tags on the page: those of an image, of chosen images and of all matches; given, removed, narrowed by, taken back."""

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect


@pytest.fixture
def tagged(address):
    """Return a function from a tag to how many images of the shop have it."""

    def ask(tag: str) -> int:
        body = {"where": f"hand_tags has '{tag}'", "k": 1}
        answer = httpx.post(f"{address}/api/libraries/shop/search", json=body, trust_env=False)
        return answer.json()["total"] if answer.status_code == 200 else 0

    return ask


def violations(page):
    """Return what axe finds."""
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in Axe().run(page).response["violations"]]


def facet(page, tag):
    """Return the row of a tag at the side."""
    return page.locator("#facets fieldset", has_text="tags by hand").locator("label", has_text=tag)


def test_an_image_gets_tags_and_loses_them(window, tagged):
    page = window("/?q=blue")
    page.locator(".hit").first.click()
    tags = page.get_by_role("group", name="Tags")
    tags.get_by_label("Add tags").fill("holiday, it's good")
    tags.get_by_label("Add tags").press("Enter")
    expect(tags.get_by_role("button", name="holiday", exact=True)).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("1 image: “holiday”, “it's good”")
    expect(tags.get_by_label("Add tags")).to_be_focused()
    expect(facet(page, "it's good")).to_contain_text("1")
    assert (tagged("holiday"), violations(page)) == (1, [])
    tags.get_by_role("button", name="Remove the tag holiday").click()
    expect(tags.get_by_role("button", name="holiday", exact=True)).to_have_count(0)
    assert tagged("holiday") == 0
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(tags.get_by_role("button", name="holiday", exact=True)).to_be_visible()
    assert tagged("holiday") == 1
    tags.get_by_role("button", name="it's good", exact=True).click()
    expect(page.locator("#count")).to_have_text("1 matches")
    expect(page.locator(".chip.narrowed")).to_have_text("tags by hand: it's good")


def test_all_that_match_are_tagged_and_taken_back(window, tagged):
    page = window("/?q=red")
    expect(page.locator("#count")).to_contain_text(" match")
    number = int(page.locator("#count").inner_text().split()[0])
    page.get_by_role("button", name="Tag the results").click()
    dialog = page.get_by_role("dialog", name="Tag")
    assert violations(page) == []
    dialog.get_by_label("Tags, with commas between").fill("warm")
    expect(dialog.get_by_label(f"all {number} that match")).to_be_checked()
    dialog.get_by_role("button", name="Tag").click()
    expect(page.locator(".toast")).to_contain_text(f"{number} images: “warm”")
    expect(facet(page, "warm")).to_contain_text(str(number))
    assert tagged("warm") == number
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_have_text("Taken back")
    assert tagged("warm") == 0


def test_chosen_images_are_tagged(window, tagged):
    page = window("/?q=green")
    page.locator(".hit").nth(0).press(" ")
    page.locator(".hit").nth(2).press(" ")
    page.locator("#picked").get_by_role("button", name="Tag").click()
    dialog = page.get_by_role("dialog", name="Tag")
    dialog.get_by_label("Tags, with commas between").fill("two")
    expect(dialog.get_by_label("2 chosen")).to_be_checked()
    dialog.get_by_role("button", name="Tag").click()
    expect(page.locator(".toast")).to_contain_text("2 images: “two”")
    assert tagged("two") == 2


def test_who_may_not_write_sees_tags_and_changes_none(window, address):
    hit = httpx.post(f"{address}/api/libraries/shop/search", json={"query": "blue", "k": 1}, trust_env=False).json()
    hit["hits"][0]["meta"] |= {"hand_tags": "mine", "tags": "sea"}
    status = httpx.get(f"{address}/api/status", trust_env=False).json() | {"scopes": ["read"]}
    answers = {
        "**/api/status": lambda route: route.fulfill(json=status),
        "**/search": lambda route: route.fulfill(json=hit),
    }
    page = window("/?q=blue", answers=answers)
    page.locator(".hit").first.click()
    tags = page.get_by_role("group", name="Tags")
    expect(tags.get_by_role("button")).to_have_text(["mine", "sea"])
    expect(tags.get_by_label("Add tags")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Tag the results")).to_be_hidden()
