"""The example of every route that asks for a body fits its schema, and is answered as it stands."""

import json

import jsonschema
import pytest
from PIL import Image
from starlette.testclient import TestClient

from wordsight.embeddings.model import load
from wordsight.engines.fake import COLOURS
from wordsight.search.library import open_library
from wordsight.serve.app import make_app
from wordsight.serve.examples import COPY, KEPT, KEYS, NEEDS
from wordsight.serve.openapi import openapi, plain_path
from wordsight.serve.routes import ROUTES
from wordsight.serve.settings import ServeSettings, named_libraries

DOCUMENT = openapi(ROUTES, keys_needed=False)
BODIES = {
    f"{method.upper()} {path}": (path, operation["requestBody"]["content"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
}
CHANGING = "/tags"  # it changes the library
IMAGES = 33


def example_of(name):
    (shown,) = BODIES[name][1].values()
    return shown["example"]


def test_every_route_with_a_body_is_here():
    posted = {f"{one.method} {plain_path(one.path)}" for one in ROUTES if one.method in ("POST", "PUT")}
    assert posted - set(BODIES) == {"POST /api/libraries/{library}/tag/undo"}, "it asks for nothing"
    assert set(NEEDS) < set(BODIES)


@pytest.mark.parametrize("name", BODIES)
def test_an_example_fits_its_schema(name):
    (shown,) = BODIES[name][1].values()
    schema = {**shown["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(example_of(name))
    fields = (
        schema.get("properties") or DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
    )
    assert set(example_of(name)) <= set(fields)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A client of a library with as many images as probabilities need."""
    photos = tmp_path_factory.mktemp("many") / "photos"
    photos.mkdir()
    for number in range(IMAGES):
        image = Image.new("RGB", (40, 20), list(COLOURS.values())[number % len(COLOURS)])
        image.paste((7 * number, 0, 0), (0, 0, 10, 10))
        image.save(photos / f"{number}.png")
    with open_library(photos, model=load(engine="fake")) as library:
        library.sync()
    settings = ServeSettings(libraries=named_libraries([photos]), engine="fake", port=0, thumbnails=False)
    with TestClient(make_app(settings), base_url="http://127.0.0.1:7070") as one:
        yield one


def sent(client, name):
    hits = client.post("/api/libraries/photos/search", json={"k": len(KEYS)}).json()["hits"]
    text = json.dumps(example_of(name))
    for stands, hit in [*zip(KEYS, hits, strict=True), *zip((KEPT, COPY), hits, strict=True)]:
        text = text.replace(json.dumps(stands), json.dumps(hit["key"]))
    path, content = BODIES[name]
    body = json.loads(text)
    if "multipart/form-data" in content:
        return client.post(path, files={field: (None, value) for field, value in body.items()})
    return client.post(path.replace("{library}", "photos"), json=body)


@pytest.mark.parametrize("name", [name for name in BODIES if name not in NEEDS])
def test_an_example_is_answered(request, name):
    answer = sent(request.getfixturevalue("client" if name.endswith(CHANGING) else "many"), name)
    assert answer.status_code == 200, answer.text
    assert "event: error" not in answer.text
    assert answer.content


def test_tags_are_taken_away_as_the_example_says(many):
    body = {**example_of("POST /api/libraries/{library}/tag"), "dry_run": False}
    done = many.post("/api/libraries/photos/tag", json=body).text
    assert "event: done" in done
    assert sent(many, "POST /api/libraries/{library}/tag/clear").json()["changed"] > 0


def test_a_tagging_by_hand_is_taken_back_as_the_examples_say(client):
    assert sent(client, "POST /api/libraries/{library}/tags").json()["changed"] == 1
    assert sent(client, "POST /api/libraries/{library}/tags/undo").json()["changed"] == 1


def test_copies_are_moved_as_the_example_says(client):
    answer = sent(client, "POST /api/libraries/{library}/duplicates/apply")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["moved"]) == 1
