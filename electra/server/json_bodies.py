"""JSON bodies: strict parsing of requests, plain encoding of responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class StrictRequest(Request):
    """A request whose JSON has no duplicate key and no NaN."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            return json.loads(body, object_pairs_hook=unique_keys, parse_constant=reject_constant)
        except (ValueError, RecursionError):
            raise json.JSONDecodeError("not valid", "", 0) from None


class StrictRoute(APIRoute):
    """A route that parses its body as a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as an object; raise ValueError on a duplicate key, which parsers resolve differently."""
    if len(result := dict(pairs)) < len(pairs):
        raise ValueError("duplicate key")
    return result


def reject_constant(name: str) -> Any:
    """Raise ValueError: NaN and Infinity are not JSON."""
    raise ValueError(name)


def json_response(content: Any) -> Response:
    """Encode our own data without FastAPI's validation."""
    return Response(json.dumps(content, ensure_ascii=False), media_type="application/json")
