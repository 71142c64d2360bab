"""The review of duplicates: what would be moved, the choice for each image, the plan, moving and putting back."""

import json

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

GROUPS = [
    {
        "kept": "red.png",
        "members": [
            {"key": "red.png", "kind": "kept", "why": "", "size": 4000, "width": 64, "height": 48, "similarity": 1.0},
            {
                "key": "again/red.png",
                "kind": "exact",
                "why": "<i>shorter</i> path",
                "size": 4000,
                "width": 64,
                "height": 48,
                "similarity": 1.0,
            },
        ],
        "freed": 4000,
    },
    {
        "kept": "blue.png",
        "members": [
            {"key": "blue.png", "kind": "kept", "why": "", "size": 9000, "width": 64, "height": 48, "similarity": 1.0},
            {
                "key": "again/blue.png",
                "kind": "near",
                "why": "64 x 48 pixels against 32 x 24",
                "size": 2000,
                "width": 32,
                "height": 24,
                "similarity": 0.98,
            },
        ],
        "freed": 2000,
    },
]
EVENTS = 'event: progress\ndata: {"done": 5, "total": 13, "stage": "comparing"}\n\nevent: done\ndata: '


@pytest.fixture
def review(window):
    """Return a function that opens the review with made-up answers, and what was asked of the server."""
    asked = []

    def opened(groups=GROUPS, **options):
        def respond(answer):
            def fulfil(route):
                asked.append((route.request.url.rsplit("/duplicates", 1)[1], route.request.post_data_json))
                if isinstance(answer, str):
                    route.fulfill(body=answer, content_type="text/event-stream")
                else:
                    route.fulfill(json=answer)

            return fulfil

        done = EVENTS + json.dumps({"groups": groups, "freed": 6000}) + "\n\n"
        answers = {
            "**/api/libraries/*/duplicates": respond(done),
            "**/duplicates/apply": respond({"plan": "plan-1", "moved": 1, "failed": [], "undo": "plan-1"}),
            "**/duplicates/undo": respond({"restored": 1, "failed": []}),
        }
        page = window("/duplicates?in=copies", answers=answers, **options)
        page.get_by_role("button", name="Find").click()
        return page, asked

    return opened


def test_groups_are_chosen_planned_moved_and_put_back(review):
    page, asked = review()
    expect(page.locator(".group")).to_have_count(2)
    assert asked[0] == ("", {"kinds": ["exact", "near", "crop", "flip"]})
    expect(page.locator("#foot")).to_contain_text("2 images to move to the trash folder (6.0 kB)")
    expect(page.locator(".group").first).to_contain_text("<i>shorter</i> path")
    page.get_by_text("Move", exact=True).nth(2).click()
    expect(page.locator("#foot")).to_contain_text("1 group would keep nothing")
    page.locator(".group").nth(1).get_by_text("Keep", exact=True).nth(1).click()
    expect(page.locator("#foot")).to_contain_text("2 images to move to the trash folder (13 kB)")
    page.locator(".group").first.get_by_text("Keep", exact=True).nth(1).click()
    expect(page.locator("#foot")).to_contain_text("1 image to move to the trash folder (9.0 kB)")
    page.get_by_role("button", name="Look at the plan").click()
    dialog = page.get_by_role("dialog", name="The plan")
    expect(dialog.locator(".plan li")).to_have_text(["blue.png"])
    dialog.get_by_role("button", name="Move 1 image").click()
    expect(page.locator("#undo")).to_contain_text("1 image moved to the trash folder (9.0 kB).")
    assert asked[1] == ("/apply", {"groups": [{"kept": "again/blue.png", "move": ["blue.png"]}]})
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#undo")).to_contain_text("1 image put back.")
    assert asked[2] == ("/undo", {"plan": "plan-1"})


def test_no_duplicates_is_said(review):
    page, _ = review([])
    expect(page.locator("#groups h2")).to_have_text("No duplicates")


def test_many_groups_come_as_one_scrolls(review):
    page, _ = review([{**GROUPS[0], "kept": "red.png"} for _ in range(400)])
    expect(page.locator(".group").first).to_be_visible()
    assert page.locator(".group").count() < 200
    for _ in range(20):
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        page.wait_for_timeout(30)
    expect(page.locator(".group")).to_have_count(400)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_review_is_accessible(review, width, scheme):
    page, _ = review(width=width, scheme=scheme)
    expect(page.locator(".group")).to_have_count(2)
    assert Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Look at the plan").click()
    assert Axe().run(page).response["violations"] == []


def test_real_copies_are_moved_and_put_back(window, address):
    def images():
        answer = httpx.post(f"{address}/api/libraries/copies/search", json={"k": 50}, trust_env=False).json()
        return sorted(hit["key"] for hit in answer["hits"])

    before = images()
    page = window("/duplicates?in=copies")
    for kind in ("nearly the same", "crops", "mirrored"):
        page.get_by_label(kind).uncheck()
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".group")).to_have_count(2)
    page.get_by_role("button", name="Look at the plan").click()
    page.get_by_role("button", name="Move 2 images").click()
    expect(page.locator("#undo")).to_contain_text("2 images moved")
    assert len(images()) == len(before) - 2
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#undo")).to_contain_text("2 images put back")


@pytest.mark.parametrize("status", [401, 429])
def test_without_a_status_nothing_can_be_looked_for(window, complaints, status):
    asked = []

    def answer(route):
        asked.append(route.request.url)
        if len(asked) > 1:
            route.continue_()
        else:
            error = {"status": status, "problem": "not now", "cure": "wait a moment"}
            route.fulfill(status=status, json={"error": error})

    page = window("/duplicates?in=copies", answers={"**/api/status": answer, "**/api/session": _given})
    expect(page.locator("#problem")).to_contain_text("not now")
    expect(page.get_by_role("button", name="Find")).to_be_disabled()
    expect(page.locator("#where")).to_be_disabled()
    if status == 401:
        page.get_by_label("Key", exact=True).fill("right")
        page.get_by_label("Key", exact=True).press("Enter")
    else:
        page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Find")).to_be_enabled()
    expect(page.locator("#problem")).to_be_empty()
    complaints[:] = [one for one in complaints if not one.startswith(f"{status} ")]


def _given(route):
    route.fulfill(status=204)


def test_moments_of_one_day_are_told_apart_by_their_time(review):
    whys = (
        "older: 2026-11-30T10:11:12 against 2026-11-30T10:15:00",
        "older: 2026-11-29T10:11:12 against 2026-11-30T10:15:00",
    )
    keys = ("again/red.png", "again/blue.png")
    members = [{**GROUPS[0]["members"][1], "key": key, "why": why} for key, why in zip(keys, whys, strict=True)]
    page, _ = review([{**GROUPS[0], "members": [GROUPS[0]["members"][0], *members]}])
    expect(page.locator(".member")).to_have_count(3)
    reasons = page.locator(".member").all_inner_texts()
    assert "10:11:12" in reasons[1] and "10:15:00" in reasons[1]
    assert "Nov 29" in reasons[2] and ":" not in reasons[2].partition("older:")[2]
