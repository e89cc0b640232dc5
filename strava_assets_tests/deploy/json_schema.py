"""As much of JSON schema as the Helm chart's needs; no required keys, since the chart's defaults fill those in."""

from collections.abc import Iterator
from typing import Any

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}

Schema = dict[str, Any]


def misfits(value: object, schema: Schema, definitions: Schema, path: str = "") -> Iterator[str]:
    """What of a value a schema does not allow. Kubernetes' own definitions, named by URL, are not looked up."""
    reference = schema.get("$ref", "")
    if reference.startswith("#/"):
        yield from misfits(value, definitions[reference.rpartition("/")[2]], definitions, path)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} is none of {schema['enum']}"
    for choices in (schema[key] for key in ("anyOf", "oneOf") if key in schema):
        if all(list(misfits(value, choice, definitions, path)) for choice in choices):
            yield f"{path} fits nothing that is allowed"
    if "type" in schema and not _is(value, schema["type"]):
        yield f"{path} is no {schema['type']}"
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from misfits(item, schema.get("items", {}), definitions, f"{path}[{number}]")
    if isinstance(value, dict):
        yield from _misfits_of_object(value, schema, definitions, path)


def _misfits_of_object(value: Schema, schema: Schema, definitions: Schema, path: str) -> Iterator[str]:
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        place = f"{path}.{name}".lstrip(".")
        expected = schema.get("properties", {}).get(name, others)
        if expected is False:
            yield f"{place} is not known"
        elif isinstance(expected, dict):
            yield from misfits(item, expected, definitions, place)


def _is(value: object, wanted: str) -> bool:
    return isinstance(value, TYPES[wanted]) and not (wanted in {"integer", "number"} and isinstance(value, bool))
