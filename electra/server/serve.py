"""Serve: load a model and listen until told to stop."""

from __future__ import annotations

import gc
import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from electra.config import ServeConfig, require
from electra.core.errors import in_words
from electra.core.hardware import usable_cores
from electra.core.log import counted, logger

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from electra.server.engine import ModelEngine

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def serve(config: ServeConfig) -> None:
    """Load a model and serve it until SIGTERM or Ctrl-C; pending requests are answered before it exits."""
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
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # before the import of libraries that read it
    from electra.inference.box import is_box, or_box
    from electra.inference.load import load
    from electra.server.engine import ModelEngine

    model = or_box(config.model)
    engine = ModelEngine(load(model, threads=threads), config.name or folder_name(model), is_box(model))
    # Otherwise the model thread may hold the GIL for 5 ms and delay even a refusal.
    sys.setswitchinterval(0.0005)
    gc.freeze()  # a full collection over all imported objects would pause the server for 0.1 s
    with listen(config) as listener:
        for line in greeting(engine, config, threads, address(listener)):
            logger.info(line)
        app = create_app(engine, config, key)
        create_server(app, config).run(sockets=[listener])
    if app.state.service.batcher.thread.is_alive():  # it hangs, and the interpreter would abort
        os._exit(0)


def greeting(engine: ModelEngine, config: ServeConfig, threads: int, address: str) -> list[str]:
    """Return what is said at the start: where, which model in which format, and what a request may hold."""
    kinds = ", ".join(f"/{kind}" for kind in engine.kinds)
    return [
        f"serving {engine.name} at {address} (Ctrl-C stops it)",
        f"model    {engine.model.format} on {counted(threads, 'thread')}, answers {kinds}",
        f"limits   {config.max_text_chars:,} characters a text, {config.max_items:,} texts or "
        f"{config.max_request_chars:,} characters a request",
    ]


def read_key(config: ServeConfig) -> str:
    """Return the key that clients must send, from a file or the environment: a flag would show in the process list."""
    if not config.api_key_file:
        return os.environ.get("ELECTRA_API_KEY", "").strip()
    try:
        key = Path(config.api_key_file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"--api-key-file {in_words(error)}") from None
    except UnicodeDecodeError:
        raise ValueError(f"--api-key-file {config.api_key_file} is not UTF-8; write the key alone into it") from None
    require(bool(key), f"{config.api_key_file} is empty; it should hold the key")
    return key


def cpu_share() -> int:
    """Return the number of CPUs this process may use, rounded; a container's quota may allow fewer than it sees."""
    try:
        quota, period = CPU_MAX.read_text().split()
        return max(1, min(usable_cores(), round(int(quota) / int(period))))
    except (OSError, ValueError):  # no quota
        return usable_cores()


def folder_name(model: str) -> str:
    """Name a model after its folder, or after the run whose model/ it is."""
    path = Path(model).resolve()
    return path.parent.name if path.name == "model" and path.parent.name else path.name


# -- listening ---------------------------------------------------------------------------------------------------------


def listen(config: ServeConfig) -> socket.socket:
    """Return a listening socket, so that a taken port fails before the server announces itself."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot listen on {config.host}:{config.port}: {error.strerror}; choose another --port or --host",
        ) from None


def create_server(app: FastAPI, config: ServeConfig) -> uvicorn.Server:
    """Return a server that disconnects slow clients and, at a signal, answers pending requests and exits with 0."""
    import uvicorn

    from electra.server.protocol import TimeoutProtocol

    class Protocol(TimeoutProtocol):
        idle_seconds, receive_seconds = config.idle_seconds, config.receive_seconds
        answer_seconds = config.answer_seconds + config.receive_seconds  # for the client to read it
        max_connections = config.max_connections

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Stop accepting requests; a second signal stops at once. Unlike uvicorn's, this keeps the exit code 0."""
            app.state.service.ready = False
            if self.should_exit:
                os._exit(0)  # uvicorn would cancel what runs with a traceback each
            self.should_exit = True

    settings: dict[str, Any] = dict(
        http=Protocol, ws="none", log_config=None, log_level="error", access_log=False, server_header=False,
        timeout_keep_alive=max(1, round(config.idle_seconds)), timeout_graceful_shutdown=round(config.drain_seconds),
    )  # fmt: skip
    return Server(uvicorn.Config(app, **settings))


def address(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
