"""Generate the HTTP part of the reference from the server's own routes and schemas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

from reference import table

from electra.config import ServeConfig
from electra.server.app import DOCS, PAGES, create_app
from electra.server.batching import Engine
from electra.server.error_forms import TYPES, write_error

NAMES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` `false`",
         "object": "object"}  # fmt: skip
PAGE_NAMES = {"/": "The page that marks words while you type.", "/docs": "This list, made by the server itself."}
WHEN = {
    400: "the body is not valid JSON, or a form is not valid; under `/v1` also an invalid field",
    401: "no key, or a wrong one; from every route but the open ones",
    404: "no such address, or no such model",
    405: "the address does not support the method",
    413: "a body, a text or all texts together are too long; `GET /info` lists the limits",
    415: "the body is not declared as the type that the route reads",
    422: "a field is missing, unknown or out of range, or the model cannot do what is asked",
    429: "the queue is full, or the answer would come too late; `Retry-After` says when to ask again",
    499: "the client hung up (only in `/metrics`)",
    500: "a bug; the server's log names its place, not the text",
    503: "warming up, stopping, or the model hangs",
    504: "the deadline passed before the model answered",
}


def schema() -> dict[str, Any]:
    """Return the description of a server, whatever its model."""
    engine = SimpleNamespace(name="MODEL", kinds=(), threshold=0.5, is_box=False)
    return create_app(cast(Engine, engine), ServeConfig()).openapi()


def routes() -> str:
    """Return a table of the routes: what each does, and with which status codes it answers."""
    rows = [[f"`{method.upper()} {path}`", route.get("description", ""), codes(path, route["responses"])]
            for path, methods in schema()["paths"].items() for method, route in methods.items()]  # fmt: skip
    rows += [["`GET /metrics`", "Metrics for Prometheus.", "200"]]
    rows += [[f"`GET {path}`", PAGE_NAMES[path], "200"] for path in {**PAGES, **DOCS} if path in PAGE_NAMES]
    return table(["route", "what it does", "status codes"], rows)


def codes(path: str, responses: dict[str, Any]) -> str:
    """Return the status codes of a route, as clients of its address get them; without one that FastAPI adds."""
    documented = (int(code) for code, answer in responses.items() if "HTTPValidationError" not in str(answer))
    sent = {code if code < 400 else write_error(path, code, "").status for code in documented}
    return " ".join(map(str, sorted(sent)))


def status_codes() -> str:
    """Return the status codes of errors."""
    return table(
        ["code", "`error_type`", "when"], [[str(code), f"`{name}`", WHEN[code]] for code, name in TYPES.items()]
    )


def bodies() -> str:
    """Return the fields of the bodies that routes read and of the answers that they give."""
    described = schema()
    schemas = described["components"]["schemas"]
    return "\n".join(
        f"#### `{method.upper()} {path}`\n\n{body_of(route, schemas)}\n{answer_of(route, schemas)}"
        for path, methods in described["paths"].items() for method, route in methods.items() if "requestBody" in route
    )  # fmt: skip


def body_of(route: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return what a route reads."""
    ((media, content),) = route["requestBody"]["content"].items()
    body = content["schema"]
    return f"Body, `{media}`:\n\n{body_fields(schemas[name_of(body)] if '$ref' in body else body)}"


def answer_of(route: dict[str, Any], schemas: dict[str, Any]) -> str:
    """Return what a route answers with, and the objects in it, the outer ones first."""
    answer = route["responses"]["200"]["content"]["application/json"]["schema"]
    names = list(references(answer))
    for name in names:  # it grows while it is read
        names += [other for other in references(schemas[name]) if other not in names]
    parts = [f"`{name}`:\n\n{answer_fields(schemas[name])}" for name in names]
    return "\n".join([f"Answer: {kind_of(answer)}.\n", *parts])


def references(part: Any) -> Iterator[str]:
    """Yield the names of the schemas that a part of a description refers to."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield name_of(part)
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def name_of(reference: dict[str, str]) -> str:
    """Return the name of the schema that is referred to."""
    return reference["$ref"].rpartition("/")[2]


def body_fields(body: dict[str, Any]) -> str:
    """Return a table of the fields of a body."""
    required: Sequence[str] = body.get("required", ())
    rows = [[f"`{name}`", kind_of(field), "required" if name in required else default_of(field),
             field.get("description", "")] for name, field in body["properties"].items()]  # fmt: skip
    return table(["field", "value", "default", "meaning"], rows)


def answer_fields(answer: dict[str, Any]) -> str:
    """Return a table of the fields of an answer."""
    rows = [[f"`{name}`", kind_of(field), field.get("description", "")] for name, field in answer["properties"].items()]
    return table(["field", "value", "meaning"], rows)


def default_of(field: dict[str, Any]) -> str:
    """Return the default of a field as JSON writes it."""
    default = field.get("default")
    return "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def kind_of(field: dict[str, Any]) -> str:
    """Return the values that a field takes."""
    if "$ref" in field:
        return f"`{name_of(field)}`"
    if "anyOf" in field:
        return " or ".join(kind_of(each) for each in field["anyOf"] if each.get("type") != "null")
    if "enum" in field or "const" in field:
        return " ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        inner = kind_of(field["items"])
        return f"list of ({inner})" if " or " in inner else f"list of {inner}"
    return NAMES[field["type"]] + range_of(field)


def range_of(field: dict[str, Any]) -> str:
    """Return the limits of a number."""
    least, most = field.get("minimum"), field.get("maximum")
    if least is None:
        return ""
    return f", at least {least:g}" if most is None else f", {least:g} to {most:g}"
