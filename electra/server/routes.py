"""The routes that run the model: our own and OpenAI's. LanguageTool's are in languagetool.py."""

from __future__ import annotations

import base64
from operator import methodcaller
from typing import Any

from fastapi import FastAPI, Request

from electra.server.errors import ERRORS
from electra.server.json_bodies import json_response
from electra.server.schemas import (
    Detected,
    DetectRequest,
    Embedded,
    EmbedRequest,
    OpenAIRequest,
    Predicted,
    PredictRequest,
)  # fmt: skip
from electra.server.service import Service


def add_model_routes(app: FastAPI, service: Service) -> None:
    """Add /detect, /predict and /embed."""
    limit = service.config.max_body_bytes

    @app.post("/detect", response_model=Detected, responses=ERRORS, max_body_size=limit)
    async def detect(body: DetectRequest, request: Request) -> Any:
        """Mark the words of texts that look wrong."""
        threshold = service.threshold if body.threshold is None else body.threshold
        items = [(text, threshold, body.suggestions) for text in body.inputs]
        results = await service.infer(request, "detect", items, body.inputs)
        return json_response({"results": results, "threshold": threshold, "offset_encoding": "code points"})

    @app.post("/predict", response_model=Predicted, responses=ERRORS, max_body_size=limit)
    async def predict(body: PredictRequest, request: Request) -> Any:
        """Classify, tag or answer, depending on the model's task."""
        texts = [each if isinstance(each, str) else " ".join(each) for each in body.inputs]
        return json_response({"results": await service.infer(request, "predict", body.inputs, texts)})

    @app.post("/embed", response_model=Embedded, responses=ERRORS, max_body_size=limit)
    async def embed(body: EmbedRequest, request: Request) -> Any:
        """Turn each text into a vector, the mean of its tokens' hidden states."""
        vectors = await service.infer(request, "embed", body.inputs, body.inputs)
        return json_response({"embeddings": [vector.tolist() for vector, _ in vectors]})


def add_openai_routes(app: FastAPI, service: Service) -> None:
    """Add /v1/embeddings."""

    @app.post(
        "/v1/embeddings", response_model=dict[str, Any], responses=ERRORS, max_body_size=service.config.max_body_bytes
    )
    async def openai(body: OpenAIRequest, request: Request) -> Any:
        """Return the vectors of /embed in the form of OpenAI's API."""
        vectors = await service.infer(request, "embed", body.input, body.input)
        tokens = sum(count for _, count in vectors)
        encode = to_base64 if body.encoding_format == "base64" else methodcaller("tolist")
        data = [{"object": "embedding", "index": i, "embedding": encode(v)} for i, (v, _) in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json_response({"object": "list", "data": data, "model": service.engine.name, "usage": usage})


def to_base64(vector: Any) -> str:
    """Encode a vector's little-endian float32 bytes."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
