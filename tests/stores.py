"""Storage behind URLs: its files, a bucket of a real S3 server, and a small Hub, in this process."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar
from urllib.parse import parse_qs, unquote
from urllib.request import Request, urlopen

import fsspec
import pytest

from electra.data import cache, chunks


def put(url, content):
    with fsspec.open(url, "wb") as file:
        file.write(content)


def upload(folder, url):
    for path in folder.iterdir():
        put(f"{url}/{path.name}", path.read_bytes())


def files(url="memory://bucket/data"):
    """The content of every file behind a URL, by its name there."""
    fs, path = fsspec.core.url_to_fs(url)
    fs.invalidate_cache()
    return {name.removeprefix(f"{path}/"): fs.cat_file(name) for name in fs.find(path)}


@pytest.fixture(autouse=True)
def own_stores(monkeypatch, tmp_path):
    """Several chunks in a short text, and a cache and a memory:// of one test alone."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 10_000)
    monkeypatch.setenv("ELECTRA_CACHE", str(tmp_path / "cache"))
    cache.fetched.cache_clear()
    yield
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def bucket(monkeypatch):
    """A bucket on a server of S3's protocol in this process, and the environment that leads to it."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # all servers of a process are one
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()  # of a server that is gone
    fsspec.filesystem("s3").mkdir("corpus")
    yield "s3://corpus"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


# -- Hugging Face's Hub ------------------------------------------------------------------------------------------------

OWNER = "datasets/owner/name"


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub's protocol as reading and writing one data set needs; `files` is what is in it."""

    files: ClassVar[dict[str, bytes]] = {}
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        place = unquote(self.path.partition("?")[0]).strip("/")
        if place.startswith(f"{OWNER}/resolve/main/"):
            return self.give(place.removeprefix(f"{OWNER}/resolve/main/"))
        if place in (f"api/{OWNER}", f"api/{OWNER}/revision/main"):
            return self.answer({"id": "owner/name", "sha": "0" * 40, "siblings": []})
        if (place + "/").startswith(f"api/{OWNER}/tree/main/"):
            return self.list(place.removeprefix(f"api/{OWNER}/tree/main").strip("/"), "recursive=true" in self.path)
        self.answer({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})

    do_HEAD = do_GET

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/preupload/main"):
            found = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(asked)["files"]
            ]
            return self.answer({"files": found})
        if self.path.endswith("/paths-info/main"):
            wanted = parse_qs(asked.decode()).get("paths", []) if asked[:1] != b"{" else json.loads(asked)["paths"]
            return self.answer([self.entry(name) for name in wanted if name in self.files])
        for line in asked.splitlines():  # of a commit
            key, value = (content := json.loads(line))["key"], content["value"]
            if key == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            if key == "deletedFile":
                del self.files[value["path"]]
        self.answer(
            {
                "commitUrl": f"https://huggingface.co/{OWNER}/commit/0",
                "commitOid": "0" * 40,
                "hookOutput": "",
                "success": True,
            }
        )

    def list(self, folder: str, is_deep: bool) -> None:
        below = {
            n: n.removeprefix(f"{folder}/" if folder else "")
            for n in self.files
            if n.startswith(f"{folder}/") or not folder
        }
        if not below:
            return self.answer({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        folders = {f"{folder}/{rest.partition('/')[0]}".strip("/") for rest in below.values() if "/" in rest}
        shown = [self.entry(name) for name, rest in below.items() if is_deep or "/" not in rest]
        self.answer(shown + [{"type": "directory", "path": name, "oid": "0" * 40} for name in folders])

    def entry(self, name: str) -> dict[str, object]:
        content = self.files[name]
        return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

    def give(self, name: str) -> None:
        if name not in self.files:
            return self.answer({"error": "not found"}, 404, {"X-Error-Code": "EntryNotFound"})
        content, wanted = self.files[name], re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        part = content[int(wanted[1]) : int(wanted[2] or len(content)) + 1] if wanted else content
        self.answer(part, 206 if wanted else 200, {"ETag": '"0"', "X-Repo-Commit": "0" * 40})

    def answer(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        """Nothing."""


@pytest.fixture
def hub() -> Iterator[dict[str, str]]:
    """A Hub in this process; the environment in which a command finds it."""
    pytest.importorskip("huggingface_hub")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Hub.files.clear()
    Thread(target=server.serve_forever, daemon=True).start()
    yield {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    server.shutdown()
    server.server_close()
