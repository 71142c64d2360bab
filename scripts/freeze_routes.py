"""Write down what is promised of the HTTP API, in `tests/house/http_routes.json`; `test_promises.py` holds it.

    python scripts/freeze_routes.py

Run it after a route or a field was added.  What it takes away was promised: see docs/stability.md first.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from wordsight.serve.openapi import plain_path
from wordsight.serve.routes import ROUTES

FROZEN = Path(__file__).resolve().parent.parent / "tests" / "house" / "http_routes.json"


def main() -> None:
    """Write the file."""
    FROZEN.write_text(json.dumps(promised(), indent=1) + "\n", encoding="utf-8")
    print(f"{FROZEN.name}: {len(promised())} routes")


def promised() -> dict[str, dict[str, Any]]:
    """Return each route that is promised, with the scope it needs and the names of its fields."""
    return {
        f"{route.method} {plain_path(route.path)}": {
            "scope": route.scope,
            "asks": _fields(route.asks),
            "answers": _fields(route.answers),
        }
        for route in sorted(ROUTES, key=lambda one: (one.path, one.method))
        if route.group != "page"
    }


def _fields(kind: Any) -> list[str]:
    """Return the names that a Struct has in JSON; those of nested ones are theirs."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return []
    return sorted(field.encode_name for field in msgspec.structs.fields(kind))


if __name__ == "__main__":
    main()
