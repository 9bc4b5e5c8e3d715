"""Rehearsal stand-ins: a small HTTP server in the place of a program that no package provides.

Runs inside a rehearsal image: `standin.py SERVICE [the command of the compose file]`. Each one does what the stack uses of
the real program, and says in every answer what it is.
"""

import http.client
import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import logs  # beside this file

SERVICE = sys.argv[1]
ARGUMENTS = sys.argv[2:]
TEXT = "rehearsal stand-in for %s" % SERVICE
STORE = {}
PAGE = "<!doctype html><title>%s</title><h1>REHEARSAL</h1><p>%s" % (TEXT, TEXT)


class Answer(Exception):
    def __init__(self, status, body=b"", kind="application/json"):
        self.status, self.kind = status, kind
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


def page(_):
    raise Answer(200, PAGE.encode(), "text/html; charset=utf-8")


def fine(_):
    raise Answer(200, {"status": "ok", "stand_in": TEXT})


def store_metrics(request):
    """Qdrant asks for its key on every path but the health checks. Source: qdrant 1.19, src/actix/auth.rs."""
    guarded("QDRANT_API_KEY")(request)
    metrics(request)


def metrics(_):
    raise Answer(200, b"# HELP opskit_stand_in 1 where a stand-in runs\nopskit_stand_in 1\n", "text/plain")


def reaches(host, port):
    """A readiness that is true: the neighbour it needs takes a connection."""

    def check(_):
        try:
            socket.create_connection((host, port), 2).close()
        except OSError as error:
            raise Answer(503, {"status": "not ready", "needs": "%s:%d" % (host, port), "error": str(error)})
        fine(_)

    return check


def guarded(name):
    """Asks for the key that the service was given, as the real one does; one without a key is open."""

    def check(request):
        key = os.environ.get(name)
        if key and request.headers.get("Authorization") != "Bearer " + key:
            raise Answer(401, {"error": {"message": "wrong or missing API key", "type": "auth_error"}})

    return check


def served_name():
    for flag in ("--served-model-name", "--model"):
        if flag in ARGUMENTS:
            return ARGUMENTS[ARGUMENTS.index(flag) + 1]
    return "stand-in"


def models(request):
    guarded("VLLM_API_KEY")(request)
    raise Answer(200, {"object": "list", "data": [{"id": served_name(), "object": "model"}]})


def complete(request):
    guarded("VLLM_API_KEY")(request)
    try:
        asked = json.loads(request.body or b"{}")
        said = (asked.get("messages") or [{"content": asked.get("prompt", "")}])[-1]["content"]
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Answer(400, {"error": {"message": "not a completion request: %r" % error}})
    words = "%s: %s" % (TEXT, said)
    if asked.get("stream"):
        parts = [{"choices": [{"index": 0, "delta": {"content": word + " "}}]} for word in words.split()]
        lines = ["data: %s\n\n" % json.dumps(part) for part in parts] + ["data: [DONE]\n\n"]
        raise Answer(200, "".join(lines).encode(), "text/event-stream")
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}, "text": words}
    raise Answer(200, {"id": "stand-in", "object": "chat.completion", "model": served_name(), "choices": [choice]})


def forward(request):
    """LiteLLM's part: its own key in, the model server's key out."""
    guarded("LITELLM_MASTER_KEY")(request)
    link = http.client.HTTPConnection("vllm", 8000, timeout=30)
    try:
        headers = {"Authorization": "Bearer " + os.environ.get("VLLM_API_KEY", ""), "Content-Type": "application/json"}
        link.request(request.command, request.path, request.body, headers)
        reply = link.getresponse()
        raise Answer(reply.status, reply.read(), reply.getheader("Content-Type", "application/json"))
    except OSError as error:
        raise Answer(502, {"error": {"message": "vllm does not answer: %s" % error}})
    finally:
        link.close()


def stored(request):
    """A store of bytes by path, as a bucket or a collection is."""
    if request.command == "PUT":
        STORE[request.path] = request.body
        raise Answer(200, {"result": True, "status": "ok"})
    if request.command == "DELETE":
        raise Answer(204 if STORE.pop(request.path, None) is not None else 404)
    if request.path not in STORE:
        raise Answer(404, {"status": "not found"})
    raise Answer(200, STORE[request.path], "application/octet-stream")


def collections(request):
    if request.path.rstrip("/") == "/collections":
        names = [{"name": path.split("/")[2]} for path in STORE if path.startswith("/collections/")]
        raise Answer(200, {"result": {"collections": names}, "status": "ok"})
    stored(request)


def elastic(request):
    """Elasticsearch's users: `elastic` from the environment, others as they are made; nothing answers without one."""
    users = {"elastic": os.environ.get("ELASTIC_PASSWORD", "")}
    users.update({name: json.loads(body)["password"] for name, body in STORE.items()})
    if request.headers.get("Authorization") not in {logs.basic(*pair) for pair in users.items()}:
        raise Answer(401, {"error": {"type": "security_exception", "reason": "missing authentication credentials"}})
    parts = request.path.split("?")[0].strip("/").split("/")
    if request.command in ("PUT", "POST") and parts[:2] == ["_security", "user"]:
        STORE[parts[2]] = request.body
    for name, act in (("_bulk", logs.bulk), ("_search", logs.search)):
        if parts[1:] == [name]:
            raise Answer(200, act(request))
    fine(request)


def beats(request):
    """Logstash's port for Filebeat: taken where Elasticsearch has taken it."""
    raise Answer(200 if logs.file_lines(request) == 200 else 503)


def logs_in(user, password):
    """A readiness that is true: Elasticsearch takes the user and the password this service was given."""

    def check(_):
        link = http.client.HTTPConnection("elasticsearch", 9200, timeout=3)
        headers = {"Authorization": logs.basic(user, os.environ.get(password, ""))}
        try:
            link.request("GET", "/_security/_authenticate", headers=headers)
            status = link.getresponse().status
        except OSError as error:
            raise Answer(503, {"status": "not ready", "needs": "elasticsearch", "error": str(error)})
        finally:
            link.close()
        if status != 200:
            raise Answer(503, {"status": "not ready", "needs": "elasticsearch", "error": "it answers %d" % status})
        fine(_)

    return check


def gpus(_):
    names = ("GPU_UTIL", "GPU_TEMP", "POWER_USAGE", "FB_USED", "FB_FREE", "XID_ERRORS")
    lines = ['DCGM_FI_DEV_%s{gpu="%d",stand_in="yes"} 0' % (name, gpu) for name in names for gpu in (0, 1)]
    raise Answer(200, "\n".join([*lines, ""]).encode(), "text/plain")


# service -> port -> (path prefix, act); the first prefix that fits answers, "=" in front demands the whole path.
ROUTES = {
    "qdrant": {
        6333: [
            ("=/", fine),
            ("/healthz", fine),
            ("/readyz", fine),
            ("/livez", fine),
            ("/metrics", store_metrics),
            ("/collections", collections),
        ],
        6334: [],
    },
    "minio": {9000: [("/minio/health/", fine), ("/minio/v2/metrics", metrics), ("/", stored)], 9001: [("/", page)]},
    "vllm": {8000: [("/health", fine), ("/metrics", metrics), ("/v1/models", models), ("/v1/", complete)]},
    "litellm": {
        4000: [
            ("/health/liveliness", fine),
            ("/health/readiness", reaches("postgres", 5432)),
            ("/v1/", forward),
            ("=/", page),
        ]
    },
    "multimodal-worker": {8001: [("/health", fine), ("/metrics", metrics), ("=/", page)]},
    "retrieval-proxy": {8002: [("/health", fine), ("/metrics", metrics), ("=/", page)]},
    "openwebui": {8080: [("/health", fine), ("/ready", reaches("litellm", 4000)), ("=/", page)]},
    "grafana": {3000: [("/api/health", fine), ("/metrics", metrics), ("=/", page)]},
    "n8n": {
        5678: [
            ("/healthz/readiness", reaches("postgres", 5432)),
            ("/healthz", fine),
            ("/metrics", metrics),
            ("=/", page),
        ]
    },
    "allure": {5050: [("/allure-docker-service/version", fine), ("=/", page)]},
    "dcgm-exporter": {9400: [("/metrics", gpus), ("/health", fine)]},
    "elasticsearch": {9200: [("/", elastic)]},
    "filebeat": {},
    "kibana": {5601: [("/api/status", logs_in("kibana_system", "ELASTICSEARCH_PASSWORD")), ("=/", page)]},
    "logstash": {5044: [("=/", beats)], 9600: [("/_node/stats", logs_in("logstash_writer", "LOGSTASH_PASSWORD"))]},
}
QUIET = ("/health", "/ready", "/minio/health", "/livez", "/metrics")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "opskit-rehearsal"

    def answer(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                self.close_connection = True
                raise Answer(411, {"error": "%s wants a Content-Length" % TEXT})
            path = self.path.split("?")[0]
            for prefix, act in ROUTES[SERVICE][self.server.server_port]:
                if path == prefix[1:] if prefix[0] == "=" else path.startswith(prefix):
                    act(self)
            raise Answer(404, {"error": "%s has no %s" % (TEXT, self.path)})
        except Answer as said:
            self.send_response(said.status)
            self.send_header("Content-Type", said.kind)
            self.send_header("Content-Length", str(len(said.body)))
            self.send_header("X-Opskit", "rehearsal stand-in")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, form, *words):
        if not getattr(self, "path", "").startswith(QUIET):
            print("%s %s" % (self.address_string(), form % words), flush=True)


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request, client_address):
        print("%s: %r" % (client_address[0], sys.exc_info()[1]), flush=True)  # a caller that hung up is no traceback


def main():
    servers = [Server(("", port), Handler) for port in ROUTES[SERVICE]]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    logs.begin(SERVICE)
    print("%s, ports %s" % (TEXT, sorted(ROUTES[SERVICE])), flush=True)
    ended.wait()


if __name__ == "__main__":
    main()
