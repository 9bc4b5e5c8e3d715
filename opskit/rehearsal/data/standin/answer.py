"""What a stand-in answers with, and what all of them share."""

import http.client
import json
import os
import subprocess

METRICS = "# HELP opskit_stand_in 1 where a stand-in runs\nopskit_stand_in 1\n"


class Answer(Exception):
    """Ends a request."""

    def __init__(self, status, body=b"", kind="application/json", headers=()):
        self.status, self.kind, self.headers = status, kind, dict(headers)
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def fine(_):
    raise Answer(200, {"status": "ok", "stand_in": "yes"})


def metrics(_):
    raise Answer(200, METRICS.encode(), "text/plain")


def read_json(request):
    """The body; 400 where it is no JSON."""
    try:
        return json.loads(request.body or b"{}")
    except ValueError as error:
        raise Answer(400, {"error": {"message": "not JSON: %s" % error}})


def given(name, default=""):
    return os.environ.get(name) or default


def true(name):
    return given(name).lower() == "true"


def fetch(host, port, method, path, body=None, headers=None):
    """An answer of a neighbour: status, body and kind; a status of 0 says that there was none."""
    link = http.client.HTTPConnection(host, port, timeout=30)
    try:
        link.request(method, path, body, headers or {})
        reply = link.getresponse()
        return reply.status, reply.read(), reply.getheader("Content-Type", "application/json")
    except OSError as error:
        return 0, str(error).encode(), "text/plain"
    finally:
        link.close()


def postgres(host, port, name, user, password):
    """Why PostgreSQL does not let this user in; empty where it does."""
    words = [
        "psql",
        "-XAtc",
        "select 1",
        "host=%s port=%s dbname=%s user=%s connect_timeout=3" % (host, port, name, user),
    ]
    try:
        done = subprocess.run(words, env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True)
    except OSError as error:
        return "PostgreSQL: %s" % error
    return "" if done.returncode == 0 else "PostgreSQL: " + done.stderr.strip()
