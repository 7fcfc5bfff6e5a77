"""The routes that report the server's state."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response
from starlette.exceptions import HTTPException

from electra.server.metrics import Metrics
from electra.server.schemas import Problem
from electra.server.service import Service

LIMITS = (
    "max_items", "max_text_chars", "max_request_chars", "max_suggested", "max_body_bytes", "max_batch_tokens",
    "max_queue", "deadline",
)  # fmt: skip


def add_state_routes(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """Add /health, /ready, /info and /metrics."""

    @app.get("/health", responses={503: {"model": Problem}})
    async def health() -> dict[str, str]:
        """Liveness: restart the server when this fails."""
        if not service.batcher.healthy:
            raise HTTPException(503, "the model thread is dead or hangs")
        return {"status": "ok"}

    @app.get("/ready", responses={503: {"model": Problem}})
    async def ready() -> dict[str, str]:
        """Readiness: send requests only while this succeeds."""
        if not service.ready:
            raise HTTPException(503, "warming up or stopping")
        return {"status": "ready"}

    @app.get("/info")
    async def info() -> dict[str, Any]:
        """The model, the kinds of requests it answers, and the limits."""
        return describe(service)

    @app.get("/metrics", include_in_schema=False)
    async def export_metrics() -> Response:
        """Metrics for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def describe(service: Service) -> dict[str, Any]:
    """Return the answer of /info."""
    return {
        "model": service.engine.name,
        "is_box": service.engine.is_box,
        "kinds": service.engine.kinds,
        "threshold": service.threshold,
        "offset_encoding": "code points",
        "languages": service.config.languages,
        **{name: getattr(service.config, name) for name in LIMITS},
    }
