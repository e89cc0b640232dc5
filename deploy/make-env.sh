#!/bin/sh
# Writes .env with random passwords for docker-compose.yaml; leaves one that is there alone.
set -eu
cd "$(dirname "$0")/.."
if [ -e .env ]; then
    echo "error: .env is there already, so nothing was written. Its passwords belong to the volumes' data." >&2
    exit 1
fi
umask 077
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
{
    echo "# Your Strava API application: https://www.strava.com/settings/api"
    echo "STRAVA_CLIENT_ID="
    echo "STRAVA_CLIENT_SECRET="
    echo "STRAVA_START_DATE=2024-01-01"
    echo
    echo "# Made for this machine; keep them as long as you keep the volumes."
    for name in POSTGRES_PASSWORD POSTGRES_APP_PASSWORD REDIS_PASSWORD MINIO_ROOT_PASSWORD; do
        echo "$name=$(random)"
    done
} > .env
echo "Wrote .env, readable by you only. Fill in STRAVA_CLIENT_ID and STRAVA_CLIENT_SECRET, then: docker compose up -d"
