"""Every setting: its environment variable, default and meaning. Nothing else of the platform reads the environment.

Settings are read when `Settings.from_environment()` is called, never at import. A variable that is set
but empty counts as not set, as in a `.env` that was copied from `.env.example`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Literal, NamedTuple, cast

from sqlalchemy.engine import URL

from strava_assets.errors import SettingMissing
from strava_assets.hours import HOUR, Window, floor_to_hour
from strava_assets.loopback import is_loopback
from strava_assets.settings.values import Environment

STRAVA = "https://www.strava.com"


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
    Variable("STRAVA_BASE_URL", STRAVA, "Base URL of the OAuth endpoints (`/oauth/...`)"),
    Variable("STRAVA_API_URL", "", "Base URL of the API; default `{STRAVA_BASE_URL}/api/v3`"),
    Variable("STRAVA_START_DATE", "2024-01-01", "Date of the first hourly partition (UTC midnight)"),
    Variable("STRAVA_LOOKBACK_DAYS", "30", "How many days the sensor, the hourly schedule and `up` look back"),
    Variable("STRAVA_CHANGES_INTERVAL", "900", "Polling interval of the change sensor, in seconds"),
    Variable("STRAVA_EVENTS_INTERVAL", "20", "Polling interval of the sensor for webhook events, in seconds"),
    Variable("STRAVA_BUDGET_RESERVE", "0.25", "Share of Strava's rate limits that is reserved for the hourly schedule"),
    Variable(
        "STRAVA_MAX_DELETE_SHARE",
        "0.10",
        "Safety limit: a run that would delete a larger share of an athlete's rows (and more than 5) fails until it is "
        "confirmed",
    ),
    Variable(
        "STRAVA_RETENTION_DAYS",
        "",
        "Activities older than this are deleted from table and bucket; empty keeps everything",
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
    Variable("STRAVA_WEBHOOK_VERIFY_TOKEN", "", "Shared secret of the webhook handshake (`hub.verify_token`)"),
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
"""What the Airflow DAG called a variable; read where the new name is absent."""


def misspelt_names(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that are no settings but nearly have the name of one, each with that one."""
    known = {*DEFAULTS, *OLD_NAMES.values()}
    near = {
        name: get_close_matches(name, known, n=1, cutoff=0.85)
        for name in sorted(environment)
        if name.startswith("STRAVA_") and name not in known
    }
    return {name: found[0] for name, found in near.items() if found}


_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")

_TEMPORARY_KEY = "ASIA"
"""How the ids of AWS's temporary keys begin, which need a session token; others have none."""


@dataclass(frozen=True)
class Settings:
    """All settings, checked and typed. `str()` of it shows no secret."""

    client_id: str
    client_secret: str
    base_url: str
    api_url: str
    allow_plain_http: bool
    start_date: datetime
    lookback: timedelta
    changes_interval_seconds: int
    events_interval_seconds: int
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
    s3_region: str
    s3_access_key_id: str
    s3_secret_access_key: str
    s3_session_token: str
    ca_bundle: str
    database_url: URL
    dagster_postgres_url: URL
    web_hosts: frozenset[str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read and check all settings. Raises ConfigurationError, naming the variable, where one is unusable."""
        env = Environment(os.environ if environment is None else environment, DEFAULTS, OLD_NAMES)
        base_url = env.web_url("STRAVA_BASE_URL", STRAVA)
        database_url = env.database_url("DATABASE_URL")
        key_id, secret = env.key_pair("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        endpoint = next((name for name in _ENDPOINTS if env.first_set(name)), None)
        return cls(
            client_id=env.text("STRAVA_CLIENT_ID"),
            client_secret=env.text("STRAVA_CLIENT_SECRET"),
            base_url=base_url,
            api_url=(
                env.web_url("STRAVA_API_URL", "https://www.strava.com/api/v3")
                if env.text("STRAVA_API_URL")
                else f"{base_url}/api/v3"
            ),
            # oauthlib's own variable for tokens over plain http: for a simulation on another machine.
            allow_plain_http=bool(env.first_set("OAUTHLIB_INSECURE_TRANSPORT")),
            start_date=env.start_of_day("STRAVA_START_DATE", datetime.now(UTC)),
            lookback=timedelta(days=env.number("STRAVA_LOOKBACK_DAYS", low=1, high=3650)),
            changes_interval_seconds=int(env.number("STRAVA_CHANGES_INTERVAL", low=5, high=86400)),
            events_interval_seconds=int(env.number("STRAVA_EVENTS_INTERVAL", low=5, high=86400)),
            budget_reserve=env.number("STRAVA_BUDGET_RESERVE", low=0, high=0.9),
            max_delete_share=env.number("STRAVA_MAX_DELETE_SHARE", low=0, high=1),
            retention=_days(env, "STRAVA_RETENTION_DAYS"),
            archive_retention=_days(env, "STRAVA_ARCHIVE_RETENTION_DAYS"),
            purge_on_revoke=cast("Literal['auto', 'confirm']", env.choice("STRAVA_PURGE_ON_REVOKE", "auto", "confirm")),
            webhook_verify_token=env.text("STRAVA_WEBHOOK_VERIFY_TOKEN"),
            redis_url=env.redis_url("REDIS_URL"),
            s3_bucket=env.bucket("S3_BUCKET"),
            s3_prefix=env.object_prefix("S3_PREFIX"),
            s3_endpoint_url=env.web_url(endpoint, "http://localhost:9000") if endpoint else None,
            s3_region=env.region("AWS_DEFAULT_REGION", "AWS_REGION"),
            s3_access_key_id=key_id,
            s3_secret_access_key=secret,
            # What another login left in the environment must not go along with keys that have none.
            s3_session_token=env.first_set("AWS_SESSION_TOKEN") if key_id.startswith(_TEMPORARY_KEY) else "",
            ca_bundle=env.first_set("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
            database_url=database_url,
            dagster_postgres_url=(
                env.database_url("DAGSTER_POSTGRES_URL")
                if env.text("DAGSTER_POSTGRES_URL")
                else database_url.set(database="dagster")
            ),
            web_hosts=env.host_names("STRAVA_WEB_HOSTS"),
        )

    def require_application(self) -> None:
        """Raise SettingMissing unless a Strava API application is configured."""
        for name, value in (("STRAVA_CLIENT_ID", self.client_id), ("STRAVA_CLIENT_SECRET", self.client_secret)):
            if not value:
                raise SettingMissing(
                    f"{name} is not set. Take it from https://www.strava.com/settings/api and put it into .env."
                )

    def first_hour(self, now: datetime) -> datetime:
        """The hour of the first partition, or the oldest one that the retention setting keeps."""
        return max(self.start_date, self.oldest_kept(now) or self.start_date)

    def hours_since(self, first: datetime, now: datetime) -> Window:
        """From the hour of `first`, though not before `first_hour`, to the end of the hour in progress."""
        return Window.of(max(floor_to_hour(first), self.first_hour(now)), floor_to_hour(now))

    def closed_hours(self, now: datetime) -> Window:
        """The hours of the look-back that have ended: those that are missing are fetched by schedule, and by `up`."""
        last = floor_to_hour(now) - HOUR
        return Window.of(max(self.first_hour(now), last - self.lookback), last)

    def oldest_kept(self, now: datetime) -> datetime | None:
        """The oldest hour that the retention setting keeps; None where everything is kept.

        Whatever fetches, compares or mirrors starts no earlier, so that nothing deleted comes back.
        """
        return floor_to_hour(now - self.retention) if self.retention else None

    @property
    def is_simulated(self) -> bool:
        """Whether Strava is a simulated one: the real one does not answer on this machine."""
        return is_loopback(self.base_url)

    @property
    def grants_page(self) -> str:
        """Where athletes end an application's access; empty where Strava is another server than the real one."""
        return f"{STRAVA}/settings/apps" if self.base_url == STRAVA else ""

    def oldest_archived(self, now: datetime) -> datetime | None:
        """The same of activities that only a bulk export has."""
        return floor_to_hour(now - self.archive_retention) if self.archive_retention else None

    def __repr__(self) -> str:
        return f"Settings(client_id={self.client_id!r}, api_url={self.api_url!r}, bucket={self.s3_bucket!r})"


def _days(env: Environment, name: str) -> timedelta | None:
    return timedelta(days=env.number(name, low=1, high=36500)) if env.text(name) else None
