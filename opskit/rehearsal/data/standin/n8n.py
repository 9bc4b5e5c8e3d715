"""n8n, as far as its REST API and its webhooks are used; its database must let it in.

Source: n8n 2.41.1, auth.controller, workflows.controller and the webhook service.
"""

import crypt
import secrets

from answer import Answer, fine, given, metrics, postgres, read_json, true

FLOWS = {}
SESSIONS = set()
PAGE = b"<!doctype html><title>n8n</title><h1>REHEARSAL</h1><p>rehearsal stand-in for n8n"


def answer(request):
    parts = request.place.strip("/").split("/")
    if request.place == "/":
        raise Answer(200, PAGE, "text/html; charset=utf-8")
    if request.place == "/healthz":
        fine(request)
    if request.place == "/healthz/readiness":
        refused = database()
        raise Answer(503 if refused else 200, {"status": "error" if refused else "ok", "error": refused})
    if request.place == "/metrics" and true("N8N_METRICS"):
        metrics(request)
    if parts[0] == "webhook":
        call(request, "/".join(parts[1:]))
    if parts[0] == "rest":
        rest(request, parts[1:])


def database():
    names = ("HOST", "PORT", "DATABASE", "USER", "PASSWORD")
    return postgres(*(given("DB_POSTGRESDB_" + name) for name in names))


def call(request, path):
    flow = next((flow for flow in FLOWS.values() if flow["active"] and flow["path"] == path), None)
    if flow is None or true("N8N_DISABLE_PRODUCTION_MAIN_PROCESS"):
        text = 'The requested webhook "%s %s" is not registered.' % (request.command, path)
        raise Answer(404, {"code": 404, "message": text})
    raise Answer(200, {"body": read_json(request)})


def rest(request, parts):
    if parts == ["login"] and request.command == "POST":
        body, right = read_json(request), given("N8N_INSTANCE_OWNER_PASSWORD_HASH")
        named = body.get("emailOrLdapLoginId") == given("N8N_INSTANCE_OWNER_EMAIL")
        if not named or crypt.crypt(body.get("password", ""), right) != right:
            raise Answer(401, {"code": 401, "message": "Wrong username or password. Do you have caps lock on?"})
        cookie = "n8n-auth=" + secrets.token_hex(16)
        SESSIONS.add(cookie)
        raise Answer(200, {"data": {"id": "1"}}, headers={"Set-Cookie": cookie + "; Path=/; HttpOnly; SameSite=Lax"})
    if request.headers.get("Cookie") not in SESSIONS:
        raise Answer(401, {"status": "error", "message": "Unauthorized"})
    if parts[0] == "workflows":
        workflow(request, parts[1:])


def workflow(request, parts):
    if request.command == "POST" and not parts:
        body, number = read_json(request), secrets.token_hex(8)
        made = {"id": number, "versionId": secrets.token_hex(8), "active": False, "isArchived": False}
        FLOWS[number] = {**made, "path": body["nodes"][0]["parameters"]["path"]}
        raise Answer(200, {"data": {**body, **made}})
    flow = FLOWS.get(parts[0] if parts else "")
    if flow is None:
        raise Answer(404, {"code": 404, "message": "Could not find the workflow"})
    act = (request.command, parts[1:])
    if act == ("POST", ["activate"]):
        if read_json(request).get("versionId") != flow["versionId"]:
            raise Answer(400, {"code": 400, "message": "versionId: Required"})
        flow["active"] = True
    elif act == ("POST", ["deactivate"]):
        flow["active"] = False
    elif act == ("POST", ["archive"]):
        flow.update(active=False, isArchived=True)
    elif act == ("DELETE", []):
        if not flow["isArchived"]:
            raise Answer(400, {"code": 400, "message": "Workflow must be archived before it can be deleted."})
        del FLOWS[flow["id"]]
    else:
        return
    raise Answer(200, {"data": True})
