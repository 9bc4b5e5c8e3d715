"""A registry on this machine that misbehaves as it is told: it refuses, is slow, or stalls in the middle of a layer."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Reply = tuple[int, dict[str, str], bytes | Iterator[bytes]]
"""Status, headers and body; one that comes in pieces needs its own Content-Length."""
Play = Callable[[BaseHTTPRequestHandler], Reply]
Pace = Callable[[bytes], Iterator[bytes]]
CONFIG = b"{}"
CONFIG_DIGEST = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
INDEX = "application/vnd.oci.image.index.v1+json"


def typed(kind: str, **fields: object) -> Reply:
    body = json.dumps({"schemaVersion": 2, "mediaType": kind, **fields}).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return 200, {"Content-Type": kind, "Docker-Content-Digest": digest}, body


def error(status: int, code: str) -> Reply:
    return status, {}, json.dumps({"errors": [{"code": code, "message": "refused"}]}).encode()


IMAGE = typed(MANIFEST, config={"mediaType": "application/json", "size": 2, "digest": CONFIG_DIGEST}, layers=[])


def paced(pieces: int, wait_s: float) -> Pace:
    """A layer cut in so many pieces, each after a wait."""

    def pace(body: bytes) -> Iterator[bytes]:
        size = len(body) // pieces + 1
        for at in range(0, len(body), size):
            time.sleep(wait_s)
            yield body[at : at + size]

    return pace


def build_program(gcc: str, folder: Path) -> bytes:
    """A static program that runs until it is told to end."""
    source = "#include <signal.h>\n#include <unistd.h>\nint main(){signal(SIGTERM, _exit); for(;;) pause();}"
    (folder / "a.c").write_text(source)
    subprocess.run([gcc, "-static", "-Os", "-o", str(folder / "a"), str(folder / "a.c")], check=True)
    return (folder / "a").read_bytes()


def one_piece(body: bytes) -> Iterator[bytes]:
    """All at once."""
    yield body


class Registry:
    """Answers by path: a reply, or a play that looks at the request."""

    def __init__(self) -> None:
        self.paths: dict[str, Reply | Play] = {
            "/v2/": (200, {}, b"{}"),
            f"/v2/a/blobs/{CONFIG_DIGEST}": (200, {}, CONFIG),
        }
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                play = registry.paths.get(self.path.partition("?")[0], error(404, "MANIFEST_UNKNOWN"))
                status, headers, body = play(self) if callable(play) else play
                self.send_response(status)
                length = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}
                for name, value in {**length, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    with contextlib.suppress(ConnectionError):  # who was served may have given up
                        for piece in (body,) if isinstance(body, bytes) else body:
                            self.wfile.write(piece)
                            self.wfile.flush()

            do_HEAD = do_GET  # noqa: N815  the name http.server wants

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.name = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def serve(self, reply: Reply | Play, tag: str = "1") -> str:
        """PullAnswer for a tag, and for the digest of what it answers; returns the image's name."""
        self.paths[f"/v2/a/manifests/{tag}"] = reply
        if not callable(reply):
            self.paths[f"/v2/a/manifests/{reply[1].get('Docker-Content-Digest', '-')}"] = reply
        return f"{self.name}/a:{tag}"

    def serve_program(self, program: bytes, *, padding: int = 0, pace: Pace = one_piece) -> str:
        """An image that runs a static program, its layer made `padding` bytes longer and sent as `pace` cuts it."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            for name, content in (("program", program), ("padding", os.urandom(padding))):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
        body = layer.getvalue()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        made = {"os": "linux", "architecture": machine, "config": {"Entrypoint": ["/program"]},
                "rootfs": {"type": "layers", "diff_ids": [digest]}}  # fmt: skip
        config = json.dumps(made).encode()
        config_digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self.paths[f"/v2/a/blobs/{config_digest}"] = (200, {}, config)
        headers = {"Content-Length": str(len(body))}
        self.paths[f"/v2/a/blobs/{digest}"] = lambda _: (200, headers, pace(body))
        layers = [{"mediaType": LAYER, "size": len(body), "digest": digest}]
        described = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config)}
        return self.serve(typed(MANIFEST, config={**described, "digest": config_digest}, layers=layers))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
