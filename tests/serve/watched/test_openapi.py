"""The OpenAPI document: valid, with every route in it, and every field described."""

import re
from collections.abc import Mapping
from typing import Any

import jsonschema
import msgspec
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from wordsight.serve.openapi import field_note, openapi, plain_path
from wordsight.serve.route import Route
from wordsight.serve.routes import ROUTES

HANDLER = "wordsight.serve.watched.health:health"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi(ROUTES, keys_needed=True)


def test_it_is_valid(document) -> None:
    jsonschema.Draft202012Validator(OPENAPI_31).validate(document)
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema), name
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere(document) -> None:
    def references(value):
        if isinstance(value, Mapping):
            yield from ([value["$ref"]] if "$ref" in value else [])
            value = list(value.values())
        if isinstance(value, list):
            for one in value:
                yield from references(one)

    assert {one.rpartition("/")[2] for one in references(document)} <= set(document["components"]["schemas"])


def test_every_route_is_in_it(client) -> None:
    document = client.get("/openapi.json").json()
    written = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert written == {(route.method.lower(), plain_path(route.path)) for route in ROUTES}


def test_every_operation_says_what_it_does(document) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["description"], f"{method} {path}: its handler has no docstring"


def test_every_field_is_described(document) -> None:
    """By the docstring of its Struct ("`k`: how many"), the glossary, or a type that says all: choices, a Struct."""
    silent = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        if not name.endswith("Error")
        for field, one in schema.get("properties", {}).items()
        if not {"description", "enum", "const", "$ref", "anyOf"} & set(one)
    ]
    assert not silent


def test_what_is_said_of_a_field_is_of_that_field_alone(document) -> None:
    for name, schema in document["components"]["schemas"].items():
        notes = [one["description"] for one in schema.get("properties", {}).values() if "description" in one]
        assert len(notes) == len(set(notes)), f"{name}: two fields share a text"
        for note in notes:
            assert len(re.findall("[A-Za-z]", note)) >= 12 and note.endswith("."), f"{name}: {note!r}"
            assert ".py" not in note, f"{name}: {note!r}"
    fields = document["components"]["schemas"]["SearchRequest"]["properties"]
    assert "less likely" in fields["rest"]["description"] and "backwards" in fields["sort"]["description"]


def test_open_routes_need_no_key_and_others_do(document) -> None:
    for route in ROUTES:
        operation = document["paths"][plain_path(route.path)][route.method.lower()]
        assert operation.get("security") == (None if route.scope == "open" else [{"bearer": []}, {"header": []}])
    without = openapi(ROUTES, keys_needed=False)
    assert without["paths"]["/api/embed"]["post"]["security"][0] == {}


class Upload(msgspec.Struct):
    """An upload; `image`: its file."""

    image: bytes
    k: int = 3


class Asked(msgspec.Struct):
    """What is asked; `side`: pixels, at most 1,024."""

    side: int
    kind: str = "jpeg"


def neighbour_shape(status: int, problem: str, cure: str) -> Mapping[str, Any]:
    return {"detail": [{"msg": problem, "code": status, "ok": False, "param": None}]}


def operation_of(route: Route) -> tuple[dict[str, Any], dict[str, Any]]:
    made = openapi([route], keys_needed=True)
    jsonschema.Draft202012Validator(OPENAPI_31).validate(made)
    (methods,) = made["paths"].values()
    (operation,) = methods.values()
    return operation, made["components"]["schemas"]


def test_forms_have_files_as_bytes() -> None:
    made, _ = operation_of(
        Route("POST", "/up", HANDLER, "Up.", asks=Upload, body="raw", consumes="multipart/form-data")
    )
    schema = made["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert schema["properties"]["image"] == {"type": "string", "format": "binary", "description": "Its file."}
    assert schema["required"] == ["image"]


def test_raw_bodies_have_their_media_type() -> None:
    made, _ = operation_of(Route("PUT", "/up", HANDLER, "Up.", body="raw", consumes="image/*"))
    assert made["requestBody"]["content"] == {"image/*": {}}


def test_parameters_of_path_and_query() -> None:
    made, _ = operation_of(Route("GET", "/x/{library}/{key:path}", HANDLER, "X.", asks=Asked, produces="image/jpeg"))
    assert [(one["in"], one["name"], one["required"]) for one in made["parameters"]] == [
        ("path", "library", True),
        ("path", "key", True),
        ("query", "side", True),
        ("query", "kind", False),
    ]
    assert made["parameters"][2]["description"] == "Pixels, at most 1,024."
    assert list(made["responses"]["200"]["content"]) == ["image/jpeg"]


def test_errors_have_the_shape_of_their_route() -> None:
    made, schemas = operation_of(
        Route("POST", "/x", HANDLER, "X.", asks=Asked, shape=neighbour_shape, statuses={201: "Made.", 409: "Busy."})
    )
    assert made["responses"]["409"]["content"]["application/json"]["schema"]["$ref"].endswith("/NeighbourError")
    assert made["responses"]["201"] == {"description": "Made."}
    inner = schemas["NeighbourError"]["properties"]["detail"]["items"]["properties"]
    assert inner == {"msg": {"type": "string"}, "code": {"type": "integer"}, "ok": {"type": "boolean"}, "param": {}}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a", "The first."),
        ("b", "The second, in pixels."),
        ("c", "The third, or `a`."),
        ("d", ""),
        ("f", "The last. It has two sentences."),
        ("e", ""),
    ],
)
def test_notes_are_read_from_docstrings(name, said) -> None:
    document = (
        "All of it; `a`: the first; `b`: the second,\nin pixels, or `c`: the third, or `a`.\n\n"
        "Some more. What `d` is stands here.  `f`: the last.  It has two sentences."
    )
    assert field_note(document, name) == said
