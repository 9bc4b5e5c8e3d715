#!/bin/bash
# The users of the ELK stack: Kibana's password, and Logstash's own role and user. Passwords come from the environment and
# reach curl by standard input, so that no argument list shows one. Safe to run again.
set -euo pipefail

ask() {  # METHOD PATH BODY
  printf 'user = "elastic:%s"\ndata = "%s"\n' "$ELASTIC_PASSWORD" "${3//\"/\\\"}" |
    curl --config - -fsS -o /dev/null -X "$1" -H 'Content-Type: application/json' "http://elasticsearch:9200/$2"
  echo "set $2"
}

ask POST _security/user/kibana_system/_password "{\"password\": \"$KIBANA_PASSWORD\"}"
ask PUT _security/role/logstash_writer '{"cluster": ["monitor", "manage_index_templates"],
  "indices": [{"names": ["logs-*"], "privileges": ["auto_configure", "create_doc", "create_index", "view_index_metadata"]}]}'
ask PUT _security/user/logstash_writer "{\"password\": \"$LOGSTASH_PASSWORD\", \"roles\": [\"logstash_writer\"]}"
