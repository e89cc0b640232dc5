"""Opens clients, stores and connections from settings: for Dagster's resources and commands alike.

What S3 needs is imported late: it costs half a second, and `login`, `athletes` and `webhook` need none of it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from redis import Redis
from sqlalchemy import Engine

from strava_assets.mirror.database import engine_for
from strava_assets.settings import Settings
from strava_assets.state.connection import connect
from strava_assets.strava.client import StravaClient
from strava_assets.strava.clock import REAL, Clock
from strava_assets.strava.oauth import OAuth
from strava_assets.strava.request_budget import Budget
from strava_assets.strava.session import ApiSession
from strava_assets.strava.token_renewal import LOCK_WAIT, Access
from strava_assets.strava.tokens import TokenStore

if TYPE_CHECKING:
    from strava_assets.raw.archive_store import ArchiveStore
    from strava_assets.raw.deletion import RawDeletion
    from strava_assets.raw.report_store import ReportStore
    from strava_assets.raw.s3_access import S3Access
    from strava_assets.raw.store import RawStore

UNTIL_IT_REFILLS = timedelta(minutes=16)
"""A command at a terminal waits out a 15-minute limit, but not a day's."""

SHORT_LOCK_WAIT = 10.0
"""Seconds; a renewal takes one or two, and one that died must not hold up the other athletes of a sensor's tick."""


def open_client(
    settings: Settings,
    *,
    may_use_reserve: bool = False,
    max_wait: timedelta = UNTIL_IT_REFILLS,
    on_wait: Callable[[str], None] | None = None,
    clock: Clock = REAL,
) -> StravaClient:
    """Strava's API. Raises ConfigurationError where the settings are not usable; connects to nothing yet.

    Only a caller that `may_use_reserve` may spend the last part of a rate limit. A spent limit is waited
    out if it refills within `max_wait`, after telling `on_wait` so; otherwise requests raise RateLimitExceeded.
    A token that another process renews is waited for as long, but some seconds in any case.
    """
    redis = open_redis(settings)
    tokens = TokenStore(redis)
    lock_wait = min(max(max_wait.total_seconds(), SHORT_LOCK_WAIT), LOCK_WAIT)
    access = Access(OAuth(settings, clock), tokens, clock, lock_wait=lock_wait)
    budget = Budget(
        redis,
        settings.client_id,
        reserve_share=settings.budget_reserve,
        may_use_reserve=may_use_reserve,
        max_wait=max_wait,
        clock=clock,
        on_wait=on_wait,
    )
    return StravaClient(tokens, access, ApiSession(settings, access, budget, clock), budget, clock)


def open_redis(settings: Settings) -> Redis:
    """Redis, which holds tokens, budget and resume points."""
    return connect(settings.redis_url)


def open_engine(settings: Settings) -> Engine:
    """The database of the tables: one engine per process."""
    return engine_for(settings.database_url)


def s3_access(settings: Settings) -> "S3Access":
    """The bucket of raw objects and the way to it."""
    from strava_assets.raw.s3_access import S3Access

    return S3Access(
        bucket=settings.s3_bucket,
        prefix=settings.s3_prefix,
        endpoint_url=settings.s3_endpoint_url,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=settings.s3_secret_access_key,
        session_token=settings.s3_session_token,
        ca_bundle=settings.ca_bundle,
    )


def open_store(settings: Settings) -> "RawStore":
    """The bucket of raw objects."""
    from strava_assets.raw.store import RawStore

    return RawStore(s3_access(settings))


def open_archive_store(settings: Settings) -> "ArchiveStore":
    """The bucket, for the files of bulk exports."""
    from strava_assets.raw.archive_store import ArchiveStore

    return ArchiveStore(s3_access(settings))


def open_report_store(settings: Settings) -> "ReportStore":
    """The bucket, for training reports."""
    from strava_assets.raw.report_store import ReportStore

    return ReportStore(s3_access(settings))


def open_deletion(settings: Settings) -> "RawDeletion":
    """What deletes raw objects with all their versions."""
    from strava_assets.raw.deletion import RawDeletion

    return RawDeletion(s3_access(settings))
