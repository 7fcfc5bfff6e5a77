"""The ASGI application: routes, pages and middleware around one engine."""

from __future__ import annotations

from importlib.resources import files

from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware

from electra.config import ServeConfig
from electra.server.batching import Batcher, Engine
from electra.server.errors import add_error_handlers
from electra.server.json_bodies import StrictRoute
from electra.server.key import Key
from electra.server.languagetool import PUBLIC, add_languagetool_routes
from electra.server.metrics import Metrics
from electra.server.middleware import AdmissionMiddleware, ResponseMiddleware
from electra.server.openai import add_openai_routes
from electra.server.routes import add_model_routes
from electra.server.service import Service
from electra.server.state import add_state_routes

PAGES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css", "/examples.json": "examples.json"}
DOCS = {"/docs": "docs.html", "/docs.js": "docs.js"}
MEDIA = {
    "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8",
    "json": "application/json",
}  # fmt: skip
MODEL_PATHS = ("/detect", "/predict", "/embed", "/tokenize", "/v1/embeddings", "/v2/check")
KEY_IN_FORM = "/v2/check"  # its route looks for the key in the form too
OTHER_PATHS = (*PUBLIC, "/health", "/ready", "/info", "/metrics", "/v1/models", "/openapi.json")


def create_app(engine: Engine, config: ServeConfig, key: str = "") -> FastAPI:
    """Build the application around an engine; its lifespan starts and stops the model thread."""
    metrics = Metrics()
    batcher = Batcher(engine, config.max_batch_tokens, config.max_queue, config.deadline, metrics.count_batch)
    metrics.queue.set_function(lambda: len(batcher.queue))
    service = Service(engine, config, batcher)
    app = FastAPI(
        title="electra", docs_url=None, redoc_url=None, openapi_url="/openapi.json" if config.docs else None,
        lifespan=service.lifespan,
    )  # fmt: skip
    app.state.service = service
    pages = PAGES | (DOCS if config.docs else {})
    add_routes(app, service, metrics, pages, Key(key))
    add_middleware(app, service, metrics, pages, Key(key))
    return app


def add_routes(app: FastAPI, service: Service, metrics: Metrics, pages: dict[str, str], key: Key) -> None:
    """Add every route, and the handlers of their errors."""
    app.router.route_class = StrictRoute
    add_error_handlers(app)
    add_page_routes(app, pages)
    add_model_routes(app, service)
    add_openai_routes(app, service)
    add_languagetool_routes(app, service, key)
    add_state_routes(app, service, metrics)


def add_page_routes(app: FastAPI, pages: dict[str, str]) -> None:
    """Serve a fixed set of files from memory: no path from a client ever reaches the disk."""
    for path, name in pages.items():
        content, media = (files("electra.server") / "page" / name).read_bytes(), MEDIA[name.rpartition(".")[2]]
        app.add_api_route(
            path, lambda content=content, media=media: Response(content, media_type=media), methods=["GET", "HEAD"],
            include_in_schema=False,
        )  # fmt: skip


def add_middleware(app: FastAPI, service: Service, metrics: Metrics, pages: dict[str, str], key: Key) -> None:
    """Add middleware; the last one added is the outermost."""
    config = service.config
    app.add_middleware(
        AdmissionMiddleware, batcher=service.batcher, key=key, max_body=config.max_body_bytes,
        model_paths=MODEL_PATHS, open_paths={*pages, *PUBLIC, "/health", "/ready", KEY_IN_FORM},
    )  # fmt: skip
    app.add_middleware(ResponseMiddleware, metrics=metrics, paths={*pages, *MODEL_PATHS, *OTHER_PATHS})
    if config.allow_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=config.allow_origins, allow_methods=["GET", "POST"], allow_headers=["*"],
            allow_private_network=True,  # a public site asks a server on its visitor's own machine
        )  # fmt: skip
