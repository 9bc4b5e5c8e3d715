"""Real programs print the lines that the table of causes knows them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from opskit.engine.events import read_evidence
from opskit.health.causes import find_cause

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

pytestmark = pytest.mark.engine

INITDB = "mkdir -m 700 /tmp/d; chown postgres /tmp/d; cd /tmp; su postgres -c '/usr/lib/postgresql/15/bin/initdb -D /tmp/d' >/dev/null;"
RUN = "su postgres -c '/usr/lib/postgresql/15/bin/postgres -D /tmp/d -k /tmp'"
SERVE = f"{INITDB} {RUN} >/dev/null 2>&1 & sleep 4;"

CASES = [
    ("another major version", f"{INITDB} echo 14 > /tmp/d/PG_VERSION; {RUN}"),
    ("the wrong owner or mode", f"{INITDB} chmod 755 /tmp/d; {RUN}"),
    ("holds something else than its data", f"{INITDB} su postgres -c '/usr/lib/postgresql/15/bin/initdb -D /tmp/d'"),
    ("the password of a database role", f"{INITDB} echo 'host all all all scram-sha-256' > /tmp/d/pg_hba.conf; {RUN} & sleep 4; PGPASSWORD=x psql -h 127.0.0.1 -U postgres"),
    ("the database or role is missing", f"{SERVE} psql -h 127.0.0.1 -U postgres litellm"),
    ("Redis's configuration is refused", "redis-server --maxmemory-policy largest-first"),
    ("the password of Redis", "redis-server --requirepass right & sleep 1; redis-cli -a wrong ping"),
    ("Redis kept its data in is damaged", "cd /tmp; echo REDIS0010nonsense > dump.rdb; redis-server"),
    ("data is of a newer Redis", "cd /tmp; printf 'REDIS0099\\372' > dump.rdb; redis-server"),
    ("nginx does not find a service", "echo 'events {} http { server { location / { proxy_pass http://openwebui:8080; } } }' > /tmp/n; nginx -c /tmp/n"),
    ("nginx refuses a line", "echo 'evnts {}' > /tmp/n; nginx -c /tmp/n"),
    ("a certificate that the configuration names", "echo 'events {} http { server { listen 443 ssl; ssl_certificate /no.crt; ssl_certificate_key /no.key; } }' > /tmp/n; nginx -c /tmp/n"),
    ("certificate and its key do not belong together", "cd /tmp; for n in 1 2; do openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout $n.key -out $n.crt 2>/dev/null; done; echo 'events {} http { server { listen 443 ssl; ssl_certificate /tmp/1.crt; ssl_certificate_key /tmp/2.key; } }' > /tmp/n; nginx -c /tmp/n"),
    ("Prometheus or Alertmanager refuses", "echo 'a: [' > /tmp/p; prometheus --config.file=/tmp/p --storage.tsdb.path=/tmp/t"),
    ("the disk is full", "cat /dev/zero > /small/file"),
    ("everything is read-only", "touch /proc/sys/x || mount -o remount,ro / || touch /sys/x"),
    ("the address is in use", "nginx -g 'daemon off;' & sleep 1; redis-server --port 80"),
    ("a name does not resolve", "redis-cli -h nowhere ping"),
    ("refuses the connection", "redis-cli -p 1 ping"),
    ("may not read or write a file", "su nobody -s /bin/sh -c 'cat /etc/shadow'"),
    ("a module that the program imports", "python3 -c 'import multimodal_worker'"),
    ("the SQLite database is damaged", "echo this is no database at all > /tmp/x; python3 -c \"import sqlite3; sqlite3.connect('/tmp/x').execute('select * from sqlite_master')\""),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "command"), CASES, ids=[cause for cause, _ in CASES])
def test_a_real_program_tells_the_cause(
    cause: str, command: str, engine: DockerClient, busybox: str, start: Callable[..., Container]
) -> None:
    box = start(busybox, ["sh", "-c", f"{{ {command}; }} 2>&1; kill 0"], tmpfs={"/small": "size=64k"}, entrypoint="")
    box.wait(timeout=60)
    evidence = read_evidence(engine, box.id)
    found = find_cause(evidence.log)
    assert found is not None, evidence.log
    assert cause in found[0].cause, (found, evidence.log)
