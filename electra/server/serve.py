"""Serve: a model over HTTP, in batches, with a page."""

from __future__ import annotations

import gc
import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from electra.config import ServeConfig, require
from electra.core.log import logger
from electra.server.engine import ModelEngine

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def serve(config: ServeConfig) -> None:
    """Load a model and serve it until SIGTERM or Ctrl-C; requests under way are answered first."""
    require(bool(config.model), "which model? name a run, a Hugging Face ELECTRA directory or an exported folder")
    key = read_key(config)
    if config.host not in ("127.0.0.1", "localhost", "::1") and not key:
        logger.warning(
            f"{config.host} is open to the network and there is no key; set ELECTRA_API_KEY or --api-key-file"
        )
    try:
        from electra.server.app import create_app
    except ImportError as error:
        raise ValueError(f"serving needs pip install 'electra[serve]' ({error.name} is missing)") from None
    threads = config.threads or cpu_share()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # before the libraries that read it
    from electra.inference.load import load

    engine = ModelEngine(load(config.model, threads=threads), config.name or folder_name(config.model))
    # The model's thread else keeps the lock for 5 ms at a time, and a request that need only be refused waits for it.
    sys.setswitchinterval(0.0005)
    gc.freeze()  # else a look through all that importing left stops every answer for a tenth of a second
    with listen(config) as listener:
        logger.info(f"serving {engine.name} at {address(listener)}")
        create_server(create_app(engine, config, key), config).run(sockets=[listener])


def read_key(config: ServeConfig) -> str:
    """The key that clients must send; it is in a file or in the environment, where no list of processes shows it."""
    if not config.api_key_file:
        return os.environ.get("ELECTRA_API_KEY", "").strip()
    try:
        key = Path(config.api_key_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"cannot read the key in {config.api_key_file}") from None
    require(bool(key), f"{config.api_key_file} is empty; it should hold the key")
    return key


def cpu_share() -> int:
    """The CPUs this process may use, whole ones: a container's quota is less than what the machine has."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = CPU_MAX.read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no such limit
        return allowed


def folder_name(model: str) -> str:
    """What a model is called: its folder's name, the run's for a run's model/."""
    path = Path(model).resolve()
    return path.parent.name if path.name == "model" else path.name


# -- listening ---------------------------------------------------------------------------------------------------------


def listen(config: ServeConfig) -> socket.socket:
    """A socket that listens, before anything is said to be served."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {config.host}:{config.port}: {error.strerror}") from None


def create_server(app: FastAPI, config: ServeConfig) -> uvicorn.Server:
    """A server that cuts slow clients off and, at a signal, answers what it has and ends well."""
    import uvicorn

    from electra.server.protocol import TimeoutProtocol

    class Protocol(TimeoutProtocol):
        idle_seconds, receive_seconds = config.idle_seconds, config.receive_seconds
        answer_seconds = 2 * config.deadline + config.drain_seconds
        max_connections = config.max_connections
        shed = app.state.shed

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Stop taking requests; a second signal stops all. Unlike uvicorn's, this leaves the exit code at 0."""
            app.state.service.ready = False
            self.force_exit = self.should_exit
            self.should_exit = True

    settings: dict[str, Any] = dict(
        http=Protocol, ws="none", log_config=None, log_level="error", access_log=False, server_header=False,
        timeout_keep_alive=max(1, round(config.idle_seconds)), timeout_graceful_shutdown=round(config.drain_seconds),
    )  # fmt: skip
    return Server(uvicorn.Config(app, **settings))


def address(listener: socket.socket) -> str:
    """What to type into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
