"""Elasticsearch, Kibana and Logstash, as far as a line of a log goes through them.

Source: the security API of Elasticsearch 9.5: no answer without a user, 400 for a body that is no JSON.
"""

import json
import os

import logs
from answer import Answer, fetch, fine

MADE = {}


def elasticsearch(request):
    """Its users: `elastic` from the environment, others as they are made."""
    users = {"elastic": os.environ.get("ELASTIC_PASSWORD", ""), **MADE}
    if request.headers.get("Authorization") not in {logs.basic(*pair) for pair in users.items()}:
        raise Answer(401, {"error": {"type": "security_exception", "reason": "missing authentication credentials"}})
    parts = request.place.strip("/").split("/")
    for name, act in (("_bulk", logs.bulk), ("_search", logs.search)):
        if parts[1:] == [name]:
            raise Answer(200, act(request))
    if request.command in ("PUT", "POST") and request.body:
        try:
            body = json.loads(request.body)
        except ValueError as error:
            raise Answer(400, {"error": {"type": "x_content_parse_exception", "reason": str(error)}, "status": 400})
        if parts[:2] == ["_security", "user"]:
            MADE[parts[2]] = body["password"]
    fine(request)


def logs_in(user, password):
    """A readiness that is true: Elasticsearch takes the user and the password this service was given."""

    def check(_):
        headers = {"Authorization": logs.basic(user, os.environ.get(password, ""))}
        status, body, _ = fetch("elasticsearch", 9200, "GET", "/_security/_authenticate", headers=headers)
        if status != 200:
            text = body.decode("utf-8", "replace")
            raise Answer(503, {"status": "not ready", "needs": "elasticsearch", "error": "%d %s" % (status, text)})
        fine(_)

    return check


def kibana(request):
    if request.place == "/api/status":
        logs_in("kibana_system", "ELASTICSEARCH_PASSWORD")(request)


def logstash(request):
    """9600 is its API; 5044 is where Filebeat sends, taken where Elasticsearch has taken it."""
    if request.port == 9600 and request.place == "/_node/stats":
        logs_in("logstash_writer", "LOGSTASH_PASSWORD")(request)
    if request.port == 5044:
        raise Answer(200 if logs.file_lines(request) == 200 else 503)
