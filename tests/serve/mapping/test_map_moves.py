"""The page of a map under a mouse, fingers and keys: it moves, points, selects, and leads to searches."""

import numpy as np
import pytest
from tests.serve.mapping.window import CLUSTERS, at, frames, likes, look_at, view


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
    page.wait_for_function("(zoom) => libraryMap.view.zoom > 1.3 * zoom", arg=zoom)
    assert page.evaluate("libraryMap.view.toMap(200, 150)") == pytest.approx(before, abs=2e-3)  # pixels are whole
    page.keyboard.press("Tab")
    page.locator("#map").focus()
    page.keyboard.press("0")
    frames(page)
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
    frames(page)
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
    page.wait_for_function("() => Math.abs(libraryMap.view.zoom - 8) < 0.08")  # the way back leads to the same part


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
