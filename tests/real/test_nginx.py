"""The real nginx takes the three configurations, and answers and limits as they say."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opskit.health.smoke.client import Fault
from opskit.health.smoke.client import ask as ask_url
from tests.checkout import ROOT
from tests.real.packages import resolve_stack
from tests.real.report import Real, debian_version

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

REAL = Real(
    "nginx",
    "Debian nginx-light",
    "configs/nginx*.conf",
    "took the files, answered and limited",
    debian_version("nginx-light"),
)

pytestmark = pytest.mark.engine

Nginx = Callable[..., "Container"]
KEY = "a-Key_of-the-stack"
PLACES = {"tls": "server.d/tls.conf", "certificate": "tls/server.crt", "key": "tls/server.key"}


@pytest.fixture
def nginx(start: Callable[..., Container], image_of: Callable[[str], str], network: str) -> Nginx:
    """Start nginx as Compose says, with a file of configs/, on a network without the services it stands before."""
    service = resolve_stack("production").service("nginx").raw
    command = [word.replace("$$", "$") for word in service["command"]]
    tmpfs = dict.fromkeys(service["tmpfs"], "")

    def run(config: str, *, ports: tuple[int, ...] = (80,), https_port: str = "", **mounts: Path) -> Container:
        volumes = {str(ROOT / "configs" / config): {"bind": "/etc/nginx/nginx.conf", "mode": "ro"}}
        volumes |= {str(path): {"bind": f"/etc/nginx/{PLACES[name]}", "mode": "ro"} for name, path in mounts.items()}
        environment = {"STACK_API_KEY": KEY, "HTTPS_PORT": https_port}
        more = {"read_only": True, "tmpfs": tmpfs, "environment": environment}
        return start(image_of("nginx"), command, volumes=volumes, network=network, ports=ports, **more)

    return run


@pytest.mark.parametrize("config", ["nginx.conf", "nginx_optimized.conf", "jmeter/results.conf"])
def test_nginx_takes_the_config(config: str, nginx: Nginx, ask: Callable[..., Any]) -> None:
    box = nginx(config)
    ask(box, 80, "/nginx-health")
    checked = box.exec_run(["nginx", "-t"])
    assert checked.exit_code == 0, checked.output
    assert "warn" not in f"{checked.output!r}{box.logs()!r}"


@pytest.mark.parametrize(("config", "page"), [("nginx.conf", 502), ("nginx_optimized.conf", 200)])
def test_health_is_a_metric_and_the_first_page_is_there_or_open_webui_s(
    config: str, page: int, nginx: Nginx, ask: Callable[..., Any]
) -> None:
    box = nginx(config)
    assert ask(box, 80, "/nginx-health") == (200, "", "nginx_up 1\n"), "what Prometheus reads is `name value`"
    status, _, text = ask(box, 80, "/")
    assert status == page, "nginx.conf passes it on to Open WebUI, which is not here"
    assert page != 200 or all(route in text for route in ("/v1/", "/api/multimodal/", "/api/search/"))
    assert ask(box, 80, "/v1/models")[0] == 502
    assert ask(box, 80, "/none")[0] == (502 if page == 502 else 404)


def test_one_address_may_ask_so_often_and_no_more(nginx: Nginx, ask: Callable[..., Any]) -> None:
    box = nginx("nginx.conf")
    assert ask(box, 80, "/nginx-health")[0] == 200
    request = r"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
    burst = f"exec 3<>/dev/tcp/127.0.0.1/80; for i in $(seq 60); do printf '{request}'; done >&3; timeout 3 cat <&3"
    answer = box.exec_run(["bash", "-c", burst]).output
    assert isinstance(answer, bytes)
    assert answer.count(b"HTTP/1.1 502") >= 20, "let through, to a LiteLLM that is not here"
    assert answer.count(b"HTTP/1.1 429") >= 10


@pytest.mark.parametrize("config", ["nginx.conf", "nginx_optimized.conf"])
def test_the_stack_s_own_services_are_reached_with_the_key_alone(config: str, nginx: Nginx) -> None:
    url = address(nginx(config), 80)
    for route in ("/api/multimodal/process/text", "/api/search/search"):
        for headers in (
            {},
            {"X-API-Key": ""},
            {"X-API-Key": KEY.lower()},
            {"X-API-Key": KEY + "x"},
            {"X-API-Key": f"x {KEY}"},
            {"X-API-Key": ".*"},
            {"Authorization": KEY},
            {"Authorization": f"Bearer {KEY}x"},
            {"Authorization": f"Basic x Bearer {KEY}"},
        ):
            for method in ("GET", "POST", "DELETE"):
                reply = ask_url(method, url + route, headers=headers)
                assert reply.status == 401, headers
                assert reply.headers["WWW-Authenticate"] == 'Bearer realm="stack"'
                assert "STACK_API_KEY" in reply.json()["error"]
        for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
            assert ask_url("POST", url + route, headers=headers).status == 502, "let through, to nobody"


def test_a_body_larger_than_its_route_needs_is_refused(nginx: Nginx) -> None:
    url = address(nginx("nginx.conf"), 80)
    for route, largest in (("/api/search/search", 1), ("/v1/chat/completions", 32), ("/api/multimodal/x", 100)):
        assert ask_url("POST", url + route, bytes(largest * 2**20), {"X-API-Key": KEY}).status == 502, route
        announced = {"X-API-Key": KEY, "Content-Length": str(largest * 2**20 + 1)}
        assert ask_url("POST", url + route, b"", announced).status == 413, route


SERVER = """
import http.server, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(64):
            self.wfile.write(bytes(1 << 20))
    def do_POST(self):
        time.sleep(600)
for port in (4000, 8002):
    server = http.server.ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever).start()
"""
"""In the place of LiteLLM and the retrieval proxy: sends 64 MiB, and reads nothing of what it is sent."""


@pytest.fixture
def sender(
    engine: DockerClient, start: Callable[..., Container], image_of: Callable[[str], str], network: str
) -> Container:
    alias = engine.api.create_endpoint_config(aliases=["litellm", "retrieval-proxy"])
    return start(image_of("nginx"), ["python3", "-c", SERVER], network=network, networking_config={network: alias})


@pytest.mark.usefixtures("sender")
@pytest.mark.parametrize("config", ["nginx.conf", "nginx_optimized.conf"])
def test_what_is_large_is_never_kept_in_memory(config: str, nginx: Nginx) -> None:
    box = nginx(config)
    host, _, port = address(box, 80).removeprefix("http://").partition(":")
    send = f"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: {32 << 20}\r\n\r\n"
    fetch = f"GET /api/search/x HTTP/1.1\r\nHost: a\r\nX-API-Key: {KEY}\r\n\r\n"
    for request, body in ((send, bytes(31 << 20)), (fetch, b"")):
        with socket.create_connection((host, int(port)), 2) as link:
            link.sendall(request.encode())
            with contextlib.suppress(TimeoutError):
                link.sendall(body)
            if not body:
                assert link.recv(1000).startswith(b"HTTP/1.1 200 OK")
            time.sleep(1)  # a slow reader
            used = box.exec_run(["df", "--output=used", "-k", "/tmp"])  # noqa: S108  in its container
            assert isinstance(used.output, bytes)
            assert int(used.output.split()[-1]) < 1024, request


def test_passwords_cannot_be_tried_without_end(nginx: Nginx) -> None:
    url = address(nginx("nginx.conf"), 80)
    found = [ask_url("POST", f"{url}/api/v1/auths/signin", {"email": "a", "password": "b"}).status for _ in range(30)]
    assert found[:20] == [502] * 20
    assert found.count(429) >= 8


@pytest.mark.parametrize(("port", "leads_to"), [("", "chat.example"), ("8443", "chat.example:8443")])
def test_with_the_tls_overlay_https_is_answered_and_plain_http_leads_there(
    nginx: Nginx, tmp_path: Path, port: str, leads_to: str
) -> None:
    make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    files = ["-subj", "/CN=chat.example", "-keyout", "server.key", "-out", "server.crt"]
    subprocess.run(["openssl", *make, *files], cwd=tmp_path, check=True, capture_output=True)
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    tls = {"tls": ROOT / "configs/nginx_tls.conf", "certificate": certificate, "key": key}
    box = nginx("nginx.conf", ports=(80, 443), https_port=port, **tls)
    plain, secure = address(box, 80), address(box, 443, "https")
    assert ask_url("GET", f"{secure}/nginx-health").body == b"nginx_up 1\n"
    assert ask_url("POST", f"{secure}/api/search/search", headers={"X-API-Key": KEY}).status == 502
    assert ask_url("POST", f"{secure}/api/search/search").status == 401
    for path in ("/", "/v1/models?x=1", "/api/search/search"):
        reply = ask_url("GET", plain + path, headers={"Host": "chat.example"})
        assert (reply.status, reply.headers["Location"]) == (308, f"https://{leads_to}{path}")
    assert ask_url("GET", f"{plain}/nginx-health").status == 200, "the health check and Prometheus ask inside"


def address(box: Container, port: int, scheme: str = "http") -> str:
    """Where a port of it is published, once nginx listens."""
    box.reload()
    url = f"{scheme}://127.0.0.1:{(box.ports[f'{port}/tcp'] or [])[0]['HostPort']}"
    for _ in range(100):
        with contextlib.suppress(Fault):
            ask_url("GET", f"{url}/nginx-health")
            return url
        time.sleep(0.1)
    raise AssertionError(box.logs())
