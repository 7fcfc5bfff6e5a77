"""The routes that run the model, some in the form of Text Embeddings Inference; others: openai.py, languagetool.py."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request

from electra.server.embedding import EmbedItem, finish
from electra.server.engine import TokenizeItem
from electra.server.errors import ERRORS
from electra.server.json_bodies import json_response
from electra.server.schemas import (
    Detected,
    DetectRequest,
    EmbedRequest,
    Predicted,
    PredictRequest,
    Token,
    TokenizeRequest,
)  # fmt: skip
from electra.server.service import Service


def add_model_routes(app: FastAPI, service: Service) -> None:
    """Add /detect, /predict, /embed and /tokenize."""
    limit = service.config.max_body_bytes

    @app.post("/detect", response_model=Detected, responses=ERRORS, max_body_size=limit)
    async def detect(body: DetectRequest, request: Request) -> Any:
        """Mark the words of texts that look wrong."""
        threshold, most = service.threshold if body.threshold is None else body.threshold, service.config.max_suggested
        items = [(text, threshold, body.suggestions, most) for text in body.inputs]
        results = await service.infer(request, "detect", items, body.inputs)
        left_out = [max(0, sum(word["marked"] for word in words) - most) for words in results]
        answer = {"results": results, "threshold": threshold, "offset_encoding": "code points"}
        return json_response(answer | {"without_suggestions": left_out if body.suggestions else [0] * len(results)})

    @app.post("/predict", response_model=Predicted, responses=ERRORS, max_body_size=limit)
    async def predict(body: PredictRequest, request: Request) -> Any:
        """Classify, tag or answer, depending on the model's task."""
        return json_response({"results": await service.infer(request, "predict", body.inputs, body.inputs)})

    @app.post("/embed", response_model=list[list[float]], responses=ERRORS, max_body_size=limit)
    async def embed(body: EmbedRequest, request: Request) -> Any:
        """Turn each text into a vector, the mean of its tokens' hidden states."""
        cut = body.truncation_direction if body.truncate else None
        vectors = await service.infer(request, "embed", [EmbedItem(each, cut) for each in body.inputs], body.inputs)
        found = finish(vectors, body.dimensions, body.normalize)
        return await asyncio.to_thread(lambda: json_response([vector.tolist() for vector in found]))

    @app.post("/tokenize", response_model=list[list[Token]], responses=ERRORS, max_body_size=limit)
    async def tokenize(body: TokenizeRequest, request: Request) -> Any:
        """Split texts into the model's tokens."""
        items = [TokenizeItem(text, body.add_special_tokens) for text in body.inputs]
        return json_response(await service.infer(request, "tokenize", items, body.inputs))
