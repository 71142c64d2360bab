"""A drawn map, and what can be seen of it in a window."""

import io
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

from wordsight.search.mapping.library_map import LibraryMap, MapCluster

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


def view(page):
    return page.evaluate("(({x, y, zoom}) => [x, y, zoom])(libraryMap.view)")


def frames(page):
    """Wait until what was asked for before has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def at(page, point):
    """Return where a point of the map lies in the window."""
    x, y = page.evaluate(f"libraryMap.view.toScreen(libraryMap.data.x({point}), libraryMap.data.y({point}))")
    box = page.locator("#map").bounding_box()
    return box["x"] + x, box["y"] + y


def look_at(page, point, zoom):
    page.evaluate(f"libraryMap.view.look(libraryMap.data.x({point}), libraryMap.data.y({point}), {zoom})")
    frames(page)


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
