"""The routes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from electra.config import ServeConfig
from electra.server.batching import Batcher, Engine
from electra.server.errors import ERRORS, add_error_handlers
from electra.server.languagetool import check_answer, language_entry, parse_question
from electra.server.load_shedding import LoadShedder
from electra.server.metrics import Metrics
from electra.server.middleware import AdmissionMiddleware, ResponseMiddleware
from electra.server.schemas import (
    Detected,
    DetectRequest,
    Embedded,
    EmbedRequest,
    OpenAIRequest,
    Predicted,
    PredictRequest,
    Problem,
)  # fmt: skip

PAGES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
DOCS = {"/docs": "docs.html", "/docs.js": "docs.js"}
MEDIA = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
MODEL_PATHS = ("/detect", "/predict", "/embed", "/v1/embeddings", "/v2/check")
OTHERS = ("/health", "/ready", "/info", "/metrics", "/v2/languages", "/openapi.json")
FORM = "application/x-www-form-urlencoded"
WARM_UP = ("A text to warm up with.", "Another, a little longer, so that more than one shape is known.")


def create_app(engine: Engine, config: ServeConfig, key: str = "") -> FastAPI:
    """The application around an engine; it starts and stops the model's thread itself."""
    metrics = Metrics()
    batcher = Batcher(engine, config.max_batch_tokens, config.max_queue, config.deadline, metrics.count_batch)
    metrics.queue.set_function(lambda: len(batcher.queue))
    service = Service(engine, config, batcher)
    app = FastAPI(
        title="electra", docs_url=None, redoc_url=None, openapi_url="/openapi.json" if config.docs else None,
        lifespan=lambda app: service.lifespan(),
    )  # fmt: skip
    app.state.service = service
    app.router.route_class = StrictRoute
    add_error_handlers(app)
    pages = PAGES | (DOCS if config.docs else {})
    add_pages(app, pages)
    add_questions(app, service)
    add_languagetool(app, service)
    add_state(app, service, metrics)
    app.add_middleware(
        AdmissionMiddleware, batcher=batcher, key=key, max_body=config.max_body_bytes, model_paths=MODEL_PATHS,
        public_paths={*pages, "/health", "/ready"},
    )  # fmt: skip
    app.add_middleware(ResponseMiddleware, metrics=metrics, paths={*pages, *MODEL_PATHS, *OTHERS})
    app.state.shed = LoadShedder(batcher, metrics, key, config.max_body_bytes, MODEL_PATHS)
    if config.allow_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=config.allow_origins, allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
        )  # fmt: skip
    return app


class StrictRequest(Request):
    """A request whose JSON has no key twice, and no NaN."""

    async def json(self) -> Any:
        body = await self.body()
        try:
            return json.loads(body, object_pairs_hook=without_doubles, parse_constant=refuse_constant)
        except (ValueError, RecursionError):
            raise json.JSONDecodeError("not valid", "", 0) from None


class StrictRoute(APIRoute):
    """Routes that read their JSON strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; ValueError where a key comes twice, for readers differ in which they take."""
    if len(made := dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return made


def refuse_constant(name: str) -> Any:
    """NaN and Infinity are no JSON."""
    raise ValueError(name)


class Service:
    """What the routes share: the batcher, the limits, whether it is ready."""

    def __init__(self, engine: Engine, config: ServeConfig, batcher: Batcher) -> None:
        self.engine, self.config, self.batcher = engine, config, batcher
        self.ready = False

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Warm up while the server already listens; answer what waits before the end."""
        self.batcher.start()
        warming = asyncio.create_task(self.warm_up())
        yield
        self.ready = False
        warming.cancel()
        await self.batcher.stop()

    async def warm_up(self) -> None:
        """First passes are slow: they come before the first client."""
        for kind in self.engine.kinds[:1]:
            items = [(text, 0.0, 1) if kind == "detect" else text for text in WARM_UP]
            with contextlib.suppress(Exception):  # a task may want pairs
                await self.batcher.submit(kind, items, [len(text) for text in WARM_UP])
        self.ready = True

    @property
    def threshold(self) -> float:
        """The probability from which on words are marked."""
        return self.engine.threshold if self.config.threshold < 0 else self.config.threshold

    async def ask(self, request: Request, kind: str, items: Sequence[Any], texts: Sequence[str]) -> list[Any]:
        """Check the limits, then answer, unless the client goes away first."""
        if kind not in self.engine.kinds:
            raise HTTPException(422, f"this model does not {kind}; it can {', '.join(self.engine.kinds)}")
        if len(items) > self.config.max_items:
            raise HTTPException(422, f"a request may hold {self.config.max_items} inputs")
        if max(map(len, texts)) > self.config.max_text_chars:
            raise HTTPException(413)
        work = asyncio.ensure_future(self.batcher.submit(kind, items, [len(text) for text in texts]))
        gone = asyncio.ensure_future(disconnected(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise HTTPException(499, "the client has gone")
            return work.result()
        finally:
            gone.cancel()
            work.cancel()


async def disconnected(request: Request) -> None:
    """Wait until the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def reply(content: Any) -> Response:
    """JSON, without a second look at what we made ourselves."""
    return Response(json.dumps(content, ensure_ascii=False), media_type="application/json")


def add_pages(app: FastAPI, pages: dict[str, str]) -> None:
    """Fixed addresses of fixed files: no path of a client ever reaches the disk."""
    for path, name in pages.items():
        content, media = (files("electra.server") / "page" / name).read_bytes(), MEDIA[name.rpartition(".")[2]]
        app.add_api_route(
            path, lambda content=content, media=media: Response(content, media_type=media), methods=["GET", "HEAD"],
            include_in_schema=False,
        )  # fmt: skip


def add_questions(app: FastAPI, service: Service) -> None:
    """The routes that ask the model in our own form, and in the OpenAI form."""
    limit = service.config.max_body_bytes

    @app.post("/detect", response_model=Detected, responses=ERRORS, max_body_size=limit)
    async def detect(body: DetectRequest, request: Request) -> Any:
        """Mark the words of texts that look wrong."""
        threshold = service.threshold if body.threshold is None else body.threshold
        items = [(text, threshold, body.suggestions) for text in body.inputs]
        results = await service.ask(request, "detect", items, body.inputs)
        return reply({"results": results, "threshold": threshold, "offset_encoding": "code points"})

    @app.post("/predict", response_model=Predicted, responses=ERRORS, max_body_size=limit)
    async def predict(body: PredictRequest, request: Request) -> Any:
        """Classify, tag or answer, as the model was fine-tuned to."""
        texts = [each if isinstance(each, str) else " ".join(each) for each in body.inputs]
        return reply({"results": await service.ask(request, "predict", body.inputs, texts)})

    @app.post("/embed", response_model=Embedded, responses=ERRORS, max_body_size=limit)
    async def embed(body: EmbedRequest, request: Request) -> Any:
        """Turn each text into a vector, the mean of its tokens' hidden states."""
        vectors = await service.ask(request, "embed", body.inputs, body.inputs)
        return reply({"embeddings": [vector.tolist() for vector, _ in vectors]})

    @app.post("/v1/embeddings", response_model=dict[str, Any], responses=ERRORS, max_body_size=limit)
    async def openai(body: OpenAIRequest, request: Request) -> Any:
        """The same in the form of OpenAI's clients."""
        vectors = await service.ask(request, "embed", body.input, body.input)
        tokens = sum(count for _, count in vectors)
        encode = packed if body.encoding_format == "base64" else plain
        data = [{"object": "embedding", "index": i, "embedding": encode(v)} for i, (v, _) in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return reply({"object": "list", "data": data, "model": service.engine.name, "usage": usage})


def plain(vector: Any) -> Any:
    """A vector as numbers."""
    return vector.tolist()


def packed(vector: Any) -> str:
    """A vector as base64 of little-endian float32."""
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def add_languagetool(app: FastAPI, service: Service) -> None:
    """The routes in LanguageTool's form."""
    languages, limit = service.config.languages, service.config.max_body_bytes
    fields = {name: {"type": "string"} for name in ("text", "data", "language", "disabledRules", "enabledRules")}
    schema = {
        "requestBody": {"required": True, "content": {FORM: {"schema": {"type": "object", "properties": fields}}}}
    }

    @app.post("/v2/check", response_model=dict[str, Any], responses=ERRORS, openapi_extra=schema, max_body_size=limit)
    async def check(request: Request) -> Any:
        """Mark words in LanguageTool's form; offsets are UTF-16 units."""
        if request.headers.get("content-type", FORM).split(";")[0].strip().lower() != FORM:
            raise HTTPException(415, f"send the fields as {FORM}")
        form = await request.body()
        try:
            question = parse_question(form or request.scope["query_string"], languages)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        items = [(question.text, service.threshold, 5)]
        (words,) = await service.ask(request, "detect", items, [question.text])
        return reply(check_answer(question, words, languages))

    @app.get("/v2/languages", response_model=list[dict[str, str]])
    async def list_languages() -> Any:
        """The languages that clients may ask for."""
        return reply([language_entry(code) for code in languages])


def add_state(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """The routes about the server itself."""

    @app.get("/health", responses={503: {"model": Problem}})
    async def health() -> dict[str, str]:
        """Alive: restart the server when this fails."""
        if not service.batcher.healthy:
            raise HTTPException(503, "the model's thread has died or hangs")
        return {"status": "ok"}

    @app.get("/ready", responses={503: {"model": Problem}})
    async def ready() -> dict[str, str]:
        """Warmed up and not stopping: send requests only while this succeeds."""
        if not service.ready:
            raise HTTPException(503, "warming up, or stopping")
        return {"status": "ready"}

    @app.get("/info")
    async def info() -> dict[str, Any]:
        """The model, what it can do, and the limits."""
        limits = ("max_items", "max_text_chars", "max_body_bytes", "max_batch_tokens", "max_queue", "deadline")
        return {
            "model": service.engine.name,
            "kinds": service.engine.kinds,
            "threshold": service.threshold,
            "offset_encoding": "code points",
            "languages": service.config.languages,
            **{name: getattr(service.config, name) for name in limits},
        }

    @app.get("/metrics", include_in_schema=False)
    async def counters() -> Response:
        """Counters for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
