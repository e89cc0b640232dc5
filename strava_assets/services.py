"""Opens clients, stores and connections from settings: for Dagster's resources and commands alike."""

from collections.abc import Callable
from datetime import timedelta

from redis import Redis

from strava_assets.raw.archive_store import ArchiveStore
from strava_assets.raw.deletion import RawDeletion
from strava_assets.raw.report_store import ReportStore
from strava_assets.raw.s3_access import S3Access
from strava_assets.raw.store import RawStore
from strava_assets.settings import Settings
from strava_assets.state.connection import connect
from strava_assets.strava.client import StravaClient

UNTIL_IT_REFILLS = timedelta(minutes=16)
"""A command at a terminal waits out a 15-minute limit."""


def open_client(
    settings: Settings,
    *,
    may_use_reserve: bool = False,
    max_wait: timedelta = UNTIL_IT_REFILLS,
    on_wait: Callable[[str], None] | None = None,
) -> StravaClient:
    """Strava's API; by default, as a command does, waiting until a used-up 15-minute limit refills."""
    settings.require_application()
    return StravaClient.open(settings, may_use_reserve=may_use_reserve, max_wait=max_wait, on_wait=on_wait)


def s3_access(settings: Settings) -> S3Access:
    """The bucket of raw objects and the way to it."""
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


def open_store(settings: Settings) -> RawStore:
    """The bucket of raw objects."""
    return RawStore(s3_access(settings))


def open_archive_store(settings: Settings) -> ArchiveStore:
    """The bucket, for the files of bulk exports."""
    return ArchiveStore(s3_access(settings))


def open_report_store(settings: Settings) -> ReportStore:
    """The bucket, for training reports."""
    return ReportStore(s3_access(settings))


def open_deletion(settings: Settings) -> RawDeletion:
    """What deletes raw objects with all their versions."""
    return RawDeletion(s3_access(settings))


def open_redis(settings: Settings) -> Redis:
    """Redis, which holds tokens, budget and resume points."""
    return connect(settings.redis_url)
