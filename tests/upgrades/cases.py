"""Ways in which an upgrade fails: what is changed in the checkout, what happens meanwhile, and how it must end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from tests.checkout import Checkout

OVERRIDE = "compose/docker-compose.development.override.yml"
NGINX = "configs/nginx.conf"
WORKER = ["python3", "-m", "uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8001"]
_N8N, _NGINX = "/docker-entrypoint.sh", "/usr/sbin/nginx"
_MIGRATES = """echo moved-on > /home/node/.n8n/config
PGPASSWORD="$DB_POSTGRESDB_PASSWORD" psql -X -h postgres -U n8n -d n8n -c "CREATE TABLE moved_on ()"
"""

Edit = Callable[[Checkout], None]
Ends = Literal["undone", "refused", "stopped", "killed", "stuck"]
Meanwhile = Literal["signal", "restart", "fill disk", "fill archive"]
NEWER_MAJOR = ("", "")
"""In the place of a program and a script: PostgreSQL of the next Debian, as an image of the same name."""


@dataclass(frozen=True)
class Case:
    """One way to fail.

    Attributes:
        name: in words.
        edit: changes the checkout, whose files are put back after it.
        says: what the error has in it; of a killed one nothing is read.
        ends: `undone`: launched, failed and gone back from; `refused`: nothing was changed; `killed`: at `at`, and
            `opskit rollback` goes back; `stopped`: killed at `at`, before anything was changed; `stuck`: it could not
            go back either, said so, and `opskit rollback` does once what hindered is gone.
        images: by service, a program and the shell script in its place, in a newer image of the same name.
        at: a line of the journal has this in it, by kind and name, when it is interfered with.
        meanwhile: what comes then: a signal, the Engine killed and started again, no more room on the Engine's disk or
            on that of the records.
        signal: that is sent to the run.
        environ: variables of the run.
        observe_s: of the upgrade.
        moved: whether the set is put back.
    """

    name: str
    edit: Edit
    says: str
    ends: Ends = "undone"
    images: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    at: str = ""
    meanwhile: Meanwhile = "signal"
    signal: int = signal.SIGKILL
    environ: Mapping[str, str] = field(default_factory=dict)
    observe_s: int = 4
    moved: bool = False


def override(**services: Mapping[str, Any]) -> Edit:
    """Merge these into the development's own overlay."""

    def edit(checkout: Checkout) -> None:
        path = checkout.root / OVERRIDE
        tree = yaml.safe_load(path.read_text())
        for name, change in services.items():
            entry = tree["services"].setdefault(name.replace("_", "-"), {})
            for key, value in change.items():
                entry[key] = {**entry.get(key, {}), **value} if isinstance(value, dict) else value
        path.write_text(yaml.safe_dump(tree))

    return edit


def nginx(old: str, new: str) -> Edit:
    """Change nginx's configuration, and a label, so that its container is made again."""
    again = override(nginx={"labels": {"changed": "yes"}})

    def edit(checkout: Checkout) -> None:
        path = checkout.root / NGINX
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        again(checkout)

    return edit


def broken(checkout: Checkout) -> None:
    """An overlay that is no YAML."""
    (checkout.root / OVERRIDE).write_text("services: [")


CRASH = override(retrieval_proxy={"entrypoint": ["sh", "-c", "exit 7"]})
HARMLESS = override(nginx={"labels": {"changed": "yes"}})
SLOW = override(retrieval_proxy={"entrypoint": ["sh", "-c", "sleep 8; exit 7"]})

CASES = (
    Case("a service that crash-loops", CRASH, "retrieval-proxy"),
    Case("a health check that fails", override(litellm={"healthcheck": {"test": ["CMD", "false"], "interval": "1s",
         "retries": 2, "start_period": "0s"}}), "litellm"),
    Case("a command that is not there", override(openwebui={"entrypoint": ["/no/such"]}), "openwebui"),
    Case("a configuration its program refuses", nginx("http {", "http { nonsense on;"), "nginx"),
    Case("ready, and does not do its work", nginx("http://litellm:4000;", "http://litellm:4999;"),
         "does not do its work"),
    Case("it dies while it is watched", override(multimodal_worker={"entrypoint": ["timeout", "40", *WORKER]}),
         "while it was watched", observe_s=60),
    Case("out of memory", override(retrieval_proxy={"deploy": {"resources": {"limits": {"memory": "8M"}}}}),
         "retrieval-proxy"),
    Case("a new service that crash-loops", override(extra={"image": "any", "entrypoint": ["sh", "-c", "exit 3"],
         "restart": "always"}), "extra"),
    Case("a newer image that migrates its data, then crashes", HARMLESS, "n8n",
         images={"n8n": (_N8N, f"{_MIGRATES}exit 5")}, moved=True),
    Case("a newer image without data that crashes", HARMLESS, "nginx", images={"nginx": (_NGINX, "exit 9")}),
    Case("PostgreSQL of a newer major, beside the data", override(postgres={"labels": {"changed": "yes"}}),
         "without its data", images={"postgres": NEWER_MAJOR}, moved=True),
    Case("the Engine killed and started again", SLOW, "It was undone", at='"kind": "service"', meanwhile="restart"),
    Case("no more room for records, and a crash loop", CRASH, "retrieval-proxy", at='"phase": "secrets"',
         meanwhile="fill archive"),
    Case("no more room on the Engine's disk", override(n8n={"labels": {"changed": "yes"}}), "n8n", "stuck",
         at='"phase": "secrets"', meanwhile="fill disk"),
    Case("files that Compose refuses", broken, "config-valid", "refused"),
    Case("no room for the set", CRASH, "no set was made", "refused", environ={"RESTIC_REPOSITORY": "{small}/sets"}),
    Case("another password of the repository", CRASH, "another password", "refused",
         environ={"RESTIC_PASSWORD_COMMAND": "echo another", "RESTIC_PASSWORD_FILE": ""}),
    Case("Ctrl-C while it launches", SLOW, "cancelled", at='"kind": "service"', signal=signal.SIGINT),
    Case("killed while the set is made", CRASH, "", "stopped", at="postgres/"),
    Case("killed as containers are replaced", SLOW, "", "killed", at='"phase": "secrets"'),
    Case("killed as the data was migrated", HARMLESS, "", "killed", at='"state": "restarting (1)"',
         images={"n8n": (_N8N, f"{_MIGRATES}sleep 3; exit 5")}, moved=True),
    Case("killed while it is watched", HARMLESS, "", "killed", at='"phase": "observe"', observe_s=60),
    Case("killed as it goes back", CRASH, "", "killed", at='"phase": "rollback"'),
    Case("killed as the set is put back", HARMLESS, "", "killed", at='"phase": "rollback"',
         images={"n8n": (_N8N, f"{_MIGRATES}exit 5")}, moved=True),
)  # fmt: skip
