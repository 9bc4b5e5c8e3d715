#!/bin/bash
# Rehearsal: starts Debian's own PostgreSQL and Redis the way the upstream images are started, for what the stack uses of it.
set -euo pipefail

# Root hands a folder over and goes on, in this script again, as the service's own user.
become() {
  local user=$1 folder=$2; shift 2
  [ "$(id -u)" = 0 ] || return 0
  mkdir -p "$folder"
  chown -R "$user:$user" "$folder"
  exec setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs -- "$0" "$@"
}

start_redis() {
  become redis /data "$@"
  cd /data
  exec "$@"
}

# Makes a database in a folder of its own; only a whole one is moved into the data folder, PG_VERSION last. So a data
# folder with PG_VERSION is complete, and nothing that was not made here is ever deleted.
initialise() {
  local half=$PGDATA/.half whole=$PGDATA/.whole file
  if [ ! -e "$whole" ]; then
    [ -n "${POSTGRES_PASSWORD:-}" ] || { echo "POSTGRES_PASSWORD is empty: refusing to start" >&2; exit 1; }
    if [ -n "$(find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name .half ! -name lost+found)" ]; then
      echo "$PGDATA holds files but no PG_VERSION: not a database, and not empty; refusing to touch it" >&2; exit 1
    fi
    rm -rf "$half"
    initdb -D "$half" --no-sync --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
      --encoding=UTF8 --auth-local=trust --auth-host=scram-sha-256 >/dev/null
    printf 'host all all all scram-sha-256\n' >> "$half/pg_hba.conf"
    # This server listens on its socket only: a probe over TCP sees nothing before the real one.
    pg_ctl -D "$half" --wait --silent -o "-c listen_addresses='' -c jit=off -c fsync=off" start
    export PGUSER=$POSTGRES_USER PGDATABASE=$POSTGRES_DB
    [ "$POSTGRES_DB" = postgres ] || createdb --maintenance-db=postgres "$POSTGRES_DB"
    for file in /docker-entrypoint-initdb.d/*; do
      case "$file" in
        *.sh) echo "running $file"; if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) echo "running $file"; psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file "$file" ;;
      esac
    done
    pg_ctl -D "$half" --wait --silent --mode=fast stop
    unset PGUSER PGDATABASE
    initdb -D "$half" --sync-only >/dev/null
    mv "$half" "$whole"
  fi
  find "$whole" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
  mv "$whole/PG_VERSION" "$PGDATA"
  rmdir "$whole"
}

start_postgres() {
  local major
  major=$(postgres --version | grep -oE '[0-9]+' | head -n 1)
  export PGDATA=${PGDATA:-/var/lib/postgresql/$major/docker} POSTGRES_USER=${POSTGRES_USER:-postgres}
  export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
  [ "$(id -u)" != 0 ] || install -d -o postgres -g postgres /var/run/postgresql
  become postgres "$PGDATA" "$@"
  chmod 700 "$PGDATA"
  [ -s "$PGDATA/PG_VERSION" ] || initialise
  if [ "$(cat "$PGDATA/PG_VERSION")" != "$major" ]; then
    echo "$PGDATA is of PostgreSQL $(cat "$PGDATA/PG_VERSION"), the rehearsal's is $major: refusing to start" >&2; exit 1
  fi
  shift
  exec postgres -c listen_addresses='*' -c jit=off "$@"
}

case "${1:-}" in
  redis-server) start_redis "$@" ;;
  postgres) start_postgres "$@" ;;
  *) exec "$@" ;;
esac
