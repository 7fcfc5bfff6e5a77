"""OpenAI's API for embeddings."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

from fastapi import FastAPI, Request, Response
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from electra.server.embedding import EmbedItem, Vector, finish
from electra.server.errors import ERRORS, NOT_FOUND
from electra.server.json_bodies import json_response
from electra.server.schemas import OpenAIRequest
from electra.server.service import Service


def add_openai_routes(app: FastAPI, service: Service) -> None:
    """Add /v1/embeddings and /v1/models."""
    model = {"id": service.engine.name, "object": "model", "created": int(time.time()), "owned_by": "electra"}

    @app.post(
        "/v1/embeddings", response_model=dict[str, Any], responses=ERRORS, max_body_size=service.config.max_body_bytes
    )
    async def embeddings(body: OpenAIRequest, request: Request) -> Any:
        """Return a vector of unit length for each text, with "truncated": true if the text was cut."""
        require_own_ids(body, service.engine.name)
        items = [EmbedItem(each, "right" if body.truncate else None) for each in body.input]
        vectors: list[Vector] = await service.infer(request, "embed", items, body.input)
        return await asyncio.to_thread(write_answer, service.engine.name, body, vectors)

    @app.get("/v1/models", response_model=dict[str, Any])
    async def models() -> Any:
        """List the one model."""
        return {"object": "list", "data": [model]}

    @app.get("/v1/models/{name:path}", response_model=dict[str, Any], responses=NOT_FOUND)
    async def describe_model(name: str) -> Any:
        """Describe the one model."""
        if name != service.engine.name:
            raise HTTPException(404)
        return model


def require_own_ids(body: OpenAIRequest, name: str) -> None:
    """Raise HTTPException for token ids of another model's vocabulary, whose vectors would mean nothing."""
    if body.model != name and not all(isinstance(each, str) for each in body.input):
        raise HTTPException(
            422, "token ids are read by this model's own vocabulary: name it as GET /v1/models does, or send texts "
            "(LangChain: check_embedding_ctx_length=False)",
        )  # fmt: skip


def write_answer(name: str, body: OpenAIRequest, vectors: list[Vector]) -> Response:
    """Write the answer of /v1/embeddings."""
    encode = to_base64 if body.encoding_format == "base64" else lambda vector: vector.tolist()
    data = [
        {"object": "embedding", "index": i, "embedding": encode(values)} | ({"truncated": True} if each.is_cut else {})
        for i, (each, values) in enumerate(zip(vectors, finish(vectors, body.dimensions, True), strict=True))
    ]
    tokens = sum(each.tokens for each in vectors)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_response({"object": "list", "data": data, "model": name, "usage": usage})


def to_base64(vector: NDArray[Any]) -> str:
    """Encode a vector's little-endian float32 bytes."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
