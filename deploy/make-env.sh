#!/bin/sh
# Writes .env with random passwords for docker-compose.yaml; to one that is there it only adds what a new version needs.
#
#   deploy/make-env.sh               for your own Strava API application
#   deploy/make-env.sh --simulated   to try everything without a Strava account
set -eu
cd "$(dirname "$0")/.."
case "${1:-}" in
    '' | --simulated) ;;
    *) echo "error: unknown option $1. Usage: deploy/make-env.sh [--simulated]" >&2; exit 2 ;;
esac
umask 077
trap 'rm -f .env.new' EXIT
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# Passwords that came with a later version, and belong to no data yet.
later="REDIS_WEBHOOK_PASSWORD S3_PASSWORD"
if [ -e .env ]; then
    grep -q '^REDIS_PASSWORD=' .env || {
        echo "error: .env is there already, and not of this script, so nothing was written. Move it away first." >&2
        exit 1
    }
    added=
    for name in $later; do
        grep -q "^$name=" .env || added="$added $name"
    done
    if [ -z "$added" ]; then
        echo ".env has all that this version needs: nothing was written. Its passwords belong to the volumes' data."
        exit
    fi
    profiles=
    case "$added" in *S3_PASSWORD*)
        # A version with MinIO, which serves its objects once more: s3-upgrade in docker-compose.yaml.
        if grep -q '^MINIO_ROOT_PASSWORD=' .env; then
            profiles=$(sed -n 's/^COMPOSE_PROFILES=//p' .env | tr -d "\"' " | tail -n 1)
            profiles=${profiles:+$profiles,}minio
        fi ;;
    esac
    {
        if [ -n "$profiles" ]; then grep -v '^COMPOSE_PROFILES=' .env; echo "COMPOSE_PROFILES=$profiles"; else cat .env; fi
        [ -n "$profiles" ] || [ -z "$(tail -c 1 .env)" ] || echo
        for name in $added; do echo "$name=$(random)"; done
    } > .env.new
    mv .env.new .env
    echo "Added to .env what this version needs:$added. Now: docker compose up -d --build"
    exit
fi
{
    if [ "${1:-}" = --simulated ]; then
        echo "# A simulated Strava, started with the rest. oauthlib refuses its plain http unless it is told."
        echo "COMPOSE_PROFILES=simulator"
        echo "STRAVA_CLIENT_ID=1"
        echo "STRAVA_CLIENT_SECRET=simulated"
        echo "STRAVA_BASE_URL=http://simulator:8888"
        echo "OAUTHLIB_INSECURE_TRANSPORT=1"
    else
        echo "# Your Strava API application: https://www.strava.com/settings/api"
        echo "STRAVA_CLIENT_ID="
        echo "STRAVA_CLIENT_SECRET="
    fi
    echo "STRAVA_START_DATE=2024-01-01"
    echo
    echo "# Made for this machine; keep them as long as you keep the volumes."
    for name in POSTGRES_PASSWORD POSTGRES_APP_PASSWORD REDIS_PASSWORD $later; do
        echo "$name=$(random)"
    done
} > .env.new
mv .env.new .env
if [ "${1:-}" = --simulated ]; then
    echo "Wrote .env, readable by you only. Now: docker compose up -d, and later open http://127.0.0.1:3000"
else
    echo "Wrote .env, readable by you only. Fill in STRAVA_CLIENT_ID and STRAVA_CLIENT_SECRET, then: docker compose up -d"
fi
