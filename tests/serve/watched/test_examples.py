"""The example of every route that asks for a body fits its schema, and is answered as it stands."""

import json

import jsonschema
import pytest

from wordsight.serve.examples import KEYS, NEEDS
from wordsight.serve.openapi import openapi, plain_path
from wordsight.serve.routes import ROUTES

DOCUMENT = openapi(ROUTES, keys_needed=False)
BODIES = {
    f"{method.upper()} {path}": (path, operation["requestBody"]["content"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if "requestBody" in operation
}
CHANGING = ("/sync", "/tag", "/duplicates/apply")  # a library of their own is changed


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


@pytest.mark.parametrize("name", [name for name in BODIES if name not in NEEDS])
def test_an_example_is_answered(request, name):
    is_changing = name.endswith(CHANGING)
    client = request.getfixturevalue("client" if is_changing else "steady")
    hits = client.post("/api/libraries/photos/search", json={"k": len(KEYS)}).json()["hits"]
    text = json.dumps(example_of(name))
    for stands, hit in zip(KEYS, hits, strict=True):
        text = text.replace(json.dumps(stands), json.dumps(hit["key"]))
    path, content = BODIES[name]
    body = json.loads(text)
    if "multipart/form-data" in content:
        answer = client.post(path, files={field: (None, value) for field, value in body.items()})
    else:
        answer = client.post(path.replace("{library}", "photos"), json=body)
    assert answer.status_code == 200, answer.text
    assert "event: error" not in answer.text
    assert answer.content != b"[]" or name == "POST /metadata", "that one needs numbers that a search gave"
