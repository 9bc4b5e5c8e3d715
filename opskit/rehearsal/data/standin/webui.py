"""Open WebUI, as far as its API is used: sign in, models and chat, which go on to LiteLLM.

Source: Open WebUI 0.11.4, routers/auths.py, main.py and utils/middleware.py: a session's chat carries the built-in tools
(25, 18,170 characters) unless the model's function_calling is `legacy`.
"""

import json
import secrets

from answer import Answer, fetch, fine, given, read_json, true

SESSIONS = {}
USERS = {}
TOOL = {"type": "function", "function": {"name": "tool", "description": "x" * 640, "parameters": {"type": "object"}}}
PAGE = b"<!doctype html><title>Open WebUI</title><h1>REHEARSAL</h1><p>rehearsal stand-in for openwebui"


def begin():
    if given("WEBUI_ADMIN_EMAIL") and given("WEBUI_ADMIN_PASSWORD"):
        USERS[given("WEBUI_ADMIN_EMAIL")] = (given("WEBUI_ADMIN_PASSWORD"), "admin")


def answer(request):
    if request.place == "/":
        raise Answer(200, PAGE, "text/html; charset=utf-8")
    if request.place in ("/health", "/ready"):
        fine(request)
    if request.place == "/api/v1/auths/signin":
        body = read_json(request)
        password, role = USERS.get(body.get("email"), (None, None))
        if password is None or password != body.get("password"):
            raise Answer(400, {"detail": "The email or password provided is incorrect. Please check for typos."})
        enter(body["email"], role)
    if request.place == "/api/v1/auths/signup":
        sign_up(read_json(request))
    user = SESSIONS.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if request.place.startswith("/api/") and user is None:
        raise Answer(401, {"detail": "Not authenticated"})
    if request.place == "/api/models":
        models(user)
    if request.place == "/api/chat/completions":
        chat(read_json(request))


def sign_up(body):
    if USERS and not true("ENABLE_SIGNUP"):
        raise Answer(403, {"detail": "You do not have permission to access this resource."})
    if "@" not in body.get("email", ""):
        raise Answer(400, {"detail": "The email format you entered is invalid."})
    role = given("DEFAULT_USER_ROLE", "pending") if USERS else "admin"
    USERS[body["email"]] = (body["password"], role)
    enter(body["email"], role)


def enter(email, role):
    token = secrets.token_hex(16)
    SESSIONS[token] = role
    raise Answer(200, {"token": token, "token_type": "Bearer", "email": email, "role": role})


def gateway(method, path, body=None):
    headers = {"Authorization": "Bearer " + given("OPENAI_API_KEYS"), "Content-Type": "application/json"}
    return fetch("litellm", 4000, method, path, body, headers)


def models(role):
    status, body, _ = gateway("GET", "/v1/models")
    listed = json.loads(body)["data"] if status == 200 else []
    raise Answer(200, {"data": listed if role == "admin" or true("BYPASS_MODEL_ACCESS_CONTROL") else []})


def chat(body):
    parameters = json.loads(given("DEFAULT_MODEL_PARAMS", "{}"))
    if "session_id" in body and parameters.get("function_calling") != "legacy":
        body["tools"] = [TOOL] * 25
    body.pop("session_id", None)
    status, reply, kind = gateway("POST", "/v1/chat/completions", json.dumps(body))
    if status != 200:
        raise Answer(400 if status else 500, {"detail": reply.decode("utf-8", "replace")})
    raise Answer(200, reply, kind)
