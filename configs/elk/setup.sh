#!/bin/bash
# The users of the ELK stack: Kibana's password, and Logstash's own role and user. Passwords come from the environment and
# reach curl by files that are pipes, so that no argument list shows one. Safe to run again.
set -euo pipefail

quote() {  # a string as JSON and curl's configuration write it
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

ask() {  # METHOD PATH BODY
  curl --config <(printf 'user = %s\n' "$(quote "elastic:$ELASTIC_PASSWORD")") --data @<(printf '%s' "$3") \
    -fsS -o /dev/null -X "$1" -H 'Content-Type: application/json' "http://elasticsearch:9200/$2"
  echo "set $2"
}

ask POST _security/user/kibana_system/_password "{\"password\": $(quote "$KIBANA_PASSWORD")}"
ask PUT _security/role/logstash_writer '{"cluster": ["monitor", "manage_index_templates"],
  "indices": [{"names": ["logs-*"], "privileges": ["auto_configure", "create_doc", "create_index", "view_index_metadata"]}]}'
ask PUT _security/user/logstash_writer "{\"password\": $(quote "$LOGSTASH_PASSWORD"), \"roles\": [\"logstash_writer\"]}"
