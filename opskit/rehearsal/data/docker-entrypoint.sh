#!/bin/bash
# Rehearsal: starts Debian's own PostgreSQL or Redis the way the upstream images are started, for what the stack uses of it.
set -euo pipefail

as() { exec setpriv --reuid "$1" --regid "$1" --init-groups --no-new-privs -- "${@:2}"; }

start_redis() {
  mkdir -p /data
  chown -R redis:redis /data
  cd /data
  as redis "$@"
}

# PostgreSQL: a data folder is complete only when the file that says so is in it; a half-made one is made again.
start_postgres() {
  local bin major user=${POSTGRES_USER:-postgres} db
  bin=$(echo /usr/lib/postgresql/*/bin)
  major=${bin#/usr/lib/postgresql/}; major=${major%/bin}
  db=${POSTGRES_DB:-$user}
  export PATH="$bin:$PATH" PGDATA=${PGDATA:-/var/lib/postgresql/$major/docker}
  mkdir -p "$PGDATA" /var/run/postgresql
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  if [ ! -e "$PGDATA/.opskit-complete" ]; then
    [ -z "${POSTGRES_PASSWORD:-}" ] && { echo "POSTGRES_PASSWORD is empty: refusing to start" >&2; exit 1; }
    find "$PGDATA" -mindepth 1 -delete
    setpriv --reuid postgres --regid postgres --init-groups -- \
      initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256 >/dev/null
    printf 'host all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
    # The server of the initialisation listens on the socket only: a probe over TCP sees only the real one.
    setpriv --reuid postgres --regid postgres --init-groups -- pg_ctl --wait --silent \
      -o "-c listen_addresses='' -c jit=off" start >/dev/null
    [ "$db" = postgres ] || psql -v ON_ERROR_STOP=1 -q -U "$user" -d postgres -c "CREATE DATABASE \"$db\""
    for file in /docker-entrypoint-initdb.d/*; do
      case "$file" in
        *.sh) echo "running $file"; . "$file" ;;
        *.sql) echo "running $file"; psql -v ON_ERROR_STOP=1 -q -U "$user" -d "$db" -f "$file" ;;
      esac
    done
    setpriv --reuid postgres --regid postgres --init-groups -- pg_ctl --wait --silent -m fast stop
    touch "$PGDATA/.opskit-complete"
  fi
  shift
  as postgres postgres -c listen_addresses='*' -c jit=off "$@"
}

case "${1:-}" in
  redis-server) start_redis "$@" ;;
  postgres) start_postgres "$@" ;;
  *) exec "$@" ;;
esac
