"""Configuration of `electra serve`."""

from __future__ import annotations

from dataclasses import dataclass

from electra.config.base import arg, listed, require, require_not_negative, require_positive, require_threshold
from electra.config.languages import check_tags


@dataclass(frozen=True)
class ServeConfig:
    """Serve a model over HTTP, with a page that marks words as you type."""

    model: str = arg(
        "",
        "a run, a Hugging Face ELECTRA directory, or an exported folder; default: the model in the box, English",
        True,
    )
    host: str = arg("127.0.0.1", "address to listen on; 0.0.0.0 opens the server to the network")
    port: int = arg(8000, "port to listen on; 0 takes a free one")
    name: str = arg("", "the model's name in answers; default: its folder's")
    threshold: float | None = arg(None, "mark words at or above this probability; default: the model's own")
    languages: tuple[str, ...] = arg(
        ("en", "en-US", "en-GB"), "languages that clients of the LanguageTool API may request"
    )
    api_key_file: str = arg("", "file with the key that clients must send; or set ELECTRA_API_KEY")
    allow_origins: tuple[str, ...] = arg((), "other sites whose pages may send requests, as https://a.example")
    docs: bool = arg(True, "serve /docs and /openapi.json")
    threads: int = arg(0, "CPU threads; 0: this process's share, a container's quota included")
    max_batch_tokens: int = arg(2048, "tokens of a batch")
    max_queue: int = arg(4096, "texts that may wait; further ones are refused with 429")
    deadline: float = arg(5.0, "seconds a request may wait before it is refused with 504")
    max_items: int = arg(2048, "texts per request")
    max_text_chars: int = arg(20_000, "characters per text")
    max_request_chars: int = arg(200_000, "characters per request, all its texts together")
    max_suggested: int = arg(50, "marked words of a text that get suggestions, the most probable first")
    max_body_bytes: int = arg(2_000_000, "bytes per request")
    max_connections: int = arg(2048, "open connections")
    receive_seconds: float = arg(10.0, "seconds a client may take to send a request")
    idle_seconds: float = arg(5.0, "seconds a connection may stay silent")
    drain_seconds: float = arg(30.0, "seconds that running requests get when the server is told to stop")

    def __post_init__(self) -> None:
        object.__setattr__(self, "languages", listed(self.languages))
        object.__setattr__(self, "allow_origins", listed(self.allow_origins))
        require(0 <= self.port < 65536, f"port must be in [0, 65535], got {self.port}")
        require_threshold(self.threshold)
        require(len(self.languages) > 0, "languages must name at least one")
        check_tags(self.languages)
        require_not_negative(self, "threads")
        require_positive(
            self,
            "max_batch_tokens", "max_queue", "deadline", "max_items", "max_text_chars", "max_request_chars",
            "max_suggested", "max_body_bytes", "max_connections", "receive_seconds", "idle_seconds", "drain_seconds",
        )  # fmt: skip
        require(self.max_items <= self.max_queue, "max_items must not be above max_queue: such a request never fits")

    @property
    def answer_seconds(self) -> float:
        """Seconds in which the longest request that has begun must be answered."""
        return 10 * self.deadline + self.drain_seconds
