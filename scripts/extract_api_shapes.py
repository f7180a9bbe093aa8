#!/usr/bin/env python3
"""Extract the shapes of an Engine API definition: paths, parameters, fields, types. No prose, no examples.

    scripts/extract_api_shapes.py docker-engine-api-v1.50.yaml > tests/contract/api/shapes.json

The result is what tests/contract/api/shapes.py checks every answer of the test-suite against.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

_SCHEMA = ("$ref", "type", "format", "enum", "required", "x-nullable", "minimum", "maximum", "pattern")
_PARAMETER = ("name", "in", "required", "type", "format", "enum", "default")
_METHODS = ("get", "head", "post", "put", "delete")


def schema(source: Any) -> Any:
    """Return a schema with nothing but its structure."""
    if not isinstance(source, dict):
        return {}
    found = {name: source[name] for name in _SCHEMA if name in source}
    if "properties" in source:
        found["properties"] = {name: schema(value) for name, value in source["properties"].items()}
    if "items" in source:
        found["items"] = schema(source["items"])
    if "allOf" in source:
        found["allOf"] = [schema(value) for value in source["allOf"]]
    extra = source.get("additionalProperties")
    if extra is not None:
        found["additionalProperties"] = extra if isinstance(extra, bool) else schema(extra)
    return found


def operation(source: dict[str, Any]) -> dict[str, Any]:
    """Return an operation's parameters and the schema of each answer."""
    parameters = []
    for parameter in source.get("parameters", ()):
        kept = {name: parameter[name] for name in _PARAMETER if name in parameter}
        if "schema" in parameter:
            kept["schema"] = schema(parameter["schema"])
        parameters.append(kept)
    answers = {str(code): schema(answer.get("schema")) for code, answer in source["responses"].items()}
    return {"parameters": parameters, "produces": source.get("produces", []), "responses": answers}


def extract(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the shapes of a whole definition (Swagger 2.0)."""
    return {
        "version": str(definition["info"]["version"]),
        "paths": {
            path: {method: operation(item[method]) for method in _METHODS if method in item}
            for path, item in definition["paths"].items()
        },
        "definitions": {name: schema(value) for name, value in definition["definitions"].items()},
    }


def main() -> None:
    """Read the definition named on the command line and write its shapes to standard output."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    shapes = extract(yaml.safe_load(Path(sys.argv[1]).read_text()))
    json.dump(shapes, sys.stdout, sort_keys=True, indent=1, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
