"""The way of a log line in a rehearsal: Filebeat reads it, Logstash files it under its service, Elasticsearch keeps it.

Between the stand-ins a batch of lines is JSON over HTTP, not Filebeat's own protocol.
"""

import base64
import collections
import glob
import http.client
import json
import os
import re
import threading
import time

LOGS = "/var/lib/docker/containers/*/*.log"
KEPT = collections.deque(maxlen=20000)
"""What Elasticsearch keeps: the last lines alone."""
INDEX = "logs-stack-default"


def basic(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()


def post(host, port, path, body, headers):
    link = http.client.HTTPConnection(host, port, timeout=5)
    try:
        link.request("POST", path, body, headers)
        return link.getresponse().status
    except OSError:
        return 0
    finally:
        link.close()


def ship():
    """Filebeat: send the lines of this project's containers on, and read on only where they were taken."""
    project, places = os.environ["PROJECT"] + "-", {}
    while True:
        for name in glob.glob(LOGS):
            try:
                with open(name, "rb") as file:
                    file.seek(places.get(name, 0))
                    lines = [line for line in file if line.endswith(b"\n")]
            except OSError:  # the container is gone
                continue
            batch = [line for line in map(read, lines) if line and line["tag"].startswith(project)]
            if not batch or post("logstash", 5044, "/", json.dumps(batch), {}) == 200:
                places[name] = places.get(name, 0) + sum(map(len, lines))
        time.sleep(1)


def read(line):
    try:
        entry = json.loads(line)
        return {"message": entry["log"].rstrip("\n"), "tag": entry["attrs"]["tag"]}
    except (ValueError, KeyError):
        return None


def file_lines(request):
    """Logstash: the service of each line by its tag, then on to Elasticsearch as the user that writes there."""
    tag = re.compile("^%s-(?P<service>.+)-[0-9]+$" % re.escape(os.environ["PROJECT"]))
    lines = []
    for entry in json.loads(request.body):
        found = tag.match(entry["tag"])
        document = {"message": entry["message"], "service": {"name": found["service"]} if found else {}}
        lines += [json.dumps({"create": {}}), json.dumps(document)]
    key = basic("logstash_writer", os.environ.get("LOGSTASH_PASSWORD", ""))
    headers = {"Authorization": key, "Content-Type": "application/x-ndjson"}
    return post("elasticsearch", 9200, "/%s/_bulk" % INDEX, "\n".join([*lines, ""]), headers)


def bulk(request):
    """Elasticsearch: keep every second line, the documents."""
    KEPT.extend(json.loads(line) for line in request.body.decode().splitlines()[1::2])
    return {"errors": False}


def search(request):
    """Elasticsearch: the documents whose message holds a phrase; another query is not understood here."""
    phrase = json.loads(request.body)["query"]["match_phrase"]["message"]
    hits = [{"_index": INDEX, "_source": one} for one in list(KEPT) if phrase in one["message"]]
    return {"hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits[:10]}}


def begin(service):
    if service == "filebeat":
        threading.Thread(target=ship, daemon=True).start()
