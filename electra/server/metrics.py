"""Prometheus metrics. Labels are bounded: existing paths and the codes the server sends."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TOKENS = (16, 64, 128, 256, 512, 1024, 2048, 4096, 16384)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("electra_requests", "responses by route and code", ("route", "code"), registry=registry)
        self.seconds = Histogram(
            "electra_request_seconds", "latency from the head of a request to its response", ("route",),
            buckets=SECONDS, registry=registry,
        )  # fmt: skip
        self.batch_tokens = Histogram(
            "electra_batch_tokens", "tokens per forward pass", buckets=TOKENS, registry=registry
        )
        self.batch_items = Histogram("electra_batch_items", "texts per forward pass", buckets=ITEMS, registry=registry)
        self.queue = Gauge("electra_queue_size", "texts in the queue", registry=registry)
        # Looking up a label's child takes half the time of counting.
        self.requests_of, self.seconds_of = cache(self.requests.labels), cache(self.seconds.labels)

    def count_batch(self, items: int, tokens: int) -> None:
        """Count a forward pass."""
        self.batch_items.observe(items)
        self.batch_tokens.observe(tokens)

    def count_request(self, route: str, code: int, seconds: float) -> None:
        """Count a response."""
        self.requests_of(route, str(code)).inc()
        self.seconds_of(route).observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
