#!/usr/bin/env bash
# The part of the official image's contract that docker-compose.yml relies on: POSTGRES_PASSWORD (required),
# POSTGRES_USER, POSTGRES_DB, POSTGRES_INITDB_ARGS, PGDATA, /docker-entrypoint-initdb.d/*.{sql,sh}.
set -euo pipefail

case "${1:-postgres}" in
    --help) echo "usage: docker-entrypoint.sh [postgres [OPTION...] | COMMAND...]"; exit 0 ;;
    -*) set -- postgres "$@" ;;
    postgres) ;;
    *) exec "$@" ;;
esac

if [ "$(id -u)" = 0 ]; then
    install -d -o postgres -g postgres -m 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"
socket=/var/run/postgresql

first_start() {
    : "${POSTGRES_PASSWORD:?must be set before the first start}"
    mkdir -p "$PGDATA" && chmod 0700 "$PGDATA"
    # shellcheck disable=SC2086  # POSTGRES_INITDB_ARGS is a list of options by contract
    initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --encoding=UTF8 \
        --auth-local=trust --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    # Initialised over the socket only, so that nobody can take a half-made database for a ready one.
    pg_ctl -w start -o "-c listen_addresses='' -c unix_socket_directories=$socket"
    if [ "$database" != postgres ]; then
        createdb -h "$socket" -U "$user" "$database"
    fi
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case "$script" in
            *.sql) psql -X -v ON_ERROR_STOP=1 -h "$socket" -U "$user" -d "$database" -f "$script" ;;
            *.sh) bash "$script" ;;
        esac
    done
    pg_ctl -w -m fast stop
}

[ -s "$PGDATA/PG_VERSION" ] || first_start
# As an argument, as the official image has it in its sample configuration: later options still win.
exec postgres -c listen_addresses='*' -c "unix_socket_directories=$socket" "${@:2}"
