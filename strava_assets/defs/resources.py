"""Resources: thin objects that open an API client, a token store, a bucket, an engine. They decide nothing.

They are made from a Settings value instead of Dagster's config: every setting is read, trimmed and checked once, for
commands and runs alike, and no secret becomes part of a config that Dagster shows.
https://docs.dagster.io/guides/build/external-resources
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, NamedTuple

import dagster as dg
from redis import Redis
from sqlalchemy import Engine

from strava_assets import services
from strava_assets.defs.names import Names
from strava_assets.raw.archive_store import ArchiveStore
from strava_assets.raw.deletion import RawDeletion
from strava_assets.raw.object_file import open_object
from strava_assets.raw.report_store import ReportStore
from strava_assets.raw.store import RawStore
from strava_assets.settings import Settings
from strava_assets.strava.client import StravaClient
from strava_assets.strava.tokens import TokenStore
from strava_assets.sync.compare import Comparer, make_comparer


@dataclass(frozen=True)
class RedisTokens:
    """The athletes' OAuth tokens, the locks around them and the shared request budget, in Redis."""

    settings: Settings

    def open(self) -> TokenStore:
        """The token store."""
        return TokenStore(self.connect())

    def connect(self) -> Redis:
        """A connection to Redis."""
        return services.open_redis(self.settings)


@dataclass(frozen=True)
class StravaApi:
    """Strava's API, over OAuth2Session, within the application's request budget."""

    settings: Settings

    def open(
        self, *, may_use_reserve: bool, max_wait: timedelta, on_wait: Callable[[str], None] | None = None
    ) -> StravaClient:
        """An API client; see services.open_client."""
        return services.open_client(self.settings, may_use_reserve=may_use_reserve, max_wait=max_wait, on_wait=on_wait)


@dataclass(frozen=True)
class RawBucket:
    """The bucket of raw objects in S3."""

    settings: Settings

    def open(self) -> RawStore:
        """The store of raw objects."""
        return services.open_store(self.settings)

    def open_archives(self) -> ArchiveStore:
        """The files of bulk exports."""
        return services.open_archive_store(self.settings)

    def open_reports(self) -> ReportStore:
        """Training reports."""
        return services.open_report_store(self.settings)

    def open_url(self, url: str) -> AbstractContextManager[IO[bytes]]:
        """An object of any bucket that these credentials can read, by its URL `s3://bucket/key`."""
        return open_object(services.s3_access(self.settings), url)

    def open_deletion(self) -> RawDeletion:
        """What deletes raw objects with all their versions."""
        return services.open_deletion(self.settings)


@dataclass(frozen=True)
class Postgres:
    """The database of the `strava_activity` table: one SQLAlchemy engine per process."""

    settings: Settings

    def open(self) -> Engine:
        """The engine."""
        return services.open_engine(self.settings)


class Resources(NamedTuple):
    """What a run, a tick or an op works with. The registered names are these with `strava_` before them."""

    api: StravaApi
    tokens: RedisTokens
    s3: RawBucket
    postgres: Postgres

    @classmethod
    def of(cls, settings: Settings) -> "Resources":
        """All of them, of one platform."""
        return cls(StravaApi(settings), RedisTokens(settings), RawBucket(settings), Postgres(settings))

    def comparer(self, settings: Settings, client: StravaClient) -> Comparer:
        """What compares Strava with bucket and mirror."""
        return make_comparer(client, self.s3.open(), self.postgres.open(), settings.max_delete_share)


def registered(settings: Settings, names: Names) -> dict[str, dg.ResourceDefinition]:
    """The four resources under the names that they have in the code location, e.g. `strava_s3`."""
    return {
        key: dg.ResourceDefinition.hardcoded_resource(resource, description=type(resource).__doc__)
        for key, resource in zip(resource_keys(names), Resources.of(settings), strict=True)
    }


def resource_keys(names: Names) -> list[str]:
    """The registered names, in the order of `Resources`."""
    return [names.of(f"strava_{field}") for field in Resources._fields]


def resources_of(
    context: dg.AssetExecutionContext | dg.OpExecutionContext | dg.SensorEvaluationContext, names: Names
) -> Resources:
    """The resources of a run or a tick."""
    return Resources(*(getattr(context.resources, key) for key in resource_keys(names)))
