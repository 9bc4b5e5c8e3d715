"""Rehearsal stand-ins: a small HTTP server in the place of a program that no package provides.

Runs inside a rehearsal image: `standin SERVICE [the command of the compose file]`. Each one does what the stack uses of
the real program, refuses what that refuses, and says in every answer what it is.
"""

import base64
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import elk  # beside this file, as the others
import logs
import n8n
import qdrant
import vllm
import webui
from answer import Answer, fine, metrics

SERVICE = (sys.argv[1:] or [""])[0]
TEXT = "rehearsal stand-in for %s" % SERVICE


def page(request):
    if request.place == "/":
        raise Answer(
            200, ("<!doctype html><title>%s</title><h1>REHEARSAL</h1>" % TEXT).encode(), "text/html; charset=utf-8"
        )


def allure(request):
    if request.place == "/allure-docker-service/version":
        fine(request)


def gpus(request):
    """The counters of dcgm-exporter 4.5 that the stack's own list asks for."""
    if request.place == "/metrics":
        names = ("GPU_UTIL", "GPU_TEMP", "POWER_USAGE", "FB_USED", "FB_FREE", "XID_ERRORS")
        lines = ['DCGM_FI_DEV_%s{gpu="%d",stand_in="yes"} 0' % (name, gpu) for name in names for gpu in (0, 1)]
        raise Answer(200, "\n".join([*lines, ""]).encode(), "text/plain")
    if request.place == "/health":
        fine(request)


def grafana(request):
    """Source: Grafana 13, pkg/api: health, metrics and the login page are open, the rest of the API is not."""
    acts = {"/api/health": fine, "/metrics": metrics, "/login": lambda _: fine(_)}
    acts.get(request.place, lambda _: None)(request)
    right = "admin:%s" % os.environ.get("GF_SECURITY_ADMIN_PASSWORD", "admin")
    if request.headers.get("Authorization") != "Basic " + base64.b64encode(right.encode()).decode():
        if request.place.startswith("/api/"):
            raise Answer(401, {"message": "Invalid username or password", "statusCode": 401})
    elif request.place == "/api/user":
        raise Answer(200, {"login": "admin"})


# service -> its ports, and what answers there
SERVICES = {
    "allure": ((5050,), allure),
    "dcgm-exporter": ((9400,), gpus),
    "elasticsearch": ((9200,), elk.elasticsearch),
    "filebeat": ((), page),
    "grafana": ((3000,), grafana),
    "kibana": ((5601,), elk.kibana),
    "logstash": ((5044, 9600), elk.logstash),
    "n8n": ((5678,), n8n.answer),
    "openwebui": ((8080,), webui.answer),
    "qdrant": ((6333, 6334), qdrant.answer),
    "vllm": ((8000,), vllm.answer),
}
QUIET = ("/health", "/ready", "/livez", "/metrics")


class Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # as servers do: else an answer in two parts waits 40 ms for the caller
    protocol_version = "HTTP/1.1"
    server_version = "opskit-rehearsal"

    def respond(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.place, self.port = self.path.split("?")[0], self.server.server_port
        try:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                self.close_connection = True
                raise Answer(411, {"error": "%s wants a Content-Length" % TEXT})
            SERVICES[SERVICE][1](self)
            page(self)
            raise Answer(404, {"error": "%s has no %s %s" % (TEXT, self.command, self.path)})
        except Answer as answer:
            self.send_response(answer.status)
            for name, value in {
                **answer.headers,
                "Content-Type": answer.kind,
                "X-Opskit": "rehearsal stand-in",
            }.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = respond

    def log_message(self, form, *words):
        if not getattr(self, "path", "").startswith(QUIET):
            print("%s %s" % (self.address_string(), form % words), flush=True)


class Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request, client_address):
        print("%s: %r" % (client_address[0], sys.exc_info()[1]), flush=True)  # a caller that hung up is no traceback


def main():
    if SERVICE not in SERVICES:
        sys.exit("the rehearsal has no stand-in for %r; it has those of: %s" % (SERVICE, ", ".join(SERVICES)))
    vllm.ARGUMENTS[:] = sys.argv[2:]
    webui.begin()
    ports = SERVICES[SERVICE][0]
    servers = [Server(("", port), Handler) for port in ports]
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    logs.begin(SERVICE)
    print("%s, ports %s" % (TEXT, list(ports)), flush=True)
    ended.wait()


if __name__ == "__main__":
    main()
