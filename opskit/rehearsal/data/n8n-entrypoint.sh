#!/bin/sh
# REHEARSAL stand-in for the n8n image's own entrypoint. As n8n 2.41, it refuses an owner without a bcrypt hash.
if [ "$N8N_INSTANCE_OWNER_MANAGED_BY_ENV" = true ]; then
  printf %s "$N8N_INSTANCE_OWNER_PASSWORD_HASH" | grep -qE '^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$' || {
    echo "REHEARSAL n8n: N8N_INSTANCE_OWNER_PASSWORD_HASH is not a valid bcrypt hash" >&2
    exit 1
  }
fi
exec python3 /usr/local/lib/standin n8n
