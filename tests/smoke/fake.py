"""Small servers that refuse what the real programs refuse, with a fault put in on demand; each says its source."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "the-key-that-it-has"


@dataclass
class Request:
    method: str
    path: str
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer(Exception):  # noqa: N818
    status: int
    body: object = ""
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def served(answer: Callable[[Request], None]) -> Iterator[str]:
    """Serve a function, which raises its Answer; 404 where it raises none."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                answer(Request(self.command, self.path.split("?")[0], self.headers, body))
                raise Answer(404, {"detail": "Not Found"})  # noqa: TRY301
            except Answer as given:
                sent = given.body if isinstance(given.body, str | bytes) else json.dumps(given.body)
                self.send_response(given.status)
                for name, value in given.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent.encode() if isinstance(sent, str) else sent)

        do_GET = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815  the names http.server calls

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Qdrant:
    """Source: the OpenAPI description of Qdrant 1.19 and its answer to a request without a key."""

    def __init__(self) -> None:
        self.collections: dict[str, list[Any]] = {}
        self.fault = ""

    def __call__(self, request: Request) -> None:
        if request.headers["api-key"] != KEY and self.fault != "unguarded":
            raise Answer(401, "Must provide an API key or an Authorization bearer token")
        match request.method, request.path.strip("/").split("/")[1:]:
            case "GET", []:
                raise Answer(200, {"result": {"collections": [{"name": name} for name in self.collections]}})
            case "PUT", [name]:
                self.collections[name] = []
                raise Answer(200, {"result": True})
            case "PUT", [name, "points"]:
                self.collections[name] += request.json["points"]
                raise Answer(200, {"result": {"status": "completed"}})
            case "POST", [name, "points", "query"]:
                points = [] if self.fault == "forgets" else self.collections[name]
                raise Answer(200, {"result": {"points": points}})
            case "DELETE", [name]:
                if self.fault == "keeps":
                    raise Answer(500, {"status": {"error": "disk full"}})
                del self.collections[name]
                raise Answer(200, {"result": True})


class Webui:
    """Source: the routes of Open WebUI 0.11.4, main.py and routers/auths.py."""

    def __init__(self) -> None:
        self.fault = ""
        self.asked: list[Request] = []
        self.users = ["admin@opskit.local"]

    def __call__(self, request: Request) -> None:
        self.asked.append(request)
        match request.method, request.path:
            case "POST", "/api/v1/auths/signin":
                if request.json != {"email": self.users[0], "password": KEY}:
                    raise Answer(400, {"detail": "The email or password provided is incorrect."})
                raise Answer(200, {"token": "a-token"})
            case "POST", "/api/v1/auths/signup":
                if self.fault != "open":
                    raise Answer(403, {"detail": "You do not have permission to access this resource."})
                if "@" not in request.json["email"]:
                    raise Answer(400, {"detail": "The email format you entered is invalid."})
                self.users.append(request.json["email"])
                raise Answer(200, {})
        if request.headers["Authorization"] != "Bearer a-token":
            raise Answer(401, {"detail": "Not authenticated"})
        match request.method, request.path:
            case "GET", "/api/models":
                raise Answer(200, {"data": [] if self.fault == "no model" else [{"id": "local-llm"}]})
            case "POST", "/api/chat/completions":
                if self.fault == "tools" and "session_id" in request.json:
                    raise Answer(400, {"detail": '"auto" tool choice requires --enable-auto-tool-choice'})
                text = "" if self.fault == "silent" else "Yes"
                parts = [{"choices": [{"delta": {"role": "assistant"}}]}, {"choices": [{"delta": {"content": text}}]}]
                lines = [f"data: {json.dumps(part)}\n\n" for part in parts]
                raise Answer(200, "".join([*lines, "data: [DONE]\n\n"]))


class N8n:
    """Source: workflows.controller, workflow.service and auth.controller of n8n 2.41.1."""

    def __init__(self) -> None:
        self.fault = ""
        self.flows: dict[str, dict[str, Any]] = {}

    def __call__(self, request: Request) -> None:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["healthz", "readiness"]:
                raise Answer(503 if self.fault == "not ready" else 200, {"status": "ok"})
            case "POST", ["rest", "login"]:
                if request.json != {"emailOrLdapLoginId": "admin@opskit.local", "password": KEY}:
                    raise Answer(401, {"code": 401, "message": "Wrong username or password."})
                raise Answer(200, {"data": {"id": "1"}}, {"Set-Cookie": "n8n-auth=a-cookie; HttpOnly"})
            case "POST", ["webhook", path]:
                flow = next((f for f in self.flows.values() if f["active"] and f["path"] == path), None)
                if flow is None or self.fault == "webhook off":
                    raise Answer(
                        404, {"code": 404, "message": f'The requested webhook "POST {path}" is not registered.'}
                    )
                raise Answer(200, {"body": request.json})
        if request.headers["Cookie"] != "n8n-auth=a-cookie":
            raise Answer(401, {"status": "error", "message": "Unauthorized"})
        self._workflows(request)

    def _workflows(self, request: Request) -> None:
        match request.method, request.path.strip("/").split("/")[2:]:
            case "POST", []:
                node = request.json["nodes"][0]
                made = {"id": "7", "versionId": "v1", "active": False, "archived": False}
                self.flows["7"] = {**made, "path": node["parameters"]["path"]}
                raise Answer(200, {"data": made})
            case "POST", [flow, "activate"]:
                if request.json != {"versionId": "v1"}:
                    raise Answer(400, {"message": "versionId: Required"})
                self.flows[flow]["active"] = True
            case "POST", [flow, "deactivate"]:
                self.flows[flow]["active"] = False
            case "POST", [flow, "archive"]:
                self.flows[flow].update(active=False, archived=True)
            case "DELETE", [flow]:
                if not self.flows[flow]["archived"]:
                    raise Answer(400, {"message": "Workflow must be archived before it can be deleted."})
                del self.flows[flow]
        raise Answer(200, {"data": True})
