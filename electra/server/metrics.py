"""What /metrics counts. Labels are bounded: routes that exist, codes we send."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TOKENS = (16, 64, 128, 256, 512, 1024, 2048, 4096, 16384)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "electra_requests", "answers by route and code", ("route", "code"), registry=self.registry
        )
        self.seconds = Histogram(
            "electra_request_seconds", "from the head of a request to its answer", ("route",), buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.batch_tokens = Histogram(
            "electra_batch_tokens", "tokens of a forward pass", buckets=TOKENS, registry=self.registry
        )
        self.batch_items = Histogram(
            "electra_batch_items", "texts of a forward pass", buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )  # fmt: skip
        self.count, self.time = cache(self.requests.labels), cache(self.seconds.labels)  # finding them is half the cost
        self.queue = Gauge("electra_queue_size", "texts that wait", registry=self.registry)

    def batch(self, items: int, tokens: int) -> None:
        """Count a forward pass."""
        self.batch_items.observe(items)
        self.batch_tokens.observe(tokens)

    def answered(self, route: str, code: int, seconds: float) -> None:
        """Count a request."""
        self.count(route, str(code)).inc()
        self.time(route).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text form."""
        return generate_latest(self.registry)
