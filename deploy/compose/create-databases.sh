#!/bin/sh
# Run by the postgres image at its first start: two databases, owned by a role that may do nothing else.
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set=password="$APP_PASSWORD" <<'SQL'
CREATE ROLE strava LOGIN PASSWORD :'password';
CREATE DATABASE strava OWNER strava;
CREATE DATABASE dagster OWNER strava;
-- Compiling a view's query takes as long as the query does.
ALTER DATABASE strava SET jit = off;
ALTER DATABASE dagster SET jit = off;
REVOKE CONNECT ON DATABASE strava, dagster FROM PUBLIC;
SQL
