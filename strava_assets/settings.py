"""Every setting: its environment variable, default and meaning. Nothing else reads the environment.

Settings are read when `Settings.from_environment()` is called, never at import. A variable that is set
but empty counts as not set, as in a `.env` that was copied from `.env.example`.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from strava_assets.errors import ConfigurationError
from strava_assets.hours import Window, floor_to_hour


class Variable(NamedTuple):
    """One environment variable, as `.env.example` and the README's table show it."""

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable(
        "STRAVA_CLIENT_ID", "", "Your Strava API application's client id (the old name STRAVA_CLIENT is read too)"
    ),
    Variable("STRAVA_CLIENT_SECRET", "", "Your Strava API application's client secret"),
    Variable("STRAVA_BASE_URL", "https://www.strava.com", "`/oauth/...` hangs under it"),
    Variable("STRAVA_API_URL", "", "`/athlete/...` hangs under it; default `{STRAVA_BASE_URL}/api/v3`"),
    Variable("STRAVA_START_DATE", "2024-01-01", "Date of the first hourly partition (UTC midnight)"),
    Variable("STRAVA_LOOKBACK_DAYS", "30", "How many days the sensor and the hourly schedule look back"),
    Variable("STRAVA_CHANGES_INTERVAL", "900", "Seconds between two looks of the sensor for changes"),
    Variable("STRAVA_BUDGET_RESERVE", "0.25", "Share of Strava's request window that only the hourly run may use"),
    Variable(
        "STRAVA_MAX_DELETE_SHARE",
        "0.10",
        "A run that would delete a larger share of an athlete's rows (and more than 5) stops and asks",
    ),
    Variable(
        "STRAVA_RETENTION_DAYS",
        "",
        "Activities older than this are pruned from table and bucket; empty keeps everything",
    ),
    Variable(
        "STRAVA_ARCHIVE_RETENTION_DAYS",
        "",
        "The same for activities that only an imported bulk export has; empty keeps everything",
    ),
    Variable(
        "STRAVA_PURGE_ON_REVOKE",
        "auto",
        "`auto`: purge an athlete whose revocation is confirmed; `confirm`: wait for `strava-assets purge`",
    ),
    Variable(
        "STRAVA_WEBHOOK_VERIFY_TOKEN", "", "A random word that proves to Strava and to us that the webhook is ours"
    ),
    Variable("REDIS_URL", "redis://localhost:6379/0", "Token store, shared request budget, webhook events"),
    Variable("S3_BUCKET", "lifedata", "Bucket of the raw objects"),
    Variable("S3_PREFIX", "stravaact", "Prefix of the raw objects"),
    Variable(
        "AWS_ENDPOINT_URL_S3",
        "",
        "Any S3: empty for AWS, else MinIO, SeaweedFS, Garage, ... (the AWS SDK's own variable)",
    ),
    Variable("AWS_ACCESS_KEY_ID", "", "The AWS SDK's own variable"),
    Variable("AWS_SECRET_ACCESS_KEY", "", "The AWS SDK's own variable"),
    Variable("AWS_DEFAULT_REGION", "us-east-1", "The AWS SDK's own variable"),
    Variable(
        "DATABASE_URL",
        "postgresql+psycopg2://postgres@localhost:5432/strava",
        "The database of the `strava_activity` table",
    ),
    Variable("DAGSTER_POSTGRES_URL", "", "Dagster's own storage; default: database `dagster` on the same server"),
    Variable(
        "STRAVA_WEB_HOSTS",
        "",
        "Host names, separated by commas, under which a reverse proxy serves Dagster's UI; loopback names always work",
    ),
)

DEFAULTS = {variable.name: variable.default for variable in VARIABLES}

OLD_NAMES = {"STRAVA_CLIENT_ID": "STRAVA_CLIENT"}
"""What the old DAG called a variable; read where the new name is absent."""


@dataclass(frozen=True)
class Settings:
    """All settings, checked and typed. `str()` of it shows no secret."""

    client_id: str
    client_secret: str
    base_url: str
    api_url: str
    start_date: datetime
    lookback: timedelta
    changes_interval_seconds: int
    budget_reserve: float
    max_delete_share: float
    retention: timedelta | None
    archive_retention: timedelta | None
    purge_on_revoke: Literal["auto", "confirm"]
    webhook_verify_token: str
    redis_url: str
    s3_bucket: str
    s3_prefix: str
    s3_endpoint_url: str | None
    database_url: URL
    dagster_postgres_url: URL
    web_hosts: frozenset[str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read and check all settings. Raises ConfigurationError, naming the variable, where one is unusable."""
        env = os.environ if environment is None else environment
        base_url = text(env, "STRAVA_BASE_URL").rstrip("/")
        database_url = parse_database_url(text(env, "DATABASE_URL"))
        dagster_url = text(env, "DAGSTER_POSTGRES_URL")
        return cls(
            client_id=text(env, "STRAVA_CLIENT_ID"),
            client_secret=text(env, "STRAVA_CLIENT_SECRET"),
            base_url=base_url,
            api_url=(text(env, "STRAVA_API_URL") or f"{base_url}/api/v3").rstrip("/"),
            start_date=_start_date(env),
            lookback=timedelta(days=_number(env, "STRAVA_LOOKBACK_DAYS", low=1, high=3650)),
            changes_interval_seconds=int(_number(env, "STRAVA_CHANGES_INTERVAL", low=5, high=86400)),
            budget_reserve=_number(env, "STRAVA_BUDGET_RESERVE", low=0, high=0.9),
            max_delete_share=_number(env, "STRAVA_MAX_DELETE_SHARE", low=0, high=1),
            retention=_retention(env, "STRAVA_RETENTION_DAYS"),
            archive_retention=_retention(env, "STRAVA_ARCHIVE_RETENTION_DAYS"),
            purge_on_revoke=_purge_on_revoke(env),
            webhook_verify_token=text(env, "STRAVA_WEBHOOK_VERIFY_TOKEN"),
            redis_url=text(env, "REDIS_URL"),
            s3_bucket=text(env, "S3_BUCKET"),
            s3_prefix=text(env, "S3_PREFIX").strip("/"),
            s3_endpoint_url=text(env, "AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or None,
            database_url=database_url,
            dagster_postgres_url=(
                parse_database_url(dagster_url, "DAGSTER_POSTGRES_URL")
                if dagster_url
                else database_url.set(database="dagster")
            ),
            web_hosts=_web_hosts(env),
        )

    def require_application(self) -> None:
        """Raise ConfigurationError unless a Strava API application is configured."""
        for name, value in (("STRAVA_CLIENT_ID", self.client_id), ("STRAVA_CLIENT_SECRET", self.client_secret)):
            if not value:
                raise ConfigurationError(
                    f"{name} is not set. Take it from https://www.strava.com/settings/api and put it into .env."
                )

    def first_hour(self, now: datetime) -> datetime:
        """The hour of the first partition, or the oldest one that the retention setting keeps."""
        return max(self.start_date, self.oldest_kept(now) or self.start_date)

    def hours_since(self, first: datetime, now: datetime) -> Window:
        """From the hour of `first`, though not before `first_hour`, to the end of the hour in progress."""
        return Window.of(max(floor_to_hour(first), self.first_hour(now)), floor_to_hour(now))

    def oldest_kept(self, now: datetime) -> datetime | None:
        """The oldest hour that the retention setting keeps; None where everything is kept.

        Whatever fetches, compares or mirrors starts no earlier, so that nothing pruned comes back.
        """
        return floor_to_hour(now - self.retention) if self.retention else None

    def oldest_archived(self, now: datetime) -> datetime | None:
        """The same of activities that only a bulk export has."""
        return floor_to_hour(now - self.archive_retention) if self.archive_retention else None

    def __repr__(self) -> str:
        return f"Settings(client_id={self.client_id!r}, api_url={self.api_url!r}, bucket={self.s3_bucket!r})"


def text(environment: Mapping[str, str], name: str) -> str:
    """The value of a variable, or its default where it is absent or empty."""
    return environment.get(variable_set(environment, name) or name, "").strip() or DEFAULTS[name]


def variable_set(environment: Mapping[str, str], name: str) -> str | None:
    """The name under which a variable is set: its own, else its old one; None where it is not set."""
    names = (name, OLD_NAMES.get(name, name))
    return next((candidate for candidate in names if environment.get(candidate, "").strip()), None)


def _start_date(env: Mapping[str, str]) -> datetime:
    value = text(env, "STRAVA_START_DATE")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise ConfigurationError(
            f"STRAVA_START_DATE is {value!r}, which is no date. Write it like 2024-01-01."
        ) from None
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if start > datetime.now(UTC):
        raise ConfigurationError(
            f"STRAVA_START_DATE is {value}, which lies in the future. Give the date of your first activity."
        )
    return start


def _number(env: Mapping[str, str], name: str, *, low: float, high: float) -> float:
    value = text(env, name)
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise ConfigurationError(f"{name} is {value!r}; it must be a number from {low:g} to {high:g}.")
    return number


def _retention(env: Mapping[str, str], name: str) -> timedelta | None:
    return timedelta(days=_number(env, name, low=1, high=36500)) if text(env, name) else None


def _web_hosts(env: Mapping[str, str]) -> frozenset[str]:
    hosts = frozenset(host.strip().lower() for host in text(env, "STRAVA_WEB_HOSTS").split(",") if host.strip())
    for host in hosts:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", host):
            raise ConfigurationError(
                f"STRAVA_WEB_HOSTS has {host!r}; write names only, like dagster.example.org, and no URL."
            )
    return hosts


def _purge_on_revoke(env: Mapping[str, str]) -> Literal["auto", "confirm"]:
    value = text(env, "STRAVA_PURGE_ON_REVOKE")
    if value == "auto":
        return "auto"
    if value == "confirm":
        return "confirm"
    raise ConfigurationError(f"STRAVA_PURGE_ON_REVOKE is {value!r}; it must be auto or confirm.")


def parse_database_url(value: str, name: str = "DATABASE_URL") -> URL:
    """A URL whose scheme names psycopg2, whichever of the usual spellings was pasted.

    SQLAlchemy 2.1 reads a bare `postgresql://` as psycopg 3, which dagster-postgres cannot use, and does
    not know `postgres://` at all. Raises ConfigurationError, naming the variable, if it is no Postgres URL.
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        # The value may hold a password, so it is not repeated.
        raise ConfigurationError(f"{name} is no database URL. Write it like {DEFAULTS['DATABASE_URL']}.") from None
    if url.drivername.split("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigurationError(f"{name} has the scheme {url.drivername}; only postgresql is supported.")
    if not url.database:
        raise ConfigurationError(f"{name} names no database. Write it like {DEFAULTS['DATABASE_URL']}.")
    return url.set(drivername="postgresql+psycopg2")
