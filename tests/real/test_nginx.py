"""The real nginx takes the three configurations, and answers and limits as they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.checkout import ROOT
from tests.real.report import Real, debian_version

if TYPE_CHECKING:
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


@pytest.fixture
def nginx(start: Callable[..., Container], image_of: Callable[[str], str], network: str) -> Nginx:
    """Start nginx with one of the files of configs/, on a network without the services it stands before."""

    def run(config: str, command: list[str] | None = None) -> Container:
        mount = {str(ROOT / "configs" / config): {"bind": "/etc/nginx/nginx.conf", "mode": "ro"}}
        return start(image_of("nginx"), command, volumes=mount, network=network, ports=(80,))

    return run


@pytest.mark.parametrize("config", ["nginx.conf", "nginx_optimized.conf", "jmeter/results.conf"])
def test_nginx_takes_the_config(config: str, nginx: Nginx) -> None:
    box = nginx(config, ["nginx", "-t"])
    assert box.wait()["StatusCode"] == 0, box.logs()
    assert b"warn" not in box.logs()


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
