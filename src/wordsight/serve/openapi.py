"""The OpenAPI 3.1 document of the routes, from their types and docstrings.

    openapi(ROUTES, keys_needed=True)       # a dict, ready to be encoded

What a field means is taken from the docstring of its Struct ("`k`: how many hits"), else from the glossary.  Knows the
routes, and nothing of what is served.
"""

import copy
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from wordsight import __version__
from wordsight.base.optional import resolve
from wordsight.serve.answering import JSON
from wordsight.serve.examples import example_of
from wordsight.serve.glossary import FIELDS
from wordsight.serve.route import ErrorShape, Route

Schema = dict[str, Any]
REF = "#/components/schemas/"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
GROUPS = {
    "model": "Embeddings, classes and scores of what a request brings.",
    "library": "Searches of a library, and what is in it.",
    "server": "The server itself.",
    "page": "Pages for people.",
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as `Authorization: Bearer KEY`."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key, in a header."},
}
REFUSALS = {
    400: "What is asked cannot be answered.",
    401: "No key, or one that is not known.",
    403: "The key may not do this.",
    404: "There is no such thing.",
    413: "More than one request may bring.",
    422: "What is asked does not fit its type.",
    429: "More than this key or address may ask.",
    503: "Too much waits already; ask again later.",
    504: "No answer in time.",
}


def openapi(routes: Sequence[Route], *, keys_needed: bool, address: str = "/") -> Schema:
    """Return the document; `address`: below which address the routes are, `keys_needed`: whether a key must be sent."""
    kinds = list(dict.fromkeys(one for route in routes for one in (route.asks, route.answers) if _is_type(one)))
    references, components = msgspec.json.schema_components(kinds, ref_template=REF + "{name}")
    for component in components.values():
        _describe(component)
    schemas = dict(zip(kinds, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation = _operation(route, schemas, components)
        if route.scope != "open":
            optional: list[Schema] = [] if keys_needed else [{}]
            operation["security"] = [*optional, *({name: []} for name in SCHEMES)]
        paths.setdefault(plain_path(route.path), {})[route.method.lower()] = operation
    components |= {_error_name(shape): _error_schema(shape) for shape in dict.fromkeys(one.shape for one in routes)}
    groups = dict.fromkeys(route.group for route in routes)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wordsight",
            "version": __version__,
            "description": "Embeddings, classes and searches of images and texts in one space (CLIP).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": address}],
        "tags": [{"name": name, "description": GROUPS.get(name, f"The shapes of {name}.")} for name in groups],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": SCHEMES},
    }


def plain_path(path: str) -> str:
    """Return the template of a path without the kinds of its parts: "/a/{key:key}" is "/a/{key}"."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def _operation(route: Route, schemas: Mapping[Any, Schema], components: Mapping[str, Schema]) -> Schema:
    """Return one operation, without its security."""
    path = plain_path(route.path)
    document = inspect.getdoc(resolve(route.handler)) or ""
    needs = {"read": "", "write": "Needs a key that may write."}.get(route.scope, "")
    operation: Schema = {
        "operationId": "_".join(re.findall(r"\w+", f"{route.method.lower()} {path}")),
        "summary": route.summary,
        "description": "\n\n".join(part for part in (document, needs) if part),
        "tags": [route.group],
        "responses": _responses(route, schemas),
    }
    parameters = [
        _parameter("path", name, {"type": "string"}, required=True) for name in re.findall(r"\{(\w+)\}", path)
    ]
    if _is_type(route.asks) and route.method in ("GET", "DELETE"):
        parameters += _query(_resolved(schemas[route.asks], components))
    elif _is_type(route.asks):
        operation["requestBody"] = _body(route, schemas[route.asks], components)
    elif route.body == "raw" and route.method in ("POST", "PUT"):
        operation["requestBody"] = {"required": True, "content": {route.consumes: {}}}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _body(route: Route, schema: Schema, components: Mapping[str, Schema]) -> Schema:
    resolved = _resolved(schema, components)
    if route.consumes in FORMS:
        schema = _form(resolved)
    shown: Schema = {"schema": schema}
    if (example := example_of(route.method, plain_path(route.path))) is not None:
        shown["example"] = example
    return {"required": bool(resolved.get("required")), "content": {route.consumes: shown}}


def _form(schema: Any) -> Any:
    """Return a schema as the fields of a form have it: files are bytes, not base64."""
    if isinstance(schema, list):
        return [_form(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("contentEncoding") == "base64":
        kept = {name: value for name, value in schema.items() if name not in ("contentEncoding", "default")}
        return kept | {"format": "binary"}
    return {name: _form(value) for name, value in schema.items()}


def _query(schema: Schema) -> list[Schema]:
    """Return the fields of a Struct as parameters of the query string."""
    required = schema.get("required", ())
    return [_parameter("query", name, one, required=name in required) for name, one in schema["properties"].items()]


def _parameter(where: str, name: str, schema: Schema, *, required: bool) -> Schema:
    own = copy.copy(schema)
    parameter: Schema = {"name": name, "in": where, "required": required, "schema": own}
    if described := own.pop("description", FIELDS.get(name)):
        parameter["description"] = described
    return parameter


def _responses(route: Route, schemas: Mapping[Any, Schema]) -> Schema:
    """Return what may be answered: the answer, refusals that can be, and any other error."""
    content: Schema = {route.produces: {"schema": schemas[route.answers]} if _is_type(route.answers) else {}}
    if route.produces != JSON:
        content = {route.produces: {"schema": {"type": "string"} if "text" in route.produces else {}}}
    error: Schema = {"content": {JSON: {"schema": {"$ref": REF + _error_name(route.shape)}}}}
    statuses = {status: REFUSALS[status] for status in _refusals(route)}
    stated = dict(route.statuses)
    good = {status: stated.pop(status) for status in route.statuses if status < 400}
    responses: Schema = {str(status): {"description": what} for status, what in good.items()}
    responses.setdefault("200", {"description": "The answer.", "content": content})
    refused: Schema = {
        str(status): {"description": what, **error} for status, what in sorted((statuses | stated).items())
    }
    return responses | refused | {"default": {"description": "Any other error.", **error}}


def _refusals(route: Route) -> Iterable[int]:
    if route.group == "page":
        return ()
    asked = route.asks is not None or route.body == "raw"
    return (
        *((400, 413, 422) if asked else ()),
        *((401, 403, 429, 503, 504) if route.scope != "open" else ()),
        *((404,) if "{" in route.path or asked else ()),
    )


def _error_name(shape: ErrorShape) -> str:
    """Return the name of an error's shape: that of its function, "own_shape" is OwnError."""
    parts = getattr(shape, "__name__", "error").removesuffix("_shape").strip("_").split("_")
    return "".join(part.capitalize() for part in parts) + "Error"


def _error_schema(shape: ErrorShape) -> Schema:
    """Return the schema of an error, read off an example."""
    example = dict(shape(400, "what was wrong", "what helps"))
    return {
        "title": _error_name(shape),
        "description": "What went wrong.",
        **_schema_of(example),
        "examples": [example],
    }


def _schema_of(value: Any) -> Schema:
    """Return the schema that a plain value fits."""
    if isinstance(value, Mapping):
        return {
            "type": "object",
            "properties": {name: _schema_of(one) for name, one in value.items()},
            "required": list(value),
        }
    if isinstance(value, list | tuple):
        return {"type": "array", "items": _schema_of(value[0]) if value else {}}
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": names[type(value)]} if type(value) in names else {}


def _is_type(kind: Any) -> bool:
    return kind is not None and kind is not Any


def _resolved(schema: Schema, components: Mapping[str, Schema]) -> Schema:
    """Return what a reference refers to."""
    name = schema.get("$ref", "").removeprefix(REF)
    return components[name] if name else schema


def _describe(component: Schema) -> None:
    """Give each property of a Struct what its docstring, or else the glossary, says of it."""
    document = component.get("description", "")
    for name, schema in component.get("properties", {}).items():
        if "description" not in schema and (note := field_note(document, name) or FIELDS.get(name)):
            schema["description"] = note


def field_note(document: str, name: str) -> str:
    """Return what a docstring says of a field alone: what follows "`name`:", up to where it speaks of the next."""
    for paragraph in document.split("\n\n"):
        text = " ".join(paragraph.split())
        if stated := re.search(rf"`{name}`: (.+?)(?=[;,.]? (?:(?:and|or) )?`\w+`: |$)", text):
            return _sentence(stated[1])
    return ""


def _sentence(text: str) -> str:
    text = text.strip(" ;,.")
    return text[:1].upper() + text[1:] + "."
