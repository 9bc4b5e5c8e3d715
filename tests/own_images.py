"""The stack's own two services as a test asks them, and what it sends."""

from __future__ import annotations

import io
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from opskit.health.smoke import own
from opskit.health.smoke.client import Fault, Reply, ask, want
from opskit.health.smoke.stores import sign
from opskit.secrets.store import read_secrets
from tests.checkout import Checkout

if TYPE_CHECKING:
    from docker.models.containers import Container

BUCKETS = ("images", "videos", "documents")
RED = (215, 25, 25)


@dataclass(frozen=True)
class Running:
    """A development that runs; asked by nginx, as its users do, or past it, where more is asked than it lets through."""

    checkout: Checkout
    by_nginx: bool = False

    @property
    def key(self) -> dict[str, str]:
        return {"X-API-Key": self.secret("STACK_API_KEY")}

    def secret(self, name: str) -> str:
        return read_secrets(self.checkout.env_file())[name].reveal()

    def port(self, name: str) -> str:
        return f"http://127.0.0.1:{self.checkout.environ[f'{name}_PORT']}"

    def ask(self, method: str, path: str, body: object = None, base: str = "", **headers: str) -> Reply:
        for route, name in {"/api/multimodal/": "MULTIMODAL_WORKER", "/api/search/": "RETRIEVAL_PROXY"}.items():
            if path.startswith(route) and not base:
                base = self.port("NGINX" if self.by_nginx else name)
                path = path if self.by_nginx else path.replace(route, "/api/v1/", 1)
        return ask(method, base + path, body, {**self.key, **headers}, timeout_s=60)

    def send(self, kind: str, content: bytes, base: str = "", name: str = "smoke") -> Reply:
        path = f"/api/v1/process/{kind}" if base else f"/api/multimodal/process/{kind}"
        form = own._form(content).replace(b'filename="smoke"', f'filename="{name}"'.encode())
        return self.ask("POST", path, form, base, **own._FORM)

    def tell(self, text: str, **more: Any) -> Reply:
        return self.ask("POST", "/api/multimodal/process/text", {"text": text, **more})

    def search(self, query: str, **more: Any) -> list[dict[str, Any]]:
        found = want(self.ask("POST", "/api/search/search", {"query": query, **more}), 200).json()
        results: list[dict[str, Any]] = found["results"]
        return results

    def stats(self) -> dict[str, int]:
        said = want(self.ask("GET", "/api/search/stats"), 200).json()
        counts = {**said["rows"], **said["points"], "objects": sum(map(len, map(self.objects, BUCKETS)))}
        counts.pop("search_sessions")
        return counts

    def objects(self, bucket: str) -> list[str]:
        place, names = f"{self.port('MINIO')}/{bucket}?list-type=2&max-keys=1000", []
        signed = sign("GET", place, b"", user="minioadmin", key=self.secret("MINIO_ROOT_PASSWORD"), now=time.gmtime())
        names = re.findall(r"<Key>([^<]+)</Key>", want(ask("GET", place, None, signed), 200).body.decode())
        assert len(names) < 1000
        return names

    def box(self, service: str) -> Container:
        return self.checkout.containers()[service]


def consistent(counts: dict[str, int]) -> bool:
    """Every row with a vector has one, every document and key frame its object, and nothing else is there."""
    pictures = counts["images"] + counts["video_keyframes"]
    return (
        counts["text_embeddings"] == counts["text_chunks"]
        and counts["image_embeddings"] == pictures
        and counts["video_embeddings"] <= counts["videos"]
        and counts["objects"] == counts["documents"] + counts["video_keyframes"]
    )


def wait_for(read: Callable[[], Any], done: Callable[[Any], bool], within_s: float = 90) -> Any:
    until, value = time.monotonic() + within_s, None
    while time.monotonic() < until:
        with suppress(Fault):
            value = read()
            if done(value):
                break
        time.sleep(0.5)
    return value


def wait_until_well(base: str) -> None:
    """A service answers 200 to `/health`."""
    assert wait_for(lambda: ask("GET", f"{base}/health"), lambda reply: reply.status == 200).status == 200


def address(box: Container) -> str:
    """A worker's own address, once it runs."""
    box.reload()
    return f"http://{next(iter(box.attrs['NetworkSettings']['Networks'].values()))['IPAddress']}:8001"


def picture(colour: Sequence[int] = RED, size: int = 40, form: str = "PNG") -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (size, size), tuple(colour)).save(sink, form)
    return sink.getvalue()


def strip(length: int) -> bytes:
    """A picture that is one pixel wide."""
    sink = io.BytesIO()
    Image.new("L", (1, length)).save(sink, "PNG")
    return sink.getvalue()


def take(reply: Reply) -> str:
    return str(want(reply, 200).json()["document_id"])


def kill(box: Container) -> None:
    """As if its machine had ended it: its restart policy brings it back."""
    os.kill(box.attrs["State"]["Pid"], signal.SIGKILL)


def send_until_taken(up: Running, base: str, kind: str, content: bytes) -> str:
    def once() -> str:
        reply = up.send(kind, content, base)
        if reply.status in {500, 502, 503}:
            raise Fault("not_now", str(reply))
        return take(reply)

    return str(wait_for(once, bool, 120))
