#!/bin/sh
# Postgres in /var/lib/services, made on first start. Needs POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB.
set -eu
data=/var/lib/services/postgres
if [ ! -s "$data/PG_VERSION" ]; then
  umask 077
  printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$data.new" -U "$POSTGRES_USER" --pwfile=/tmp/password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 >/dev/null
  rm -f /tmp/password
  echo 'host all all all scram-sha-256' >>"$data.new/pg_hba.conf"
  postgres --single -D "$data.new" -j postgres >/dev/null <<SQL
CREATE DATABASE "$POSTGRES_DB"
SQL
  # Whole or not at all: a first start that was cut off begins again.
  mv "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
