"""What commands work with: the same objects that Dagster's resources open, opened from settings."""

from collections.abc import Callable
from datetime import timedelta

import boto3
from redis import Redis

from strava_assets.raw.deletion import RawDeletion
from strava_assets.raw.store import RawStore
from strava_assets.settings import Settings
from strava_assets.state.connection import connect
from strava_assets.strava.client import StravaClient

UNTIL_IT_REFILLS = timedelta(minutes=16)
"""A command at a terminal waits out a spent quarter hour by itself."""


def open_client(settings: Settings, on_wait: Callable[[str], None] | None = None) -> StravaClient:
    """Strava's API, waiting for the request window where it is spent."""
    settings.require_application()
    return StravaClient.open(settings, max_wait=UNTIL_IT_REFILLS, on_wait=on_wait)


def open_store(settings: Settings) -> RawStore:
    """The bucket of raw objects."""
    return RawStore.open(
        boto3.session.Session(),
        bucket=settings.s3_bucket,
        prefix=settings.s3_prefix,
        endpoint_url=settings.s3_endpoint_url,
    )


def open_deletion(settings: Settings) -> RawDeletion:
    """What deletes raw objects with all their versions."""
    return RawDeletion.open(
        boto3.session.Session(),
        bucket=settings.s3_bucket,
        prefix=settings.s3_prefix,
        endpoint_url=settings.s3_endpoint_url,
    )


def open_redis(settings: Settings) -> Redis:
    """Redis, which holds tokens, budget and resume points."""
    return connect(settings.redis_url)
